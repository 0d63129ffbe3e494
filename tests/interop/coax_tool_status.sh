#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coax status, cache, on and off, and the tool against coaxd, in a network of their own.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool_lab.bash
. tests/interop/coax_tool_lab.bash

mkdir "$LAB_DIR/tree"
printf 'hello\n' >"$LAB_DIR/tree/hello.txt"
# More than block numbers can count; it has holes only.
truncate -s $(((1 << 30) + 1)) "$LAB_DIR/tree/large"
uri=coap://$LAB_SERVER_4

run status
expect_status 1
expect_err_line 'coax status: no instance default below /sys/fs/bpf/coax; is coaxd running with --interface\?'
result "status without an instance says so"

if ! lab_coaxd -q --interface "$LAB_SERVER_LINK" --instance edge --writable "$LAB_DIR/tree"; then
	echo "not ok $((number + 1)) coaxd serves"
	exit 1
fi
daemon=$LAB_PID

run status
expect_status 1
expect_err_line 'there are: edge'
result "a wrong instance is answered with those that there are"

run status -i edge
expect_status 0
expect_no_err
expect_out_line 'instance    edge'
expect_out_line 'answering   yes'
expect_out_line 'lease       [0-9]+ ms left of [0-9]+ ms'
expect_out_line "owner       pid $daemon \(coaxd\), alive"
expect_out_line "interfaces  $LAB_SERVER_LINK  native mode, .*"
expect_out_line "(endpoints)? +192\.0\.2\.2:5683"
expect_out_line "(endpoints)? +\[2001:db8::2\]:5683"
expect_out_line 'entries     0 of [0-9]+'
expect_out_line '  reply +0  requests answered from a slot'
result "status shows lease, owner, interfaces, endpoints and counters"

run cache --instance edge
expect_status 0
[ "$(wc -l <"$work/out")" -eq 1 ] || fault "more than the heading"
run cache --instance edge -j
expect_out '[]
'
result "a cache without entries has only its heading"

ask get "$uri/hello.txt"
expect_status 0
expect_out 'hello
'
run cache -i edge
expect_out_line 'GET +/hello\.txt +2\.05 +6  [0-9a-f]{2,16} +[0-9.]+m?s  valid +(yes|no)'
ask get "$uri/hello.txt"
run cache -i edge -j
expect_out_line '    "path": "/hello\.txt",'
expect_out_line '    "state": "valid",'
expect_out_line '    "size": 6,'
expect_out_line '    "age_ms": [0-9]+,'
expect_out_line '    "used": true'
result "cache lists what is published, and that the kernel sent it"

run status -i edge -j
expect_status 0
expect_out_line '  "answering": true,'
expect_out_line "    \"pid\": $daemon,"
expect_out_line '  "entries": [1-9][0-9]*,'
expect_out_line '    "reply": [1-9][0-9]*,'
result "status -j counts the entry and the reply"

expect_out_line '  "figures": \{'
expect_out_line '    "coax_kernel_answering": 1,'
expect_out_line '      "reply": [1-9][0-9]*,'
expect_out_line '    "coax_requests_total": [1-9][0-9]*,'
expect_out_line '    "coax_workers": [1-9][0-9]*'
result "status -j has the daemon's own figures"

ask get "$uri/hello.txt" --accept text/plain
expect_status 0
run cache -i edge
expect_out_line 'GET +/hello\.txt +2\.05 .* Accept:0'
result "requests for one path are told apart by their options"

ask put "$uri/hello.txt" -p changed
expect_status 0
run cache -i edge
expect_out_line 'GET +/hello\.txt .* withdrawn .*'
ask get "$uri/hello.txt"
expect_out changed
result "after a change the entry is withdrawn, and the new value is read"

run exchanges -i edge
expect_status 0
expect_no_err
expect_out_line 'PEER +LOCAL +ID  VERDICT +REPLY +BYTES +LEFT'
expect_out_line "192\.0\.2\.1:[0-9]+ +192\.0\.2\.2:5683 +[0-9]+  answered  2\.04 +[0-9]+ +4m0[0-9]s"
run exchanges -i edge -j
expect_out_line '    "peer": "192\.0\.2\.1:[0-9]+",'
expect_out_line '    "verdict": "answered",'
expect_out_line '    "reply": "2\.04",'
bpftool map dump pinned /sys/fs/bpf/coax/edge/exchanges >"$work/out"
expect_out_line ' +"verdict": "COAX_EXCHANGE_ANSWERED",'
expect_out_line ' +"local_port": 5683,'
result "exchanges lists the change whose duplicates the kernel answers, and bpftool shows it"

ask get "$uri/hello.txt"
run cache flush /hello.tx -i edge
expect_out '0 replies withdrawn
'
run cache flush /hello.txt -i edge
expect_status 0
expect_out '2 replies withdrawn
'
run cache show -i edge
grep -q '/hello\.txt' "$work/out" && fault "it is there still"
ask get "$uri/hello.txt"
run cache flush -i edge -j
expect_out_line '  "withdrawn": [1-9][0-9]*'
ask get "$uri/hello.txt"
expect_out changed
result "cache flush withdraws a path, or all, and userspace publishes anew"

run detach "$LAB_SERVER_LINK" -i edge
expect_status 0
expect_out "$LAB_SERVER_LINK: detached
"
ask get "$uri/hello.txt"
expect_out changed
run detach "$LAB_SERVER_LINK" -i edge
expect_status 1
expect_err_line "coax detach: detach $LAB_SERVER_LINK: .*it is so already"
run attach "$LAB_SERVER_LINK" -i edge -j
expect_status 0
expect_out_line '  "attached": true,?'
run attach nowhere0 -i edge
expect_status 1
expect_err_line 'coax attach: attach nowhere0: No such device'
run status -i edge
expect_out_line ".*$LAB_SERVER_LINK.*native.*"
result "an interface is detached and attached while the daemon serves"

run attach "$LAB_SERVER_LINK" -i nosuch
expect_status 1
expect_err_line 'coax attach: no coaxd of instance nosuch listens at /run/coax/nosuch'
result "attach says when there is nobody to do it"

# Whoever listens there may say anything.
python3 - "$work/bound" <<-'END' &
	import socket, sys
	listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	listener.bind("/run/coax/odd")
	listener.listen()
	open(sys.argv[1], "w").close()
	asker = listener.accept()[0]
	asker.recv(2000)
	asker.send(b"error \x1b]0;title\x07 \xff\nand more")
END
wait_for 5 test -e "$work/bound" || fault "nobody listens"
run attach "$LAB_SERVER_LINK" -i odd
expect_status 1
expect_err_line "coax attach: attach $LAB_SERVER_LINK: .x1b\]0;title.x07 .xff.x0aand more"
result "what the daemon says cannot drive a terminal"

ask get "$uri/large"
expect_status 3
expect_err_line 'coax get: 5\.00 Internal Server Error: .*'
ask get -j "$uri/large"
expect_status 3
expect_out_line '  "class": "server error",'
result "a server error is exit status 3"

ask post "$uri/" -p 'a new file'
expect_status 0
expect_err_line 'coax post: created /.+'
created=$(sed -n 's/^coax post: created //p' "$work/err")
ask get "$uri$created"
expect_out 'a new file'
result "post says where the created resource is"

ask get -v "$uri/hello.txt"
etag=$(sed -n 's/.*ETag:\([0-9a-f]*\) .*/\1/p' "$work/err")
ask get "$uri/hello.txt" --etag "$etag"
expect_status 0
expect_out ''
expect_err_line 'coax get: 2\.03 Valid: .*'
printf 'what I have' >"$work/have"
ask get "$uri/hello.txt" --etag "$etag" -o "$work/have"
expect_status 0
expect_err_line 'coax get: 2\.03 Valid: .*'
[ "$(cat "$work/have")" = 'what I have' ] || fault "2.03 has written to the output file"
ask put "$uri/hello.txt" -p again --if-match 0102
expect_status 2
expect_err_line 'coax put: 4\.12 Precondition Failed.*'
ask put "$uri/hello.txt" -p again --if-match "$etag"
expect_status 0
ask put "$uri/hello.txt" -p again --if-none-match
expect_status 2
result "ETags validate and guard changes"

ask ping "coap://[$LAB_SERVER_6]"
expect_status 0
result "ping over IPv6 is answered"

# All of the configuration that neither the switch nor the daemon changes by the second.
rest_of_config() {
	bpftool map dump pinned /sys/fs/bpf/coax/edge/config | grep -vE '"(enabled|lease)":'
}

# Twice: the first one makes the kernel know the reply, or shows that it does.
ask get "$uri/hello.txt"
ask get "$uri/hello.txt"
expect_out again
rest_of_config >"$work/before"
run off --instance edge
expect_status 0
expect_no_err
expect_out 'instance edge: switched off, every packet passes until it is switched on again or the daemon is restarted
'
disabled=$(lab_counter edge pass_disabled)
reply=$(lab_counter edge reply)
ask get "$uri/hello.txt"
expect_status 0
expect_out again
[ "$(lab_counter edge pass_disabled)" -gt "$disabled" ] || fault "pass_disabled does not grow"
[ "$(lab_counter edge reply)" -eq "$reply" ] || fault "the kernel has answered"
run status -i edge
expect_out_line 'answering   no: switched off'
expect_out_line 'lease       [0-9]+ ms left of [0-9]+ ms'
run status -i edge -j
expect_out_line '  "answering": false,'
expect_out_line '  "enabled": false,'
result "off lets every packet pass, and userspace answers"

run off -i edge -j
expect_status 0
expect_out '{
  "instance": "edge",
  "enabled": false
}
'
rest_of_config | cmp -s "$work/before" - || fault "more than the switch was written"
result "off may be repeated, and writes nothing but the switch"

ask put "$uri/hello.txt" -p 'while off'
expect_status 0
run on --instance edge
expect_status 0
expect_no_err
expect_out 'instance edge: switched on, the kernel answers
'
ask get "$uri/hello.txt"
expect_out 'while off'
reply=$(lab_counter edge reply)
ask get "$uri/hello.txt"
expect_out 'while off'
[ "$(lab_counter edge reply)" -gt "$reply" ] || fault "the kernel does not answer"
run status -i edge
expect_out_line 'answering   yes'
run on -i edge -j
expect_status 0
expect_out '{
  "instance": "edge",
  "enabled": true
}
'
rest_of_config | cmp -s "$work/before" - || fault "more than the switch was written"
result "on lets the kernel answer again, and nothing from before a change"

run off -i edge
expect_status 0
lab_kill "$daemon"
lab_coaxd -q --interface "$LAB_SERVER_LINK" --instance edge --writable "$LAB_DIR/tree" ||
	fault "coaxd does not take over"
daemon=$LAB_PID
run status -i edge
expect_out_line 'answering   yes'
result "a daemon that starts anew is switched on"

lab_kill "$daemon"
lease_has_ended() {
	run status -i edge
	grep -qx 'answering   no: the lease has run out' "$work/out"
}
lab_wait_for 10 lease_has_ended || fault "the lease does not end"
expect_status 0
expect_out_line 'lease       ran out [0-9.]+m?s ago'
expect_out_line "owner       pid $daemon, not running"
run status -i edge -j
expect_out_line '  "answering": false,'
expect_out_line '  "lease_ms": -[0-9]+,|  "lease_ms": 0,'
expect_out_line '    "alive": false'
grep -q figures "$work/out" && fault "there are figures of a daemon that is gone"
result "status tells a lease that has run out and an owner that is gone"

run on -i edge
expect_status 0
expect_out 'instance edge: switched on, but the kernel answers nothing: the lease has run out
'
result "on says when it makes no difference"

# The layout is the first number in the map; whichever end of it is this, it is another one then.
config=/sys/fs/bpf/coax/edge/config
# shellcheck disable=SC2046 # words are meant
set -- $(bpftool map lookup pinned $config key 0 0 0 0 -j |
	sed 's/.*"value":\[\([^]]*\)\].*/\1/; s/[",]/ /g')
shift
bpftool map update pinned $config key 0 0 0 0 value 0x63 "$@"
bpftool map dump pinned $config >"$work/before"
for command in status cache peers on off; do
	run "$command" -i edge
	expect_status 1
	expect_out ''
	expect_err_line "coax $command: instance edge has map layout [0-9]+, this coax knows [0-9]+; .*"
done
cmp -s "$work/before" <(bpftool map dump pinned $config) || fault "the map was written to"
result "maps of another layout are neither read nor written"

finish
