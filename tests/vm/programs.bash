# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What is worth running on another kernel: what the kernel half does there, and all that asks the kernel
# for something. To be sourced at the top of the tree.

# shellcheck disable=SC2034 # for the script
programs=()
add() { # name of a test program below tests/
	[ -x "${COAX_BUILD:-build}/tests/$1" ] || return 0
	programs+=("${COAX_BUILD:-build}/tests/$1")
}

for source in tests/bpf/test_*.c tests/net/accel_*.c; do
	name=${source#tests/}
	case $name in
	bpf/* | net/accel_beside.c) ;;
	*) [ -n "${COAX_VM_ALL:-}" ] || continue ;;
	esac
	add "${name%.c}"
done
if [ -n "${COAX_VM_ALL:-}" ]; then
	add net/site
	add net/lifecycle
	programs+=(tests/net/way.sh) # crash.sh goes by a lease's seconds, which are short there
fi
