/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flood of ClientHellos from whoever has no cookie.
 */
#ifndef BENCH_HELLOS_H
#define BENCH_HELLOS_H

#include "secure.h"

struct hellos_counts {
	uint64_t sent;
	uint64_t answered; /* by a HelloVerifyRequest */
};

/* Until `end`, or `count` have been sent, or a signal. Returns 0 or a negative errno. */
int hellos_run(const struct secure_options *options, uint64_t end, uint64_t count,
	       struct hellos_counts *counts);

#endif
