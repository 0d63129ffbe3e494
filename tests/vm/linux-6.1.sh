#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 1500
#
# The kernel half on Linux 6.1, the oldest that it is for. libxdp's dispatcher works there. COAX_VM_ALL=1
# makes it all that is worth running there; otherwise it is what takes a minute.
set -u

cd "$(dirname "$0")/../.." || exit 1
. tests/vm/programs.bash
export COAX_TEST_DISPATCHER=1 COAX_VM_SECONDS=1480
exec tests/vm/run 6.1 "${programs[@]}"
