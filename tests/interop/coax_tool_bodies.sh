#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax and bodies larger than a message, both ways, against libcoap's server, coaxd and a server of our
# own: files, pipes, block sizes, what fails half way, and the progress bar.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"
start_server
start_peer
start_coaxd -q --writable

head -c 307200 /dev/urandom >"$work/300K"
head -c 1048576 /dev/urandom >"$work/1M"
mkdir "$work/dir"

# messages PATTERN: how many lines of -v are like this.
messages() {
	grep -cE -e "$1" "$work/err"
}

for target in "$uri/example_data" "$files/body.bin"; do
	whose=libcoap
	[ "$target" = "$uri/example_data" ] || whose=coaxd
	for size in 300K 1M; do
		run put "$target" -f "$work/$size"
		expect_status 0
		expect_no_err
		run get "$target" -o "$work/got"
		expect_status 0
		expect_no_err
		expect_out ''
		expect_same "$work/$size" "$work/got"
		run get "$target"
		expect_status 0
		expect_no_err
		expect_out_file "$work/$size"
	done
	result "$whose: put -f and get carry 300 KiB and 1 MiB"

	run put -v --block-size 64 "$target" -f "$work/300K"
	expect_status 0
	[ "$(messages '^> .* PUT .*Block1:.* payload=64$')" -eq 4800 ] || fault "not 4800 blocks of 64 bytes"
	run get -v --block-size 64 "$target" -o "$work/got"
	expect_status 0
	[ "$(messages '^< .* 2\.05 .* payload=64$')" -eq 4800 ] || fault "not 4800 blocks of 64 bytes"
	expect_same "$work/300K" "$work/got"
	result "$whose: --block-size is the size of the blocks both ways"

	for size in 300K 1M; do
		command_line="cat $size | coax put -f - | coax get >"
		timeout --foreground --kill-after=2 30 "$coax" put "$target" -f - \
			< <(cat "$work/$size") >"$work/out" 2>"$work/err"
		status=$?
		expect_status 0
		expect_no_err
		run get "$target"
		expect_out_file "$work/$size"
	done
	result "$whose: put -f - sends what comes through a pipe"
done

run_with_input "$work/300K" put "$uri/example_data" -f -
expect_status 0
run get "$uri/example_data"
expect_out_file "$work/300K"
result "put -f - sends a file that is standard input"

for method in fetch patch ipatch; do
	run put "$peer/note" -p before
	run "$method" "$peer/note" -f "$work/300K"
	expect_status 0
	expect_no_err
	case $method in
	fetch) printf 'asked for ' | cat - "$work/300K" >"$work/wanted" ;;
	patch) printf before | cat - "$work/300K" >"$work/wanted" ;;
	ipatch) cp "$work/300K" "$work/wanted" ;;
	esac
	[ "$method" = fetch ] || run get "$peer/note"
	expect_out_file "$work/wanted"
done
result "fetch, patch and ipatch carry 300 KiB, and so does what fetch gets"

run get "$files/body.bin" --option Block2=0x06 -v
expect_status 0
head -c 1024 "$work/1M" >"$work/wanted"
expect_out_file "$work/wanted"
[ "$(messages '^> ')" -eq 1 ] || fault "more than one request"
result "--option Block2 asks for that one block"

run get "$uri/example_data" -j
expect_status 0
od -An -v -tx1 "$work/300K" | tr -d ' \n' >"$work/wanted"
sed -n 's/^  "payload_hex": "\(.*\)",$/\1/p' "$work/out" | tr -d '\n' >"$work/got"
expect_same "$work/wanted" "$work/got"
result "get -j has all of a body in its object"

printf old >"$work/dir/file"
chmod 640 "$work/dir/file"
ln -s file "$work/dir/link"
run get "$uri/example_data" -o "$work/dir/link"
expect_status 0
[ -L "$work/dir/link" ] || fault "the link was replaced"
expect_same "$work/300K" "$work/dir/file"
[ "$(stat -c %a "$work/dir/file")" = 640 ] || fault "the mode of the file has changed"
run get "$uri/example_data" -o /dev/null
expect_status 0
[ -c /dev/null ] || fault "/dev/null was replaced"
rm "$work/dir/link"
result "get -o replaces what is in a file, behind a link too, and leaves its mode"

# What takes long enough to be interrupted: holes cost nothing.
truncate -s 60M "$work/tree/large"
is_on_its_way() {
	[ -n "$(find "$work/dir" -name '.coax-*' -size +64k)" ]
}

nothing_is_left() {
	[ "$(ls -A "$work/dir")" = file ] || fault "left there: $(ls -A "$work/dir")"
	expect_same "$work/300K" "$work/dir/file"
}

begin get "$files/large" --block-size 64 -o "$work/dir/file"
wait_for 10 is_on_its_way || fault "nothing comes"
kill -INT "$begun"
end
expect_status 130
nothing_is_left
begin get "$files/large" --block-size 64 -o "$work/dir/other"
wait_for 10 is_on_its_way || fault "nothing comes"
kill -TERM "$begun"
end
expect_status 143
nothing_is_left
result "get -o leaves nothing behind, and the former file alone, when it is interrupted"

on_terminal get "$files/large" --block-size 64 --timeout 1.5 -o "$work/dir/other"
expect_status 4
tr '\r' '\n' <"$work/terminal" >"$work/out"
grep -qE '\[#*-+\] +[0-9]{1,2}%  [0-9.]+ [KM]iB of 60\.0 MiB  [0-9.]+ [KM]iB/s  [0-9]+:[0-9]{2} left$' \
	"$work/out" || fault "no progress bar"
grep -qF $'\033[Kcoax get: ' "$work/out" || fault "the bar is not taken away"
[ "$(wc -L <"$work/out")" -le 80 ] || fault "a line is wider than the terminal"
nothing_is_left
on_terminal get -v "$files/large" --block-size 64 --timeout 0.8 -o "$work/dir/other"
grep -q '%' "$work/terminal" && fault "a bar among the messages"
run get "$files/large" --block-size 64 --timeout 0.8 -o "$work/dir/other"
expect_status 4
grep -q '%' "$work/err" && fault "a bar where no terminal is"
nothing_is_left
result "a long transfer shows how far it is, on a terminal only"

begin get "$files/large" --block-size 64 -o "$work/dir/file"
wait_for 10 is_on_its_way || fault "nothing comes"
kill -KILL "$coaxd_pid"
wait "$coaxd_pid" 2>/dev/null
end
expect_status 4
expect_err_line 'coax get: 127\.0\.0\.1:[0-9]+ refused: .*'
nothing_is_left
result "get -o leaves nothing behind when the server goes away half way"

finish
