#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The guard of a coaxd, as its options, coax peers and bpftool have it.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/coax_tool_lab.bash
. tests/interop/coax_tool_lab.bash

dump() {
	command_line="bpftool map dump pinned $1"
	bpftool map dump pinned "/sys/fs/bpf/coax/default/$1" >"$work/out" 2>"$work/err"
	status=$?
}

mkdir "$LAB_DIR/tree"
printf '%0400d' 0 >"$LAB_DIR/tree/text"
if ! lab_coaxd -q --interface "$LAB_SERVER_LINK" --deny 198.51.100.0/24 --deny 2001:db8:bad::/48 \
	--allow 203.0.113.7 --limit-requests 500 --limit-replies 100 --prefix-bits 24,48 \
	--amplification 4 --pass-every 1 --strict-source "$LAB_DIR/tree"; then
	echo "not ok 1 coaxd serves"
	exit 1
fi

run peers
expect_status 0
expect_no_err
expect_out_line 'limits for prefixes of 24 bits of IPv4, 48 of IPv6'
expect_out_line '  requests +500 a second of a prefix'
expect_out_line '  strangers +5000 requests a second .*'
expect_out_line '  amplification +4 times the request: .*'
expect_out_line '  replies +100 bytes a second .*'
expect_out_line '  replies, total +4194304 the same to all'
expect_out_line '  denied  198\.51\.100\.0/24'
expect_out_line '  denied  2001:db8:bad::/48'
expect_out_line '  allowed 203\.0\.113\.7'
expect_out_line 'strict sources  yes'
expect_out_line '  drop_amplified +0  dropped: .*'
result "peers shows what the options said"

for _ in $(seq 20); do
	ask get "coap://$LAB_SERVER_4/text"
	expect_status 0
done
run peers
expect_out_line '  192\.0\.2\.1 +for .*'
result "a client that gets much is asked to prove itself, goes on, and is listed"

run peers -j
expect_out_line '    "requests": 500,'
expect_out_line '      "address": "192\.0\.2\.1",'
expect_out_line '    "203\.0\.113\.7"'
expect_out_line '    "drop_denied": 0,'
result "peers -j has the same as JSON"

dump verified
expect_status 0
expect_out_line '.*"text": "192\.0\.2\.1"'
dump prefixes
expect_out_line '.*"verdict": "COAX_PREFIX_DENIED",'
expect_out_line '.*"text": "2001:db8:bad::/48"'
dump config
expect_out_line '.*"factor": 4,'
result "bpftool shows the same"

finish
