#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# A daemon that is told to take up its configuration anew: what changes, what stays, and that nobody
# who is being served notices.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

# credentials SECRET: of those who may begin sessions.
credentials() {
	printf '{":devices": {"dtls": {"psk": {"ascii": "%s"}, "client-identity": {"ascii": "device"}}}}' "$1" \
		>"$LAB_DIR/credentials.json"
}

# write LINES: the file, all but its defaults.
write() {
	{
		echo "$1"
		echo 'log { level = info }'
	} >"$config.new"
	chmod 644 "$config.new"
	mv "$config.new" "$config"
}

# serve SETTINGS: the directory that $served says, at the root.
served=files
serve() {
	echo "serve \"$LAB_DIR/$served\" { $1 }"
}

# The answer to `coax reload` is in $LAB_DIR/answer.
reload() {
	"$build/coax" reload >"$LAB_DIR/answer" 2>&1
	reload_status=$?
	cat "$LAB_DIR/answer"
	return "$reload_status"
}

get() {
	lab_client "$build/coax" get --timeout 3 "coap://$LAB_SERVER_4/hello" "$@"
}

put() {
	lab_client "$build/coax" put --timeout 3 "coap://$LAB_SERVER_4/$1" -p new 2>"$LAB_DIR/err"
}

started() {
	write "$base$(serve '')"
	: >"$LAB_DIR/ready"
	lab_start_server "$build/coaxd" --config "$config" --ready-fd 9 9>"$LAB_DIR/ready" 2>"$LAB_DIR/log"
	coaxd=$LAB_PID
	lab_wait_for 10 lab_ready_or_gone && [ -s "$LAB_DIR/ready" ] && [ "$(get)" = hello ] &&
		reload && [ ! -s "$LAB_DIR/answer" ]
}

kernel_gets() {
	before=$(lab_counter default reply)
	[ "$(get)" = hello ] && [ "$(lab_counter default reply)" -gt "$before" ]
}

# What was published stays, as nothing of it has changed.
keeps_published() {
	lab_wait_for 5 kernel_gets || return 1
	published=$("$build/coax" cache | wc -l)
	write "$base$(serve 'max-open = 7')
		limits { requests = 1000000 }"
	reload && [ ! -s "$LAB_DIR/answer" ] && [ "$("$build/coax" cache | wc -l)" -eq "$published" ] &&
		kernel_gets
}

mistake_changes_nothing() {
	write "$base$(serve 'writable = yes max-age = -1')
		limits { deny = \"$LAB_CLIENT_4\" }"
	reload && return 1
	grep -q "$config:[0-9]*: serve: max-age takes a number" "$LAB_DIR/answer" && ! put file &&
		[ "$(get)" = hello ] || return 1
	echo '{' >"$LAB_DIR/credentials.json"
	write "$base$(serve 'writable = yes')"
	reload && return 1
	grep -q "$LAB_DIR/credentials.json:[0-9]" "$LAB_DIR/answer" && ! put file &&
		grep -q 'all stays as it was' "$LAB_DIR/log" && credentials sesame
}

max_age() {
	get -v 2>&1 | sed -n 's/.*Max-Age[: ]*\([0-9]*\).*/\1/p' | head -n 1
}

files_change() {
	[ "$(max_age)" = 60 ] || return 1
	write "$base$(serve 'writable = yes max-age = 9 max-size = 2000')"
	reload && [ "$(max_age)" = 9 ] && [ "$(max_age)" = 9 ] && put file &&
		[ "$(cat "$LAB_DIR/files/file")" = new ] || return 1
	head -c 3000 /dev/zero >"$LAB_DIR/large"
	lab_client "$build/coax" put --timeout 3 "coap://$LAB_SERVER_4/large" -f "$LAB_DIR/large" 2>"$LAB_DIR/err" &&
		return 1
	cat "$LAB_DIR/err"
	grep -q '4\.13' "$LAB_DIR/err" || return 1
	write "$base$(serve 'max-age = 9')"
	reload && ! put other && grep -q '4\.05' "$LAB_DIR/err"
}

rules_change() {
	write "$base$(serve 'writable = yes')
		access \"/\" { allow = \"* read\" }
		access \"/hello\" { allow = \"* none\" }"
	reload && ! get 2>"$LAB_DIR/err" && grep -q '4\.01' "$LAB_DIR/err" && ! put file || return 1
	write "$base$(serve 'writable = yes')"
	reload && [ "$(get)" = hello ] && put file
}

limits_change() {
	write "$base$(serve '')
		limits { deny = \"$LAB_CLIENT_4/32\" }"
	reload && ! get --timeout 1 2>/dev/null && "$build/coax" peers | grep -q "$LAB_CLIENT_4/32" || return 1
	write "$base$(serve '')"
	reload && kernel_gets && ! "$build/coax" peers | grep -q "$LAB_CLIENT_4/32"
}

interfaces_change() {
	write "kernel { interface = \"nosuch0\" }
		$(serve '')"
	reload && ! lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -q prog/xdp &&
		[ "$(get)" = hello ] || return 1
	write "$base$(serve '')"
	reload && lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -q prog/xdp &&
		lab_wait_for 5 kernel_gets
}

level_changes() {
	{
		echo "$base$(serve '')"
		echo 'log { level = error }'
	} >"$config"
	reload && : >"$LAB_DIR/log" && reload && [ ! -s "$LAB_DIR/log" ] || return 1
	write "$base$(serve '')"
	reload && grep -q 'took up its configuration' "$LAB_DIR/log"
}

# The rest is done.
restart_is_said() {
	write "bind = \"$LAB_SERVER_4:5690\"
		workers = 2
		$base$(serve 'max-age = 11')"
	reload && grep -qx 'needs a restart: bind, workers' "$LAB_DIR/answer" &&
		grep -q 'WARNING: .*needs a restart: bind, workers' "$LAB_DIR/log" &&
		[ "$(max_age)" = 11 ] || return 1
	# Until it is done, and not when that is taken back.
	reload && grep -qx 'needs a restart: bind, workers' "$LAB_DIR/answer" || return 1
	write "$base$(serve 'max-age = 11')"
	reload && [ ! -s "$LAB_DIR/answer" ]
}

# proxy PATH: what the origin has is below it.
proxy() {
	echo "proxy \"$1\" { origin = \"coap://127.0.0.1:5700\" }"
}

origin_started() {
	: >"$LAB_DIR/origin.ready"
	lab_start_server "$build/coaxd" --instance origin --bind 127.0.0.1:5700 --ready-fd 9 "$LAB_DIR/files" \
		9>"$LAB_DIR/origin.ready" 2>"$LAB_DIR/origin.log"
	origin=$LAB_PID
	lab_wait_for 10 test -s "$LAB_DIR/origin.ready"
}

far() {
	lab_client "$build/coax" get --timeout 3 "coap://$LAB_SERVER_4/$1" 2>"$LAB_DIR/err"
}

kernel_gets_far() {
	before=$(lab_counter default reply)
	[ "$(far "$1")" = hello ] && [ "$(lab_counter default reply)" -gt "$before" ]
}

# Also where there was none when it began.
proxies_change() {
	origin_started || return 1
	! far far/hello && grep -q '4\.04' "$LAB_DIR/err" || return 1
	write "$base$(serve '')
		$(proxy /far)"
	reload && [ ! -s "$LAB_DIR/answer" ] && [ "$(far far/hello)" = hello ] &&
		lab_wait_for 5 kernel_gets_far far/hello || return 1
	write "$base$(serve '')
		$(proxy /far)
		$(proxy /near)
		proxies { timeout = 5000 stale-if-error = 60 }"
	reload && [ ! -s "$LAB_DIR/answer" ] && kernel_gets_far far/hello && [ "$(far near/hello)" = hello ] ||
		return 1
	"$build/coax" status -j | grep -q '"coax_proxy_forwarded_total": *2[,}]' || return 1
	write "$base$(serve '')
		$(proxy /near)"
	reload && ! far far/hello && grep -q '4\.04' "$LAB_DIR/err" && [ "$(far near/hello)" = hello ]
}

proxy_mistakes_change_nothing() {
	write "$base$(serve '')
		$(proxy /near)
		proxies { forward = \"host:port\" }"
	reload && return 1
	grep -q "$config:[0-9]*: proxies: forward takes HOST" "$LAB_DIR/answer" || return 1
	write "$base$(serve '')
		$(proxy /.well-known/core)"
	reload && return 1
	grep -q 'cannot proxy so' "$LAB_DIR/answer" && [ "$(far near/hello)" = hello ]
}

more() {
	echo "serve \"$LAB_DIR/more\" { prefix = \"/near/$1\" $2 }"
}

# One is within what is proxied; what the kernel has of that is not the proxy's any more.
directories_change() {
	write "$base$(serve '')
		$(proxy /near)"
	reload && [ ! -s "$LAB_DIR/answer" ] && lab_wait_for 5 kernel_gets_far near/hello || return 1
	mkdir "$LAB_DIR/files/by"
	printf hello >"$LAB_DIR/files/by/hello"
	lab_wait_for 5 kernel_gets_far near/by/hello || return 1
	write "$base$(serve '')
		$(more by '')
		$(proxy /near)"
	reload && [ ! -s "$LAB_DIR/answer" ] && [ "$(far near/by/hello)" = more ] && kernel_gets_far near/hello &&
		! put near/by/new && grep -q '4\.05' "$LAB_DIR/err" || return 1
	write "$base$(serve '')
		$(more by 'writable = yes')
		$(proxy /near)"
	reload && [ ! -s "$LAB_DIR/answer" ] && put near/by/new && [ "$(cat "$LAB_DIR/more/new")" = new ] || return 1
	write "$base$(serve '')
		$(proxy /near)"
	reload && [ "$(far near/by/hello)" = hello ] && kernel_gets_far near/hello || return 1
	# Nobody reads there, and so it can be unmounted.
	[ -z "$(find "/proc/$coaxd/fd" -lname "$LAB_DIR/more*")" ] || return 1
	# What cannot be served changes nothing.
	write "$base$(serve 'max-age = 5')
		serve \"$LAB_DIR/nowhere\" { prefix = nowhere }"
	reload && return 1
	grep -q "cannot serve \"$LAB_DIR/nowhere\"" "$LAB_DIR/answer" && [ "$(max_age)" = 60 ] &&
		[ "$(far near/hello)" = hello ]
}

says_of_hello() { # text, how it is observed, got by the kernel, and listed
	before=$(lab_counter default reply)
	[ "$(tail -n 1 "$LAB_DIR/observed")" = "$1" ] && [ "$(get)" = "$1" ] &&
		[ "$(lab_counter default reply)" -gt "$before" ] || return 1
	case $(lab_client "$build/coax" get "coap://$LAB_SERVER_4/.well-known/core") in
	*"</$1>"*) ;;
	*) return 1 ;;
	esac
}

has_part() {
	[ -n "$(find "$LAB_DIR/files" -name '.coaxd-*' -size +1k)" ]
}

# A body that takes a while goes to the directory that it began in.
begin_body() {
	head -c 100000 /dev/urandom >"$LAB_DIR/body"
	lab_start_client "$build/coax" put -f "$LAB_DIR/body" --block-size 16 "coap://$LAB_SERVER_4/large"
	putting=$LAB_PID
	lab_forget "$putting"
	lab_wait_for 5 has_part
}

# What it has cannot be told from what it had but by what is in there: who observes is told.
directory_changes() {
	write "$base$(serve '')"
	reload || return 1
	lab_start_client "$build/coax" observe "coap://$LAB_SERVER_4/hello" >"$LAB_DIR/observed"
	observer=$LAB_PID
	result=0
	for served in files more files; do
		write "$base$(serve 'writable = yes')"
		text=hello
		[ "$served" = files ] || text='more'
		reload && [ ! -s "$LAB_DIR/answer" ] && lab_wait_for 5 says_of_hello "$text" &&
			put "put-$served" && [ "$(cat "$LAB_DIR/$served/put-$served")" = new ] || result=1
	done
	lab_stop "$observer"
	begin_body && served='more' && write "$base$(serve 'writable = yes')" && reload && wait "$putting" &&
		cmp "$LAB_DIR/body" "$LAB_DIR/files/large" || result=1
	served=files
	rm "$LAB_DIR"/*/put-* "$LAB_DIR/files/large"
	return "$result"
}

# load METHOD PATH: requests all the time, none of which is repeated.
load() {
	lab_start_client "$build/coax-bench" socket --destination "$LAB_SERVER_4" --method "$1" \
		--path "$2" --payload-size 5 --sockets 8 --rate 300 --seconds 4 >"$LAB_DIR/load.$(basename "$2")"
	lab_forget "$LAB_PID"
	loads="$loads $LAB_PID"
}

# Whoever asks, in userspace and in the kernel, is answered each time.
loses_nothing() {
	write "$base$(serve 'writable = yes')"
	reload || return 1
	loads=
	load get /hello
	load get /near/hello?far
	load put /changed
	for round in 1 2 3 4 5 6 7 8 9 10; do
		served=files
		[ $((round % 2)) -eq 0 ] || served=twin
		write "$base$(serve "writable = yes max-age = $((round + 20))")
			limits { requests = $((round + 1000000)) }
			$(proxy /near)
			$(proxy "/other$((round % 3))")
			$(more "m$((round % 3))" '')
			proxies { timeout = $((round + 5000)) }"
		[ $((round % 2)) -eq 0 ] || echo 'access "/" { allow = "* all" }' >>"$config"
		kill -HUP "$coaxd"
		sleep 0.3
	done
	for load in $loads; do
		wait "$load" || return 1
	done
	cat "$LAB_DIR"/load.*
	[ "$(grep -c 'took up its configuration' "$LAB_DIR/log")" -ge 10 ] || return 1
	for load in "$LAB_DIR"/load.*; do
		grep -q ' lost=0' "$load" && grep -q ' sent=1[0-9][0-9][0-9]' "$load" || return 1
	done
}

# What gets in while rules and what they are for come and go.
ask_for_hidden() {
	lab_start_client python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 5683))
s.settimeout(0.2)
codes = {}
message_id = 0
while os.path.exists(sys.argv[2]):
    message_id = (message_id + 1) % 65536
    s.send(b"\x50\x01" + message_id.to_bytes(2, "big") + b"\xb6hidden\x05hello")
    try:
        answer = s.recv(1500)
    except socket.timeout:
        continue
    code = "%d.%02d" % (answer[1] >> 5, answer[1] & 31)
    if not codes:
        print("begun", flush=True)
    codes[code] = codes.get(code, 0) + 1
print(codes)' "$LAB_SERVER_4" "$LAB_DIR/asking" >"$LAB_DIR/hidden"
	asker=$LAB_PID
	lab_wait_for 10 test -s "$LAB_DIR/hidden"
}

hides() {
	write "$base$(serve '')"
	reload || return 1
	: >"$LAB_DIR/asking"
	ask_for_hidden || return 1
	for round in $(seq 20); do
		write "$base$(serve '')
			$(proxy /hidden)
			access \"/\" { allow = \"* all\" }
			access \"/hidden\" { allow = \"secure all\" }"
		reload || return 1
		write "$base$(serve '')"
		[ $((round % 2)) -eq 0 ] || echo 'access "/" { allow = "* all" }' >>"$config"
		reload || return 1
	done
	rm "$LAB_DIR/asking"
	lab_wait_for 10 grep -q '{' "$LAB_DIR/hidden"
	cat "$LAB_DIR/hidden"
	lab_forget "$asker"
	grep -q '4\.01' "$LAB_DIR/hidden" && ! grep -q '2\.05' "$LAB_DIR/hidden"
}

observed() {
	[ "$(tail -n 1 "$LAB_DIR/observed")" = "$1" ]
}

ended() {
	! lab_running "$observer"
}

# A new session would have needed another one.
registrations() {
	grep -c '^>.*GET' "$LAB_DIR/observer"
}

# An observer's session outlives what does not concern it, and not its key.
keeps_sessions() {
	write "$base$(serve '')"
	reload || return 1
	lab_start_client "$build/coax" observe -v --user device --psk sesame \
		"coaps://$LAB_SERVER_4/state" >"$LAB_DIR/observed" 2>"$LAB_DIR/observer"
	observer=$LAB_PID
	lab_wait_for 5 observed one || return 1
	write "$base$(serve 'max-age = 33')
		limits { requests = 1000 }"
	reload || return 1
	echo two >"$LAB_DIR/files/state"
	lab_wait_for 5 observed two && ! ended && [ "$(registrations)" -eq 1 ] || return 1
	credentials other
	reload && lab_wait_for 10 ended
}

plan 17
lab_begin
config=$LAB_DIR/coaxd.conf
base="kernel { interface = \"$LAB_SERVER_LINK\" }
security { credentials = \"$LAB_DIR/credentials.json\" }
"
mkdir "$LAB_DIR/files"
printf hello >"$LAB_DIR/files/hello"
cp -R "$LAB_DIR/files" "$LAB_DIR/twin"
mkdir "$LAB_DIR/more"
printf more >"$LAB_DIR/more/hello"
echo two >"$LAB_DIR/more/more"
echo one >"$LAB_DIR/files/state"
chown -R "$(id -un coax 2>/dev/null || echo nobody)" "$LAB_DIR/files" "$LAB_DIR/twin" "$LAB_DIR/more"
credentials sesame

check "a daemon serves by its file, and reloading what has not changed says nothing" started
check "what the kernel answers stays when nothing of it has changed" keeps_published
check "with a mistake in a file all stays as it is, and the mistake is answered" mistake_changes_nothing
check "how the files are served changes, Max-Age in the kernel, too" files_change
check "access rules change" rules_change
check "limits and lists change, in the kernel, too" limits_change
check "interfaces come and go" interfaces_change
check "the log's level changes" level_changes
check "what takes a restart is said, and the rest is done" restart_is_said
check "what is proxied comes, changes and goes, and the kernel keeps what stays" proxies_change
check "with a mistake in what is proxied, that stays as it is" proxy_mistakes_change_nothing
check "directories come and go, with what the kernel has of them" directories_change
check "another directory takes the place of one, and who observes is told what is there" directory_changes
check "no request is lost while the daemon reloads again and again" loses_nothing
check "what is added together with its rule is never served without, nor when both go" hides
check "a session outlives what does not concern it, and not its credentials" keeps_sessions
check "the daemon ends in order" lab_stop "$coaxd"
lab_stop "$origin"
finish
