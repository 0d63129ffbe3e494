#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax top against coaxd, in a network of their own; and what the kernel half counts at /metrics.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool_lab.bash
. tests/interop/coax_tool_lab.bash

mkdir "$LAB_DIR/tree"
printf 'hello\n' >"$LAB_DIR/tree/often.txt"
printf 'hello\n' >"$LAB_DIR/tree/seldom.txt"
printf 'hello\n' >"$LAB_DIR/tree/never.txt"
printf 'hello\n' >"$LAB_DIR/tree/$(printf 'o\033]0;x\007dd')"
odd=o%1B%5D0%3Bx%07dd
uri=coap://$LAB_SERVER_4

run top --batch --count 1
expect_status 1
expect_err_line 'coax top: no instance default below /sys/fs/bpf/coax; .*'
result "top without an instance says so"

for bad in '--delay 0' '--delay x' '--count 0' '--count x' '-i ../x' 'x'; do
	# shellcheck disable=SC2086 # words
	run top --batch $bad
	expect_status 1
done
result "top checks its options"

if ! lab_coaxd -q --interface "$LAB_SERVER_LINK" --instance edge --writable --workers 2 \
	--proxy far=coap://127.0.0.1:1 --metrics unix:/run/coax/metrics "$LAB_DIR/tree"; then
	echo "not ok $((number + 1)) coaxd serves"
	exit 1
fi
daemon=$LAB_PID

run top -i edge
expect_status 1
expect_err_line 'coax top: this is no terminal: coax top --batch prints'
result "without a terminal it is --batch that prints"

for name in often.txt seldom.txt never.txt "$odd"; do
	ask get "$uri/$name"
	expect_status 0
done
ask put "$uri/changed" -p x
ask put "$uri/changed" -p y
# Requests for as long as there is the file, by one process each; top looks meanwhile.
touch "$work/asking"
(while [ -e "$work/asking" ]; do
	lab_client "$coax" get "$uri/often.txt" >/dev/null
	lab_client "$coax" get "$uri/often.txt" >/dev/null
	lab_client "$coax" get "$uri/often.txt" >/dev/null
	lab_client "$coax" get "$uri/seldom.txt" >/dev/null
done) &
lab_wait_for 5 test "$(lab_counter edge reply)" -gt 0

run top -i edge --batch --count 2 --delay 1.5
expect_status 0
expect_no_err
[ "$(grep -c '^instance    edge, the kernel answers, coaxd does$' "$work/out")" -eq 2 ] || fault "not two"
expect_out_line 'requests/s  [1-9][0-9]*\.[0-9], of which in the kernel [1-9][0-9.]* \(100\.0 %\), in userspace 0\.0'
expect_out_line 'kernel      [1-9][0-9]* of 8192 replies, published/s 0\.0'
expect_out_line 'sessions    0, handshakes/s 0\.0, observers 0, notifications/s 0\.0'
expect_out_line 'workers     requests/s 0\.0 0\.0'
expect_out_line '[ >] *[1-9][0-9]*\.[0-9]  GET /often\.txt'
expect_out_line ' +2  192\.0\.2\.1'
grep -q never "$work/out" && fault "what nobody asks for is there"
first=$(grep -m 1 -A 1 'SENT BY THE KERNEL' "$work/out" | tail -n 1)
[[ $first = *often* ]] || fault "first is $first"
result "top shows rates, hit ratio, workers, resources by how often they are sent, and sources"

begin top -i edge --batch --count 1 --delay 2
for _ in 1 2 3 4 5 6; do
	lab_client "$coax" put "$uri/changed2" -p x >"$work/put"
done
end
expect_out_line 'latency     in userspace half within [0-9.]+ ms, 99 % within [0-9.]+ ms'
result "top shows how long userspace takes"

run cache -i edge -j
grep -A 30 '"/often.txt"' "$work/out" | grep -m 1 '"used"' | grep -q true || fault "the mark is gone"
result "what top has counted is used still, for who evicts"

run top -i edge --json --count 1
expect_status 0
expect_out_lines 1
python3 - "$work/out" <<-'END' || fault "it is not what it should be"
	import json, sys
	top = json.load(open(sys.argv[1]))
	assert top["answering"] is True and top["kernel_requests"] > 0 and top["userspace_requests"] == 0
	assert len(top["workers"]) == 2 and top["sessions"] == 0 and top["entries"] >= 3
	assert top["resources"][0]["request"] == "GET /often.txt", top["resources"]
	assert top["resources"][0]["rate"] > 0
	assert top["sources"] == [{"address": "192.0.2.1", "requests": 8}], top["sources"]
END
result "top -j is an object a line"

(while [ -e "$work/asking" ]; do lab_client "$coax" get "$uri/$odd" >/dev/null; done) &
run top -i edge --batch --count 1
expect_out_line '.*GET /o%1B%5D0;x%07dd'
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177-\377]')" "$work/out" && fault "it drives a terminal"
result "names from strangers cannot drive a terminal"

# Drops: something that is shorter than a header.
dropped=$(lab_counter edge drop_short)
begin top -i edge --batch --count 1 --delay 2
for _ in 1 2 3 4 5 6; do
	lab_client bash -c "printf 'x' >/dev/udp/$LAB_SERVER_4/5683"
done
end
[ "$(lab_counter edge drop_short)" -gt "$dropped" ] || fault "nothing was dropped"
expect_out_line ' +[0-9]+\.[0-9] +[0-9]+  drop_short: to us, shorter than a CoAP header'
result "top shows what is dropped, and why"

# An origin: nobody listens there.
begin top -i edge --batch --json --count 1 --delay 2
for _ in 1 2 3 4; do
	lab_client "$coax" get "$uri/far/away" >"$work/get" 2>&1
	sleep 0.4
done
end
python3 - "$work/out" <<-'END' || fault "it is not what it should be"
	import json, sys
	origin, = json.load(open(sys.argv[1]))["origins"]
	assert origin["origin"] == "coap://127.0.0.1:1" and origin["answer_ms"] is None, origin
	assert origin["requests"] > 0 and origin["failures"] > 0, origin
END
run top -i edge --batch --count 1 --delay 0.1
expect_out_line ' +ASKED/S +FAILED/S +MEAN MS  STATE ORIGIN'
expect_out_line ' +0\.0 +0\.0 +-  (up   |down ) coap://127\.0\.0\.1:1'
result "top shows origins, and how they do"

begin top -i edge --batch
wait_for 10 test -s "$work/out" || fault "nothing is printed"
kill -INT "$begun"
end
[ "$status" -eq 130 ] || fault "status $status"
result "top without a count ends on SIGINT"

command_line="coax top (on a terminal)"
(sleep 3; printf q) | timeout --foreground 30 script --quiet --return --echo never --command \
	"stty cols 60 rows 20; exec env TERM=xterm $coax top -i edge" "$work/typescript" >"$work/terminal"
status=$?
expect_status 0
sed 's/\x1b\[[0-9;?]*[a-zA-Z]/\n/g' "$work/terminal" >"$work/out"
expect_out_line '.*often\.txt.*'
grep -q $'\x1b\[?1049l' "$work/terminal" || fault "the screen is not given back"
result "on a terminal it draws until q"

curl --silent --unix-socket /run/coax/metrics http://localhost/metrics >"$work/out"
expect_out_line 'coax_kernel_packets_total\{result="answered",reason="reply"\} [1-9][0-9]*'
expect_out_line 'coax_kernel_packets_total\{result="dropped",reason="drop_short"\} [1-9][0-9]*'
expect_out_line 'coax_kernel_answering 1'
expect_out_line 'coax_origin_failures_total\{origin="coap://127.0.0.1:1"\} [1-9][0-9]*'
expect_out_line 'coax_origin_answers_total\{origin="coap://127.0.0.1:1",class="2.xx"\} 0'
expect_out_line 'coax_origin_answer_seconds_bucket\{origin="coap://127.0.0.1:1",le="\+Inf"\} 0'
total=$(lab_counter edge packets)
sum=$(awk '/^coax_kernel_packets_total/ { sum += $2 } END { print sum }' "$work/out")
{ [ "$sum" -gt 0 ] && [ "$sum" -le "$total" ]; } || fault "$sum packets of $total"
result "/metrics has the kernel half's counters, each packet once"

former=$daemon
lab_coaxd -q --replace --interface "$LAB_SERVER_LINK" --instance edge --writable --workers 2 \
	--metrics unix:/run/coax/metrics "$LAB_DIR/tree" || fault "it is not replaced"
daemon=$LAB_PID
lab_wait_for 10 has_ended "$former" || fault "the former one is still there"
lab_forget "$former"
curl --silent --unix-socket /run/coax/metrics http://localhost/metrics >"$work/out"
expect_out_line 'coax_kernel_answering 1'
[ "$(awk '$1 ~ /reason="reply"/ { print $2 }' "$work/out")" -gt 0 ] || fault "the counters begin anew"
result "a daemon that takes another's place has its /metrics, too"

rm "$work/asking"
lab_kill "$daemon"
run top -i edge --batch --count 1
expect_status 0
expect_out_line 'instance    edge, the kernel (answers|does not answer), coaxd does not'
expect_out_line 'requests/s  \?, of which in the kernel [0-9.]+, in userspace \?'
result "of a daemon that is gone top shows what the maps say"

finish
