// SPDX-License-Identifier: BSD-2-Clause
/*
 * The event loop: a worker's thread, or the application's own.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "accel/guard.h"
#include "clock.h"
#include "blocks.h"
#include "groups.h"
#include "observation.h"
#include "rcu.h"
#include "secure.h"

/* Batches from one socket before the others get their turn. */
#define RECEIVE_ROUNDS 8

uint64_t coax_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void read_clock(struct coax_worker *worker)
{
	worker->now = coax_now();
	worker->echo.now = worker->now / NS_PER_MS;
}

/* What is sent to many reaches the sockets of all workers: one takes it. */
static bool is_ours(const struct coax_worker *worker, const struct coax_path *path)
{
	if (!coax_address_is_multicast(&path->local))
		return true;
	return worker->index == 0 && coax_groups_have(worker->context->groups, path);
}

static bool is_admitted(struct coax_worker *worker, struct coax_path *path)
{
	struct coax_guard *guard = worker->context->guard;
	enum coax_guard_admission admission = COAX_GUARD_ADMIT;

	if (guard)
		admission = coax_guard_admit(guard, &path->remote, path->ifindex, worker->now);
	path->crowded = admission == COAX_GUARD_CROWDED;
	if (admission != COAX_GUARD_IGNORE)
		return true;
	coax_count(&worker->stats, denied);
	return false;
}

/* Returns how many there are, which come first then. */
static unsigned int keep_ours(struct coax_worker *worker, struct coax_datagram *batch,
			      unsigned int count)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!is_ours(worker, &batch[i].path) || !is_admitted(worker, &batch[i].path))
			continue;
		if (kept != i)
			batch[kept] = batch[i];
		kept++;
	}
	return kept;
}

static void take_in(struct coax_worker *worker, uint32_t socket, const struct coax_datagram *batch,
		    unsigned int count)
{
	if (worker->socket_is_secure[socket])
		coax_secure_receive(worker, batch, count);
	else
		coax_exchange_receive_batch(worker->exchange, worker->now, batch, count);
}

/* One look at the clock for all of a batch. */
static void count_turnaround(struct coax_worker *worker, unsigned int count)
{
	static const uint64_t bounds[] = {
#define BOUND(us) us * 1000ULL,
		COAX_TURNAROUNDS(BOUND)
#undef BOUND
	};
	struct coax_context_stats *stats = &worker->stats;
	uint64_t took = coax_now() - worker->now;
	unsigned int at = 0;

	_Static_assert(sizeof(bounds) / sizeof(bounds[0]) + 1 == COAX_TURNAROUND_COUNT,
		       "there is one more for what is beyond them");
	while (at < COAX_TURNAROUND_COUNT - 1 && took > bounds[at])
		at++;
	__atomic_store_n(&stats->turnarounds[at], stats->turnarounds[at] + count, __ATOMIC_RELAXED);
	__atomic_store_n(&stats->turnaround_ns, stats->turnaround_ns + took * count,
			 __ATOMIC_RELAXED);
}

static void receive(struct coax_worker *worker, uint32_t socket)
{
	struct coax_transport *transport = worker->transport;
	struct coax_context_stats *stats = &worker->stats;
	struct coax_datagram *batch;
	unsigned int count;

	for (int round = 0; round < RECEIVE_ROUNDS; round++) {
		count = transport->ops->receive(transport, socket, &batch);
		if (!count)
			return;
		__atomic_store_n(&stats->datagrams_in, stats->datagrams_in + count,
				 __ATOMIC_RELAXED);
		read_clock(worker);
		take_in(worker, socket, batch, keep_ours(worker, batch, count));
		coax_worker_flush(worker);
		count_turnaround(worker, count);
		if (count < COAX_BATCH)
			return;
	}
}

/* -ENOTCONN is about a session that has ended before a message could leave in it. */
static void take_error(struct coax_worker *worker, const struct coax_path *path, int error)
{
	if (worker->socket_is_secure[path->socket] && error != ENOTCONN)
		coax_secure_network_error(worker, path, error);
	if (path->session && error == ENOTCONN)
		coax_exchange_session_ended(worker->exchange, path, ECONNRESET);
	else
		coax_exchange_network_error(worker->exchange, path, error);
}

static void take_errors(struct coax_worker *worker, uint32_t socket)
{
	struct coax_path path;
	int error;

	for (int i = 0; i < COAX_BATCH; i++) {
		error = worker->transport->ops->error(worker->transport, socket, &path);
		if (!error)
			return;
		take_error(worker, &path, error);
	}
}

/* A datagram that the network did not take will not be answered. */
static void take_refused(struct coax_worker *worker)
{
	for (unsigned int i = 0; i < worker->refused_count; i++)
		take_error(worker, &worker->refused[i].path, worker->refused[i].error);
	worker->refused_count = 0;
}

/* What is there now: work that makes more of it has to let others have their turn. */
void coax_worker_run_queue(struct coax_worker *worker)
{
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	struct cds_wfcq_node *node;

	/* Single consumer: dequeuing needs no lock. */
	__cds_wfcq_init(&head, &tail);
	__cds_wfcq_splice_blocking(&head, &tail, &worker->queue_head, &worker->queue_tail);
	while ((node = __cds_wfcq_dequeue_blocking(&head, &tail))) {
		struct coax_work *work = caa_container_of(node, struct coax_work, node);

		coax_taken_over(work);
		work->run(worker, work);
	}
}

static void awake(struct coax_worker *worker)
{
	uint64_t count;

	while (read(worker->wake, &count, sizeof(count)) > 0)
		;
	atomic_store(&worker->beat_seen, atomic_load(&worker->beat_asked));
	coax_worker_run_queue(worker);
}

/*
 * The kernel answers only while all workers are alive. Each is asked for a sign of life between two
 * extensions; one that has not given it since the last keeps the lease from being extended. One
 * that has may have hung right after: the lease counts from the asking.
 */
static void extend_lease(struct coax_worker *worker)
{
	struct coax_context *context = worker->context;
	uint64_t since = worker->now;
	bool alive = true;

	if (!context->accel || worker->index != 0 || worker->now < context->lease_due)
		return;
	context->lease_due = worker->now + context->lease_interval;
	if (context->worker_count > 1 && context->lease_asked)
		since = context->lease_asked;
	context->lease_asked = worker->now;

	for (unsigned int i = 1; i < context->worker_count; i++) {
		struct coax_worker *other = context->workers[i];

		alive &= atomic_load(&other->beat_seen) == atomic_load(&other->beat_asked);
		atomic_fetch_add(&other->beat_asked, 1);
		coax_worker_wake(other);
	}
	if (alive)
		coax_accel_renew(context->accel, since);
	else
		coax_log(&context->logger, COAX_LOG_WARNING,
			 "a worker has been busy for %llu ms: the kernel half's lease is not "
			 "extended",
			 (unsigned long long)(context->lease_interval / NS_PER_MS));
}

uint64_t coax_worker_deadline(const struct coax_worker *worker)
{
	uint64_t deadline = coax_exchange_deadline(worker->exchange);
	uint64_t blocks = coax_blocks_deadline(worker->blocks);
	uint64_t renewal = coax_observations_deadline(worker);
	uint64_t secure = coax_secure_deadline(worker);
	uint64_t ageing;

	if (blocks < deadline)
		deadline = blocks;
	if (renewal < deadline)
		deadline = renewal;
	if (secure < deadline)
		deadline = secure;
	/* What errors left to be done. */
	if (worker->out_count || worker->refused_count)
		return 0;
	if (worker->index != 0 || !worker->context->accel)
		return deadline;
	if (worker->context->lease_due < deadline)
		deadline = worker->context->lease_due;
	ageing = coax_accel_due(worker->context->accel);
	return ageing < deadline ? ageing : deadline;
}

/*
 * Until there is input, something is due, or `until`. By poll(), which leaves nothing behind at the
 * sockets: with epoll each datagram in and out would look for a sleeper there, also while this
 * worker is busy, a tenth of its time.
 */
static int wait_for_input(struct coax_worker *worker, uint64_t until)
{
	uint64_t deadline = coax_worker_deadline(worker);
	struct timespec timeout = {0, 0};
	uint64_t now;

	if (until < deadline)
		deadline = until;
	if (deadline == UINT64_MAX)
		return ppoll(worker->watched, worker->watched_count, NULL, NULL);
	if (deadline) {
		now = coax_now();
		if (deadline > now) {
			timeout.tv_sec = (time_t)((deadline - now) / NS_PER_SEC);
			timeout.tv_nsec = (long)((deadline - now) % NS_PER_SEC);
		}
	}
	return ppoll(worker->watched, worker->watched_count, &timeout, NULL);
}

static void handle_event(struct coax_worker *worker, uint32_t about, short events)
{
	if (about == COAX_EVENT_WAKE) {
		awake(worker);
	} else if (about == COAX_EVENT_LINKS) {
		coax_accel_process(worker->context->accel);
	} else if (about == COAX_EVENT_GROUPS) {
		coax_groups_process(worker->context->groups);
	} else {
		if (events & POLLERR)
			take_errors(worker, about);
		receive(worker, about);
	}
}

static void run_timers(struct coax_worker *worker)
{
	if (worker->now >= coax_exchange_deadline(worker->exchange))
		coax_exchange_tick(worker->exchange, worker->now);
	if (worker->now >= coax_blocks_deadline(worker->blocks))
		coax_blocks_tick(worker->blocks, worker->now);
	coax_observations_tick(worker);
	coax_secure_tick(worker);
	if (worker->index == 0 && worker->context->accel)
		coax_accel_age(worker->context->accel, worker->now);
}

/* `count` of what is watched has input. */
static void process(struct coax_worker *worker, int count)
{
	read_clock(worker);
	rcu_read_lock();
	for (unsigned int i = 0; count > 0 && i < worker->watched_count; i++) {
		if (!worker->watched[i].revents)
			continue;
		count--;
		handle_event(worker, worker->watched_about[i], worker->watched[i].revents);
	}
	run_timers(worker);
	coax_secure_settle(worker);
	coax_worker_flush(worker);
	take_refused(worker);
	rcu_read_unlock();
	extend_lease(worker);
}

void coax_worker_process(struct coax_worker *worker)
{
	process(worker, wait_for_input(worker, 0));
}

void *coax_worker_main(void *arg)
{
	struct coax_worker *worker = arg;

	while (!atomic_load(&worker->context->stopped))
		process(worker, wait_for_input(worker, UINT64_MAX));
	return NULL;
}

int coax_worker_watch(struct coax_worker *worker, int fd, uint32_t about)
{
	struct epoll_event event = {.events = EPOLLIN};
	uint32_t number = worker->watched_count;

	if (number == COAX_EVENTS_MAX)
		return -ENFILE;
	worker->watched[number] = (struct pollfd){.fd = fd, .events = POLLIN};
	worker->watched_about[number] = about;
	worker->watched_count++;
	if (worker->epoll < 0)
		return 0;
	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* The application's own loop. */

int coax_context_fd(const struct coax_context *context)
{
	return context->own_loop ? context->workers[0]->epoll : -EINVAL;
}

int coax_context_timeout(const struct coax_context *context)
{
	uint64_t deadline, now, left;

	if (!context->own_loop)
		return -1;
	deadline = coax_worker_deadline(context->workers[0]);
	if (deadline == UINT64_MAX)
		return -1;
	now = coax_now();
	if (deadline <= now)
		return 0;
	left = (deadline - now - 1) / NS_PER_MS + 1;
	return left < INT_MAX ? (int)left : INT_MAX;
}

void coax_context_process(struct coax_context *context)
{
	if (context->own_loop)
		coax_worker_process(context->workers[0]);
}

void coax_context_process_until(struct coax_context *context, const atomic_bool *done,
				uint64_t deadline)
{
	struct coax_worker *worker = context->workers[0];

	while (!atomic_load(done) && coax_now() < deadline)
		process(worker, wait_for_input(worker, deadline));
}
