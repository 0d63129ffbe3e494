#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# What coaxd may do, and as whom: started as its unit for systemd says, and as root.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

pins=/sys/fs/bpf/coax/service
unit=$root/tools/packaging/coaxd.service

# setting NAME: its value in the unit.
setting() {
	sed -n "s/^$1=//p" "$unit"
}

# "CAP_BPF CAP_NET_ADMIN" as setpriv wants it.
as_list() {
	for capability; do
		printf ',+%s' "$(echo "${capability#CAP_}" | tr '[:upper:]' '[:lower:]')"
	done
}

# The same as a mask of /proc/PID/status.
as_mask() {
	capsh --decode="$1" | sed 's/.*=//' | tr ',' '\n' | sort | tr '\n' ' '
}

# start_with CAPABILITIES... -- COMMAND...: as systemd does with AmbientCapabilities, User and so on.
start_with() {
	capabilities=-all
	while [ "$1" != -- ]; do
		capabilities=$capabilities$(as_list "$1")
		shift
	done
	shift
	: >"$LAB_DIR/ready"
	lab_start_server setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
		--inh-caps "$capabilities" --ambient-caps "$capabilities" \
		--bounding-set "$capabilities" --no-new-privs "$@" 9>"$LAB_DIR/ready" 2>"$LAB_DIR/log"
	coaxd=$LAB_PID
	lab_wait_for 10 lab_ready_or_gone && [ -s "$LAB_DIR/ready" ]
}

# The unit's command, for this build, this directory and these options.
service_command() {
	setting ExecStart | sed "s|[^ ]*/coaxd|$build/coaxd|; s|/srv/coap|$LAB_DIR/files|
		s|\$COAXD_OPTIONS|--ready-fd 9 -v --interface $LAB_SERVER_LINK --instance service|"
}

get() {
	[ "$(lab_client "$build/coax" get --timeout 2 "coap://$LAB_SERVER_4/hello")" = hello ]
}

kernel_gets() {
	before=$(lab_counter service reply)
	get && [ "$(lab_counter service reply)" -gt "$before" ]
}

as_the_unit_says() {
	# shellcheck disable=SC2046 # words
	start_with $(setting AmbientCapabilities) -- $(service_command) || return 1
	get && kernel_gets
}

# status FIELD: of all threads, each value once.
status() {
	cat "/proc/$coaxd"/task/*/status | sed -n "s/^$1:[[:space:]]*//p" | sort -u
}

# No thread has anything in effect; those three are permitted to some, to others nothing.
keeps_no_more() {
	[ "$(status Uid)" = "$(id -u "$user" | sed 's/.*/&\t&\t&\t&/')" ] || return 1
	[ "$(status CapEff)" = 0000000000000000 ] && [ "$(status CapAmb)" = 0000000000000000 ] &&
		[ "$(status CapInh)" = 0000000000000000 ] && [ "$(status NoNewPrivs)" = 1 ] || return 1
	for mask in $(status CapPrm); do
		case $(as_mask "$mask") in
		'cap_bpf cap_net_admin cap_perfmon ' | ' ') ;;
		*) return 1 ;;
		esac
	done
	main=$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$coaxd/status")
	[ "$(as_mask "$main")" = 'cap_bpf cap_net_admin cap_perfmon ' ]
}

attaches_again() {
	"$build/coax" detach "$LAB_SERVER_LINK" -i service && get || return 1
	"$build/coax" attach "$LAB_SERVER_LINK" -i service && lab_wait_for 5 kernel_gets &&
		[ "$(status CapEff)" = 0000000000000000 ]
}

# By one of its kind, and by one that root has started.
is_replaced() {
	former=$coaxd
	as_the_unit_says && lab_wait_for 10 gone "$former" && lab_wait_for 5 kernel_gets || return 1
	lab_forget "$former"
	former=$coaxd
	: >"$LAB_DIR/ready"
	# shellcheck disable=SC2046 # words
	lab_start_server $(service_command) 9>"$LAB_DIR/ready" 2>"$LAB_DIR/log"
	coaxd=$LAB_PID
	lab_wait_for 10 lab_ready_or_gone && lab_wait_for 10 gone "$former" &&
		lab_wait_for 5 kernel_gets && keeps_no_more || return 1
	lab_forget "$former"
}

# Nobody else tells it what to do, and what makes no sense is refused.
obeys_no_stranger() {
	cp "$build/coax" "$LAB_DIR/coax"
	setpriv --reuid 12345 --regid 12345 --clear-groups "$LAB_DIR/coax" detach "$LAB_SERVER_LINK" \
		-i service 2>"$LAB_DIR/err" && return 1
	cat "$LAB_DIR/err"
	grep -q 'not permitted' "$LAB_DIR/err" || return 1
	python3 - <<-'EOF' && kernel_gets
		import socket
		for line in b"nonsense", b"attach ", b"attach " + 500 * b"x", b"flush " + 1100 * b"/", b"\0", 1400 * b"x":
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect("/run/coax/service")
		    s.send(line)
		    answer = s.recv(2000)
		    print(line[:20], answer)
		    assert line.startswith(b"flush") or not answer or answer.startswith(b"error ")
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect("/run/coax/service")
	EOF
}

# What it leaves when it is killed takes no more to be taken over.
follows_killed() {
	lab_kill "$coaxd"
	as_the_unit_says && [ "$(lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -c prog/xdp)" -eq 1 ]
}

gone() {
	! lab_running "$1"
}

ends() {
	lab_stop "$coaxd" || return 1
	[ ! -e "$pins" ] && [ ! -e /run/coax/service ] &&
		! lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep -q prog/xdp
}

# Each of them is needed: without it the kernel half is not there, and it is said what it takes.
needs_each() {
	for without in $(setting AmbientCapabilities); do
		# shellcheck disable=SC2046 # words
		start_with $(setting AmbientCapabilities | sed "s/$without//") -- $(service_command) ||
			return 1
		if ! get || ! grep -q 'no answers from the kernel' "$LAB_DIR/log"; then
			echo "it did without $without"
			return 1
		fi
		cat "$LAB_DIR/log"
		lab_stop "$coaxd"
	done
}

# As root, on a bpffs that is root's alone.
started_by_root() {
	chmod 700 /sys/fs/bpf
	lab_coaxd --interface "$LAB_SERVER_LINK" --instance service --user "$user" "$LAB_DIR/files" || return 1
	coaxd=$LAB_PID
	get && kernel_gets && keeps_no_more && attaches_again && lab_kill "$coaxd"
	# And what it leaves when it is killed is found by the next one.
	lab_coaxd --interface "$LAB_SERVER_LINK" --instance service --user "$user" "$LAB_DIR/files" || return 1
	coaxd=$LAB_PID
	get && kernel_gets && ends
}

never_root() {
	"$build/coaxd" --user root --bind 127.0.0.1:0 "$LAB_DIR/files" 2>"$LAB_DIR/log" && return 1
	grep -q 'does not serve as root' "$LAB_DIR/log" || return 1
	"$build/coaxd" --user nosuchuser --bind 127.0.0.1:0 "$LAB_DIR/files" 2>"$LAB_DIR/log" && return 1
	grep -q 'no user "nosuchuser"' "$LAB_DIR/log"
}

# What that user cannot get at is said before anybody asks for it.
says_what_it_cannot() {
	mkdir -m 700 "$LAB_DIR/closed"
	"$build/coaxd" --bind 127.0.0.1:0 "$LAB_DIR/closed" 2>"$LAB_DIR/log" && return 1
	grep -q 'ERROR: cannot read the directory .*closed.*--user' "$LAB_DIR/log" || return 1
	mkdir "$LAB_DIR/roots"
	: >"$LAB_DIR/ready"
	lab_start_server "$build/coaxd" --ready-fd 9 --writable "$LAB_DIR/roots" 2>"$LAB_DIR/log" \
		9>"$LAB_DIR/ready"
	lab_wait_for 10 lab_ready_or_gone
	lab_stop "$LAB_PID"
	grep -q "WARNING: user ID $(id -u "$user") cannot write to .*roots" "$LAB_DIR/log"
}

# Without an interface there is nothing to attach to, and nothing is kept.
keeps_nothing() {
	lab_coaxd --user "$user" "$LAB_DIR/files" || return 1
	coaxd=$LAB_PID
	[ "$(status CapPrm)" = 0000000000000000 ]
	result=$?
	lab_stop "$coaxd" && [ "$result" -eq 0 ]
}

# start_as USER INSTANCE PORT: by root; the process is in $coaxd.
start_as() {
	: >"$LAB_DIR/ready"
	lab_start_server "$build/coaxd" --ready-fd 9 --user "$1" --instance "$2" \
		--bind "$LAB_SERVER_4:$3" "$LAB_DIR/files" 9>"$LAB_DIR/ready" 2>"$LAB_DIR/log"
	coaxd=$LAB_PID
	lab_wait_for 10 lab_ready_or_gone && [ -s "$LAB_DIR/ready" ]
}

# The directory of control sockets stays that of whose daemon listens there.
takes_no_directory() {
	start_as "$user" first 5683 || return 1
	first=$coaxd
	start_as games second 5690 || return 1
	cat "$LAB_DIR/log"
	grep -q 'WARNING: .*/run/coax.*another user' "$LAB_DIR/log" &&
		[ "$(stat -c %U /run/coax)" = "$user" ] && "$build/coax" cache flush -i first || return 1
	lab_stop "$coaxd" && lab_stop "$first" && [ ! -e /run/coax/first ] || return 1
	start_as games second 5690 && [ "$(stat -c %U /run/coax)" = games ] &&
		"$build/coax" cache flush -i second && lab_stop "$coaxd"
}

plan 14
lab_begin
chmod 700 /sys/fs/bpf # as systemd mounts it
mkdir "$LAB_DIR/files"
printf hello >"$LAB_DIR/files/hello"
user=$(setting User)
if ! id "$user" >/dev/null 2>&1; then
	user=nobody
fi
chown "$user" /run/coax # RuntimeDirectory
prepare=$(setting ExecStartPre | sed "s/^+//; s/chown $(setting User):/chown $user:/")

check "the unit's preparation, which runs as root, succeeds" sh -c "$prepare"
check "with the unit's user and capabilities alone it serves, in the kernel too" as_the_unit_says
check "then nothing is in effect, and only what attaching takes is permitted still" keeps_no_more
check "with that it attaches to an interface again" attaches_again
check "it obeys root and its own user alone, and no nonsense" obeys_no_stranger
check "started again after it was killed, it takes over what that left" follows_killed
check "it is replaced by one of its kind, and by one that root has started" is_replaced
check "its end leaves no program, no pins and no socket" ends
check "it needs each of those capabilities" needs_each
check "as root it becomes another user, takes over as such, and leaves nothing" started_by_root
check "it does not serve as root" never_root
check "what its user has no access to is said at its start" says_what_it_cannot
check "without an interface it keeps no capability" keeps_nothing
check "another user's daemon does not take the sockets' directory from one that listens" takes_no_directory
finish
