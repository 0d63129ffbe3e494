/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts of durations in buckets that are about 3 % wide, whatever the duration.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_SUB	   (1U << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t bucket[HISTOGRAM_BUCKETS];
	uint64_t count;
	uint64_t max;
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that `share` (0 to 1) of all do not exceed, to within a bucket. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
