// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a Context with threads tells of itself: whether its workers are alive, and what each of them
 * has counted.
 */
#include <semaphore.h>
#include <linux/types.h>
#include <coax/maps.h>
#include "../client.h"
#include "../context.h"

static sem_t busy, released;

/* Keeps its worker from all else. */
static void get_slowly(struct coax_responder *responder, void *arg)
{
	(void)arg;
	sem_post(&busy);
	sem_wait(&released);
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_context *serve_slowly(struct coax_site **site, unsigned int workers)
{
	const struct coax_resource_options options = {.path = "slow", .get = get_slowly};

	sem_init(&busy, 0, 0);
	sem_init(&released, 0, 0);
	ASSERT_EQ(coax_site_create(site), 0);
	ASSERT_EQ(coax_site_add(*site, &options, NULL), 0);
	return context_open((struct coax_context_options){.site = *site, .workers = workers});
}

static void stop(struct coax_context *context, struct coax_site *site)
{
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

static void ask(struct coax_context *context)
{
	static const uint8_t request[] = {0x50, 0x01, 0x12, 0x34, 0xb4, 's', 'l', 'o', 'w'};
	int fd = client_open("127.0.0.1", coax_context_port(context));

	ASSERT_EQ(send(fd, request, sizeof(request), 0), (ssize_t)sizeof(request));
	sem_wait(&busy);
	close(fd);
}

TEST("a Context gives a sign of life as long as all its workers do what is left for them")
{
	struct coax_site *site;
	struct coax_context *context = serve_slowly(&site, 3);

	EXPECT_EQ(coax_context_probe(context, 10000), 0);
	ask(context);
	EXPECT_EQ(coax_context_probe(context, 20), -ETIMEDOUT);
	EXPECT_EQ(coax_context_probe(context, 0), -ETIMEDOUT);
	sem_post(&released);
	EXPECT_EQ(coax_context_probe(context, 10000), 0);
	stop(context, site);
}

TEST("one with the application's own loop cannot be asked for it")
{
	struct coax_context *context =
		context_open((struct coax_context_options){.server = true, .own_loop = true});

	EXPECT_EQ(coax_context_probe(context, 0), -EOPNOTSUPP);
	coax_context_shutdown(context);
}

TEST("what the workers have counted adds up to what the Context says")
{
	struct coax_context_stats all, one;
	uint64_t requests = 0;
	struct coax_site *site;
	struct coax_context *context = serve_slowly(&site, 3);

	for (int i = 0; i < 6; i++) {
		ask(context);
		sem_post(&released);
	}
	EXPECT_EQ(coax_context_probe(context, 10000), 0);
	coax_context_stats_read(context, &all);
	for (unsigned int i = 0; i < 3; i++) {
		EXPECT_EQ(coax_context_worker_stats_read(context, i, &one), 0);
		requests += one.requests;
	}
	EXPECT_EQ(requests, 6U);
	EXPECT_EQ(all.requests, 6U);
	EXPECT_EQ(coax_context_worker_stats_read(context, 3, &one), -ENOENT);
	stop(context, site);
}

TEST("without a kernel half there are none of its counters, and it does not answer")
{
	struct coax_context *context = context_open((struct coax_context_options){.server = true});
	struct coax_stats stats;

	EXPECT_EQ(coax_context_kernel_stats_read(context, &stats), -EOPNOTSUPP);
	EXPECT_FALSE(coax_context_kernel_answers(context));
	coax_context_shutdown(context);
}

TEST_MAIN()
