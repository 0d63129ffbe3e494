#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of the command line tool share: Debian's CoAP server on loopback, running coax, and
# saying what was wrong. Sourced from the top of the tree.

coax=${COAX_BUILD:-build}/coax
work=$(mktemp -d) || exit 1
number=0
failed=0
faults=0
server_pid=
command_line=

stop_server() {
	[ -n "$server_pid" ] || return 0
	kill -CONT "$server_pid" 2>/dev/null
	kill "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
	server_pid=
}

clean_up() {
	stop_server
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# A UDP port of 127.0.0.1 that nothing is bound to.
free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 10000))
		if [ -z "$(ss -Hlun "sport = :$port")" ]; then
			echo "$port"
			return
		fi
	done
	return 1
}

# wait_for SECONDS COMMAND...: until it succeeds, or fail.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

listens_on() {
	[ -n "$(ss -Hlun "sport = :$1")" ]
}

# coap-server-notls on 127.0.0.1:$port. Tests without it are skipped as a whole.
start_server() {
	if ! command -v coap-server-notls >/dev/null; then
		echo "1..0 # SKIP no coap-server-notls (libcoap3-bin)"
		exit 4
	fi
	port=$(free_port) || exit 1
	coap-server-notls -A 127.0.0.1 -p "$port" -d 4 >"$work/server.log" 2>&1 &
	server_pid=$!
	if ! wait_for 10 listens_on "$port"; then
		echo "# coap-server-notls does not come up:"
		sed 's/^/# /' "$work/server.log"
		echo "not ok 1 the server starts"
		exit 1
	fi
	# shellcheck disable=SC2034 # for the tests
	uri=coap://127.0.0.1:$port
}

# run ARGUMENTS...: coax, its output in $work/out and $work/err, its exit status in $status.
run() {
	command_line="coax $*"
	timeout --kill-after=2 30 "$coax" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

# The same with standard input from a file.
run_with_input() {
	local input=$1
	shift
	command_line="coax $* <$input"
	timeout --kill-after=2 30 "$coax" "$@" >"$work/out" 2>"$work/err" <"$input"
	status=$?
}

fault() {
	faults=$((faults + 1))
	echo "# $command_line: $1"
	sed 's/^/#   out: /' "$work/out" | head -n 20
	sed 's/^/#   err: /' "$work/err" | head -n 20
}

expect_status() {
	[ "$status" -eq "$1" ] || fault "exit status $status instead of $1"
}

# The whole standard output.
expect_out() {
	printf '%s' "$1" | cmp -s - "$work/out" || fault "standard output is not: $1"
}

expect_out_line() {
	grep -qxE -e "$1" "$work/out" || fault "no line of standard output is: $1"
}

expect_err_line() {
	grep -qxE -e "$1" "$work/err" || fault "no line of standard error is: $1"
}

expect_no_err() {
	[ ! -s "$work/err" ] || fault "standard error is not empty"
}

# A test ends here: its name, and whether there was a fault since the one before.
result() {
	number=$((number + 1))
	if [ "$faults" -eq 0 ]; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		failed=1
	fi
	faults=0
}

skip() {
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}

finish() {
	echo "1..$number"
	exit "$failed"
}
