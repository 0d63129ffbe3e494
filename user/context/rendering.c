// SPDX-License-Identifier: BSD-2-Clause
/*
 * The home's work for an audience: each change is rendered once, whatever comes back is the next
 * version, and all shares are told.
 */
#include <stdlib.h>
#include "audience.h"
#include "blocks.h"
#include "clock.h"
#include "rcu.h"

/*
 * Make it the latest, unless something newer or the last one is there already. Returns whether it
 * is.
 */
static bool install(struct coax_audience *audience, struct coax_notification *notification,
		    const struct coax_state *state)
{
	struct coax_notification *former = notification;
	bool installed = false, last = notification->last;

	pthread_mutex_lock(&audience->lock);
	if (audience->dismissed || (audience->latest && audience->latest->last) ||
	    state->order < audience->state.order)
		goto out;
	installed = true;
	former = audience->latest;
	notification->version = ++audience->version;
	audience->latest = notification;
	audience->state = *state;
	for (struct coax_share *share = audience->shares; share; share = share->next)
		coax_share_post(share);
out:
	pthread_mutex_unlock(&audience->lock);
	coax_notification_put(former);
	if (installed && last)
		coax_audience_close(audience);
	return installed;
}

/* Section 4.2: the content format stays, or it is over. */
static void check_format(const struct coax_audience *audience, struct coax_responder *responder)
{
	struct coax_message *response = &responder->response;
	int64_t format = coax_response_format(response);
	char description[COAX_DESCRIPTION_MAX];

	if (format == audience->format || format == COAX_FORMAT_UNKNOWN ||
	    audience->format == COAX_FORMAT_UNKNOWN)
		return;
	coax_log(responder->logger, COAX_LOG_WARNING,
		 "observers of %s get 4.06: its content format is another one than when they "
		 "registered",
		 coax_message_describe(&responder->request, description, sizeof(description)));
	coax_responder_drop_body(responder);
	/* There is room for a header. */
	(void)coax_message_start(response, response->data, response->capacity, COAX_TYPE_ACK,
				 COAX_NOT_ACCEPTABLE, 0, NULL, 0);
}

/* What leaves over the network is the first block of it (RFC 7959 section 2.6). */
static struct coax_notification *keep_response(struct coax_worker *worker,
					       const struct coax_audience *audience,
					       struct coax_responder *responder)
{
	struct coax_notification *notification;
	uint8_t *whole = NULL;

	check_format(audience, responder);
	if (audience->pipes)
		whole = coax_responder_make_whole(responder, worker->context->tuning.body_max);
	else
		coax_blocks_cut(worker->blocks, worker->now, responder, NULL);
	/* What has no subject any more will not be told of again: this is the last that is heard.
	 */
	notification = coax_notification_create(
		&responder->response,
		audience->rendering_last || (!audience->observer && !responder->subject));
	if (notification)
		notification->fresh_until = coax_responder_fresh_until(responder);
	free(whole);
	return notification;
}

static void take_rendering(struct coax_worker *worker, struct coax_audience *audience,
			   struct coax_responder *responder)
{
	const struct coax_state state = {
		.subject = responder->subject,
		.generation = responder->generation,
		.order = audience->rendering_order,
	};
	struct coax_subject *watched = audience->observer ? NULL : responder->subject;
	struct coax_notification *notification = keep_response(worker, audience, responder);

	if (!notification) {
		coax_log(&worker->context->logger, COAX_LOG_ERROR,
			 "no memory for a notification: observers keep the state that they have");
		return;
	}
	if (watched && !notification->last)
		coax_audience_watch(audience, watched);
	if (install(audience, notification, &state) && watched &&
	    coax_subject_generation(watched) != state.generation)
		coax_audience_outdated(audience);
}

static void rendered(struct coax_worker *worker, struct coax_detached *detached,
		     struct coax_responder *responder)
{
	struct coax_audience *audience = detached->arg;

	if (worker && audience->rendering == detached) {
		bool again = audience->again;

		audience->rendering = NULL;
		audience->again = false;
		take_rendering(worker, audience, responder);
		if (again)
			coax_audience_outdated(audience);
	}
	coax_responder_drop_body(responder);
	coax_detached_free(detached);
	coax_audience_put(audience);
}

/* One at a time; but a handler that never answers is not waited for for ever. */
static void begin_rendering(struct coax_worker *worker, struct coax_audience *audience)
{
	const struct coax_context *context = worker->context;
	uint64_t patience = context->tuning.handler_timeout_ms * NS_PER_MS;
	struct coax_detached *detached;

	if (audience->rendering && worker->now - audience->rendering_since < patience) {
		audience->again = true;
		return;
	}
	detached = coax_detached_create(worker, audience->request, audience->request_length);
	if (!detached) {
		coax_log(&context->logger, COAX_LOG_ERROR,
			 "no memory to render for observers: they keep the state that they have");
		return;
	}
	detached->done = rendered;
	detached->arg = coax_audience_get(audience);
	audience->rendering = detached;
	audience->rendering_since = worker->now;
	audience->again = false;
	pthread_mutex_lock(&audience->lock);
	audience->rendering_order = audience->order;
	audience->rendering_last = audience->ending;
	pthread_mutex_unlock(&audience->lock);
	coax_detached_render(detached);
}

void coax_audience_attend(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_audience *audience = caa_container_of(work, struct coax_audience, work);
	struct coax_notification *given;
	struct coax_state given_state;
	bool dismissed, stale;

	pthread_mutex_lock(&audience->lock);
	audience->posted = false;
	dismissed = audience->dismissed;
	stale = audience->stale && !dismissed;
	audience->stale = false;
	given = audience->given;
	given_state = audience->given_state;
	audience->given = NULL;
	pthread_mutex_unlock(&audience->lock);

	if (given) {
		audience->again = false;
		install(audience, given, &given_state);
	}
	if (stale)
		begin_rendering(worker, audience);
	if (dismissed) {
		/* What is under way finds that it is not waited for. */
		audience->rendering = NULL;
		coax_subject_unwatch(&audience->watch);
		coax_audience_put(audience);
	}
	coax_audience_put(audience);
}
