#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
#
# The Debian packages in a system of their own: Debian's smallest, made by debootstrap in memory, with systemd
# as its first process, in a lab's server namespace. The load comes from the client's.
set -u

# shellcheck source=tests/lab.sh
. "$(dirname "$0")/../lab.sh"

codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)

# The packages with another version number: dpkg is to believe in an upgrade. newer VERSION [COMMAND...]: the
# command is run in the unpacked tree.
newer() {
	version=$1
	shift
	rm -rf "$LAB_DIR/tree"
	dpkg-deb -R "$build"/deb/coax_*.deb "$LAB_DIR/tree" || return 1
	sed -i "s/^Version: .*/Version: $version/" "$LAB_DIR/tree/DEBIAN/control"
	(cd "$LAB_DIR/tree" && "$@") || return 1
	dpkg-deb -b "$LAB_DIR/tree" "$system/root/coax_$version.deb"
}

# A system that could be booted, with what the packages depend on in apt's cache: there is no network later on.
make_system() {
	mkdir -p "$system" "$build/deb/cache"
	mount -t tmpfs -o mode=0755 tmpfs "$system"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus --cache-dir="$build/deb/cache" \
		"$codename" "$system" || return 1
	mkdir "$system/old"
	cp "$build"/deb/coax_*.deb "$build"/deb/libcoax0_*.deb "$system/root"
	chroot "$system" env -u TMPDIR sh -c 'apt-get install -y --download-only /root/*.deb' &&
		newer 99.1 true && newer 99.2 ln -sf /bin/false usr/sbin/coaxd
}

# What makes a container of a process: boot ROOT.
write_boot() {
	cat >"$LAB_DIR/boot" <<-'EOF'
		set -e
		cd "$1"
		mount --make-rprivate /
		mount -t tmpfs tmpfs run
		mount -t tmpfs -o mode=1777 tmpfs tmp
		mount -t tmpfs -o mode=0755 tmpfs dev
		for device in null:3 zero:5 full:7 random:8 urandom:9 console:3; do
			mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
		done
		mknod -m 666 dev/tty c 5 0
		ln -s /proc/self/fd dev/fd
		ln -s pts/ptmx dev/ptmx
		mkdir dev/pts dev/shm dev/mqueue dev/hugepages
		mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
		mount -t proc proc proc
		mount --bind proc/sys proc/sys
		mount -o remount,bind,ro proc/sys
		mount -t sysfs sysfs sys
		mount -t bpf bpf sys/fs/bpf
		mount -t cgroup2 cgroup2 sys/fs/cgroup
		pivot_root . old
		umount -l old
		exec env -i container=coax PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
			--system --unit=basic.target
	EOF
}

# in_system COMMAND...
in_system() {
	nsenter -t "$init" -m -p -u -i -n -C -- env -u TMPDIR "$@"
}

is_up() {
	init=$(cat "/proc/$container/task/$container/children") && init=${init%% *} && [ -n "$init" ] &&
		in_system systemctl --quiet is-active basic.target
}

boot() {
	groups=$LAB_DIR/groups
	mkdir "$groups" && mount -t cgroup2 cgroup2 "$groups" && mkdir "$groups/coax-$$" || return 1
	# shellcheck disable=SC2016 # for the shell inside
	lab_start_server sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$groups/coax-$$" \
		unshare --mount --pid --fork --uts --ipc --cgroup --kill-child sh "$LAB_DIR/boot" "$system"
	container=$LAB_PID
	lab_wait_for 30 is_up
}

# Its processes end with it; the groups that it made do not.
power_off() {
	[ -n "$container" ] || return 0
	lab_kill "$container"
	lab_wait_for 10 remove_groups || echo "# control groups are left: coax-$$"
	umount "$groups" && umount -R "$system"
	container=
}

leave() {
	power_off
	lab_leave "$1"
}

remove_groups() {
	find "$groups/coax-$$" -depth -type d -exec rmdir {} +
}

shows_log() {
	in_system journalctl --no-pager -u coaxd -u coaxd-upgrade -n 60
	return 1
}

everything() {
	in_system find / -xdev -not -path '/var/*' -not -path '/root/*' | sort
}

install_packages() {
	everything >"$LAB_DIR/before"
	# As an operator does: which interface, and what may be changed.
	mkdir -p "$system/etc/systemd/system/coaxd.service.d"
	mkdir -p "$system/etc/coax"
	sed -e "s/#interface = .*/interface = \"$LAB_SERVER_LINK\"/" -e 's/#writable = .*/writable = yes/' \
		"$root/tools/packaging/coaxd.conf" >"$system/etc/coax/coaxd.conf"
	printf '[Service]\nReadWritePaths=/srv/coap\n' >"$system/etc/systemd/system/coaxd.service.d/write.conf"
	in_system sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold \
		/root/coax_0*.deb /root/libcoax0_0*.deb'
}

main_pid() {
	in_system systemctl show -p MainPID --value coaxd
}

get() {
	[ "$(lab_client "$build/coax" get --timeout 2 "coap://$LAB_SERVER_4/hello")" = hello ]
}

replies() {
	in_system coax status -j | sed -n 's/.*"reply": *\([0-9]*\).*/\1/p' | head -n 1
}

kernel_gets() {
	before_replies=$(replies)
	get && [ "$(replies)" -gt "$before_replies" ]
}

serves() {
	in_system systemctl --quiet is-active coaxd || shows_log || return 1
	in_system sh -c 'echo -n hello >/srv/coap/hello && echo -n x >/srv/coap/state && chown coax /srv/coap/state'
	lab_wait_for 5 kernel_gets || shows_log || return 1
	# As the unit's user, under its system call filter.
	in_system grep -q '^Seccomp:[[:space:]]*2' "/proc/$(main_pid)/status" &&
		in_system sh -c "grep ^Uid: /proc/$(main_pid)/status && stat -c %U /proc/$(main_pid)" | grep -qw coax
}

has_new_age() {
	lab_client "$build/coax" get -v --timeout 2 "coap://$LAB_SERVER_4/hello" 2>&1 | grep 'Max-Age:29'
}

reloads() {
	in_system sed -i 's/#max-age = .*/max-age = 29/' /etc/coax/coaxd.conf
	former=$(main_pid)
	in_system systemctl reload coaxd || shows_log || return 1
	lab_wait_for 5 has_new_age || shows_log || return 1
	[ "$(main_pid)" -eq "$former" ]
}

# The smallest system has no man(1).
has_manuals() {
	for page in man1/coax.1 man1/coax-bench.1 man8/coaxd.8 man5/coaxd.conf.5; do
		in_system gzip -dc "/usr/share/man/$page.gz" | grep -q '^\.\(TH\|Dt\)' || return 1
	done
}

# upgrade_to VERSION, with requests coming in all the time.
upgrade_to() {
	former=$(main_pid)
	for method in get put; do
		path=hello
		[ "$method" = get ] || path=state
		lab_start_client "$build/coax-bench" socket --destination "$LAB_SERVER_4" --method "$method" \
			--path "/$path" --rate 500 --seconds 12 --sockets 16 --payload-size 20 \
			>"$LAB_DIR/load_$method" 2>&1
		eval "load_$method=\$LAB_PID"
	done
	sleep 1
	in_system dpkg -i "/root/coax_$1.deb" || return 1
	# shellcheck disable=SC2154 # by eval
	for pid in "$load_get" "$load_put"; do
		lab_running "$pid" || echo "the load has ended before the upgrade"
		wait "$pid"
		lab_forget "$pid"
	done
	cat "$LAB_DIR"/load_*
	for method in get put; do
		grep -q ' lost=0 ' "$LAB_DIR/load_$method" && grep -q ' errors=0 ' "$LAB_DIR/load_$method" ||
			shows_log || return 1
	done
}

# The new program runs, under the unit's own name, and nothing is left of the way there.
upgrades() {
	upgrade_to 99.1 && [ "$(main_pid)" -ne "$former" ] && lab_wait_for 5 kernel_gets || shows_log || return 1
	in_system systemctl --quiet is-active coaxd && ! in_system systemctl --quiet is-active coaxd-upgrade &&
		! in_system test -e /run/systemd/system/coaxd-upgrade.service &&
		in_system cmp "/proc/$(main_pid)/exe" /usr/sbin/coaxd
}

stays() {
	upgrade_to 99.2 && [ "$(main_pid)" -eq "$former" ] && lab_wait_for 5 kernel_gets
}

removes() {
	in_system sh -c 'DEBIAN_FRONTEND=noninteractive apt-get remove -y coax' || return 1
	! in_system systemctl --quiet is-active coaxd && ! in_system test -e /sys/fs/bpf/coax/default &&
		! in_system test -e /run/coax/default && in_system test -e /etc/coax/coaxd.conf &&
		! lab_server ip -d link show dev "$LAB_SERVER_LINK" | grep prog/xdp
}

# What is served is the operator's.
purges() {
	in_system sh -c 'DEBIAN_FRONTEND=noninteractive apt-get purge -y coax libcoax0' || return 1
	everything | grep -v -e /srv/coap -e /etc/systemd/system/coaxd.service.d >"$LAB_DIR/after"
	comm -13 "$LAB_DIR/before" "$LAB_DIR/after" | grep -i coa && return 1
	in_system test -e /srv/coap/hello
}

plan 10
container=
lab_begin
trap 'leave $?' EXIT
system=$LAB_DIR/system
write_boot
check "a small Debian system is made" make_system
check "it starts" boot
check "the packages install, with what they depend on" install_packages
check "the daemon is started by its unit, and serves in the kernel too" serves
check "systemd reloads its configuration" reloads
check "the man pages are there" has_manuals
check "an upgrade hands over to the new version without a lost request" upgrades
check "when the new version cannot serve the former one goes on" stays
check "removed, it leaves no process, no program, no pins and no socket" removes
check "purged, it leaves what was served, and no other file" purges
finish
