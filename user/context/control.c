// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <coax/control.h>
#include "accel/guard.h"
#include "clock.h"
#include "worker.h"

#define PAUSE_INTERVAL_MS 1

int coax_context_attach(struct coax_context *context, const char *interface)
{
	return context->accel ? coax_accel_attach_to(context->accel, interface) : -EOPNOTSUPP;
}

int coax_context_detach(struct coax_context *context, const char *interface)
{
	return context->accel ? coax_accel_detach_from(context->accel, interface) : -EOPNOTSUPP;
}

int coax_context_set_guard(struct coax_context *context, const struct coax_guard_options *options)
{
	return context->guard ? coax_guard_set(context->guard, options) : -EOPNOTSUPP;
}

size_t coax_context_flush(struct coax_context *context, const char *path)
{
	return context->accel ? coax_accel_flush(context->accel, path) : 0;
}

int coax_context_lock(const struct coax_context *context)
{
	return context->accel ? coax_accel_lock(context->accel) : 0;
}

void coax_context_hand_over(struct coax_context *context)
{
	if (context->accel)
		coax_accel_hand_over(context->accel);
}

size_t coax_context_sockets(const struct coax_context *context, int *sockets, size_t max)
{
	size_t count = 0;
	int fd;

	for (unsigned int i = 0; i < context->worker_count; i++) {
		const struct coax_worker *worker = context->workers[i];
		struct coax_transport *transport = worker->transport;

		for (uint32_t k = 0; (fd = transport->ops->fd(transport, k)) >= 0; k++) {
			if (!coax_is_serving_socket(worker, k))
				continue;
			if (count < max)
				sockets[count] = fd;
			count++;
		}
	}
	return count;
}

/*
 * Each worker does something itself, when it has time: looks away from its sockets, or shows that
 * it is alive. Nobody waits for one that has not: its turn comes, and the last one ends what they
 * share.
 */

struct turn {
	struct coax_work work;
	struct everyone *everyone;
};

struct everyone {
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned int left; /* workers; and who waits for them */
	void (*each)(struct coax_worker *worker);
	struct turn turns[];
};

static struct everyone *create_everyone(const struct coax_context *context,
					void (*each)(struct coax_worker *worker))
{
	struct everyone *everyone =
		calloc(1, sizeof(*everyone) + context->worker_count * sizeof(struct turn));
	pthread_condattr_t attributes;

	if (!everyone)
		return NULL;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&everyone->lock, NULL);
	pthread_cond_init(&everyone->done, &attributes);
	pthread_condattr_destroy(&attributes);
	everyone->left = context->worker_count + 1;
	everyone->each = each;
	return everyone;
}

/* With its lock, which is released. */
static void leave(struct everyone *everyone)
{
	bool last = !--everyone->left;

	pthread_cond_signal(&everyone->done);
	pthread_mutex_unlock(&everyone->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&everyone->lock);
	pthread_cond_destroy(&everyone->done);
	free(everyone);
}

static void turn(struct coax_worker *worker, struct coax_work *work)
{
	struct everyone *everyone = caa_container_of(work, struct turn, work)->everyone;

	if (everyone->each)
		everyone->each(worker);
	pthread_mutex_lock(&everyone->lock);
	leave(everyone);
}

/* Returns 0, -ENOMEM, or -ETIMEDOUT: some workers have not come to it by the deadline. */
static int have_each(struct coax_context *context, void (*each)(struct coax_worker *worker),
		     uint64_t deadline)
{
	const struct timespec until = {.tv_sec = (time_t)(deadline / NS_PER_SEC),
				       .tv_nsec = (long)(deadline % NS_PER_SEC)};
	struct everyone *everyone = create_everyone(context, each);
	int err = 0;

	if (!everyone)
		return -ENOMEM;
	for (unsigned int i = 0; i < context->worker_count; i++) {
		everyone->turns[i].everyone = everyone;
		everyone->turns[i].work.run = turn;
		coax_worker_post(context->workers[i], &everyone->turns[i].work);
	}
	pthread_mutex_lock(&everyone->lock);
	while (everyone->left > 1 && !err)
		err = -pthread_cond_timedwait(&everyone->done, &everyone->lock, &until);
	leave(everyone);
	return err;
}

int coax_context_probe(struct coax_context *context, uint32_t timeout_ms)
{
	return context->own_loop ? -EOPNOTSUPP
				 : have_each(context, NULL, coax_now() + timeout_ms * NS_PER_MS);
}

static void watch_sockets(struct coax_worker *worker, bool watched)
{
	for (uint32_t i = 0; i < worker->watched_count; i++) {
		uint32_t socket = worker->watched_about[i];

		if (socket >= COAX_SOCKETS_MAX || !coax_is_serving_socket(worker, socket))
			continue;
		/* poll() leaves out what is negative. */
		worker->watched[i].fd =
			watched ? worker->transport->ops->fd(worker->transport, socket) : -1;
		worker->watched[i].revents = 0;
	}
}

static void look_away(struct coax_worker *worker)
{
	watch_sockets(worker, false);
}

static void look_again(struct coax_worker *worker)
{
	watch_sockets(worker, true);
}

int coax_context_pause(struct coax_context *context, uint32_t timeout_ms)
{
	static const struct timespec interval = {.tv_nsec = PAUSE_INTERVAL_MS * NS_PER_MS};
	uint64_t deadline = coax_now() + timeout_ms * NS_PER_MS;
	int err;

	if (context->own_loop)
		return -EOPNOTSUPP;
	err = have_each(context, look_away, deadline);
	if (err)
		return err;
	while (atomic_load(&context->deferred)) {
		if (coax_now() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&interval, NULL);
	}
	return 0;
}

void coax_context_resume(struct coax_context *context, pid_t successor)
{
	if (context->accel)
		coax_accel_reclaim(context->accel, (uint32_t)successor);
	if (!context->own_loop && have_each(context, look_again, 0) == -ENOMEM)
		coax_log(&context->logger, COAX_LOG_ERROR, "no memory to go on receiving with");
}
