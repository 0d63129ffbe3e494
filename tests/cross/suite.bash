# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Everything built for another architecture, and the unit tests run under qemu's emulation of its
# processes. To be sourced at the top of the tree.
#
#	suite ARCHITECTURE TRIPLET EMULATOR BPF_TARGET

cross_make() { # directory, sysroot, triplet, emulator, BPF target; make's arguments
	local build=$1 sysroot=$2 triplet=$3 emulator=$4 target=$5
	shift 5
	# bpftool makes skeletons of what has its own byte order, so it has to be that architecture's.
	PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$triplet/pkgconfig:$sysroot/usr/share/pkgconfig \
		PKG_CONFIG_SYSROOT_DIR=$sysroot \
		make -s B="$build" SYSROOT="$sysroot" CC="$triplet-gcc --sysroot=$sysroot" \
		BPF_TARGET="$target" BPFTOOL="$emulator -L $sysroot $sysroot/usr/sbin/bpftool" "$@"
}

# The architecture of an executable file, in readelf's words.
machine_of() {
	readelf -h "$1" | sed -n 's/^ *Machine: *//p'
}

suite() {
	local architecture=$1 triplet=$2 emulator=$3 target=$4
	local build=${COAX_BUILD:-build}/$triplet sysroot number=1 bad=0 source program output

	if ! command -v "$triplet-gcc" >/dev/null; then
		echo "1..0 # SKIP needs $triplet-gcc"
		return 4
	fi
	if ! output=$(tests/cross/fetch emulator 2>&1) || ! sysroot=$(tests/cross/fetch "$architecture" 2>&1); then
		echo "1..0 # SKIP $output $sysroot"
		return 4
	fi
	emulator=$output/usr/bin/$emulator
	mapfile -t sources < <(ls tests/unit/*.c)
	echo "KTAP version 1"
	echo "1..$((${#sources[@]} + 1))"
	if output=$(cross_make "$build" "$sysroot" "$triplet" "$emulator" "$target" all tests 2>&1); then
		echo "ok 1 all of it is built for $architecture: $(machine_of "$build/coaxd"), BPF for" \
			"$(machine_of "$build/bpf/coax.bpf.o"),$(readelf -h "$build/bpf/coax.bpf.o" |
				sed -n 's/.*complement,//p')"
	else
		echo "$output" | tail -n 40 | sed 's/^/# /'
		echo "not ok 1 all of it is built for $architecture"
		return 1
	fi
	for source in "${sources[@]}"; do
		program=$build/${source%.c}
		number=$((number + 1))
		if output=$(COAX_TEST_PATIENCE=10 timeout --kill-after=5 200 "$emulator" -L "$sysroot" "$program" 2>&1); then
			echo "ok $number $architecture: ${source%.c}"
		else
			echo "$output" | grep -v '^ok' | tail -n 40 | sed 's/^/# /'
			echo "not ok $number $architecture: ${source%.c}"
			bad=1
		fi
	done
	return "$bad"
}
