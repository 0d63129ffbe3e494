/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One's-complement sums (RFC 1071) of 16-bit words as they lie in memory, so byte order does not
 * matter. 32-bit words may be added as well: 2^16 and 2^32 are both 1 modulo 2^16 - 1.
 */
#ifndef COAX_BPF_CHECKSUM_H
#define COAX_BPF_CHECKSUM_H

#include <stdbool.h>
#include <linux/types.h>

/* The same sum in 18 bits: room for what is added to it. */
static __always_inline __u64 sum_narrow(__u64 sum)
{
	return (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
}

/* In 16 bits: the halves are added in the upper one, the carry comes from the lower one. */
static __always_inline __u16 sum_fold(__u32 sum)
{
	return (sum * 0x10001 + (sum >> 16)) >> 16;
}

/* As it goes into a UDP header, where zero would mean that there is none (RFC 768). */
static __always_inline __u16 sum_check(__u32 sum)
{
	__u16 check = ~sum_fold(sum);

	return check ? check : 0xffff;
}

/*
 * Whether it is 0xffff once folded, so a multiple of 2^16 - 1 (but not 0, which no sum of a header
 * is). Multiplied by the inverse modulo 2^64, those alone give their quotients, the numbers up to
 * SUM_QUOTIENT_MAX; it is also the inverse but for its sign.
 */
#define SUM_QUOTIENT_MAX 0x0001000100010001ULL

static __always_inline bool sum_is_multiple(__u64 sum)
{
	return -(sum * SUM_QUOTIENT_MAX) <= SUM_QUOTIENT_MAX;
}

/* To be added for a word that is taken out of a sum. */
static __always_inline __u16 sum_without(__u16 word)
{
	return ~word;
}

/* The sum of the same bytes when they begin at an odd offset: 2^8 swaps the bytes modulo 2^16 - 1.
 */
static __always_inline __u32 sum_at(__u32 offset, __u32 sum)
{
	return sum << 8 * (offset & 1);
}

/* `count` is a constant. */
static __always_inline __u64 sum_words(const __u32 *words, __u32 count)
{
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < count; i++)
		sum += words[i];
	return sum_narrow(sum);
}

#endif
