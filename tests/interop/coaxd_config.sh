#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coaxd's configuration file: what it means, and that each kind of mistake is told with file, line and
# key, by --check as at the start.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash

coax=${COAX_BUILD:-build}/coax
give "$served"
printf hello >"$served/hello.txt"
file=$work/coaxd.conf

# write LINE...: the file, which serves $served besides.
write() {
	printf '%s\n' "$@" >"$file"
	printf 'serve "%s" { }\n' "$served" >>"$file"
	chmod 644 "$file"
}

in_order() {
	"$coaxd" --check --config "$file" >"$work/out" 2>"$work/err" && cat "$work/out" "$work/err" &&
		grep -q 'all is in order' "$work/out" && [ ! -s "$work/err" ]
}

# told LINE WORDS: --check says that of this line, and so does the start, and nothing else.
told() {
	local status line=$1 words=$2
	"$coaxd" --check --config "$file" >"$work/out" 2>"$work/err"
	status=$?
	cat "$work/out" "$work/err"
	[ "$status" -eq 1 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
		grep -qF -- "coaxd: ERROR: $file:$line: $words" "$work/err" || return 1
	timeout --foreground 10 "$coaxd" --config "$file" 2>"$work/again"
	[ $? -eq 1 ] && diff "$work/err" "$work/again"
}

# mistake WORDS LINE...: the second line is the wrong one.
mistake() {
	local words=$1
	shift
	write '# a comment' "$@"
	told 2 "$words"
}

unknown_keys() {
	mistake "no such option 'frob'" 'frob = 1' &&
		mistake "log: no such option 'levl'" 'log { levl = info }' &&
		mistake "access: no such option 'deny'" 'access "/" { deny = "*" }'
}

numbers() {
	mistake 'workers takes a number from 1 to 256, not "0"' 'workers = 0' &&
		mistake 'workers takes a number from 1 to 256, not "257"' 'workers = 257' &&
		mistake 'workers takes a number from 1 to 256, not "-1"' 'workers = -1' &&
		mistake 'workers takes a number from 1 to 256, not "4x"' 'workers = 4x' &&
		mistake 'workers takes a number from 1 to 256, not ""' 'workers = ""' &&
		mistake 'workers takes a number' 'workers = 99999999999999999999' &&
		mistake 'kernel: lease takes a number from 100' 'kernel { lease = 99 }' &&
		mistake 'limits: requests takes a number from 0' 'limits { requests = many }' &&
		mistake 'limits: amplification takes a number from 0 to 1024' 'limits { amplification = 1025 }'
}

words() {
	mistake 'kernel: generic takes yes or no, not "maybe"' 'kernel { generic = maybe }' &&
		mistake 'security: secure-only takes yes or no, not "1"' 'security { secure-only = 1 }' &&
		mistake 'log: level takes error, warning, info or debug, not "loud"' 'log { level = loud }' &&
		mistake 'log: format takes auto, plain or journal, not "xml"' 'log { format = xml }' &&
		mistake 'instance takes a name' 'instance = "../x"' &&
		mistake 'user takes a name' 'user = ""' &&
		mistake 'kernel: interface takes' 'kernel { interface = "a/b" }' &&
		mistake 'bind takes ADDRESS' 'bind = "localhost"' &&
		mistake 'security: bind-secure takes ADDRESS' 'security { bind-secure = "[::1" }' &&
		mistake 'limits: deny takes a prefix' 'limits { deny = "192.0.2.0/33" }' &&
		mistake 'proxy: origin takes URIs such as coap://192.0.2.1, not "http://x"' \
			'proxy "/a" { origin = "http://x" }' &&
		mistake 'proxy: origin takes URIs' 'proxy "/a" { origin = "coap://a b" }' &&
		mistake 'proxy: origin is for a path without' 'proxy "/a=b" { origin = "coap://a" }' &&
		mistake 'proxy: origin is missing' 'proxy "/a" { }' &&
		mistake 'proxy: origin is for a path as in a URI' 'proxy "/%x" { origin = "coap://a" }' &&
		mistake 'proxies: forward takes HOST' 'proxies { forward = "host:port" }' &&
		mistake 'proxies: prefetch takes a path' 'proxies { prefetch = "a%" }' &&
		mistake 'serve: prefix takes a path of names' 'serve "/tmp" { prefix = "/a/.b" }' &&
		mistake 'proxies: hop-limit takes a number from 1 to 255' 'proxies { hop-limit = 256 }' &&
		mistake 'limits: prefix-bits takes two numbers' 'limits { prefix-bits = 24 }'
}

rules() {
	mistake 'access: allow "/a psk:x frob": methods are' 'access "/a" { allow = "psk:x frob" }' &&
		mistake 'access: allow "/a frob get": the path begins' 'access "/a" { allow = "frob get" }' &&
		mistake 'access: allow "a * get": the path begins' 'access "a" { allow = "* get" }' &&
		mistake 'access: allow is for a path without spaces' 'access "/a b" { allow = "* get" }' &&
		mistake 'access: allow is missing' 'access "/a" { }'
}

# In all of these nothing would be read as it was meant.
syntax() {
	mistake "'{' is not closed" 'kernel {' &&
		mistake "'{' is not closed" 'bind = {' &&
		mistake "'}' closes nothing" '}' &&
		mistake 'a string does not end on its line' 'user = "coax' &&
		mistake "a string does not end on its line" "user = 'coax" &&
		mistake "comments begin with '#'" '// workers = 4' &&
		mistake "comments begin with '#'" 'bind = coap://x' &&
		mistake "missing equal sign after option 'workers'" 'workers 4' &&
		mistake "missing title for section 'access'" 'access { allow = "* get" }' &&
		mistake "unexpected token" 'workers = { 4 }' &&
		mistake "unexpected token" 'bind = { "127.0.0.1" "127.0.0.2" }'
}

twice() {
	write 'workers = 1' 'workers = 2' && told 2 'workers is given twice' &&
		write 'bind = "127.0.0.1"' 'bind = "127.0.0.2"' && told 2 'bind is given twice; "+="' &&
		write 'log { level = info }' 'log { level = info }' && told 2 'log: level is given twice' &&
		write 'access "/" {' 'allow = "* get"' 'allow = "* put"' '}' &&
		told 3 'access: allow is given twice' &&
		write 'access "/" { allow = "* get" }' 'access "/" { allow = "* put" }' &&
		told 2 "found duplicate title '/'" &&
		write 'serve "/tmp" { }' && told 2 'serve is for a prefix that another one has: "/"' &&
		write 'serve "/tmp" { prefix = "/a" }' 'serve "/" { prefix = "a" }' &&
		told 2 'serve is for a prefix that another one has: "/a"' &&
		write 'serve "/tmp" { prefix = "/a" max-age = 1' 'max-age = 2 }' && told 2 'serve: max-age is given twice' &&
		write 'serve "/tmp" { prefix = "/a" }' 'proxy "a" { origin = "coap://192.0.2.1" }' &&
		told_of 'the same prefix is served and proxied' &&
		write 'bind = "127.0.0.1"' 'bind += "127.0.0.2"' && in_order
}

# All of them at once, and none of them alone.
all_are_told() {
	write 'workers = 0' '' '# a comment' '#' 'log {' '	level = loud # and another' '}' 'user = ""'
	"$coaxd" --check --config "$file" 2>"$work/err"
	[ $? -eq 1 ] && cat "$work/err" && [ "$(wc -l <"$work/err")" -eq 3 ] &&
		grep -q "$file:1: workers" "$work/err" && grep -q "$file:6: log: level" "$work/err" &&
		grep -q "$file:8: user" "$work/err"
}

# told_of WORDS: what no line is wrong by itself for.
told_of() {
	"$coaxd" --check --config "$file" >"$work/out" 2>"$work/err"
	[ $? -eq 1 ] && cat "$work/out" "$work/err" && [ ! -s "$work/out" ] && grep -qF -- "$1" "$work/err"
}

what_is_missing() {
	write 'security { secure-only = yes }' && told_of 'need credentials' &&
		write "security { credentials = \"$work/none.json\" }" && told_of "$work/none.json" &&
		write 'group = "nosuch0"' && told_of 'group "nosuch0": there is no such interface' &&
		write 'user = "nosuchuser"' && told_of 'there is no user "nosuchuser"' &&
		write 'user = "root"' && told_of 'does not serve as root' || return 1
	echo 'serve "/nonexistent/x" { }' >"$file" && told_of 'cannot serve "/nonexistent/x"' &&
		echo '# nothing' >"$file" && told_of 'nothing says which directory' || return 1
	echo '{":a": {"dtls": {"psk": {"ascii": "sesame"}, "client-identity": 5}}}' >"$work/c.json"
	write "security { credentials = \"$work/c.json\" }" && told_of "$work/c.json:1" &&
		! grep -q sesame "$work/err"
}

unreadable() {
	"$coaxd" --check --config "$work" 2>"$work/err"
	[ $? -eq 1 ] && grep -q "cannot read \"$work\": Is a directory" "$work/err" || return 1
	"$coaxd" --check --config "$work/none" 2>"$work/err"
	[ $? -eq 1 ] && grep -q "cannot read \"$work/none\": No such file" "$work/err" || return 1
	mkfifo "$work/pipe"
	timeout --foreground 5 "$coaxd" --check --config "$work/pipe" 2>"$work/err"
	[ $? -eq 1 ] && grep -q 'Invalid argument' "$work/err" || return 1
	printf 'workers\0= 1\n' >"$file"
	"$coaxd" --check --config "$file" 2>"$work/err"
	[ $? -eq 1 ] && grep -q 'it is no text' "$work/err" || return 1
	head -c 2000000 /dev/zero | tr '\0' '\n' >"$file"
	"$coaxd" --check --config "$file" 2>"$work/err"
	[ $? -eq 1 ] && grep -q 'File too large' "$work/err"
}

get() {
	"$coax" get --timeout 5 "coap://127.0.0.1:$port/hello.txt" "$@"
}

# start_configured OPTIONS...: by the file alone.
start_configured() {
	: >"$work/ready"
	"$coaxd" --config "$file" --ready-fd 7 "$@" 7>"$work/ready" 2>"$work/log" &
	daemon=$!
	for _ in $(seq 500); do
		[ ! -s "$work/ready" ] || break
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.02
	done
	port=$(sed -n 's/.*serving .* on port \([0-9]*\)$/\1/p' "$work/log" | head -n 1)
	[ -n "$port" ]
}

configured() {
	cat >"$file" <<-EOF
		bind = "127.0.0.1:0"
		serve "$served" {
			writable = yes
			max-age = 7
		}
		access "/" { allow = "* read" }
		access "/open" { allow = { "* get,put,
			delete" } }
		log { level = info }
	EOF
	sed -i ':a; N; $!ba; s/put,\n\t*/put,/' "$file"
	in_order && start_configured || return 1
	get -v 2>&1 | tee "$work/out"
	grep -q 'Max-Age.*7' "$work/out" &&
		! "$coax" put --timeout 5 "coap://127.0.0.1:$port/new" -p x 2>"$work/err" &&
		"$coax" put --timeout 5 "coap://127.0.0.1:$port/open" -p x &&
		[ "$(cat "$served/open")" = x ] && stop_coaxd
}

# Each with its own settings, at its own place; the command line's are all of theirs.
several() {
	mkdir -p "$work/rooms/attic"
	printf attic >"$work/rooms/attic/hello.txt"
	give "$work/rooms" "$work/rooms/attic"
	cat >"$file" <<-EOF
		bind = "127.0.0.1:0"
		serve "$served" { max-age = 7 }
		serve "$work/rooms" { prefix = "/my/rooms" writable = yes max-age = 8 }
		log { level = info }
	EOF
	in_order && start_configured || return 1
	uri="coap://127.0.0.1:$port"
	"$coax" get -v "$uri/hello.txt" 2>&1 | grep -q 'Max-Age.*7' &&
		"$coax" get -v "$uri/my/rooms/attic/hello.txt" 2>&1 | grep -q 'Max-Age.*8' &&
		! "$coax" put "$uri/new" -p x 2>/dev/null && "$coax" put "$uri/my/rooms/new" -p x &&
		[ "$(cat "$work/rooms/new")" = x ] &&
		"$coax" post -v "$uri/my/rooms/attic/" -p x 2>&1 | grep -q 'Location-Path.*my' &&
		"$coax" get "$uri/my/rooms/" >"$work/out" && grep -q '</my/rooms/attic/>' "$work/out" &&
		"$coax" get "$uri/.well-known/core" >"$work/out" &&
		grep -q '</my/rooms/attic/hello.txt>' "$work/out" && grep -q '</hello.txt>' "$work/out" &&
		! "$coax" get "$uri/rooms/attic/hello.txt" >/dev/null 2>&1 && stop_coaxd || return 1
	start_configured --max-age 9 && uri="coap://127.0.0.1:$port" &&
		"$coax" get -v "$uri/hello.txt" 2>&1 | grep -q 'Max-Age.*9' &&
		"$coax" get -v "$uri/my/rooms/attic/hello.txt" 2>&1 | grep -q 'Max-Age.*9' && stop_coaxd || return 1
	start_configured "$work/rooms" && uri="coap://127.0.0.1:$port" &&
		[ "$("$coax" get "$uri/attic/hello.txt")" = attic ] &&
		! "$coax" get "$uri/my/rooms/attic/hello.txt" >/dev/null 2>&1 && stop_coaxd
}

overridden() {
	mkdir -p "$work/other"
	printf other >"$work/other/hello.txt"
	give "$work/other"
	start_configured --max-age 9 --access '/ * all' "$work/other" || return 1
	get -v >"$work/out" 2>&1
	cat "$work/out"
	grep -q other "$work/out" && grep -q 'Max-Age.*9' "$work/out" &&
		"$coax" put --timeout 5 "coap://127.0.0.1:$port/new" -p x && stop_coaxd
}

# Two observers of the same address and port.
limited() {
	write 'bind = "127.0.0.1:0"' 'limits {' 'observers-per-peer = 1' '}' 'log {' 'level = info' '}'
	start_configured && python3 - "$port" <<-'END' && stop_coaxd
		import socket, sys
		peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		peer.connect(("127.0.0.1", int(sys.argv[1])))
		peer.settimeout(5)
		get = lambda token, observe: bytes([0x51, 1, 1, token, token, 0x60 + len(observe)]) + observe + b"\x59hello.txt"
		options = []
		for token in (1, 2):
		    peer.send(get(token, b""))
		    options.append(peer.recv(2000)[5:].split(b"\xff")[0])
		print(options)
		# An ETag of 8 bytes; behind it, or not, is Observe.
		assert [option[9] >> 4 for option in options] == [2, 8], options
	END
}

journal() {
	write 'bind = "127.0.0.1:0"' 'log {' 'level = info' 'format = journal' '}'
	start_configured && stop_coaxd && cat "$work/log" && grep -q "^<6>serving $served" "$work/log" &&
		! grep -qv '^<[0-7]>' "$work/log"
}

fetches() {
	[ "$("$coax" get --timeout 5 "coap://127.0.0.1:$port/far/hello.txt")" = hello ] &&
		[ "$("$coax" get --timeout 5 --option Uri-Host=named.example "coap://127.0.0.1:$port/hello.txt")" = hello ] &&
		! "$coax" get --timeout 5 "coap://127.0.0.1:$port/hello.txt" 2>"$work/err"
}

# Without a directory; the second origin is the first one's substitute.
proxied() {
	local origin origin_port result
	printf 'bind = "127.0.0.1:0"\nserve "%s" { }\nlog { level = info }\n' "$served" >"$file"
	start_configured || return 1
	origin=$daemon
	origin_port=$port
	cat >"$file" <<-EOF
		bind = "127.0.0.1:0"
		proxy "/far" { origin = { "coap://127.0.0.1:$origin_port", "coap://127.0.0.1:$origin_port" } }
		proxy "//named.example" { origin = "coap://127.0.0.1:$origin_port" }
		proxies { cache = 100000 }
		log { level = info }
	EOF
	in_order && start_configured && fetches && stop_coaxd
	result=$?
	daemon=$origin
	stop_coaxd && [ "$result" -eq 0 ]
}

# As it is, and with all that it says commented out: those are the defaults.
example() {
	mkdir "$work/srv"
	sed "s|/srv/coap|$served|" tools/packaging/coaxd.conf >"$file"
	in_order || return 1
	sed "s|/srv/coap|$served|; s/^\(\t*\)#\([a-z-]* = \)/\1\2/; /credentials =/d; /bind-secure =/d" \
		tools/packaging/coaxd.conf >"$file"
	id coax >/dev/null 2>&1 || sed -i '/^user = /d' "$file"
	grep -q '^	strangers = 5000' "$file" && in_order
}

# What there is to be said is in the example and the man page.
is_documented() {
	local key missing=0
	while read -r key; do
		grep -q "^#*	*#*$key =" tools/packaging/coaxd.conf || { echo "example: $key"; missing=1; }
		grep -q "^\.It Cm $key " tools/packaging/man/coaxd.conf.5 || { echo "man page: $key"; missing=1; }
	done < <(sed -n 's/.*\.key = "\([a-z-]*\)".*/\1/p' user/coaxd/settings.c | sort -u)
	[ "$missing" -eq 0 ]
}

plan 17
check "an unknown key is told with its line and section" unknown_keys
check "a number out of its bounds, or none, is told with the bounds" numbers
check "a value of another kind is told with what it may be" words
check "an access rule that makes no sense is told" rules
check "what is not closed, or reads otherwise than it looks, is told" syntax
check "what is given twice is told" twice
check "all mistakes are told at once, each with its line" all_are_told
check "--check finds what the start would fail with, and shows no secret" what_is_missing
check "a file that cannot be read is told, and waits for nobody" unreadable
check "a file says what is served, how, and to whom" configured
check "the command line overrides the file" overridden
check "several directories are served, each at its prefix, and as its section says" several
check "a file says what is fetched from elsewhere, and that may be all" proxied
check "a limit on observers of one peer counts: who is one too many gets no notifications" limited
check "lines for the journal have their priority and nothing before it" journal
check "the example is in order, and so is each default that it shows" example
check "each setting is in the example and in the man page" is_documented
finish
