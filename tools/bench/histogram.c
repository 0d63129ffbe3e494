// SPDX-License-Identifier: BSD-2-Clause
#include "histogram.h"

/*
 * Values below HISTOGRAM_SUB have a bucket each; above, each power of two is cut into
 * HISTOGRAM_SUB / 2 buckets, found by the value's leading bits.
 */
static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_SUB)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - (HISTOGRAM_SUB_BITS - 1);
	return shift * (HISTOGRAM_SUB / 2) + (unsigned int)(value >> shift);
}

/* The largest value in a bucket. */
static uint64_t bucket_top(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < HISTOGRAM_SUB)
		return bucket;
	shift = bucket / (HISTOGRAM_SUB / 2) - 1;
	return ((uint64_t)(bucket - shift * (HISTOGRAM_SUB / 2)) << shift) + (1ULL << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[bucket_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)((double)h->count * share + 0.9999), seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= wanted && seen)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return 0;
}
