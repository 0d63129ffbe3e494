#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What openssl s_client can do to a handshake, and what coaxd makes of it.
# shellcheck disable=SC2317,SC2030,SC2031 # functions are called through check; each at once has its own $said
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
# shellcheck source=tests/interop/dtls.bash
. tests/interop/dtls.bash
need_secure openssl

said=$work/said
key=(-psk_identity sensor -psk 736573616d65)

# s_client OPTIONS...: with what comes by standard input; what it says is in $said.
s_client() {
	timeout --foreground 10 openssl s_client -dtls1_2 -connect "127.0.0.1:$secure_port" "$@" >"$said" 2>&1
	tr -cd '\n\40-\176' <"$said"
}

# A GET of /hello, and time for its answer: s_client closes the session where its input ends.
request() {
	printf '\100\001\022\064\265hello'
	says "served by coaxd|:error:|^closed$"
}

# Within some seconds it says so.
says() {
	local deadline=$((SECONDS + 5))
	until grep -qaE "$1" "$said" || [ "$SECONDS" -ge "$deadline" ]; do
		sleep 0.02
	done
}

# gets OPTIONS...
gets() {
	: >"$said"
	request | s_client "$@"
	grep -qa 'served by coaxd' "$said"
}

# fails ALERT OPTIONS...: with what alert of ours the handshake ends.
fails() {
	local alert=$1
	shift
	gets "$@" && return 1
	grep -qaE "SSL alert number $alert\$" "$said"
}

# Handshake messages that have come by their types, in order (RFC 5246 section 7.4).
came() {
	grep -aA 1 '^<<<.*content_type=22)' "$said" | sed -n 's/^    \([0-9a-f][0-9a-f]\) .*/\1/p' |
		tr '\n' ' '
}

# Of records that left.
left() {
	grep -ac '^>>>.*content_type=256)' "$said"
}

with_cookie() {
	gets "${key[@]}" -cipher PSK-AES128-CCM8 -msg && came && [ "$(came)" = '03 02 0e 04 14 ' ]
}

fragmented() {
	gets "${key[@]}" -mtu 256 -msg && [ "$(left)" -ge 9 ] &&
		gets -CAfile "$pki/home.pem" -cert "$pki/sensor.pem" -key "$pki/sensor.key" -mtu 256 -msg &&
		[ "$(left)" -ge 11 ]
}

# It waits for a prompt of its own kind: a line that begins with R.
renegotiates() {
	: >"$said"
	begin_log
	{
		says 'Cipher is'
		echo R
		says ':error:'
	} | s_client "${key[@]}"
	grep -qa ':no renegotiation:' "$said" && logged_since 'Secure session with .* ended'
}

# resumes OPTIONS...: with those, and without a word of the key.
resumes() {
	rm -f "$work/session"
	gets "${key[@]}" -sess_out "$work/session" "$@" && grep -qa '^New, ' "$said" || return 1
	begin_log
	gets "${key[@]}" -sess_in "$work/session" "$@" -msg && grep -qa '^Reused, ' "$said" &&
		logged_since 'Secure session with .*, resumed'
}

old_version() {
	begin_log
	timeout --foreground 10 openssl s_client -dtls1 -connect "127.0.0.1:$secure_port" "${key[@]}" \
		-cipher 'PSK:@SECLEVEL=0' >"$said" 2>&1 </dev/null
	cat "$said"
	grep -q 'SSL alert number 70$' "$said" && logged_since 'does not speak DTLS 1.2 .alert: protocol_version'
}

# at_once COMMAND ARGUMENT...: the command with each of them, since s_client takes half a second to end.
at_once() {
	local command=$1 argument processes=() status=0
	shift
	for argument; do
		(
			said=$said.$BASHPID
			"$command" "$argument" && exit
			echo "$command $argument:"
			cat "$said"
			exit 1
		) &
		processes+=($!)
	done
	for process in "${processes[@]}"; do
		wait "$process" || status=1
	done
	return "$status"
}

takes_cipher() {
	gets "${key[@]}" -CAfile "$pki/home.pem" -cipher "$1" && grep -qa "^New, .* Cipher is $1\$" "$said" &&
		logged_since "DTLS 1.2, $1, "
}

ciphers() {
	begin_log
	at_once takes_cipher PSK-AES128-CCM8 PSK-AES128-CCM PSK-AES128-GCM-SHA256 PSK-AES256-GCM-SHA384 \
		ECDHE-PSK-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-CCM8 ECDHE-ECDSA-AES128-GCM-SHA256 &&
		gets "${key[@]}" -cipher PSK-AES128-CCM8:PSK-AES128-GCM-SHA256 &&
		grep -qa 'Cipher is PSK-AES128-CCM8$' "$said"
}

refuses_cipher() {
	fails 40 "${key[@]}" -cipher "$1:@SECLEVEL=0"
}

weak_ciphers() {
	begin_log
	at_once refuses_cipher PSK-AES128-CBC-SHA256 ECDHE-PSK-AES128-CBC-SHA256 ECDHE-ECDSA-AES128-SHA256 \
		PSK-NULL-SHA256 ECDHE-PSK-NULL-SHA256 ECDHE-ECDSA-NULL-SHA AECDH-NULL-SHA AECDH-AES128-SHA \
		RSA-PSK-AES128-GCM-SHA256 AES128-GCM-SHA256 &&
		logged_since 'no cipher in common with the client.*alert: handshake_failure'
}

x() { # how many
	head -c "$1" /dev/zero | tr '\0' x
}

# An identity's length and a key's.
takes_lengths() {
	gets -psk_identity "$(x "${1%,*}")" -psk "$(printf '78%.0s' $(seq "${1#*,}"))" -cipher PSK
}

refuses_identity() {
	fails 115 -psk_identity "$(x "$1")" -psk 78 -cipher PSK
}

refuses_key() {
	fails 51 -psk_identity "$(x 128)" -psk "$(printf '78%.0s' $(seq "$1"))" -cipher PSK
}

key_lengths() {
	at_once takes_lengths 128,64 1,1 && at_once refuses_identity 0 2 127 129 255 &&
		at_once refuses_key 1 63 65 255
}

# What comes before the handshake from the same port gets no answer, and leaves nothing in its way.
garbage() {
	python3 - "$secure_port" >"$work/port" <<-'EOF' || return 1
		import os, socket, struct, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 0))
		s.connect(("127.0.0.1", int(sys.argv[1])))
		def record(kind, epoch, number, body, version=0xfefd, length=None):
		    return (struct.pack("!BHHQ", kind, version, epoch, number)[:5] + number.to_bytes(6, "big") +
		            struct.pack("!H", len(body) if length is None else length) + body)
		hello = b"\x01" + bytes(11) + b"\xfe\xfd" + bytes(34)
		for datagram in [
		    b"", b"\x16", os.urandom(64), os.urandom(1400), bytes(1400), b"\x40\x01\x12\x34",
		    record(22, 0, 0, b""), record(22, 0, 0, hello), record(22, 0, 0, hello, length=4),
		    record(22, 0, 0, hello, length=65535), record(22, 0, 0, os.urandom(300)),
		    record(22, 1, 0, os.urandom(300)), record(23, 1, 5, os.urandom(64)),
		    record(20, 0, 1, b"\x01"), record(21, 0, 2, b"\x02\x28"), record(21, 1, 2, b"\x01\x00"),
		    record(25, 0, 0, os.urandom(64)), record(22, 65535, (1 << 48) - 1, hello),
		    record(22, 0, 0, b"\x02" + hello[1:]), record(22, 0, 0, hello, version=0x0303),
		]:
		    s.send(datagram)
		s.settimeout(0.3)
		try:
		    sys.exit("answered: " + s.recv(65536).hex())
		except TimeoutError:
		    print(s.getsockname()[1])
	EOF
	gets "${key[@]}" -bind "127.0.0.1:$(cat "$work/port")"
}

client_closes() {
	begin_log
	gets "${key[@]}" && logged_since 'Secure session with .* ended: the peer has closed the session'
}

server_closes() {
	: >"$said"
	{
		request
		kill "$daemon"
		says '^closed$'
	} | s_client "${key[@]}" -msg
	grep -qa '^closed$' "$said" && grep -aA 1 '^<<<.*content_type=21)' "$said" | grep -qa '^    01 00'
}

has_name() {
	gets -CAfile "$pki/home.pem" -servername "$1" -verify_hostname "$1" -verify_return_error
}

names() {
	at_once has_name localhost other.example || return 1
	has_name wrong.example && return 1
	grep -qa 'hostname mismatch' "$said"
}

make_certificates
printf 'served by coaxd' >"$served/hello"
write_credentials "$work/credentials.json" "$(psk_entry :sensors sensor sesame)" "$(psk_entry :short x x)" \
	"$(psk_entry :long "$(x 128)" "$(x 64)")" \
	"$(certificate_entry :gateway gateway ", \"authorities\": {\"file\": \"$pki/home.pem\"},
		\"client-certificate\": \"optional\"")" \
	"$(certificate_entry :other other-gateway ', "server-name": "other.example"')"

plan 13
start_secure --credentials "$work/credentials.json"
check "a ClientHello is answered by HelloVerifyRequest, and the handshake goes on with its cookie" with_cookie
check "a ClientHello and certificates in fragments of 256 bytes are put together" fragmented
check "renegotiation is refused" renegotiates
check "a session is resumed by a ticket" resumes
check "a session is resumed by its ID" resumes -no_ticket
check "DTLS 1.0 is refused (protocol_version)" old_version
check "each cipher with AEAD is taken, in the client's order" ciphers
check "ciphers without AEAD, without forward identity or without encryption are refused" weak_ciphers
check "identities and keys are good up to 128 and 64 bytes, and those of other lengths are refused" key_lengths
check "garbage before the handshake is not answered, and does it no harm" garbage
check "the certificate for the name asked for is shown, and its name can be verified" names
check "a client's close_notify ends the session" client_closes
check "the daemon's end comes to the client as close_notify" server_closes
finish
