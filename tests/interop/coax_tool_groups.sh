#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax discover asks groups, in a network of their own: libcoap's server is at its other end, a server of
# our own beside the client.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v coap-server-notls >/dev/null; then
	echo "1..0 # SKIP no coap-server-notls (libcoap3-bin)"
	exit 4
fi
# shellcheck source=tests/interop/coax_tool_lab.bash
. tests/interop/coax_tool_lab.bash

serves() {
	lab_client "$coax" ping -t 1 "coap://$1"
}

group=224.0.1.187
group6=ff02::fd
lab_client ip route add 224.0.0.0/4 dev "$LAB_CLIENT_LINK"
# libcoap's takes one group, so there are two of them.
lab_start_server coap-server-notls -p 5683 -G "$LAB_SERVER_LINK" -g "$group" >"$work/server.log" 2>&1
lab_start_server coap-server-notls -p 5690 -G "$LAB_SERVER_LINK" -g "$group6" >>"$work/server.log" 2>&1
for port in 5683 5690; do
	lab_start_client "$build/tests/interop/tool_server" "*:$port" "$group%$LAB_CLIENT_LINK" \
		"$group6%$LAB_CLIENT_LINK" >>"$work/server.log" 2>&1
	for address in "$LAB_SERVER_4" "$LAB_CLIENT_4"; do
		lab_wait_for 10 serves "$address:$port" && continue
		sed 's/^/# /' "$work/server.log"
		echo "not ok 1 $address serves at port $port"
		exit 1
	done
done

# Members take their leisure, up to 5 s (RFC 7252 section 8.2): all is asked at once.
for family in 4 6; do
	where=coap://$group
	[ "$family" = 4 ] || where="coap://[$group6%25$LAB_CLIENT_LINK]:5690"
	lab_client timeout --foreground 20 "$coax" discover -t 6 "$where" >"$work/text$family" 2>"$work/err_text$family" &
	asked+=("$!")
	lab_client timeout --foreground 20 "$coax" discover -v -t 6 "$where" rt=note >"$work/filter$family" 2>"$work/err_filter$family" &
	asked+=("$!")
	lab_client timeout --foreground 20 "$coax" discover -j -t 6 "$where" >"$work/json$family" 2>"$work/err_json$family" &
	asked+=("$!")
done
for pid in "${asked[@]}"; do
	wait "$pid" || statuses+=" $?"
done

# came NAME: what was asked for so is what the other checks look at.
came() {
	command_line="coax discover ($1)"
	cp "$work/$1" "$work/out"
	cp "$work/err_$1" "$work/err"
	[ -z "${statuses:-}" ] || fault "exit status not 0:$statuses"
}

# The links that are printed below one address.
links_of() {
	sed -nE "\\#^coap://$1\$#,\\#^coap://#{ /^  /p }" "$work/out"
}

client6="(\[$LAB_CLIENT_6\]|\[fe80:[0-9a-f:]*%$LAB_CLIENT_LINK\])"
server6="(\[$LAB_SERVER_6\]|\[fe80:[0-9a-f:]*%$LAB_CLIENT_LINK\])"

came text4
expect_no_err
[ "$(grep -c '^coap://' "$work/out")" -eq 2 ] || fault "not two responders"
links_of "$LAB_SERVER_4(:5683)?" | grep -qE '^  /time +if="clock" .*obs$' || fault "libcoap's links are not there"
links_of "$LAB_CLIENT_4(:5683)?" | grep -qE '^  /note +rt="note" obs$' || fault "our links are not there"
result "each member of an IPv4 group is listed with its links"

came text6
expect_no_err
[ "$(grep -c '^coap://' "$work/out")" -eq 2 ] || fault "not two responders"
links_of "$server6:5690" | grep -qE '^  /time +if="clock" .*obs$' || fault "libcoap's links are not there"
links_of "$client6:5690" | grep -qE '^  /note +rt="note" obs$' || fault "our links are not there"
result "so is each of an IPv6 group, at another port"

for family in 4 6; do
	came "filter$family"
	[ "$(grep -c '^  ' "$work/out")" -eq 1 ] || fault "not one link"
	expect_out_line '  /note +rt="note" obs'
	expect_err_line '> .*: NON GET .*Uri-Query:rt=note.*'
	[ "$(grep -c '^> ' "$work/err")" -eq 1 ] || fault "more than one message was sent"
done
result "groups are asked once, and filters are for all who answer"

for family in 4 6; do
	came "json$family"
	expect_no_err
	[ "$(grep -c '^    "remote": ' "$work/out")" -eq 2 ] || fault "not two responders"
	expect_out_line '        "href": "/time",'
	expect_out_line '        "href": "/note",'
done
result "discover -j gives each with address and links"

ask discover "coap://$group:5999" -t 0.5
expect_status 4
expect_out ''
expect_err_line "coax discover: nobody in $group:5999 has answered"
ask discover -j "coap://$group:5999" -t 0.5
expect_status 4
expect_out '[]
'
result "when nobody answers that is exit status 4"

finish
