#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of the command line tool in a network of their own share, with coax_tool.bash. Sourced
# from the top of the tree.

if [ "$(id -u)" -ne 0 ]; then
	echo "1..0 # SKIP needs root"
	exit 4
fi
root=$PWD
export B=${COAX_BUILD:-build}
# shellcheck source=/dev/null
. tools/lab.sh
lab_private "$root/tests/interop/${0##*/}" "$@"
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
lab_begin
trap 'leave $?' EXIT

leave() {
	lab_end
	clean_up
	exit "$1"
}

# run, on the client's side of the network
ask() {
	command_line="coax $*"
	lab_client timeout --foreground --kill-after=2 30 "$coax" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}
