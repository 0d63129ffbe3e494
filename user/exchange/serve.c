// SPDX-License-Identifier: BSD-2-Clause
#include <coax/option.h>
#include "internal.h"

_Static_assert(COAX_DATAGRAM_IN_MAX <= COAX_DIGEST_MAX, "all that comes in has a digest");

static enum coax_seen_class class_of(const struct coax_message *request)
{
	struct coax_option block;

	switch (coax_message_code(request)) {
	case COAX_GET:
		return COAX_SEEN_SAFE;
	case COAX_FETCH:
		/* The blocks before this one may have been used up: it cannot be answered anew. */
		return coax_message_find(request, COAX_BLOCK1, &block) ? COAX_SEEN_IDEMPOTENT
								       : COAX_SEEN_SAFE;
	case COAX_PUT:
	case COAX_DELETE:
	case COAX_IPATCH:
		return COAX_SEEN_IDEMPOTENT;
	default:
		return COAX_SEEN_ONCE;
	}
}

/*
 * Answer without running anything or remembering it. A token that is too long to be sent back
 * leaves no way to answer. `option` 0: none.
 */
static void refuse(struct coax_exchange *exchange, const struct coax_path *path,
		   const struct coax_message *request, uint8_t code, uint16_t option,
		   uint32_t value)
{
	bool confirmable = coax_message_type(request) == COAX_TYPE_CON;
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message response;
	int err;

	if (coax_address_is_multicast(&path->local))
		return;
	err = coax_message_start(&response, buffer, sizeof(buffer),
				 confirmable ? COAX_TYPE_ACK : COAX_TYPE_NON, code,
				 coax_message_id(request), coax_message_token(request),
				 coax_message_token_length(request));
	if (!err && option)
		err = coax_message_add_uint(&response, option, value);
	if (err) {
		coax_exchange_reject(exchange, path, request);
		return;
	}
	coax_count(exchange->stats, responses);
	coax_exchange_send(exchange, path, response.data, response.length);
}

static void refuse_full(struct coax_exchange *exchange, const struct coax_path *path,
			const struct coax_message *request)
{
	uint64_t wait = coax_duplicates_wait(&exchange->duplicates, exchange->now);

	coax_count(exchange->stats, refused);
	coax_exchange_warn(exchange, "request refused from",
			   "all of the memory for duplicates is taken by requests that must not "
			   "run again",
			   path);
	refuse(exchange, path, request, COAX_SERVICE_UNAVAILABLE, COAX_MAX_AGE,
	       (uint32_t)(wait / NS_PER_SEC) + 1);
}

static void hand_up(struct coax_exchange *exchange, const struct coax_path *path,
		    const struct coax_message *request, const struct coax_seen *seen)
{
	struct coax_ticket ticket = coax_duplicates_ticket(&exchange->duplicates, seen);
	struct coax_seen *open;

	coax_count(exchange->stats, requests);
	exchange->ops->request(exchange->arg, path, request, ticket);

	open = coax_duplicates_by_ticket(&exchange->duplicates, ticket);
	if (open && open->state == COAX_SEEN_OPEN)
		coax_exchange_leave_unanswered(exchange, path, open);
}

static void repeat(struct coax_exchange *exchange, const struct coax_path *path,
		   const struct coax_message *request, const struct coax_seen *seen)
{
	const uint8_t *reply = coax_duplicates_reply(&exchange->duplicates, seen);
	const struct coax_exchange_ops *ops = exchange->ops;

	if (!reply || !seen->confirmable)
		return;
	/* Who has a session has shown in its handshake that it is there. */
	if (ops->may_repeat && !path->session &&
	    !ops->may_repeat(exchange->arg, path, request->length, seen->reply_length))
		return;
	coax_count(exchange->stats, responses);
	coax_exchange_send(exchange, path, reply, seen->reply_length);
}

/*
 * React to a message that came again. What must not or need not be run again gets the same reaction
 * as before (RFC 7252 section 4.5); a safe request is simply answered anew, which serves the client
 * as well, keeps no replies in memory, and is what the kernel half does.
 */
static void take_duplicate(struct coax_exchange *exchange, const struct coax_path *path,
			   const struct coax_message *request, struct coax_seen *seen)
{
	coax_count(exchange->stats, duplicates);
	coax_exchange_inform(exchange, "duplicate from", path, seen->id);
	if (seen->acknowledged) {
		coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, seen->id);
		return;
	}
	/* One that came by multicast is answered once: that is on its way, or was. */
	if (seen->state != COAX_SEEN_ANSWERED || coax_address_is_multicast(&path->local))
		return;
	if (coax_seen_may_run_again(seen)) {
		coax_duplicates_reopen(&exchange->duplicates, seen);
		hand_up(exchange, path, request, seen);
		return;
	}
	repeat(exchange, path, request, seen);
}

void coax_exchange_serve(struct coax_exchange *exchange, const struct coax_path *path,
			 const struct coax_message *request)
{
	struct coax_duplicates *duplicates = &exchange->duplicates;
	uint64_t name, bytes;
	struct coax_seen *seen;

	/* RFC 8974 section 2.2.2: an error response says that extended tokens as such are known. */
	if (coax_message_token_length(request) > COAX_TOKEN_TAKEN_MAX) {
		coax_count(exchange->stats, refused);
		coax_exchange_warn(exchange, "request refused from",
				   "its token is longer than what is taken in", path);
		refuse(exchange, path, request, COAX_BAD_REQUEST, 0, 0);
		return;
	}
	if (exchange->expected.path == path) {
		name = exchange->expected.name;
	} else {
		name = coax_exchange_hash_message(exchange, path, coax_message_id(request));
		coax_duplicates_prefetch(duplicates, name);
	}
	bytes = coax_digest(exchange->digest, request->data, request->length);

	seen = coax_duplicates_find(duplicates, name, exchange->now);
	if (seen && seen->bytes == bytes) {
		take_duplicate(exchange, path, request, seen);
		return;
	}
	if (seen) {
		coax_exchange_inform(exchange, "message ID used again for another message by", path,
				     seen->id);
		coax_exchange_withdraw_verdict(exchange, path, seen);
		coax_duplicates_forget(duplicates, seen);
	}
	seen = coax_duplicates_add(duplicates, name, bytes, class_of(request), exchange->now);
	if (!seen) {
		refuse_full(exchange, path, request);
		return;
	}
	seen->id = coax_message_id(request);
	seen->confirmable = coax_message_type(request) == COAX_TYPE_CON;
	hand_up(exchange, path, request, seen);
}

void coax_exchange_serve_truncated(struct coax_exchange *exchange, const struct coax_path *path,
				   const struct coax_message *request)
{
	coax_count(exchange->stats, refused);
	coax_exchange_warn(exchange, "request refused from", "it is longer than what is taken in",
			   path);
	/* RFC 7252 section 5.9.2.9 */
	refuse(exchange, path, request, COAX_REQUEST_ENTITY_TOO_LARGE, COAX_SIZE1,
	       COAX_PAYLOAD_MAX);
}
