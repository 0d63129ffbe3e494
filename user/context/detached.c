// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "detached.h"
#include "observers.h"
#include "rcu.h"

/* Until the handler returns. */
struct immediate {
	struct coax_responder base;
	struct coax_detached *detached;
	bool answered;
};

struct coax_detached *coax_detached_create(struct coax_worker *worker, const uint8_t *request,
					   size_t length)
{
	struct coax_detached *detached = malloc(sizeof(*detached) + length);

	if (!detached)
		return NULL;
	memset(detached, 0, offsetof(struct coax_detached, response));
	memcpy(detached->request, request, length);
	detached->request_length = length;
	detached->worker = worker;
	detached->context = worker->context;
	return detached;
}

void coax_detached_free(struct coax_detached *detached)
{
	if (detached->release_transfer)
		detached->release_transfer(detached->transfer);
	coax_subject_put(detached->subject);
	free(detached);
}

static void begin_response(struct coax_detached *detached, struct coax_responder *responder)
{
	/* There is room for a header. */
	(void)coax_message_start(&responder->response, detached->response,
				 sizeof(detached->response), COAX_TYPE_ACK, COAX_EMPTY, 0, NULL, 0);
}

static void run_answered(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_detached *detached = caa_container_of(work, struct coax_detached, work);
	struct coax_context *context = detached->context;
	bool awaited = detached->awaited;

	detached->done(worker, detached, &detached->later);
	if (awaited)
		atomic_fetch_sub(&context->deferred, 1);
	coax_context_unreference(context);
}

static void respond_later(struct coax_responder *responder)
{
	struct coax_detached *detached = caa_container_of(responder, struct coax_detached, later);
	struct coax_subject *former = detached->subject;

	/* Another one, which was named meanwhile, is the caller's only until this returns. */
	detached->subject = responder->subject ? coax_subject_get(responder->subject) : NULL;
	coax_subject_put(former);
	rcu_read_lock();
	if (!atomic_load(&detached->context->closed)) {
		coax_worker_post(detached->worker, &detached->work);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();
	run_answered(NULL, &detached->work);
}

static struct coax_observer *accept_later(struct coax_responder *responder,
					  coax_observer_ended_fn ended, void *arg)
{
	struct coax_detached *detached = caa_container_of(responder, struct coax_detached, later);

	return coax_observers_accept(detached->context, detached->worker, responder, ended, arg);
}

/* Bodies are whole here: the request's, as the one part of it; the response's where it is taken. */
static bool gather(struct coax_responder *responder, bool streaming, uint64_t body_max)
{
	struct coax_detached *detached =
		caa_container_of(responder, struct immediate, base)->detached;
	const struct coax_message *request = &responder->request;
	struct coax_option block;

	if (coax_message_find(request, COAX_BLOCK1, &block)) {
		coax_responder_refuse(responder, COAX_BAD_OPTION, "no bodies in blocks here");
		return false;
	}
	if (body_max && request->length - request->payload > body_max) {
		coax_responder_refuse(responder, COAX_REQUEST_ENTITY_TOO_LARGE, "");
		return false;
	}
	if (streaming)
		responder->part = (struct coax_part){
			.transfer = &detached->transfer,
			.release = &detached->release_transfer,
		};
	return true;
}

static const struct coax_responder_ops later_ops = {
	.respond = respond_later,
	.gather = gather,
	.accept = accept_later,
};

static void respond_now(struct coax_responder *responder)
{
	caa_container_of(responder, struct immediate, base)->answered = true;
}

static struct coax_observer *accept_now(struct coax_responder *responder,
					coax_observer_ended_fn ended, void *arg)
{
	struct immediate *immediate = caa_container_of(responder, struct immediate, base);

	return coax_observers_accept(immediate->detached->context, immediate->detached->worker,
				     responder, ended, arg);
}

static struct coax_responder *defer(struct coax_responder *responder)
{
	struct coax_detached *detached =
		caa_container_of(responder, struct immediate, base)->detached;
	struct coax_context *context = detached->context;

	detached->later = *responder;
	detached->later.ops = &later_ops;
	begin_response(detached, &detached->later);
	detached->subject = responder->subject ? coax_subject_get(responder->subject) : NULL;
	detached->work.run = run_answered;
	atomic_fetch_add(&context->references, 1);
	if (detached->awaited)
		atomic_fetch_add(&context->deferred, 1);
	return &detached->later;
}

static const struct coax_responder_ops immediate_ops = {
	.respond = respond_now,
	.defer = defer,
	.gather = gather,
	.accept = accept_now,
};

void coax_detached_render(struct coax_detached *detached)
{
	struct coax_worker *worker = detached->worker;
	struct immediate immediate = {
		.base =
			{
				.ops = &immediate_ops,
				.logger = &worker->context->logger,
				.remote.sa.sa_family = AF_UNSPEC,
				.local.sa.sa_family = AF_UNSPEC,
				.needed_until = detached->needed_until,
				/* A renewal is for anybody who asks the kernel. */
				.let_in = detached->needed_until == 0,
				/* Before the Site: one that is replaced meanwhile makes the
				 * version an old one. */
				.site_version = __atomic_load_n(&worker->context->site_version,
								__ATOMIC_SEQ_CST),
			},
		.detached = detached,
	};

	/* It was parsed before, or built by us. */
	(void)coax_message_parse(&immediate.base.request, detached->request,
				 detached->request_length);
	begin_response(detached, &immediate.base);
	coax_site_render(__atomic_load_n(&worker->context->site, __ATOMIC_SEQ_CST),
			 &immediate.base);
	if (immediate.answered)
		detached->done(worker, detached, &immediate.base);
}
