#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 1500
#
# The kernel half on Linux 6.12, the newest that Debian 12 offers.
set -u

cd "$(dirname "$0")/../.." || exit 1
. tests/vm/programs.bash
export COAX_VM_SECONDS=1480
exec tests/vm/run 6.12 "${programs[@]}"
