#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# tools/lab.sh, which other tests, the demo and the measurements stand on.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

# As a child, a lab with a server in it: says that it stands, then ends as it is told to.
if [ "${1:-}" = child ]; then
	lab_begin
	lab_start_server sleep 300
	mkdir /sys/fs/bpf/lab_directory
	echo "$LAB_PID"
	case $2 in
	end) exit 0 ;;
	fail)
		set -e
		false
		;;
	*) while :; do sleep 0.1; done ;;
	esac
fi

gone() {
	! lab_running "$1"
}

# What a lab has started is gone after it, and its names were never to be seen from here.
leaves_nothing() { # how it ends, signal
	: >"$LAB_DIR/told"
	setpriv --pdeathsig KILL "$0" child "$1" >"$LAB_DIR/told" &
	child=$!
	lab_wait_for 10 test -s "$LAB_DIR/told" || return 1
	pid=$(cat "$LAB_DIR/told")
	[ -z "${2:-}" ] || kill -"$2" "$child"
	wait "$child"
	lab_wait_for 5 gone "$pid" || return 1
	[ "$(ip netns list | wc -l)" -eq 2 ] && [ ! -e /sys/fs/bpf/lab_directory ]
}

serves() { # address
	mkdir -p "$LAB_DIR/site" && echo x >"$LAB_DIR/site/x" && lab_coaxd --bind "$1" "$LAB_DIR/site" &&
		[ "$(lab_client "$LAB_BUILD/coax" get "coap://$1/x")" = x ] && lab_stop "$LAB_PID"
}

gives_up() {
	began=$(lab_now_ms)
	! lab_wait_for 1 false && took=$(($(lab_now_ms) - began)) && [ "$took" -ge 1000 ] &&
		[ "$took" -lt 3000 ]
}

stops_stubborn() {
	lab_start_client sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	stubborn=$LAB_PID
	lab_stop "$stubborn" 1
	gone "$stubborn"
}

has_stub() {
	lab_client ip link show dev "$LAB_CLIENT_LINK" | grep -Eq ' xdp[ /]'
}

switches_stub() {
	has_stub && lab_stub off && ! has_stub && lab_stub on && has_stub
}

finds_field() {
	[ "$(lab_field b 'x a=1 b=22 bb=3')" = 22 ]
}

plan 10
lab_begin
check "a field is found by its whole name" finds_field
check "the client reaches the server over IPv4" serves "$LAB_SERVER_4"
check "the client reaches the server over IPv6" serves "[$LAB_SERVER_6]"
check "the stub on the client's link is a native program" switches_stub
check "waiting ends when the time is over" gives_up
check "a command that ignores SIGTERM is stopped too" stops_stubborn
check "a lab whose script ends leaves nothing" leaves_nothing end
check "a lab whose script fails leaves nothing" leaves_nothing fail
check "a lab whose script gets SIGTERM leaves nothing" leaves_nothing wait TERM
check "a lab whose script gets SIGKILL leaves nothing" leaves_nothing wait KILL
finish
