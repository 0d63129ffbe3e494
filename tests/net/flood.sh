#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# Under a flood of forged sources the real clients beside it keep their answers, and little of what
# is sent goes to those sources.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"
# shellcheck source=tools/bench/beside.sh
. "$root/tools/bench/beside.sh"
rate=500000

# keeps PATH: beside a flood of PATH the clients keep 99 % of their answers.
keeps() {
	beside "$1" "$rate" 2 || return 1
	echo "# $flooded"
	echo "# kept $kept %"
	# A machine that is busy with other things sends less; a tenth of it is a flood still.
	[ "$(lab_field rate "$flooded")" -ge $((rate / 10)) ] && [ "${kept%.*}" -ge 99 ]
}

large_replies_are_bounded() {
	keeps /large || return 1
	# Of a gigabyte; 2.4 MB at once, and 0.3 MB a second.
	[ "$(lab_field bytes_in "$flooded")" -lt 6000000 ] &&
		[ "$(lab_counter flood drop_amplified)" -gt 100000 ]
}

userspace_is_spared() {
	# Longer than what the kernel has an answer for.
	keeps "/$(printf %080d 0)" || return 1
	[ "$(lab_counter flood drop_strangers)" -gt 10000 ]
}

hits_are_answered() {
	keeps /small
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
