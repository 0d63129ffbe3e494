# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the scripts that test in a lab begin with: $root and $build, the lab, and results in KTAP. Sourced
# by a script two directories below the top of the tree; from here on it runs in a mount namespace of its
# own.

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/lab.sh
. "$root/tools/lab.sh"
# shellcheck source=tests/ktap.sh
. "$root/tests/ktap.sh"
lab_private "$0" "$@"
# shellcheck disable=SC2034 # for the script
build=$LAB_BUILD
