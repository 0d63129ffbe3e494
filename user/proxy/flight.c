// SPDX-License-Identifier: BSD-2-Clause
/*
 * Flights: one request to an origin, and all who wait for its response. Those who ask for the same
 * join; when an origin fails, the flight goes to the next.
 *
 * What the response says is for everybody who had asked before the request left. For those who came
 * later it is good if it is fresh; else another flight takes them along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "clock.h"
#include "context/worker.h"
#include "proxy/internal.h"

struct coax_flight {
	struct coax_mapping *mapping;
	struct coax_forwarding forwarding;
	uint8_t *target_bytes;	    /* NULL: the first one's request says what is asked for */
	struct coax_message target; /* else this */
	uint64_t hash;
	uint64_t deadline;
	/* Pinned; NULL: the response is for one alone. */
	struct coax_cached *cached;
	uint64_t invalidations;	       /* of `cached`, when it began */
	uint64_t generation;	       /* the same */
	struct coax_stored *validated; /* whose ETag goes along; a reference */
	uint64_t began;		       /* the last try */
	uint8_t order[COAX_ORIGINS_MAX];
	unsigned int count;
	unsigned int tried;

	/* The cache's lock. */
	struct coax_waiters early; /* who asked before the request left; the first one's is that */
	struct coax_waiters late;
};

static void attempt(struct coax_flight *flight);

/* Its payload is the request's in any case. */
static const struct coax_message *first_request(const struct coax_flight *flight)
{
	return coax_responder_request(flight->early.first->responder);
}

static const struct coax_message *request_of(const struct coax_flight *flight)
{
	return flight->target_bytes ? &flight->target : first_request(flight);
}

static struct coax_origin *origin_of(const struct coax_flight *flight)
{
	return flight->mapping->origins[flight->order[flight->tried - 1]];
}

/*
 * The end.
 */

static void free_flight(struct coax_flight *flight)
{
	struct coax_cache *cache = flight->mapping->proxy->cache;

	if (flight->cached) {
		coax_cache_lock(cache);
		coax_cache_unpin(cache, flight->cached);
		coax_cache_unlock(cache);
	}
	coax_stored_put(flight->validated);
	coax_mapping_put(flight->mapping);
	free(flight->target_bytes);
	free(flight);
}

/* A change has come through meanwhile: the response may be from before that. */
static bool is_doomed(const struct coax_flight *flight)
{
	return flight->invalidations != flight->cached->invalidations ||
	       atomic_load(&flight->mapping->retired);
}

/* Whether it serves those, too, who came after the request left. */
static bool is_for_all(const struct coax_result *result)
{
	if (result->stored)
		return result->is_stale || result->stored->max_age;
	return !result->response;
}

/* What the origin has notified of since is newer. Holding the lock. */
static bool is_superseded(const struct coax_flight *flight)
{
	const struct coax_cached *cached = flight->cached;
	const struct coax_stored *stored = cached->stored;

	return atomic_load(&cached->is_observed) && stored && !atomic_load(&stored->revoked) &&
	       stored->fetched > flight->began;
}

/*
 * A response that may be from before a change can be sent to those who asked before it, under the
 * generation of that time. Holding the lock.
 */
static void keep(struct coax_flight *flight, struct coax_result *result)
{
	struct coax_cached *cached = flight->cached;
	struct coax_stored *stored = result->stored;

	result->is_observed = atomic_load(&cached->is_observed);
	if (!stored || result->is_stale)
		return;
	result->subject = cached->subject;
	result->generation = flight->generation;
	if (is_doomed(flight))
		return;
	if (is_superseded(flight)) {
		result->stored = cached->stored;
		(void)coax_stored_get(result->stored);
		coax_stored_put(stored);
		return;
	}
	/* Its last reference is not the cache's. */
	(void)coax_stored_get(stored);
	if ((stored->max_age || stored->etag_length || result->is_observed) &&
	    coax_cache_store(flight->mapping->proxy->cache, cached, stored)) {
		result->generation = coax_subject_generation(cached->subject);
		return;
	}
	coax_stored_put(stored);
	result->subject = NULL;
}

static int copy_target(struct coax_flight *flight, const struct coax_message *target)
{
	if (!target)
		return 0;
	flight->target_bytes = malloc(target->length);
	if (!flight->target_bytes)
		return -ENOMEM;
	memcpy(flight->target_bytes, target->data, target->length);
	flight->target = *target;
	flight->target.data = flight->target_bytes;
	flight->target.capacity = 0;
	return 0;
}

static struct coax_flight *create(struct coax_mapping *mapping,
				  const struct coax_forwarding *forwarding, uint64_t hash,
				  const struct coax_message *target)
{
	struct coax_flight *flight = calloc(1, sizeof(*flight));

	if (!flight || copy_target(flight, target)) {
		free(flight);
		return NULL;
	}
	coax_mapping_get(mapping);
	flight->mapping = mapping;
	flight->forwarding = *forwarding;
	/* All blocks are asked of one origin. */
	flight->hash = forwarding->blockwise ? forwarding->resource_hash : hash;
	flight->deadline = coax_now() + atomic_load(&mapping->proxy->timeout_ms) * NS_PER_MS;
	return flight;
}

/* Holding the lock: it is the one to join for this entry. */
static void set_out(struct coax_flight *flight, struct coax_cached *cached)
{
	flight->cached = cached;
	flight->invalidations = cached->invalidations;
	flight->validated = coax_cached_any(cached, &flight->generation);
	if (flight->validated &&
	    (!flight->validated->etag_length || !coax_stored_get(flight->validated)))
		flight->validated = NULL;
	coax_cached_pin(cached);
	cached->flight = flight;
}

/* It goes as far as any who waits for it may. */
static void take_hops(struct coax_flight *flight)
{
	const struct coax_waiter *waiter = flight->early.first;

	flight->forwarding.hop_limit = waiter->hop_limit;
	for (; waiter; waiter = waiter->next)
		if (waiter->hop_limit > flight->forwarding.hop_limit)
			flight->forwarding.hop_limit = waiter->hop_limit;
}

/* Those who are not served by it take another one. Holding the lock. */
static struct coax_flight *begin_next(struct coax_flight *flight)
{
	struct coax_flight *next = create(flight->mapping, &flight->forwarding, flight->hash,
					  flight->target_bytes ? &flight->target : NULL);

	if (!next)
		return NULL;
	coax_waiters_move(&next->early, &flight->late);
	take_hops(next);
	set_out(next, flight->cached);
	return next;
}

/*
 * Those that `flight` does not serve: they join the one that has taken its place, or another sets
 * out with them, which is returned. Without memory they get what there is. Holding the lock.
 */
static struct coax_flight *hand_over_late(struct coax_flight *flight)
{
	struct coax_flight *present = flight->cached->flight;

	if (!flight->late.first)
		return NULL;
	if (!present)
		return begin_next(flight);
	coax_waiters_move(&present->late, &flight->late);
	return NULL;
}

/* `result` is complete but for the subject. Its reference is the caller's. */
static void finish(struct coax_flight *flight, struct coax_result *result)
{
	struct coax_cache *cache = flight->mapping->proxy->cache;
	struct coax_cached *cached = flight->cached;
	struct coax_flight *next = NULL;

	if (cached) {
		coax_cache_lock(cache);
		keep(flight, result);
		if (cached->flight == flight)
			cached->flight = NULL;
		if (!is_for_all(result))
			next = hand_over_late(flight);
		coax_waiters_move(&flight->early, &flight->late);
		coax_cache_unlock(cache);
	}
	result->target = flight->target_bytes ? &flight->target : NULL;
	coax_waiters_answer(flight->mapping, &flight->early, result);
	free_flight(flight);
	if (next)
		attempt(next);
}

static void finish_error(struct coax_flight *flight, struct coax_result *result)
{
	struct coax_proxy *proxy = flight->mapping->proxy;
	uint64_t now = coax_now();

	coax_proxy_count(&proxy->counters.failed);
	if (flight->cached) {
		rcu_read_lock();
		(void)coax_proxy_take_stale(proxy, flight->cached, now, result);
		rcu_read_unlock();
	}
	finish(flight, result);
	coax_stored_put(result->stored);
}

/*
 * Failures.
 */

static bool is_idempotent(uint8_t method)
{
	return method != COAX_POST && method != COAX_PATCH;
}

/* What may have been executed once is not sent to another (section 5.1). */
static bool may_go_on(const struct coax_flight *flight, const struct coax_failure *failure)
{
	return failure->down && flight->tried < flight->count &&
	       (!failure->delivered || is_idempotent(coax_message_code(request_of(flight)))) &&
	       coax_now() < flight->deadline;
}

static bool may_go_by_blocks(const struct coax_flight *flight)
{
	return flight->cached && !flight->forwarding.blockwise &&
	       coax_message_code(request_of(flight)) == COAX_GET;
}

static void go_by_blocks(struct coax_flight *flight)
{
	struct coax_cache *cache = flight->mapping->proxy->cache;
	struct coax_cached *cached = flight->cached;

	coax_origin_answered(origin_of(flight), coax_now(), NULL);
	coax_cache_lock(cache);
	if (cached->flight == flight)
		cached->flight = NULL;
	coax_waiters_move(&flight->early, &flight->late);
	coax_cache_unlock(cache);
	coax_blockwise_join(flight->mapping, &flight->early);
	free_flight(flight);
}

static void failed(struct coax_flight *flight, int err)
{
	const struct coax_failure *failure = coax_failure_of(err);
	struct coax_proxy *proxy = flight->mapping->proxy;
	struct coax_result result = {.code = failure->code, .diagnostic = failure->diagnostic};
	struct coax_origin *origin = origin_of(flight);

	coax_log(&proxy->logger, COAX_LOG_INFO, "%s: %s (%s)", origin->uri, failure->diagnostic,
		 strerror(-err));
	if (err == -EFBIG && may_go_by_blocks(flight)) {
		go_by_blocks(flight);
		return;
	}
	coax_origin_note_failure(origin, failure, flight->began);
	if (may_go_on(flight, failure)) {
		coax_proxy_count(&proxy->counters.failovers);
		attempt(flight);
		return;
	}
	finish_error(flight, &result);
}

/*
 * Responses.
 */

static void pass_on(struct coax_flight *flight, const struct coax_message *response)
{
	struct coax_result result = {
		.response = response,
		.origin = flight->order[flight->tried - 1],
	};

	if (flight->cached &&
	    coax_response_is_storable(coax_message_code(request_of(flight)), response) &&
	    (!flight->forwarding.blockwise ||
	     coax_blockwise_may_store(flight->mapping, &flight->forwarding, request_of(flight),
				      response)))
		result.stored = coax_stored_create(response, flight->began, (uint8_t)result.origin);
	finish(flight, &result);
	coax_stored_put(result.stored);
}

/* Section 5.6.2. */
static void take_valid(struct coax_flight *flight, const struct coax_message *response)
{
	struct coax_proxy *proxy = flight->mapping->proxy;
	struct coax_result result = {.code = 0};

	if (coax_stored_is_named(flight->validated, response)) {
		result.stored = coax_stored_validated(flight->validated, response, flight->began);
		if (!result.stored) {
			failed(flight, -ENOMEM);
			return;
		}
		coax_proxy_count(&proxy->counters.validated);
		finish(flight, &result);
		coax_stored_put(result.stored);
		return;
	}
	/* It speaks of something else than it was asked about: once more, and without. */
	coax_stored_put(flight->validated);
	flight->validated = NULL;
	flight->tried--;
	attempt(flight);
}

static void take_response(struct coax_flight *flight, const struct coax_message *response)
{
	uint8_t code = coax_message_code(response);
	struct coax_result result = {.code = code};

	if (!coax_forwarding_may_return(response)) {
		failed(flight, -EPROTO);
	} else if (code == COAX_VALID && flight->validated) {
		take_valid(flight, response);
	} else if (code == COAX_VALID && flight->forwarding.shared) {
		/* Nothing was to be validated. */
		failed(flight, -EPROTO);
	} else if (COAX_CODE_CLASS(code) == 5 && flight->cached &&
		   coax_proxy_take_stale(flight->mapping->proxy, flight->cached, coax_now(),
					 &result)) {
		finish(flight, &result);
		coax_stored_put(result.stored);
	} else {
		pass_on(flight, response);
	}
}

static void answered(void *arg, int result, const struct coax_message *response,
		     const union coax_address *remote)
{
	struct coax_flight *flight = arg;
	uint64_t now = coax_now();

	if (result) {
		failed(flight, result);
		return;
	}
	coax_origin_answered(origin_of(flight), now, remote);
	coax_origin_count_answer(origin_of(flight), coax_message_code(response),
				 now - flight->began);
	take_response(flight, response);
}

/*
 * Requests.
 */

static uint32_t patience(const struct coax_flight *flight)
{
	uint64_t left = flight->deadline > flight->began ? flight->deadline - flight->began : 0;
	uint64_t ms = left / NS_PER_MS / (flight->count - flight->tried + 1);

	return ms ? (uint32_t)ms : 1;
}

static int send_request(struct coax_flight *flight, struct coax_origin *origin)
{
	struct coax_proxy *proxy = flight->mapping->proxy;
	struct coax_body body = {.length = 0};
	struct coax_request_options options = {
		.timeout_ms = patience(flight),
		.body_max = atomic_load(&proxy->body_max),
		.secure = origin->secure,
		.single = flight->forwarding.blockwise,
		.proxying = true,
	};
	struct coax_upstream upstream;
	size_t length;
	int err;

	err = coax_upstream_build(&upstream, flight->mapping, origin, &flight->forwarding,
				  request_of(flight), flight->validated);
	if (err)
		return err;
	/* What it points into stays until the first one who waits has been answered. */
	body.data = coax_message_payload(first_request(flight), &length);
	body.length = length;
	if (length)
		options.body = &body;
	coax_proxy_count(&proxy->counters.forwarded);
	coax_proxy_count(&origin->counters->requests);
	return coax_request(atomic_load(&proxy->context), upstream.remote, &upstream.message,
			    &options, answered, flight, NULL);
}

static void attempt(struct coax_flight *flight)
{
	struct coax_proxy *proxy = flight->mapping->proxy;
	struct coax_result result = {.diagnostic = "the origin does not answer"};
	uint64_t now = coax_now();
	int err;

	if (!flight->count) {
		flight->count =
			coax_mapping_candidates(flight->mapping, flight->hash, now, flight->order,
						&result.code, &result.retry_after);
		if (!flight->count) {
			finish_error(flight, &result);
			return;
		}
	}
	flight->tried++;
	flight->began = now;
	coax_cache_lock(proxy->cache);
	coax_waiters_move(&flight->early, &flight->late);
	coax_cache_unlock(proxy->cache);
	err = send_request(flight, origin_of(flight));
	if (err)
		failed(flight, err);
}

/*
 * Nobody joins a flight that began before a change, and no request one that may be its own, which
 * has come back: that would wait for itself. Holding the lock.
 */
static bool may_join(const struct coax_cached *cached, const struct coax_waiter *waiter)
{
	const struct coax_flight *flight = cached->flight;

	return flight && flight->invalidations == cached->invalidations &&
	       waiter->hops > flight->forwarding.hop_limit;
}

/*
 * Who has what `waiter` waits for: the cache by now (*result is complete), a flight that it has
 * joined, or the one returned, which is to set out.
 */
static struct coax_flight *find_flight(struct coax_mapping *mapping, struct coax_waiter *waiter,
				       struct coax_flight *flight, const struct coax_cache_key *key,
				       struct coax_result *result)
{
	const struct coax_message *request =
		flight->target_bytes ? &flight->target : coax_responder_request(waiter->responder);
	uint64_t needed = coax_responder_needed_until(waiter->responder);
	struct coax_cache *cache = mapping->proxy->cache;
	uint8_t path[COAX_PATH_KEY_MAX];
	struct coax_cached *cached = NULL;
	int length = -1;

	if (key)
		length = coax_forwarding_path(request, COAX_URI_PATH, mapping->space, path,
					      sizeof(path));
	coax_cache_lock(cache);
	if (length >= 0)
		cached = coax_cache_pin(cache, key, path, (size_t)length);
	if (cached)
		result->stored = coax_cached_fresh(cached, needed, &result->generation);
	if (result->stored) {
		result->is_observed = atomic_load(&cached->is_observed);
		result->subject = coax_subject_get(cached->subject);
		(void)coax_stored_get(result->stored);
	} else if (cached && may_join(cached, waiter)) {
		coax_waiters_add(&((struct coax_flight *)cached->flight)->late, waiter);
		coax_proxy_count(&mapping->proxy->counters.joined);
	} else {
		coax_waiters_add(&flight->early, waiter);
		if (cached)
			set_out(flight, cached);
		flight->forwarding.shared = cached;
	}
	if (cached)
		coax_cache_unpin(cache, cached);
	coax_cache_unlock(cache);
	return flight->early.first ? flight : NULL;
}

void coax_flight_join(struct coax_mapping *mapping, struct coax_responder *responder,
		      const struct coax_forwarding *forwarding, const struct coax_cache_key *key,
		      const struct coax_message *target)
{
	struct coax_result result = {.code = COAX_SERVICE_UNAVAILABLE, .diagnostic = "no memory"};
	struct coax_flight *flight = create(mapping, forwarding, key ? key->hash : 0, target);
	struct coax_waiter *waiter = coax_waiter_create(mapping->proxy, responder, forwarding);

	if (!flight || !waiter) {
		if (flight)
			free_flight(flight);
		free(waiter);
		coax_proxy_answer(mapping, responder, &result);
		return;
	}
	if (find_flight(mapping, waiter, flight, key, &result)) {
		attempt(flight);
		return;
	}
	free_flight(flight);
	if (!result.stored)
		return;
	free(waiter);
	coax_proxy_answer(mapping, responder, &result);
	coax_stored_put(result.stored);
	coax_subject_put(result.subject);
}
