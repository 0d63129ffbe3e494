/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookie of a HelloVerifyRequest (RFC 6347 section 4.2.1), which both halves make and know
 * again: SipHash-2-4 over who asks, what it asked and when, so that nothing has to be kept.
 */
#ifndef COAX_COOKIE_H
#define COAX_COOKIE_H

#include <linux/types.h>

/* Its first byte says in which period it was made. */
#define COAX_COOKIE_LENGTH    9
#define COAX_COOKIE_PERIOD_NS (64ULL * 1000000000)
#define COAX_COOKIE_WORDS     12

struct coax_cookie_key {
	__u64 words[2];
};

/* As the bytes lie in memory; what is not used is zero. */
struct coax_cookie_input {
	__u8 address[16]; /* IPv4 mapped */
	__u8 port[2];	  /* network order */
	__u8 session_length;
	__u8 period;
	__u8 version[2];
	__u8 reserved[10];
	__u8 random[32];
	__u8 session[32];
};

static inline __attribute__((always_inline)) __u8 coax_cookie_period(__u64 now)
{
	return (__u8)(now / COAX_COOKIE_PERIOD_NS);
}

/*
 * Whether a cookie of that period is good now. The halves' clocks are a tick apart: for a moment
 * one is in the period that is to come.
 */
static inline __attribute__((always_inline)) int coax_cookie_is_timely(__u8 period, __u64 now)
{
	return (__u8)(coax_cookie_period(now) + 1 - period) <= 2;
}

static inline __attribute__((always_inline)) __u64 coax_cookie_turn(__u64 value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline __attribute__((always_inline)) void coax_cookie_round(__u64 *v)
{
	v[0] += v[1];
	v[1] = coax_cookie_turn(v[1], 13) ^ v[0];
	v[0] = coax_cookie_turn(v[0], 32);
	v[2] += v[3];
	v[3] = coax_cookie_turn(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = coax_cookie_turn(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = coax_cookie_turn(v[1], 17) ^ v[2];
	v[2] = coax_cookie_turn(v[2], 32);
}

/* What follows the period in the cookie. In the order of the host's bytes: nobody else reads it. */
static inline __attribute__((always_inline)) __u64
coax_cookie(const struct coax_cookie_key *key, const struct coax_cookie_input *input)
{
	__u64 v[4] = {key->words[0] ^ 0x736f6d6570736575ULL, key->words[1] ^ 0x646f72616e646f6dULL,
		      key->words[0] ^ 0x6c7967656e657261ULL, key->words[1] ^ 0x7465646279746573ULL};
	const __u64 length = (__u64)(COAX_COOKIE_WORDS * 8) << 56;
	const __u8 *bytes = (const __u8 *)input;

	for (int i = 0; i <= COAX_COOKIE_WORDS; i++) {
		__u64 word = length;

		if (i < COAX_COOKIE_WORDS)
			__builtin_memcpy(&word, bytes + 8 * i, 8);
		v[3] ^= word;
		coax_cookie_round(v);
		coax_cookie_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		coax_cookie_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

_Static_assert(sizeof(struct coax_cookie_input) == COAX_COOKIE_WORDS * 8, "whole words");

#endif
