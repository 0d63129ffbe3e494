#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coaxd as a program: its command line, without privileges, its signals, and being killed while it
# changes files.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash

coax=${COAX_BUILD:-build}/coax
give "$served"
printf hello >"$served/hello.txt"

# refused WORDS ARGUMENTS...: exit status 2, nothing on stdout, and on stderr what is wrong.
refused() {
	local words=$1 status
	shift
	timeout --foreground 10 "$coaxd" "$@" >"$work/out" 2>"$work/err" 8>&-
	status=$?
	cat "$work/out" "$work/err"
	[ "$status" -eq 2 ] && [ ! -s "$work/out" ] && grep -qF -- "$words" "$work/err" &&
		grep -q 'see coaxd --help$' "$work/err"
}

mistakes() {
	refused 'DIRECTORY' && refused 'DIRECTORY' "$served" "$served" &&
		refused "'--frob'" --frob "$served" && refused "'--bind'" --bind &&
		refused '"127.0.0.1:70000"' --bind 127.0.0.1:70000 "$served" &&
		refused '"[::1"' --bind '[::1' "$served" &&
		refused '"localhost"' --bind localhost "$served" &&
		refused 'interface' --interface '' "$served" &&
		refused '--lease takes' --lease 1 "$served" &&
		refused '--slots takes' --slots 0 "$served" &&
		refused '--exchanges takes' --exchanges 0 "$served" &&
		refused '--workers takes' --workers x "$served" &&
		refused '1 to 256' --workers 257 "$served" &&
		refused '--max-age takes' --max-age -1 "$served" &&
		refused '--max-size takes' --max-size 0 "$served" &&
		refused '--max-size takes' --max-size 1073741825 "$served" &&
		refused '--max-uploads takes' --max-uploads 0 "$served" &&
		refused '--max-open takes' --max-open x "$served" &&
		refused '--instance takes' --instance ../x "$served" &&
		refused '--ready-fd takes' --ready-fd -1 "$served"
}

help() {
	"$coaxd" --help >"$work/out" 2>"$work/err" && [ ! -s "$work/err" ] &&
		grep -q '^Usage: coaxd ' "$work/out" &&
		grep -q -- '--workers N .*256' "$work/out" && "$coaxd" --version | grep -qx 'coaxd [0-9.]*'
}

# A number that names nothing now would be one of the daemon's own files later.
ready_fd_closed() {
	refused 'file descriptor 8' --bind 127.0.0.1:0 --ready-fd 8 "$served"
}

no_group() {
	timeout --foreground 10 "$coaxd" --bind 127.0.0.1:0 --group nosuch0 "$served" 2>"$work/err"
	[ $? -eq 1 ] && grep -q 'cannot listen to group "nosuch0": there is no such interface' "$work/err"
}

no_directory() {
	timeout --foreground 10 "$coaxd" --bind 127.0.0.1:0 "$work/none" 2>"$work/err"
	[ $? -eq 1 ] && grep -q 'ERROR: .*/none.*No such file' "$work/err"
}

serves() {
	[ "$("$coax" get --timeout 5 "coap://127.0.0.1:$port/hello.txt")" = hello ]
}

# As a user without any capability, and asked for the kernel's help.
unprivileged() {
	local status
	chmod 755 "$work" "$served"
	cp "$coaxd" "$work/coaxd" # which that user may not reach where it was built
	coaxd="setpriv_nobody"
	start_coaxd --interface lo
	serves && serves
	status=$?
	stop_coaxd || status=1
	cat "$work/log"
	[ "$status" -eq 0 ] && [ "$(grep -c 'WARNING: no answers from the kernel' "$work/log")" -eq 1 ] &&
		grep -q 'run as root' "$work/log"
}

setpriv_nobody() {
	exec setpriv --reuid=65534 --regid=65534 --clear-groups "$work/coaxd" "$@"
}

# ends_on SIGNAL
ends_on() {
	local status
	start_coaxd
	kill "-$1" "$daemon"
	wait "$daemon"
	status=$?
	daemon=
	[ "$status" -eq 0 ] && logged "ending on"
}

# Nothing of it is in a file: it goes on as it was, whether SIGHUP is ignored (nohup) or not.
goes_on() {
	"$@"
	start_coaxd
	trap - HUP
	kill -HUP "$daemon"
	serves && serves && stop_coaxd
}

# Values that grow, each of some hundred bytes, until there is no answer. The last one that was
# acknowledged is in $work/acknowledged.
put_on() {
	local i=$1
	while "$coax" put --timeout 0.3 "coap://127.0.0.1:$port/value" \
		-p "$(printf '%05d' "$i"; printf "%0$((i % 7 * 100))d")" 2>/dev/null; do
		echo "$i" >"$work/acknowledged"
		i=$((i + 1))
	done
}

# After the end of the daemon: the file is a value, whole, and none from before the last acknowledged.
is_whole() {
	local got i
	got=$(cat "$served/value")
	i=$((10#${got:0:5}))
	echo "value $i of ${#got} bytes, acknowledged $(cat "$work/acknowledged")"
	[ "$got" = "$(printf '%05d' "$i"; printf "%0$((i % 7 * 100))d")" ] &&
		[ "$i" -ge "$(cat "$work/acknowledged")" ]
}

killed() {
	local round writer result=0
	echo 0 >"$work/acknowledged"
	printf '000000' >"$served/value"
	for round in $(seq 12); do
		start_coaxd --writable
		put_on $((round * 1000)) &
		writer=$!
		sleep "0.0$((RANDOM % 90 + 10))"
		kill -KILL "$daemon"
		wait "$daemon" 2>/dev/null
		daemon=
		wait "$writer"
		is_whole || result=1
	done
	start_coaxd --writable
	[ -z "$(find "$served" -name '.coaxd-*')" ] || result=1
	stop_coaxd || result=1
	return "$result"
}

if [ "$(id -u)" -eq 0 ]; then
	plan 10
else
	plan 9
fi
check "--help and --version are answered on stdout" help
check "a mistake on the command line is exit status 2, and is named" mistakes
check "--ready-fd takes only a file descriptor that is open" ready_fd_closed
check "a group on an interface that there is not is exit status 1, with the reason" no_group
check "a directory that cannot be served is exit status 1, with the reason" no_directory
check "coaxd ends orderly on SIGINT" ends_on INT
check "coaxd goes on on SIGHUP" goes_on true
check "coaxd goes on on SIGHUP when that is ignored, as nohup has it" goes_on trap '' HUP
check "killed while it writes, coaxd leaves a whole file, not older than what it acknowledged" killed
if [ "$(id -u)" -eq 0 ]; then
	check "without privileges everything is served from userspace, and that is said once" unprivileged
fi
finish
