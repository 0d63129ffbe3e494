#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What OpenWrt's package does on the device, by busybox's shell: settings of UCI become a configuration that coaxd
# takes, and the init script starts it with that. UCI and procd are played here.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${COAX_BUILD:-build}
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
cd "$root" || exit 1
files=tools/packaging/openwrt/files
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# UCI's own files are shell commands to those who define them so.
mkdir -p "$scratch/lib/functions" "$scratch/srv"
cat >"$scratch/lib/functions.sh" <<'EOT'
config_cb() { :; }
option_cb() { :; }
list_cb() { :; }
config() { section_now=${2:-none}; config_cb "$1" "${2:-}"; }
option() { eval "uci_${section_now}_$1=\$2"; option_cb "$1" "$2"; }
list() { list_cb "$1" "$2"; }
config_get() { eval "$1=\${uci_${2}_$3:-${4:-}}"; }
config_get_bool() { config_get "$1" "$2" "$3" "${4:-}"; }
config_load() { . "$IPKG_INSTROOT/etc/config/$1"; }
EOT
cat >"$scratch/lib/functions/network.sh" <<'EOT'
network_get_device() { [ "$2" = lan ] && eval "$1=br-lan"; }
EOT
mkdir -p "$scratch/etc/config"
export IPKG_INSTROOT="$scratch"

ash() {
	busybox ash "$@"
}

converted() {
	ash "$files/uci-to-conf" >"$scratch/coaxd.conf" && cat "$scratch/coaxd.conf"
}

# checks: coaxd takes what was converted; as somebody, who has to be able to read it.
checks() {
	chmod -R a+rX "$scratch"
	"$build/coaxd" --config "$scratch/coaxd.conf" --check --user nobody
}

example() {
	sed "s|/srv/coap|$scratch/srv|; s/'coax'/'nobody'/" "$files/coaxd.config" >"$scratch/etc/config/coaxd"
	converted && "$build/coaxd" --config "$scratch/coaxd.conf" --check
}

# The comments in the example are settings that could be made.
example_whole() {
	sed "s|/srv/coap|$scratch/srv|; s/'coax'/'nobody'/; s/^#\(	\|config\)/\1/" "$files/coaxd.config" \
		>"$scratch/etc/config/coaxd"
	converted && checks && grep -q "^interface += 'br-lan'" "$scratch/coaxd.conf" &&
		grep -q "^access '/config' {" "$scratch/coaxd.conf"
}

all_kinds() {
	cat >"$scratch/etc/config/coaxd" <<-EOT
		config coaxd 'main'
			option enabled '1'
			option workers '2'
			list bind '192.0.2.1:5683'
			list bind '[2001:db8::1]:5683'
		config serve
			option writable '1'
			option max_age '30'
			option directory '$scratch/srv'
		config kernel
			option route_replies '1'
			list interface 'lan'
			list interface 'eth1'
		config access
			option path '/'
			list allow '* read'
			list allow 'secure all'
		config limits
			option requests '100'
		config proxy
			option path '/sensors'
			list origin 'coap://192.0.2.10'
			list origin 'coap://192.0.2.11:5683/backup'
		config proxies
			option stale_if_error '60'
	EOT
	cat >"$scratch/wanted" <<-EOT
		workers = '2'
		bind += '192.0.2.1:5683'
		bind += '[2001:db8::1]:5683'
		serve '$scratch/srv' {
		writable = 'yes'
		max-age = '30'
		}
		kernel {
		route-replies = 'yes'
		interface += 'br-lan'
		interface += 'eth1'
		}
		access '/' {
		allow += '* read'
		allow += 'secure all'
		}
		limits {
		requests = '100'
		}
		proxy '/sensors' {
		origin += 'coap://192.0.2.10'
		origin += 'coap://192.0.2.11:5683/backup'
		}
		proxies {
		stale-if-error = '60'
		}
	EOT
	converted &&
		diff "$scratch/wanted" "$scratch/coaxd.conf" && checks
}

# Those that UCI writes 1 and 0 for.
flags() {
	sed -n '/^const struct coaxd_setting coaxd_settings/,$p' user/coaxd/settings.c | awk -v RS='},' '/FLAG\(|flag = true/ && match($0, /\.key = "[a-z-]+"/) {
		print substr($0, RSTART + 8, RLENGTH - 9)}' | tr - _ >"$scratch/flags"
	[ "$(wc -l <"$scratch/flags")" -ge 5 ] || return 1
	while read -r flag; do
		grep -q "[*:]$flag\b" "$files/uci-to-conf" || {
			echo "$flag"
			return 1
		}
	done <"$scratch/flags"
}

# A value is never more than a value.
hostile() {
	cat >"$scratch/etc/config/coaxd" <<-'EOT'
		config coaxd 'main'
			option user 'no"bo'\''dy \ $(touch /tmp/never) ${HOME} # } {'
	EOT
	converted && grep -qxF "user = 'no\"bo\\'dy \\\\ \$(touch /tmp/never) \${HOME} # } {'" "$scratch/coaxd.conf"
}

mistake() {
	cat >"$scratch/etc/config/coaxd" <<-EOT
		config serve
			option directory '$scratch/srv'
		config limits
			option requests 'many'
	EOT
	converted || return 1
	checks 2>"$scratch/said" && return 1
	cat "$scratch/said"
	grep -q 'limits: requests' "$scratch/said"
}

# run_init: the init script's start, with the device's paths below $scratch and procd's calls written down.
run_init() {
	mkdir -p "$scratch/var/etc" "$scratch/usr/sbin" "$scratch/usr/libexec/coax"
	cp "$files/uci-to-conf" "$scratch/usr/libexec/coax"
	ln -sf "$(realpath "$build/coaxd")" "$scratch/usr/sbin/coaxd"
	sed "s|/var/etc|$scratch/var/etc|g; s|/usr/|$scratch/usr/|g" "$files/coaxd.init" >"$scratch/init"
	cat >"$scratch/rc" <<-'EOT'
		. "$IPKG_INSTROOT/lib/functions.sh"
		for call in procd_open_instance procd_set_param procd_close_instance procd_add_reload_trigger logger; do
			eval "$call() { echo $call \"\$*\"; }"
		done
		chown() { :; }
		mount() { echo mount; }
		ln() { :; }
		. "$IPKG_INSTROOT/init"
		start_service && service_triggers
	EOT
	chmod -R a+rX "$scratch"
	ash "$scratch/rc" >"$scratch/calls"
	status=$?
	cat "$scratch/calls"
	return "$status"
}

uci_with() {
	printf "config coaxd 'main'\n\toption enabled '%s'\n\toption user 'nobody'\nconfig serve 'files'\n\toption %s '%s'\n" \
		"$1" "$2" "$scratch/srv" >"$scratch/etc/config/coaxd"
}

starts() {
	uci_with 1 directory && run_init &&
		grep -q "^procd_set_param command $scratch/usr/sbin/coaxd --config $scratch/var/etc/coaxd.conf" "$scratch/calls" &&
		grep -q '^procd_set_param reload_signal HUP' "$scratch/calls" && grep -q "^serve '$scratch/srv'" "$scratch/var/etc/coaxd.conf"
}

# procd ends what is not named any more: the service goes on with what it had.
goes_on() {
	cp "$scratch/var/etc/coaxd.conf" "$scratch/former"
	uci_with 1 nonsense && run_init && grep -q '^logger' "$scratch/calls" &&
		grep -q '^procd_open_instance' "$scratch/calls" && cmp "$scratch/former" "$scratch/var/etc/coaxd.conf"
}

is_off() {
	uci_with 0 directory && run_init && ! grep -q procd_open_instance "$scratch/calls"
}

# What the package's Makefile takes from this tree is there.
makefile() {
	for name in bpf include user tools LICENSE LICENSES Makefile; do
		[ -e "$name" ] || return 1
	done
	used=$(sed -n 's|.* \./files/\([^ ]*\) .*|\1|p' tools/packaging/openwrt/Makefile)
	for file in $used; do
		[ -e "$files/$file" ] || return 1
	done
	shellcheck "$files/uci-to-conf" "$files/coaxd.init"
}

plan 10
check "the package's files are there, and in order" makefile
check "the example settings make a configuration that coaxd takes" example
check "so do those that it has as comments, with a logical interface's device" example_whole
check "sections, options, lists and flags become those of coaxd.conf" all_kinds
check "all flags of coaxd.conf are known as such" flags
check "what stands in a value stays a value" hostile
check "a mistake is found by coaxd --check, which names the setting" mistake
check "the init script has procd start coaxd with that, and reload it by SIGHUP" starts
check "after a mistake the service goes on with the configuration that it had" goes_on
check "disabled, it is not started" is_off
finish
