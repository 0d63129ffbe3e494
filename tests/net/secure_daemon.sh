#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# coaxd by coaps: who may do what, what of that the kernel half gets to know, credentials that are read
# again, and another daemon in its place.
set -u
admins_view=''
guests_view=''

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

plain=coap://$LAB_SERVER_4
secure=coaps://$LAB_SERVER_4
admin='-u admin-1 -k adminkey'
guest='-u guest -k guestkey'
ops='-u op -k opkey'

# start OPTIONS...: its log is in $work/log, its process ID in $coaxd.
start() {
	lab_coaxd -vv --interface "$LAB_SERVER_LINK" --instance secure --credentials "$work/server.json" \
		--writable --access '/ * read' --access '/config psk:admin-* all' \
		--access '/subject subject:CN=sensor read' --access '/name name:DNS:*.example read' \
		--access '/label :ops read' --access '/any secure read,put' --access '/any/not * none' "$@" \
		"$work/files" 2>>"$work/log" || {
		cat "$work/log"
		return 1
	}
	coaxd=$LAB_PID
}

coax() {
	lab_client timeout 20 "$build/coax" "$@"
}

# answers CODE WORDS...: what the response to this has for a code; 2.05 with the file's content.
answers() {
	local code=$1 status=0
	shift
	coax -j "$@" --timeout 5 >"$work/out" 2>"$work/err" || status=$?
	cat "$work/out" "$work/err"
	grep -qF "\"code\": \"$code\"" "$work/out"
}

# shellcheck disable=SC2086 # options
by_identity() {
	answers 4.01 get "$plain/config" && answers 4.03 get $guest "$secure/config" &&
		answers 2.05 get $admin "$secure/config" && answers 2.04 put $admin "$secure/config" -p new &&
		answers 4.01 put "$plain/open" -p x && answers 4.03 put $admin "$secure/open" -p x &&
		answers 2.05 get "$plain/open" && answers 2.05 get $guest "$secure/open" &&
		answers 4.01 get "$plain/config/none" && answers 4.03 get $guest "$secure/config/none" &&
		answers 4.01 delete "$plain/config"
}

with() { # name
	echo --ca "$pki/home.pem" --cert "$pki/$1.pem" --key "$pki/$1.key"
}

# shellcheck disable=SC2046,SC2086
by_certificate() {
	answers 2.05 get $(with sensor) "$secure/subject" && answers 4.03 get $(with meter) "$secure/subject" &&
		answers 2.05 get $(with sensor) "$secure/name" && answers 4.03 get $(with meter) "$secure/name" &&
		answers 4.03 get $admin "$secure/subject" && answers 4.01 get "$plain/name"
}

# shellcheck disable=SC2046,SC2086
by_label() {
	answers 2.05 get $ops "$secure/label" && answers 4.03 get $guest "$secure/label" &&
		answers 4.01 get "$plain/label" && answers 2.05 get $guest "$secure/any/" &&
		answers 2.05 get $(with meter) "$secure/any/" && answers 4.01 get "$plain/any/" &&
		answers 4.03 get $admin "$secure/any/not"
}

cached() {
	"$build/coax" cache show -j -i secure >"$work/cache" || return 1
	cat "$work/cache"
	grep -q "\"path\": \"/$1\"" "$work/cache"
}

# shellcheck disable=SC2086
hidden_from_kernel() {
	local path before
	answers 2.05 get "$plain/open" && answers 2.05 get "$plain/open" && cached open || return 1
	for path in config label any/ subject name config/none; do
		answers 4.01 get "$plain/$path" && answers 4.01 get "$plain/$path" || return 1
	done
	answers 2.05 get $admin "$secure/config" && answers 2.05 get $admin "$secure/config" &&
		answers 2.05 get $admin "$secure/other" && answers 2.05 get $admin "$secure/other" || return 1
	for path in config label any/ subject name other; do
		cached "$path" && return 1
	done
	before=$(lab_counter secure reply)
	answers 2.05 get "$plain/open" && [ "$(lab_counter secure reply)" -eq $((before + 1)) ]
}

# shellcheck disable=SC2086
listed_to_each() {
	coax get "$plain/.well-known/core" >"$work/all" && coax get $admin "$secure/.well-known/core" >"$work/admins" &&
		cat "$work/all" "$work/admins" || return 1
	! grep -q '</config>' "$work/all" && grep -q '</config>' "$work/admins" &&
		grep -q '</open>' "$work/all" && ! grep -q '</label>' "$work/admins"
}

begin_log() {
	log_begin=$(($(wc -l <"$work/log") + 1))
}

log_has() {
	tail -n "+$log_begin" "$work/log" | grep -qE -- "$1"
}

logged() {
	lab_wait_for 5 log_has "$1" && return
	echo "the log has no $1"
	tail -n "+$log_begin" "$work/log" | grep -v 'DEBUG: \(to\|from\) '
	return 1
}

# observe NAME OPTIONS...: of /open, in the background; what comes is in $work/NAME, the process ID in $NAME.
observe() {
	local name=$1
	shift
	lab_start_client timeout 60 "$build/coax" observe "$@" "$secure/open" >"$work/$name" 2>"$work/$name.err"
	eval "$name=\$LAB_PID"
	lab_wait_for 5 test -s "$work/$name"
}

changes() { # text
	echo "$1" >"$work/files/open"
	lab_wait_for 5 grep -qx "$1" "$work/admins_view"
}

write_all() {
	write_credentials "$work/server.json" "$(psk_entry :admin admin-1 adminkey)" "$(psk_entry :ops op opkey)" \
		"$(certificate_entry :gateway gateway "$of_home")" "$@"
}

ended() {
	! lab_running "$1"
}

# renew COMMAND...: the guest is dropped by it, the administrator's session goes on.
# shellcheck disable=SC2086
renew() {
	local status=0
	write_all "$(psk_entry :guest guest guestkey)" && start_over || return 1
	observe admins_view $admin && observe guests_view $guest && changes "before $1" &&
		lab_wait_for 5 grep -qx "before $1" "$work/guests_view" || return 1
	begin_log
	write_all
	"$@" || return 1
	logged 'read .*server.json anew' && logged 'Secure session with .* ended: .*credentials' &&
		lab_wait_for 5 ended "$guests_view" && changes "after $1" || status=1
	lab_stop "$admins_view"
	lab_forget "$guests_view"
	cat "$work/guests_view.err"
	grep -q 'has closed the session' "$work/guests_view.err" || status=1
	if grep -qx "after $1" "$work/guests_view"; then
		echo "the guest's observation has not ended"
		status=1
	fi
	log_has 'Secure session with [^ ]*: ' && {
		echo "there was another handshake"
		status=1
	}
	refused_guest || status=1
	return "$status"
}

# shellcheck disable=SC2086
refused_guest() {
	coax get $guest "$secure/open" >"$work/out" 2>&1 && return 1
	cat "$work/out"
	grep -q 'the server does not know the identity' "$work/out"
}

# The credentials as they are in the file, whatever they were.
start_over() {
	begin_log
	kill -HUP "$coaxd" && logged 'read .*server.json anew'
}

by_signal() {
	renew kill -HUP "$coaxd"
}

by_tool() {
	renew "$build/coax" reload -i secure
}

# shellcheck disable=SC2086
mistake_keeps_all() {
	local status=0
	observe admins_view $admin && changes "before mistakes" || return 1
	begin_log
	printf '{\n":admin": {"dtls": {"psk": {"ascii": "adminkey"},\n "client-identity": {"octets": "admin-1"}}}}' \
		>"$work/server.json"
	kill -HUP "$coaxd"
	logged 'ERROR: .*server.json:3: .*":admin".*ascii' &&
		logged 'WARNING: all stays as it was' || status=1
	"$build/coax" reload -i secure 2>"$work/err" && status=1
	cat "$work/err"
	rm "$work/server.json"
	"$build/coax" reload -i secure 2>>"$work/err" && status=1
	logged 'ERROR: .*server.json.*No such file' || status=1
	changes "after mistakes" && answers 2.05 get $ops "$secure/label" || status=1
	log_has 'Secure session with .* ended: .*credentials' && status=1
	lab_stop "$admins_view"
	write_all "$(psk_entry :guest guest guestkey)"
	return "$status"
}

# What runs beside it gets there, by a handshake that the one or the other takes part in. The observer's session
# ends with the former daemon.
# shellcheck disable=SC2086
replaced() {
	local former=$coaxd status=0 i gets=()
	start_over && observe admins_view $admin || return 1
	for i in $(seq 8); do
		{
			sleep "0.$((i - 1))"
			[ "$(coax get $ops "$secure/label")" = label ]
		} 2>>"$work/err" &
		gets+=($!)
	done
	start --replace || return 1
	for i in "${gets[@]}"; do
		wait "$i" || status=1
	done
	cat "$work/err"
	lab_wait_for 10 ended "$former" && lab_forget "$former" || status=1
	lab_wait_for 10 ended "$admins_view" || status=1
	lab_forget "$admins_view"
	cat "$work/admins_view.err"
	answers 2.05 get $admin "$secure/config" && answers 4.01 get "$plain/config" || status=1
	return "$status"
}

# shellcheck disable=SC2086
secure_only() {
	lab_stop "$coaxd" || return 1
	start --secure-only || return 1
	[ -z "$(lab_server ss -Hlun 'sport = :5683')" ] && answers 2.05 get $ops "$secure/label" || return 1
	coax get "$plain/open" --timeout 2 2>"$work/err" && return 1
	cat "$work/err"
	grep -q refused "$work/err" && cached . ; grep -qx '\[\]' "$work/cache"
}

# refused STATUS WORDS OPTIONS...
refused() {
	local wanted=$1 words=$2 status=0
	shift 2
	lab_server timeout 10 "$build/coaxd" --bind 127.0.0.1:0 "$@" "$work/files" >"$work/out" 2>"$work/err" || status=$?
	cat "$work/err"
	[ "$status" -eq "$wanted" ] && [ ! -s "$work/out" ] && grep -qE -- "$words" "$work/err"
}

mistakes() {
	refused 2 'bind-secure and secure-only need credentials; see' --secure-only &&
		refused 2 'bind-secure and secure-only need credentials; see' --bind-secure '*' &&
		refused 2 '--bind-secure takes ADDRESS.* not "x"' --bind-secure x --credentials "$work/server.json" &&
		refused 2 '--access "/a": it is PATH WHO METHODS' --access /a &&
		refused 2 '--access "/a \*": it is PATH WHO METHODS' --access '/a *' &&
		refused 2 '--access "a \* get": the path begins' --access 'a * get' &&
		refused 2 '--access "/a somebody get": .*who is' --access '/a somebody get' &&
		refused 2 '--access "/a \* fly": methods are' --access '/a * fly' &&
		refused 2 '--access "/a \* get,": methods are' --access '/a * get,' &&
		refused 2 '--access "/a key:12 get":' --access '/a key:12 get' || return 1
	refused 1 'ERROR: .*/none.json.*No such file' --credentials "$work/none.json" || return 1
	echo '{":a": {"dtls": {"psk": {"ascii": "geheim"}}}}' >"$work/bad.json"
	refused 1 'bad.json:1: .*":a".*client-identity' --credentials "$work/bad.json" &&
		! grep -q geheim "$work/err" || return 1
	chmod 600 "$work/bad.json"
	refused 1 'ERROR: .*bad.json.*ermission denied; the user that the daemon serves as' --credentials "$work/bad.json"
}

lab_begin
work=$LAB_DIR
# shellcheck source=tests/interop/dtls.bash
. "$root/tests/interop/dtls.bash"
need_secure openssl
make_certificates
certificate home meter DNS:meter.invalid >/dev/null 2>&1
mkdir -p "$work/files/any"
for file in open other config subject name label any/x any/not; do
	echo "${file##*/}" >"$work/files/$file"
done
write_all "$(psk_entry :guest guest guestkey)"
: >"$work/log"

plan 12
start || exit 1
check "rules by PSK identity: 4.01 without security, 4.03 for others" by_identity
check "rules by a certificate's subject and names" by_certificate
check "rules by the credentials' label, for whoever is secure, and for nobody" by_label
check "what plain coap may not read is not in the kernel half, nor what was told by coaps" hidden_from_kernel
check "/.well-known/core lists to each what it may read" listed_to_each
check "SIGHUP reads the credentials again: sessions of the entries that stay go on, others end" by_signal
check "so does coax reload" by_tool
check "a mistake in the file is named by line and key, and changes nothing" mistake_keeps_all
check "another daemon takes its place, and clients come back" replaced
check "--secure-only speaks no plain coap" secure_only
lab_stop "$coaxd"
check "it ends in order" [ $? -eq 0 ]
check "mistakes in options and files are named" mistakes
finish
