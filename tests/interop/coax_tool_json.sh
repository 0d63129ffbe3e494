#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What coax -j prints about responses.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server

# The whole object, but for the time that it took.
expect_object() {
	sed -E 's/("time_ms": )[0-9.e-]+$/\10/' "$work/out" >"$work/object"
	cmp -s "$work/object" - || fault "another JSON object was wanted"
}

run put "$uri/example_data" -p '{"a":1}' --content-format application/json
run -j get "$uri/example_data"
expect_status 0
expect_no_err
expect_object <<END
{
  "code": "2.05",
  "name": "Content",
  "class": "success",
  "type": "ACK",
  "options": [
    {
      "number": 12,
      "name": "Content-Format",
      "value": 50
    }
  ],
  "payload": "{\"a\":1}",
  "remote": "127.0.0.1:$port",
  "time_ms": 0
}
END
result "get -j prints the whole response as one object"

run get -j "$uri/nothere"
expect_status 2
expect_no_err
expect_object <<END
{
  "code": "4.04",
  "name": "Not Found",
  "class": "client error",
  "type": "ACK",
  "options": [],
  "payload": "Not Found",
  "remote": "127.0.0.1:$port",
  "time_ms": 0
}
END
result "an unsuccessful response is an object too, with the exit status of its class"

printf 'a\377' >"$work/bytes"
run put "$uri/example_data" -f "$work/bytes"
run get -j "$uri/example_data"
expect_status 0
expect_out_line '  "payload_hex": "61ff",'
result "a payload that is not UTF-8 is given as hex digits"

run get -j "$uri/example_data" -o "$work/got"
expect_status 0
cmp -s "$work/bytes" "$work/got" || fault "other bytes came back"
grep -q payload "$work/out" && fault "the payload is in the object as well"
result "with -o the payload goes to the file and the rest is printed"

run discover -j "$uri" href=/time
expect_status 0
expect_object <<END
[
  {
    "href": "/time",
    "if": "clock",
    "rt": "ticks",
    "title": "Internal Clock",
    "ct": "0",
    "obs": true
  }
]
END
result "discover -j prints the links with their attributes"

run discover -j "$uri" rt=nothing
expect_status 0
expect_out '[]
'
result "no link is an empty array"

run ping -j -c 2 -i 0.3 "$uri"
expect_status 0
expect_out_line "  \"remote\": \"127\.0\.0\.1:$port\","
expect_out_line '  "sent": 2,'
expect_out_line '  "answered": 2,'
[ "$(grep -cE '^    [0-9]+\.[0-9e-]{1,10},?$' "$work/out")" -eq 2 ] || fault "not two times of six digits"
result "ping -j counts what was sent and answered"

run ping -j "coap://127.0.0.1:$(free_port)"
expect_status 4
expect_out_line '  "answered": 0,'
expect_out_line '    null'
result "a ping without an answer has null for a time"

finish
