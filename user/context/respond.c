// SPDX-License-Identifier: BSD-2-Clause
/*
 * How responders of a Context deliver: at once from the worker, or later from any thread.
 */
#include <stdlib.h>
#include <string.h>
#include "blocks.h"
#include "guarded.h"
#include "observers.h"
#include "rcu.h"
#include "secure.h"
#include "site/gateway.h"
#include "site/responder.h"
#include "worker.h"

/* A token may be longer than those that the message size was made for (RFC 8974). */
#define RESPONSE_MAX (COAX_MESSAGE_MAX + COAX_TOKEN_TAKEN_MAX)

/* Answered before its handler returns: the response is built in the worker's output batch. */
struct immediate {
	struct coax_responder base;
	struct coax_worker *worker;
	const struct coax_path *path;
	struct coax_ticket ticket;
	struct coax_gathered *gathered; /* what the request points into; NULL: a datagram */
};

struct coax_deferred {
	struct coax_responder base;
	struct coax_work work;
	struct coax_context *context;
	struct coax_worker *worker;
	struct coax_deferred *next_free;
	struct coax_subject *subject; /* kept alive for as long as `base` may name it */
	struct coax_gathered *gathered;
	struct coax_path path;
	struct coax_ticket ticket;
	uint8_t response[RESPONSE_MAX];
	uint8_t request[COAX_DATAGRAM_IN_MAX];
};

static bool is_current(const struct coax_context *context, uint64_t site_version)
{
	return __atomic_load_n(&context->site_version, __ATOMIC_SEQ_CST) == site_version;
}

void coax_worker_publish(struct coax_worker *worker, const struct coax_responder *responder)
{
	struct coax_context *context = worker->context;

	/* What a secure session is told is not for everybody. */
	if (context->accel && !responder->session && coax_responder_publishable(responder) &&
	    is_current(context, responder->site_version) &&
	    coax_accel_publish_until(context->accel, responder->subject, responder->generation,
				     &responder->request, &responder->response,
				     coax_responder_fresh_until(responder))) {
		coax_count(&worker->stats, published);
		coax_worker_publish_ahead(worker, responder);
	}
}

void coax_worker_decide(void *arg, const struct coax_path *path, const struct coax_verdict *verdict)
{
	struct coax_worker *worker = arg;
	struct coax_accel_verdict decided = {
		.remote = &path->remote,
		.local = &path->local,
		.ifindex = path->ifindex,
		.message_id = verdict->id,
		.verdict = verdict->held ? COAX_EXCHANGE_HELD : COAX_EXCHANGE_ANSWERED,
		.digest = verdict->digest,
		.expires = verdict->expires,
		.reply = verdict->reply,
		.reply_length = verdict->reply_length,
	};

	if (!worker->context->accel)
		return;
	if (verdict->withdrawn)
		decided.verdict = COAX_EXCHANGE_NONE;
	coax_accel_decide(worker->context->accel, &worker->verdicts, &decided);
}

/* RFC 7967 section 2: what the client does not want to hear is not sent. */
static int send_response(struct coax_worker *worker, const struct coax_path *path,
			 struct coax_ticket ticket, struct coax_responder *responder)
{
	coax_guarded_charge(worker, path, responder);
	if (coax_responder_is_wanted(responder))
		return coax_exchange_respond(worker->exchange, worker->now, path, ticket,
					     &responder->response);
	return coax_exchange_withhold(worker->exchange, worker->now, path, ticket);
}

/* One more block of what has been rendered before. */
static void send_kept(struct coax_worker *worker, const struct coax_path *path,
		      struct coax_ticket ticket, struct coax_responder *responder)
{
	coax_worker_publish(worker, responder);
	(void)send_response(worker, path, ticket, responder);
}

static void deliver(struct coax_worker *worker, const struct coax_path *path,
		    struct coax_ticket ticket, struct coax_responder *responder,
		    struct coax_gathered *gathered)
{
	const struct coax_context *context = worker->context;
	bool observes = responder->wish != COAX_OBSERVE_NOTHING;
	bool failed;

	if (observes)
		coax_observers_answered(worker, path, responder);
	coax_responder_write_max_age(responder);
	coax_blocks_cut(worker->blocks, worker->now, responder, gathered);
	/*
	 * A body that cannot be cut makes an error of what was a success; and who does not want the
	 * response would not know that it observes. To be looked at while the response is there.
	 */
	failed = COAX_CODE_CLASS(coax_message_code(&responder->response)) != 2 ||
		 !coax_responder_is_wanted(responder);
	/* A block that was kept, and nothing done yet: a large body takes up many message IDs. */
	if (coax_message_code(&responder->response) == COAX_CONTINUE && !responder->streaming)
		coax_exchange_relax(worker->exchange, ticket);
	coax_worker_publish(worker, responder);
	if (send_response(worker, path, ticket, responder))
		failed = true;
	if (observes && failed)
		coax_observers_unanswered(worker, path, &responder->request);
	/* The others were told when the Site was replaced. */
	if (observes && !is_current(context, responder->site_version))
		coax_observers_look_again(context->observers);
	coax_gathered_put(gathered);
}

static void respond_now(struct coax_responder *responder)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);

	deliver(immediate->worker, immediate->path, immediate->ticket, responder,
		immediate->gathered);
}

static bool gather(struct coax_responder *responder, bool streaming, uint64_t body_max)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);
	struct coax_worker *worker = immediate->worker;

	return coax_blocks_gather(worker->blocks, worker->now, responder, streaming, body_max,
				  &immediate->gathered);
}

static struct coax_observer *accept_now(struct coax_responder *responder,
					coax_observer_ended_fn ended, void *arg)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);

	return coax_observers_accept(immediate->worker->context, immediate->worker, responder,
				     ended, arg);
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
	coax_claims_release(deferred->base.claims);
	coax_subject_put(deferred->subject);
	atomic_fetch_sub(&deferred->context->deferred, 1);
}

/* One that comes after the exchange layer's patience has ended has no client any more. */
static void drop(struct coax_deferred *deferred)
{
	coax_observers_forget(deferred->context, deferred->base.observer);
	coax_responder_drop_body(&deferred->base);
	coax_gathered_put(deferred->gathered);
}

static void run_deferred(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_deferred *deferred = caa_container_of(work, struct coax_deferred, work);

	/* What is left in the queue when the Context has closed finds no observers any more. */
	if (!atomic_load(&worker->context->closed) &&
	    coax_exchange_is_open(worker->exchange, deferred->ticket))
		deliver(worker, &deferred->path, deferred->ticket, &deferred->base,
			deferred->gathered);
	else
		drop(deferred);
	finish(deferred);
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
		coax_worker_post(deferred->worker, &deferred->work);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();
	drop(deferred);
	finish(deferred);
	free(deferred);
	coax_context_unreference(context);
}

static struct coax_observer *accept_later(struct coax_responder *responder,
					  coax_observer_ended_fn ended, void *arg)
{
	struct coax_deferred *deferred = caa_container_of(responder, struct coax_deferred, base);

	return coax_observers_accept(deferred->context, deferred->worker, responder, ended, arg);
}

static const struct coax_responder_ops deferred_ops = {
	.respond = respond_later,
	.gather = gather,
	.accept = accept_later,
};

/* A body that was put together is kept as it is, a datagram copied. */
static void keep_request(struct coax_deferred *deferred, const struct immediate *immediate)
{
	const struct coax_message *request = &immediate->base.request;

	deferred->gathered = immediate->gathered;
	if (request->length > sizeof(deferred->request))
		return;
	memcpy(deferred->request, request->data, request->length);
	deferred->base.request.data = deferred->request;
}

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
	if (responder->claims)
		coax_claims_hold(responder->claims);
	keep_request(deferred, immediate);
	coax_message_start(&deferred->base.response, deferred->response, sizeof(deferred->response),
			   COAX_TYPE_ACK, COAX_EMPTY, 0, coax_message_token(&responder->request),
			   coax_message_token_length(&responder->request));
	deferred->context = context;
	deferred->worker = worker;
	deferred->work.run = run_deferred;
	deferred->path = *immediate->path;
	deferred->ticket = immediate->ticket;
	deferred->subject = responder->subject ? coax_subject_get(responder->subject) : NULL;
	atomic_fetch_add(&context->references, 1);
	atomic_fetch_add(&context->deferred, 1);
	return &deferred->base;
}

static const struct coax_responder_ops immediate_ops = {
	.respond = respond_now,
	.defer = defer,
	.gather = gather,
	.accept = accept_now,
};

void coax_worker_render(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket)
{
	struct coax_worker *worker = arg;
	struct coax_context *context = worker->context;
	struct immediate immediate;
	uint8_t localized[COAX_DATAGRAM_IN_MAX];
	struct coax_site *site;

	immediate = (struct immediate){
		.base =
			{
				.ops = &immediate_ops,
				.logger = &context->logger,
				.request = *request,
				.remote = path->remote,
				.local = path->local,
				.session = path->session,
				.claims = coax_secure_claims(worker, path),
				.echo = &worker->echo,
				/* Before the Site: one that is replaced meanwhile makes the
				 * version an old one. */
				.site_version =
					__atomic_load_n(&context->site_version, __ATOMIC_SEQ_CST),
			},
		.worker = worker,
		.path = path,
		.ticket = ticket,
	};
	coax_message_start(&immediate.base.response, coax_worker_buffer(worker), RESPONSE_MAX,
			   COAX_TYPE_ACK, COAX_EMPTY, 0, coax_message_token(request),
			   coax_message_token_length(request));
	if (atomic_load_explicit(&context->stopping, memory_order_relaxed)) {
		coax_responder_refuse(&immediate.base, COAX_SERVICE_UNAVAILABLE, "shutting down");
		return;
	}
	if (!coax_guarded_may_serve(worker, path, &immediate.base))
		return;
	site = __atomic_load_n(&context->site, __ATOMIC_SEQ_CST);
	coax_site_localize(site, &immediate.base, localized, sizeof(localized));
	if (coax_blocks_continue(worker->blocks, worker->now, &immediate.base))
		send_kept(worker, path, ticket, &immediate.base);
	else
		coax_site_render(site, &immediate.base);
}
