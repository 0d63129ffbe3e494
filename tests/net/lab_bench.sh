#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
#
# The demo and the measurements run to their ends, and coax-bench tells good from bad.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"
bench=$build/coax-bench

figures_are_printed() {
	"$root/tools/bench/run" --quick >"$LAB_DIR/bench" || return 1
	for figure in kernel_64_ratio_reflector kernel_1024_ratio_reflector kernel_cpu_ratio_libcoap \
		user_cpu_ratio_libcoap get_cpu_ratio_libcoap put_cpu_ratio_libcoap \
		block_get_cpu_ratio_libcoap block_put_cpu_ratio_libcoap notify_cpu_ratio_libcoap \
		dtls_psk_handshake_cpu_ratio_libcoap dtls_ecdsa_handshake_cpu_ratio_libcoap \
		dtls_resumed_handshakes_per_second dtls_get_cpu_ratio_libcoap dtls_session_bytes \
		proxy_hit_cpu_ratio_libcoap proxy_user_hit_cpu_ratio_libcoap proxy_miss_cpu_ratio_libcoap \
		expiry_origin_requests fanout_1000_ms flood_real_clients_percent user_peers_10000_over_64; do
		grep -E "^figure $figure -?[0-9]+(\.[0-9]+)?$" "$LAB_DIR/bench" | grep -q '[1-9]' || return 1
	done
}

kernel() { # path, then options
	path=$1
	shift
	lab_client "$bench" kernel --interface "$LAB_CLIENT_LINK" --peer-mac "$LAB_SERVER_MAC" \
		--source "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" --path "$path" "$@"
}

socket() {
	path=$1
	shift
	lab_client "$bench" socket --destination "$LAB_SERVER_4" --path "$path" --packets 1000 "$@"
}

# Each of the requests that were counted was answered, by the kernel.
kernel_is_exact() {
	before=$(lab_counter bench reply)
	line=$(kernel /x --packets 10000) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 10000 ] && [ "$(lab_field replies "$line")" -eq 10000 ] &&
		[ $(($(lab_counter bench reply) - before)) -ge 10000 ]
}

compares() {
	line=$(kernel /x --seconds 0.5 --reflector "$LAB_REFERENCE_NEAR,$LAB_REFERENCE_FAR") || return 1
	echo "$line"
	lab_field ratio "$line" | grep -Eq '^[0-9]+\.[0-9]+$'
}

program() {
	lab_client ip -d link show dev "$LAB_CLIENT_LINK" | grep -o 'prog/xdp id [0-9]*'
}

# A signal ends a long run soon, and what was attached before is attached again.
ends_on_signal() {
	before=$(program)
	replies=$(lab_counter bench reply)
	lab_start_client "$bench" kernel --interface "$LAB_CLIENT_LINK" --peer-mac "$LAB_SERVER_MAC" \
		--source "$LAB_CLIENT_4" --destination "$LAB_SERVER_4" --path /x --seconds 60
	run=$LAB_PID
	lab_wait_for 10 is_running || return 1
	[ "$(program)" != "$before" ] || return 1
	lab_stop "$run" 5 && [ "$(program)" = "$before" ]
}

is_running() {
	[ "$(lab_counter bench reply)" -gt $((replies + 10000)) ]
}

socket_is_exact() {
	line=$(socket /x) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 1000 ] && [ "$(lab_field replies "$line")" -eq 1000 ] &&
		[ "$(lab_field lost "$line")" -eq 0 ] && [ "$(lab_field codes "$line")" = 2.05:1000 ]
}

# A second answer to a repeated request is no second reply.
duplicates_are_told_apart() {
	line=$(socket /x --duplicates 100) || return 1
	echo "$line"
	[ "$(lab_field replies "$line")" -eq 1000 ] && [ "$(lab_field duplicated "$line")" -eq 1000 ]
}

errors_are_no_replies() {
	line=$(socket /nothing) && return 1
	echo "$line"
	[ "$(lab_field replies "$line")" -eq 0 ] && [ "$(lab_field codes "$line")" = 4.04:1000 ] &&
		! kernel /nothing --seconds 0.1
}

paces() {
	line=$(lab_client "$bench" socket --destination "$LAB_SERVER_4" --path /x --rate 1000 --seconds 1) ||
		return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -ge 900 ] && [ "$(lab_field sent "$line")" -le 1001 ]
}

blocks() {
	lab_client "$bench" blocks --destination "$LAB_SERVER_4" "$@"
}

notify() {
	lab_client "$bench" notify --destination "$LAB_SERVER_4" "$@"
}

# Each body arrived whole, both ways, also when its last block is a short one.
blocks_are_exact() {
	for direction in --get --put; do
		line=$(blocks "$direction" --transfers 20 --size 5000 --block-size 64) || return 1
		echo "$line"
		[ "$(lab_field completed "$line")" -eq 20 ] && [ "$(lab_field failed "$line")" -eq 0 ] &&
			[ "$(lab_field bytes "$line")" -eq 100000 ] &&
			[ "$(lab_field blocks "$line")" -eq 1580 ] || return 1
	done
}

# While one run gets its body, another one puts a longer one in its place.
other_bodies_are_noticed() {
	lab_start_client "$bench" blocks --get --destination "$LAB_SERVER_4" --size 5000 \
		--seconds 60 2>"$LAB_DIR/complaint"
	run=$LAB_PID
	lab_wait_for 20 has_ended_or_replace || return 1
	cat "$LAB_DIR/complaint"
	! lab_stop "$run" && grep -q 'went wrong' "$LAB_DIR/complaint"
}

has_ended_or_replace() {
	lab_running "$run" || return 0
	blocks --put --size 6000 --transfers 1
	return 1
}

notifications_are_exact() {
	line=$(notify --observers 20 --changes 10) || return 1
	echo "$line"
	[ "$(lab_field completed "$line")" -eq 10 ] && [ "$(lab_field missed "$line")" -eq 0 ] &&
		[ "$(lab_field notifications "$line")" -eq 200 ]
}

unobservable_is_a_failure() {
	! notify --path /data --observers 2
}

# Through a proxy: the observers, from several addresses, are its own, and the change is not.
changes_at_the_origin_are_seen() {
	lab_coaxd --bind "$LAB_SERVER_4:5700" --proxy "/state=coap://$LAB_SERVER_4/state" "$LAB_DIR/site"
	lab_client ip address add 192.0.2.10/24 dev "$LAB_CLIENT_LINK"
	lab_client ip address add 192.0.2.11/24 dev "$LAB_CLIENT_LINK"
	line=$(lab_client "$bench" notify --destination "$LAB_SERVER_4:5700" --change-at "$LAB_SERVER_4" \
		--source 192.0.2.10 --sources 2 --observers 20 --changes 5)
	lab_stop "$LAB_PID"
	echo "$line"
	[ "$(lab_field completed "$line")" -eq 5 ] && [ "$(lab_field notifications "$line")" -eq 100 ] &&
		! notify --source 192.0.2.99 --observers 2
}

# What a cold run asks for has not been asked for before it; /gets tells.
cold_is_cold() {
	before=$(lab_client coap-client-notls "coap://$LAB_SERVER_4/gets")
	socket /data --cold --packets 50 || return 1
	[ $(($(lab_client coap-client-notls "coap://$LAB_SERVER_4/gets") - before)) -eq 50 ]
}

# A URI goes to a forward-proxy whole: coax-bench serve is none.
uris_are_for_proxies() {
	line=$(socket "coap://$LAB_SERVER_4/data") && return 1
	echo "$line"
	[ "$(lab_field codes "$line")" = 5.05:1000 ]
}

dtls() {
	lab_client "$bench" dtls --destination "$LAB_SERVER_4" --sessions 4 "$@"
}

by_key() {
	dtls --identity bench --key secret "$@"
}

# Handshakes end well by a key, a certificate, and what a former one has agreed on.
handshakes_are_exact() {
	line=$(by_key --count 20) || return 1
	echo "$line"
	[ "$(lab_field completed "$line")" -ge 20 ] && [ "$(lab_field resumed "$line")" -eq 0 ] &&
		[ "$(lab_field failed "$line")" -eq 0 ] || return 1
	line=$(dtls --count 20 --cipher ECDHE-ECDSA-AES128-GCM-SHA256) || return 1
	echo "$line"
	[ "$(lab_field completed "$line")" -ge 20 ] && [ "$(lab_field failed "$line")" -eq 0 ] || return 1
	line=$(by_key --count 20 --resume) || return 1
	echo "$line"
	[ "$(lab_field resumed "$line")" -eq "$(lab_field completed "$line")" ]
}

requests_in_sessions_are_exact() {
	line=$(by_key --requests --count 100) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 100 ] && [ "$(lab_field replies "$line")" -eq 100 ] &&
		[ "$(lab_field lost "$line")" -eq 0 ] && [ "$(lab_field ended "$line")" -eq 0 ]
}

idle_sessions_are_weighed() {
	line=$(by_key --idle --sessions 100 --seconds 0.1 --server-pid "$server") || return 1
	echo "$line"
	[ "$(lab_field session_bytes "$line")" -gt 0 ] && [ "$(lab_field openssl_bytes "$line")" -gt 0 ]
}

# Each of them is answered, at a pace that the server keeps up with.
hellos_are_exact() {
	line=$(dtls --hellos --count 200) || return 1
	echo "$line"
	[ "$(lab_field sent "$line")" -eq 200 ] && [ "$(lab_field answered "$line")" -eq 200 ]
}

# Another key, a path that is not there.
insecure_is_a_failure() {
	! dtls --identity bench --key wrong --seconds 0.5 2>"$LAB_DIR/complaint" &&
		cat "$LAB_DIR/complaint" && grep -q 'no handshake' "$LAB_DIR/complaint" &&
		! by_key --requests --path /nothing --count 10
}

nobody_is_a_failure() {
	! dtls --seconds 0.5 && ! dtls --requests --seconds 0.5 && ! dtls --hellos --seconds 0.5 || return 1
	! socket /x --seconds 0.5 && ! blocks --seconds 0.5 && ! notify --seconds 0.5
}

plan 23
check "the demo sees all that it shows" "$root/tools/demo"
lab_begin
lab_reference
check "the measurements print their figures" figures_are_printed
mkdir "$LAB_DIR/site"
echo x >"$LAB_DIR/site/x"
lab_coaxd --interface "$LAB_SERVER_LINK" --instance bench --bind "$LAB_SERVER_4" "$LAB_DIR/site"
coaxd=$LAB_PID
check "kernel mode counts each request and each reply once" kernel_is_exact
check "kernel mode compares with the reflector" compares
check "a signal ends a run and puts the former program back" ends_on_signal
check "socket mode counts each request and each reply once" socket_is_exact
check "socket mode tells a repeated answer from a reply" duplicates_are_told_apart
check "an answer that is not 2.xx is no reply" errors_are_no_replies
check "socket mode keeps to a rate" paces
lab_stop "$coaxd"
lab_bench_server data x
server=$LAB_PID
check "blocks mode counts each body and each block once" blocks_are_exact
check "blocks mode notices a body that is another" other_bodies_are_noticed
check "notify mode counts each change and each notification once" notifications_are_exact
check "what cannot be observed is a failure" unobservable_is_a_failure
check "notify mode observes a proxy and changes its origin" changes_at_the_origin_are_seen
check "a cold run asks nothing before it counts" cold_is_cold
check "a path that is a URI is asked of a proxy" uris_are_for_proxies
check "coax-bench serve ends on a signal" lab_stop "$server" 5
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench \
	-keyout "$LAB_DIR/key.pem" -out "$LAB_DIR/certificate.pem" 2>/dev/null
cat >"$LAB_DIR/credentials.json" <<EOF
{
  ":bench": {"dtls": {"psk": {"ascii": "secret"}, "client-identity": {"ascii": "bench"}}},
  ":own": {"certificate": {"chain": {"file": "certificate.pem"}, "key": {"file": "key.pem"}}}
}
EOF
lab_bench_server data x --credentials "$LAB_DIR/credentials.json"
server=$LAB_PID
check "dtls mode counts each handshake once" handshakes_are_exact
check "dtls mode counts each request in sessions and each reply once" requests_in_sessions_are_exact
check "dtls mode weighs idle sessions" idle_sessions_are_weighed
check "dtls mode counts each ClientHello and its answer once" hellos_are_exact
check "a wrong key and an answer that is not 2.xx are failures" insecure_is_a_failure
lab_stop "$server"
check "nobody there is a failure" nobody_is_a_failure
finish
