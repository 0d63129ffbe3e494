// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <coax/block.h>
#include <coax/option.h>
#include "audience.h"

int coax_observers_create(struct coax_observers **result, struct coax_context *context)
{
	struct coax_observers *observers = calloc(1, sizeof(*observers));
	uint32_t buckets = coax_hash_buckets(context->tuning.observers_max);
	int err;

	if (!observers)
		return -ENOMEM;
	observers->context = context;
	pthread_mutex_init(&observers->lock, NULL);
	CDS_INIT_LIST_HEAD(&observers->audiences);
	CDS_INIT_LIST_HEAD(&observers->pipes);
	observers->mask = buckets - 1;
	observers->by_request = calloc(buckets, sizeof(*observers->by_request));
	observers->members = calloc(context->worker_count, sizeof(*observers->members));
	err = observers->by_request && observers->members ? 0 : -ENOMEM;
	if (!err)
		err = coax_hash_key_random(&observers->key);
	for (unsigned int i = 0; i < context->worker_count && !err; i++)
		err = coax_members_create(&observers->members[i], buckets / context->worker_count);
	if (err)
		coax_observers_destroy(observers);
	else
		*result = observers;
	return err;
}

void coax_observers_destroy(struct coax_observers *observers)
{
	const struct coax_context *context;

	if (!observers)
		return;
	context = observers->context;
	coax_pipes_end(observers);
	for (unsigned int i = 0; observers->members && i < context->worker_count; i++) {
		if (context->workers && context->workers[i])
			coax_members_remove_all(context->workers[i]);
		coax_members_destroy(&observers->members[i]);
	}
	coax_audiences_dismiss(observers);
	pthread_mutex_destroy(&observers->lock);
	free(observers->members);
	free(observers->by_request);
	free(observers);
}

/* Whether this answer begins an observation, or goes on with one (section 4.1). */
static bool is_registration(const struct coax_path *path, const struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	uint8_t code = coax_message_code(&responder->response);
	uint32_t block;

	/* Of a request that comes in blocks, the last one is what it is about. */
	if (responder->wish != COAX_OBSERVE_REGISTER || COAX_CODE_CLASS(code) != 2 ||
	    code == COAX_CONTINUE)
		return false;
	/* Without a subject nothing would tell of changes. */
	if (!(responder->observable && responder->subject) && !responder->observer)
		return false;
	/* Of a resource, not of a block in the midst of it (RFC 7959 section 2.6). */
	if (coax_message_find_uint(request, COAX_BLOCK2, &block) && block >> 4)
		return false;
	if (path && (coax_message_token_length(request) > COAX_TOKEN_MAX ||
		     coax_address_is_multicast(&path->local)))
		return false;
	return !responder->observer || coax_observer_register(responder->observer);
}

/* `former` is the one with this remote and token, NULL: none. */
static struct coax_member *join(struct coax_worker *worker, const struct coax_path *path,
				struct coax_pipe *pipe, const struct coax_responder *responder,
				struct coax_member *former)
{
	struct coax_observer *observer = responder->observer;
	struct coax_audience *audience = observer ? observer->audience : NULL;
	struct coax_member *member;
	uint32_t number = former ? former->number : 0;

	if (!audience)
		audience = coax_audience_join(worker, responder, pipe != NULL);
	if (audience && former && former->share->audience == audience) {
		coax_audience_leave(audience);
		return former;
	}
	if (former)
		coax_member_remove(former);
	if (!audience)
		return NULL;
	member = coax_member_create(worker, audience, path, pipe, &responder->request);
	if (member)
		member->number = number;
	else
		coax_audience_leave(audience);
	return member;
}

struct coax_member *coax_observers_register(struct coax_worker *worker,
					    const struct coax_path *path, struct coax_pipe *pipe,
					    struct coax_responder *responder)
{
	struct coax_member *former =
		path ? coax_members_find(worker, path, &responder->request) : NULL;
	struct coax_member *member = NULL;

	if (is_registration(path, responder)) {
		member = join(worker, path, pipe, responder, former);
	} else {
		if (former)
			coax_member_remove(former);
		if (responder->observer)
			coax_audience_leave(responder->observer->audience);
	}
	responder->observer = NULL;
	if (member)
		coax_share_answered(member, responder, worker->now);
	return member;
}

void coax_observers_answered(struct coax_worker *worker, const struct coax_path *path,
			     struct coax_responder *responder)
{
	struct coax_member *member = coax_observers_register(worker, path, NULL, responder);

	coax_message_remove(&responder->response, COAX_OBSERVE);
	if (member && coax_message_add_uint(&responder->response, COAX_OBSERVE,
					    member->number & COAX_OBSERVE_MASK))
		coax_member_remove(member);
}

void coax_observers_unanswered(struct coax_worker *worker, const struct coax_path *path,
			       const struct coax_message *request)
{
	struct coax_member *member = coax_members_find(worker, path, request);

	if (member)
		coax_member_remove(member);
}

static void render(struct coax_audience *audience)
{
	coax_audience_render(audience, false);
}

void coax_observers_look_again(struct coax_observers *observers)
{
	coax_audiences_for_each(observers, render);
}

static void say_goodbye(struct coax_audience *audience)
{
	uint8_t buffer[COAX_HEADER_SIZE];
	struct coax_message m;

	/* There is room for a header. */
	(void)coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON,
				 COAX_SERVICE_UNAVAILABLE, 0, NULL, 0);
	/* Without memory they learn nothing, and end with the Context. */
	(void)coax_audience_trigger(audience, &m, true, NULL);
}

void coax_observers_turn_away(struct coax_observers *observers)
{
	coax_audiences_for_each(observers, say_goodbye);
}

void coax_observers_end(struct coax_observers *observers)
{
	pthread_mutex_lock(&observers->lock);
	observers->ended = true;
	pthread_mutex_unlock(&observers->lock);
	coax_observers_turn_away(observers);
}

bool coax_observers_are_gone(struct coax_observers *observers)
{
	return atomic_load(&observers->count) == 0;
}
