// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a worker is made of, what it sends, and how others hand it work.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "blocks.h"
#include "groups.h"
#include "guarded.h"
#include "observers.h"
#include "ports.h"
#include "rcu.h"
#include "secure.h"

uint8_t *coax_worker_buffer(struct coax_worker *worker)
{
	return worker->out_buffers[worker->out_count];
}

void coax_worker_note_refused(struct coax_worker *worker, const struct coax_path *path, int error)
{
	if (worker->refused_count < COAX_BATCH)
		worker->refused[worker->refused_count++] = (struct coax_refused){*path, error};
}

/* What the network refused is looked at later; for the rest there was no room. */
static void note_unsent(struct coax_worker *worker, unsigned int unsent)
{
	struct coax_context_stats *stats = &worker->stats;

	for (unsigned int i = 0; i < worker->out_count; i++) {
		const struct coax_datagram *datagram = &worker->out[i];

		if (!datagram->error)
			continue;
		unsent--;
		coax_worker_note_refused(worker, &datagram->path, datagram->error);
	}
	__atomic_store_n(&stats->datagrams_dropped, stats->datagrams_dropped + unsent,
			 __ATOMIC_RELAXED);
}

void coax_worker_flush(struct coax_worker *worker)
{
	struct coax_context_stats *stats = &worker->stats;
	unsigned int sent;

	coax_accel_settle(&worker->verdicts);
	if (!worker->out_count)
		return;
	sent = worker->transport->ops->send(worker->transport, worker->out, worker->out_count);
	__atomic_store_n(&stats->datagrams_out, stats->datagrams_out + sent, __ATOMIC_RELAXED);
	if (sent < worker->out_count)
		note_unsent(worker, worker->out_count - sent);
	worker->out_count = 0;
}

void coax_worker_send(struct coax_worker *worker, const struct coax_path *path, const uint8_t *data,
		      size_t length)
{
	uint8_t *buffer = coax_worker_buffer(worker);
	struct coax_datagram *datagram = &worker->out[worker->out_count];

	if (length > COAX_DTLS_OUT_MAX)
		return;
	if (data != buffer)
		memcpy(buffer, data, length);
	datagram->path = *path;
	datagram->data = buffer;
	datagram->length = (uint32_t)length;
	if (++worker->out_count == COAX_BATCH)
		coax_worker_flush(worker);
}

static void send_message(void *arg, const struct coax_path *path, const uint8_t *data,
			 size_t length)
{
	if (path->session)
		coax_secure_send(arg, path, data, length);
	else
		coax_worker_send(arg, path, data, length);
}

static const struct coax_exchange_ops exchange_ops = {
	.send = send_message,
	.request = coax_worker_render,
	.compose = coax_observers_compose,
	.notified = coax_observers_notified,
	.verdict = coax_worker_decide,
	.may_repeat = coax_guarded_may_repeat,
};

static int watch_sockets(struct coax_worker *worker)
{
	struct coax_transport *transport = worker->transport;
	int family, fd, err;

	memset(worker->client, 0xff, sizeof(worker->client));
	for (uint32_t i = 0; (fd = transport->ops->fd(transport, i)) >= 0; i++) {
		err = coax_worker_watch(worker, fd, i);
		if (err)
			return err;
		if (i >= worker->context->own_sockets_end)
			continue;
		/* The last one of a family: sockets of a worker's own come behind shared ones. */
		family = transport->ops->bound(transport, i)->sa.sa_family;
		worker->client[worker->socket_is_secure[i]][family == AF_INET6] = i;
	}
	return 0;
}

static int create_blocks(struct coax_worker *worker)
{
	struct coax_blocks_options options = {
		.tuning = worker->context->tuning,
		.logger = &worker->context->logger,
		.stats = &worker->stats,
	};

	options.tuning.bodies_max /= worker->context->worker_count;
	return coax_blocks_create(&worker->blocks, &options);
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
		.digest = context->digest,
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
	atomic_init(&worker->reloaded, false);
	CDS_INIT_LIST_HEAD(&worker->observations);
	for (uint32_t i = 0; i < count; i++)
		worker->socket_is_secure[i] = sockets[i].secure;

	err = coax_hash_key_random(&worker->echo.key);
	if (!err)
		err = coax_udp_open(&worker->transport, sockets, count, failed_socket);
	if (err)
		goto out;
	*failed_socket = COAX_NO_SOCKET;
	if (context->own_loop)
		worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if ((context->own_loop && worker->epoll < 0) || worker->wake < 0) {
		err = -errno;
		goto out;
	}
	/* Sockets first: under load there is no need to look further. */
	err = watch_sockets(worker);
	if (!err)
		err = coax_worker_watch(worker, worker->wake, COAX_EVENT_WAKE);
	if (!err)
		err = create_exchange(worker);
	if (!err)
		err = create_blocks(worker);
	if (!err)
		err = coax_timers_create(&worker->renewals, context->tuning.observations_max);
	if (!err && context->dtls)
		err = coax_secure_create(worker);
out:
	if (err)
		coax_worker_destroy(worker);
	else
		*result = worker;
	return err;
}

int coax_worker_start(struct coax_worker *worker)
{
	const struct coax_context *context = worker->context;
	int err = 0;

	if (worker->index == 0 && context->accel)
		err = coax_worker_watch(worker, coax_accel_fd(context->accel), COAX_EVENT_LINKS);
	if (!err && worker->index == 0 && context->groups)
		err = coax_worker_watch(worker, coax_groups_fd(context->groups), COAX_EVENT_GROUPS);
	if (err || context->own_loop)
		return err;
	return -pthread_create(&worker->thread, NULL, coax_worker_main, worker);
}

void coax_worker_destroy(struct coax_worker *worker)
{
	if (worker->exchange) {
		worker->now = coax_now();
		coax_worker_run_queue(worker);
		coax_secure_stop(worker);
		coax_exchange_destroy(worker->exchange);
		coax_secure_destroy(worker->secure);
		worker->secure = NULL;
		coax_worker_flush(worker);
		/* Requests that their callbacks cancelled just now. */
		coax_worker_run_queue(worker);
	}
	coax_deferred_free_all(worker);
	coax_ports_free(worker->ports);
	coax_timers_destroy(&worker->renewals);
	coax_blocks_destroy(worker->blocks);
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
