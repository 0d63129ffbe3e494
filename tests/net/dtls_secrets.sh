#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# Keys that were dropped are nowhere any more: not in the daemon's memory, which is what a core of it would
# hold. Neither its log nor the maps of its kernel half ever have them.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

secure=coaps://$LAB_SERVER_4
key=planted-7b1f-$$-5e9d-0a3c
# Where somebody has mistaken the one for the other: it has been on the network in the clear, where OpenSSL's
# buffers have it from, but the log is no place for it.
misplaced=misplaced-2c8e-$$

hex() {
	od -An -v -tx1 | tr -d ' \n'
}

# The private key's number, as it is written and as arithmetic has it.
number() {
	openssl ec -in "$pki/meter.key" -noout -text 2>/dev/null |
		sed -n '/^priv:/,/^pub:/p' | grep '^ ' | tr -d ' :\n' | sed 's/^00//'
}

reversed() {
	fold -w 2 | tac | tr -d '\n'
}

# Each form that a secret could be in, in hex.
forms() {
	printf %s "$key" | hex
	echo
	printf %s "$key" | hex | hex
	echo
	printf %s "$key" | hex | tr '[:lower:]' '[:upper:]' | hex
	echo
	printf %s "$key" | base64 | tr -d '=\n' | head -c 24 | hex
	echo
	number
	echo
	number | reversed
	echo
	number | hex
	echo
	sed -n 2p "$pki/meter.key" | hex
	echo
}

# Whether the daemon's memory is without any of them.
forgotten() {
	# shellcheck disable=SC2046 # words
	"$build/tests/interop/memory_search" "$coaxd" $(cat "$work/forms")
}

# While the keys are in use they are found there: the search can find them.
remembered() {
	forgotten
	[ $? -eq 1 ]
}

# none_in FILE: in hex.
none_in() {
	grep -oiFf "$work/forms" "$1" && return 1
	return 0
}

log_has_none() {
	hex <"$work/log" >"$work/log.hex" && none_in "$work/log.hex" && ! grep -F "$misplaced" "$work/log"
}

# bpftool prints bytes, and what they mean. What was asked for without security is found there.
maps_have_none() {
	local map count=0
	coax get "coap://$LAB_SERVER_4/file" || return 1
	for map in /sys/fs/bpf/coax/secrets/v*/*; do
		bpftool -j map dump pinned "$map" >"$work/map" 2>/dev/null || continue
		sed 's/"0x\(..\)",*/\1/g' "$work/map" >"$work/map.hex"
		none_in "$work/map.hex" || return 1
		grep -q "$(printf file | hex)" "$work/map.hex" && : >"$work/published"
		count=$((count + 1))
	done
	echo "$count maps"
	[ "$count" -gt 8 ] && [ -e "$work/published" ]
}

coax() {
	lab_client timeout 20 "$build/coax" "$@"
}

own() {
	echo --ca "$pki/home.pem" --cert "$pki/sensor.pem" --key "$pki/sensor.key"
}

# Sessions, resumed ones, handshakes that fail, and files that cannot be used, all with these keys.
# shellcheck disable=SC2046
used() {
	for _ in 1 2 3; do
		coax get -u planted -k "$key" "$secure/file" >>"$work/out" || return 1
		coax get $(own) "$secure/file" >>"$work/out" || return 1
	done
	coax get -u planted -k "wrong" "$secure/file" 2>>"$work/out" && return 1
	coax get -u "$misplaced" -k "$misplaced" "$secure/file" 2>>"$work/out" && return 1
	lab_start_client timeout 60 "$build/coax" observe -u planted -k "$key" "$secure/file" >"$work/observed" 2>&1
	observer=$LAB_PID
	lab_wait_for 5 test -s "$work/observed" || return 1
	printf '{":a": {"dtls": {"psk": {"ascii": "%s"}, "client-identity": {"ascii": 1}}}}' "$key" >"$work/server.json"
	"$build/coax" reload -i secrets 2>>"$work/out" && return 1
	printf '{":a": {"dtls": {"psk": {"hex": "%sx"}}}}' "$(printf %s "$key" | hex)" >"$work/server.json"
	"$build/coax" reload -i secrets 2>>"$work/out" && return 1
	printf '{":a": {"dtls": {"psk": "%s"' "$key" >"$work/server.json"
	"$build/coax" reload -i secrets 2>>"$work/out" && return 1
	lab_running "$observer"
}

ended() {
	! lab_running "$observer"
}

dropped() {
	write_credentials "$work/server.json" "$(psk_entry :other other otherkey)"
	"$build/coax" reload -i secrets && lab_wait_for 5 ended && lab_forget "$observer" &&
		coax get -u other -k otherkey "$secure/file" && lab_wait_for 5 forgotten
	forgotten
}

lab_begin
work=$LAB_DIR
# shellcheck source=tests/interop/dtls.bash
. "$root/tests/interop/dtls.bash"
need_secure openssl
make_certificates
certificate home meter IP:192.0.2.2 >/dev/null 2>&1
mkdir "$work/files"
echo content >"$work/files/file"
write_credentials "$work/server.json" "$(psk_entry :other other otherkey)" "$(psk_entry :planted planted "$key")" \
	"$(certificate_entry :meter meter "$of_home")"
forms >"$work/forms"
lab_coaxd -vv --slots 64 --exchanges 64 --interface "$LAB_SERVER_LINK" --instance secrets \
	--credentials "$work/server.json" "$work/files" \
	2>"$work/log" || exit 1
coaxd=$LAB_PID

plan 6
check "sessions with the keys, and attempts that fail" used
check "keys that are in use are in the daemon's memory" remembered
check "the kernel half's maps have none of them" maps_have_none
check "once dropped they are nowhere in the daemon's memory" dropped
check "the log, at its most verbose, has none of them" log_has_none
lab_stop "$coaxd"
check "it ends in order" [ $? -eq 0 ]
finish
