#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# Under a flood of forged sources the real clients beside it keep their answers, and little of what
# is sent goes to those sources.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/lab.sh
. "$root/tools/lab.sh"
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
lab_private "$0" "$@"
bench=$LAB_BUILD/coax-bench
rate=500000
seconds=2

# client NAME PATH RATE: a real client of NAME, for longer than a flood. It repeats nothing.
client() {
	lab_start_client "$bench" socket --destination "$LAB_SERVER_4" --path "$2" --rate "$3" \
		--sockets 4 --window 64 --seconds "$((seconds + 2))" >"$LAB_DIR/$1"
	echo "$1 $LAB_PID" >>"$LAB_DIR/clients"
}

flood() { # path
	lab_client "$bench" flood --interface "$LAB_CLIENT_LINK" --peer-mac "$LAB_SERVER_MAC" \
		--spare "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" --path "$1" \
		--rate "$rate" --seconds "$seconds"
}

# Of what the clients asked, so many in a hundred were answered, and as they should be.
kept() {
	answered=0
	asked=0
	while read -r name pid; do
		wait "$pid" || return 1
		line=$(cat "$LAB_DIR/$name")
		echo "# $name: $line"
		answered=$((answered + $(lab_field replies "$line")))
		asked=$((asked + $(lab_field sent "$line")))
	done <"$LAB_DIR/clients"
	awk -v a="$answered" -v b="$asked" 'BEGIN { printf "# kept %.2f %%\n", 100 * a / b
		exit !(b > 0 && a >= 0.99 * b) }'
}

beside() { # path of the flood
	: >"$LAB_DIR/clients"
	client small /small 500
	client large /large 100
	client listing / 200
	sleep 1
	flooded=$(flood "$1") || return 1
	echo "# $flooded"
	# A machine that is busy with other things sends less; a tenth of it is a flood still.
	[ "$(lab_field rate "$flooded" | cut -d. -f1)" -ge $((rate / 10)) ] && kept
}

large_replies_are_bounded() {
	beside /large || return 1
	# Of a gigabyte; 2.4 MB at once, and 0.3 MB a second.
	[ "$(lab_field bytes_in "$flooded")" -lt 6000000 ] &&
		[ "$(lab_counter flood drop_amplified)" -gt 100000 ]
}

userspace_is_spared() {
	beside /missing || return 1
	[ "$(lab_counter flood drop_strangers)" -gt 10000 ]
}

hits_are_answered() {
	beside /small
}

lab_begin
mkdir "$LAB_DIR/site"
echo 21.5 >"$LAB_DIR/site/small"
printf '%01000d' 0 >"$LAB_DIR/site/large"
lab_coaxd --interface "$LAB_SERVER_LINK" --instance flood --bind "$LAB_SERVER_4" \
	--limit-replies-total 300000 "$LAB_DIR/site"
plan 3
check "a flood that asks for large replies gets few, clients get all of theirs" \
	large_replies_are_bounded
check "a flood that asks for what only userspace can answer does not reach it" userspace_is_spared
check "a flood that asks for small replies is answered, and so are clients" hits_are_answered
finish
