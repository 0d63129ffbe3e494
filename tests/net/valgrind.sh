#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# A server and a client, from beginning to end, under valgrind: nothing is lost, and nothing is read
# that was not written.
set -u

cd "$(dirname "$0")/../.." || exit 1
command -v valgrind >/dev/null || {
	echo "1..0 # SKIP no valgrind"
	exit 4
}
exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=1 \
	--suppressions=tests/net/valgrind.supp "${COAX_BUILD:-build}/tests/net/lifecycle"
