// SPDX-License-Identifier: BSD-2-Clause
/*
 * Observing through the proxy (RFC 7641 section 5): one observation of the origin's resource for
 * any number of observers here. It feeds the cache; what changes there is told to them by their own
 * Context, which renders it once.
 *
 * It begins with the first who asks, and ends when the origin does not go on with it, or nobody has
 * observed for a while.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/observation.h>
#include <coax/option.h>
#include "accel/accel.h"
#include "clock.h"
#include "context/worker.h"
#include "proxy/internal.h"

/* How long it goes on without observers: those who come back soon find it. */
#define UNWATCHED_MAX (2 * NS_PER_SEC)

/* For how long an origin's word that it keeps no observers for a resource is good, at least. */
#define UNOBSERVABLE_MIN (5 * NS_PER_SEC)

struct coax_watch {
	struct cds_list_head node; /* of the proxy's; the cache's lock */
	struct coax_mapping *mapping;
	struct coax_cached *cached; /* pinned */
	struct coax_forwarding forwarding;
	uint8_t *target_bytes;
	struct coax_message target; /* what is observed */
	struct coax_observation *observation;
	uint8_t order[COAX_ORIGINS_MAX];
	unsigned int count;
	unsigned int tried;
	uint64_t began; /* the last try, ns */

	/* The cache's lock. */
	bool is_moving; /* to its first or another origin: nobody else ends it meanwhile */
	bool is_live;	/* the origin has accepted it */
	bool has_ended;
	uint64_t wanted; /* when somebody asked or was seen to observe, ns */
	uint64_t invalidations;
	struct coax_waiters waiting; /* for the first response */
};

static void observe(struct coax_watch *watch);

static struct coax_origin *origin_of(const struct coax_watch *watch)
{
	return watch->mapping->origins[watch->order[watch->tried - 1]];
}

static void lock(const struct coax_watch *watch)
{
	coax_cache_lock(watch->mapping->proxy->cache);
}

static void unlock(const struct coax_watch *watch)
{
	coax_cache_unlock(watch->mapping->proxy->cache);
}

/*
 * The end.
 */

/* Whoever it returns true to has to free it. Holding the lock. */
static bool begin_end(struct coax_watch *watch)
{
	if (watch->has_ended)
		return false;
	watch->has_ended = true;
	cds_list_del(&watch->node);
	watch->cached->watch = NULL;
	atomic_store(&watch->cached->is_observed, false);
	return true;
}

/* No callback of it runs on return, unless this is one. */
static void free_watch(struct coax_watch *watch)
{
	coax_observation_free(watch->observation);
	lock(watch);
	coax_cache_unpin(watch->mapping->proxy->cache, watch->cached);
	unlock(watch);
	coax_mapping_put(watch->mapping);
	free(watch->target_bytes);
	free(watch);
}

/*
 * What the origin says.
 */

static bool has_observe(const struct coax_message *response)
{
	struct coax_option option;

	return coax_message_find(response, COAX_OBSERVE, &option);
}

/*
 * What comes after a change through here may have been sent before it: observers, and whoever asks,
 * are served by a request of their own then. Holding the lock.
 */
static bool is_doomed(struct coax_watch *watch)
{
	bool doomed = watch->invalidations != watch->cached->invalidations;

	watch->invalidations = watch->cached->invalidations;
	return doomed;
}

/* Returns whether what observers have seen is to be told anew all the same. Holding the lock. */
static bool keep(struct coax_watch *watch, struct coax_result *result)
{
	struct coax_cached *cached = watch->cached;
	uint64_t former = coax_subject_generation(cached->subject);

	if (is_doomed(watch))
		return true;
	if (!result->stored || atomic_load(&watch->mapping->retired))
		return false;
	(void)coax_stored_get(result->stored);
	if (!coax_cache_store(watch->mapping->proxy->cache, cached, result->stored)) {
		coax_stored_put(result->stored);
		return false;
	}
	result->subject = cached->subject;
	result->generation = coax_subject_generation(cached->subject);
	/* It is fresh for longer, which they do not know. */
	return result->generation == former;
}

static void note_unobservable(struct coax_watch *watch, const struct coax_stored *stored,
			      uint64_t now)
{
	uint64_t until = stored ? coax_stored_fresh_until(stored) : 0;

	atomic_store(&watch->cached->unobservable_until,
		     until > now + UNOBSERVABLE_MIN ? until : now + UNOBSERVABLE_MIN);
}

/* A response or notification is here: it is kept, and those who waited are answered. */
static void take(struct coax_watch *watch, const struct coax_message *response)
{
	bool is_observed = has_observe(response);
	uint64_t now = coax_now();
	struct coax_waiters waiting = {.first = NULL};
	struct coax_result result = {
		.response = response,
		.origin = watch->order[watch->tried - 1],
		.target = &watch->target,
	};
	bool tell;

	if (!watch->is_live)
		coax_origin_count_answer(origin_of(watch), coax_message_code(response),
					 now - watch->began);
	/* A notification is as old as its way is long, a response as its request. */
	if (coax_response_is_storable(coax_message_code(&watch->target), response))
		result.stored = coax_stored_create(response, watch->is_live ? now : watch->began,
						   (uint8_t)result.origin);
	lock(watch);
	tell = keep(watch, &result) && watch->is_live;
	watch->is_live |= is_observed;
	atomic_store(&watch->cached->is_observed, is_observed);
	if (!is_observed)
		note_unobservable(watch, result.stored, now);
	coax_waiters_move(&waiting, &watch->waiting);
	if (tell)
		coax_subject_changed(watch->cached->subject);
	unlock(watch);
	result.is_observed = is_observed;
	coax_waiters_answer(watch->mapping, &waiting, &result);
	coax_stored_put(result.stored);
}

/* Who cannot be told for want of memory finds out by looking again. Holding the lock. */
static void tell_error(struct coax_watch *watch, const struct coax_message *response)
{
	uint8_t buffer[COAX_MESSAGE_MAX];
	const uint8_t *payload;
	struct coax_message m;
	size_t length;

	/* There is room for a header, and what has no room besides is left out. */
	(void)coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON,
				 coax_message_code(response), 0, NULL, 0);
	payload = coax_message_payload(response, &length);
	(void)coax_message_set_payload(&m, payload, length);
	(void)coax_subject_notify(watch->cached->subject, &m, true);
}

/*
 * The origin has answered, but not with what can be observed. Those who do hear what there is
 * instead, as the last of it: an error is given to them, the rest is rendered.
 */
static void end_with(struct coax_watch *watch, const struct coax_message *response)
{
	bool is_error = COAX_CODE_CLASS(coax_message_code(response)) != 2;
	bool ended;

	take(watch, response);
	lock(watch);
	ended = begin_end(watch);
	if (ended && is_error)
		tell_error(watch, response);
	else if (ended)
		coax_subject_changed(watch->cached->subject);
	unlock(watch);
	if (ended)
		free_watch(watch);
}

/* Nothing can be had from any origin: observers are told (RFC 7641 section 3.2). */
static void end_failed(struct coax_watch *watch, const struct coax_failure *failure)
{
	struct coax_result result = {
		.code = failure->code,
		.diagnostic = failure->diagnostic,
		.target = &watch->target,
	};
	struct coax_waiters waiting = {.first = NULL};
	uint8_t buffer[128];
	struct coax_message m;
	bool ended;

	/* There is room. */
	(void)coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, failure->code, 0, NULL,
				 0);
	(void)coax_message_set_payload(&m, failure->diagnostic, strlen(failure->diagnostic));
	coax_proxy_count(&watch->mapping->proxy->counters.failed);
	lock(watch);
	ended = begin_end(watch);
	coax_waiters_move(&waiting, &watch->waiting);
	if (ended)
		tell_error(watch, &m);
	if (waiting.first)
		(void)coax_proxy_take_stale(watch->mapping->proxy, watch->cached, coax_now(),
					    &result);
	unlock(watch);
	/* What is too large to be kept up to date can be had all the same. */
	if (failure->result == -EFBIG && !result.stored &&
	    coax_message_code(&watch->target) == COAX_GET)
		coax_blockwise_join(watch->mapping, &waiting);
	coax_waiters_answer(watch->mapping, &waiting, &result);
	coax_stored_put(result.stored);
	if (ended)
		free_watch(watch);
}

/* Returns false when it has ended: whoever did that waits for the callback that this is. */
static bool begin_move(struct coax_watch *watch)
{
	bool ended;

	lock(watch);
	ended = watch->has_ended;
	watch->is_moving = !ended;
	if (!ended)
		watch->observation = NULL;
	unlock(watch);
	return !ended;
}

static void failed(struct coax_watch *watch, int error)
{
	const struct coax_failure *failure = coax_failure_of(error);
	struct coax_proxy *proxy = watch->mapping->proxy;
	struct coax_observation *former = watch->observation;

	coax_log(&proxy->logger, COAX_LOG_INFO, "observing at %s: %s (%s)", origin_of(watch)->uri,
		 failure->diagnostic, strerror(-error));
	coax_origin_note_failure(origin_of(watch), failure, watch->began);
	if (!failure->down || watch->tried == watch->count || atomic_load(&proxy->stopping)) {
		end_failed(watch, failure);
		return;
	}
	if (!begin_move(watch))
		return;
	coax_proxy_count(&proxy->counters.failovers);
	coax_observation_free(former);
	observe(watch);
}

static bool has_ended(struct coax_watch *watch)
{
	bool ended;

	lock(watch);
	ended = watch->has_ended;
	unlock(watch);
	return ended;
}

static void notified(void *arg, const struct coax_message *notification)
{
	struct coax_watch *watch = arg;

	if (has_ended(watch))
		return;
	coax_origin_answered(origin_of(watch), coax_now(), NULL);
	coax_proxy_count(&watch->mapping->proxy->counters.notified);
	if (!coax_forwarding_may_return(notification))
		end_failed(watch, coax_failure_of(-EPROTO));
	else if (has_observe(notification))
		take(watch, notification);
}

static void ended(void *arg, int error, const struct coax_message *response)
{
	struct coax_watch *watch = arg;

	if (has_ended(watch))
		return;
	if (response && coax_forwarding_may_return(response))
		end_with(watch, response);
	else
		failed(watch, response ? -EPROTO : error);
}

/*
 * The beginning.
 */

/* Holding the lock: callbacks wait for it before they look at what is not there yet. */
static int send_request(struct coax_watch *watch, const struct coax_upstream *upstream)
{
	struct coax_proxy *proxy = watch->mapping->proxy;
	const struct coax_request_options options = {
		.timeout_ms = atomic_load(&proxy->timeout_ms) / (watch->count - watch->tried + 1),
		.body_max = atomic_load(&proxy->body_max),
		.secure = origin_of(watch)->secure,
		.proxying = true,
	};
	int err = coax_observe(atomic_load(&proxy->context), upstream->remote, &upstream->message,
			       &options, &watch->observation);

	/* What has come already, the end included, comes to these, too. */
	if (!err)
		err = coax_observation_on_notification(watch->observation, notified, watch);
	if (!err)
		err = coax_observation_on_error(watch->observation, ended, watch);
	watch->is_moving = err;
	return err;
}

static void observe(struct coax_watch *watch)
{
	struct coax_upstream upstream;
	const uint8_t *payload;
	size_t length;
	int err;

	if (watch->tried == watch->count) {
		end_failed(watch, coax_failure_of(-ETIMEDOUT));
		return;
	}
	watch->tried++;
	watch->began = coax_now();
	err = coax_upstream_build(&upstream, watch->mapping, origin_of(watch), &watch->forwarding,
				  &watch->target, NULL);
	payload = coax_message_payload(&watch->target, &length);
	if (!err)
		err = coax_message_set_payload(&upstream.message, payload, length);
	if (!err) {
		coax_proxy_count(&watch->mapping->proxy->counters.forwarded);
		coax_proxy_count(&origin_of(watch)->counters->requests);
		lock(watch);
		err = send_request(watch, &upstream);
		unlock(watch);
	}
	/* With a callback that might come all the same, for want of memory, it ends there. */
	if (err)
		failed(watch, err);
}

/* What is observed is what the request asks for, without its token and what is its own. */
static int copy_target(struct coax_watch *watch, const struct coax_message *target)
{
	watch->target_bytes = malloc(target->length);
	if (!watch->target_bytes)
		return -ENOMEM;
	memcpy(watch->target_bytes, target->data, target->length);
	watch->target = *target;
	watch->target.data = watch->target_bytes;
	watch->target.capacity = 0;
	return 0;
}

static struct coax_watch *create(struct coax_mapping *mapping,
				 const struct coax_forwarding *forwarding,
				 const struct coax_message *target)
{
	struct coax_watch *watch = calloc(1, sizeof(*watch));

	if (!watch || copy_target(watch, target)) {
		free(watch);
		return NULL;
	}
	watch->mapping = mapping;
	watch->forwarding = *forwarding;
	return watch;
}

/* Holding the lock. */
static void set_out(struct coax_watch *watch, struct coax_cached *cached)
{
	coax_mapping_get(watch->mapping);
	watch->cached = cached;
	watch->invalidations = cached->invalidations;
	cached->watch = watch;
	watch->is_moving = true;
	coax_cached_pin(cached);
	cds_list_add_tail(&watch->node, &watch->mapping->proxy->watches);
}

/*
 * Whether the waiter waits for the first response of a watch; `*fresh` is one that is to begin with
 * it, or NULL afterwards. Otherwise a request of its own serves it. Holding the lock.
 */
static bool wait_for_first(struct coax_cached *cached, struct coax_waiter *waiter,
			   struct coax_watch **fresh)
{
	struct coax_watch *watch = cached->watch;
	uint64_t now = coax_now();

	if (watch && (watch->is_live || waiter->hops <= watch->forwarding.hop_limit)) {
		watch->wanted = now;
		return false;
	}
	if (!watch && now < atomic_load(&cached->unobservable_until))
		return false;
	if (!watch) {
		watch = *fresh;
		*fresh = NULL;
		set_out(watch, cached);
	}
	watch->wanted = now;
	coax_waiters_add(&watch->waiting, waiter);
	return true;
}

void coax_watch_join(struct coax_mapping *mapping, struct coax_responder *responder,
		     const struct coax_forwarding *forwarding, const struct coax_cache_key *key,
		     const struct coax_message *target)
{
	const struct coax_message *asked = target ? target : coax_responder_request(responder);
	struct coax_waiter *waiter = coax_waiter_create(mapping->proxy, responder, forwarding);
	struct coax_watch *watch = create(mapping, forwarding, asked), *fresh = watch;
	struct coax_cache *cache = mapping->proxy->cache;
	struct coax_cached *cached = NULL;
	uint8_t path[COAX_PATH_KEY_MAX];
	bool waits = false;
	int length;

	length = coax_forwarding_path(asked, COAX_URI_PATH, mapping->space, path, sizeof(path));
	coax_cache_lock(cache);
	if (watch && waiter && length >= 0 && !atomic_load(&mapping->proxy->stopping))
		cached = coax_cache_pin(cache, key, path, (size_t)length);
	if (cached) {
		waits = wait_for_first(cached, waiter, &fresh);
		coax_cache_unpin(cache, cached);
	}
	coax_cache_unlock(cache);
	if (!waits) {
		free(waiter);
		coax_flight_join(mapping, responder, forwarding, key, target);
	}
	if (fresh) {
		free(fresh->target_bytes);
		free(fresh);
	} else if (watch) {
		watch->count = coax_mapping_candidates(mapping, key->hash, coax_now(), watch->order,
						       &(uint8_t){0}, &(uint32_t){0});
		observe(watch);
	}
}

/*
 * Housekeeping.
 */

/* Who waits for the first response of a retired mapping's is still to get it. */
static bool is_over(const struct coax_watch *watch, uint64_t now)
{
	return now - watch->wanted >= UNWATCHED_MAX ||
	       atomic_load(&watch->mapping->proxy->stopping) ||
	       (atomic_load(&watch->mapping->retired) && !watch->waiting.first);
}

void coax_watches_tick(struct coax_proxy *proxy, uint64_t now)
{
	struct coax_watch *watch, *next;
	CDS_LIST_HEAD(unwanted);

	coax_cache_lock(proxy->cache);
	cds_list_for_each_entry_safe (watch, next, &proxy->watches, node) {
		if (watch->waiting.first || coax_subject_is_watched(watch->cached->subject))
			watch->wanted = now;
		if (watch->is_moving || !is_over(watch, now))
			continue;
		if (begin_end(watch))
			cds_list_add(&watch->node, &unwanted);
	}
	coax_cache_unlock(proxy->cache);
	cds_list_for_each_entry_safe (watch, next, &unwanted, node) {
		const struct coax_result result = {
			.code = COAX_SERVICE_UNAVAILABLE,
			.diagnostic = "shutting down",
			.target = &watch->target,
		};
		struct coax_waiters waiting = {.first = NULL};

		/* Nobody adds to those who wait any more; a callback that still runs may take them.
		 */
		lock(watch);
		coax_waiters_move(&waiting, &watch->waiting);
		unlock(watch);
		coax_waiters_answer(watch->mapping, &waiting, &result);
		free_watch(watch);
	}
}
