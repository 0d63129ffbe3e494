#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# How coax is called: help, usage errors, exit status 1. No server is needed.
set -u
cd "$(dirname "$0")/../.." || exit 1
# What else is pinned on this machine is none of this test's business.
if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
	root=$PWD
	# shellcheck source=/dev/null
	. tools/lab.sh
	lab_private "$root/tests/interop/${0##*/}" "$@"
fi
# shellcheck source=tests/interop/coax_tool.bash
. tests/interop/coax_tool.bash
echo "KTAP version 1"

# refused MESSAGE ARGUMENTS...: exit status 1, one line on standard error, nothing on standard output.
refused() {
	local message=$1
	shift
	run "$@"
	expect_status 1
	expect_out ''
	expect_err_line "$message"
	[ "$(wc -l <"$work/err")" -eq 1 ] || fault "not one line on standard error"
}

run --help
expect_status 0
expect_no_err
expect_out_line 'Usage: coax .*'
for command in get put post delete fetch patch ipatch observe ping discover status cache peers on off reload; do
	expect_out_line "  $command +[a-z].*"
done
result "help lists the commands"

for command in get put post delete fetch patch ipatch observe ping discover status cache peers on off reload; do
	run "$command" --help
	expect_status 0
	expect_no_err
	expect_out_line "Usage: coax $command .*"
	expect_out_line 'Exit status:'
	expect_out_line 'Examples?:'
	cp "$work/out" "$work/help"
	run help "$command"
	cmp -s "$work/help" "$work/out" || fault "coax help $command differs from coax $command --help"
	[ "$(wc -L <"$work/help")" -le 90 ] || fault "a line of the help is wider than 90 columns"
done
result "each command has a help text with exit status and examples"

run --version
expect_status 0
expect_out_line 'coax [0-9]+\.[0-9]+\.[0-9]+'
result "version is printed"

run
expect_status 1
expect_out ''
expect_err_line 'Usage: coax .*'
result "without a command the help goes to standard error"

run dis --help
expect_status 0
expect_out_line 'Usage: coax discover .*'
refused 'coax: "p" is ambiguous; it could be put post patch ping peers' p coap://127.0.0.1
refused 'coax: "o" is ambiguous; it could be observe on off' o
refused 'coax: unknown command "search" .*' search coap://127.0.0.1
refused 'coax: unknown command "" .*' ''
result "the beginning of a command is enough when it is unambiguous"

refused 'coax: unknown option --frob .*' --frob get
refused 'coax get: .*option --frob \(see coax get --help\)' get --frob coap://127.0.0.1
refused 'coax get: .*option -x \(see coax get --help\)' get -x coap://127.0.0.1
refused 'coax get: .*option --if \(see coax get --help\)' get --if coap://127.0.0.1
refused 'coax put: a value is missing behind --payload .*' put coap://127.0.0.1 --payload
refused 'coax put: a value is missing behind -p .*' put coap://127.0.0.1 -p
refused 'coax get: .*option -p .*' get -p x coap://127.0.0.1
refused 'coax get: .*option -x \(see .*' get --json -xv coap://127.0.0.1
refused 'coax get: .*option --json=1 \(see .*' get --json=1 coap://127.0.0.1
refused 'coax put: a value is missing behind -p .*' put coap://127.0.0.1 --json -vp
refused 'coax: unknown option -x \(see coax --help\)' -xj get coap://127.0.0.1
refused 'coax: unknown option -x \(see coax --help\)' -j -x get coap://127.0.0.1
refused 'coax: unknown option --json=1 \(see coax --help\)' --json=1 get coap://127.0.0.1
result "unknown options and missing values are named"

refused 'coax get: give one URI, .*' get
refused 'coax get: give one URI, .*' get coap://127.0.0.1/a coap://127.0.0.1/b
refused 'coax ping: give one URI, .*' ping
refused 'coax discover: give a URI, .*' discover
result "a missing or surplus URI is named"

for bad in 127.0.0.1/time http://127.0.0.1/ coap://127.0.0.1:99999/ 'coap://127.0.0.1/#part' \
	'coap://127.0.0.1/%zz' coap:///path '' 'coap://[::1/'; do
	refused "coax get: \".*\": .*coap://host\[:port\]/path\?query.*" get "$bad"
done
refused 'coax get: ".*": give a URI like .*' get coaps+tcp://127.0.0.1/
result "a URI that cannot be used is refused, with the form that it should have"

refused 'coax get: host "name\.invalid": .*' get coap://name.invalid/
result "a host name that is not known is a local error"

refused 'coax get: host "fe80::1": .* interface, .*%25eth0.*' get 'coap://[fe80::1]/'
refused 'coax ping: host "fe80::1": .* interface, .*' ping 'coap://[fe80::1]'
refused 'coax get: host "224\.0\.1\.187": .*multicast.*' get coap://224.0.1.187/
refused 'coax observe: host "ff02::fd%lo": .*multicast.*' observe 'coap://[ff02::fd%25lo]/'
refused 'coax discover: host "ff02::fd": .* interface, .*%25eth0.*' discover 'coap://[ff02::fd]/'
result "an address that no request can go to is refused, with the reason"

refused 'coax get: --timeout "soon": give seconds, .*' get --timeout soon coap://127.0.0.1/
refused 'coax get: --timeout "0": give seconds, .*' get --timeout 0 coap://127.0.0.1/
refused 'coax get: --timeout "-1": give seconds, .*' get --timeout -1 coap://127.0.0.1/
refused 'coax get: --timeout "1e9": give seconds, .*' get --timeout 1e9 coap://127.0.0.1/
refused 'coax get: --timeout "nan": give seconds, .*' get --timeout nan coap://127.0.0.1/
refused 'coax get: --etag "0": give pairs of hex digits, .*' get --etag 0 coap://127.0.0.1/
refused 'coax get: --etag "0g": give pairs of hex digits, .*' get --etag 0g coap://127.0.0.1/
refused 'coax get: --etag "": an ETag has 1 to 8 bytes' get --etag '' coap://127.0.0.1/
refused 'coax get: --etag ".*": give pairs .* at most 8 bytes' get --etag 010203040506070809 \
	coap://127.0.0.1/
refused 'coax get: --accept "no/such": give a media type .*' get --accept no/such coap://127.0.0.1/
refused 'coax get: --accept "65536": give a media type .*' get --accept 65536 coap://127.0.0.1/
refused 'coax ping: --count "0": give a number .*' ping -c 0 coap://127.0.0.1/
refused 'coax ping: --count "-1": give a number .*' ping -c -1 coap://127.0.0.1/
refused 'coax ping: --count "1x": give a number .*' ping -c 1x coap://127.0.0.1/
refused 'coax observe: --count "0": give a number .*' observe -c 0 coap://127.0.0.1/
refused 'coax observe: --for "0": give seconds, .*' observe --for 0 coap://127.0.0.1/
for bad in 0 15 24 2048 064 '' x; do
	refused "coax get: --block-size \"$bad\": give 16, 32, .*" get --block-size "$bad" coap://127.0.0.1/
done
for bad in some 128 -1 3.xx '2.xx,' ',2.xx' '' '2.xx,all'; do
	refused "coax put: --no-response \"$bad\": give all, none, .*" put --no-response "$bad" coap://127.0.0.1/
done
for bad in No-Such=1 65536=x =x '' -1=x 1x=y; do
	refused "coax get: --option \"$bad\": no option is called so .*" get --option "$bad" coap://127.0.0.1/
done
for bad in Hop-Limit=x Hop-Limit=-1 Hop-Limit= 16=4294967296; do
	refused "coax get: --option \"$bad\": no number from 0 .*" get --option "$bad" coap://127.0.0.1/
done
refused 'coax get: --option "If-None-Match=1": it has no value .*' get --option If-None-Match=1 \
	coap://127.0.0.1/
refused 'coax get: --option "0x0": give pairs .*' get --option 65001=0x0 coap://127.0.0.1/
result "values of options are checked, and what is wanted is said"

refused 'coax put: give --payload or --file, not both' put -p x -f y coap://127.0.0.1/
refused 'coax put: cannot read .*/absent: No such file or directory' put -f "$work/absent" \
	coap://127.0.0.1/
refused 'coax put: cannot read .*: Is a directory' put -f "$work" coap://127.0.0.1/
result "a payload that cannot be read is a local error"

secure=coaps://127.0.0.1/
some='coax get: give --credentials, or --user and --psk, or --ca, --cert and --key, but not several of these'
refused "$some" get -u a -k b --credentials x "$secure"
refused "$some" get -u a -k b --ca x "$secure"
refused "$some" --credentials x get --cert y --key z "$secure"
refused 'coax get: --user and --psk go together' get -u a "$secure"
refused 'coax get: --user and --psk go together' -k b get "$secure"
refused 'coax get: --cert and --key go together' get --cert x "$secure"
refused 'coax get: --cert and --key go together' get --key x --ca y "$secure"
for command in get put observe ping discover; do
	refused "coax $command: a key or certificates are for coaps://, .*" "$command" -u a -k b coap://127.0.0.1/
	refused "coax $command: a key or certificates are for coaps://, .*" "$command" --ca x coap://127.0.0.1/
done
for command in status cache peers on off reload; do
	refused "coax $command: .*option --ca .*" "$command" --ca x
	refused "coax $command: .*option -k .*" "$command" -k x
done
refused 'coax get: host "224\.0\.1\.187": .*multicast.*' get -u a -k b coaps://224.0.1.187/
refused 'coax discover: ".*": groups are not asked by coaps .*' discover -u a -k b coaps://224.0.1.187/
result "credentials that do not go together, or are for nothing, are refused"

size='coax get: give an identity of 1 to 128 bytes, and a key of 1 to 64'
refused "$size" get -u '' -k b "$secure"
refused "$size" get -u a -k '' "$secure"
refused "$size" get -u a -k 0x "$secure"
refused "$size" get -u a -k "$(printf 'x%.0s' $(seq 65))" "$secure"
refused "$size" get -u "$(printf 'x%.0s' $(seq 129))" -k b "$secure"
for bad in 0xzz 0x123 "0x$(printf '61%.0s' $(seq 65))"; do
	refused 'coax get: --psk: behind 0x give pairs of hex digits, for at most 64 bytes' get -u a -k "$bad" "$secure"
done
echo nonsense >"$work/nonsense"
refused "coax get: $work/absent: .*No such file or directory" get --credentials "$work/absent" "$secure"
refused "coax get: $work/nonsense:1: this is not JSON: .*" get --credentials "$work/nonsense" "$secure"
refused "coax get: $work/absent: No such file or directory" get --ca "$work/absent" "$secure"
refused "coax get: $work/nonsense: there is no certificate in it .*" get --ca "$work/nonsense" "$secure"
refused "coax get: $work/nonsense: there is no certificate in it .*" get --cert "$work/nonsense" \
	--key "$work/nonsense" "$secure"
printf '{"coaps://other.example/*": {"dtls": {"psk": {"ascii": "k"}, "client-identity": {"ascii": "a"}}}}' \
	>"$work/others"
for command in get observe ping discover; do
	refused "coax $command: 127\.0\.0\.1:5684: there are no credentials for it" \
		"$command" --credentials "$work/others" "$secure"
done
result "credentials that cannot be used are named, and that there are none for a server"

long=$(printf 'x%.0s' $(seq 250))
refused 'coax get: the request is longer than a message of 1152 bytes .*' \
	get "coap://127.0.0.1/$long/$long/$long/$long/$long"
result "a request that does not fit a message is refused"

refused 'coax discover: filter "": .*' discover coap://127.0.0.1 ''
result "an empty filter is refused"

for command in status cache peers on off; do
	refused "coax $command: no instance no-such-instance below /sys/fs/bpf/coax; .*|coax $command: instance no-such-instance: not permitted; .*" \
		"$command" --instance no-such-instance
	refused "coax $command: --instance \"\.\./x\": .*" "$command" --instance ../x
	refused "coax $command: --instance \"\": .*" "$command" --instance ''
	refused "coax $command: \"x\" is too much; .*" "$command" x
done
result "status, cache, on and off without an instance say what to do"

finish
