#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax's commands that are one request each, against libcoap's server and one of our own.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server
start_peer

run get "$uri/"
expect_status 0
expect_no_err
expect_out_line 'This is a test server made with libcoap .*'
result "get writes the representation to standard output"

run get "$uri/time"
expect_status 0
expect_out_line '[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}'
result "get follows the path"

run get --non "$uri/time"
expect_status 0
expect_out_line '[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}'
result "get --non is answered too"

run get "$uri/async?1" --timeout 10
expect_status 0
expect_out "done"
result "a separate response is awaited and printed"

run put "$uri/example_data" -p hello
expect_status 0
expect_no_err
expect_out ''
run get "$uri/example_data"
expect_out hello
result "put -p replaces a representation, byte for byte"

printf 'a\0b\377\n' >"$work/bytes"
run put "$uri/example_data" -f "$work/bytes"
expect_status 0
run get "$uri/example_data" -o "$work/got"
expect_status 0
expect_out ''
cmp -s "$work/bytes" "$work/got" || fault "other bytes came back"
result "put -f sends a file and get -o saves it, binary bytes and all"

printf 'from standard input' >"$work/input"
run_with_input "$work/input" put "$uri/example_data" -f -
expect_status 0
run get "$uri/example_data"
expect_out 'from standard input'
result "put -f - sends standard input"

head -c 1024 /dev/zero | tr '\0' x >"$work/largest"
run put "$uri/example_data" -f "$work/largest"
expect_status 0
run get "$uri/example_data" -o "$work/got"
expect_status 0
cmp -s "$work/largest" "$work/got" || fault "other bytes came back"
result "1024 bytes of payload fit a message"

echo >>"$work/largest"
run put "$uri/example_data" -f "$work/largest"
expect_status 0
expect_no_err
run get "$uri/example_data" -o "$work/got"
expect_status 0
cmp -s "$work/largest" "$work/got" || fault "other bytes came back"
run put "$uri/example_data" -p "$(cat "$work/largest")y"
expect_status 0
run get "$uri/example_data"
expect_out "$(cat "$work/largest")y"
result "a longer payload goes in blocks, from a file or from the command line"

run put "$uri/made" -p one
expect_status 0
run get "$uri/made"
expect_out one
run delete "$uri/made"
expect_status 0
expect_out ''
expect_no_err
run get "$uri/made"
expect_status 2
result "put creates a resource and delete removes it"

run put "$uri/example_data" -p '{"a":1}' --content-format application/json
expect_status 0
run get "$uri/example_data" -v
expect_status 0
expect_out '{"a":1}'
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON GET .*Uri-Path:example_data.*'
expect_err_line '< 127\.0\.0\.1:[0-9]+: ACK 2\.05 .*Content-Format:50.*'
result "the content format is sent, and -v shows both messages on standard error"

run get "$uri/example_data" --accept 50 -v
expect_status 0
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON GET .*Accept:50.*'
run get "$uri/example_data" --accept text/plain -v
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON GET .*Accept:0.*'
result "accept takes a number or a name"

run get "$uri/time" --etag 0aFF --etag 0x01 -v
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON GET .*ETag:0aff ETag:01 .*'
result "each etag becomes an option"

run put "$uri/example_data" -p x --if-match '' --if-match 0102 --if-none-match -v
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON PUT .*If-Match: If-Match:0102 If-None-Match.*'
result "if-match and if-none-match become options"

run fetch "$uri/time" -p x --content-format 0
expect_status 0
expect_out_line '[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}'
for method in patch ipatch; do
	run "$method" "$uri/time" -p x --content-format 0
	expect_status 2
	expect_err_line "coax $method: 4\.05 Method Not Allowed.*"
done
result "libcoap's server answers FETCH, and does not allow PATCH and iPATCH"

run put "$peer/note" -p one
run fetch "$peer/note" -p 'the end'
expect_status 0
expect_no_err
expect_out 'asked for the end'
run patch "$peer/note" -p ' two'
expect_status 0
expect_no_err
expect_out ''
run get "$peer/note"
expect_out 'one two'
run ipatch "$peer/note" -p three
expect_status 0
run ipatch "$peer/note" -p three
expect_status 0
run get "$peer/note"
expect_out three
result "fetch, patch and ipatch do what the server has for them"

for method in get put post delete fetch patch ipatch; do
	run "$method" "$peer/options?q" --option 65000=x --option hop-limit=8 --option 65000=0x0102 \
		--option Uri-Query=a --option If-None-Match --option 5002=
	expect_status 0
	expect_no_err
	expect_out '5=
11=6f7074696f6e73
15=71
15=61
16=08
5002=
65000=78
65000=0102
'
done
result "--option takes numbers and names, texts, numbers and bytes, and may be repeated"

run get "$peer/options" --option 65001=x
expect_status 2
expect_err_line 'coax get: 4\.02 Bad Option: .*65001.*'
result "--option sends what the server refuses, too"

run put "$peer/options" --if-match '' --if-match 0xabcd --if-none-match --content-format 60 \
	--accept application/json -p x
expect_status 0
expect_out '1=
1=abcd
5=
11=6f7074696f6e73
12=3c
17=32
'
run get "$peer/options" --etag 01 --etag 0x0203040506070809
expect_out '4=01
4=0203040506070809
11=6f7074696f6e73
'
result "conditions, formats and ETags come as they were given"

run put "$peer/note" -p kept --no-response all --timeout 0.3
expect_status 0
expect_out ''
expect_err_line 'coax put: no response, as was asked for'
run get "$peer/note"
expect_out kept
run put "$peer/note" -p 'kept too' --non --no-response 2.xx --timeout 0.3 -v
expect_status 0
expect_err_line '> .* NON PUT .* No-Response:2 .*'
grep -q '^< ' "$work/err" && fault "there was a response"
run get "$peer/note"
expect_out 'kept too'
run get "$peer/note" --no-response 2.xx -j --timeout 0.3
expect_status 0
expect_out 'null
'
run get "$peer/nothere" --no-response 2.xx --timeout 5
expect_status 2
run get "$peer/note" --no-response 4.xx,5.xx
expect_status 0
expect_out 'kept too'
run get "$peer/options" --no-response none
expect_out '11=6f7074696f6e73
258=
'
run get "$peer/options" --no-response 24
expect_out '11=6f7074696f6e73
258=18
'
result "--no-response asks for silence, which is no failure then"

run get "$uri/nothere"
expect_status 2
expect_out ''
expect_err_line 'coax get: 4\.04 Not Found: Not Found'
result "a client error is exit status 2, its code and diagnostic payload on standard error"

run post "$uri/time" -p x
expect_status 2
expect_err_line 'coax post: 4\.05 Method Not Allowed: Method Not Allowed'
result "post reports what the server does not allow"

run get "$uri/nothere" -o "$work/absent"
expect_status 2
[ ! -e "$work/absent" ] || fault "a file was written"
result "an unsuccessful response leaves -o alone"

run put "$uri/example_data" -p 'to standard output'
run get "$uri/example_data" -o -
expect_status 0
expect_out 'to standard output'
[ ! -e ./- ] || fault "a file of the name - was written"
result "get -o - prints the payload"

run get "$uri/time" -o "$work/no/such/directory"
expect_status 1
expect_err_line 'coax get: cannot create .*: No such file or directory'
result "an output file that cannot be created is a local error"

for options in '' -j '-o -' --non; do
	command_line="coax get $options >/dev/full"
	: >"$work/out"
	# shellcheck disable=SC2086 # words are meant
	timeout --foreground --kill-after=2 30 "$coax" get $options "$uri/time" >/dev/full 2>"$work/err"
	status=$?
	expect_status 1
	expect_err_line 'coax get: cannot write the output.*'
done
run get "$uri/time" -o /dev/full
expect_status 1
expect_err_line 'coax get: cannot write /dev/full: No space left on device'
result "output that cannot be written is a local error"

run get "coap://127.0.0.1:$(free_port)/" --timeout 5
expect_status 4
expect_out ''
expect_err_line 'coax get: 127\.0\.0\.1:[0-9]+ refused: .*'
result "no server is exit status 4, and said at once"

kill -STOP "$server_pid"
run get "$uri/time" --timeout 0.3
expect_status 4
expect_err_line "coax get: 127\.0\.0\.1:$port did not answer within 0\.[3-9] s .*"
run get --non "$uri/time" --timeout 0.3
expect_status 4
for method in put post fetch patch ipatch; do
	run "$method" "$uri/time" -f "$work/largest" --timeout 0.3
	expect_status 4
	expect_err_line "coax $method: 127\.0\.0\.1:$port did not answer within 0\.[3-9] s .*"
done
run delete "$uri/time" -j --timeout 0.3
expect_status 4
expect_out ''
kill -CONT "$server_pid"
result "a silent server is exit status 4 after --timeout"

finish
