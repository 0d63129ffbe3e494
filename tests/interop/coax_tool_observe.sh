#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax observe against libcoap's server, coaxd and a server of our own.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server
start_peer
start_coaxd -vv --writable

has_printed() {
	grep -qxF -e "$1" "$work/out"
}

# change URI TEXT: what comes of it is awaited.
change() {
	"$coax" put "$1" -p "$2" || fault "$2 cannot be put"
	wait_for 10 has_printed "$2" || fault "$2 has not come"
}

run observe "$uri/time" --count 3
expect_status 0
expect_no_err
expect_out_lines 3
[ "$(grep -cxE '[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}' "$work/out")" -eq 3 ] || fault "not three times"
result "observe --count ends after so many representations"

began=${EPOCHREALTIME/[.,]/}
run observe "$uri/time" --for 1.3
expect_status 0
expect_no_err
[ $((${EPOCHREALTIME/[.,]/} - began)) -ge 1300000 ] || fault "it has ended early"
expect_out_line '[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}'
result "observe --for ends after so long"

run observe -j "$uri/time" --count 2
expect_status 0
expect_no_err
expect_out_lines 2
[ "$(grep -cxE '\{"code":"2\.05",.*\{"number":6,"name":"Observe","value":[0-9]+\}.*"payload":"[A-Z][a-z]{2} [^"]*",.*\}' \
	"$work/out")" -eq 2 ] || fault "not an object a line"
result "observe -j prints an object a line"

"$coax" put "$peer/note" -p before
begin observe "$peer/note" --count 4
wait_for 10 has_printed before || fault "the first representation has not come"
change "$peer/note" one
change "$peer/note" two
"$coax" put "$peer/note" -p $'three\n'
end
expect_status 0
expect_no_err
expect_out 'before
one
two
three
'
result "each representation is a line of its own, and printed as it comes"

for signal in INT TERM HUP; do
	"$coax" put "$files/observed.txt" -p "before SIG$signal"
	begin observe -v "$files/observed.txt"
	wait_for 10 has_printed "before SIG$signal" || fault "the first representation has not come"
	change "$files/observed.txt" "changed for SIG$signal"
	kill "-$signal" "$begun"
	end
	expect_status 0
	expect_err_line '> 127\.0\.0\.1:[0-9]+: [A-Z]+ GET .*Observe:1.*'
	from=$(sed -nE 's/.* from (127[0-9.:]+): .*Observe:1 .*/\1/p' "$work/coaxd.log" | tail -n 1)
	[ -n "$from" ] || fault "coaxd has not seen the end"
	sent=$(grep -cF "to $from: " "$work/coaxd.log")
	"$coax" put "$files/observed.txt" -p "after SIG$signal"
	[ "$(grep -cF "to $from: " "$work/coaxd.log")" -eq "$sent" ] || fault "coaxd still notifies"
done
result "SIGINT, SIGTERM and SIGHUP end it, and the server is told before"

command_line="coax observe -v $uri/time | head -n 1"
timeout --foreground --kill-after=2 20 "$coax" observe -v "$uri/time" 2>"$work/err" | head -n 1 >"$work/out"
status=${PIPESTATUS[0]}
expect_status 141
expect_out_lines 1
expect_err_line '> 127\.0\.0\.1:[0-9]+: [A-Z]+ GET .*Observe:1.*'
grep -q '^coax observe: [^I]' "$work/err" && fault "that is no failure"
command_line="coax observe -v $uri/time >/dev/full"
timeout --foreground --kill-after=2 20 "$coax" observe -v "$uri/time" >/dev/full 2>"$work/err"
status=$?
expect_status 1
expect_err_line '> 127\.0\.0\.1:[0-9]+: [A-Z]+ GET .*Observe:1.*'
expect_err_line 'coax observe: cannot write the output.*'
grep -q 'has not answered' "$work/err" && fault "there was an answer"
head -c 20000 /dev/zero | "$coax" put "$peer/note" -f -
timeout --foreground --kill-after=2 5 "$coax" observe -v "$peer/note" >/dev/full 2>"$work/err"
status=$?
expect_status 1
result "when nobody reads any more, or can, the server is told, too"

run observe "$uri/"
expect_status 4
expect_out_line 'This is a test server made with libcoap .*'
expect_err_line "coax observe: 127\.0\.0\.1:$port sends no notifications of this resource"
result "what cannot be observed is printed once, and that is said"

run observe "$uri/nothere"
expect_status 2
expect_out ''
expect_err_line 'coax observe: 4\.04 Not Found: Not Found'
run observe -j "$uri/nothere"
expect_status 2
expect_out_lines 1
expect_out_line '\{"code":"4\.04",.*\}'
result "a client error is exit status 2"

"$coax" put "$files/removed.txt" -p there
begin observe "$files/removed.txt"
wait_for 10 has_printed there || fault "the first representation has not come"
"$coax" delete "$files/removed.txt"
end
expect_status 2
expect_out 'there
'
expect_err_line 'coax observe: 4\.04 Not Found.*'
result "the end of the resource is the end of the observation"

kill -STOP "$server_pid"
run observe "$uri/time" --timeout 0.3
expect_status 4
expect_out ''
expect_err_line "coax observe: 127\.0\.0\.1:$port did not answer within 0\.[3-9] s .*"
run observe "$uri/time" --for 0.3
expect_status 4
expect_err_line "coax observe: 127\.0\.0\.1:$port has not answered"
kill -CONT "$server_pid"
result "a silent server is exit status 4 after --timeout and after --for"

run observe "coap://127.0.0.1:$(free_port)/x"
expect_status 4
expect_err_line 'coax observe: 127\.0\.0\.1:[0-9]+ refused: .*'
result "no server is exit status 4"

finish
