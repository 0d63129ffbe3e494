#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Debian's coap-client moves files larger than a message to and from coaxd.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
need_client

head -c $((1 << 20)) /dev/urandom >"$served/mega.bin"
head -c 20000 /dev/urandom >"$served/some.bin"
head -c $((1 << 20)) /dev/urandom >"$work/mega"
head -c 20000 /dev/urandom >"$work/some"
printf 'half' >"$served/.coaxd-0123456789abcdef"
start_coaxd --writable

# client OPTIONS... PATH: without a transcript of each message.
client() {
	timeout --foreground 60 coap-client-notls -B 50 -o "$work/body" "${@:1:$#-1}" \
		"coap://127.0.0.1:$port${*: -1}" 2>&1
}

get_sizes() {
	rm -f "$work/body"
	client -b 16 /some.bin && cmp "$served/some.bin" "$work/body" || return 1
	for size in 64 256 1024; do
		rm -f "$work/body"
		client -b "$size" /mega.bin && cmp "$served/mega.bin" "$work/body" || return 1
	done
}

put_sizes() {
	client -m put -b 16 -f "$work/some" /put-16.bin && cmp "$work/some" "$served/put-16.bin" ||
		return 1
	for size in 64 256 1024; do
		client -m put -b "$size" -f "$work/mega" "/put-$size.bin" &&
			cmp "$work/mega" "$served/put-$size.bin" || return 1
	done
}

no_litter() {
	[ -z "$(find "$served" -name '.coaxd-*')" ]
}

# The last block alone.
random_access() {
	truncate -s 600M "$served/sparse.bin"
	printf end | dd of="$served/sparse.bin" bs=1 seek=$((600 * 1024 * 1024 - 3)) conv=notrunc \
		2>/dev/null
	ask 2.05 /sparse.bin -O "23,$(printf 0x%06x $(((600 * 1024 - 1) << 4 | 6)))" &&
		[ "$(tail -c 3 "$work/body")" = end ] && [ "$(stat -c %s "$work/body")" -eq 1024 ]
}

# Whatever is served, each body is one of the two as a whole.
replaced_meanwhile() {
	local turn
	head -c 300000 /dev/zero | tr '\0' a >"$work/a"
	head -c 300000 /dev/zero | tr '\0' b >"$work/b"
	cp "$work/a" "$served/turns.bin"
	(
		for turn in $(seq 60); do
			if [ $((turn % 2)) -eq 0 ]; then cp "$work/a" "$work/next"; else cp "$work/b" "$work/next"; fi
			mv "$work/next" "$served/turns.bin"
			sleep 0.02
		done
	) &
	local replacing=$!
	for _ in $(seq 8); do
		rm -f "$work/body"
		client -b 1024 /turns.bin
		cmp -s "$work/a" "$work/body" || cmp -s "$work/b" "$work/body" || {
			echo "a mixed body of $(stat -c %s "$work/body") bytes"
			kill "$replacing"
			wait "$replacing"
			return 1
		}
	done
	wait "$replacing"
}

# The client is gone in the midst of it. Its file goes with the daemon at the latest.
abandoned() {
	local client deadline=$((SECONDS + 10))
	coap-client-notls -m put -b 16 -f "$work/mega" "coap://127.0.0.1:$port/abandoned.bin" \
		>/dev/null 2>&1 &
	client=$!
	while no_litter && [ "$SECONDS" -lt "$deadline" ]; do
		sleep 0.02
	done
	kill "$client"
	wait "$client"
	! no_litter && [ ! -e "$served/abandoned.bin" ] && stop_coaxd && no_litter &&
		[ ! -e "$served/abandoned.bin" ]
}

plan 7
check "GET gives files whole in blocks of 16, 64, 256 and 1024 bytes" get_sizes
check "PUT takes them whole in such blocks" put_sizes
check "no temporary file is left of it, nor of an earlier run" no_litter
check "the last block of 600 MiB is given by its number" random_access
check "a GET while the file is replaced gives one version whole" replaced_meanwhile
check "an abandoned upload leaves no file, and coaxd ends with status 0" abandoned
start_coaxd --writable
stop_coaxd
check "coaxd ends with status 0 on SIGTERM" [ $? -eq 0 ]
finish
