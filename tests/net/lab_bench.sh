#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
#
# The demo and the measurements run to their ends, and coax-bench tells good from bad.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/lab.sh
. "$root/tools/lab.sh"
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
lab_private "$0" "$@"
bench=$LAB_BUILD/coax-bench

figures_are_printed() {
	"$root/tools/bench/run" --quick >"$LAB_DIR/bench" || return 1
	for figure in kernel_64_ratio_reflector kernel_1024_ratio_reflector kernel_cpu_ratio_libcoap \
		user_cpu_ratio_libcoap user_peers_10000_over_64; do
		grep -Eq "^figure $figure [0-9]+\.[0-9]+$" "$LAB_DIR/bench" || return 1
	done
}

kernel() { # path, then options
	path=$1
	shift
	lab_client "$bench" kernel --interface "$LAB_CLIENT_LINK" --peer-mac "$LAB_SERVER_MAC" \
		--source "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" --path "$path" "$@"
}

socket() {
	path=$1
	shift
	lab_client "$bench" socket --destination "$LAB_SERVER_4" --path "$path" --packets 1000 "$@"
}

# Each of the requests that were counted was answered, by the kernel.
kernel_is_exact() {
	before=$(lab_counter bench reply)
	line=$(kernel /x --packets 10000) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 10000 ] && [ "$(lab_field replies "$line")" -eq 10000 ] &&
		[ $(($(lab_counter bench reply) - before)) -ge 10000 ]
}

compares() {
	line=$(kernel /x --seconds 0.5 --reflector "$LAB_REFERENCE_NEAR,$LAB_REFERENCE_FAR") || return 1
	echo "$line"
	lab_field ratio "$line" | grep -Eq '^[0-9]+\.[0-9]+$'
}

program() {
	lab_client ip -d link show dev "$LAB_CLIENT_LINK" | grep -o 'prog/xdp id [0-9]*'
}

# A signal ends a long run soon, and what was attached before is attached again.
ends_on_signal() {
	before=$(program)
	replies=$(lab_counter bench reply)
	lab_start_client "$bench" kernel --interface "$LAB_CLIENT_LINK" --peer-mac "$LAB_SERVER_MAC" \
		--source "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" --path /x --seconds 60
	run=$LAB_PID
	lab_wait_for 10 is_running || return 1
	[ "$(program)" != "$before" ] || return 1
	lab_stop "$run" 5 && [ "$(program)" = "$before" ]
}

is_running() {
	[ "$(lab_counter bench reply)" -gt $((replies + 10000)) ]
}

socket_is_exact() {
	line=$(socket /x) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 1000 ] && [ "$(lab_field replies "$line")" -eq 1000 ] &&
		[ "$(lab_field lost "$line")" -eq 0 ] && [ "$(lab_field codes "$line")" = 2.05:1000 ]
}

# A second answer to a repeated request is no second reply.
duplicates_are_told_apart() {
	line=$(socket /x --duplicates 100) || return 1
	echo "$line"
	[ "$(lab_field replies "$line")" -eq 1000 ] && [ "$(lab_field duplicated "$line")" -eq 1000 ]
}

errors_are_no_replies() {
	line=$(socket /nothing) && return 1
	echo "$line"
	[ "$(lab_field replies "$line")" -eq 0 ] && [ "$(lab_field codes "$line")" = 4.04:1000 ] &&
		! kernel /nothing --seconds 0.1
}

paces() {
	line=$(lab_client "$bench" socket --destination "$LAB_SERVER_4" --path /x --rate 1000 --seconds 1) ||
		return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -ge 900 ] && [ "$(lab_field sent "$line")" -le 1001 ]
}

nobody_is_a_failure() {
	! socket /x --seconds 0.5
}

plan 10
check "the demo sees all that it shows" "$root/tools/demo"
lab_begin
lab_reference
check "the measurements print their figures" figures_are_printed
mkdir "$LAB_DIR/site"
echo x >"$LAB_DIR/site/x"
lab_coaxd --interface "$LAB_SERVER_LINK" --instance bench --bind "$LAB_SERVER_4" "$LAB_DIR/site"
coaxd=$LAB_PID
check "kernel mode counts each request and each reply once" kernel_is_exact
check "kernel mode compares with the reflector" compares
check "a signal ends a run and puts the former program back" ends_on_signal
check "socket mode counts each request and each reply once" socket_is_exact
check "socket mode tells a repeated answer from a reply" duplicates_are_told_apart
check "an answer that is not 2.xx is no reply" errors_are_no_replies
check "socket mode keeps to a rate" paces
lab_stop "$coaxd"
check "nobody there is a failure" nobody_is_a_failure
finish
