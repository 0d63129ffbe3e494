#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Files and listings of coaxd observed, by our own client and by Debian's coap-client.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash
need_client

observe=${COAX_BUILD:-build}/tools/examples/observe
mkdir -p "$served/dir"
start_coaxd --writable

# observing PATH COUNT: from now on, what it becomes is in $work/told, a line each.
observing() {
	: >"$work/told"
	timeout 60 "$observe" "coap://127.0.0.1:$port$1" "$2" >"$work/told" 2>"$work/told.err" &
	observer=$!
}

# The observer is told TEXT, within some seconds.
told() {
	local deadline=$((SECONDS + 10))
	until [ "$(tail -n 1 "$work/told")" = "$1" ]; do
		[ "$SECONDS" -lt "$deadline" ] || {
			cat "$work/told" "$work/told.err"
			return 1
		}
		sleep 0.02
	done
}

ended() {
	timeout --foreground 10 tail --pid="$observer" -f /dev/null || return 1
	wait "$observer"
	true
}

observe_file() {
	printf one >"$served/a.txt"
	observing /a.txt 100
	told one && ask 2.04 /a.txt -m put -e two && told two &&
		printf three >"$served/a.txt" && told three &&
		printf four >"$work/new" && mv "$work/new" "$served/a.txt" && told four &&
		ask 2.04 /a.txt -m post -e ,five && told four,five &&
		printf six >>"$served/a.txt" && told four,fivesix
}

observed_is_published() {
	ask 2.05 /a.txt && body_is four,fivesix
}

end_of_file() {
	rm "$served/a.txt"
	ended && [ "$(tail -n 1 "$work/told")" = four,fivesix ]
}

# One that a request removes.
end_by_delete() {
	printf one >"$served/a.txt"
	observing /a.txt 100
	told one && ask 2.02 /a.txt -m delete && ended
}

stop_observing() {
	kill "$observer"
	wait "$observer"
	true
}

# The same state may be told twice: the request and inotify both tell of the change.
no_way_back() {
	printf 0 >"$served/count.txt"
	observing /count.txt 100
	told 0 || return 1
	for i in 1 2 3; do
		ask 2.04 /count.txt -m put -e "$i" && told "$i" || return 1
	done
	stop_observing
	[ "$(uniq "$work/told" | tr '\n' ' ')" = "0 1 2 3 " ] || {
		cat "$work/told"
		return 1
	}
}

observe_large() {
	local a b
	a=$(head -c 1500 /dev/zero | tr '\0' a)
	b=$(head -c 1600 /dev/zero | tr '\0' b)
	printf %s "$a" >"$served/large.txt"
	printf %s "$b" >"$work/b"
	observing /large.txt 100
	told "$a" && ask 2.04 /large.txt -m put -f "$work/b" && told "$b" &&
		printf small >"$work/new" && mv "$work/new" "$served/large.txt" && told small &&
		stop_observing
}

observe_listing() {
	: >"$served/dir/a"
	observing /dir/ 100
	told '</dir/a>;ct=42;obs' && ask 2.01 /dir/b -m put -e x && told '</dir/a>;ct=42;obs,</dir/b>;ct=42;obs' &&
		rm "$served/dir/a" && told '</dir/b>;ct=42;obs' && mkdir "$served/dir/c" &&
		told '</dir/b>;ct=42;obs,</dir/c/>;ct=40;obs' && rmdir "$served/dir/c" && rm "$served/dir/b" &&
		told '' && rmdir "$served/dir" && ended
}

# What cannot be noticed is not promised: no Observe option in the answer.
not_noticed() {
	printf one >"$served/linked.txt"
	ln "$served/linked.txt" "$served/.other"
	ask 2.05 /linked.txt -s 1 && ! has Observe && printf one >"$served/plain.txt" &&
		ask 2.05 /plain.txt -s 1 && has Observe
}

# From when on that is so, observers are let go with the state that there is then.
no_longer_noticed() {
	observing /plain.txt 100
	told one && ln "$served/plain.txt" "$served/.plain" && printf 2 >>"$served/plain.txt" &&
		ended && [ "$(tail -n 1 "$work/told")" = one2 ]
}

# libcoap asks for it by -s; it prints what comes.
by_libcoap() {
	printf one >"$served/c.txt"
	timeout 20 coap-client-notls -B 4 -s 3 -v 6 "coap://127.0.0.1:$port/c.txt" >"$work/told" 2>&1 &
	observer=$!
	local deadline=$((SECONDS + 10))
	until grep -q 'c:2.05.*Observe' "$work/told" || [ "$SECONDS" -ge "$deadline" ]; do
		sleep 0.02
	done
	ask 2.04 /c.txt -m put -e changed && wait "$observer"
	grep -c 'c:2.05.*Observe' "$work/told" && grep -q changed "$work/told"
}

plan 11
check "an observer is told of a PUT, a write, a rename, a POST and an append" observe_file
check "a plain GET beside it gives the present state" observed_is_published
check "a removed file ends the observation" end_of_file
check "so does DELETE" end_by_delete
check "states are told in their order, and none again after the next" no_way_back
check "a file larger than a message is told whole" observe_large
check "a listing is told when names come and go, and ends with its directory" observe_listing
check "what changes would not be noticed of is answered without Observe" not_noticed
check "when that comes to be so, the observation ends" no_longer_noticed
check "libcoap's client observes" by_libcoap
stop_coaxd
check "coaxd ends with status 0 on SIGTERM" [ $? -eq 0 ]
finish
