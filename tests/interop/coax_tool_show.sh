#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What coax makes of payloads on a terminal, and that it leaves them alone elsewhere. The ways one by
# one are in tests/unit/tool_show.c.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_peer

# has FORMAT BYTES: the note is this, the bytes in printf's notation.
has() {
	# shellcheck disable=SC2059 # a format is meant
	printf "$2" >"$work/bytes"
	run put "$peer/note" --content-format "$1" -f "$work/bytes"
	expect_status 0
}

# shown TEXT: the note is shown so on a terminal, and is its bytes elsewhere, in a file too.
shown() {
	on_terminal get "$peer/note"
	expect_status 0
	expect_out "$1"
	run get "$peer/note"
	expect_status 0
	expect_out_file "$work/bytes"
	on_terminal get "$peer/note" -o "$work/got"
	expect_status 0
	expect_out ''
	expect_same "$work/bytes" "$work/got"
}

has text/plain '21.5 \302\260C'
shown $'21.5 \302\260C\n'
has text/plain 'one\ntwo\n'
shown $'one\ntwo\n'
result "text is shown as it is, with a newline at the end"

has text/plain 'a\033[2Jb\rc\ad\177e\302\233f\342\200\256g\n'
shown 'a\x1b[2Jb\x0dc\x07d\x7fe\xc2\x9bf\xe2\x80\xaeg
'
result "what a terminal would obey is escaped"

has application/link-format '</a>;rt="x y";obs,</longer>;ct=40'
shown '/a       rt="x y" obs
/longer  ct=40
'
result "link-format is shown a link a line"

has application/json '{"a":[1,true],"b":"\303\274\302\233"}'
shown $'{
  "a": [
    1,
    true
  ],
  "b": "\303\274\\xc2\\x9b"
}
'
has application/json '{"a":'
shown '{"a":
'
result "JSON is indented"

has application/cbor '\242\141a\371\076\000\141b\237\301\000\103\001\002\003\377'
shown $'{"a": 1.5, "b": [_ 1(0), h\'010203\']}
'
has application/cbor '\202\001'
shown '00000000  82 01                                             |..|
'
result "CBOR is shown in diagnostic notation, and as a hex dump if it is none"

has application/octet-stream '\000\001\376\377coax'
shown '00000000  00 01 fe ff 63 6f 61 78                           |....coax|
'
has text/plain 'a\377'
shown '00000000  61 ff                                             |a.|
'
has image/png 'PNG'
shown '00000000  50 4e 47                                          |PNG|
'
result "all else is shown as a hex dump"

has application/json '{}'
on_terminal fetch "$peer/note" -p '{"x":1}' --content-format application/json
expect_status 0
expect_out 'asked for {"x":1}
'
on_terminal get -j "$peer/note"
expect_status 0
expect_out_line '  "payload": "\{\}",'
on_terminal observe "$peer/note" --count 1
expect_status 0
expect_out '{}
'
run put "$peer/note" -p ''
on_terminal get "$peer/note"
expect_status 0
expect_out ''
result "what fetch and observe get is shown the same way; -j and nothing are what they are"

# A terminal that only standard error is, or only standard output.
has application/json '[1]'
command_line="coax get on a terminal, into a file"
script --quiet --return --echo never --command "$(printf '%q ' "$coax" get "$peer/note") >$work/out" \
	"$work/typescript" </dev/null >"$work/terminal" 2>"$work/err"
expect_out '[1]'
result "only standard output counts"

on_terminal get "$peer/fails"
expect_status 3
expect_out 'coax get: 5.00 Internal Server Error: \x1b[2Jgone
'
result "what a server says of a failure is made harmless"

finish
