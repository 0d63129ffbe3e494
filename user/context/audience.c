// SPDX-License-Identifier: BSD-2-Clause
/*
 * Audiences: how they are found, begin and end, and what makes them render.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "audience.h"
#include "rcu.h"

/* What an audience asks for: `bytes` as a message without token. */
struct wanted {
	uint8_t bytes[COAX_DATAGRAM_IN_MAX];
	uint32_t length;
};

/* Observe is what they ask for, not of what; Echo proves that one of them is fresh. */
static bool read_request(struct wanted *wanted, const struct coax_message *request)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	struct coax_message m;
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_message_start(&m, wanted->bytes, sizeof(wanted->bytes), COAX_TYPE_CON,
				 coax_message_code(request), 0, NULL, 0);
	while (!err && coax_options_next(&it, &option))
		if (option.number != COAX_OBSERVE && option.number != COAX_ECHO)
			err = coax_message_add(&m, option.number, option.value, option.length);
	payload = coax_message_payload(request, &length);
	if (!err)
		err = coax_message_set_payload(&m, payload, length);
	wanted->length = m.length;
	return !err;
}

static struct coax_audience *create(struct coax_worker *worker, const struct wanted *wanted,
				    const struct coax_responder *responder)
{
	struct coax_audience *audience = malloc(sizeof(*audience) + wanted->length);

	if (!audience)
		return NULL;
	memset(audience, 0, sizeof(*audience));
	audience->observers = worker->context->observers;
	audience->home = worker;
	atomic_init(&audience->references, 1);
	pthread_mutex_init(&audience->lock, NULL);
	audience->work.run = coax_audience_attend;
	audience->how = responder->notifications;
	audience->format = coax_response_format(&responder->response);
	audience->state.subject = responder->subject;
	audience->state.generation = responder->generation;
	audience->request_length = wanted->length;
	memcpy(audience->request, wanted->bytes, wanted->length);
	return audience;
}

static void destroy(struct coax_audience *audience)
{
	while (audience->shares) {
		struct coax_share *share = audience->shares;

		audience->shares = share->next;
		coax_notification_put(share->current);
		free(share);
	}
	coax_notification_put(audience->given);
	coax_notification_put(audience->latest);
	pthread_mutex_destroy(&audience->lock);
	free(audience);
}

struct coax_audience *coax_audience_get(struct coax_audience *audience)
{
	atomic_fetch_add_explicit(&audience->references, 1, memory_order_relaxed);
	return audience;
}

void coax_audience_put(struct coax_audience *audience)
{
	if (atomic_fetch_sub(&audience->references, 1) == 1)
		destroy(audience);
}

static struct cds_hlist_head *chain(struct coax_observers *observers, uint64_t hash)
{
	return &observers->by_request[hash & observers->mask];
}

static struct coax_audience *find(struct coax_observers *observers, const struct wanted *wanted,
				  uint64_t hash, bool pipes)
{
	struct cds_hlist_node *node = chain(observers, hash)->next;

	for (; node; node = node->next) {
		struct coax_audience *audience =
			caa_container_of(node, struct coax_audience, by_request);

		if (audience->hash == hash && audience->pipes == pipes &&
		    audience->request_length == wanted->length &&
		    memcmp(audience->request, wanted->bytes, wanted->length) == 0)
			return audience;
	}
	return NULL;
}

static struct coax_audience *find_or_create(struct coax_worker *worker, const struct wanted *wanted,
					    const struct coax_responder *responder, bool pipes,
					    bool *created)
{
	struct coax_observers *observers = worker->context->observers;
	uint64_t hash = coax_hash(&observers->key, wanted->bytes, wanted->length);
	struct coax_audience *audience = find(observers, wanted, hash, pipes);

	if (audience)
		return audience;
	audience = create(worker, wanted, responder);
	if (!audience)
		return NULL;
	audience->hash = hash;
	audience->pipes = pipes;
	audience->listed = true;
	cds_hlist_add_head(&audience->by_request, chain(observers, hash));
	cds_list_add_tail(&audience->all, &observers->audiences);
	*created = true;
	return audience;
}

struct coax_audience *coax_audience_join(struct coax_worker *worker,
					 const struct coax_responder *responder, bool pipes)
{
	struct coax_observers *observers = worker->context->observers;
	struct coax_audience *audience = NULL;
	bool created = false;
	struct wanted wanted;

	if (!read_request(&wanted, &responder->request))
		return NULL;
	pthread_mutex_lock(&observers->lock);
	if (!observers->ended)
		audience = find_or_create(worker, &wanted, responder, pipes, &created);
	if (audience)
		audience->members++;
	pthread_mutex_unlock(&observers->lock);

	/* It has a member: nobody ends it meanwhile. */
	if (created && responder->subject) {
		coax_audience_watch(audience, responder->subject);
		if (coax_subject_generation(responder->subject) != responder->generation)
			coax_audience_outdated(audience);
	}
	return audience;
}

struct coax_audience *coax_audience_create_own(struct coax_worker *worker,
					       const struct coax_responder *responder,
					       struct coax_observer *observer)
{
	struct coax_observers *observers = worker->context->observers;
	struct coax_audience *audience = NULL;
	struct wanted wanted;

	if (!read_request(&wanted, &responder->request))
		return NULL;
	pthread_mutex_lock(&observers->lock);
	if (!observers->ended)
		audience = create(worker, &wanted, responder);
	if (audience) {
		audience->observer = observer;
		audience->members = 1;
		cds_list_add_tail(&audience->all, &observers->audiences);
	}
	pthread_mutex_unlock(&observers->lock);
	return audience;
}

static void post(struct coax_audience *audience)
{
	if (audience->posted)
		return;
	audience->posted = true;
	coax_audience_get(audience);
	coax_worker_post(audience->home, &audience->work);
}

/* No more of it can be joined. Holding observers->lock. */
static void unlist(struct coax_audience *audience)
{
	if (audience->listed)
		cds_hlist_del(&audience->by_request);
	audience->listed = false;
}

void coax_audience_close(struct coax_audience *audience)
{
	struct coax_observers *observers = audience->observers;

	pthread_mutex_lock(&observers->lock);
	unlist(audience);
	pthread_mutex_unlock(&observers->lock);
}

/* Its home lets go of it. Holding observers->lock. */
static void dismiss(struct coax_audience *audience)
{
	unlist(audience);
	cds_list_del(&audience->all);
	pthread_mutex_lock(&audience->lock);
	audience->dismissed = true;
	post(audience);
	pthread_mutex_unlock(&audience->lock);
}

void coax_audience_leave(struct coax_audience *audience)
{
	struct coax_observers *observers = audience->observers;
	struct coax_observer *observer = audience->observer;

	pthread_mutex_lock(&observers->lock);
	if (--audience->members == 0)
		dismiss(audience);
	pthread_mutex_unlock(&observers->lock);
	if (observer)
		coax_observer_end(observer);
}

void coax_audiences_dismiss(struct coax_observers *observers)
{
	struct coax_audience *audience, *next;

	pthread_mutex_lock(&observers->lock);
	observers->ended = true;
	cds_list_for_each_entry_safe (audience, next, &observers->audiences, all)
		dismiss(audience);
	pthread_mutex_unlock(&observers->lock);
}

/* Whether a trigger has any effect now. Holding audience->lock. */
static bool is_over(const struct coax_audience *audience)
{
	return audience->dismissed || (audience->given && audience->given->last) ||
	       (audience->latest && audience->latest->last);
}

void coax_audience_render(struct coax_audience *audience, bool last)
{
	pthread_mutex_lock(&audience->lock);
	if (!is_over(audience)) {
		coax_notification_put(audience->given);
		audience->given = NULL;
		audience->stale = true;
		audience->ending |= last;
		audience->order++;
		post(audience);
	}
	pthread_mutex_unlock(&audience->lock);
}

void coax_audience_outdated(struct coax_audience *audience)
{
	pthread_mutex_lock(&audience->lock);
	if (!is_over(audience) && !audience->given) {
		audience->stale = true;
		audience->order++;
		post(audience);
	}
	pthread_mutex_unlock(&audience->lock);
}

/* `state` NULL: what it was rendered from is not known. Takes the notification over. */
static void give(struct coax_audience *audience, struct coax_notification *notification,
		 const struct coax_state *state)
{
	pthread_mutex_lock(&audience->lock);
	/* The last one that was asked for before is still to be rendered: it stays. */
	if (is_over(audience) || (audience->ending && !notification->last)) {
		coax_notification_put(notification);
	} else {
		coax_notification_put(audience->given);
		audience->given = notification;
		audience->given_state = state ? *state : audience->state;
		audience->given_state.order = ++audience->order;
		audience->stale = false;
		post(audience);
	}
	pthread_mutex_unlock(&audience->lock);
}

int coax_audience_trigger(struct coax_audience *audience, const struct coax_message *response,
			  bool last, const struct coax_state *state)
{
	struct coax_notification *notification;

	if (!response) {
		coax_audience_render(audience, last);
		return 0;
	}
	notification = coax_notification_create(response, last);
	if (!notification)
		return -ENOMEM;
	give(audience, notification, state);
	return 0;
}

static void subject_changed(struct coax_subject_watch *watch)
{
	coax_audience_render(caa_container_of(watch, struct coax_audience, watch), false);
}

static int subject_notify(struct coax_subject_watch *watch, const struct coax_message *response,
			  bool last)
{
	struct coax_audience *audience = caa_container_of(watch, struct coax_audience, watch);
	const struct coax_state state = {
		.subject = watch->subject,
		.generation = coax_subject_generation(watch->subject),
	};

	return coax_audience_trigger(audience, response, last, &state);
}

void coax_audience_watch(struct coax_audience *audience, struct coax_subject *subject)
{
	struct coax_subject_watch *watch = &audience->watch;

	if (watch->subject == subject)
		return;
	coax_subject_unwatch(watch);
	watch->changed = subject_changed;
	watch->notify = subject_notify;
	coax_subject_watch(subject, watch);
}

void coax_audiences_for_each(struct coax_observers *observers,
			     void (*act)(struct coax_audience *audience))
{
	struct coax_audience *audience;

	pthread_mutex_lock(&observers->lock);
	cds_list_for_each_entry (audience, &observers->audiences, all)
		act(audience);
	pthread_mutex_unlock(&observers->lock);
}
