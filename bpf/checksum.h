/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One's-complement sums (RFC 1071) of 16-bit words as they lie in memory, so byte order does not
 * matter. 32-bit words may be added as well: 2^16 and 2^32 are both 1 modulo 2^16 - 1.
 */
#ifndef COAX_BPF_CHECKSUM_H
#define COAX_BPF_CHECKSUM_H

#include <linux/types.h>

/* Good for sums of up to 2^16 words of 32 bits. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* To be added for a word that is taken out of a sum. */
static __always_inline __u16 sum_without(__u16 word)
{
	return ~word;
}

/* The sum of the same bytes when they begin at an odd offset instead of an even one. */
static __always_inline __u16 sum_at(__u32 offset, __u16 sum)
{
	return offset & 1 ? __builtin_bswap16(sum) : sum;
}

static __always_inline __u64 sum_words(const __u32 *words, __u32 count)
{
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

#endif
