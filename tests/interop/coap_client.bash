# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the tests of coaxd with Debian's coap-client share: coaxd on a free port of loopback, requests
# to it, and what came back. Sourced from the top of the tree, after tests/ktap.sh.

# shellcheck source=tests/interop/ended.bash
. tests/interop/ended.bash
coaxd=${COAX_BUILD:-build}/coaxd
served=$work/served
mkdir "$served"
daemon=
port=

stop_coaxd() {
	[ -n "$daemon" ] || return 0
	local status
	kill "$daemon" 2>/dev/null
	wait "$daemon"
	status=$?
	daemon=
	return "$status"
}

need_client() {
	command -v coap-client-notls >/dev/null && return
	echo "1..0 # SKIP no coap-client-notls (libcoap3-bin)"
	exit 4
}

# give DIRECTORY: as root, make it the user's whom coaxd serves as then, and all that is in it.
give() {
	[ "$(id -u)" -eq 0 ] || return 0
	chmod 711 "$work"
	chown -R "$(id -un coax 2>/dev/null || echo nobody)" "$1"
}

# start_coaxd OPTIONS...: serve $served; when it returns, requests are answered at $port. A time limit
# ends the wait if they are not; an end of the daemon ends it at once.
start_coaxd() {
	local ready
	give "$served"
	mkfifo "$work/ready"
	"$coaxd" -v --bind '127.0.0.1:0' --ready-fd 9 "$@" "$served" 9>"$work/ready" \
		2> >(exec cat >"$work/log") &
	daemon=$!
	read -r -t 20 ready <"$work/ready" || {
		cat "$work/log"
		echo "not ok 1 coaxd serves${ready:+ ($ready)}"
		exit 1
	}
	rm "$work/ready"
	logged ' on port ' || exit 1
	port=$(sed -n 's/.* on port \([0-9]*\)$/\1/p' "$work/log")
}

# Within some seconds there is a line like this in the daemon's log. It comes through a pipe, so that no
# limit on the daemon's files touches it.
logged() {
	local deadline=$((SECONDS + 10))
	until grep -q "$1" "$work/log" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# ask CODE PATH OPTIONS...: one request with these options of coap-client. Succeeds if a response with
# this code came. What coap-client printed of the messages is in $work/seen, the body in $work/body.
ask() {
	local code=$1 path=$2
	shift 2
	rm -f "$work/body"
	timeout --foreground 20 coap-client-notls -B 10 -v 6 -o "$work/body" "$@" \
		"coap://127.0.0.1:$port$path" >"$work/seen" 2>&1
	cat "$work/seen"
	grep -q "^v:1 t:[A-Z]* c:$code i:" "$work/seen"
}

# has TEXT: the response, as coap-client prints messages, has this in it.
has() {
	grep '^v:1 t:[A-Z]* c:[245]\.' "$work/seen" | grep -qF -- "$1"
}

# The body, and nothing else, is TEXT.
body_is() {
	printf %s "$1" >"$work/wanted"
	cmp "$work/wanted" "$work/body"
}

# The response's ETag in the form that coap-client's option -O takes.
etag() {
	sed -n 's/^v:1 t:[A-Z]* c:2.*ETag:\(0x[0-9a-f]*\).*/\1/p' "$work/seen"
}
