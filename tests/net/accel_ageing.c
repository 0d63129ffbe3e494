// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pairs that age: when they are renewed, what takes whose place, and that they end. The clock of
 * the keeper's looks is the test's.
 */
#include <coax/option.h>
#include "../harness.h"
#include "../keeper.h"

#define SECOND 1000000000ULL
#define TICK   100000000ULL /* more than a coarse clock is behind */

static struct coax_accel *accel;
static struct coax_subject *subject;

static int sooner;  /* calls */
static int renewed; /* likewise */
static uint8_t renewal[128];
static size_t renewal_length;
static uint64_t renewal_until;

static void count_sooner(void *arg)
{
	(void)arg;
	sooner++;
}

static void note_renewal(void *arg, const uint8_t *request, size_t length, uint64_t until)
{
	(void)arg;
	renewed++;
	ASSERT_LE(length, sizeof(renewal));
	memcpy(renewal, request, length);
	renewal_length = length;
	renewal_until = until;
}

static void begin(void)
{
	static const struct coax_accel_calls calls = {count_sooner, note_renewal};

	lab_begin();
	accel = keeper_begin();
	coax_accel_call(accel, &calls, NULL);
	ASSERT_EQ(coax_subject_create(&subject), 0);
}

static void end(void)
{
	coax_subject_put(subject);
	coax_accel_close(accel);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static bool publish(const char *path, const char *payload, uint64_t until, uint32_t max_age)
{
	struct keeper_exchange exchange;

	keeper_make(&exchange, path, payload);
	ASSERT_EQ(coax_fresh_reserve(&exchange.response, max_age), 0);
	coax_fresh_write(&exchange.response, until);
	return coax_accel_publish_until(accel, subject, coax_subject_generation(subject),
					&exchange.request, &exchange.response, until);
}

static struct coax_slot slot_of(const char *path)
{
	int number = keeper_find(path, NULL);

	ASSERT_GE(number, 0);
	return keeper_slot((uint32_t)number);
}

static bool says(const char *path, const char *payload)
{
	struct coax_slot slot = slot_of(path);
	size_t length = strlen(payload);

	return slot.deadline && slot.reply_length > length &&
	       !memcmp(slot.reply + slot.reply_length - length, payload, length);
}

static void use(const char *path)
{
	uint32_t number = (uint32_t)keeper_find(path, NULL);
	struct coax_slot slot = keeper_slot(number);
	int fd = keeper_map("slots");

	slot.used = 1;
	ASSERT_EQ(bpf_map_update_elem(fd, &number, &slot, BPF_ANY), 0);
	close(fd);
}

TEST("a slot says until when, where Max-Age stands, and has zeros there")
{
	static const uint32_t max_ages[] = {255, 256, 0xffffff, 0xffffffff};
	struct coax_slot slot;
	uint64_t until;
	char path[8];

	begin();
	for (uint8_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%u", i);
		until = coax_fresh_until(now(), max_ages[i]);
		ASSERT_TRUE(publish(path, "x", until, max_ages[i]));
		slot = slot_of(path);
		EXPECT_LT(slot.deadline, until);
		EXPECT_GT(slot.deadline, until - TICK);
		EXPECT_EQ(slot.max_age_length, i + 1);
		/* Number 14 and its length are two bytes. */
		EXPECT_EQ(slot.max_age_at, 2);
		EXPECT_MEMEQ(slot.reply + 2, "\0\0\0\0", (size_t)i + 1);
	}
	end();
}

TEST("nothing is due while nothing ages, and what is due soonest is told")
{
	uint64_t until;

	begin();
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	ASSERT_TRUE(keeper_publish(accel, subject, "own", "x"));
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	EXPECT_EQ(sooner, 0);
	until = now() + 60 * SECOND;
	ASSERT_TRUE(publish("a", "x", until, 60));
	EXPECT_EQ(sooner, 1);
	EXPECT_LE(coax_accel_due(accel), until - 6 * SECOND);
	EXPECT_GT(coax_accel_due(accel), until - 7 * SECOND);
	ASSERT_TRUE(publish("b", "x", now() + 600 * SECOND, 600));
	EXPECT_EQ(sooner, 1);
	ASSERT_TRUE(publish("c", "x", now() + 30 * SECOND, 60));
	EXPECT_EQ(sooner, 2);
	coax_subject_put(subject);
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	coax_accel_close(accel);
}

TEST("renewal comes a tenth before the end, at least 1 s, at most 10 s, or half of what is left")
{
	static const struct {
		uint32_t seconds;
		uint64_t ahead;
	} cases[] = {{1, SECOND / 2},  {2, SECOND},	   {5, SECOND},
		     {60, 6 * SECOND}, {100, 10 * SECOND}, {86400, 10 * SECOND}};

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t until = now() + cases[i].seconds * SECOND;

		ASSERT_TRUE(publish("a", "x", until, cases[i].seconds));
		EXPECT_LE(coax_accel_due(accel), until - cases[i].ahead + TICK / 10);
		EXPECT_GT(coax_accel_due(accel), until - cases[i].ahead - 3 * TICK);
		coax_subject_changed(subject);
	}
	end();
}

TEST("what was used is renewed once an expiry, with its own request; what was not is not")
{
	struct keeper_exchange exchange;
	const uint8_t *rest;
	uint64_t until;
	size_t length;

	begin();
	until = now() + 100 * SECOND;
	ASSERT_TRUE(publish("used", "x", until, 100));
	ASSERT_TRUE(publish("unused", "x", until, 100));
	use("used");
	coax_accel_age(accel, until - 15 * SECOND);
	EXPECT_EQ(renewed, 0);
	coax_accel_age(accel, until - 10 * SECOND);
	ASSERT_EQ(renewed, 1);
	EXPECT_GE(renewal_until, until - 1);
	EXPECT_LE(renewal_until, until + 1);
	keeper_make(&exchange, "used", "");
	rest = coax_message_rest(&exchange.request, &length);
	ASSERT_EQ(renewal_length, 4 + length);
	EXPECT_MEMEQ(renewal, "\x40\x01\0\0", 4);
	EXPECT_MEMEQ(renewal + 4, rest, length);

	use("used");
	use("unused");
	coax_accel_age(accel, until - 5 * SECOND);
	coax_accel_age(accel, until - TICK);
	EXPECT_EQ(renewed, 1);
	EXPECT_TRUE(slot_of("used").deadline);
	end();
}

TEST("what is renewed is used anew or it ends")
{
	uint64_t until;

	begin();
	until = now() + 100 * SECOND;
	ASSERT_TRUE(publish("a", "1", until, 100));
	use("a");
	coax_accel_age(accel, until - 10 * SECOND);
	ASSERT_EQ(renewed, 1);
	ASSERT_TRUE(publish("a", "2", until + 90 * SECOND, 100));
	coax_accel_age(accel, until + 80 * SECOND);
	EXPECT_EQ(renewed, 1);
	EXPECT_TRUE(says("a", "2"));
	coax_accel_age(accel, until + 92 * SECOND);
	EXPECT_EQ(slot_of("a").deadline, 0ULL);
	end();
}

TEST("a reply that is fresh for longer takes the place of a live one, in its slot, and no other does")
{
	uint64_t until;
	int number;

	begin();
	until = now() + 50 * SECOND;
	ASSERT_TRUE(publish("a", "first", until, 60));
	number = keeper_find("a", NULL);
	EXPECT_FALSE(publish("a", "first", until, 60));
	EXPECT_TRUE(publish("a", "second", until + SECOND, 60));
	EXPECT_EQ(keeper_find("a", NULL), number);
	EXPECT_TRUE(says("a", "second"));
	EXPECT_FALSE(publish("a", "late", until - SECOND, 60));
	EXPECT_TRUE(says("a", "second"));
	EXPECT_FALSE(publish("a", "again", until, 60));
	EXPECT_TRUE(says("a", "second"));
	EXPECT_TRUE(keeper_publish(accel, subject, "a", "own"));
	EXPECT_TRUE(says("a", "own"));
	EXPECT_EQ(slot_of("a").deadline, COAX_NEVER);
	EXPECT_EQ(slot_of("a").max_age_length, 0);
	EXPECT_FALSE(publish("a", "other", until + 9 * SECOND, 60));
	EXPECT_TRUE(says("a", "own"));
	/* What was due finds nothing that ages. */
	coax_accel_age(accel, until + 20 * SECOND);
	EXPECT_TRUE(says("a", "own"));
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	end();
}

TEST("what has expired is withdrawn, and its slot is free for others before what is live")
{
	char path[16];
	uint64_t until;

	begin();
	until = now() + 10 * SECOND;
	ASSERT_TRUE(publish("a", "x", until, 10));
	for (int i = 1; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%d", i);
		ASSERT_TRUE(keeper_publish(accel, subject, path, "x"));
	}
	coax_accel_age(accel, until - SECOND);
	EXPECT_NE(slot_of("a").deadline, 0ULL);
	coax_accel_age(accel, until + 2 * SECOND);
	EXPECT_EQ(slot_of("a").deadline, 0ULL);
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	ASSERT_TRUE(keeper_publish(accel, subject, "new", "x"));
	EXPECT_EQ(keeper_find("a", NULL), -1);
	for (int i = 1; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%d", i);
		EXPECT_TRUE(keeper_is_published(path));
	}
	end();
}

TEST("what was withdrawn is neither renewed nor touched, and ages again when it is published again")
{
	uint64_t until;

	begin();
	until = now() + 100 * SECOND;
	ASSERT_TRUE(publish("a", "x", until, 100));
	use("a");
	coax_subject_changed(subject);
	coax_accel_age(accel, until - 5 * SECOND);
	EXPECT_EQ(renewed, 0);
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	ASSERT_TRUE(publish("a", "y", until, 100));
	use("a");
	coax_accel_age(accel, until - 5 * SECOND);
	EXPECT_EQ(renewed, 1);
	end();
}

TEST("what is not fresh any more, and what has no Max-Age, is not published")
{
	struct keeper_exchange exchange;

	begin();
	EXPECT_FALSE(publish("a", "x", now(), 60));
	EXPECT_FALSE(publish("a", "x", now() - SECOND, 60));
	EXPECT_FALSE(publish("a", "x", 0, 60));
	EXPECT_FALSE(publish("a", "x", now() + SECOND, 0));
	keeper_make(&exchange, "a", "x");
	EXPECT_FALSE(coax_accel_publish_until(accel, subject, 0, &exchange.request,
					      &exchange.response, now() + SECOND));
	EXPECT_EQ(keeper_find("a", NULL), -1);
	end();
}

TEST("an origin's time cannot lie in the future, and the longest Max-Age is no short one")
{
	uint64_t before = now();

	EXPECT_GE(coax_fresh_until(UINT64_MAX, 60), before + 60 * SECOND);
	EXPECT_LE(coax_fresh_until(UINT64_MAX, 60), now() + 60 * SECOND);
	EXPECT_EQ(coax_fresh_until(1, 0xffffffff), 1 + 0xffffffff * SECOND);
	EXPECT_EQ(coax_fresh_until(0, 0), 0ULL);
}

static bool stop;

static void *publish_for_ever(void *arg)
{
	char path[16];

	for (unsigned int i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		snprintf(path, sizeof(path), "%u", (i * 7 + *(unsigned int *)arg) % 100);
		publish(path, "x", now() + SECOND + (i % 64) * 1000000, 2);
		if (i % 128 == 0)
			coax_subject_changed(subject);
	}
	return NULL;
}

TEST("publishers, evictions, changes and the looks at what ages go on at the same time")
{
	unsigned int from[2] = {0, 50};
	pthread_t threads[2];
	uint64_t until;

	begin();
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, publish_for_ever, &from[i]), 0);
	for (until = now() + SECOND; now() < until;)
		coax_accel_age(accel, now() + SECOND);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	coax_accel_age(accel, now() + 60 * SECOND);
	coax_accel_age(accel, now() + 60 * SECOND);
	for (uint32_t number = 0; number < KEEPER_SLOTS; number++)
		EXPECT_EQ(keeper_slot(number).deadline, 0ULL);
	EXPECT_EQ(coax_accel_due(accel), UINT64_MAX);
	end();
}

TEST_MAIN()
