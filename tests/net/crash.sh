#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# A dead daemon does not serve for ever, and its successor misses nothing.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

lease=1500
pins=/sys/fs/bpf/coax/crash

start() {
	lab_coaxd --interface "$LAB_SERVER_LINK" --instance crash --lease "$lease" --writable \
		"$LAB_DIR/files" || return 1
	coaxd=$LAB_PID
}

# What a client gets; its patience is shorter than the lease.
get() {
	lab_client "$build/coax" get --timeout 0.4 "coap://$LAB_SERVER_4/file.txt"
}

counter() {
	lab_counter crash "$1"
}

gets() { # value
	[ "$(get)" = "$1" ]
}

# A GET that the kernel answers: its counter grows.
kernel_gets() { # value
	before=$(counter reply)
	gets "$1" && [ "$(counter reply)" -gt "$before" ]
}

programs() {
	lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -c 'prog/xdp'
}

answered_until_lease_ends() {
	kernel_gets one || return 1
	lab_wait_for 5 no_answer && sleep 0.2 && no_answer
}

no_answer() {
	! get
}

left_behind() {
	[ "$(programs)" -eq 1 ] && [ -e "$pins/index" ]
}

# While it was dead, somebody changed the file.
successor_is_right() {
	start && gets two && kernel_gets two && [ "$(programs)" -eq 1 ]
}

restarts_under_load() {
	lab_start_client "$build/coax-bench" socket --destination "$LAB_SERVER_4:5683" --path /file.txt \
		--sockets 8 --window 2 --seconds 4
	load=$LAB_PID
	for value in three four five; do
		lab_kill "$coaxd"
		printf %s "$value" >"$LAB_DIR/files/file.txt"
		start && gets "$value" && kernel_gets "$value" || return 1
	done
	wait "$load"
	lab_forget "$load"
}

stopped_then_continued() {
	kernel_gets five || return 1
	kill -STOP "$coaxd"
	kernel_gets five && lab_wait_for 5 no_answer
	result=$?
	kill -CONT "$coaxd"
	[ "$result" -eq 0 ] && lab_wait_for 5 gets five && lab_wait_for 5 kernel_gets five
}

second_owner_is_refused() {
	lab_start_server "$build/coaxd" --interface "$LAB_SERVER_LINK" --instance crash \
		--bind 127.0.0.1:0 "$LAB_DIR/files" >"$LAB_DIR/second" 2>&1
	second=$LAB_PID
	lab_wait_for 5 grep -q 'crash' "$LAB_DIR/second"
	result=$?
	lab_stop "$second"
	cat "$LAB_DIR/second"
	[ "$result" -eq 0 ] && lab_wait_for 5 kernel_gets five
}

leaves_nothing() {
	lab_stop "$coaxd" || return 1
	[ "$(programs)" -eq 0 ] && [ ! -e "$pins" ]
}

plan 8
lab_begin
mkdir "$LAB_DIR/files"
printf one >"$LAB_DIR/files/file.txt"
start

check "a GET that was answered once is answered by the kernel from then on" eval 'gets one && kernel_gets one'
lab_kill "$coaxd"
check "after kill -9 the kernel answers until the lease ends, then no more" answered_until_lease_ends
check "a killed daemon leaves its program and maps to be taken over" left_behind
printf two >"$LAB_DIR/files/file.txt"
check "a restart takes over without a second program and says nothing that is stale" successor_is_right
check "kill -9 and restart under load: the next answer is the file as it is" restarts_under_load
check "a stopped daemon's lease ends; continued, all is as before" stopped_then_continued
check "a second daemon for the same instance is refused" second_owner_is_refused
check "an orderly end leaves no program and no pins" leaves_nothing
finish
