#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# libcoap's clients, with OpenSSL and with GnuTLS, and coaxd by coaps: pre-shared keys, certificates, who is
# refused and why, observation, bodies in blocks, and the plugtests' TD_COAP_DTLS_01 to _03. (_04 to _07 are
# about raw public keys, which OpenSSL has from 3.2 on.)
# shellcheck disable=SC2317 # functions are called through check
set -u

# Names are looked up in a file of the test's own: localhost may stand for ::1 first, where nobody listens.
if [ -z "${COAX_OWN_HOSTS:-}" ]; then
	COAX_OWN_HOSTS=$(mktemp) || exit 1
	export COAX_OWN_HOSTS
	echo "127.0.0.1 localhost" >"$COAX_OWN_HOSTS"
	exec unshare --mount --propagation private -- "$0" "$@"
fi
mount --bind "$COAX_OWN_HOSTS" /etc/hosts
rm "$COAX_OWN_HOSTS"
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
# shellcheck source=tests/interop/dtls.bash
. tests/interop/dtls.bash
need_secure openssl coap-client-openssl coap-client-gnutls

# secure_ask PATH OPTIONS...: a GET, or what the options make of it, by coaps and $client.
secure_ask() {
	ask_at "127.0.0.1:$secure_port" "$@"
}

ask_at() {
	local at=$1 path=$2
	shift 2
	rm -f "$work/body"
	timeout --foreground 20 "coap-client-$client" -B 10 -v 6 -o "$work/body" "$@" "coaps://$at$path" \
		>"$work/seen" 2>&1
	cat "$work/seen"
}

gets() {
	secure_ask /hello "$@"
	body_is hello
}

# refused WORDS REASON OPTIONS...: nothing comes back, what the client says of it has these words, and
# so has the daemon's log.
refused() {
	local words=$1 reason=$2
	shift 2
	begin_log
	secure_ask /hello "$@"
	[ ! -e "$work/body" ] && grep -qiE -- "$words" "$work/seen" && logged_since "$reason"
}

as() { # name
	echo -c "$pki/$1.pem" -j "$pki/$1.key" -C "$pki/home.pem"
}

psk=(-u password -k sesame)

wrong_key() {
	refused 'decrypt.error' "the client's key is not the one .*alert: decrypt_error" -u password -k wrong
}

unknown_identity() {
	refused 'unknown psk identity|username is missing or not known' \
		'we do not know the client.s identity' -u nobody -k sesame
}

# shellcheck disable=SC2046 # options
with_certificate() {
	begin_log
	gets $(as sensor) && logged_since 'DTLS 1.2, ECDHE-ECDSA-'
}

# shellcheck disable=SC2046
bad_certificates() {
	refused 'expired' 'certificate has expired .alert: certificate_expired' $(as old-sensor) &&
		refused 'unknown CA|CA is unknown' 'issuer certificate .alert: unknown_ca' $(as strange-sensor) &&
		refused 'revoked' 'certificate revoked .alert: certificate_revoked' $(as revoked-sensor)
}

no_certificate() {
	refused 'handshake failure|handshake failed' 'the client has no certificate, which we demand' \
		-R "$pki/home.pem"
}

# libcoap shows its certificate to a server that asks for none, too: that one has no authorities.
server_only() {
	gets -R "$pki/home.pem" && ask_at "localhost:$secure_port" /hello -R "$pki/home.pem" &&
		body_is hello && refused 'unable to get local issuer|CA is unknown' \
		'the client does not trust the authority.*alert: unknown_ca' -R "$pki/foreign.pem"
}

large() {
	begin_log
	secure_ask /large "${psk[@]}"
	cmp "$served/large" "$work/body" && secure_ask /put -m put -f "$served/large" -b 1024 "${psk[@]}" &&
		cmp "$served/large" "$served/put" && [ "$(sessions_since)" -eq 2 ]
}

noted() {
	[ "$(grep -cx "$1" "$work/noted")" -gt 0 ]
}

wait_noted() {
	local deadline=$((SECONDS + 5))
	until noted "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# Until the client has seen all of it: it deregisters after so many seconds, and ends.
observes() {
	local observer status=0 text
	printf before >"$served/state"
	give "$served"
	timeout 20 "coap-client-$client" -w -s 2 "${psk[@]}" "coaps://127.0.0.1:$secure_port/state" \
		>"$work/noted" 2>&1 &
	observer=$!
	wait_noted before || status=1
	for text in one two three; do
		secure_ask /state -m put -e "$text" "${psk[@]}" >/dev/null
		wait_noted "$text" || status=1
	done
	wait "$observer"
	cat "$work/noted"
	return "$status"
}

plugtest_1() {
	begin_log
	gets "${psk[@]}" && secure_ask /secure "${psk[@]}" && body_is hidden && ask 4.01 /secure &&
		[ "$(sessions_since)" -eq 2 ]
}

# relay DIRECTION NUMBER: to the daemon and back, but for that datagram from the client (c) or from the
# server (s); the port is in $work/relay.
relay() {
	timeout 15 python3 - "$secure_port" "$1" "$2" "$work/relay.$client.$1$2" <<-'EOF' &
		import os, select, socket, sys
		server, lost = int(sys.argv[1]), (sys.argv[2], int(sys.argv[3]))
		near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		near.bind(("127.0.0.1", 0))
		far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		far.connect(("127.0.0.1", server))
		with open(sys.argv[4] + ".new", "w") as name:
		    name.write(str(near.getsockname()[1]))
		os.rename(sys.argv[4] + ".new", sys.argv[4])
		seen = {"c": 0, "s": 0}
		while True:
		    for ready in select.select([near, far], [], [])[0]:
		        data, who = ready.recvfrom(65536)
		        side = "c" if ready is near else "s"
		        seen[side] += 1
		        if side == "c":
		            client = who
		        if (side, seen[side]) == lost:
		            continue
		        if side == "c":
		            far.send(data)
		        else:
		            near.sendto(data, client)
	EOF
	relays+=($!)
}

# One round trip each, with a datagram of each flight lost: all at once, since each waits a second or two.
lossy() {
	local lost clients=() relays=() status=0 port
	for lost in c1 c2 c3 s1 s2 s3; do
		relay "${lost:0:1}" "${lost:1}"
	done
	for lost in c1 c2 c3 s1 s2 s3; do
		until [ -s "$work/relay.$client.$lost" ]; do
			sleep 0.02
		done
		port=$(cat "$work/relay.$client.$lost")
		timeout 12 "coap-client-$client" -B 10 -o "$work/lossy.$lost" "${psk[@]}" \
			"coaps://127.0.0.1:$port/hello" &
		clients+=($!)
	done
	wait "${clients[@]}"
	for lost in c1 c2 c3 s1 s2 s3; do
		[ "$(cat "$work/lossy.$lost")" = hello ] || {
			echo "nothing with $lost lost"
			status=1
		}
		rm -f "$work/lossy.$lost"
	done
	kill "${relays[@]}"
	wait "${relays[@]}" 2>/dev/null
	return "$status"
}

make_certificates
printf hello >"$served/hello"
printf hidden >"$served/secure"
head -c 1048576 /dev/urandom >"$served/large"
write_credentials "$work/mutual.json" "$(psk_entry :plugtest password sesame)" \
	"$(certificate_entry :gateway gateway "$of_home")"
write_credentials "$work/open.json" "$(certificate_entry :gateway gateway)"

plan 20
start_secure --credentials "$work/mutual.json" --writable --access '/ * all' --access '/secure secure read'
for client in openssl gnutls; do
	check "TD_COAP_DTLS_01: $client has a key, and gets what is for secure requests" plugtest_1
	check "TD_COAP_DTLS_02: $client has a wrong key, and both sides are told" wrong_key
	check "TD_COAP_DTLS_03: $client loses a datagram of each flight, and gets there" lossy
	check "$client has an identity that nobody knows, and both sides are told" unknown_identity
	check "$client has a certificate, and gets a session" with_certificate
	check "$client has one that has expired, is a stranger's or revoked, and both sides are told" bad_certificates
	check "$client has none, where one is demanded" no_certificate
	check "$client gets and puts 1 MiB in blocks, each in one session" large
	check "$client observes a file" observes
done
stop_coaxd
start_secure --credentials "$work/open.json"
for client in openssl gnutls; do
	check "$client knows a server by its certificate, and refuses a stranger's" server_only
done
finish
