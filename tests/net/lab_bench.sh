#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
#
# The demo and the measurements run to their ends, and coax-bench tells good from bad.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"
bench=$build/coax-bench

figures_are_printed() {
	"$root/tools/bench/run" --quick >"$LAB_DIR/bench" || return 1
	for figure in kernel_64_ratio_reflector kernel_1024_ratio_reflector kernel_cpu_ratio_libcoap \
		user_cpu_ratio_libcoap get_cpu_ratio_libcoap put_cpu_ratio_libcoap \
		block_get_cpu_ratio_libcoap block_put_cpu_ratio_libcoap notify_cpu_ratio_libcoap \
		flood_real_clients_percent user_peers_10000_over_64; do
		grep -E "^figure $figure [0-9]+\.[0-9]+$" "$LAB_DIR/bench" | grep -q '[1-9]' || return 1
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

blocks() {
	lab_client "$bench" blocks --destination "$LAB_SERVER_4" "$@"
}

notify() {
	lab_client "$bench" notify --destination "$LAB_SERVER_4" "$@"
}

# Each body arrived whole, both ways, also when its last block is a short one.
blocks_are_exact() {
	for direction in --get --put; do
		line=$(blocks "$direction" --transfers 20 --size 5000 --block-size 64) || return 1
		echo "$line"
		[ "$(lab_field completed "$line")" -eq 20 ] && [ "$(lab_field failed "$line")" -eq 0 ] &&
			[ "$(lab_field bytes "$line")" -eq 100000 ] &&
			[ "$(lab_field blocks "$line")" -eq 1580 ] || return 1
	done
}

# While one run gets its body, another one puts a longer one in its place.
other_bodies_are_noticed() {
	lab_start_client "$bench" blocks --get --destination "$LAB_SERVER_4" --size 5000 \
		--seconds 60 2>"$LAB_DIR/complaint"
	run=$LAB_PID
	lab_wait_for 20 has_ended_or_replace || return 1
	cat "$LAB_DIR/complaint"
	! lab_stop "$run" && grep -q 'went wrong' "$LAB_DIR/complaint"
}

has_ended_or_replace() {
	lab_running "$run" || return 0
	blocks --put --size 6000 --transfers 1
	return 1
}

notifications_are_exact() {
	line=$(notify --observers 20 --changes 10) || return 1
	echo "$line"
	[ "$(lab_field completed "$line")" -eq 10 ] && [ "$(lab_field missed "$line")" -eq 0 ] &&
		[ "$(lab_field notifications "$line")" -eq 200 ]
}

unobservable_is_a_failure() {
	! notify --path /data --observers 2
}

nobody_is_a_failure() {
	! socket /x --seconds 0.5 && ! blocks --seconds 0.5 && ! notify --seconds 0.5
}

plan 15
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
lab_bench_server data x
server=$LAB_PID
check "blocks mode counts each body and each block once" blocks_are_exact
check "blocks mode notices a body that is another" other_bodies_are_noticed
check "notify mode counts each change and each notification once" notifications_are_exact
check "what cannot be observed is a failure" unobservable_is_a_failure
check "coax-bench serve ends on a signal" lab_stop "$server" 5
check "nobody there is a failure" nobody_is_a_failure
finish
