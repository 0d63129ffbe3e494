#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The examples do what they say, with our own and with libcoap's client; and the README quotes them as
# they are.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/ended.bash
. tests/interop/ended.bash
build=${COAX_BUILD:-build}
examples=$build/tools/examples
coax=$build/coax
server=

stop() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server"; }
	server=
}

port=
until [ -n "$port" ] && [ -z "$(ss -Hlun "sport = :$port")" ]; do
	port=$((20000 + RANDOM % 10000))
done
at=127.0.0.1:$port

# start PROGRAM ARGUMENTS...: in the background, until it listens.
start() {
	"$examples/$1" "${@:2}" >"$work/log" 2>&1 <"${input:-/dev/null}" &
	server=$!
	for _ in $(seq 200); do
		[ -z "$(ss -Hlun "sport = :$port")" ] || return 0
		sleep 0.05
	done
	return 1
}

rises() {
	[ "$(wc -l <"$1")" -eq "$2" ] && sort -C -n -u "$1"
}

sensor_observed() {
	timeout --foreground 20 "$examples/observe" "coap://$at/temperature" 3 >"$work/seen" && cat "$work/seen" &&
		rises "$work/seen" 3
}

sensor_by_libcoap() {
	timeout --foreground 20 coap-client-notls -s 3 -B 4 "coap://$at/temperature" >"$work/seen" 2>&1
	cat "$work/seen"
	grep -oE '[0-9]+\.[0-9]' "$work/seen" >"$work/values"
	[ "$(wc -l <"$work/values")" -ge 2 ] && sort -C -n "$work/values"
}

sensor_listed() {
	"$coax" get "coap://$at/.well-known/core" | grep -F '</temperature>' | grep -qw obs
}

firmware_round_trip() {
	head -c 300000 /dev/urandom >"$work/new"
	"$coax" put "coap://$at/firmware" -f "$work/new" && cmp "$work/new" "$work/image" &&
		"$coax" get "coap://$at/firmware" -o "$work/got" && cmp "$work/new" "$work/got"
}

firmware_by_libcoap() {
	timeout --foreground 60 coap-client-notls -b 512 -o "$work/got" "coap://$at/firmware" && cmp "$work/new" "$work/got"
}

firmware_abandoned() {
	# One block of many, and no more.
	"$coax" put "coap://$at/firmware" --option Block1=0x0e -p "$(printf '%01024d' 0)" ||
		true
	stop
	ls -A "$work"
	[ -z "$(find "$work" -name 'image.?*')" ] && cmp "$work/new" "$work/image"
}

line_says() {
	[ "$("$coax" get "coap://$at/line")" = "$1" ]
}

line_observed() {
	local observer
	rm -f "$work/seen"
	timeout 20 "$examples/observe" "coap://$at/line" 2 >"$work/seen" &
	observer=$!
	for _ in $(seq 100); do
		[ -s "$work/seen" ] && break
		sleep 0.05
	done
	echo "second" >&7
	wait "$observer" && cat "$work/seen" && [ "$(tr '\n' ' ' <"$work/seen")" = "first second " ]
}

# Each block of the README that begins with "// tools/examples/NAME" is a part of that file.
quoted() {
	python3 - <<-'EOF'
		import re
		text = open("README.md").read()
		names = set()
		for block in re.findall(r"```c\n// (tools/examples/\S+)\n(.*?)```", text, re.S):
		    names.add(block[0])
		    for part in re.split(r"\n*\t*/\* \.\.\. \*/\n*", block[1]):
		        if part.strip() not in open(block[0]).read():
		            raise SystemExit("%s does not say:\n%s" % (block[0], part))
		wanted = {"tools/examples/%s.c" % n for n in ("sensor", "observe", "firmware", "own_loop")}
		if names != wanted:
		    raise SystemExit("quoted: %s" % sorted(names))
	EOF
}

plan 9
start sensor "$at" || exit 1
check "the sensor is observed: its values rise, each is told once" sensor_observed
check "libcoap's client observes it" sensor_by_libcoap
check "it is listed as observable" sensor_listed
stop

echo old >"$work/image"
start firmware "$work/image" "$at" || exit 1
check "an image of 300 000 bytes is put in parts, and got in blocks" firmware_round_trip
check "libcoap's client gets it" firmware_by_libcoap
check "an image that is abandoned half way leaves nothing behind" firmware_abandoned
stop

mkfifo "$work/lines"
sleep 1000 >"$work/lines" & # holds it open
exec 7<>"$work/lines"
input=$work/lines start own_loop "$at" || exit 1
echo "first" >&7
for _ in $(seq 100); do
	line_says first && break
	sleep 0.05
done
check "a Context in a program's own loop answers with what that has read" line_says first
check "and tells its observers" line_observed
check "the README quotes the examples as they are" quoted
stop
finish
