// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "rcu.h"
#include "worker.h"

/* Batches from one socket before the others get their turn. */
#define RECEIVE_ROUNDS 8
#define EVENTS_MAX     (COAX_SOCKETS_MAX + 2)

/* What an epoll event is about: a socket's index, or one of these. */
#define EVENT_WAKE  (COAX_SOCKETS_MAX + 0U)
#define EVENT_LINKS (COAX_SOCKETS_MAX + 1U)

uint64_t coax_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint8_t *coax_worker_buffer(struct coax_worker *worker)
{
	return worker->out_buffers[worker->out_count];
}

static void note_refused(struct coax_worker *worker)
{
	for (unsigned int i = 0; i < worker->out_count; i++) {
		const struct coax_datagram *datagram = &worker->out[i];

		if (datagram->error && worker->refused_count < COAX_BATCH)
			worker->refused[worker->refused_count++] =
				(struct coax_refused){datagram->path, datagram->error};
	}
}

static void flush(struct coax_worker *worker)
{
	struct coax_context_stats *stats = &worker->stats;
	unsigned int sent;

	if (!worker->out_count)
		return;
	sent = worker->transport->ops->send(worker->transport, worker->out, worker->out_count);
	__atomic_store_n(&stats->datagrams_out, stats->datagrams_out + sent, __ATOMIC_RELAXED);
	if (sent < worker->out_count)
		note_refused(worker);
	worker->out_count = 0;
}

static void queue_datagram(void *arg, const struct coax_path *path, const uint8_t *data,
			   size_t length)
{
	struct coax_worker *worker = arg;
	uint8_t *buffer = coax_worker_buffer(worker);
	struct coax_datagram *datagram = &worker->out[worker->out_count];

	if (length > COAX_DATAGRAM_OUT_MAX)
		return;
	if (data != buffer)
		memcpy(buffer, data, length);
	datagram->path = *path;
	datagram->data = buffer;
	datagram->length = (uint32_t)length;
	if (++worker->out_count == COAX_BATCH)
		flush(worker);
}

static const struct coax_exchange_ops exchange_ops = {
	.send = queue_datagram,
	.request = coax_worker_render,
};

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
		worker->now = coax_now();
		for (unsigned int i = 0; i < count; i++)
			coax_exchange_receive(worker->exchange, worker->now, &batch[i].path,
					      batch[i].data, batch[i].length, batch[i].truncated);
		flush(worker);
		if (count < COAX_BATCH)
			return;
	}
}

static void take_errors(struct coax_worker *worker, uint32_t socket)
{
	struct coax_path path;
	int error;

	for (int i = 0; i < COAX_BATCH; i++) {
		error = worker->transport->ops->error(worker->transport, socket, &path);
		if (!error)
			return;
		coax_exchange_network_error(worker->exchange, &path, error);
	}
}

/* A datagram that the network did not take will not be answered. */
static void take_refused(struct coax_worker *worker)
{
	for (unsigned int i = 0; i < worker->refused_count; i++)
		coax_exchange_network_error(worker->exchange, &worker->refused[i].path,
					    worker->refused[i].error);
	worker->refused_count = 0;
}

/* What is there now: work that makes more of it has to let others have their turn. */
static void run_queue(struct coax_worker *worker)
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
	run_queue(worker);
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

static uint64_t next_deadline(const struct coax_worker *worker)
{
	uint64_t deadline = coax_exchange_deadline(worker->exchange);

	if (worker->index == 0 && worker->context->accel && worker->context->lease_due < deadline)
		deadline = worker->context->lease_due;
	return deadline;
}

static int wait_for_events(const struct coax_worker *worker, struct epoll_event *events)
{
	uint64_t deadline = next_deadline(worker);
	struct timespec timeout = {0, 0};
	uint64_t now;

	if (deadline == UINT64_MAX)
		return epoll_wait(worker->epoll, events, EVENTS_MAX, -1);
	now = coax_now();
	if (deadline > now) {
		timeout.tv_sec = (time_t)((deadline - now) / NS_PER_SEC);
		timeout.tv_nsec = (long)((deadline - now) % NS_PER_SEC);
	}
	return epoll_pwait2(worker->epoll, events, EVENTS_MAX, &timeout, NULL);
}

static void handle_event(struct coax_worker *worker, const struct epoll_event *event)
{
	uint32_t about = event->data.u32;

	if (about == EVENT_WAKE) {
		awake(worker);
	} else if (about == EVENT_LINKS) {
		coax_accel_process(worker->context->accel);
	} else {
		if (event->events & EPOLLERR)
			take_errors(worker, about);
		receive(worker, about);
	}
}

static void *worker_main(void *arg)
{
	struct coax_worker *worker = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load(&worker->context->stopped)) {
		int count = wait_for_events(worker, events);

		worker->now = coax_now();
		rcu_read_lock();
		for (int i = 0; i < count; i++)
			handle_event(worker, &events[i]);
		if (worker->now >= coax_exchange_deadline(worker->exchange))
			coax_exchange_tick(worker->exchange, worker->now);
		flush(worker);
		take_refused(worker);
		rcu_read_unlock();
		extend_lease(worker);
	}
	return NULL;
}

static int watch(struct coax_worker *worker, int fd, uint32_t about)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = about};

	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int watch_sockets(struct coax_worker *worker)
{
	struct coax_transport *transport = worker->transport;
	int fd, err;

	worker->client_ipv4 = COAX_NO_SOCKET;
	worker->client_ipv6 = COAX_NO_SOCKET;
	for (uint32_t i = 0; (fd = transport->ops->fd(transport, i)) >= 0; i++) {
		err = watch(worker, fd, i);
		if (err)
			return err;
		/* The last one of a family: sockets of a worker's own come behind shared ones. */
		if (transport->ops->bound(transport, i)->sa.sa_family == AF_INET6)
			worker->client_ipv6 = i;
		else
			worker->client_ipv4 = i;
	}
	return 0;
}

static int create_exchange(struct coax_worker *worker)
{
	struct coax_context *context = worker->context;
	struct coax_exchange_options options = {
		.ops = &exchange_ops,
		.arg = worker,
		.tuning = context->tuning,
		.logger = &context->logger,
		.stats = &worker->stats,
	};

	options.tuning.exchanges_max /= context->worker_count;
	options.tuning.deferred_max /= context->worker_count;
	return coax_exchange_create(&worker->exchange, &options);
}

int coax_worker_create(struct coax_worker **result, struct coax_context *context,
		       unsigned int index, const struct coax_udp_socket *sockets, uint32_t count,
		       uint32_t *failed_socket)
{
	struct coax_worker *worker;
	int err;

	*failed_socket = COAX_NO_SOCKET;
	worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	if (!worker)
		return -ENOMEM;
	memset(worker, 0, offsetof(struct coax_worker, out));
	worker->context = context;
	worker->index = index;
	worker->epoll = -1;
	worker->wake = -1;
	atomic_init(&worker->beat_asked, 0);
	atomic_init(&worker->beat_seen, 0);
	__cds_wfcq_init(&worker->queue_head, &worker->queue_tail);

	err = coax_udp_open(&worker->transport, sockets, count, failed_socket);
	if (err)
		goto out;
	*failed_socket = COAX_NO_SOCKET;
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->epoll < 0 || worker->wake < 0) {
		err = -errno;
		goto out;
	}
	err = watch(worker, worker->wake, EVENT_WAKE);
	if (!err)
		err = watch_sockets(worker);
	if (!err)
		err = create_exchange(worker);
out:
	if (err)
		coax_worker_destroy(worker);
	else
		*result = worker;
	return err;
}

int coax_worker_start(struct coax_worker *worker)
{
	int err = 0;

	if (worker->index == 0 && worker->context->accel)
		err = watch(worker, coax_accel_fd(worker->context->accel), EVENT_LINKS);
	return err ? err : -pthread_create(&worker->thread, NULL, worker_main, worker);
}

void coax_worker_destroy(struct coax_worker *worker)
{
	if (worker->exchange) {
		worker->now = coax_now();
		run_queue(worker);
		coax_exchange_destroy(worker->exchange);
		flush(worker);
		/* Requests that their callbacks cancelled just now. */
		run_queue(worker);
	}
	coax_deferred_free_all(worker);
	if (worker->wake >= 0)
		close(worker->wake);
	if (worker->epoll >= 0)
		close(worker->epoll);
	if (worker->transport)
		worker->transport->ops->close(worker->transport);
	free(worker);
}

void coax_worker_wake(struct coax_worker *worker)
{
	uint64_t one = 1;

	/* A full counter is a wake-up that is still pending. */
	if (write(worker->wake, &one, sizeof(one)) < 0)
		return;
}

void coax_worker_post(struct coax_worker *worker, struct coax_work *work)
{
	cds_wfcq_node_init(&work->node);
	coax_handing_over(work);
	if (!cds_wfcq_enqueue(&worker->queue_head, &worker->queue_tail, &work->node))
		coax_worker_wake(worker);
}
