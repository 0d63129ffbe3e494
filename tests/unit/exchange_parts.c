// SPDX-License-Identifier: BSD-2-Clause
/* The exchange layer's timers and its memory for replies, against models. */
#include "../harness.h"

#include "exchange/memory.h"
#include "exchange/replies.h"
#include "exchange/timer.h"

static uint32_t random_state = 12345;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

TEST("of many timers, started, moved and stopped, the one that is due first is first")
{
	static struct coax_timer timer[200];
	struct coax_timers timers;

	ASSERT_EQ(coax_timers_create(&timers, 200), 0);
	for (int step = 0; step < 50000; step++) {
		struct coax_timer *at = &timer[draw(200)], *first = NULL;

		if (draw(3))
			coax_timer_start(&timers, at, draw(1000));
		else
			coax_timer_stop(&timers, at);
		for (int i = 0; i < 200; i++) {
			if (timer[i].at && (!first || timer[i].due < first->due))
				first = &timer[i];
		}
		if (first)
			ASSERT_EQ(coax_timers_first(&timers)->due, first->due);
		else
			ASSERT_TRUE(!coax_timers_first(&timers));
	}
	coax_timers_destroy(&timers);
}

TEST("timers come up in order")
{
	static struct coax_timer timer[1000];
	struct coax_timers timers;
	uint64_t last = 0;

	ASSERT_EQ(coax_timers_create(&timers, 1000), 0);
	for (int i = 0; i < 1000; i++)
		coax_timer_start(&timers, &timer[i], draw(100000));
	for (int i = 0; i < 1000; i++) {
		struct coax_timer *first = coax_timers_first(&timers);

		ASSERT_GE(first->due, last);
		last = first->due;
		coax_timer_stop(&timers, first);
	}
	EXPECT_TRUE(!coax_timers_first(&timers));
	coax_timers_destroy(&timers);
}

TEST("replies of all sizes are kept as they were, through any order of keeping and dropping")
{
	static const uint32_t sizes[] = {1,   63,   64,	  65,	255,  256,
					 257, 1023, 1024, 1025, 2047, 2048};
	struct {
		uint32_t name, length;
		uint8_t fill;
	} kept[512] = {{0}};
	struct coax_replies replies;
	int refused = 0;

	ASSERT_EQ(coax_replies_create(&replies, 256 * 1024), 0);
	for (int step = 0; step < 100000; step++) {
		uint32_t at = draw(512);
		uint8_t data[2048];

		if (kept[at].name) {
			const uint8_t *got = coax_replies_get(&replies, kept[at].name);

			for (uint32_t i = 0; i < kept[at].length; i++)
				ASSERT_EQ(got[i], kept[at].fill);
			coax_replies_drop(&replies, kept[at].name);
			kept[at].name = 0;
			continue;
		}
		kept[at].length = sizes[draw(sizeof(sizes) / sizeof(sizes[0]))];
		kept[at].fill = (uint8_t)step;
		memset(data, kept[at].fill, kept[at].length);
		kept[at].name = coax_replies_put(&replies, data, kept[at].length);
		refused += !kept[at].name;
	}
	EXPECT_GT(refused, 0);
	coax_replies_destroy(&replies);
}

TEST("memory for replies that one size has given back is there for the others, all of it")
{
	static const uint8_t reply[2048];
	static const uint32_t sizes[] = {64, 256, 1024, 2048};
	static uint32_t names[4096];
	struct coax_replies replies;

	ASSERT_EQ(coax_replies_create(&replies, 64 * 1024), 0);
	for (int round = 0; round < 40; round++) {
		uint32_t size = sizes[round % 4], count = 0;

		while ((names[count] = coax_replies_put(&replies, reply, size)))
			ASSERT_LT(++count, 4096u);
		EXPECT_EQ(count * size, 64 * 1024u);
		while (count)
			coax_replies_drop(&replies, names[--count]);
	}
	EXPECT_EQ(coax_replies_put(&replies, reply, 2049), 0u);
	coax_replies_destroy(&replies);
}

TEST("a pool gives as many records as it has, and those given back again")
{
	struct coax_pool pool;
	void *record[10];

	ASSERT_EQ(coax_pool_create(&pool, 100, 10), 0);
	for (int i = 0; i < 10; i++) {
		record[i] = coax_pool_take(&pool);
		ASSERT_TRUE(record[i] != NULL);
		memset(record[i], i, 100);
	}
	EXPECT_TRUE(!coax_pool_take(&pool));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(((uint8_t *)record[i])[99], i);
	coax_pool_give(&pool, record[3]);
	coax_pool_give(&pool, record[7]);
	EXPECT_TRUE(coax_pool_take(&pool) == record[7]);
	EXPECT_TRUE(coax_pool_take(&pool) == record[3]);
	EXPECT_TRUE(!coax_pool_take(&pool));
	coax_pool_destroy(&pool);
}

TEST_MAIN()
