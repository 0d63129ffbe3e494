#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 1200
#
# s390x: big-endian.
set -u

cd "$(dirname "$0")/../.." || exit 1
. tests/cross/suite.bash
suite s390x s390x-linux-gnu qemu-s390x bpfeb
