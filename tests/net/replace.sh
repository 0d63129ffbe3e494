#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# A daemon is replaced by another under load, and no request is lost: coax-bench repeats none, and counts
# one as lost that has no reply after a second.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

pins=/sys/fs/bpf/coax/swap

# start PROGRAM OPTIONS...: the process is in $coaxd, its log in $LAB_DIR/log.
start() {
	: >"$LAB_DIR/ready"
	program=$1
	shift
	lab_start_server "$program" -v --ready-fd 9 --interface "$LAB_SERVER_LINK" --instance swap \
		--writable "$@" "$LAB_DIR/files" 9>"$LAB_DIR/ready" 2>>"$LAB_DIR/log"
	coaxd=$LAB_PID
	lab_wait_for 10 lab_ready_or_gone || :
	[ -s "$LAB_DIR/ready" ] || {
		cat "$LAB_DIR/log"
		return 1
	}
}

gone() {
	! lab_running "$1"
}

get() {
	lab_client "$build/coax" get --timeout 2 "coap://$LAB_SERVER_4/$1"
}

counter() {
	lab_counter swap "$1"
}

kernel_gets() {
	before=$(counter reply)
	[ "$(get hello)" = hello ] && [ "$(counter reply)" -gt "$before" ]
}

link_id() {
	bpftool -j link show pinned "$pins"/link-* | sed 's/.*"id":\([0-9]*\).*/\1/'
}

layout() {
	bpftool map dump pinned "$pins/config" | sed -n 's/.*"layout": \([0-9]*\).*/\1/p'
}

# replace PROGRAM OPTIONS...: the former one ends by itself, in order.
replace() {
	former=$coaxd
	link=$(link_id)
	start "$@" --replace || return 1
	lab_wait_for 10 gone "$former" && wait "$former" || return 1
	lab_forget "$former"
	[ "$(link_id)" = "$link" ] && lab_wait_for 5 kernel_gets
}

under_load() { # what replaces it...
	for load in 'get hello 4000' 'put state 400'; do
		# shellcheck disable=SC2086 # words
		set -- "$@" && set_load $load
		lab_start_client "$build/coax-bench" socket --destination "$LAB_SERVER_4" --method "$method" \
			--path "/$path" --rate "$rate" --seconds 7 --sockets 32 --payload-size "$size" \
			>"$LAB_DIR/load_$method" 2>&1
		eval "load_$method=\$LAB_PID"
	done
	sleep 1
	for program; do
		replace "$program" --workers $((1 + workers % 3)) || return 1
		workers=$((workers + 1))
	done
	# shellcheck disable=SC2154 # by eval
	for pid in "$load_get" "$load_put"; do
		wait "$pid"
		lab_forget "$pid"
	done
	cat "$LAB_DIR"/load_*
	grep -q ' lost=0 ' "$LAB_DIR/load_get" && grep -q ' lost=0 ' "$LAB_DIR/load_put" &&
		grep -q ' errors=0 ' "$LAB_DIR/load_get" && grep -q ' errors=0 ' "$LAB_DIR/load_put"
}

set_load() {
	method=$1
	path=$2
	rate=$3
	size=0
	[ "$method" = get ] || size=20
}

other_layout() {
	under_load "$build/tests/coaxd_other" "$build/coaxd" && [ "$(layout)" -ne 99 ]
}

names_lead() {
	replace "$build/tests/coaxd_other" && [ "$(layout)" -eq 99 ] &&
		ls "$pins" && [ "$(find "$pins" -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 1 ] &&
		[ -e "$pins/v99-0/index" ] && replace "$build/coaxd"
}

# An observer is told that the one that it registered with has ended, and can register again at once.
observer_is_told() {
	lab_start_client "$build/coax" observe "coap://$LAB_SERVER_4/hello" --for 8 >"$LAB_DIR/observed" 2>&1
	observer=$LAB_PID
	lab_wait_for 5 grep -q hello "$LAB_DIR/observed" && replace "$build/coaxd" || return 1
	lab_wait_for 5 gone "$observer"
	lab_forget "$observer"
	cat "$LAB_DIR/observed"
	grep -q 5.03 "$LAB_DIR/observed" &&
		lab_client "$build/coax" observe "coap://$LAB_SERVER_4/hello" --for 0.3
}

# One that does not come to serve changes nothing.
gives_up() {
	lab_start_server "$build/coaxd" --replace --interface "$LAB_SERVER_LINK" --instance swap \
		--bind 192.0.2.77 "$LAB_DIR/files" 2>"$LAB_DIR/second"
	wait "$LAB_PID" && return 1
	lab_forget "$LAB_PID"
	cat "$LAB_DIR/second"
	lab_running "$coaxd" && [ "$(get hello)" = hello ] && lab_wait_for 5 kernel_gets
}

# It was let in, and dies before it serves: the former one goes on.
dies_halfway() {
	# shellcheck disable=SC2016 # expanded there
	lab_server timeout 5 python3 - <<-'EOF' || return 1
		import socket
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect("/run/coax/swap")
		s.send(b"replace")
		assert s.recv(1000).startswith(b"hand-over ")
		s.send(b"ready")
		while s.recv(1000) != b"go":
		    pass
	EOF
	lab_wait_for 5 kernel_gets && [ "$(get "hello?x=$$")" = hello ]
}

# ends_after LINE...: somebody to replace who says so much of it, and is gone then.
ends_after() {
	lab_server timeout 20 python3 - "$@" <<-'EOF' &
		import os, socket, sys
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		listener.bind("/run/coax/new")
		os.chmod("/run/coax/new", 0o666)
		listener.listen()
		connection = listener.accept()[0]
		listener.close()
		for line in sys.argv[1:]:
		    connection.recv(1000)
		    connection.send(line.encode())
		connection.recv(1000)
	EOF
	former=$!
	lab_wait_for 5 test -S /run/coax/new
	lab_coaxd --instance new --bind 127.0.0.1:5699 --replace "$LAB_DIR/files" || return 1
	wait "$former"
	lab_server "$build/coax" get coap://127.0.0.1:5699/hello && lab_stop "$LAB_PID"
}

# Who replaces it has nobody to leave it to.
former_ends_halfway() {
	ends_after && ends_after 'hand-over 0' && ends_after 'hand-over 0' go
}

# Two that have lost sight of each other: the former one's end is not the other's.
keeps_the_name() {
	lab_coaxd --instance new --bind 127.0.0.1:5699 "$LAB_DIR/files"
	first=$LAB_PID
	rm /run/coax/new
	lab_coaxd --instance new --bind 127.0.0.1:5698 "$LAB_DIR/files"
	lab_stop "$first" && [ -S /run/coax/new ] && lab_stop "$LAB_PID" && [ ! -e /run/coax/new ]
}

# ticks PID: of CPU time it has used.
ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# allow_descriptors N: to the daemon, as the user that it has become.
allow_descriptors() {
	setpriv --reuid "$(ps -o uid= -p "$LAB_PID")" --regid "$(ps -o gid= -p "$LAB_PID")" --clear-groups \
		prlimit --pid "$LAB_PID" --nofile="$1:"
}

# Somebody waits to be let in, and there is no descriptor left.
waits_for_room() {
	lab_coaxd --instance new --bind 127.0.0.1:5699 --workers 1 "$LAB_DIR/files"
	allow_descriptors 3 || return 1
	before=$(ticks "$LAB_PID")
	lab_server timeout 3 "$build/coax" attach nothing --instance new
	used=$(($(ticks "$LAB_PID") - before))
	allow_descriptors 1024 && lab_stop "$LAB_PID" && [ "$used" -lt 50 ]
}

replaces_killed() {
	lab_kill "$coaxd"
	start "$build/coaxd" --replace && lab_wait_for 5 kernel_gets
}

leaves_nothing() {
	lab_stop "$coaxd" || return 1
	[ ! -e "$pins" ] && [ ! -e /run/coax/swap ] &&
		! lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -q prog/xdp
}

plan 11
lab_begin
mkdir "$LAB_DIR/files"
printf hello >"$LAB_DIR/files/hello"
lab_give "$LAB_DIR/files"
workers=0
start "$build/coaxd" --replace --workers 2
get hello >"$LAB_DIR/got"

check "three replacements under load lose no request, from the kernel or from userspace" \
	under_load "$build/coaxd" "$build/coaxd" "$build/coaxd"
check "neither do those by one with another layout of the maps, and back" other_layout
check "maps are pinned by their layout's version, and plain names lead to those that hold" names_lead
check "who observes is told that this ends, and registers with the new one" observer_is_told
check "one that cannot serve leaves the running one as it was" gives_up
check "so does one that ends when it had been let in" dies_halfway
check "when the former one ends in the middle of it, the new one serves all the same" former_ends_halfway
check "its end leaves the control socket that another has in its place" keeps_the_name
check "without descriptors it lets nobody in, and does not use up its time with that" waits_for_room
check "with nobody there to replace it starts, also over what a killed one left" replaces_killed
check "the last one's end leaves nothing" leaves_nothing
finish
