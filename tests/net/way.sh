#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# The whole way of a request: client socket, veth, XDP program or network stack, coaxd, and back.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

pins=/sys/fs/bpf/coax/way

counter() {
	lab_counter way "$1"
}

get() { # URI path, options...
	path=$1
	shift
	lab_client "$build/coax" get --timeout 2 "$@" "coap://$host/$path"
}

# The command makes the counter grow by exactly one.
counts() { # counter, command...
	name=$1
	shift
	before=$(counter "$name")
	"$@" || return 1
	after=$(counter "$name")
	[ "$after" -eq $((before + 1)) ] || {
		echo "$name went from $before to $after"
		return 1
	}
}

says() { # text, command...
	wanted=$1
	shift
	got=$("$@")
	[ "$got" = "$wanted" ] || {
		echo "wanted '$wanted', got '$got'"
		return 1
	}
}

first_then_kernel() { # options...
	says hello counts pass_unknown get hello "$@" && says hello counts reply get hello "$@"
}

# Each query is asked for the first time, though the file has been.
query() {
	for path in "hello?x=1" "hello?x=2"; do
		says hello counts pass_unknown get "$path" && says hello counts reply get "$path" || return 1
	done
	says hello counts reply get hello
}

both_say() { # file
	get "$1" >"$LAB_DIR/first" && counts reply get "$1" >"$LAB_DIR/second" &&
		cmp "$LAB_DIR/first" "$LAB_DIR/second" && cmp "$LAB_DIR/first" "$LAB_DIR/files/$1"
}

validated() {
	get hello -v 2>&1 | grep -q 'ETag' || return 1
	etag=$(lab_client "$build/coax" -j get "coap://$host/hello" |
		sed -n 's/.*"name": "ETag".*"value": "\([0-9a-f]*\)".*/\1/p')
	[ -n "$etag" ] || etag=$(lab_client "$build/coax" -j get "coap://$host/hello" |
		tr -d '\n ' | sed -n 's/.*"name":"ETag","value":"\([0-9a-f]*\)".*/\1/p')
	[ -n "$etag" ] || { echo "no ETag"; return 1; }
	lab_client "$build/coax" -v get --etag "$etag" "coap://$host/hello" 2>&1 | grep '2\.03' &&
		counts reply lab_client "$build/coax" get --etag "$etag" "coap://$host/hello"
}

# A reply that the frame has no room for is userspace's. Beyond a frame veth leaves about 200 bytes, on
# Linux 6.1 a page.
large() {
	case $(uname -r) in
	6.1.*) outcome=reply ;;
	*) outcome=pass_no_room ;;
	esac
	get large >"$LAB_DIR/got" && counts "$outcome" get large >"$LAB_DIR/got" &&
		cmp "$LAB_DIR/got" "$LAB_DIR/files/large"
}

changed_by_others() {
	get changing >/dev/null && counts reply get changing >/dev/null || return 1
	printf new >"$LAB_DIR/files/changing"
	lab_wait_for 5 says new get changing && lab_wait_for 2 counts reply says new get changing
}

changed_by_put() {
	for value in 1 2 3 4 5; do
		lab_client "$build/coax" put -p "$value" "coap://$host/changing" &&
			says "$value" get changing && says "$value" counts reply get changing || return 1
	done
}

told() { # value
	[ "$(tail -n 1 "$LAB_DIR/told")" = "$1" ]
}

# That somebody observes keeps no plain GET from the kernel, and a PUT is on both ways at once.
observed() {
	result=0
	lab_start_client "$build/tools/examples/observe" "coap://$host/changing" 100 >"$LAB_DIR/told"
	observer=$LAB_PID
	lab_wait_for 5 told 5 || result=1
	for value in 6 7 8; do
		get changing >/dev/null && counts reply get changing >/dev/null &&
			lab_client "$build/coax" put -p "$value" "coap://$host/changing" &&
			says "$value" get changing &&
			says "$value" counts reply get changing &&
			lab_wait_for 5 told "$value" || result=1
	done
	kill "$observer"
	wait "$observer"
	return "$result"
}

listed() {
	mkdir "$LAB_DIR/files/dir"
	lab_give "$LAB_DIR/files/dir"
	get dir/ >/dev/null && counts reply get dir/ >/dev/null &&
		lab_client "$build/coax" put -p x "coap://$host/dir/new" &&
		says "</dir/new>;ct=42;obs" get dir/ &&
		says '</dir/new>;ct=42;obs' counts reply get dir/
}

deleted() {
	get going >/dev/null && counts reply get going >/dev/null || return 1
	lab_client "$build/coax" delete "coap://$host/going" || return 1
	get going
	[ $? -eq 2 ]
}

# What goes to somebody else is none of our business, CoAP or not: the stack says what becomes of it.
foreign() {
	lab_server ip address add 198.51.100.1/32 dev lo
	lab_client ip route add 198.51.100.1/32 via "$LAB_SERVER_4"
	before=$(counter pass_not_ours)
	lab_client "$build/coax" get --timeout 2 "coap://198.51.100.1:5690/hello"
	[ "$(counter pass_not_ours)" -gt "$before" ]
}

# An address that comes is served by the kernel from then on, one that goes is not.
addresses() {
	lab_server ip address add 198.51.100.7/24 dev "$LAB_SERVER_LINK"
	lab_client ip address add 198.51.100.8/24 dev "$LAB_CLIENT_LINK"
	lab_client ip neighbour replace 198.51.100.7 lladdr "$LAB_SERVER_MAC" dev "$LAB_CLIENT_LINK"
	host=198.51.100.7
	lab_wait_for 5 counts reply get hello
	result=$?
	lab_server ip address del 198.51.100.7/24 dev "$LAB_SERVER_LINK"
	host=$LAB_SERVER_4
	[ "$result" -eq 0 ] && lab_wait_for 5 no_endpoint 198.51.100.7
}

no_endpoint() {
	! bpftool map dump pinned "$pins/endpoints" | grep -qF "$1"
}

libcoap_client() {
	says hello counts reply lab_client coap-client-notls -B 2 -m get "coap://$host/hello"
}

readable() {
	bpftool map dump pinned "$pins/index" | grep -q '"/hello"' &&
		bpftool map dump pinned "$pins/endpoints" | grep -qF "\"$LAB_SERVER_4:5683\"" &&
		bpftool map dump pinned "$pins/exchanges" | grep -q '"COAX_EXCHANGE_ANSWERED"' &&
		bpftool map dump pinned "$pins/config" | grep -q '"layout": 3'
}

plan 20
lab_begin
mkdir "$LAB_DIR/files"
printf hello >"$LAB_DIR/files/hello"
printf old >"$LAB_DIR/files/changing"
printf gone >"$LAB_DIR/files/going"
: >"$LAB_DIR/files/empty"
head -c 200 /dev/urandom >"$LAB_DIR/files/binary"
head -c 1024 /dev/urandom >"$LAB_DIR/files/large"
lab_coaxd --interface "$LAB_SERVER_LINK" --instance way --writable "$LAB_DIR/files"

host=$LAB_SERVER_4
check "IPv4: the first GET is userspace's, the second the kernel's" first_then_kernel
host="[$LAB_SERVER_6]"
check "IPv6: the same request bytes are known already" says hello counts reply get hello
check "a ping is answered by the kernel, over IPv6" counts pong lab_client "$build/coax" ping "coap://$host"
host=$LAB_SERVER_4
check "a ping is answered by the kernel, over IPv4" counts pong lab_client "$build/coax" ping "coap://$host"
check "a NON GET gets a NON reply from the kernel" says hello counts reply get hello --non
check "Accept is a request of its own" first_then_kernel --accept 42
check "a query is a request of its own" query
check "libcoap's client cannot tell" libcoap_client
check "an ETag is validated by the kernel" validated
check "an empty file" both_say empty
check "binary content arrives byte for byte" both_say binary
check "a reply that finds no room is sent by userspace" large
check "a change by another program shows" changed_by_others
check "a change by PUT shows at once, and then comes from the kernel" changed_by_put
check "an observed file comes from the kernel, and each PUT withdraws it and is told" observed
check "a listing comes from the kernel until names come or go" listed
check "what is deleted is gone at once" deleted
check "what is not for us passes untouched" foreign
check "addresses that come and go are followed" addresses
check "bpftool shows what is there in words" readable
finish
