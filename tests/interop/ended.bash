# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# How a test script ends: whether it is through, a check fails in its middle, or its time is up, what it
# started ends with it, and so does $work, its directory. Sourced at the script's top.
#
# What it waits for in the foreground puts its end off: time limits there are timeout's with --foreground, which
# leaves that in the script's process group, to be told with it.

work=$(mktemp -d) || exit 1
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# Add to $descendants what the process started, and what that did. Without a subshell: it would be one.
find_descendants() {
	local child children=()
	read -ra children <"/proc/$1/task/$1/children"
	for child in "${children[@]}"; do
		descendants+=("$child")
		find_descendants "$child"
	done
} 2>/dev/null

# Whether a process has ended (a zombie has).
has_ended() {
	local stat
	read -r stat <"/proc/$1/stat" || return 0
	stat=${stat##*) }
	[ "${stat:0:1}" = Z ]
} 2>/dev/null

# Those that do not end by themselves within 3 s are killed: nor has the script much time left.
end_descendants() {
	local pid descendants=() deadline=$((SECONDS + 4))
	find_descendants $$
	for pid in "${descendants[@]}"; do
		kill -TERM "$pid"
		kill -CONT "$pid"
	done
	for pid in "${descendants[@]}"; do
		until has_ended "$pid"; do
			[ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid"
			sleep 0.01
		done
	done
} 2>/dev/null

clean_up() {
	trap - EXIT
	trap '' HUP INT TERM
	end_descendants
	rm -rf "$work" "${ktap_output:-}"
}
