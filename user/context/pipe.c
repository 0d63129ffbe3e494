// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests that come by no network. A pipe is worker 0's from its beginning to its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "audience.h"
#include "rcu.h"

struct coax_pipe {
	struct coax_context *context; /* a reference */
	coax_pipe_fn put;
	void *arg;
	atomic_uint references;
	struct coax_work begin;
	struct coax_work end;

	pthread_mutex_t lock; /* held while `put` runs, from where it is taken again */
	bool closed;	      /* `put` does not run any more */

	/* Worker 0's alone. */
	struct cds_list_head node; /* in observers->pipes, until it is over */
	bool over;
	struct coax_member *member; /* NULL: it does not observe */

	size_t length;
	uint8_t request[];
};

static void unreference(struct coax_pipe *pipe)
{
	if (atomic_fetch_sub(&pipe->references, 1) != 1)
		return;
	pthread_mutex_destroy(&pipe->lock);
	coax_context_unreference(pipe->context);
	free(pipe);
}

static void end(struct coax_pipe *pipe)
{
	struct coax_member *member = pipe->member;

	if (pipe->over)
		return;
	pipe->over = true;
	pipe->member = NULL;
	cds_list_del(&pipe->node);
	if (member)
		coax_member_remove(member);
	unreference(pipe);
}

static void give(struct coax_pipe *pipe, const struct coax_message *response, bool last)
{
	pthread_mutex_lock(&pipe->lock);
	if (!pipe->closed) {
		pipe->closed = last;
		pipe->put(pipe->arg, response, last);
	}
	pthread_mutex_unlock(&pipe->lock);
	if (last)
		end(pipe);
}

static void give_error(struct coax_pipe *pipe, uint8_t code)
{
	uint8_t buffer[COAX_HEADER_SIZE];
	struct coax_message m;

	/* There is room for a header. */
	(void)coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_ACK, code, 0, NULL, 0);
	give(pipe, &m, true);
}

void coax_pipe_deliver(struct coax_pipe *pipe, const struct coax_notification *notification,
		       uint32_t number)
{
	uint8_t *buffer = NULL;
	struct coax_message m;
	size_t length;

	if (atomic_load(&pipe->context->stopping)) {
		give(pipe, NULL, true);
		return;
	}
	buffer = malloc(coax_notification_size(notification, 0));
	if (!buffer) {
		give_error(pipe, COAX_INTERNAL_SERVER_ERROR);
		return;
	}
	length = coax_notification_write(notification, (const uint8_t *)"", 0, number, buffer);
	/* Built here, so it can be read. */
	(void)coax_message_parse(&m, buffer, length);
	give(pipe, &m, notification->last);
	free(buffer);
}

static void answer(struct coax_worker *worker, struct coax_pipe *pipe,
		   struct coax_responder *responder)
{
	uint8_t *whole = coax_responder_make_whole(responder, worker->context->tuning.body_max);
	struct coax_message *response = &responder->response;

	coax_message_remove(response, COAX_OBSERVE);
	pipe->member = coax_observers_register(worker, NULL, pipe, responder);
	if (pipe->member && coax_message_add_uint(response, COAX_OBSERVE,
						  pipe->member->number & COAX_OBSERVE_MASK)) {
		coax_member_remove(pipe->member);
		pipe->member = NULL;
	}
	give(pipe, response, !pipe->member);
	free(whole);
}

static void answered(struct coax_worker *worker, struct coax_detached *detached,
		     struct coax_responder *responder)
{
	struct coax_pipe *pipe = detached->arg;

	if (worker && !pipe->over) {
		coax_responder_write_max_age(responder);
		answer(worker, pipe, responder);
	}
	coax_observers_forget(detached->context, responder->observer);
	coax_responder_drop_body(responder);
	coax_detached_free(detached);
	unreference(pipe);
}

static void begin(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_pipe *pipe = caa_container_of(work, struct coax_pipe, begin);
	struct coax_context *context = worker->context;
	struct coax_detached *detached;

	if (atomic_load(&context->stopping)) {
		CDS_INIT_LIST_HEAD(&pipe->node);
		give(pipe, NULL, true);
		return;
	}
	cds_list_add_tail(&pipe->node, &context->observers->pipes);
	detached = coax_detached_create(worker, pipe->request, pipe->length);
	if (!detached) {
		give_error(pipe, COAX_INTERNAL_SERVER_ERROR);
		return;
	}
	detached->done = answered;
	detached->arg = pipe;
	detached->awaited = true;
	atomic_fetch_add(&pipe->references, 1);
	coax_detached_render(detached);
}

static void run_end(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_pipe *pipe = caa_container_of(work, struct coax_pipe, end);

	(void)worker;
	end(pipe);
	unreference(pipe);
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

/* Have worker 0 do it, while there is one. */
static bool post(struct coax_context *context, struct coax_work *work)
{
	bool open;

	rcu_read_lock();
	open = !atomic_load(&context->closed);
	if (open)
		coax_worker_post(context->workers[0], work);
	rcu_read_unlock();
	return open;
}

int coax_render_to_pipe(struct coax_context *context, const struct coax_message *message,
			coax_pipe_fn put, void *arg, struct coax_pipe **result)
{
	uint8_t code = coax_message_code(message);
	struct coax_pipe *pipe;

	if (code == COAX_EMPTY || COAX_CODE_CLASS(code) != 0)
		return -EINVAL;
	if (atomic_load(&context->stopping))
		return -ESHUTDOWN;
	pipe = calloc(1, sizeof(*pipe) + message->length);
	if (!pipe)
		return -ENOMEM;
	atomic_fetch_add(&context->references, 1);
	pipe->context = context;
	pipe->put = put;
	pipe->arg = arg;
	atomic_init(&pipe->references, 1);
	pipe->begin.run = begin;
	pipe->end.run = run_end;
	init_lock(&pipe->lock);
	pipe->length = message->length;
	memcpy(pipe->request, message->data, message->length);
	/* `put` may run, and the pipe be over, before the post has returned. */
	if (result)
		*result = pipe;
	if (post(context, &pipe->begin))
		return 0;
	unreference(pipe);
	return -ESHUTDOWN;
}

void coax_pipe_close(struct coax_pipe *pipe)
{
	bool was_closed;

	atomic_fetch_add(&pipe->references, 1);
	pthread_mutex_lock(&pipe->lock);
	was_closed = pipe->closed;
	pipe->closed = true;
	pthread_mutex_unlock(&pipe->lock);
	if (was_closed || !post(pipe->context, &pipe->end))
		unreference(pipe);
}

void coax_pipes_end(struct coax_observers *observers)
{
	while (!cds_list_empty(&observers->pipes))
		give(cds_list_first_entry(&observers->pipes, struct coax_pipe, node), NULL, true);
}
