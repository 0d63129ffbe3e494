#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# coax and libcoap's server, over a veth pair: observation, notifications in blocks, FETCH and PATCH,
# groups. Bodies in blocks of each size and separate responses are in tests/net/request_libcoap.c.
# shellcheck disable=SC2317 # functions are called through check
set -u

command -v coap-server-notls >/dev/null || {
	echo "1..0 # SKIP no coap-server-notls (libcoap3-bin)"
	exit 4
}
# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"
lab_begin

uri=coap://$LAB_SERVER_4
group=224.0.1.187
group6=ff02::fd

coax() {
	lab_client timeout 20 "$LAB_BUILD/coax" "$@"
}

serves() { # port
	coax get --timeout 1 "$uri:$1/time"
}

lab_client ip route add 224.0.0.0/4 dev "$LAB_CLIENT_LINK"
# It takes one group; so there are two.
lab_start_server coap-server-notls -d 10 -G "$LAB_SERVER_LINK" -g "$group6" >"$LAB_DIR/server.log" 2>&1
lab_start_server coap-server-notls -p 5690 -G "$LAB_SERVER_LINK" -g "$group" >>"$LAB_DIR/server.log" 2>&1
for port in 5683 5690; do
	lab_wait_for 10 serves "$port" || {
		sed 's/^/# /' "$LAB_DIR/server.log"
		echo "not ok 1 coap-server answers at port $port"
		exit 1
	}
done

# libcoap notifies of /time about once a second, not always of another one.
observe_time() {
	coax observe --count 4 "$uri/time" >"$LAB_DIR/out" && cat "$LAB_DIR/out" &&
		[ "$(wc -l <"$LAB_DIR/out")" -eq 4 ] && [ "$(sort -u "$LAB_DIR/out" | wc -l)" -ge 2 ]
}

deregister() {
	coax observe -v --count 2 "$uri/time" >"$LAB_DIR/out" 2>"$LAB_DIR/err" || return 1
	cat "$LAB_DIR/err"
	grep -q '^>.* GET .*Observe:0' "$LAB_DIR/err" && grep -q '^>.* GET .*Observe:1' "$LAB_DIR/err" &&
		! grep -q '^>.*RST' "$LAB_DIR/err"
}

# observe_data FILE TEXT...: observe while each of these is PUT; what comes is in FILE.
observe_data() {
	data_file=$1
	shift
	coax put -p before "$uri/data" || return 1
	lab_start_client timeout 20 "$LAB_BUILD/coax" observe --count $(($# + 1)) "$uri/data" >"$data_file"
	observer=$LAB_PID
	lab_wait_for 5 grep -q before "$data_file" || return 1
	for data_text in "$@"; do
		coax put --block-size 256 -p "$data_text" "$uri/data" || return 1
		lab_wait_for 5 grep -q "$data_text" "$data_file" || return 1
	done
	lab_forget "$observer"
	wait "$observer"
}

observe_changes() {
	observe_data "$LAB_DIR/changes" one two three &&
		printf 'before\none\ntwo\nthree\n' | cmp - "$LAB_DIR/changes"
}

long() {
	head -c 3000 /dev/zero | tr '\0' "$1"
}

observe_large() {
	observe_data "$LAB_DIR/large" "$(long a)" "$(long b)" &&
		printf 'before\n%s\n%s\n' "$(long a)" "$(long b)" | cmp - "$LAB_DIR/large"
}

fetch() {
	coax fetch -p x --content-format 0 "$uri/time" >"$LAB_DIR/out" && grep -q ':[0-9][0-9]:' "$LAB_DIR/out"
}

patch() {
	for method in patch ipatch; do
		coax "$method" -p x --content-format 0 "$uri/time" 2>"$LAB_DIR/err"
		[ $? -eq 2 ] && grep -q '4\.05' "$LAB_DIR/err" || return 1
	done
}

# libcoap takes its leisure, up to 5 s: both are asked at once.
discover_both() {
	coax discover --timeout 7 "coap://$group:5690" >"$LAB_DIR/ipv4" 2>&1 &
	coax discover --timeout 7 "coap://[$group6%25$LAB_CLIENT_LINK]" >"$LAB_DIR/ipv6" 2>&1
	wait $!
}

discovered() { # file, address pattern of who answers
	cat "$LAB_DIR/$1"
	grep -qE "^coap://($2)" "$LAB_DIR/$1" && grep -q '/time' "$LAB_DIR/$1"
}

plan 8
check "each notification of libcoap's is printed" observe_time
check "the observation is cancelled with Observe 1, not with RST" deregister
check "what others PUT is seen in order" observe_changes
check "large notifications are completed by requests for the other blocks" observe_large
check "FETCH is answered" fetch
check "PATCH and iPATCH get libcoap's 4.05" patch
discover_both
check "a group of IPv4 that libcoap's server has joined is discovered" discovered ipv4 "$LAB_SERVER_4"
check "so is one of IPv6, by its link" discovered ipv6 "\[($LAB_SERVER_6|fe80:)"
finish
