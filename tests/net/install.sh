#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `make install` gives is enough to build and run the README's example against, and no more.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${COAX_BUILD:-build}
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
cd "$root" || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
prefix=/opt/coax
usr=$scratch$prefix

installed() {
	make -s install B="$build" DESTDIR="$scratch" PREFIX="$prefix" &&
		[ -x "$usr/bin/coax" ] && [ -x "$usr/bin/coax-bench" ] && [ -x "$usr/sbin/coaxd" ] &&
		"$usr/bin/coax" --version && "$usr/sbin/coaxd" --version &&
		[ -e "$scratch/etc/coax/coaxd.conf" ] &&
		[ -e "$usr/share/doc/coax/coaxd.conf" ] &&
		[ -e "$usr/share/man/man8/coaxd.8" ] && [ -e "$usr/share/man/man5/coaxd.conf.5" ] &&
		[ -e "$usr/share/man/man3/coax_context_create.3" ] &&
		[ -e "$usr/share/bash-completion/completions/coaxd" ] &&
		grep -q "=$prefix/sbin/coaxd" "$usr/lib/systemd/system/coaxd.service"
}

# What its owner has made of the configuration stays.
installed_again() {
	echo '# mine' >>"$scratch/etc/coax/coaxd.conf"
	make -s install B="$build" DESTDIR="$scratch" PREFIX="$prefix" && grep -q '# mine' "$scratch/etc/coax/coaxd.conf"
}

flags() {
	PKG_CONFIG_PATH=$usr/lib/pkgconfig pkg-config \
		--define-variable=prefix="$usr" "$@" libcoax
}

# The example listens on the protocol's port: in a network of its own.
example() {
	awk '/^```c$/ {on = !seen++; next} /^```$/ {on = 0} on' README.md >"$scratch/lamp.c"
	# shellcheck disable=SC2046 # flags are words
	gcc -Wall "$scratch/lamp.c" $(flags --cflags --libs) -o "$scratch/lamp"
}

# The linker warns of what glibc loads at run time all the same.
example_static() {
	# shellcheck disable=SC2046 # flags are words
	gcc -static "$scratch/lamp.c" $(flags --static --cflags --libs) -o "$scratch/static" &&
		! readelf -d "$scratch/static" | grep NEEDED
}

# serves PROGRAM
# shellcheck disable=SC2016 # expanded in the namespace
serves() {
	unshare --net sh -c '
		ip link set lo up
		LD_LIBRARY_PATH=$1/lib "$2" & lamp=$!
		coax=$1/bin/coax
		tries=0
		until $coax ping --timeout 1 coap://127.0.0.1; do
			tries=$((tries + 1))
			[ $tries -lt 50 ] || break
			sleep 0.1
		done
		$coax put --timeout 10 coap://127.0.0.1/lamp -p on && state=$($coax get "coap://[::1]/lamp")
		kill $lamp
		wait $lamp && [ "$state" = on ]' sh "$usr" "$1"
}

# The names of functions that the public headers declare, inline ones left out.
declared() {
	gcc -E -P -D_GNU_SOURCE -Iinclude include/coax/coax.h | tr '\n' ' ' |
		perl -pe 's/static inline[^;{]*\{(?:[^{}]|\{[^{}]*\})*\}//g; s/[;}]/$&\n/g' | grep -oE '\bcoax_[a-z0-9_]+\([^()]*(\([^()]*\)[^()]*)*\)[^{]*;$' |
		grep -oE '^coax_[a-z0-9_]+' | sort -u
}

exported() {
	nm -D --defined-only "$usr/lib/libcoax.so" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort -u
}

same_names() {
	diff <(declared) <(exported)
}

compiles_alone() {
	local header
	for header in include/coax/*.h; do
		case $header in */maps.h) continue ;; esac # wants <linux/types.h>, as it says
		echo "#include <coax/${header##*/}>" |
			gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - || return 1
	done
}

plan 8
check "make install puts the library, its headers and the programs in place" installed
check "installed again, it leaves the configuration as it is" installed_again
check "the README's example compiles with what pkg-config says" example
check "the README's example serves, and ends in order" serves "$scratch/lamp"
check "with the static library it needs no other one" example_static
check "so made it serves as well" serves "$scratch/static"
check "the shared library exports what the public headers declare, and nothing else" same_names
check "each public header stands alone" compiles_alone
finish
