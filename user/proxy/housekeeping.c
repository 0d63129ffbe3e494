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
	struct cds_list_head node; /* the lock */
	struct coax_work leave;
	struct coax_pipe *pipe; /* worker 0's, like what comes out of it; valid until it is over */
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
	bool is_running;
	bool stopping;
	struct cds_list_head prefetched;
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
				 prefetched, &prefetched->pipe))
		return;
	prefetched->is_over = true;
	prefetched->due = coax_now() + RETRY;
}

static void ask_again(struct coax_housekeeping *housekeeping, uint64_t now)
{
	struct prefetched *prefetched;

	pthread_mutex_lock(&housekeeping->lock);
	cds_list_for_each_entry (prefetched, &housekeeping->prefetched, node)
		if (prefetched->is_over && now >= prefetched->due)
			ask(prefetched);
	pthread_mutex_unlock(&housekeeping->lock);
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

/*
 * What is prefetched.
 */

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

bool coax_prefetch_is_path(const char *path)
{
	struct prefetched scratch;

	return !build(&scratch, path);
}

void coax_prefetch_destroy(struct cds_list_head *prefetch)
{
	struct prefetched *prefetched, *next;

	cds_list_for_each_entry_safe (prefetched, next, prefetch, node)
		free(prefetched);
	CDS_INIT_LIST_HEAD(prefetch);
}

int coax_prefetch_create(struct cds_list_head *prefetch, struct coax_housekeeping *housekeeping,
			 const char *const *paths, size_t count)
{
	CDS_INIT_LIST_HEAD(prefetch);
	for (size_t i = 0; i < count; i++) {
		struct prefetched *prefetched = calloc(1, sizeof(*prefetched));
		int err = prefetched ? build(prefetched, paths[i]) : -ENOMEM;

		if (err) {
			coax_log(&housekeeping->proxy->logger, COAX_LOG_ERROR,
				 "cannot prefetch %s: %s", paths[i], strerror(-err));
			free(prefetched);
			coax_prefetch_destroy(prefetch);
			return err;
		}
		prefetched->housekeeping = housekeeping;
		cds_list_add_tail(&prefetched->node, prefetch);
	}
	return 0;
}

static struct prefetched *find(struct cds_list_head *prefetch, const struct prefetched *like)
{
	const struct coax_message *request = &like->request;
	struct prefetched *prefetched;

	cds_list_for_each_entry (prefetched, prefetch, node)
		if (prefetched->request.length == request->length &&
		    memcmp(prefetched->bytes, like->bytes, request->length) == 0)
			return prefetched;
	return NULL;
}

/* Where nothing comes out of the pipe meanwhile. */
static void leave(struct coax_worker *worker, struct coax_work *work)
{
	struct prefetched *prefetched = caa_container_of(work, struct prefetched, leave);

	(void)worker;
	if (!prefetched->is_over)
		coax_pipe_close(prefetched->pipe);
	free(prefetched);
}

/* Those that are wanted still stay as they are; the others leave. Holding the lock. */
static void keep_wanted(struct coax_housekeeping *housekeeping, struct cds_list_head *prefetch)
{
	struct coax_context *context = atomic_load(&housekeeping->proxy->context);
	struct prefetched *prefetched, *next, *same;

	cds_list_for_each_entry_safe (prefetched, next, &housekeeping->prefetched, node) {
		same = find(prefetch, prefetched);
		if (same) {
			cds_list_del(&same->node);
			free(same);
			prefetched->due = 0;
			continue;
		}
		cds_list_del(&prefetched->node);
		prefetched->leave.run = leave;
		if (context)
			coax_worker_post(context->workers[0], &prefetched->leave);
		else
			free(prefetched);
	}
}

void coax_housekeeping_set(struct coax_housekeeping *housekeeping, struct cds_list_head *prefetch)
{
	pthread_mutex_lock(&housekeeping->lock);
	keep_wanted(housekeeping, prefetch);
	cds_list_splice(prefetch, &housekeeping->prefetched);
	pthread_cond_signal(&housekeeping->changed);
	pthread_mutex_unlock(&housekeeping->lock);
}

/*
 * Beginning and end.
 */

int coax_housekeeping_create(struct coax_housekeeping **result, struct coax_proxy *proxy)
{
	struct coax_housekeeping *housekeeping = calloc(1, sizeof(*housekeeping));
	pthread_condattr_t attributes;

	if (!housekeeping)
		return -ENOMEM;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&housekeeping->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&housekeeping->lock, NULL);
	CDS_INIT_LIST_HEAD(&housekeeping->prefetched);
	housekeeping->proxy = proxy;
	*result = housekeeping;
	return 0;
}

int coax_housekeeping_start(struct coax_housekeeping *housekeeping)
{
	int err = -pthread_create(&housekeeping->thread, NULL, run, housekeeping);

	housekeeping->is_running = !err;
	return err;
}

void coax_housekeeping_stop(struct coax_housekeeping *housekeeping)
{
	if (!housekeeping->is_running)
		return;
	pthread_mutex_lock(&housekeeping->lock);
	housekeeping->stopping = true;
	pthread_cond_signal(&housekeeping->changed);
	pthread_mutex_unlock(&housekeeping->lock);
	pthread_join(housekeeping->thread, NULL);
	housekeeping->is_running = false;
}

void coax_housekeeping_destroy(struct coax_housekeeping *housekeeping)
{
	if (!housekeeping)
		return;
	coax_prefetch_destroy(&housekeeping->prefetched);
	pthread_cond_destroy(&housekeeping->changed);
	pthread_mutex_destroy(&housekeeping->lock);
	free(housekeeping);
}
