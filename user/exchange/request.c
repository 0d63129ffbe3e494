// SPDX-License-Identifier: BSD-2-Clause
/*
 * The client's side: requests of ours, and the responses to them (RFC 7252 section 5.3).
 */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "retransmit.h"

#define TOKEN_LENGTH 8

enum pending_state {
	PENDING_WAITS,	      /* for another request to the same remote to be acknowledged */
	PENDING_SENT,	      /* no sign of the remote yet */
	PENDING_ACKNOWLEDGED, /* the response will come in a message of its own */
	PENDING_ENDED,	      /* its callback is running */
};

struct coax_pending {
	struct cds_hlist_node by_token; /* once sent, unless a ping */
	struct cds_hlist_node by_lead;	/* while it leads */
	struct cds_list_head waiting;	/* of a leader: those who wait; else its place among them */
	struct coax_timer patience;
	coax_answer_fn done;
	void *arg;
	uint64_t timeout; /* in all, ns; 0: not given */
	uint64_t token;
	enum pending_state state;
	bool leads; /* the one confirmable request to its remote that may lack an ACK: NSTART */
	struct coax_transmission transmission;
};

int coax_requests_create(struct coax_exchange *exchange)
{
	return coax_pool_create(&exchange->requests, sizeof(struct coax_pending), COAX_PENDING_MAX);
}

void coax_requests_destroy(struct coax_exchange *exchange)
{
	coax_pool_destroy(&exchange->requests);
}

static struct cds_hlist_head *token_chain(struct coax_exchange *exchange, uint64_t token)
{
	return &exchange->by_token[token & (COAX_CHAINS - 1)];
}

static struct cds_hlist_head *lead_chain(struct coax_exchange *exchange,
					 const union coax_address *remote)
{
	return &exchange->leading[coax_exchange_hash_remote(exchange, remote) & (COAX_CHAINS - 1)];
}

static struct coax_pending *pending_of(struct coax_transmission *transmission)
{
	return caa_container_of(transmission, struct coax_pending, transmission);
}

static bool is_ping(const struct coax_pending *pending)
{
	return pending->transmission.data[1] == COAX_EMPTY;
}

static bool is_confirmable(const struct coax_pending *pending)
{
	struct coax_message message = {.data = (uint8_t *)pending->transmission.data};

	return coax_message_type(&message) == COAX_TYPE_CON;
}

static struct coax_pending *find_leader(struct coax_exchange *exchange,
					const union coax_address *remote)
{
	struct cds_hlist_node *node = lead_chain(exchange, remote)->next;

	for (; node; node = node->next) {
		struct coax_pending *pending = caa_container_of(node, struct coax_pending, by_lead);

		if (coax_address_equal(&pending->transmission.path.remote, remote))
			return pending;
	}
	return NULL;
}

static struct coax_pending *find_by_token(struct coax_exchange *exchange,
					  const struct coax_message *response,
					  const union coax_address *remote)
{
	struct cds_hlist_node *node;
	uint64_t token;

	if (coax_message_token_length(response) != TOKEN_LENGTH)
		return NULL;
	memcpy(&token, coax_message_token(response), sizeof(token));
	for (node = token_chain(exchange, token)->next; node; node = node->next) {
		struct coax_pending *pending =
			caa_container_of(node, struct coax_pending, by_token);

		if (pending->token == token &&
		    coax_address_equal(&pending->transmission.path.remote, remote))
			return pending;
	}
	return NULL;
}

static void lead(struct coax_exchange *exchange, struct coax_pending *pending)
{
	pending->leads = true;
	cds_hlist_add_head(&pending->by_lead,
			   lead_chain(exchange, &pending->transmission.path.remote));
}

static void start(struct coax_exchange *exchange, struct coax_pending *pending)
{
	pending->state = PENDING_SENT;
	if (!is_ping(pending))
		cds_hlist_add_head(&pending->by_token, token_chain(exchange, pending->token));
	coax_transmission_start(exchange, &pending->transmission);
}

static void start_next(struct coax_exchange *exchange, struct coax_timer *timer)
{
	start(exchange, caa_container_of(timer, struct coax_pending, transmission.timer));
}

/*
 * NSTART: the next one to this remote may go. It does so by the clock, because not every way here
 * knows what time it is.
 */
static void pass_lead(struct coax_exchange *exchange, struct coax_pending *pending)
{
	struct coax_pending *next;

	if (!pending->leads)
		return;
	pending->leads = false;
	cds_hlist_del(&pending->by_lead);
	if (cds_list_empty(&pending->waiting))
		return;

	next = cds_list_first_entry(&pending->waiting, struct coax_pending, waiting);
	/* What remains of the ring is now the ring of those who wait for `next`. */
	cds_list_del(&pending->waiting);
	lead(exchange, next);
	next->transmission.timer.fire = start_next;
	coax_timer_start(&exchange->timers, &next->transmission.timer, exchange->now);
}

static void finish(struct coax_exchange *exchange, struct coax_pending *pending, int result,
		   const struct coax_message *response)
{
	if (pending->state == PENDING_ENDED)
		return;
	if (pending->state == PENDING_WAITS && !pending->leads)
		cds_list_del(&pending->waiting);
	else if (pending->state != PENDING_WAITS && !is_ping(pending))
		cds_hlist_del(&pending->by_token);
	coax_timer_stop(&exchange->timers, &pending->patience);
	coax_transmission_remove(exchange, &pending->transmission);
	pass_lead(exchange, pending);

	pending->state = PENDING_ENDED;
	pending->done(pending->arg, result, response, &pending->transmission.path, true);
	coax_pool_give(&exchange->requests, pending);
}

static void ended(struct coax_exchange *exchange, struct coax_transmission *transmission,
		  int result)
{
	struct coax_pending *pending = pending_of(transmission);

	/* A ping is answered by what rejects everything else. */
	if (result == -ECONNRESET && is_ping(pending))
		result = 0;
	finish(exchange, pending, result, NULL);
}

static void out_of_patience(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_pending *pending = caa_container_of(timer, struct coax_pending, patience);

	coax_exchange_inform(exchange, "no response from", &pending->transmission.path,
			     pending->transmission.id);
	finish(exchange, pending, -ETIMEDOUT, NULL);
}

static int check(const struct coax_exchange *exchange, const struct coax_path *path,
		 const struct coax_message *message, size_t rest_length)
{
	if (exchange->closing)
		return -ESHUTDOWN;
	if (COAX_CODE_CLASS(coax_message_code(message)) != 0 ||
	    (coax_message_code(message) == COAX_EMPTY && rest_length))
		return -EINVAL;
	if (coax_address_is_multicast(&path->remote))
		return -EINVAL;
	if (COAX_HEADER_SIZE + TOKEN_LENGTH + rest_length > COAX_DATAGRAM_OUT_MAX)
		return -EMSGSIZE;
	return 0;
}

static void fill_in(struct coax_exchange *exchange, struct coax_pending *pending,
		    const struct coax_message *message, bool confirmable)
{
	struct coax_transmission *transmission = &pending->transmission;
	uint8_t code = coax_message_code(message);
	struct coax_message copy;
	const uint8_t *rest;
	size_t length;

	pending->token = coax_exchange_draw(exchange);
	rest = coax_message_rest(message, &length);
	coax_message_start(&copy, transmission->data, sizeof(transmission->data),
			   confirmable ? COAX_TYPE_CON : COAX_TYPE_NON, code, 0, &pending->token,
			   code == COAX_EMPTY ? 0 : TOKEN_LENGTH);
	memcpy(transmission->data + copy.length, rest, length);
	transmission->length = copy.length + (uint32_t)length;
}

/* A NON is never acknowledged: its first sign is the response. */
static void set_patience(struct coax_exchange *exchange, struct coax_pending *pending)
{
	uint64_t timeout = pending->timeout;

	if (!timeout && !is_confirmable(pending))
		timeout = COAX_MAX_TRANSMIT_WAIT_MS * NS_PER_MS;
	pending->patience = (struct coax_timer){.fire = out_of_patience};
	if (timeout)
		coax_timer_start(&exchange->timers, &pending->patience, exchange->now + timeout);
}

int coax_exchange_request(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, const struct coax_message *message,
			  const struct coax_ask *ask, coax_answer_fn done, void *arg,
			  struct coax_pending **result)
{
	bool ping = coax_message_code(message) == COAX_EMPTY;
	struct coax_pending *pending, *leader;
	size_t rest_length;
	int err;

	exchange->now = now;
	coax_message_rest(message, &rest_length);
	err = check(exchange, path, message, rest_length);
	if (err)
		return err;
	pending = coax_pool_take(&exchange->requests);
	if (!pending)
		return -ENOBUFS;

	pending->done = done;
	pending->arg = arg;
	pending->timeout = ask->timeout_ms * NS_PER_MS;
	pending->state = PENDING_WAITS;
	pending->leads = false;
	CDS_INIT_LIST_HEAD(&pending->waiting);
	pending->transmission.path = *path;
	pending->transmission.is_request = true;
	pending->transmission.ended = ended;
	fill_in(exchange, pending, message, ping || !ask->non_confirmable);
	coax_transmission_add(exchange, &pending->transmission);
	set_patience(exchange, pending);
	if (result)
		*result = pending;

	leader = is_confirmable(pending) ? find_leader(exchange, &path->remote) : NULL;
	if (leader) {
		cds_list_add_tail(&pending->waiting, &leader->waiting);
		return 0;
	}
	if (is_confirmable(pending))
		lead(exchange, pending);
	start(exchange, pending);
	return 0;
}

void coax_exchange_cancel(struct coax_exchange *exchange, struct coax_pending *pending, int result)
{
	finish(exchange, pending, result, NULL);
}

static void take_empty_ack(struct coax_exchange *exchange, struct coax_pending *pending)
{
	if (is_ping(pending)) {
		/* Not what the RFC asks of it, but a sign of life. */
		finish(exchange, pending, 0, NULL);
		return;
	}
	if (pending->state != PENDING_SENT || !is_confirmable(pending))
		return;
	pending->state = PENDING_ACKNOWLEDGED;
	coax_transmission_acknowledged(exchange, &pending->transmission);
	pass_lead(exchange, pending);
	if (!pending->timeout)
		coax_timer_start(&exchange->timers, &pending->patience,
				 exchange->now + COAX_EXCHANGE_LIFETIME_MS * NS_PER_MS);
}

/* A response to what has been found to be its request. Returns whether it can be accepted. */
static bool is_understood(const struct coax_message *response)
{
	/* Whoever made the request looks after them. */
	static const uint16_t understood[] = {COAX_BLOCK2, COAX_BLOCK1};

	return !coax_message_bad_option(response, understood,
					sizeof(understood) / sizeof(understood[0]));
}

static void complete(struct coax_exchange *exchange, const struct coax_path *path,
		     struct coax_pending *pending, const struct coax_message *response,
		     bool understood)
{
	if (understood) {
		finish(exchange, pending, 0, response);
		return;
	}
	/* RFC 7252 section 5.4.1 */
	coax_exchange_warn(exchange, "response rejected from",
			   "it has a critical option that is not understood", path);
	finish(exchange, pending, -EPROTO, NULL);
}

/* Section 5.3.2: a piggybacked response matches by message ID and token. */
static void take_piggybacked(struct coax_exchange *exchange, const struct coax_path *path,
			     struct coax_transmission *transmission,
			     const struct coax_message *response)
{
	struct coax_pending *pending = pending_of(transmission);

	if (is_ping(pending))
		finish(exchange, pending, 0, NULL);
	else if (!is_confirmable(pending) ||
		 find_by_token(exchange, response, &path->remote) != pending)
		coax_exchange_ignore(exchange, "response with another token from", path, response);
	else
		complete(exchange, path, pending, response, is_understood(response));
}

void coax_exchange_take_acknowledgement(struct coax_exchange *exchange,
					const struct coax_path *path,
					const struct coax_message *acknowledgement)
{
	struct coax_transmission *transmission =
		coax_transmission_find(exchange, &path->remote, coax_message_id(acknowledgement));
	bool empty = coax_message_code(acknowledgement) == COAX_EMPTY;

	if (!transmission && empty &&
	    coax_notice_acknowledged(exchange, path, coax_message_id(acknowledgement)))
		return;
	if (!transmission || (!transmission->is_request && !empty))
		coax_exchange_ignore(exchange, "unmatched ACK from", path, acknowledgement);
	else if (!transmission->is_request)
		transmission->ended(exchange, transmission, 0);
	else if (empty)
		take_empty_ack(exchange, pending_of(transmission));
	else
		take_piggybacked(exchange, path, transmission, acknowledgement);
}

/*
 * Acknowledge a separate response, and remember to do so again if it comes again: by then it
 * matches no request any more.
 */
static void acknowledge(struct coax_exchange *exchange, const struct coax_path *path,
			const struct coax_message *response, uint64_t name, uint64_t bytes)
{
	struct coax_duplicates *duplicates = &exchange->duplicates;
	struct coax_seen *seen = coax_duplicates_find(duplicates, name, exchange->now);

	coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, coax_message_id(response));
	if (seen)
		coax_duplicates_forget(duplicates, seen);
	seen = coax_duplicates_add(duplicates, name, bytes, COAX_SEEN_SAFE, exchange->now);
	if (!seen)
		return;
	seen->id = coax_message_id(response);
	seen->confirmable = true;
	seen->acknowledged = true;
	coax_duplicates_answer(duplicates, seen, NULL, 0, exchange->now);
}

static void take_confirmable(struct coax_exchange *exchange, const struct coax_path *path,
			     const struct coax_message *response)
{
	uint64_t name = coax_exchange_hash_message(exchange, path, coax_message_id(response));
	uint64_t bytes = coax_hash(&exchange->key, response->data, response->length);
	struct coax_seen *seen = coax_duplicates_find(&exchange->duplicates, name, exchange->now);
	struct coax_pending *pending;

	if (seen && seen->bytes == bytes && seen->acknowledged) {
		coax_exchange_inform(exchange, "duplicate response from", path, seen->id);
		coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, seen->id);
		return;
	}
	pending = find_by_token(exchange, response, &path->remote);
	if (!pending) {
		coax_exchange_ignore(exchange, "unmatched response from", path, response);
		if (!coax_address_is_multicast(&path->local))
			coax_exchange_send_empty(exchange, path, COAX_TYPE_RST,
						 coax_message_id(response));
		return;
	}
	if (!is_understood(response)) {
		coax_exchange_send_empty(exchange, path, COAX_TYPE_RST, coax_message_id(response));
		complete(exchange, path, pending, response, false);
		return;
	}
	acknowledge(exchange, path, response, name, bytes);
	complete(exchange, path, pending, response, true);
}

void coax_exchange_take_response(struct coax_exchange *exchange, const struct coax_path *path,
				 const struct coax_message *response)
{
	struct coax_pending *pending;

	if (coax_message_type(response) == COAX_TYPE_CON) {
		take_confirmable(exchange, path, response);
		return;
	}
	pending = find_by_token(exchange, response, &path->remote);
	if (pending)
		complete(exchange, path, pending, response, is_understood(response));
	else
		coax_exchange_ignore(exchange, "unmatched response from", path, response);
}
