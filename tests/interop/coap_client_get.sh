#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Debian's coap-client reads from coaxd: each way in which a GET can go.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
need_client

mkdir -p "$served/sub dir"
printf 'hello\n' >"$served/hello.txt"
printf '{"a":1}' >"$served/sub dir/a.json"
printf secret >"$work/secret"
printf hidden >"$served/.hidden"
ln -s ../secret "$served/link"
ln -s .. "$served/up"
: >"$served/empty.bin"
head -c 1024 /dev/urandom >"$served/full.bin"
head -c 1025 /dev/urandom >"$served/large.bin"
printf '\000\377\r\n\000' >"$served/odd.bin"
# What is larger than a listing can be is in a directory of its own.
mkdir "$served/many"
for i in $(seq 100); do
	: >"$served/many/file-$i.cbor"
done
mkdir "$served/few"
printf x >"$served/few/b.txt"

start_coaxd --max-age 1234

get_file() {
	ask 2.05 /hello.txt && body_is "hello
" && has 'Content-Format:text/plain, Max-Age:1234' && has 'ETag:0x'
}

get_again() {
	ask 2.05 /hello.txt && body_is "hello
"
}

get_nonconfirmable() {
	ask 2.05 /hello.txt -N && grep -q '^v:1 t:NON c:2.05' "$work/seen"
}

get_encoded() {
	ask 2.05 /sub%20dir/a.json && body_is '{"a":1}' && has 'Content-Format:application/json'
}

get_binary() {
	ask 2.05 /odd.bin && cmp "$served/odd.bin" "$work/body" &&
		ask 2.05 /full.bin && cmp "$served/full.bin" "$work/body" &&
		has 'Content-Format:application/octet-stream'
}

get_empty() {
	ask 2.05 /empty.bin && [ ! -s "$work/body" ]
}

get_validated() {
	ask 2.05 /hello.txt && tag=$(etag) && ask 2.03 /hello.txt -O "4,$tag" && has "ETag:$tag" &&
		! has 'hello' && ask 2.05 /hello.txt -O 4,0x0011
}

get_bad_option() {
	ask 4.02 /hello.txt -O 4099,x
}

get_not_found() {
	ask 4.04 /none && ask 4.04 /none/none && ask 4.04 /hello.txt/ && ask 4.04 /hello.txt/x
}

get_escape() {
	ask 4.04 / -O 11,.. -O 11,secret && ask 4.04 / -O 11,../secret && ask 4.04 /..%2Fsecret &&
		ask 4.04 /link && ask 4.04 /up/secret && ask 4.04 / -O 11,/etc/passwd &&
		ask 4.04 /.hidden && ask 4.04 /a%00b && ask 4.04 /sub%20dir//a.json
}

change_read_only() {
	ask 4.05 /hello.txt -m put -e new && ask 4.05 /hello.txt -m post -e new &&
		ask 4.05 /hello.txt -m delete && has 'read only' && ask 4.05 /hello.txt -m fetch -e x &&
		get_again
}

get_not_acceptable() {
	ask 4.06 /hello.txt -A application/json && ask 2.05 /hello.txt -A text/plain
}

get_conditional() {
	ask 4.12 /hello.txt -O 1,0x0011 && ask 4.12 /hello.txt -O 5,
}

get_large() {
	ask 2.05 /large.bin && cmp "$served/large.bin" "$work/body" && has Size2:1025 || return 1
	truncate -s $(((1 << 30) + 1)) "$served/huge.bin"
	ask 5.00 /huge.bin && has 1073741824 && logged 'WARNING.*huge.bin'
	rm "$served/huge.bin"
}

get_proxied() {
	ask 5.05 /hello.txt -P "coap://127.0.0.1:$port"
}

list_directory() {
	ask 2.05 /few/ && body_is '</few/b.txt>;ct=0;obs' && has 'Content-Format:application/link-format' &&
		ask 4.04 /few && has 'slash' && ask 2.05 /many/ &&
		[ "$(tr , '\n' <"$work/body" | grep -c '^</many/file-[0-9]*.cbor>;ct=60;obs$')" -eq 100 ]
}

discover() {
	rm -r "$served/many"
	ask 2.05 /.well-known/core && grep -qF '</sub%20dir/a.json>;ct=50;obs' "$work/body" &&
		! grep -qE 'hidden|link|secret' "$work/body" &&
		ask 2.05 '/.well-known/core?ct=50' && body_is '</sub%20dir/a.json>;ct=50;obs' &&
		ask 2.05 '/.well-known/core?href=/few/*' && body_is '</few/b.txt>;ct=0;obs'
}

# The file is served as it is as soon as the kernel has told of the change.
changed_by_others() {
	ask 2.05 /hello.txt || return 1
	printf changed >"$work/new"
	mv "$work/new" "$served/hello.txt"
	for _ in $(seq 100); do
		ask 2.05 /hello.txt || return 1
		body_is changed && return
	done
	return 1
}

plan 19
check "GET gives a file with Content-Format, ETag and Max-Age (2.05)" get_file
check "GET gives it again" get_again
check "a non-confirmable GET gets a non-confirmable answer" get_nonconfirmable
check "a path is percent-decoded segment by segment" get_encoded
check "bodies of any bytes and up to 1024 of them arrive as they are" get_binary
check "an empty file is an empty body" get_empty
check "GET with the current ETag is answered 2.03, with another 2.05" get_validated
check "GET with an unknown critical option is answered 4.02" get_bad_option
check "GET of what is missing is answered 4.04" get_not_found
check "no path leads out of the directory (4.04)" get_escape
check "changes of files that are read only, and other methods, are answered 4.05" change_read_only
check "GET with Accept of another format is answered 4.06" get_not_acceptable
check "GET with conditions that do not hold is answered 4.12" get_conditional
check "a file larger than one message comes in blocks, one of more than 1 GiB is answered 5.00" get_large
check "a request to a proxy is answered 5.05" get_proxied
check "a directory is listed at its path with a slash, however many entries it has" list_directory
check "/.well-known/core lists the files and filters them" discover
check "a file that somebody replaces is served as it is then" changed_by_others
stop_coaxd
check "coaxd ends with status 0 on SIGTERM" [ $? -eq 0 ]
finish
