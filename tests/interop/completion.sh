#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What bash offers behind coax, coaxd and coax-bench.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${COAX_BUILD:-build}
case $build in
/*) ;;
*) build=$root/$build ;;
esac
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
mkdir directory
touch file
PATH=$build:$PATH

# shellcheck source=tools/packaging/completion/coax
. "$root/tools/packaging/completion/coax"

# offered WORD...: what is offered for the last word, sorted, in one line.
offered() {
	local function
	function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\) .*/\1/')
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -s -d ' '
}

# offers WHAT WORD...
offers() {
	local wanted=$1 got
	shift
	got=$(offered "$@")
	echo "$*: $got"
	[ "$got" = "$wanted" ]
}

# Options by the help's own list of them.
options_of() {
	"$@" | grep -oE '^ {2,6}(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '-[a-zA-Z]\b|--[a-z-]+' | grep -- -- | sort -u | paste -s -d ' '
}

commands() {
	offers 'observe off on' coax o && offers 'observe' coax -v ob && offers 'get' coax --credentials file ge &&
		offers 'reload' coax help re && offers 'kernel' coax-bench k &&
		[ "$(offered coax '' | wc -w)" -gt 15 ]
}

options() {
	local command
	offers "$(options_of coaxd --help)" coaxd -- && offers "$(options_of coax --help)" coax -- || return 1
	for command in $(offered coax ''); do
		[ "$command" = help ] || offers "$(options_of coax help "$command")" coax "$command" -- || return 1
	done
	offers '--destination --duplicates' coax-bench socket --d && offers '--observers' coax-bench notify --o &&
		offers '' coax-bench reflector --o
}

values() {
	offers 'file' coax get -o f && offers 'file' coax get --output f && offers 'file' coax get --output = f &&
		offers 'directory' coaxd dir && offers 'file' coaxd --credentials f &&
		offers 'lo' coaxd --interface lo && offers 'lo' coaxd -i lo && offers 'lo' coax attach lo &&
		offers 'lo' coax-bench kernel --interface lo && offers 'default' coax status -i def &&
		offers 'root' coaxd --user roo && offers '1024' coax get --block-size 10 &&
		offers 'flush show' coax cache '' && offers '' coaxd --workers ''
}

plan 3
check "commands are completed, also behind options and their values" commands
check "options are completed: those that the command's help names" options
check "values are completed by what the help calls them" values
finish
