// SPDX-License-Identifier: BSD-2-Clause
/*
 * The handler: answers from the cache, or has it fetched.
 */
#include <string.h>
#include <coax/option.h>
#include "context/worker.h"
#include "proxy/internal.h"
#include "site/responder.h"

static void refuse(struct coax_proxy *proxy, struct coax_responder *responder,
		   const struct coax_forwarding *forwarding)
{
	if (forwarding->refusal == COAX_HOP_LIMIT_REACHED)
		coax_proxy_answer_hops(proxy, responder, NULL);
	else
		coax_respond_error(responder, forwarding->refusal, "%s", forwarding->diagnostic);
}

/*
 * What is fresh serves, but not who wants to observe before it is known whether the origin lets
 * him. What the origin has notified of is what observers are told, however soon it is stale.
 */
static struct coax_stored *find_stored(const struct coax_responder *responder,
				       struct coax_cached *cached, struct coax_result *result)
{
	uint64_t needed = coax_responder_needed_until(responder);
	struct coax_stored *stored;

	result->is_observed = atomic_load(&cached->is_observed);
	if (result->is_observed && coax_proxy_is_rendering(responder)) {
		stored = coax_cached_any(cached, &result->generation);
		return stored && !atomic_load(&stored->revoked) ? stored : NULL;
	}
	stored = coax_cached_fresh(cached, needed, &result->generation);
	if (responder->wish == COAX_OBSERVE_REGISTER && !result->is_observed &&
	    needed >= atomic_load(&cached->unobservable_until))
		return NULL;
	return stored;
}

/* Returns whether there was something fresh to answer with. */
static bool answer_fresh(struct coax_mapping *mapping, struct coax_responder *responder,
			 const struct coax_cache_key *key)
{
	struct coax_result result = {.stored = NULL};
	struct coax_cached *cached;

	rcu_read_lock();
	cached = coax_cache_find(mapping->proxy->cache, key);
	if (cached)
		result.stored = find_stored(responder, cached, &result);
	if (result.stored) {
		result.subject = cached->subject;
		coax_proxy_count(&mapping->proxy->counters.hits);
		coax_proxy_answer(mapping, responder, &result);
	}
	rcu_read_unlock();
	return result.stored;
}

/* Nobody can be asked now: something stale if that may be, or when to ask again. */
static void answer_without_origin(struct coax_mapping *mapping, struct coax_responder *responder,
				  const struct coax_cache_key *key, struct coax_result *result)
{
	struct coax_proxy *proxy = mapping->proxy;
	struct coax_cached *cached;

	coax_proxy_count(&proxy->counters.failed);
	result->diagnostic = "the origin does not answer";
	rcu_read_lock();
	cached = key ? coax_cache_find(proxy->cache, key) : NULL;
	if (cached)
		(void)coax_proxy_take_stale(proxy, cached, coax_now(), result);
	coax_proxy_answer(mapping, responder, result);
	coax_stored_put(result->stored);
	rcu_read_unlock();
}

static void fetch(struct coax_mapping *mapping, struct coax_responder *responder,
		  const struct coax_forwarding *forwarding, const struct coax_cache_key *key,
		  const struct coax_message *target)
{
	struct coax_result result = {.target = target};
	uint8_t order[COAX_ORIGINS_MAX];
	struct coax_responder *later;

	if (!atomic_load(&mapping->proxy->context)) {
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "not started");
		return;
	}
	if (!coax_mapping_candidates(mapping, key ? key->hash : 0, coax_now(), order, &result.code,
				     &result.retry_after)) {
		answer_without_origin(mapping, responder, key, &result);
		return;
	}
	later = coax_responder_defer(responder);
	if (later && key && later->wish == COAX_OBSERVE_REGISTER && !forwarding->blockwise)
		coax_watch_join(mapping, later, forwarding, key, target);
	else if (later)
		coax_flight_join(mapping, later, forwarding, key, target);
	else
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE,
				   "too many requests are waiting");
}

/* `target`: what is asked for, if it is not what the request says. */
static void handle(struct coax_responder *responder, struct coax_mapping *mapping,
		   struct coax_forwarding *forwarding, const struct coax_message *target)
{
	const struct coax_message *asked = target ? target : coax_responder_request(responder);
	struct coax_proxy *proxy = mapping->proxy;
	bool shared = forwarding->shared;
	struct coax_cache_key key;

	if (shared && coax_cache_key_make(proxy->cache, &key, mapping->space, asked))
		shared = false;
	if (shared)
		coax_blockwise_consider(proxy, forwarding, &key, asked);
	if (shared && answer_fresh(mapping, responder, &key))
		return;
	coax_proxy_count(&proxy->counters.misses);
	fetch(mapping, responder, forwarding, shared ? &key : NULL, target);
}

void coax_proxy_handle_mapping(struct coax_responder *responder, struct coax_mapping *mapping)
{
	struct coax_forwarding forwarding;

	coax_responder_subject(responder, NULL, 0);
	coax_forwarding_read(&forwarding, coax_responder_request(responder),
			     (uint8_t)atomic_load(&mapping->proxy->hop_limit));
	if (forwarding.refusal)
		refuse(mapping->proxy, responder, &forwarding);
	else if (forwarding.proxied)
		coax_respond_error(responder, COAX_PROXYING_NOT_SUPPORTED, "%s", "");
	else
		handle(responder, mapping, &forwarding, NULL);
}

void coax_proxy_handle(struct coax_responder *responder, void *arg)
{
	const struct coax_proxy_place *place = arg;
	struct coax_mapping *mapping = rcu_dereference(place->mapping);

	coax_taken_over(mapping);
	coax_proxy_handle_mapping(responder, mapping);
}

void coax_proxy_handle_target(struct coax_responder *responder, struct coax_mapping *mapping,
			      const struct coax_message *target)
{
	struct coax_forwarding forwarding;

	coax_forwarding_read(&forwarding, coax_responder_request(responder),
			     (uint8_t)atomic_load(&mapping->proxy->hop_limit));
	/* The payload of a FETCH belongs to the key. */
	if (coax_message_code(target) == COAX_FETCH && target->payload == target->length)
		forwarding.shared = false;
	if (forwarding.refusal)
		refuse(mapping->proxy, responder, &forwarding);
	else
		handle(responder, mapping, &forwarding, target);
}
