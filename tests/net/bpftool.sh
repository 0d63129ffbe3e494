#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# What the README says that bpftool shows, by the very commands that stand there.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

pins=/sys/fs/bpf/coax/default

# The commands of the README's section, one a line.
commands() {
	awk '/^## / { on = $0 == "## Look into the maps" } on && /^```/ { code = !code; next }
		on && code && /^bpftool / { sub(/ +#.*/, ""); print }' "$root/README.md"
}

# shows MAP FIELD...: the README's command for a map prints these, by name.
shows() {
	map=$1
	shift
	command=$(commands | grep -E "$pins/$map( |\$)") || {
		echo "the README has no command for $map"
		return 1
	}
	sh -c "$command" >"$LAB_DIR/shown" || return 1
	for wanted; do
		grep -qE "$wanted" "$LAB_DIR/shown" || {
			echo "\$ $command"
			cat "$LAB_DIR/shown"
			echo "shows no $wanted"
			return 1
		}
	done
}

# Whatever is pinned has a command, which prints names and not bytes; but for the secret, and nobody
# has verified anything or has a session here.
all_in_words() {
	for pin in "$pins"/*; do
		[ -f "$pin" ] || continue
		name=${pin##*/}
		case $name in link-*) continue ;; esac
		case $name in
		secret) shows "$name" 'name secret' || return 1 ;;
		verified | sessions) shows "$name" '\[\]|Found 0 elements' || return 1 ;;
		*) shows "$name" '"[a-z_]+": ' || return 1 ;;
		esac
		bpftool -j map show pinned "$pin" | grep -q '"btf_id":[1-9]' || {
			echo "$name has no BTF"
			return 1
		}
	done
}

all_succeed() {
	[ "$(commands | wc -l)" -ge 6 ] || return 1
	commands | while read -r command; do
		echo "\$ $command"
		sh -c "$command" || exit 1
	done
}

link_shown() {
	command=$(commands | grep ' link show ')
	sh -c "$command" | tee "$LAB_DIR/shown"
	grep -qE "xdp +prog [1-9]" "$LAB_DIR/shown"
}

plan 8
lab_begin
mkdir "$LAB_DIR/files"
printf hello >"$LAB_DIR/files/hello"
lab_coaxd --interface "$LAB_SERVER_LINK" --allow 198.51.100.0/24 "$LAB_DIR/files"
lab_client "$build/coax" get "coap://$LAB_SERVER_4/hello" >"$LAB_DIR/got"

check "each of the README's bpftool commands succeeds" all_succeed
check "index: method, URI and slot" shows index '"method": "GET"' '"uri": "/hello"' '"slot": 0'
check "endpoints: addresses and ports as text" shows endpoints "\"text\": \"$LAB_SERVER_4:5683\"" '"service": 0'
check "stats: counters by name" shows stats '"packets": [0-9]' '"reply": ' '"pass_unknown": 1,?$'
check "config: layout, lease, owner, interfaces" shows config '"layout": [0-9]+' '"lease": [1-9]' \
	'"pid": [1-9]' "\"name\": \"$LAB_SERVER_LINK\"" '"rung": "COAX_RUNG_(NATIVE|DISPATCHER)"'
check "slots: what decides on a reply, and its bytes" shows slots '"sequence": [2468]' \
	'"deadline": 18446744073709551615' '"reply_length": [1-9]' '"reply": \['
check "the link that attaches the program" link_shown
check "every map that is pinned is shown in words" all_in_words
finish
