// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lease ends with the workers' signs of life: the clock is the test's.
 */
#include <sys/eventfd.h>
#include "../../user/context/loop.c"
#include "../harness.h"
#include "../keeper.h"

#define WORKERS 3

static struct coax_worker workers[WORKERS];
static struct coax_worker *pointers[WORKERS];
static struct coax_context context;

static void begin(unsigned int count)
{
	context.worker_count = count;
	context.workers = pointers;
	context.accel = keeper_begin();
	context.lease_interval = coax_accel_lease_ms(context.accel) * 1000000ULL / 3;
	context.logger = keeper_logger;
	for (unsigned int i = 0; i < count; i++) {
		workers[i].context = &context;
		workers[i].index = i;
		workers[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_GE(workers[i].wake, 0);
		__cds_wfcq_init(&workers[i].queue_head, &workers[i].queue_tail);
		pointers[i] = &workers[i];
	}
}

static void all_awake(void)
{
	for (unsigned int i = 1; i < context.worker_count; i++)
		awake(&workers[i]);
}

/* What worker 0 does at `now`. Returns how long the lease is from `since` on. */
static uint64_t lease_at(uint64_t now, uint64_t since)
{
	workers[0].now = now;
	extend_lease(&workers[0]);
	return keeper_config().lease - since;
}

TEST("the lease is extended while all workers give signs of life, and ends within its length after")
{
	uint64_t now, third, length;

	lab_begin();
	begin(WORKERS);
	now = coax_now();
	third = context.lease_interval;
	length = 3 * third;

	lease_at(now, now);
	all_awake();
	/* Any of them may have hung since it was asked. */
	EXPECT_EQ(lease_at(now + third, now), length);
	all_awake();
	EXPECT_EQ(lease_at(now + 2 * third, now + third), length);
	awake(&workers[1]);
	EXPECT_EQ(lease_at(now + 3 * third, now + third), length);
	EXPECT_TRUE(keeper_said("a worker has been busy"));
	EXPECT_EQ(lease_at(now + 4 * third, now + third), length);
	all_awake();
	EXPECT_EQ(lease_at(now + 5 * third, now + 4 * third), length);
	coax_accel_close(context.accel);
}

TEST("a lone worker's lease is its own sign of life")
{
	uint64_t now, third;

	lab_begin();
	begin(1);
	now = coax_now();
	third = context.lease_interval;
	EXPECT_EQ(lease_at(now, now), 3 * third);
	EXPECT_EQ(lease_at(now + third, now + third), 3 * third);
	EXPECT_EQ(lease_at(now + third + 1, now + third), 3 * third);
	coax_accel_close(context.accel);
}

TEST_MAIN()
