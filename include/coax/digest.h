/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keyed hash of messages that both halves compute, by which a duplicate is known again.
 *
 * NH (the hash of UMAC, RFC 4418) twice, the second time with the key shifted by a word, and of its
 * 128 bits and the length a multilinear hash of 2 x 32 bits: whoever does not know the secret finds
 * two messages with one digest by a chance of 2^-63. Two multiplications for 8 bytes, nothing
 * secret in what it returns that would be shown to anybody.
 */
#ifndef COAX_DIGEST_H
#define COAX_DIGEST_H

#include <linux/types.h>

/* Longest input, in bytes and in words. */
#define COAX_DIGEST_MAX	  4096
#define COAX_DIGEST_WORDS (COAX_DIGEST_MAX / 8)

/* Random numbers, all of it. */
struct coax_digest_secret {
	__u64 end[12];
	__u64 words[COAX_DIGEST_WORDS + 1];
};

struct coax_digest_sums {
	__u64 first;
	__u64 second;
};

static inline __attribute__((always_inline)) __u64 coax_digest_pair(__u64 word, __u64 key)
{
	__u64 low = (__u32)((__u32)word + (__u32)key);
	__u64 high = (__u32)((__u32)(word >> 32) + (__u32)(key >> 32));

	return low * high;
}

/* The word number `at` of the input as it lies in memory; the last one is padded with zeros. */
static inline __attribute__((always_inline)) void
coax_digest_add(struct coax_digest_sums *sums, const struct coax_digest_secret *secret, __u32 at,
		__u64 word)
{
	sums->first += coax_digest_pair(word, secret->words[at]);
	sums->second += coax_digest_pair(word, secret->words[at + 1]);
}

static inline __attribute__((always_inline)) __u64
coax_digest_half(const struct coax_digest_sums *sums, const __u64 *key, __u32 length)
{
	__u64 sum = key[0] + length * key[1];

	sum += (key[2] + (__u32)sums->first) * (key[3] + (sums->first >> 32));
	sum += (key[4] + (__u32)sums->second) * (key[5] + (sums->second >> 32));
	return sum >> 32;
}

/* Of all words of an input of `length` bytes. */
static inline __attribute__((always_inline)) __u64
coax_digest_end(const struct coax_digest_sums *sums, const struct coax_digest_secret *secret,
		__u32 length)
{
	return coax_digest_half(sums, secret->end, length) << 32 |
	       coax_digest_half(sums, secret->end + 6, length);
}

/* Of `length` bytes, at most COAX_DIGEST_MAX, when the words before `from` are in the sums. */
static inline __u64 coax_digest_rest(struct coax_digest_sums *sums,
				     const struct coax_digest_secret *secret, const void *data,
				     __u32 from, __u32 length)
{
	const __u8 *bytes = data;
	__u32 words = length / 8;
	__u64 word;

	for (__u32 i = from; i < words; i++) {
		__builtin_memcpy(&word, bytes + 8 * (__u64)i, 8);
		coax_digest_add(sums, secret, i, word);
	}
	if (length % 8) {
		word = 0;
		__builtin_memcpy(&word, bytes + 8 * (__u64)words, length % 8);
		coax_digest_add(sums, secret, words, word);
	}
	return coax_digest_end(sums, secret, length);
}

/* Of `length` bytes, at most COAX_DIGEST_MAX. */
static inline __u64 coax_digest(const struct coax_digest_secret *secret, const void *data,
				__u32 length)
{
	struct coax_digest_sums sums = {0, 0};

	return coax_digest_rest(&sums, secret, data, 0, length);
}

#endif
