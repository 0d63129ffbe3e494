#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A small network to try things in: two network namespaces, "client" and "server", and a veth pair
# between them. To be sourced by a POSIX shell script that has set $root to the top of the tree:
#
#	. "$root/tools/lab.sh"
#	lab_private "$0" "$@"
#	lab_begin
#	lab_coaxd --interface "$LAB_SERVER_LINK" DIRECTORY
#	lab_client coap-client-notls "coap://$LAB_SERVER_4/"
#
# Everything lives in a mount namespace of the script's own, with a bpffs of its own: pins, network
# namespaces, links and files vanish with the script even when it is killed; processes that were
# started through here are killed with it. Labs do not see each other, so any number may run at once.

# What a script may use. Addresses are from the documentation ranges (RFC 5737, RFC 3849).
LAB_CLIENT_LINK=client0
LAB_SERVER_LINK=server0
LAB_CLIENT_4=192.0.2.1
LAB_SERVER_4=192.0.2.2
LAB_CLIENT_6=2001:db8::1
LAB_SERVER_6=2001:db8::2
LAB_CLIENT_MAC=02:00:00:00:00:01
LAB_SERVER_MAC=02:00:00:00:00:02
# A veth pair with both ends on the client's side, for comparisons: see lab_reference.
LAB_REFERENCE_NEAR=near0
LAB_REFERENCE_FAR=far0
LAB_DIR=       # a directory for the script's files, while the lab stands
LAB_COAP_SERVER=coap-server-notls # libcoap's, or another build of it
LAB_PID=       # what lab_start_client or lab_start_server started last
LAB_A=         # the namespaces' names
LAB_B=
LAB_BUILD=${COAX_BUILD:-${B:-build}} # where make put things
case $LAB_BUILD in
/*) ;;
*) LAB_BUILD=${root:?is to be the top of the tree}/$LAB_BUILD ;;
esac
lab_pids=
lab_stub_pin=/sys/fs/bpf/lab_pass
# bpftool is there on Debian.
PATH=$PATH:/usr/sbin:/sbin

lab_fail() {
	echo "lab: $*" >&2
	return 1
}

# lab_private "$0" "$@": run the script again, once, in a mount namespace of its own.
lab_private() {
	if [ "${COAX_LAB:-}" != $$ ]; then
		if [ "$(id -u)" -ne 0 ]; then
			echo "lab: network namespaces and BPF need root" >&2
			exit 1
		fi
		COAX_LAB=$$
		export COAX_LAB
		exec unshare --mount --propagation private -- "$@"
	fi
	mkdir -p /run/netns /run/coax-lab /run/coax
	mount -t tmpfs -o mode=0755 tmpfs /run/coax
	mount -t tmpfs -o mode=0755 tmpfs /run/netns
	mount -t tmpfs -o mode=0711 tmpfs /run/coax-lab
	mount -t bpf bpf /sys/fs/bpf
}

# Run a command on one side, in the foreground. It may be run in the background, but then its end
# is the caller's business.
lab_client() {
	nsenter --net="/run/netns/$LAB_A" "$@"
}

lab_server() {
	nsenter --net="/run/netns/$LAB_B" "$@"
}

# Start a command on one side in the background; its process ID is in LAB_PID, and it ends with the
# lab, or when this shell does. Not from a subshell: the shell itself is to be the parent.
lab_start_client() {
	lab_start "$LAB_A" "$@"
}

lab_start_server() {
	lab_start "$LAB_B" "$@"
}

# A parent that was killed before its child asked for the signal does not send one: the child looks
# for that itself.
lab_start() { # namespace, command...
	lab_netns=$1
	shift
	# shellcheck disable=SC2016 # for the shell inside
	nsenter --net="/run/netns/$lab_netns" setpriv --pdeathsig KILL \
		sh -c '[ "$PPID" -eq "$0" ] && exec "$@"' "$$" "$@" &
	LAB_PID=$!
	lab_pids="$lab_pids $LAB_PID"
}

# lab_stop PID [SECONDS]: end a started command: SIGTERM, and SIGKILL if it has not ended by then.
# Returns its exit status.
lab_stop() {
	lab_stop_left=$((${2:-5} * 50))
	kill -TERM "$1" 2>/dev/null || :
	kill -CONT "$1" 2>/dev/null || :
	while lab_running "$1"; do
		lab_stop_left=$((lab_stop_left - 1))
		if [ "$lab_stop_left" -le 0 ]; then
			kill -KILL "$1" 2>/dev/null || :
			break
		fi
		sleep 0.02
	done
	lab_forget "$1"
	wait "$1" 2>/dev/null
}

# lab_kill PID: end it at once, and reap it.
lab_kill() {
	kill -KILL "$1" 2>/dev/null || :
	lab_forget "$1"
	wait "$1" 2>/dev/null || :
}

# Whether a started command has not ended (a zombie has).
lab_running() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z*) return 1 ;;
	esac
}

lab_forget() {
	lab_kept=
	for lab_pid in $lab_pids; do
		[ "$lab_pid" = "$1" ] || lab_kept="$lab_kept $lab_pid"
	done
	lab_pids=$lab_kept
}

# lab_wait_for SECONDS COMMAND...: try it until it succeeds, for at most so long.
lab_wait_for() {
	lab_deadline=$(($(lab_now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(lab_now_ms)" -lt "$lab_deadline" ] || return 1
		sleep 0.02
	done
}

# Milliseconds since boot.
lab_now_ms() {
	read -r lab_uptime _ </proc/uptime
	lab_fraction=${lab_uptime#*.}
	echo $((${lab_uptime%.*} * 1000 + ${lab_fraction#0} * 10))
}

# lab_stub on|off: a native XDP program that passes everything, at the client's end. What the
# server's end sends back by XDP_TX arrives only with it.
lab_stub() {
	case $1 in
	on)
		[ -e "$lab_stub_pin" ] ||
			bpftool prog load "$LAB_BUILD/tools/bench/pass.bpf.o" "$lab_stub_pin" type xdp
		lab_client bpftool net attach xdpdrv pinned "$lab_stub_pin" dev "$LAB_CLIENT_LINK"
		;;
	off) lab_client bpftool net detach xdpdrv dev "$LAB_CLIENT_LINK" ;;
	esac
}

# lab_reference: make the pair for comparisons.
lab_reference() {
	ip -n "$LAB_A" -batch - <<-EOF
		link add $LAB_REFERENCE_NEAR type veth peer name $LAB_REFERENCE_FAR
		link set dev $LAB_REFERENCE_NEAR addrgenmode none up
		link set dev $LAB_REFERENCE_FAR addrgenmode none up
	EOF
}

# lab_threaded: what comes in at the server's end is processed by a kernel thread, to be pinned to a CPU, not
# by whoever sends it; so the CPU's time is what serving costs, network stack and XDP included. There is no
# way back: recent kernels refuse it.
lab_threaded() {
	lab_server ethtool -K "$LAB_SERVER_LINK" gro on
	# shellcheck disable=SC2016 # for the inner shell, whose /sys is the namespace's
	lab_server unshare --mount sh -c \
		'mount -t sysfs sysfs /sys && echo 1 >"/sys/class/net/$0/threaded"' "$LAB_SERVER_LINK"
}

# The threads are made anew when an XDP program comes or goes.
lab_pin_threads() {
	for lab_comm in /proc/[0-9]*/comm; do
		case $(cat "$lab_comm" 2>/dev/null) in
		"napi/$LAB_SERVER_LINK"*)
			lab_pid=${lab_comm#/proc/}
			taskset -cp "$1" "${lab_pid%/comm}" >/dev/null
			;;
		esac
	done
}

lab_has_carrier() {
	[ "$(ip -n "$1" -o link show dev "$2" | grep -c LOWER_UP)" -eq 1 ]
}

# One side: address its link and tell it where the other one is, so that nothing needs resolving.
lab_side() { # namespace link MAC IPv4 IPv6 peer-MAC peer-IPv4 peer-IPv6
	ip -n "$1" -batch - <<-EOF
		link set dev lo up
		link set dev $2 addrgenmode none address $3
		address add $4/24 dev $2
		address add $5/64 dev $2 nodad
		link set dev $2 up
		neighbour replace $7 lladdr $6 dev $2 nud permanent
		neighbour replace $8 lladdr $6 dev $2 nud permanent
	EOF
}

lab_set_up() {
	LAB_DIR=$(mktemp -d /run/coax-lab/XXXXXX) && chmod 711 "$LAB_DIR" &&
		ip netns add "$LAB_A" && ip netns add "$LAB_B" &&
		ip -n "$LAB_A" link add "$LAB_CLIENT_LINK" type veth \
			peer name "$LAB_SERVER_LINK" netns "$LAB_B" &&
		lab_side "$LAB_A" "$LAB_CLIENT_LINK" "$LAB_CLIENT_MAC" "$LAB_CLIENT_4" \
			"$LAB_CLIENT_6" "$LAB_SERVER_MAC" "$LAB_SERVER_4" "$LAB_SERVER_6" &&
		lab_side "$LAB_B" "$LAB_SERVER_LINK" "$LAB_SERVER_MAC" "$LAB_SERVER_4" \
			"$LAB_SERVER_6" "$LAB_CLIENT_MAC" "$LAB_CLIENT_4" "$LAB_CLIENT_6" &&
		lab_stub on &&
		lab_wait_for 5 lab_has_carrier "$LAB_A" "$LAB_CLIENT_LINK" &&
		lab_wait_for 5 lab_has_carrier "$LAB_B" "$LAB_SERVER_LINK"
}

# Build the lab. From then on it goes when the script does, whichever way.
lab_begin() {
	[ -e "$LAB_BUILD/tools/bench/pass.bpf.o" ] || lab_fail "run make first" || exit 1
	LAB_A=coax-$$-a
	LAB_B=coax-$$-b
	trap 'lab_leave $?' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	lab_set_up || lab_fail "cannot be built, see above" || exit 1
}

# lab_give DIRECTORY: make it the user's whom coaxd serves as, and all that is in it.
lab_give() {
	if id coax >/dev/null 2>&1; then
		chown -R coax "$1"
	else
		chown -R nobody "$1"
	fi
}

# lab_coaxd OPTIONS... DIRECTORY: start coaxd on the server's side and wait until it serves. Its process
# ID is in LAB_PID. The directory becomes that of the user whom it serves as.
lab_coaxd() {
	: >"$LAB_DIR/ready"
	for lab_served; do :; done
	lab_give "$lab_served"
	lab_start_server "$LAB_BUILD/coaxd" --ready-fd 9 "$@" 9>"$LAB_DIR/ready"
	lab_wait_for 10 lab_ready_or_gone || :
	[ -s "$LAB_DIR/ready" ] || lab_fail "coaxd does not serve"
}

lab_ready_or_gone() {
	[ -s "$LAB_DIR/ready" ] || ! lab_running "$LAB_PID"
}

# lab_coap_server NAME TEXT [OPTIONS...]: start libcoap's coap-server on the server's side with
# a resource /NAME. Its process ID is in LAB_PID.
lab_coap_server() {
	lab_name=$1
	lab_text=$2
	shift 2
	lab_start_server "$LAB_COAP_SERVER" -A "$LAB_SERVER_4" -d 10 "$@"
	lab_wait_for 10 lab_created "coap://$LAB_SERVER_4/$lab_name" "$lab_text" ||
		lab_fail "coap-server does not serve"
}

# lab_bench_server NAME TEXT [OPTIONS...]: the same with coax-bench serve.
lab_bench_server() {
	lab_name=$1
	lab_text=$2
	shift 2
	lab_start_server "$LAB_BUILD/coax-bench" serve --bind "$LAB_SERVER_4" "$@" >/dev/null
	lab_wait_for 10 lab_created "coap://$LAB_SERVER_4/$lab_name" "$lab_text" ||
		lab_fail "coax-bench does not serve"
}

lab_created() {
	lab_client coap-client-notls -B 1 -m put -e "$2" "$1" >/dev/null 2>&1
	[ "$(lab_client coap-client-notls -B 1 "$1" 2>/dev/null)" = "$2" ]
}

# lab_counter INSTANCE NAME: one of coaxd's kernel half's counters (stats), over all CPUs.
lab_counter() {
	bpftool map dump pinned "/sys/fs/bpf/coax/$1/stats" |
		awk -F '[:,]' -v name="\"$2\"" '{ gsub(/ /, "", $1) } $1 == name { sum += $2 }
			END { print sum + 0 }'
}

# lab_field KEY LINE: a value out of a line of key=value, as coax-bench prints it.
lab_field() {
	for lab_word in $2; do
		case $lab_word in
		"$1="*) echo "${lab_word#*=}" ;;
		esac
	done
}

# lab_cpus: set LAB_CLIENT_CPU and LAB_SERVER_CPU to two different CPUs of those that may be used,
# where there are two.
# shellcheck disable=SC2034 # for the script
lab_cpus() {
	lab_list=$(taskset -cp $$)
	lab_list=${lab_list##*: }
	LAB_CLIENT_CPU=${lab_list%%[-,]*}
	LAB_SERVER_CPU=${lab_list##*[-,]}
}

lab_leave() {
	lab_end
	exit "$1"
}

# Take everything down; may be called more than once.
lab_end() {
	trap - EXIT
	for lab_pid in $lab_pids; do
		lab_kill "$lab_pid"
	done
	for lab_name in $LAB_A $LAB_B; do
		[ ! -e "/run/netns/$lab_name" ] || ip netns delete "$lab_name" || :
	done
	LAB_A=
	LAB_B=
	[ -z "$LAB_DIR" ] || rm -rf "$LAB_DIR"
	LAB_DIR=
}
