// SPDX-License-Identifier: BSD-2-Clause
/*
 * The client's side: what comes back to requests of ours (RFC 7252 section 5.3, RFC 7641 section
 * 3).
 */
#include <errno.h>
#include <coax/option.h>
#include "pending.h"

static struct coax_pending *find(struct coax_exchange *exchange, const struct coax_path *path,
				 const struct coax_message *response)
{
	return coax_pending_find(exchange, coax_message_token(response),
				 coax_message_token_length(response), path);
}

static bool has_observe(const struct coax_message *response)
{
	struct coax_option option;

	return coax_message_find(response, COAX_OBSERVE, &option);
}

/* A response to what has been found to be its request. Returns whether it can be accepted. */
static bool is_understood(const struct coax_pending *pending, const struct coax_message *response)
{
	/* Whoever made the request looks after them. */
	static const uint16_t understood[] = {COAX_BLOCK2, COAX_BLOCK1};
	const size_t count = sizeof(understood) / sizeof(understood[0]);

	return !(pending->proxying ? coax_message_bad_option_proxying(response, understood, count)
				   : coax_message_bad_option(response, understood, count));
}

/* RFC 7252 section 5.4.1 */
static void refuse(struct coax_exchange *exchange, const struct coax_path *path,
		   struct coax_pending *pending)
{
	coax_exchange_warn(exchange, "response rejected from",
			   "it has a critical option that is not understood", path);
	coax_probe_responded(exchange, &pending->path);
	/* One member of a group does not speak for the others. */
	if (!pending->multicast)
		coax_pending_finish(exchange, pending, -EPROTO, NULL, path);
}

/*
 * What comes in a message of its own with an Observe option cannot answer a message that is to end
 * the observation: it was on its way already.
 */
static bool is_answer(const struct coax_pending *pending, bool piggybacked)
{
	return pending->message && pending->state != COAX_PENDING_WAITS &&
	       (piggybacked || !pending->deregisters);
}

static bool goes_on(const struct coax_pending *pending, const struct coax_message *response,
		    bool piggybacked)
{
	if (pending->multicast)
		return true;
	return pending->observe && COAX_CODE_CLASS(coax_message_code(response)) == 2 &&
	       has_observe(response) && !(pending->deregisters && is_answer(pending, piggybacked));
}

static void take(struct coax_exchange *exchange, const struct coax_path *path,
		 struct coax_pending *pending, const struct coax_message *response,
		 bool piggybacked)
{
	pending->answered = true;
	coax_probe_responded(exchange, &pending->path);
	if (!goes_on(pending, response, piggybacked)) {
		coax_pending_finish(exchange, pending, 0, response, path);
		return;
	}
	if (!pending->multicast && is_answer(pending, piggybacked))
		coax_pending_settle(exchange, pending);
	coax_pending_deliver(exchange, pending, response, path);
}

static void take_empty_ack(struct coax_exchange *exchange, const struct coax_path *path,
			   struct coax_pending *pending)
{
	coax_probe_responded(exchange, &pending->path);
	/* Not what the RFC asks of a ping's receiver, but a sign of life. */
	if (pending->ping)
		coax_pending_finish(exchange, pending, 0, NULL, path);
	else if (pending->state == COAX_PENDING_SENT && pending->confirmable)
		coax_pending_acknowledged(exchange, pending);
}

/* Section 5.3.2: a piggybacked response matches by message ID and token. */
static void take_piggybacked(struct coax_exchange *exchange, const struct coax_path *path,
			     struct coax_pending *pending, const struct coax_message *response)
{
	if (pending->ping)
		coax_pending_finish(exchange, pending, 0, NULL, path);
	else if (!pending->confirmable || find(exchange, path, response) != pending)
		coax_exchange_ignore(exchange, "response with another token from", path, response);
	else if (!is_understood(pending, response))
		refuse(exchange, path, pending);
	else
		take(exchange, path, pending, response, true);
}

void coax_exchange_take_acknowledgement(struct coax_exchange *exchange,
					const struct coax_path *path,
					const struct coax_message *acknowledgement)
{
	uint16_t id = coax_message_id(acknowledgement);
	struct coax_transmission *transmission = coax_transmission_find(exchange, path, id);
	bool empty = coax_message_code(acknowledgement) == COAX_EMPTY;

	if (transmission && transmission->request && empty)
		take_empty_ack(exchange, path, transmission->request);
	else if (transmission && transmission->request)
		take_piggybacked(exchange, path, transmission->request, acknowledgement);
	else if (transmission && empty)
		transmission->ended(exchange, transmission, 0);
	else if (!empty || !coax_notice_acknowledged(exchange, path, id))
		coax_exchange_ignore(exchange, "unmatched ACK from", path, acknowledgement);
}

/* By the time that it comes again, it may match no request any more. */
static void remember(struct coax_exchange *exchange, const struct coax_path *path,
		     const struct coax_message *response, uint64_t name, uint64_t bytes)
{
	bool confirmable = coax_message_type(response) == COAX_TYPE_CON;
	struct coax_duplicates *duplicates = &exchange->duplicates;
	struct coax_seen *seen = coax_duplicates_find(duplicates, name, exchange->now);

	if (seen) {
		coax_exchange_withdraw_verdict(exchange, path, seen);
		coax_duplicates_forget(duplicates, seen);
	}
	seen = coax_duplicates_add(duplicates, name, bytes, COAX_SEEN_SAFE, exchange->now);
	if (!seen)
		return;
	seen->id = coax_message_id(response);
	seen->confirmable = confirmable;
	seen->acknowledged = confirmable;
	coax_duplicates_answer(duplicates, seen, NULL, 0, exchange->now);
}

/* A confirmable one is acknowledged again. */
static void take_duplicate(struct coax_exchange *exchange, const struct coax_path *path,
			   const struct coax_seen *seen)
{
	coax_exchange_inform(exchange, "duplicate response from", path, seen->id);
	if (seen->confirmable)
		coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, seen->id);
}

static void take_confirmable(struct coax_exchange *exchange, const struct coax_path *path,
			     const struct coax_message *response)
{
	uint64_t name = coax_exchange_hash_message(exchange, path, coax_message_id(response));
	uint64_t bytes = coax_digest_message(exchange->digest, response->data, response->length);
	struct coax_seen *seen = coax_duplicates_find(&exchange->duplicates, name, exchange->now);
	struct coax_pending *pending;

	if (seen && seen->bytes == bytes && seen->acknowledged) {
		take_duplicate(exchange, path, seen);
		return;
	}
	pending = find(exchange, path, response);
	if (!pending) {
		coax_exchange_ignore(exchange, "unmatched response from", path, response);
		coax_exchange_reject(exchange, path, response);
		return;
	}
	if (!is_understood(pending, response)) {
		coax_exchange_reject(exchange, path, response);
		refuse(exchange, path, pending);
		return;
	}
	coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, coax_message_id(response));
	remember(exchange, path, response, name, bytes);
	take(exchange, path, pending, response, false);
}

/* Whether it has been taken before; it is known from now on. */
static bool is_duplicate(struct coax_exchange *exchange, const struct coax_path *path,
			 const struct coax_message *response)
{
	uint64_t name = coax_exchange_hash_message(exchange, path, coax_message_id(response));
	uint64_t bytes = coax_digest_message(exchange->digest, response->data, response->length);
	struct coax_seen *seen = coax_duplicates_find(&exchange->duplicates, name, exchange->now);

	if (seen && seen->bytes == bytes) {
		take_duplicate(exchange, path, seen);
		return true;
	}
	remember(exchange, path, response, name, bytes);
	return false;
}

static void take_non_confirmable(struct coax_exchange *exchange, const struct coax_path *path,
				 const struct coax_message *response)
{
	struct coax_pending *pending = find(exchange, path, response);

	if (!pending) {
		coax_exchange_ignore(exchange, "unmatched response from", path, response);
		/* RFC 7641 section 3.6: a notification that nobody wants any more. */
		if (has_observe(response) && !coax_address_is_multicast(&path->local))
			coax_exchange_send_empty(exchange, path, COAX_TYPE_RST,
						 coax_message_id(response));
		return;
	}
	/*
	 * Others need not be known again: a plain request is gone after one, and notifications are
	 * told apart by their order.
	 */
	if (pending->multicast && is_duplicate(exchange, path, response))
		return;
	if (is_understood(pending, response))
		take(exchange, path, pending, response, false);
	else
		refuse(exchange, path, pending);
}

void coax_exchange_take_response(struct coax_exchange *exchange, const struct coax_path *path,
				 const struct coax_message *response)
{
	if (coax_message_type(response) == COAX_TYPE_CON)
		take_confirmable(exchange, path, response);
	else
		take_non_confirmable(exchange, path, response);
}

bool coax_exchange_take_truncated_response(struct coax_exchange *exchange,
					   const struct coax_path *path,
					   const struct coax_message *response)
{
	struct coax_pending *pending = find(exchange, path, response);
	bool piggybacked = coax_message_type(response) == COAX_TYPE_ACK;

	if (!pending || (piggybacked &&
			 (!pending->message || pending->message->id != coax_message_id(response))))
		return false;
	coax_probe_responded(exchange, &pending->path);
	coax_exchange_reject(exchange, path, response);
	/* One member of a group does not speak for the others. */
	if (!pending->multicast)
		coax_pending_finish(exchange, pending, -EMSGSIZE, NULL, path);
	return true;
}
