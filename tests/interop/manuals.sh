#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The man pages: one of each program and one a header, from what these say.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${COAX_BUILD:-build}
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
cd "$root" || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
man=$scratch/man

made() {
	SOURCE_DATE_EPOCH=0 tools/packaging/man/pages "$build" 1.2.3 "$man" || return 1
	mapfile -t pages < <(grep -L '^\.so ' "$man"/*)
	grep -q '1970-01-01 "coax 1.2.3"' "$man/coaxd.8"
}

clean() {
	mandoc -T lint -W warning "${pages[@]}" &&
		[ -z "$(groff -ww -mandoc -T utf8 -z "${pages[@]}" 2>&1 | tee /dev/stderr)" ]
}

# text PAGE: as it is read, in one line, without hyphenation.
text() {
	mandoc -T utf8 -O width=1000 "$man/$1" | sed 's/.\x08//g' | tr -s '\n ' ' '
}

# names_options PAGE HELP...: each option of a help text has a paragraph of its own.
names_options() {
	local page=$1 option missing=0
	shift
	sed -e 's/\\f[BIP]//g' -e 's/\\-/-/g' "$man/$page" >"$scratch/plain"
	while read -r option; do
		grep -qE "^(-[a-zA-Z], )?$option( |$)" "$scratch/plain" || {
			echo "$page does not name $option"
			missing=1
		}
	done < <("$@" | grep -oE '^ {2,6}(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+')
	return "$missing"
}

programs() {
	local command
	names_options coaxd.8 "$build/coaxd" --help && names_options coax.1 "$build/coax" --help || return 1
	for command in $("$build/coax" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		[ "$command" = help ] && continue
		grep -qx "\.SS coax $command" "$man/coax.1" &&
			names_options coax.1 "$build/coax" help "$command" || return 1
	done
	text coaxd.8 | grep -qF -- '--max-age SECONDS for how long clients may hold what they got (60)' &&
		text coax-bench.1 | grep -qF 'reflector attaches that reflector to an interface'
}

headers() {
	local header
	while read -r header; do
		if [ ! -e "$man/coax_$header.3" ] || ! grep -q "^\.BR coax_$header (3)" "$man/libcoax.3"; then
			echo "coax_$header"
			return 1
		fi
	done < <(sed -n 's/^#include <coax\/\(.*\)\.h>/\1/p' include/coax/coax.h)
	text coax_log.3 | grep -qF 'coax_log_wants bool coax_log_wants(const struct coax_logger *logger, enum coax_log_level level); Whether a line'
}

functions() {
	local name
	while read -r name; do
		if [ ! -e "$man/$name.3" ]; then
			echo "$name"
			return 1
		fi
		if grep -q '^\.so' "$man/$name.3"; then
			grep -q "^\.SS .*\b$name\b" "$man/$(sed 's/.*\///' "$man/$name.3")" || return 1
		fi
	done < <(sed -n '/global:/,/local:/s/^\t\t\([a-z0-9_]*\);/\1/p' user/libcoax.map)
}

# What pages of ours refer to is there.
references() {
	local missing=0 name section
	while read -r name section; do
		[ -e "$man/$name.$section" ] || {
			echo "$name($section)"
			missing=1
		}
	done < <(sed -nE 's/^\.(BR|Xr) ([a-z_\\-]*coax[a-z_.\\-]*) \(?([0-9])\)?.*/\2 \3/p' "${pages[@]}" | sed 's/\\//g' | sort -u)
	return "$missing"
}

plan 6
check "the man pages are made, with a date that can be given" made
check "mandoc and groff find nothing wrong with them" clean
check "those of the programs name each command and each option of theirs" programs
check "each public header has one, to which libcoax(3) leads" headers
check "so has each function that the library exports" functions
check "they refer to each other by names that exist" references
finish
