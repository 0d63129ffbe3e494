// SPDX-License-Identifier: BSD-2-Clause
/*
 * In which order a proxy asks its origins, and how long it leaves one alone that has failed, by a
 * clock that the test drives.
 */
#include <coax/coax.h>
#include "../harness.h"
#include "clock.h"
#include "proxy/origin.h"

#define BEGIN (1000 * NS_PER_SEC)
#define KEYS  4000

static struct coax_origin origins[4];
static struct coax_origin *const all[] = {&origins[0], &origins[1], &origins[2], &origins[3]};

static void begin(unsigned int count)
{
	char uri[32];
	const char *error;

	for (unsigned int i = 0; i < count; i++) {
		sprintf(uri, "coap://192.0.2.%u/base", i + 1);
		ASSERT_EQ(coax_origin_create(&origins[i], uri, &error), 0);
	}
}

static void end(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		coax_origin_destroy(&origins[i]);
}

/* Keys are hashes already. */
static uint64_t key(uint64_t number)
{
	return (number + 1) * 0xff51afd7ed558ccd;
}

TEST("each key has an order of origins, in which each is once, and which stays")
{
	uint8_t order[COAX_ORIGINS_MAX], again[COAX_ORIGINS_MAX];

	begin(4);
	for (uint64_t i = 0; i < KEYS; i++) {
		unsigned int seen = 0;

		ASSERT_EQ(coax_origins_rank(all, 4, key(i), order), 4U);
		for (int at = 0; at < 4; at++)
			seen |= 1U << order[at];
		EXPECT_EQ(seen, 15U);
		coax_origins_rank(all, 4, key(i), again);
		EXPECT_MEMEQ(order, again, 4);
	}
	end(4);
}

TEST("keys are spread evenly, and of those of one that fails, over the others")
{
	unsigned int first[4] = {0}, second[4] = {0};
	uint8_t order[COAX_ORIGINS_MAX];

	begin(4);
	for (uint64_t i = 0; i < KEYS; i++) {
		coax_origins_rank(all, 4, key(i), order);
		first[order[0]]++;
		if (order[0] == 0)
			second[order[1]]++;
	}
	for (int i = 0; i < 4; i++) {
		EXPECT_GT(first[i], KEYS / 5U);
		EXPECT_LT(first[i], KEYS / 3U);
		if (i)
			EXPECT_GT(second[i], first[0] / 5);
	}
	end(4);
}

TEST("an origin more takes only what is its own: the other keys stay where they are")
{
	uint8_t before[COAX_ORIGINS_MAX], after[COAX_ORIGINS_MAX];
	unsigned int moved = 0;

	begin(4);
	for (uint64_t i = 0; i < KEYS; i++) {
		coax_origins_rank(all, 3, key(i), before);
		coax_origins_rank(all, 4, key(i), after);
		moved += after[0] == 3;
		if (after[0] != 3)
			EXPECT_EQ(after[0], before[0]);
	}
	EXPECT_GT(moved, KEYS / 5U);
	end(4);
}

static bool is_down(uint64_t now)
{
	uint64_t until;
	uint8_t code;

	return coax_origin_is_down(&origins[0], now, &until, &code);
}

TEST("one that has failed is left alone for a second, then twice as long each time, up to a minute")
{
	static const uint64_t waits[] = {1, 2, 4, 8, 16, 32, 60, 60};
	uint64_t now = BEGIN;

	begin(1);
	EXPECT_FALSE(is_down(now));
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		coax_origin_failed(&origins[0], now, COAX_GATEWAY_TIMEOUT);
		EXPECT_TRUE(is_down(now));
		EXPECT_TRUE(is_down(now + waits[i] * NS_PER_SEC - 1));
		now += waits[i] * NS_PER_SEC;
		EXPECT_FALSE(is_down(now));
	}
	end(1);
}

TEST("those who were under way when it failed make it no worse, and an answer makes it well")
{
	uint64_t until;
	uint8_t code;

	begin(1);
	for (int i = 0; i < 100; i++)
		coax_origin_failed(&origins[0], BEGIN + (uint64_t)i, COAX_BAD_GATEWAY);
	EXPECT_TRUE(coax_origin_is_down(&origins[0], BEGIN, &until, &code));
	EXPECT_EQ(until, BEGIN + NS_PER_SEC);
	EXPECT_EQ(code, COAX_BAD_GATEWAY);
	coax_origin_answered(&origins[0], BEGIN, NULL);
	EXPECT_FALSE(is_down(BEGIN));
	coax_origin_failed(&origins[0], BEGIN, COAX_BAD_GATEWAY);
	EXPECT_FALSE(is_down(BEGIN + NS_PER_SEC));
	end(1);
}

TEST("the address that a name stood for is used for a minute, or until it fails")
{
	union coax_address address, found;
	const char *error;

	ASSERT_EQ(coax_address_parse(&found, "192.0.2.7:1234", 0), 0);
	ASSERT_EQ(coax_origin_create(&origins[0], "coap://a.example:1234/x", &error), 0);
	EXPECT_FALSE(coax_origin_address(&origins[0], BEGIN, &address));
	coax_origin_answered(&origins[0], BEGIN, &found);
	EXPECT_TRUE(coax_origin_address(&origins[0], BEGIN + 59 * NS_PER_SEC, &address));
	EXPECT_TRUE(coax_address_equal(&address, &found));
	EXPECT_FALSE(coax_origin_address(&origins[0], BEGIN + 60 * NS_PER_SEC, &address));
	coax_origin_answered(&origins[0], BEGIN, &found);
	coax_origin_failed(&origins[0], BEGIN, COAX_GATEWAY_TIMEOUT);
	EXPECT_FALSE(coax_origin_address(&origins[0], BEGIN, &address));
	end(1);
}

TEST("a literal is known from the start")
{
	union coax_address address;

	begin(1);
	EXPECT_TRUE(coax_origin_address(&origins[0], BEGIN, &address));
	EXPECT_EQ(coax_address_port(&address), COAX_PORT);
	coax_origin_failed(&origins[0], BEGIN, COAX_GATEWAY_TIMEOUT);
	EXPECT_TRUE(coax_origin_address(&origins[0], BEGIN, &address));
	end(1);
}

TEST_MAIN()
