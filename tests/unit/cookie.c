// SPDX-License-Identifier: BSD-2-Clause
/* The cookie that both halves compute. */
#include <sodium.h>
#include <linux/types.h>
#include <coax/cookie.h>
#include "../harness.h"

static struct coax_cookie_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static struct coax_cookie_input make_input(void)
{
	struct coax_cookie_input input;

	for (size_t i = 0; i < sizeof(input); i++)
		((uint8_t *)&input)[i] = (uint8_t)(i * 13 + 7);
	return input;
}

TEST("a cookie's hash is SipHash-2-4, as libsodium computes it")
{
	struct coax_cookie_input input = make_input();
	uint64_t words[sizeof(input) / 8], secret[2], wanted;

	for (int i = 0; i < 100; i++) {
		/* It takes words as the host has them; SipHash is defined for little-endian ones.
		 */
		for (size_t at = 0; at < COAX_COOKIE_WORDS; at++) {
			memcpy(&words[at], (uint8_t *)&input + 8 * at, 8);
			words[at] = htole64(words[at]);
		}
		secret[0] = htole64(key.words[0]);
		secret[1] = htole64(key.words[1]);
		crypto_shorthash((uint8_t *)&wanted, (uint8_t *)words, sizeof(words),
				 (uint8_t *)secret);
		EXPECT_EQ(coax_cookie(&key, &input), le64toh(wanted));
		input.random[i % 32] ^= (uint8_t)(i + 1);
		key.words[i % 2] += coax_cookie(&key, &input);
	}
}

TEST("each byte of who asks, what it asked and when, and of the key, makes another cookie")
{
	struct coax_cookie_input input = make_input();
	uint64_t hash = coax_cookie(&key, &input);

	for (size_t i = 0; i < 8 * sizeof(input); i++) {
		((uint8_t *)&input)[i / 8] ^= (uint8_t)(1 << i % 8);
		EXPECT_NE(coax_cookie(&key, &input), hash);
		((uint8_t *)&input)[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof(key); i++) {
		key.words[i / 64] ^= 1ULL << i % 64;
		EXPECT_NE(coax_cookie(&key, &input), hash);
		key.words[i / 64] ^= 1ULL << i % 64;
	}
}

TEST("a cookie is good in its period, in the next, and for who is a moment behind")
{
	for (uint64_t period = 0; period < 600; period++) {
		uint64_t start = period * COAX_COOKIE_PERIOD_NS;

		for (int other = 0; other < 256; other++) {
			uint8_t age = (uint8_t)(period - (uint64_t)other);
			bool good = age == 0 || age == 1 || age == 255;

			EXPECT_EQ(!!coax_cookie_is_timely((uint8_t)other, start), good);
			EXPECT_EQ(!!coax_cookie_is_timely((uint8_t)other,
							  start + COAX_COOKIE_PERIOD_NS - 1),
				  good);
		}
	}
}

TEST_MAIN()
