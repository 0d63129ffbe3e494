// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whose replies stay when there are more than slots, and how long a change takes.
 */
#include "../harness.h"
#include "../keeper.h"

#define SLOTS	2048
#define SCANNED 100000
#define MANY	10000
#define HOT	64

static struct coax_slot *slots; /* as the program sees them */

static struct coax_accel *begin(uint32_t count)
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel = NULL;
	int fd;

	lab_begin();
	options.slots = count;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	fd = keeper_map("slots");
	slots = mmap(NULL, count * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(slots != MAP_FAILED);
	close(fd);
	return accel;
}

static struct coax_subject *new_subject(void)
{
	struct coax_subject *subject;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	return subject;
}

static bool publish(struct coax_accel *accel, struct coax_subject *subject, const char *path,
		    uint8_t code)
{
	struct keeper_exchange exchange;

	keeper_make(&exchange, path, "x");
	coax_message_set_code(&exchange.response, code);
	return coax_accel_publish(accel, subject, coax_subject_generation(subject),
				  &exchange.request, &exchange.response);
}

static char path[32];

static const char *name(const char *what, int number)
{
	snprintf(path, sizeof(path), "%s%d", what, number);
	return path;
}

/* As the program does when it answers. */
static void use(const char *which)
{
	slots[keeper_find(which, NULL)].used = 1;
}

static unsigned int count_errors(void)
{
	unsigned int count = 0;

	for (int i = 0; i < SLOTS; i++)
		count += slots[i].deadline && COAX_CODE_CLASS(slots[i].reply_code) == 4;
	return count;
}

TEST("a scan of 100 000 missing names evicts nothing that is used, and has an eighth of the slots")
{
	struct coax_accel *accel = begin(SLOTS);
	struct coax_subject *hot = new_subject(), *cold = new_subject(), *site = new_subject();
	int published = 0;

	for (int i = 0; i < HOT; i++) {
		ASSERT_TRUE(publish(accel, hot, name("hot", i), COAX_CONTENT));
		use(path);
	}
	for (int i = 0; i < SLOTS - HOT; i++)
		ASSERT_TRUE(publish(accel, cold, name("cold", i), COAX_CONTENT));
	for (int i = 0; i < SCANNED; i++)
		published += publish(accel, site, name("no", i), COAX_NOT_FOUND);
	/* Not where all that was looked at was in use. */
	EXPECT_GT(published, SCANNED - HOT);
	for (int i = 0; i < HOT; i++)
		EXPECT_TRUE(keeper_is_published(name("hot", i)));
	EXPECT_EQ(count_errors(), (unsigned int)SLOTS / 8);
	EXPECT_TRUE(keeper_is_published(name("no", SCANNED - 1)));
	/* What has been marked is as it was: the scan has not turned the clock. */
	for (int i = 0; i < HOT; i++)
		EXPECT_EQ(slots[keeper_find(name("hot", i), NULL)].used, 1);
	coax_subject_put(hot);
	coax_subject_put(cold);
	coax_subject_put(site);
	coax_accel_close(accel);
}

TEST("errors have an eighth of the slots also where others are free, and make room when all are used")
{
	struct coax_accel *accel = begin(SLOTS);
	struct coax_subject *site = new_subject();

	for (int i = 0; i < SLOTS; i++) {
		ASSERT_TRUE(publish(accel, site, name("no", i), COAX_NOT_FOUND));
		use(path);
	}
	EXPECT_EQ(count_errors(), (unsigned int)SLOTS / 8);
	coax_subject_changed(site);
	EXPECT_EQ(count_errors(), 0U);
	EXPECT_TRUE(publish(accel, site, "other", COAX_NOT_FOUND));
	/* The same request is no error any more, and is one again. */
	coax_subject_changed(site);
	EXPECT_TRUE(publish(accel, site, "other", COAX_CONTENT));
	EXPECT_EQ(count_errors(), 0U);
	coax_subject_changed(site);
	EXPECT_TRUE(publish(accel, site, "other", COAX_NOT_FOUND));
	EXPECT_EQ(count_errors(), 1U);
	coax_subject_put(site);
	EXPECT_EQ(keeper_entries("index"), 0U);
	coax_accel_close(accel);
}

TEST("a resource with many queries takes no used slot of another")
{
	struct coax_accel *accel = begin(SLOTS);
	struct coax_subject *one = new_subject(), *other = new_subject();

	for (int i = 0; i < SLOTS / 4; i++) {
		ASSERT_TRUE(publish(accel, other, name("other", i), COAX_CONTENT));
		use(path);
	}
	for (int i = 0; i < 20 * SLOTS; i++) {
		ASSERT_TRUE(publish(accel, one, name("query", i), COAX_CONTENT));
		use(path);
	}
	for (int i = 0; i < SLOTS / 4; i++)
		EXPECT_TRUE(keeper_is_published(name("other", i)));
	coax_subject_put(one);
	coax_subject_put(other);
	coax_accel_close(accel);
}

TEST("of a resource's own replies those stay that are used")
{
	struct coax_accel *accel = begin(SLOTS);
	struct coax_subject *one = new_subject();

	for (int i = 0; i < HOT; i++)
		ASSERT_TRUE(publish(accel, one, name("hot", i), COAX_CONTENT));
	for (int i = 0; i < 10 * SLOTS; i++) {
		ASSERT_TRUE(publish(accel, one, name("query", i), COAX_CONTENT));
		if (i % 256 == 0)
			for (int k = 0; k < HOT; k++)
				use(name("hot", k));
	}
	for (int i = 0; i < HOT; i++)
		EXPECT_TRUE(keeper_is_published(name("hot", i)));
	coax_subject_put(one);
	coax_accel_close(accel);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

TEST("a change of what 10 000 replies were rendered from is over in some milliseconds")
{
	struct coax_accel *accel = begin(2 * MANY);
	struct coax_subject *subject = new_subject();
	uint64_t since, publishing, changing;

	since = now_ns();
	for (int i = 0; i < MANY; i++)
		ASSERT_TRUE(publish(accel, subject, name("block", i), COAX_CONTENT));
	publishing = now_ns() - since;
	since = now_ns();
	coax_subject_changed(subject);
	changing = now_ns() - since;
	for (int i = 0; i < 2 * MANY; i++)
		ASSERT_EQ(slots[i].deadline, 0ULL);
	HARNESS_SAY("%d replies: published in %u us each, withdrawn in %u us in all", MANY,
		    (unsigned int)(publishing / MANY / 1000), (unsigned int)(changing / 1000));
	EXPECT_LT(changing, 100000000ULL);
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST_MAIN()
