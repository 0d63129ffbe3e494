// SPDX-License-Identifier: BSD-2-Clause
/*
 * How responders of a Context deliver: at once from the worker, or later from any thread.
 */
#include <stdlib.h>
#include <string.h>
#include "observers.h"
#include "rcu.h"
#include "site/responder.h"
#include "worker.h"

/* Answered before its handler returns: the response is built in the worker's output batch. */
struct immediate {
	struct coax_responder base;
	struct coax_worker *worker;
	const struct coax_path *path;
	struct coax_ticket ticket;
	uint64_t site_version; /* that it was rendered from, or an older one */
};

struct coax_deferred {
	struct coax_responder base;
	struct coax_work work;
	struct coax_context *context;
	struct coax_worker *worker;
	struct coax_deferred *next_free;
	struct coax_subject *subject; /* kept alive for as long as `base` may name it */
	struct coax_path path;
	struct coax_ticket ticket;
	uint64_t site_version;
	uint8_t response[COAX_MESSAGE_MAX];
	uint8_t request[COAX_DATAGRAM_IN_MAX];
};

/*
 * On whatever thread the answer came from: the worker's counter is not its own for once. In an RCU
 * read section, whose end coax_context_set_site() waits for before it withdraws.
 */
static void publish(struct coax_worker *worker, const struct coax_responder *responder,
		    uint64_t site_version)
{
	struct coax_context *context = worker->context;
	struct coax_accel *accel = context->accel;

	if (accel && coax_responder_publishable(responder) &&
	    __atomic_load_n(&context->site_version, __ATOMIC_SEQ_CST) == site_version &&
	    coax_accel_publish(accel, responder->subject, responder->generation,
			       &responder->request, &responder->response))
		__atomic_fetch_add(&worker->stats.published, 1, __ATOMIC_RELAXED);
}

/* On the worker. What it registers for is not there when the ticket has ended meanwhile. */
static void send_response(struct coax_worker *worker, const struct coax_path *path,
			  struct coax_ticket ticket, struct coax_responder *responder)
{
	bool observes = responder->wish != COAX_OBSERVE_NOTHING;

	if (observes)
		coax_observers_answered(worker, path, responder);
	if (coax_exchange_respond(worker->exchange, worker->now, path, ticket,
				  &responder->response) &&
	    observes)
		coax_observers_unanswered(worker, path, &responder->request);
}

static void respond_now(struct coax_responder *responder)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);
	struct coax_worker *worker = immediate->worker;

	publish(worker, responder, immediate->site_version);
	send_response(worker, immediate->path, immediate->ticket, responder);
}

static struct coax_deferred *take(struct coax_worker *worker)
{
	struct coax_deferred *deferred = worker->deferred_free;

	if (deferred)
		worker->deferred_free = deferred->next_free;
	else
		deferred = malloc(sizeof(*deferred));
	return deferred;
}

static void give_back(struct coax_worker *worker, struct coax_deferred *deferred)
{
	deferred->next_free = worker->deferred_free;
	worker->deferred_free = deferred;
}

void coax_deferred_free_all(struct coax_worker *worker)
{
	while (worker->deferred_free) {
		struct coax_deferred *deferred = worker->deferred_free;

		worker->deferred_free = deferred->next_free;
		free(deferred);
	}
}

static void finish(struct coax_deferred *deferred)
{
	struct coax_context *context = deferred->context;

	atomic_fetch_sub(&context->deferred, 1);
}

static void run_deferred(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_deferred *deferred = caa_container_of(work, struct coax_deferred, work);

	send_response(worker, &deferred->path, deferred->ticket, &deferred->base);
	coax_subject_put(deferred->subject);
	give_back(worker, deferred);
	coax_context_unreference(worker->context);
}

static void respond_later(struct coax_responder *responder)
{
	struct coax_deferred *deferred = caa_container_of(responder, struct coax_deferred, base);
	struct coax_context *context = deferred->context;
	struct coax_subject *former = deferred->subject;

	/* Another one, which was named meanwhile, is the caller's only until this returns. */
	deferred->subject = responder->subject ? coax_subject_get(responder->subject) : NULL;
	coax_subject_put(former);
	rcu_read_lock();
	if (!atomic_load(&context->closed)) {
		publish(deferred->worker, responder, deferred->site_version);
		finish(deferred);
		coax_worker_post(deferred->worker, &deferred->work);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();
	coax_observers_forget(context, responder->observer);
	coax_subject_put(deferred->subject);
	finish(deferred);
	free(deferred);
	coax_context_unreference(context);
}

static struct coax_observer *accept_later(struct coax_responder *responder,
					  coax_observer_ended_fn ended, void *arg)
{
	struct coax_deferred *deferred = caa_container_of(responder, struct coax_deferred, base);

	return coax_observers_accept(deferred->worker, responder, ended, arg);
}

static const struct coax_responder_ops deferred_ops = {
	.respond = respond_later,
	.accept = accept_later,
};

static struct coax_responder *defer(struct coax_responder *responder)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);
	struct coax_worker *worker = immediate->worker;
	struct coax_context *context = worker->context;
	struct coax_deferred *deferred = take(worker);

	if (!deferred)
		return NULL;
	if (coax_exchange_hold(worker->exchange, worker->now, immediate->path, immediate->ticket,
			       &responder->request)) {
		give_back(worker, deferred);
		return NULL;
	}

	deferred->base = *responder;
	deferred->base.ops = &deferred_ops;
	memcpy(deferred->request, responder->request.data, responder->request.length);
	deferred->base.request.data = deferred->request;
	coax_message_start(&deferred->base.response, deferred->response, sizeof(deferred->response),
			   COAX_TYPE_ACK, COAX_EMPTY, 0, coax_message_token(&responder->request),
			   coax_message_token_length(&responder->request));
	deferred->context = context;
	deferred->worker = worker;
	deferred->work.run = run_deferred;
	deferred->path = *immediate->path;
	deferred->ticket = immediate->ticket;
	deferred->site_version = immediate->site_version;
	deferred->subject = responder->subject ? coax_subject_get(responder->subject) : NULL;
	atomic_fetch_add(&context->references, 1);
	atomic_fetch_add(&context->deferred, 1);
	return &deferred->base;
}

static struct coax_observer *accept_now(struct coax_responder *responder,
					coax_observer_ended_fn ended, void *arg)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);

	return coax_observers_accept(immediate->worker, responder, ended, arg);
}

static const struct coax_responder_ops immediate_ops = {
	.respond = respond_now,
	.accept = accept_now,
	.defer = defer,
};

void coax_worker_render(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket)
{
	struct coax_worker *worker = arg;
	struct coax_context *context = worker->context;
	struct immediate immediate;

	immediate = (struct immediate){
		.base =
			{
				.ops = &immediate_ops,
				.logger = &context->logger,
				.request = *request,
				.echo = &worker->echo,
				.remote = path->remote,
				.local = path->local,
			},
		.worker = worker,
		.path = path,
		.ticket = ticket,
		/* Before the Site: one that is replaced meanwhile makes the version an old one. */
		.site_version = __atomic_load_n(&context->site_version, __ATOMIC_SEQ_CST),
	};
	coax_message_start(&immediate.base.response, coax_worker_buffer(worker), COAX_MESSAGE_MAX,
			   COAX_TYPE_ACK, COAX_EMPTY, 0, coax_message_token(request),
			   coax_message_token_length(request));
	if (atomic_load_explicit(&context->stopping, memory_order_relaxed))
		coax_responder_refuse(&immediate.base, COAX_SERVICE_UNAVAILABLE, "shutting down");
	else
		coax_site_render(__atomic_load_n(&context->site, __ATOMIC_SEQ_CST),
				 &immediate.base);
}
