#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# coaxd --proxy between Debian's coap-client and coap-server.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
need_client
command -v coap-server-notls >/dev/null || {
	echo "1..0 # SKIP no coap-server-notls (libcoap3-bin)"
	exit 4
}

observe=${COAX_BUILD:-build}/tools/examples/observe
origin=
origin_port=$((20000 + RANDOM % 20000))

# It says each request that it gets.
start_origin() {
	coap-server-notls -A 127.0.0.1 -p "$origin_port" -d 10 -v 7 >"$work/origin" 2>&1 &
	origin=$!
	local deadline=$((SECONDS + 10))
	until timeout --foreground 1 coap-client-notls -B 1 -v 6 "coap://127.0.0.1:$origin_port/time" 2>&1 |
		grep -q 'c:2.05'; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}

stop_origin() {
	[ -n "$origin" ] || return 0
	kill "$origin" 2>/dev/null
	wait "$origin"
	origin=
} 2>/dev/null

# How many requests for PATH the origin got.
requests() {
	grep -c "c:GET.*Uri-Path:$1" "$work/origin"
}

start_origin || {
	sed 's/^/# /' "$work/origin"
	echo "not ok 1 coap-server answers at port $origin_port"
	exit 1
}
echo here >"$served/file"
start_coaxd --proxy "o=coap://127.0.0.1:$origin_port"

files_and_origin() {
	ask 2.05 /file && body_is "here
" && ask 2.05 /o/time && grep -q : "$work/body" && ask 4.04 /o/nowhere && ask 4.04 /nowhere
}

# libcoap says no Max-Age for it, so it is good for a minute; for its time it says a second.
cached() {
	ask 2.05 /o/example_data || return 1
	local before
	before=$(requests example_data)
	[ "$before" -ge 1 ] && ask 2.05 /o/example_data && has Max-Age: &&
		ask 2.05 /o/example_data && [ "$(requests example_data)" -eq "$before" ]
}

time_goes_on() {
	ask 2.05 /o/time || return 1
	cp "$work/body" "$work/first"
	sleep 2.2
	ask 2.05 /o/time && ! cmp -s "$work/first" "$work/body"
}

changes() {
	ask 2.05 /o/example_data && ask 2.04 /o/example_data -m put -e two && ask 2.05 /o/example_data && body_is two &&
		ask 2.04 /o/example_data -m put -e three && ask 2.05 /o/example_data && body_is three
}

large() {
	head -c 5000 /dev/urandom | base64 -w 0 | head -c 5000 >"$work/large"
	ask 2.04 /o/example_data -m put -f "$work/large" -b 512 &&
		ask 2.05 /o/example_data -b 256 && cmp "$work/large" "$work/body"
}

observed() {
	: >"$work/told"
	timeout 20 "$observe" "coap://127.0.0.1:$port/o/time" 4 >"$work/told" 2>"$work/told.err" &
	local first=$!
	timeout 20 "$observe" "coap://127.0.0.1:$port/o/time" 4 >"$work/told2" 2>>"$work/told.err" &
	wait "$first" "$!" || {
		cat "$work/told" "$work/told.err"
		return 1
	}
	cat "$work/told" "$work/told2"
	[ "$(sort -u "$work/told" | wc -l)" -ge 2 ] && [ "$(sort -u "$work/told2" | wc -l)" -ge 2 ]
}

without_origin() {
	stop_origin
	ask 5.0[24] /o/other && ask 2.05 /file
}

not_allowed() {
	timeout --foreground 10 coap-client-notls -B 5 -v 6 -P "coap://127.0.0.1:$port" \
		"coap://127.0.0.1:$origin_port/time" >"$work/seen" 2>&1
	cat "$work/seen"
	grep -q 'c:5.05' "$work/seen"
}

plan 8
check "files and the origin's resources are served side by side" files_and_origin
check "what is fresh is not asked for again, and says what is left of its Max-Age" cached
check "what is stale is asked for again" time_goes_on
check "a PUT reaches the origin, and the next GET sees it" changes
check "bodies in blocks of any size go both ways" large
check "two observers are told of changes at the origin" observed
check "it is no forward-proxy" not_allowed
check "without its origin it says 5.02 or 5.04, and serves the rest" without_origin
finish
