#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
#
# Each fuzzer for a while, from its committed corpus. COAX_FUZZ_SECONDS makes it longer.
set -u

build=${COAX_BUILD:-build}
seconds=${COAX_FUZZ_SECONDS:-30}
here=$(dirname "$0")
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

fuzzers=("$here"/fuzz_*.c)
echo "KTAP version 1"
echo "1..${#fuzzers[@]}"

pids=()
for source in "${fuzzers[@]}"; do
	name=$(basename "$source" .c)
	mkdir -p "$scratch/$name"
	"$build/tests/fuzz/$name" -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 \
		-artifact_prefix="$scratch/$name-" "$scratch/$name" "$here/corpus/${name#fuzz_}" \
		>"$scratch/$name.log" 2>&1 &
	pids+=($!)
done

number=0
bad=0
for source in "${fuzzers[@]}"; do
	name=$(basename "$source" .c)
	if wait "${pids[$number]}"; then
		result=ok
	else
		result="not ok"
		bad=1
		tail -n 30 "$scratch/$name.log" | sed 's/^/# /'
	fi
	number=$((number + 1))
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$name.log")
	echo "# $name: ${runs:-0} inputs"
	echo "$result $number ${name#fuzz_}: any bytes give a result or an error, and no fault, for $seconds s"
done
exit "$bad"
