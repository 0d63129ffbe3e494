# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# KTAP from shell scripts. To be sourced.
#
#	plan 2
#	check "a thing holds" command...
#	check "another holds" command...
#	finish

ktap_number=0
ktap_bad=0
ktap_planned=0

plan() {
	ktap_planned=$1
	echo "KTAP version 1"
	echo "1..$1"
}

# check NAME COMMAND...: the test passes when the command does; else its output is shown. The command
# runs in this shell, so what it starts and sets stays.
check() {
	ktap_name=$1
	shift
	ktap_number=$((ktap_number + 1))
	ktap_output=$(mktemp)
	if "$@" >"$ktap_output" 2>&1; then
		echo "ok $ktap_number $ktap_name"
	else
		sed 's/^/# /' "$ktap_output"
		echo "not ok $ktap_number $ktap_name"
		ktap_bad=1
	fi
	rm -f "$ktap_output"
}

finish() {
	if [ "$ktap_number" -ne "$ktap_planned" ]; then
		echo "# planned $ktap_planned tests, ran $ktap_number"
		ktap_bad=1
	fi
	exit "$ktap_bad"
}
