// SPDX-License-Identifier: BSD-2-Clause
/*
 * Answers: what is stored, what an origin said, or what is to be said in its place.
 */
#include <string.h>
#include <coax/option.h>
#include "clock.h"
#include "site/responder.h"
#include "proxy/internal.h"

static void release_stored(void *arg)
{
	coax_stored_put(arg);
}

/* Its options are those of a message that has none before them: the response is at its beginning.
 */
static int put_options(struct coax_message *to, const struct coax_stored *stored)
{
	if (to->capacity - to->length < stored->options_length)
		return -1;
	if (stored->options_length)
		memcpy(to->data + to->length, stored->bytes, stored->options_length);
	to->length += stored->options_length;
	to->payload = to->length;
	to->last_option = stored->last_option;
	return 0;
}

static int put_payload(struct coax_responder *responder, struct coax_stored *stored)
{
	const uint8_t *payload = coax_stored_payload(stored);
	struct coax_body body = {
		.length = stored->payload_length,
		.data = payload,
		.release = release_stored,
		.arg = stored,
	};

	if (stored->payload_length <= COAX_PAYLOAD_MAX || !coax_stored_get(stored))
		return coax_responder_set_payload(responder, payload, stored->payload_length);
	return coax_responder_set_body(responder, &body);
}

bool coax_proxy_is_rendering(const struct coax_responder *responder)
{
	return responder->remote.sa.sa_family == AF_UNSPEC && !responder->needed_until;
}

/* Without a subject nobody begins to observe, and who does is told for the last time. */
static bool is_without_observers(const struct coax_responder *responder,
				 const struct coax_result *result)
{
	return !result->is_observed &&
	       (responder->wish == COAX_OBSERVE_REGISTER || coax_proxy_is_rendering(responder));
}

static void answer_stored(struct coax_responder *responder, const struct coax_result *result)
{
	struct coax_stored *stored = result->stored;

	if (!is_without_observers(responder, result))
		coax_responder_subject(responder, result->subject, result->generation);
	if (put_options(coax_responder_response(responder), stored) ||
	    put_payload(responder, stored) ||
	    coax_responder_set_fetched(responder, stored->fetched, stored->max_age)) {
		coax_respond_error(responder, COAX_BAD_GATEWAY,
				   "the response is too large to be passed on");
		return;
	}
	coax_respond(responder, stored->code);
}

static int put_response(struct coax_mapping *mapping, struct coax_responder *responder,
			const struct coax_result *result)
{
	const struct coax_relocation relocation = {
		.from = &mapping->origins[result->origin]->base,
		.to = &mapping->prefix,
	};
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_forwarding_return(coax_responder_response(responder), result->response,
				     &relocation);
	payload = coax_message_payload(result->response, &length);
	return err ? err : coax_responder_set_payload(responder, payload, length);
}

static void answer_response(struct coax_mapping *mapping, struct coax_responder *responder,
			    const struct coax_result *result)
{
	uint8_t code = coax_message_code(result->response);

	if (code == COAX_HOP_LIMIT_REACHED) {
		coax_proxy_answer_hops(mapping->proxy, responder, result->response);
		return;
	}
	if (put_response(mapping, responder, result)) {
		coax_respond_error(responder, COAX_BAD_GATEWAY,
				   "the response is too large to be passed on");
		return;
	}
	if (code == COAX_CREATED)
		coax_proxy_invalidate(mapping, coax_responder_response(responder),
				      COAX_LOCATION_PATH);
	coax_respond(responder, code);
}

static void answer_error(struct coax_responder *responder, const struct coax_result *result)
{
	struct coax_message *response = coax_responder_response(responder);

	/* There is room: nothing else is in it. */
	if (result->retry_after)
		(void)coax_message_add_uint(response, COAX_MAX_AGE, result->retry_after);
	(void)coax_responder_set_payload(responder, result->diagnostic, strlen(result->diagnostic));
	coax_respond(responder, result->code);
}

void coax_proxy_answer(struct coax_mapping *mapping, struct coax_responder *responder,
		       const struct coax_result *result)
{
	const struct coax_message *asked =
		result->target ? result->target : coax_responder_request(responder);
	uint8_t method = coax_message_code(asked);
	uint8_t code = result->response ? coax_message_code(result->response) : result->code;

	coax_responder_subject(responder, NULL, 0);
	if (result->stored) {
		answer_stored(responder, result);
		return;
	}
	if (coax_forwarding_changes(method, code))
		coax_proxy_invalidate(mapping, asked, COAX_URI_PATH);
	if (result->response)
		answer_response(mapping, responder, result);
	else
		answer_error(responder, result);
}

void coax_proxy_answer_hops(const struct coax_proxy *proxy, struct coax_responder *responder,
			    const struct coax_message *upstream)
{
	char text[COAX_PAYLOAD_MAX];
	const uint8_t *payload = NULL;
	size_t length, more = 0;

	rcu_read_lock();
	length = strlen(coax_proxy_setup(proxy)->identity);
	memcpy(text, coax_proxy_setup(proxy)->identity, length);
	rcu_read_unlock();
	if (upstream)
		payload = coax_message_payload(upstream, &more);
	if (more && length + 1 + more <= sizeof(text)) {
		text[length++] = ' ';
		memcpy(text + length, payload, more);
		length += more;
	}
	coax_responder_subject(responder, NULL, 0);
	(void)coax_responder_set_payload(responder, text, length);
	coax_respond(responder, COAX_HOP_LIMIT_REACHED);
}

void coax_proxy_invalidate(struct coax_mapping *mapping, const struct coax_message *m,
			   uint16_t option)
{
	struct coax_cache *cache = mapping->proxy->cache;
	uint8_t path[COAX_PATH_KEY_MAX];
	int length = coax_forwarding_path(m, option, mapping->space, path, sizeof(path));

	/* What is longer has never been stored. */
	if (length < 0)
		return;
	coax_cache_lock(cache);
	coax_cache_invalidate(cache, path, (size_t)length);
	coax_cache_unlock(cache);
}

bool coax_proxy_take_stale(struct coax_proxy *proxy, struct coax_cached *cached, uint64_t now,
			   struct coax_result *result)
{
	struct coax_stored *stored = coax_cached_any(cached, &result->generation);
	uint64_t stale_ns = atomic_load(&proxy->stale_ns);

	if (!stale_ns || !stored || atomic_load(&stored->revoked) || stored->code != COAX_CONTENT)
		return false;
	if (now >= coax_stored_fresh_until(stored) &&
	    now - coax_stored_fresh_until(stored) >= stale_ns)
		return false;
	if (!coax_stored_get(stored))
		return false;
	coax_proxy_count(&proxy->counters.stale);
	result->stored = stored;
	result->is_stale = true;
	result->subject = NULL;
	return true;
}
