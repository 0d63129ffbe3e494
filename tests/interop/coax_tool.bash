#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of the command line tool share: Debian's CoAP server on loopback, running coax, and
# saying what was wrong. Sourced from the top of the tree.

# shellcheck source=tests/interop/ended.bash
. tests/interop/ended.bash
build=${COAX_BUILD:-build}
coax=$build/coax
number=0
failed=0
faults=0
command_line=

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
	# shellcheck disable=SC2034 # for the tests
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

# must_listen LOG: wait for what is to listen on $port; what it says is in LOG.
must_listen() {
	wait_for 10 listens_on "$port" && return
	echo "# it does not come up:"
	sed 's/^/# /' "$1"
	echo "not ok $((number + 1)) the server starts"
	exit 1
}

# tool_server on 127.0.0.1, its URI in $peer.
start_peer() {
	local port
	port=$(free_port) || exit 1
	"$build/tests/interop/tool_server" "127.0.0.1:$port" >"$work/peer.log" 2>&1 &
	must_listen "$work/peer.log"
	# shellcheck disable=SC2034 # for the tests
	peer=coap://127.0.0.1:$port
}

# give DIRECTORY: as root, make it the user's whom coaxd serves as then, and all that is in it.
give() {
	[ "$(id -u)" -eq 0 ] || return 0
	chmod 711 "$work"
	chown -R "$(id -un coax 2>/dev/null || echo nobody)" "$1"
}

# start_coaxd OPTIONS...: coaxd for $work/tree on 127.0.0.1, its URI in $files, its process ID in
# $coaxd_pid and what it says in $work/coaxd.log.
start_coaxd() {
	local port
	mkdir -p "$work/tree"
	give "$work/tree"
	port=$(free_port) || exit 1
	"$build/coaxd" "$@" --bind "127.0.0.1:$port" "$work/tree" >"$work/coaxd.log" 2>&1 &
	# shellcheck disable=SC2034 # for the tests
	coaxd_pid=$!
	must_listen "$work/coaxd.log"
	# shellcheck disable=SC2034 # for the tests
	files=coap://127.0.0.1:$port
}

# run ARGUMENTS...: coax, its output in $work/out and $work/err, its exit status in $status.
run() {
	command_line="coax $*"
	timeout --foreground --kill-after=2 30 "$coax" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

# The same with standard input from a file.
run_with_input() {
	local input=$1
	shift
	command_line="coax $* <$input"
	timeout --foreground --kill-after=2 30 "$coax" "$@" >"$work/out" 2>"$work/err" <"$input"
	status=$?
}

# begin ARGUMENTS...: run in the background, its process ID in $begun; ended by end. A shell has what
# it starts in the background ignore SIGINT.
begin() {
	command_line="coax $*"
	: >"$work/out"
	: >"$work/err"
	env --default-signal=INT "$coax" "$@" >"$work/out" 2>"$work/err" </dev/null &
	begun=$!
}

# Wait for what begin has started; $status is 124 when it does not end.
end() {
	wait_for 20 has_ended "$begun" || kill -KILL "$begun"
	wait "$begun" 2>/dev/null
	status=$?
	[ "$status" -ne 137 ] || status=124
}

# The same as run, standard output and standard error being a terminal of 80 columns: all is in $work/out.
on_terminal() {
	command_line="coax $* (on a terminal)"
	: >"$work/err"
	timeout --foreground --kill-after=2 30 script --quiet --return --echo never --command \
		"stty cols 80; exec $(printf '%q ' "$coax" "$@")" "$work/typescript" \
		</dev/null >"$work/terminal" 2>"$work/err"
	status=$?
	sed 's/\r$//' "$work/terminal" >"$work/out"
}

fault() {
	faults=$((faults + 1))
	echo "# $command_line: $1"
	head -n 20 "$work/out" | cut -c 1-200 | sed 's/^/#   out: /'
	head -n 20 "$work/err" | cut -c 1-200 | sed 's/^/#   err: /'
}

expect_status() {
	[ "$status" -eq "$1" ] || fault "exit status $status instead of $1"
}

# The whole standard output.
expect_out() {
	printf '%s' "$1" | cmp -s - "$work/out" || fault "standard output is not: $1"
}

# The whole standard output, a file.
expect_out_file() {
	cmp -s "$1" "$work/out" || fault "standard output is not what is in $1"
}

# expect_out_lines COUNT
expect_out_lines() {
	[ "$(wc -l <"$work/out")" -eq "$1" ] || fault "standard output has not $1 lines"
}

expect_same() {
	cmp -s "$1" "$2" || fault "$1 and $2 differ"
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
