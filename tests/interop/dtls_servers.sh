#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax asks by coaps: libcoap's servers, with OpenSSL and with GnuTLS, and coaxd. What it says of a refusal
# names who refused, and why.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
# shellcheck source=tests/interop/dtls.bash
. tests/interop/dtls.bash
need_secure openssl coap-server-openssl coap-server-gnutls
echo "KTAP version 1"

# start_secure_server LIBRARY OPTIONS...: its secure port is in $port.
start_secure_server() {
	local plain
	plain=$(free_port) || exit 1
	port=$((plain + 1))
	"coap-server-$1" -A 127.0.0.1 -p "$plain" -d 10 -v 3 "${@:2}" >"$work/server.$1.$port.log" 2>&1 &
	must_listen "$work/server.$1.$port.log"
}

certified() { # name
	echo -c "$pki/$1.pem" -j "$pki/$1.key"
}

shown() { # name
	echo --cert "$pki/$1.pem" --key "$pki/$1.key"
}

# refused WORDS ARGUMENTS...: exit status 4, one line that says so.
refused() {
	local words=$1
	shift
	run "$@"
	expect_status 4
	expect_out ''
	expect_err_line "coax $1: [^ ]*:[0-9]+: $words"
	[ "$(wc -l <"$work/err")" -eq 1 ] || fault "more than one line"
}

# greets ARGUMENTS...: libcoap's server answers.
greets() {
	run "$@"
	expect_status 0
	expect_no_err
	expect_out_line 'This is a test server made with libcoap .*'
}

psk=(-u sensor -k sesame)
trust=(--ca "$pki/home.pem")
make_certificates
head -c 1048576 /dev/urandom >"$work/large"
printf '{"coaps://localhost:*/*": {"certificate": {"authorities": {"file": "%s"}, "revoked": {"file": "%s"}}}}' \
	"$pki/home.pem" "$pki/revoked.pem" >"$work/client.json"

for library in openssl gnutls; do
	# shellcheck disable=SC2046 # options
	{
		start_secure_server "$library" -k sesame $(certified gateway) -C "$pki/home.pem"
		both=$port
		start_secure_server "$library" $(certified gateway) -n
		open=$port
		for name in old-gateway strange-gateway other-gateway revoked-gateway; do
			start_secure_server "$library" $(certified "$name") -n
			eval "${name%-gateway}=\$port"
		done
		printf 'localhost,%s,%s\n' "$pki/both.pem" "$pki/home.pem" >"$work/names"
		cat "$pki/gateway.pem" "$pki/gateway.key" >"$pki/both.pem"
		start_secure_server "$library" $(certified other-gateway) -n -S "$work/names"
		named=$port
	}

	greets "${psk[@]}" get "coaps://127.0.0.1:$both"
	greets get "${psk[@]}" "coaps://localhost:$both/"
	greets get -u sensor -k 0x736573616d65 "coaps://127.0.0.1:$both/"
	result "$library: a pre-shared key opens a session"

	run -v get "${psk[@]}" "coaps://127.0.0.1:$both"
	expect_status 0
	sed -n 's/^\([<>]\) [^ ]*: DTLS \([A-Za-z]*\), [0-9]* bytes*$/\1\2/p' "$work/err" >"$work/messages"
	grep -qxE '(>ClientHello <HelloVerifyRequest )?>ClientHello <ServerHello (<ServerKeyExchange )?<ServerHelloDone'\
' >ClientKeyExchange >ChangeCipherSpec >Finished (<NewSessionTicket )?<ChangeCipherSpec <Finished ' \
		<(tr '\n' ' ' <"$work/messages") || fault "not the messages of a handshake"
	expect_err_line "coax get: DEBUG: Secure session with 127\.0\.0\.1:$both: DTLS 1\.2, [-A-Z0-9]+, the server has the key of psk:sensor"
	expect_err_line "> 127\.0\.0\.1:$both: DTLS alert, warning: close_notify"
	grep -qiE 'sesame|736573616d65|c2VzYW1l' "$work/err" && fault "the key is shown"
	result "$library: -v shows the handshake, and no key"

	refused 'the server answers no more since it got our identity: it may have another key for it' \
		get -u sensor -k wrong "coaps://127.0.0.1:$both" --timeout 0.5
	result "$library: a wrong key is suspected when the server falls silent"

	greets get "${trust[@]}" "coaps://127.0.0.1:$open"
	greets get "${trust[@]}" "coaps://localhost:$open"
	refused "we do not accept the server's certificate: .*certificate.* \(alert: unknown_ca\)" \
		get "coaps://localhost:$open"
	result "$library: a server is known by its certificate, under its name and its address"

	# shellcheck disable=SC2046 # options
	greets get "${trust[@]}" $(shown sensor) "coaps://localhost:$both"
	refused 'the server demands a certificate, and we have none \(alert: [a-z_]*\)' \
		get "${trust[@]}" "coaps://localhost:$both"
	# shellcheck disable=SC2046 # options
	refused 'the server does not trust the authority that signed the certificate \(alert: unknown_ca\)' \
		get "${trust[@]}" $(shown strange-sensor) "coaps://localhost:$both"
	result "$library: a server that demands a certificate gets one, and refuses a stranger's"

	no="we do not accept the server's certificate:"
	# shellcheck disable=SC2154 # by eval
	refused "$no certificate has expired \(alert: certificate_expired\)" \
		get "${trust[@]}" "coaps://localhost:$old"
	# shellcheck disable=SC2154
	refused "$no .*certificate.* \(alert: unknown_ca\)" get "${trust[@]}" "coaps://localhost:$strange"
	# shellcheck disable=SC2154
	refused "$no hostname mismatch \(alert: [a-z_]*\)" get "${trust[@]}" "coaps://localhost:$other"
	refused "$no IP address mismatch \(alert: [a-z_]*\)" get "${trust[@]}" "coaps://127.0.0.1:$other"
	# shellcheck disable=SC2154
	refused "$no certificate revoked \(alert: certificate_revoked\)" \
		get --credentials "$work/client.json" "coaps://localhost:$revoked"
	result "$library: a server's certificate that is expired, a stranger's, another's or revoked is refused"

	greets get "${trust[@]}" "coaps://localhost:$named"
	refused "$no IP address mismatch \(alert: [a-z_]*\)" get "${trust[@]}" "coaps://127.0.0.1:$named"
	result "$library: the server is told the name that it is asked by, and shows the certificate for it"

	run ping "${psk[@]}" "coaps://127.0.0.1:$both"
	expect_status 0
	expect_out_line "127.0.0.1:$both answered in .* ms"
	run observe "${psk[@]}" "coaps://127.0.0.1:$both/time" --count 2
	expect_status 0
	expect_no_err
	expect_out_lines 2
	result "$library: it answers a ping, and is observed"

	run put "${psk[@]}" "coaps://127.0.0.1:$both/large" -f "$work/large"
	expect_status 0
	run get "${psk[@]}" "coaps://127.0.0.1:$both/large" -o "$work/got"
	expect_status 0
	expect_no_err
	expect_same "$work/large" "$work/got"
	result "$library: 1 MiB goes there and comes back in blocks"
done

finish
