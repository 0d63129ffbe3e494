#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 1200
#
# aarch64: other instructions, weakly ordered.
set -u

cd "$(dirname "$0")/../.." || exit 1
. tests/cross/suite.bash
suite arm64 aarch64-linux-gnu qemu-aarch64 bpfel
