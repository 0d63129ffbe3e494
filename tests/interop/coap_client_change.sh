#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Debian's coap-client changes files through coaxd: PUT, POST and DELETE, and how they are refused.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
need_client

mkdir -p "$served/sub"
printf 'half' >"$served/.coaxd-0123456789abcdef"
head -c 100001 /dev/zero >"$work/too-large"
start_coaxd --writable --max-size 100000

swept() {
	[ ! -e "$served/.coaxd-0123456789abcdef" ]
}

put_new() {
	ask 2.01 /a.txt -m put -e one && has ETag:0x && ask 2.05 /a.txt && body_is one &&
		[ "$(cat "$served/a.txt")" = one ]
}

put_again() {
	chmod 640 "$served/a.txt"
	ask 2.04 /a.txt -m put -e two -t 0 && ask 2.05 /a.txt && body_is two &&
		[ "$(stat -c %a "$served/a.txt")" = 640 ]
}

put_non() {
	ask 2.04 /a.txt -m put -e two -N
}

put_binary() {
	head -c 1024 /dev/urandom >"$work/bytes"
	ask 2.01 /b.bin -m put -f "$work/bytes" && cmp "$work/bytes" "$served/b.bin" &&
		ask 2.05 /b.bin && cmp "$work/bytes" "$work/body"
}

put_large() {
	head -c 1025 /dev/urandom >"$work/large"
	ask 2.04 /b.bin -m put -f "$work/large" && cmp "$work/large" "$served/b.bin" &&
		ask 4.13 /b.bin -m put -f "$work/too-large" && has Size1:100000 &&
		cmp "$work/large" "$served/b.bin" && ask 2.04 /b.bin -m put -f "$work/bytes"
}

# Each answer is followed by a GET that must not be answered from before.
put_and_get() {
	local i
	for i in $(seq 50); do
		ask 2.04 /a.txt -m put -e "value $i" && ask 2.05 /a.txt && body_is "value $i" || return 1
	done
}

put_blockwise() {
	ask 2.04 /a.txt -m put -b 16 -e "a text that is longer than one block" &&
		ask 2.05 /a.txt && body_is "a text that is longer than one block" &&
		ask 2.04 /a.txt -m put -e "value 50"
}

put_bad_option() {
	ask 4.02 /a.txt -m put -O 4099,x -e new && ask 2.05 /a.txt && body_is "value 50"
}

put_refused() {
	ln -sf /etc/hostname "$served/link"
	ask 4.03 /.hidden -m put -e x && ask 4.03 /link -m put -e x &&
		ask 4.00 /a%2Fb -m put -e x && ask 4.00 / -m put -e x -O 11,sub -O 11,../../x &&
		ask 4.03 / -m put -e x -O 11,.. -O 11,x && ask 4.05 /sub -m put -e x &&
		ask 4.05 /sub/ -m put -e x && ask 4.04 /none/a.txt -m put -e x &&
		[ ! -e "$served/../x" ] && [ -L "$served/link" ]
}

put_format() {
	ask 4.15 /a.txt -m put -t application/json -e '{}' && ask 2.05 /a.txt && body_is "value 50"
}

put_conditional() {
	ask 4.12 /a.txt -m put -O 5, -e new && ask 4.12 /a.txt -m put -O 1,0x0011 -e new &&
		ask 4.12 /new.txt -m put -O 1, -e new && ask 2.05 /a.txt && body_is "value 50" &&
		ask 2.04 /a.txt -m put -O "1,$(etag)" -e new && ask 2.01 /c.txt -m put -O 5, -e new
}

post_new() {
	local name
	ask 2.01 /sub -m post -t application/json -e '{}' && has Location-Path:sub || return 1
	name=$(sed -n 's/.*Location-Path:\([0-9a-f]*\.json\).*/\1/p' "$work/seen")
	[ -n "$name" ] && ask 2.05 "/sub/$name" && body_is '{}' && ask 2.01 / -m post -e x &&
		ask 4.04 /none -m post -e x && ask 4.15 /sub -m post -t 11050 -e x
}

post_append() {
	ask 2.01 /log.txt -m put -e one && ask 2.04 /log.txt -m post -e ,two && ask 2.05 /log.txt &&
		body_is one,two && ask 2.04 /b.bin -m post -f "$work/large" && ask 2.05 /b.bin &&
		cat "$work/bytes" "$work/large" | cmp - "$work/body" &&
		head -c 99000 /dev/zero >"$work/rest" && ask 4.13 /b.bin -m post -f "$work/rest"
}

delete() {
	ask 4.12 /log.txt -m delete -O 1,0x0011 && ask 2.02 /log.txt -m delete &&
		ask 4.04 /log.txt && [ ! -e "$served/log.txt" ] && ask 2.02 /log.txt -m delete &&
		ask 4.05 /sub -m delete && [ -d "$served/sub" ]
}

# Limits are changed by who a process belongs to.
as_daemon() {
	local user group
	user=$(awk '/^Uid:/ {print $2}' "/proc/$daemon/status") || return 1
	group=$(awk '/^Gid:/ {print $2}' "/proc/$daemon/status") || return 1
	if [ "$(id -u)" -eq 0 ]; then
		set -- setpriv --reuid "$user" --regid "$group" --clear-groups "$@"
	fi
	"$@"
}

disk_full() {
	as_daemon prlimit --pid "$daemon" --fsize=8 && ask 5.00 /a.txt -m put -e "more than eight bytes" &&
		ask 2.05 /a.txt && body_is new && logged 'ERROR.*/a.txt' &&
		[ -z "$(find "$served" -name '.coaxd-*')" ]
}

plan 17
check "temporary files of an earlier run are removed" swept
check "PUT creates a file (2.01)" put_new
check "PUT replaces a file and keeps its permissions (2.04)" put_again
check "a non-confirmable PUT is answered too" put_non
check "1024 bytes of any value are stored and given back as they are" put_binary
check "a larger body comes in blocks; beyond --max-size it is answered 4.13 and changes nothing" put_large
check "a GET after the answer to a PUT gives what was put, fifty times" put_and_get
check "PUT by small blocks stores all of them" put_blockwise
check "PUT with an unknown critical option is answered 4.02 and changes nothing" put_bad_option
check "PUT to what is no file of the directory is refused" put_refused
check "PUT with a Content-Format against the name is answered 4.15" put_format
check "PUT heeds If-Match and If-None-Match (4.12)" put_conditional
check "POST to a directory creates a file and tells where (2.01)" post_new
check "POST to a file appends (2.04) small and large bodies up to --max-size (4.13)" post_append
check "DELETE removes a file (2.02), under conditions (4.12)" delete
check "what the disk does not take is answered 5.00, and the former file stays" disk_full
stop_coaxd
check "coaxd ends with status 0 on SIGTERM" [ $? -eq 0 ]
finish
