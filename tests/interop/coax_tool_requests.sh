#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax get, put, post and delete against libcoap's server.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server

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
kill -CONT "$server_pid"
result "a silent server is exit status 4 after --timeout"

finish
