// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a proxy does by the clock: observations that nobody needs any more end, and what is to be
 * prefetched is asked for again when its time is over.
 *
 * Prefetching is a request to the Site itself, without a network, that observes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "clock.h"
#include "context/worker.h"
#include "proxy/internal.h"

#define INTERVAL    (500 * NS_PER_MS)
#define REQUEST_MAX 1024

/* When what could not be had is asked for again. */
#define RETRY (5 * NS_PER_SEC)

struct prefetched {
	struct coax_housekeeping *housekeeping;
	struct coax_message request;
	uint8_t bytes[REQUEST_MAX];
	/* The lock. */
	bool is_over; /* the pipe has given its last */
	uint64_t due; /* ns; when to ask again, once it is over */
};

struct coax_housekeeping {
	struct coax_proxy *proxy;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping;
	size_t count;
	struct prefetched prefetched[];
};

static void put(void *arg, const struct coax_message *response, bool last)
{
	struct prefetched *prefetched = arg;
	uint32_t max_age = COAX_STORED_MAX_AGE;
	uint64_t delay = RETRY;

	if (!last)
		return;
	if (response && COAX_CODE_CLASS(coax_message_code(response)) == 2) {
		coax_message_find_uint(response, COAX_MAX_AGE, &max_age);
		delay = (max_age ? max_age : 1) * NS_PER_SEC;
	}
	pthread_mutex_lock(&prefetched->housekeeping->lock);
	prefetched->is_over = true;
	prefetched->due = coax_now() + delay;
	pthread_mutex_unlock(&prefetched->housekeeping->lock);
}

static void ask(struct prefetched *prefetched)
{
	struct coax_proxy *proxy = prefetched->housekeeping->proxy;

	prefetched->is_over = false;
	if (!coax_render_to_pipe(atomic_load(&proxy->context), &prefetched->request, put,
				 prefetched, NULL))
		return;
	prefetched->is_over = true;
	prefetched->due = coax_now() + RETRY;
}

static void ask_again(struct coax_housekeeping *housekeeping, uint64_t now)
{
	for (size_t i = 0; i < housekeeping->count; i++) {
		struct prefetched *prefetched = &housekeeping->prefetched[i];
		bool due;

		pthread_mutex_lock(&housekeeping->lock);
		due = prefetched->is_over && now >= prefetched->due;
		if (due)
			ask(prefetched);
		pthread_mutex_unlock(&housekeeping->lock);
	}
}

/* Returns whether it goes on. */
static bool wait_a_little(struct coax_housekeeping *housekeeping)
{
	uint64_t until = coax_now() + INTERVAL;
	const struct timespec time = {
		.tv_sec = (time_t)(until / NS_PER_SEC),
		.tv_nsec = (long)(until % NS_PER_SEC),
	};
	bool goes_on;

	pthread_mutex_lock(&housekeeping->lock);
	if (!housekeeping->stopping)
		pthread_cond_timedwait(&housekeeping->changed, &housekeeping->lock, &time);
	goes_on = !housekeeping->stopping;
	pthread_mutex_unlock(&housekeeping->lock);
	return goes_on;
}

static void *run(void *arg)
{
	struct coax_housekeeping *housekeeping = arg;

	do {
		ask_again(housekeeping, coax_now());
		coax_watches_tick(housekeeping->proxy, coax_now());
		coax_local_tick(housekeeping->proxy->local, coax_now());
	} while (wait_a_little(housekeeping));
	return NULL;
}

static int build(struct prefetched *prefetched, const char *path)
{
	struct coax_message *request = &prefetched->request;
	int err;

	prefetched->is_over = true;
	err = coax_message_start(request, prefetched->bytes, sizeof(prefetched->bytes),
				 COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	if (!err)
		err = coax_uri_path_add_options(path, request);
	return err ? err : coax_message_add_uint(request, COAX_OBSERVE, 0);
}

static void destroy(struct coax_housekeeping *housekeeping)
{
	pthread_cond_destroy(&housekeeping->changed);
	pthread_mutex_destroy(&housekeeping->lock);
	free(housekeeping);
}

static void init(struct coax_housekeeping *housekeeping)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&housekeeping->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&housekeeping->lock, NULL);
}

int coax_housekeeping_start(struct coax_proxy *proxy)
{
	struct coax_housekeeping *housekeeping =
		calloc(1, sizeof(*housekeeping) +
				  proxy->prefetch_count * sizeof(housekeeping->prefetched[0]));
	int err = 0;

	if (!housekeeping)
		return -ENOMEM;
	init(housekeeping);
	housekeeping->proxy = proxy;
	housekeeping->count = proxy->prefetch_count;
	for (size_t i = 0; i < housekeeping->count && !err; i++) {
		housekeeping->prefetched[i].housekeeping = housekeeping;
		err = build(&housekeeping->prefetched[i], proxy->prefetch[i]);
		if (err)
			coax_log(&proxy->logger, COAX_LOG_ERROR, "cannot prefetch %s: %s",
				 proxy->prefetch[i], strerror(-err));
	}
	if (!err)
		err = -pthread_create(&housekeeping->thread, NULL, run, housekeeping);
	if (err)
		destroy(housekeeping);
	else
		proxy->housekeeping = housekeeping;
	return err;
}

void coax_housekeeping_stop(struct coax_housekeeping *housekeeping)
{
	if (!housekeeping)
		return;
	pthread_mutex_lock(&housekeeping->lock);
	housekeeping->stopping = true;
	pthread_cond_signal(&housekeeping->changed);
	pthread_mutex_unlock(&housekeeping->lock);
	pthread_join(housekeeping->thread, NULL);
}

void coax_housekeeping_destroy(struct coax_housekeeping *housekeeping)
{
	if (housekeeping)
		destroy(housekeeping);
}
