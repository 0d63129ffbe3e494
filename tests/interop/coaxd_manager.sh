#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What coaxd tells a service manager by $NOTIFY_SOCKET, and the journal by its lines: as systemd's manual
# pages have it, with a listener in the manager's place.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash

mkdir "$work/manager"
give "$served"
give "$work/manager"

# listen NAME: datagrams to the socket of that name, abstract with an @, are lines in $work/told.
listen() {
	python3 - "$1" "$work/told" <<-'END' &
		import os, socket, sys
		name = sys.argv[1]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		listener.bind("\0" + name[1:] if name[0] == "@" else name)
		if name[0] != "@":
		    os.chmod(name, 0o777)
		with open(sys.argv[2], "w", buffering=1) as told:
		    while True:
		        print(listener.recv(4096).decode().replace("\n", "|"), file=told)
	END
	manager=$!
	until [ -e "$work/told" ]; do sleep 0.02; done
	export NOTIFY_SOCKET=$1
}

stop_listening() {
	kill "$manager"
	wait "$manager" 2>/dev/null
	rm -f "$work/told" "$work/manager/socket"
	unset NOTIFY_SOCKET
}

# told COUNT PATTERN: within some seconds that many lines are so.
told() {
	local deadline=$((SECONDS + 10))
	until [ "$(grep -cE "^$2\$" "$work/told")" -ge "$1" ]; do
		[ "$SECONDS" -lt "$deadline" ] || { cat "$work/told"; return 1; }
		sleep 0.05
	done
}

tells_it_all() {
	listen "$work/manager/socket"
	WATCHDOG_USEC=600000 start_coaxd
	told 1 "READY=1\|STATUS=Serving on port $port" && told 3 WATCHDOG=1 || return 1
	kill -HUP "$daemon"
	told 1 'RELOADING=1\|MONOTONIC_USEC=[0-9]+' && told 1 READY=1 && stop_coaxd && told 1 STOPPING=1 ||
		return 1
	[ "$(head -n 1 "$work/told" | cut -c 1-7)" = READY=1 ] &&
		[ "$(grep -v WATCHDOG "$work/told" | tail -n 1)" = STOPPING=1 ] && stop_listening
}

# All workers together: the watchdog's time is long over when nothing is told any more.
stops_when_stopped() {
	listen "$work/manager/socket"
	WATCHDOG_USEC=200000 start_coaxd
	told 2 WATCHDOG=1 || return 1
	kill -STOP "$daemon"
	sleep 0.5
	local before after
	before=$(wc -l <"$work/told")
	sleep 0.5
	after=$(wc -l <"$work/told")
	kill -CONT "$daemon"
	[ "$before" -eq "$after" ] && told $((before + 1)) 'WATCHDOG=1|READY.*' && stop_coaxd && stop_listening
}

by_abstract_name() {
	listen "@coax-test-$$"
	WATCHDOG_USEC=200000 WATCHDOG_PID=1 start_coaxd
	told 1 'READY=1\|.*' && sleep 0.5 && ! grep -q WATCHDOG "$work/told" && stop_coaxd && stop_listening
}

without_manager() {
	local name
	for name in "$work/manager/absent" "" "@" relative "/$(printf '%0200d' 0)"; do
		NOTIFY_SOCKET=$name WATCHDOG_USEC=nonsense start_coaxd
		stop_coaxd || return 1
	done
}

# in_journal VALUE OPTIONS...: the daemon's lines, with this as $JOURNAL_STREAM.
in_journal() {
	local stream=$1
	shift
	: >"$work/lines"
	JOURNAL_STREAM=$stream timeout 5 "$coaxd" -v --bind 127.0.0.1:0 "$@" "$served" 2>"$work/lines" &
	local pid=$!
	until grep -q serving "$work/lines"; do sleep 0.02; done
	kill "$pid"
	wait "$pid"
	cat "$work/lines"
}

knows_journal() {
	: >"$work/lines"
	in_journal "$(stat -c %d:%i "$work/lines")"
	grep -q '^<6>serving ' "$work/lines" && ! grep -qv '^<[3-7]>' "$work/lines" || return 1
	for other in "$(stat -c %d:%i "$served")" nonsense "$(stat -c %d:%i "$work/lines")x" ''; do
		in_journal "$other"
		grep -q '^coaxd: INFO: serving ' "$work/lines" || return 1
	done
}

# What the dashboard asks for is there, and what it is about is a counter where it takes rates.
dashboard() {
	local name names
	start_coaxd --metrics "unix:$work/manager/metrics" --proxy /far=coap://127.0.0.1:9
	curl --silent --unix-socket "$work/manager/metrics" http://localhost/metrics >"$work/metrics"
	stop_coaxd
	names=$(python3 -c '
import json, re
board = json.load(open("tools/packaging/grafana.json"))
panels = [panel for panel in board["panels"] if panel["type"] != "row"]
for panel in panels:
    assert panel["title"] and panel["targets"] and panel["datasource"], panel
    for target in panel["targets"]:
        for rated in re.findall(r"rate\((\w+)", target["expr"]):
            assert rated.endswith(("_total", "_bucket")), rated
        print("\n".join(re.findall(r"coax_\w+", target["expr"])))
') || return 1
	[ "$(echo "$names" | wc -l)" -gt 15 ] || return 1
	# The kernel half is not there to be asked: its name is in the source.
	for name in $names; do
		name=${name%_bucket}
		grep -q "^# TYPE $name " "$work/metrics" || grep -q "\"$name\"" user/coaxd/figures.c ||
			{ echo "no $name" && return 1; }
	done
}

plan 6
check "a manager is told of being ready, alive, reloading, ready again, and of the end" tells_it_all
check "a daemon that is stopped gives no sign of life" stops_when_stopped
check "a manager may have an abstract name; a watchdog of another process is none" by_abstract_name
check "without a manager, or one that cannot be, it serves" without_manager
check "lines that go to the journal have their priority, and no others" knows_journal
check "the dashboard asks for metrics that there are" dashboard
finish
