// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "accel/guard.h"
#include "blocks.h"
#include "binding.h"
#include "clock.h"
#include "groups.h"
#include "observation.h"
#include "observers.h"
#include "options.h"
#include "rcu.h"
#include "secure.h"
#include "site/queue.h"
#include "resolver.h"
#include <coax/control.h>

#define SHUTDOWN_TIMEOUT_MS  3000
#define SHUTDOWN_INTERVAL_MS 5

static int load_accel(struct coax_context *context, const struct coax_context_options *options)
{
	struct coax_transport *transport = context->workers[0]->transport;
	struct coax_accel_options accel = options->accel;
	int err;

	if (options->succession)
		accel.lock = options->succession->lock;
	if (!context->secure_server)
		accel.sessions = 0;
	else if (!accel.sessions)
		accel.sessions = context->tuning.sessions_max + context->tuning.handshakes_max;
	err = coax_accel_open(&context->accel, &accel, &context->logger);
	if (err)
		return err;
	if (context->guard)
		err = coax_guard_share(context->guard, context->accel);
	for (uint32_t i = 0; i < context->shared_sockets && !err; i++) {
		const union coax_address *bound = transport->ops->bound(transport, i);

		err = context->workers[0]->socket_is_secure[i]
			      ? coax_accel_add_secure_endpoint(context->accel, bound)
			      : coax_accel_add_endpoint(context->accel, bound);
	}
	if (!err && accel.lock)
		err = coax_accel_prepare(context->accel);
	return err;
}

/* Before the workers start. */
static int attach_accel(struct coax_context *context)
{
	int err;

	context->lease_interval = coax_accel_lease_ms(context->accel) * NS_PER_MS / 3;
	err = coax_accel_attach(context->accel);
	if (err)
		return err;
	*context->digest = *coax_accel_digest(context->accel);
	context->cookie_key = *coax_accel_cookie_key(context->accel);
	coax_renewals_begin(context);
	for (unsigned int i = 0; i < context->worker_count; i++)
		coax_blocks_accelerate(context->workers[i]->blocks);
	return 0;
}

/*
 * Without a kernel half the Context works as well. But another's place is taken only by one that
 * has what it will need, and once it is let in there is no way back.
 */
static int start_accel(struct coax_context *context, const struct coax_context_options *options)
{
	const struct coax_succession *succession = options->succession;
	bool wanted = options->accel.interface_count;
	int accel_err = wanted ? load_accel(context, options) : 0;
	int err = 0;

	if (succession)
		err = accel_err && succession->lock ? accel_err
						    : succession->ready(succession->arg);
	if (!err && succession)
		err = coax_binding_admit(context);
	if (err || !wanted)
		return err;
	if (!accel_err)
		accel_err = attach_accel(context);
	if (accel_err) {
		if (context->guard)
			coax_guard_unshare(context->guard);
		coax_accel_close(context->accel);
		context->accel = NULL;
		coax_log(&context->logger, COAX_LOG_WARNING,
			 "no answers from the kernel: every request is served from userspace");
	}
	return 0;
}

/* The workers have it before there is a kernel half, whose it becomes before they start. */
static int make_digest(struct coax_context *context, const struct coax_accel_options *options)
{
	if (!options->interface_count)
		return 0;
	context->digest = malloc(sizeof(*context->digest));
	return context->digest ? coax_digest_secret_random(context->digest) : -ENOMEM;
}

static int start_workers(struct coax_context *context)
{
	int err = 0;

	for (unsigned int i = 0; i < context->worker_count && !err; i++) {
		err = coax_worker_start(context->workers[i]);
		if (!err && !context->own_loop)
			context->thread_count++;
	}
	if (err)
		coax_log(&context->logger, COAX_LOG_ERROR, "cannot start a worker: %s",
			 strerror(-err));
	return err;
}

void coax_context_unreference(struct coax_context *context)
{
	if (atomic_fetch_sub(&context->references, 1) == 1)
		free(context);
}

/*
 * What was published is not so any more: who publishes from now on sees the new version, and what
 * it is the version of.
 */
static void begin_version(struct coax_context *context)
{
	__atomic_fetch_add(&context->site_version, 1, __ATOMIC_SEQ_CST);
	synchronize_rcu();
}

static void withdraw_all(struct coax_context *context)
{
	if (context->accel)
		coax_accel_withdraw_all(context->accel);
}

static void site_changed(struct coax_site_user *user)
{
	struct coax_context *context = caa_container_of(user, struct coax_context, site_user);

	begin_version(context);
	withdraw_all(context);
	coax_observers_turn_away(context->observers);
}

static void serve_site(struct coax_context *context)
{
	context->site_user.changed = site_changed;
	coax_site_serve(&context->site_user, context->site);
}

static void close_all(struct coax_context *context)
{
	atomic_store(&context->stopped, true);
	for (unsigned int i = 0; i < context->thread_count; i++)
		coax_worker_wake(context->workers[i]);
	for (unsigned int i = 0; i < context->thread_count; i++)
		pthread_join(context->workers[i]->thread, NULL);

	coax_site_serve(&context->site_user, NULL);
	/* From here on a responder that is answered late frees itself. */
	atomic_store(&context->closed, true);
	synchronize_rcu();
	coax_observers_destroy(context->observers);
	for (unsigned int i = 0; context->workers && i < context->worker_count; i++)
		if (context->workers[i])
			coax_worker_destroy(context->workers[i]);
	coax_groups_destroy(context->groups);
	coax_accel_close(context->accel);
	coax_guard_destroy(context->guard);
	coax_secure_close(context);
	pthread_mutex_destroy(&context->site_lock);
	free(context->digest);
	free(context->workers);
	coax_context_unreference(context);
}

int coax_context_create(struct coax_context **result, const struct coax_context_options *options)
{
	struct coax_context *context = calloc(1, sizeof(*context));
	int err;

	if (!context)
		return -ENOMEM;
	atomic_init(&context->references, 1);
	pthread_mutex_init(&context->credentials_lock, NULL);
	pthread_mutex_init(&context->site_lock, NULL);
	err = coax_options_apply(context, options);
	if (!err)
		err = coax_secure_open(context, options);
	if (!err && coax_options_are_servers(options))
		err = coax_guard_create(&context->guard, &options->guard, &context->logger);
	if (!err) {
		context->workers = calloc(context->worker_count, sizeof(*context->workers));
		err = context->workers ? 0 : -ENOMEM;
	}
	if (!err)
		err = coax_observers_create(&context->observers, context);
	if (!err)
		err = coax_groups_create(&context->groups, context, options);
	if (!err)
		err = make_digest(context, &options->accel);
	if (!err)
		err = coax_binding_open(context, options);
	if (!err && !options->succession)
		err = coax_binding_admit(context);
	if (!err && context->groups)
		err = coax_groups_join(context->groups, context->workers[0]);
	if (!err)
		err = start_accel(context, options);
	if (!err && options->accel.attached)
		options->accel.attached(options->accel.arg);
	if (!err)
		serve_site(context);
	if (!err)
		err = start_workers(context);
	if (err)
		close_all(context);
	else
		*result = context;
	return err;
}

void coax_context_set_site(struct coax_context *context, struct coax_site *site)
{
	struct coax_site *former;

	/* Others may set one at the same time: the Site that is served has this Context for a user.
	 */
	pthread_mutex_lock(&context->site_lock);
	coax_site_serve(&context->site_user, site);
	/* In this order: who sees the new version sees the new Site. */
	former = __atomic_exchange_n(&context->site, site, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&context->site_lock);
	/* Then no handler of the former Site runs. */
	begin_version(context);
	if (former && former != site)
		coax_site_leave_queues(former);
	withdraw_all(context);
	coax_observers_look_again(context->observers);
}

/* Whether all that other threads and peers still owe has been done. */
static bool is_quiet(const struct coax_context *context)
{
	return !atomic_load(&context->deferred) && !atomic_load(&context->observing) &&
	       coax_observers_are_gone(context->observers);
}

static void wait_for_quiet(struct coax_context *context, uint64_t deadline)
{
	static const struct timespec pause = {.tv_nsec = SHUTDOWN_INTERVAL_MS * NS_PER_MS};
	static const atomic_bool never;
	uint64_t now = coax_now();

	for (; !is_quiet(context) && now < deadline; now = coax_now()) {
		if (context->own_loop)
			coax_context_process_until(context, &never,
						   now + SHUTDOWN_INTERVAL_MS * NS_PER_MS);
		else
			nanosleep(&pause, NULL);
	}
}

void coax_context_shutdown(struct coax_context *context)
{
	uint64_t deadline = coax_now() + SHUTDOWN_TIMEOUT_MS * NS_PER_MS;

	if (!context)
		return;
	atomic_store(&context->stopping, true);
	coax_observers_end(context->observers);
	coax_observations_leave(context);
	coax_resolver_stop(context);
	wait_for_quiet(context, deadline);
	if (atomic_load(&context->deferred))
		coax_log(&context->logger, COAX_LOG_ERROR,
			 "%u requests were not answered before shutdown",
			 atomic_load(&context->deferred));
	close_all(context);
}

in_port_t coax_context_port(const struct coax_context *context)
{
	struct coax_transport *transport = context->workers[0]->transport;

	return coax_address_port(transport->ops->bound(transport, 0));
}

in_port_t coax_context_secure_port(const struct coax_context *context)
{
	const struct coax_worker *worker = context->workers[0];

	for (uint32_t i = 0; i < context->shared_sockets; i++)
		if (worker->socket_is_secure[i])
			return coax_address_port(
				worker->transport->ops->bound(worker->transport, i));
	return 0;
}

void coax_context_stats_read(const struct coax_context *context, struct coax_context_stats *stats)
{
	const size_t count = sizeof(*stats) / sizeof(uint64_t);
	uint64_t *sum = (uint64_t *)stats;

	memset(stats, 0, sizeof(*stats));
	for (unsigned int i = 0; i < context->worker_count; i++) {
		const uint64_t *one = (const uint64_t *)&context->workers[i]->stats;

		for (size_t field = 0; field < count; field++)
			sum[field] += __atomic_load_n(&one[field], __ATOMIC_RELAXED);
	}
}
