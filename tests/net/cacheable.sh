#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# What coaxd has said once comes from the kernel: libcoap's client walks through a large file, names that
# are missing, discovery; and what changes is withdrawn.
# shellcheck disable=SC2317 # functions are called through check
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

if ! command -v coap-client-notls >/dev/null; then
	echo "1..0 # SKIP no coap-client-notls (libcoap3-bin)"
	exit 4
fi

host=$LAB_SERVER_4
blocks=1024

counter() {
	lab_counter cacheable "$1"
}

# The file arrives whole, in blocks of 128 bytes: what a veth pair has room for.
download() {
	rm -f "$LAB_DIR/got"
	lab_client timeout 30 coap-client-notls -B 25 -b 128 -o "$LAB_DIR/got" "coap://$host/image.bin" &&
		cmp "$LAB_DIR/got" "$LAB_DIR/files/image.bin"
}

# at_most N download...: userspace gets at most N requests of it, and the kernel answers the others.
at_most() {
	limit=$1
	shift
	replies=$(counter reply)
	unknown=$(counter pass_unknown)
	withdrawn=$(counter pass_withdrawn)
	"$@" || return 1
	passed=$(($(counter pass_unknown) - unknown + $(counter pass_withdrawn) - withdrawn))
	echo "# userspace was asked $passed times"
	[ "$passed" -le "$limit" ] && [ "$(($(counter reply) - replies))" -ge $((blocks - limit)) ]
}

replaced() {
	head -c $((128 * blocks)) /dev/urandom >"$LAB_DIR/next"
	case $1 in
	put) lab_client "$build/coax" put -f "$LAB_DIR/next" "coap://$host/image.bin" ;;
	rename)
		mv "$LAB_DIR/next" "$LAB_DIR/files/image.bin"
		lab_wait_for 5 withdrawn
		;;
	esac
	at_most 12 download && at_most 0 download
}

withdrawn() {
	! "$build/coax" cache --instance cacheable | grep image.bin | grep -q " valid "
}

code() { # path, wanted code
	lab_client "$build/coax" -v get --timeout 2 "coap://$host/$1" 2>&1 | grep -q "$2"
}

by_kernel() { # command...
	before=$(counter reply)
	"$@" && [ "$(counter reply)" -eq $((before + 1)) ]
}

missing() {
	for path in nothing dir/nothing dir/none/nothing .hidden; do
		code "$path" '4\.04' && by_kernel code "$path" '4\.04' || return 1
	done
}

made_by_put() {
	lab_client "$build/coax" put -p here "coap://$host/nothing" && code nothing '2\.05' &&
		by_kernel code nothing '2\.05'
}

made_by_others() {
	code dir/nothing '4\.04' && by_kernel code dir/nothing '4\.04' || return 1
	printf here >"$LAB_DIR/files/dir/nothing"
	lab_wait_for 5 code dir/nothing '2\.05'
}

discovered() {
	for query in '' '?href=/image*' '?rt=none'; do
		code ".well-known/core$query" '2\.05' && by_kernel code ".well-known/core$query" '2\.05' ||
			return 1
	done
	lab_client "$build/coax" put -p x "coap://$host/discovered" || return 1
	lab_client "$build/coax" get "coap://$host/.well-known/core?href=/disc*" | grep -q '</discovered>'
}

plan 8
lab_begin
mkdir -p "$LAB_DIR/files/dir"
head -c $((128 * blocks)) /dev/urandom >"$LAB_DIR/files/image.bin"
lab_coaxd --interface "$LAB_SERVER_LINK" --instance cacheable --writable "$LAB_DIR/files"

check "the first download of $blocks blocks asks userspace some ten times" at_most 12 download
check "the next download comes from the kernel" at_most 0 download
check "so does what replaces the file by PUT" replaced put
check "so does what another program puts in its place" replaced rename
check "that a file is missing is said by the kernel the second time" missing
check "a file that PUT makes is there at once, and then comes from the kernel" made_by_put
check "a file that another program makes is there" made_by_others
check "discovery comes from the kernel with each filter, until names come or go" discovered
finish
