#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax discover and ping against libcoap's server.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server

run discover "$uri"
expect_status 0
expect_no_err
expect_out '/              title="General Info" ct=0
/time          if="clock" rt="ticks" title="Internal Clock" ct=0 obs
/async         ct=0
/example_data  title="Example Data" ct=0 obs
'
result "discover prints one link a line, its attributes aligned"

run discover "$uri/.well-known/core"
expect_status 0
expect_out_line '/async +ct=0'
result "the path of /.well-known/core may be given"

run discover "$uri" rt=ticks
expect_out '/time  if="clock" rt="ticks" title="Internal Clock" ct=0 obs
'
run discover "$uri" 'title=*' obs
expect_status 0
expect_out '/time          if="clock" rt="ticks" title="Internal Clock" ct=0 obs
/example_data  title="Example Data" ct=0 obs
'
result "filters leave the links that pass them all"

run discover -v "$uri" obs 'if=c*' rt=ticks
expect_out_line '/time .*'
expect_err_line '> 127\.0\.0\.1:[0-9]+: CON GET .*Uri-Query:if=c\*.*'
grep -q 'Uri-Query.*Uri-Query' "$work/err" && fault "more than one query"
result "the server gets one filter as its query"

run discover "$uri" 'rt=tick'
expect_status 0
expect_out ''
result "no link passing is no error"

run discover "$uri/time"
expect_status 1
expect_err_line 'coax discover: "[^"]*/time": discover asks for /\.well-known/core; .*'
result "discover refuses another path"

run discover "coap://127.0.0.1:$(free_port)"
expect_status 4
result "discover without a server is exit status 4"

run ping "$uri"
expect_status 0
expect_no_err
expect_out_line "127\.0\.0\.1:$port answered in [0-9]+\.[0-9]{2} ms"
result "ping says how long the answer took"

run ping -c 3 -i 0.3 "$uri"
expect_status 0
[ "$(grep -c 'answered in' "$work/out")" -eq 3 ] || fault "not three answers"
expect_out_line '3 of 3 answered, min [0-9.]+, mean [0-9.]+, max [0-9.]+ ms'
result "ping -c sends so many and sums up"

run ping "coap://127.0.0.1:$(free_port)"
expect_status 4
expect_err_line 'coax ping: 127\.0\.0\.1:[0-9]+ refused: .*'
result "ping without a server is exit status 4"

kill -STOP "$server_pid"
run ping -c 2 -i 0 -t 0.2 "$uri"
expect_status 4
expect_out '0 of 2 answered
'
expect_err_line "coax ping: 127\.0\.0\.1:$port did not answer within 0\.[2-9] s .*"
kill -CONT "$server_pid"
result "ping to a silent server gives up after --timeout"

finish
