// SPDX-License-Identifier: BSD-2-Clause
/* Resources that come and go while requests are served. */
#include <pthread.h>
#include <sched.h>
#include "../site.h"

#define READERS 2
#define ROUNDS	100
#define KINDS	4

static struct coax_site *site;
static bool stop;
static bool gone[KINDS]; /* by number of the resource: no handler of it may run any more */
static int too_late;

static void handle(struct coax_responder *responder, void *arg)
{
	if (__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
		__atomic_store_n(&too_late, 1, __ATOMIC_SEQ_CST);
	coax_respond(responder, COAX_CONTENT);
}

static void always_there(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_VALID);
}

static void *read_all(void *arg)
{
	unsigned long *rounds = arg;
	struct asked asked;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint8_t code = ask_plainly(&asked, site, COAX_GET, "come/and/go");

		EXPECT_TRUE(code == COAX_CONTENT || code == COAX_VALID);
		EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "fixed"), COAX_VALID);
		EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core"), COAX_CONTENT);
		(*rounds)++;
	}
	return NULL;
}

static void *write_all(void *arg)
{
	const struct coax_resource_options options[] = {
		{.path = "come/and/go", .get = handle, .arg = &gone[0], .cacheable = true},
		{.path = "come",
		 .get = handle,
		 .arg = &gone[1],
		 .cacheable = true,
		 .subtree = true},
		{.path = "come/{x}/go", .get = handle, .arg = &gone[2], .observable = true},
		{.path = "{a}/and", .get = handle, .arg = &gone[3], .subtree = true},
	};
	size_t number = *(size_t *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct coax_resource *resource;

		__atomic_store_n(&gone[number], false, __ATOMIC_SEQ_CST);
		EXPECT_EQ(coax_site_add(site, &options[number], &resource), 0);
		coax_resource_changed(resource);
		coax_site_remove(site, resource);
		__atomic_store_n(&gone[number], true, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *add_many(void *arg)
{
	struct coax_resource_options options = {.get = always_there, .hidden = true};
	char path[32];

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		options.path = path;
		EXPECT_EQ(coax_site_add(site, &options, NULL), 0);
	}
	return NULL;
}

TEST("resources are added and removed while requests run, and none runs after its removal")
{
	const struct coax_resource_options fixed = {.path = "fixed", .get = always_there};
	const struct coax_resource_options root = {
		.path = "", .get = always_there, .subtree = true};
	pthread_t readers[READERS], writers[KINDS + 1];
	unsigned long rounds[READERS] = {0};
	size_t numbers[] = {0, 1, 2, 3};
	struct asked asked;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &fixed, NULL), 0);
	ASSERT_EQ(coax_site_add(site, &root, NULL), 0);
	for (int i = 0; i < READERS; i++)
		ASSERT_EQ(pthread_create(&readers[i], NULL, read_all, &rounds[i]), 0);
	for (int i = 0; i < KINDS; i++)
		ASSERT_EQ(pthread_create(&writers[i], NULL, write_all, &numbers[i]), 0);
	ASSERT_EQ(pthread_create(&writers[KINDS], NULL, add_many, NULL), 0);
	for (int i = 0; i <= KINDS; i++)
		pthread_join(writers[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i], NULL);
		EXPECT_GT(rounds[i], 0ul);
	}
	EXPECT_EQ(too_late, 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "come/and/go"), COAX_VALID);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "many/999"), COAX_VALID);
	coax_site_destroy(site);
}

/* A handler that goes on while its resource is being removed. */

static struct coax_resource *removed;
static bool running, returned;

static void outlast(struct coax_responder *responder, void *arg)
{
	struct asked again;

	(void)arg;
	__atomic_store_n(&running, true, __ATOMIC_SEQ_CST);
	while (ask_plainly(&again, site, COAX_PUT, "nowhere") != COAX_NOT_FOUND)
		sched_yield();
	/* Now it cannot be found any more; only the grace period is missing. */
	for (int i = 0; i < 1000; i++) {
		sched_yield();
		EXPECT_FALSE(__atomic_load_n(&returned, __ATOMIC_SEQ_CST));
	}
	coax_respond(responder, COAX_CONTENT);
}

static void *remove_it(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		sched_yield();
	coax_site_remove(site, removed);
	__atomic_store_n(&returned, true, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST("removing a resource waits for its handlers that are running")
{
	const struct coax_resource_options options = {
		.path = "nowhere", .get = outlast, .put = always_there};
	struct asked asked;
	pthread_t remover;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, &removed), 0);
	ASSERT_EQ(pthread_create(&remover, NULL, remove_it, NULL), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "nowhere"), COAX_CONTENT);
	pthread_join(remover, NULL);
	EXPECT_TRUE(returned);
	coax_site_destroy(site);
}

TEST_MAIN()
