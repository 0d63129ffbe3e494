// SPDX-License-Identifier: BSD-2-Clause
/* The hash of messages that both halves compute, against its definition. */
#include <coax/digest.h>
#include "hash.h"
#include "../harness.h"

static struct coax_digest_secret secret;
static uint8_t bytes[COAX_DIGEST_MAX + 8];

static uint64_t drawn = 1;

static uint64_t draw(void)
{
	drawn ^= drawn << 13;
	drawn ^= drawn >> 7;
	drawn ^= drawn << 17;
	return drawn;
}

static void begin(void)
{
	for (size_t i = 0; i < 12; i++)
		secret.end[i] = draw();
	for (size_t i = 0; i <= COAX_DIGEST_WORDS; i++)
		secret.words[i] = draw();
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)draw();
}

/* NH as in RFC 4418 section 5.2.2, of 64-bit words: halves plus halves of the key, multiplied. */
static uint64_t nh(const __u64 *key, const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t low = (uint32_t)(words[i] & 0xffffffff) + (uint32_t)(key[i] & 0xffffffff);
		uint32_t high = (uint32_t)(words[i] >> 32) + (uint32_t)(key[i] >> 32);

		sum += (uint64_t)low * high;
	}
	return sum;
}

static uint64_t by_definition(uint32_t length)
{
	uint64_t words[COAX_DIGEST_WORDS] = {0}, a, b, half[2];
	size_t count = (length + 7) / 8;

	memcpy(words, bytes, length);
	a = nh(secret.words, words, count);
	b = nh(secret.words + 1, words, count);
	for (int i = 0; i < 2; i++) {
		const __u64 *k = secret.end + 6 * i;

		half[i] = k[0] + k[1] * length + (k[2] + (a & 0xffffffff)) * (k[3] + (a >> 32)) +
			  (k[4] + (b & 0xffffffff)) * (k[5] + (b >> 32));
	}
	return (half[0] >> 32) << 32 | half[1] >> 32;
}

TEST("the digest is what its definition says, for all lengths")
{
	begin();
	for (uint32_t length = 0; length <= COAX_DIGEST_MAX; length++) {
		EXPECT_EQ(coax_digest(&secret, bytes, length), by_definition(length));
		EXPECT_EQ(coax_digest_message(&secret, bytes, length), by_definition(length));
	}
}

TEST("where the bytes lie does not matter, nor what is around them")
{
	uint64_t digest;

	begin();
	for (uint32_t length = 0; length < 100; length++) {
		digest = coax_digest(&secret, bytes, length);
		for (size_t at = 1; at < 8; at++) {
			memmove(bytes + at, bytes + at - 1, length);
			bytes[at + length]++;
			EXPECT_EQ(coax_digest(&secret, bytes + at, length), digest);
			EXPECT_EQ(coax_digest_message(&secret, bytes + at, length), digest);
		}
		memmove(bytes, bytes + 7, length);
	}
}

TEST("each bit of the input, and its length, changes each bit of the digest about half of the time")
{
	enum {
		LENGTH = 100,
		SECRETS = 200
	};
	static uint32_t changed[8 * LENGTH + 1];
	uint64_t digest;

	for (int i = 0; i < SECRETS; i++) {
		begin();
		digest = coax_digest(&secret, bytes, LENGTH);
		for (size_t bit = 0; bit < 8 * LENGTH; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			changed[bit] += (uint32_t)__builtin_popcountll(
				digest ^ coax_digest(&secret, bytes, LENGTH));
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		bytes[LENGTH] = 0; /* a zero more pads to the same words */
		changed[8 * LENGTH] += (uint32_t)__builtin_popcountll(
			digest ^ coax_digest(&secret, bytes, LENGTH + 1));
	}
	for (size_t bit = 0; bit <= 8 * LENGTH; bit++) {
		EXPECT_GT(changed[bit], SECRETS * 64U * 2 / 5);
		EXPECT_LT(changed[bit], SECRETS * 64U * 3 / 5);
	}
}

TEST("messages of one length, and of all lengths of zeros, have digests of their own")
{
	static uint64_t seen[COAX_DIGEST_MAX + 1];

	begin();
	memset(bytes, 0, sizeof(bytes));
	for (uint32_t length = 0; length <= COAX_DIGEST_MAX; length++) {
		seen[length] = coax_digest(&secret, bytes, length);
		for (uint32_t i = length > 64 ? length - 64 : 0; i < length; i++)
			EXPECT_NE(seen[length], seen[i]);
	}
}

TEST_MAIN()
