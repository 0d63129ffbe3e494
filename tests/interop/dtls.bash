# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the tests of coaps share: certificates of P-256 by the openssl command, good and bad, in $pki, and
# a server's file of credentials. Sourced after what sets $work.

pki=$work/pki

# What a server's entry says of its clients: these are trusted, but not those.
of_home=", \"authorities\": {\"file\": \"$pki/home.pem\"}, \"revoked\": {\"file\": \"$pki/revoked.pem\"}"

# authority NAME: who signs, with what openssl ca keeps.
authority() {
	mkdir "$pki/$1.ca"
	: >"$pki/$1.ca/index"
	echo 01 >"$pki/$1.ca/serial"
	cat >"$pki/$1.ca/config" <<-EOF
		[ca]
		default_ca = it
		[it]
		database = $pki/$1.ca/index
		serial = $pki/$1.ca/serial
		new_certs_dir = $pki/$1.ca
		certificate = $pki/$1.pem
		private_key = $pki/$1.key
		default_md = sha256
		default_days = 2
		default_crl_days = 2
		unique_subject = no
		copy_extensions = copy
		policy = any
		[any]
		commonName = supplied
	EOF
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$pki/$1.key" -out "$pki/$1.pem"
}

# certificate AUTHORITY NAME ALTERNATIVE-NAMES OPTIONS-OF-CA...
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
		-addext "subjectAltName=$3" -keyout "$pki/$2.key" -out "$pki/$2.request" &&
		openssl ca -batch -notext -config "$pki/$1.ca/config" -in "$pki/$2.request" \
			-out "$pki/$2.pem" "${@:4}"
}

past=(-startdate 20200101000000Z -enddate 20210101000000Z)

make_certificates() {
	local here=DNS:localhost,IP:127.0.0.1,IP:192.0.2.2
	mkdir -p "$pki"
	{
		authority home && authority foreign &&
			certificate home gateway "$here" && certificate home old-gateway "$here" "${past[@]}" &&
			certificate foreign strange-gateway "$here" &&
			certificate home other-gateway DNS:other.example &&
			certificate home revoked-gateway "$here" &&
			certificate home sensor DNS:sensor.example &&
			certificate home old-sensor DNS:sensor.example "${past[@]}" &&
			certificate foreign strange-sensor DNS:sensor.example &&
			certificate home revoked-sensor DNS:sensor.example &&
			openssl ca -config "$pki/home.ca/config" -revoke "$pki/revoked-sensor.pem" &&
			openssl ca -config "$pki/home.ca/config" -revoke "$pki/revoked-gateway.pem" &&
			openssl ca -config "$pki/home.ca/config" -gencrl -out "$pki/revoked.pem"
	} >"$work/openssl.log" 2>&1 && return
	sed 's/^/# /' "$work/openssl.log"
	echo "not ok 1 openssl makes certificates"
	exit 1
}

# psk_entry LABEL IDENTITY KEY
psk_entry() {
	printf '"%s": {"dtls": {"psk": {"ascii": "%s"}, "client-identity": {"ascii": "%s"}}}' "$1" "$3" "$2"
}

# certificate_entry LABEL NAME MORE: "more" is of the entry, with a comma before it.
certificate_entry() {
	printf '"%s": {"certificate": {"chain": {"file": "%s.pem"}, "key": {"file": "%s.key"}%s}}' \
		"$1" "$pki/$2" "$pki/$2" "${3:-}"
}

# write_credentials FILE ENTRY...
write_credentials() {
	local IFS=,
	printf '{ %s }\n' "${*:2}" >"$1"
	chmod 644 "$1" "$pki"/*.key 2>/dev/null
	chmod 711 "$work" "$pki" 2>/dev/null
	return 0
}

need_secure() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null && continue
		echo "1..0 # SKIP no $program"
		exit 4
	done
}

# start_secure OPTIONS...: coaxd by start_coaxd of coap_client.bash; it speaks coaps at $secure_port.
start_secure() {
	start_coaxd -v "$@"
	logged ' by coaps at port ' || exit 1
	# shellcheck disable=SC2034 # for the tests
	secure_port=$(sed -n 's/.* by coaps at port \([0-9]*\)$/\1/p' "$work/log")
}

# What the daemon logs from here on.
begin_log() {
	log_begin=$(($(wc -l <"$work/log") + 1))
}

log_since() {
	tail -n "+$log_begin" "$work/log"
}

# Within some seconds there is a line like this.
logged_since() {
	local deadline=$((SECONDS + 5))
	until log_since | grep -qE -- "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || {
			echo "the log has no $1"
			return 1
		}
		sleep 0.02
	done
}

sessions_since() {
	log_since | grep -c 'Secure session with [^ ]*: '
}
