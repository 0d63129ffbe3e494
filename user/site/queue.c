// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <urcu/wfcqueue.h>
#include "rcu.h"
#include "site/queue.h"
#include "site/tree.h"

struct requests {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
};

struct coax_queue {
	struct requests added; /* by workers */
	int fd;		       /* eventfd: `added` is no longer empty */
	pthread_mutex_t lock;  /* of what is below, and of taking from `added` */
	pthread_cond_t finished;
	struct requests waiting;
	const struct coax_resource *running; /* whose handler it is; NULL: none runs */
};

static struct coax_responder *take(struct requests *requests)
{
	struct cds_wfcq_node *node = __cds_wfcq_dequeue_blocking(&requests->head, &requests->tail);
	struct coax_responder *responder;

	if (!node)
		return NULL;
	responder = caa_container_of(node, struct coax_responder, queued);
	coax_taken_over(responder);
	return responder;
}

/* Returns whether there were others before. */
static bool put(struct requests *requests, struct coax_responder *responder)
{
	cds_wfcq_node_init(&responder->queued);
	coax_handing_over(responder);
	return cds_wfcq_enqueue(&requests->head, &requests->tail, &responder->queued);
}

static void move_all(struct requests *to, struct requests *from)
{
	__cds_wfcq_splice_blocking(&to->head, &to->tail, &from->head, &from->tail);
}

int coax_queue_create(struct coax_queue **result)
{
	struct coax_queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->fd < 0) {
		err = -errno;
		free(queue);
		return err;
	}
	__cds_wfcq_init(&queue->added.head, &queue->added.tail);
	__cds_wfcq_init(&queue->waiting.head, &queue->waiting.tail);
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->finished, NULL);
	*result = queue;
	return 0;
}

/* They belong to nobody else any more. */
static void refuse_all(struct requests *requests, uint8_t code)
{
	struct coax_responder *responder;

	while ((responder = take(requests)))
		coax_responder_refuse(responder, code, "");
}

void coax_queue_destroy(struct coax_queue *queue)
{
	if (!queue)
		return;
	move_all(&queue->waiting, &queue->added);
	refuse_all(&queue->waiting, COAX_SERVICE_UNAVAILABLE);
	pthread_cond_destroy(&queue->finished);
	pthread_mutex_destroy(&queue->lock);
	close(queue->fd);
	free(queue);
}

int coax_queue_fd(const struct coax_queue *queue)
{
	return queue->fd;
}

void coax_queue_add(struct coax_queue *queue, struct coax_responder *responder)
{
	if (!put(&queue->added, responder))
		(void)eventfd_write(queue->fd, 1);
}

static struct coax_responder *begin(struct coax_queue *queue)
{
	struct coax_responder *responder;

	pthread_mutex_lock(&queue->lock);
	responder = take(&queue->waiting);
	queue->running = responder ? responder->resource : NULL;
	pthread_mutex_unlock(&queue->lock);
	return responder;
}

static void finish(struct coax_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->running = NULL;
	pthread_cond_broadcast(&queue->finished);
	pthread_mutex_unlock(&queue->lock);
}

/*
 * The descriptor is cleared before requests are taken over: who adds the first one after that
 * writes to it again.
 */
static int run_all(struct coax_queue *queue)
{
	struct coax_responder *responder;
	eventfd_t added;
	int count = 0;

	(void)eventfd_read(queue->fd, &added);
	pthread_mutex_lock(&queue->lock);
	move_all(&queue->waiting, &queue->added);
	pthread_mutex_unlock(&queue->lock);
	for (; (responder = begin(queue)); count++) {
		coax_responder_run(responder, responder->resource);
		finish(queue);
	}
	return count;
}

int coax_queue_process(struct coax_queue *queue, bool wait)
{
	struct pollfd readable = {.fd = queue->fd, .events = POLLIN};
	int count = run_all(queue);

	while (wait && count == 0) {
		(void)poll(&readable, 1, -1);
		count = run_all(queue);
	}
	return count;
}

static bool is_leaving(const struct coax_resource *one, const struct coax_site *site,
		       const struct coax_resource *resource)
{
	return one && one->site == site && (!resource || one == resource);
}

void coax_queue_leave(struct coax_queue *queue, const struct coax_site *site,
		      const struct coax_resource *resource, uint8_t code)
{
	struct requests all, leaving;
	struct coax_responder *responder;

	__cds_wfcq_init(&all.head, &all.tail);
	__cds_wfcq_init(&leaving.head, &leaving.tail);

	pthread_mutex_lock(&queue->lock);
	move_all(&all, &queue->waiting);
	move_all(&all, &queue->added);
	while ((responder = take(&all)))
		put(is_leaving(responder->resource, site, resource) ? &leaving : &queue->waiting,
		    responder);
	while (is_leaving(queue->running, site, resource))
		pthread_cond_wait(&queue->finished, &queue->lock);
	pthread_mutex_unlock(&queue->lock);

	refuse_all(&leaving, code);
}

/* The queues of a Site in the order of their addresses: the one after `queue`, or NULL. */
static struct coax_queue *next_queue(struct coax_site *site, const struct coax_queue *queue)
{
	struct coax_resource *resource = NULL;
	struct coax_queue *next = NULL;
	struct cds_lfht_iter iter;

	rcu_read_lock();
	cds_lfht_for_each_entry (site->table, &iter, resource, node) {
		coax_taken_over(resource);
		if ((uintptr_t)resource->queue > (uintptr_t)queue &&
		    (!next || (uintptr_t)resource->queue < (uintptr_t)next))
			next = resource->queue;
	}
	rcu_read_unlock();
	return next;
}

void coax_site_leave_queues(struct coax_site *site)
{
	struct coax_queue *queue = NULL;

	while ((queue = next_queue(site, queue)))
		coax_queue_leave(queue, site, NULL, COAX_SERVICE_UNAVAILABLE);
}
