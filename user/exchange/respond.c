// SPDX-License-Identifier: BSD-2-Clause
/*
 * Answering: piggybacked, separate, non-confirmable (RFC 7252 section 5.2).
 */
#include <errno.h>
#include <string.h>
#include "retransmit.h"

/* Separate responses on their way: half of the message IDs that one remote has. */
#define RESPONSES_MAX 32768

/* Tokens that are taken have no more than this of RFC 8974's extended length. */
#define TOKEN_EXTENSION 1

/* A request that is answered later. */
struct coax_held {
	struct cds_list_head ack_node; /* in awaiting_ack until the empty ACK has left */
	struct cds_list_head handler_node;
	uint64_t came; /* ns */
	uint64_t ack_due;
	uint64_t handler_due;
	struct coax_path path;
	struct coax_ticket ticket;
	bool awaits_ack;
	uint32_t token_length;
	uint8_t token[COAX_TOKEN_TAKEN_MAX];
};

int coax_responses_create(struct coax_exchange *exchange)
{
	uint32_t max = exchange->tuning.deferred_max;
	int err = coax_pool_create(&exchange->held, sizeof(struct coax_held), max);

	if (err)
		return err;
	return coax_pool_create(&exchange->responses, sizeof(struct coax_transmission),
				max < RESPONSES_MAX ? max : RESPONSES_MAX);
}

void coax_responses_destroy(struct coax_exchange *exchange)
{
	coax_pool_destroy(&exchange->responses);
	coax_pool_destroy(&exchange->held);
}

static void stop_awaiting_ack(struct coax_held *held)
{
	if (held->awaits_ack)
		cds_list_del(&held->ack_node);
	held->awaits_ack = false;
}

static void release(struct coax_exchange *exchange, struct coax_held *held)
{
	stop_awaiting_ack(held);
	cds_list_del(&held->handler_node);
	coax_pool_give(&exchange->held, held);
}

int coax_exchange_hold(struct coax_exchange *exchange, uint64_t now, const struct coax_path *path,
		       struct coax_ticket ticket, const struct coax_message *request)
{
	struct coax_seen *seen = coax_duplicates_by_ticket(&exchange->duplicates, ticket);
	struct coax_held *held;

	exchange->now = now;
	if (!seen || seen->state != COAX_SEEN_OPEN)
		return -ESTALE;
	held = coax_pool_take(&exchange->held);
	if (!held)
		return -ENOBUFS;

	held->came = now;
	held->path = *path;
	held->ticket = ticket;
	held->token_length = coax_message_token_length(request);
	memcpy(held->token, coax_message_token(request), held->token_length);
	held->handler_due = now + exchange->tuning.handler_timeout_ms * NS_PER_MS;
	cds_list_add_tail(&held->handler_node, &exchange->awaiting_handler);
	/* One that has got its empty ACK is not run again, so it does not come here again. */
	held->awaits_ack = seen->confirmable;
	if (held->awaits_ack) {
		held->ack_due = now + exchange->tuning.empty_ack_delay_ms * NS_PER_MS;
		cds_list_add_tail(&held->ack_node, &exchange->awaiting_ack);
	}
	seen->state = COAX_SEEN_HELD;
	seen->held = held;
	coax_exchange_tell_verdict(exchange, path, seen);
	return 0;
}

static void separate_ended(struct coax_exchange *exchange, struct coax_transmission *transmission,
			   int result)
{
	(void)result;
	coax_transmission_remove(exchange, transmission);
	coax_pool_give(&exchange->responses, transmission);
}

/*
 * The empty ACK has left, so this needs one of its own. When too many responses are on their way
 * already, it is sent once and non-confirmable (RFC 7252 section 5.2.2 leaves the choice).
 */
static void send_separate(struct coax_exchange *exchange, const struct coax_path *path,
			  struct coax_message *response)
{
	struct coax_transmission *transmission = coax_pool_take(&exchange->responses);

	if (!transmission) {
		coax_message_set_type(response, COAX_TYPE_NON);
		coax_message_set_id(response, coax_transmission_next_id(exchange, path));
		coax_exchange_send(exchange, path, response->data, response->length);
		return;
	}
	coax_message_set_type(response, COAX_TYPE_CON);
	transmission->path = *path;
	transmission->request = NULL;
	transmission->ended = separate_ended;
	transmission->length = response->length;
	memcpy(transmission->data, response->data, response->length);
	coax_transmission_add(exchange, transmission);
	coax_transmission_start(exchange, transmission);
	coax_message_set_id(response, transmission->id);
}

/* Piggybacked in an ACK, or a NON to a NON. `came`: when the request did. */
static void send_reply(struct coax_exchange *exchange, const struct coax_path *path,
		       const struct coax_message *response, uint64_t came)
{
	if (coax_address_is_multicast(&path->local)) {
		coax_leisure_respond(exchange, path, response, came);
		return;
	}
	coax_count(exchange->stats, responses);
	coax_exchange_send(exchange, path, response->data, response->length);
}

/* It is answered, which duplicates are to see before the client has the response. */
static void settle(struct coax_exchange *exchange, const struct coax_path *path,
		   struct coax_seen *seen, const uint8_t *reply, size_t length)
{
	bool named = seen->named;

	coax_duplicates_answer(&exchange->duplicates, seen, reply, length, exchange->now);
	if (named)
		coax_exchange_tell_verdict(exchange, path, seen);
}

int coax_exchange_respond(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, struct coax_ticket ticket,
			  struct coax_message *response)
{
	struct coax_seen *seen = coax_duplicates_by_ticket(&exchange->duplicates, ticket);
	bool held, separate, repeatable;
	uint64_t came = now;

	exchange->now = now;
	if (!seen)
		return -ESTALE;
	if (response->length > COAX_DATAGRAM_OUT_MAX)
		return -EMSGSIZE;
	separate = seen->acknowledged;
	if (!separate) {
		coax_message_set_type(response, seen->confirmable ? COAX_TYPE_ACK : COAX_TYPE_NON);
		coax_message_set_id(response, seen->id);
	}
	held = seen->state == COAX_SEEN_HELD;
	if (held) {
		came = seen->held->came;
		release(exchange, seen->held);
	}
	/* 4.xx: the request was in error and was not executed (RFC 7252 section 5.9.2). */
	if (COAX_CODE_CLASS(coax_message_code(response)) == 4)
		coax_duplicates_relax(&exchange->duplicates, seen);
	/* What has been acknowledged gets that ACK again; a NON gets nothing. */
	repeatable = (seen->class != COAX_SEEN_SAFE || held) && seen->confirmable && !separate;
	settle(exchange, path, seen, repeatable ? response->data : NULL, response->length);
	if (separate) {
		coax_count(exchange->stats, responses);
		send_separate(exchange, path, response);
	} else {
		send_reply(exchange, path, response, came);
	}
	return 0;
}

void coax_exchange_leave_unanswered(struct coax_exchange *exchange, const struct coax_path *path,
				    struct coax_seen *seen)
{
	bool acknowledge = seen->confirmable && !seen->acknowledged;
	uint16_t id = seen->id;

	seen->acknowledged |= acknowledge;
	settle(exchange, path, seen, NULL, 0);
	if (acknowledge)
		coax_exchange_send_empty(exchange, path, COAX_TYPE_ACK, id);
}

void coax_exchange_relax(struct coax_exchange *exchange, struct coax_ticket ticket)
{
	struct coax_seen *seen = coax_duplicates_by_ticket(&exchange->duplicates, ticket);

	if (seen)
		coax_duplicates_relax(&exchange->duplicates, seen);
}

bool coax_exchange_is_open(const struct coax_exchange *exchange, struct coax_ticket ticket)
{
	return coax_duplicates_by_ticket(&exchange->duplicates, ticket);
}

int coax_exchange_withhold(struct coax_exchange *exchange, uint64_t now,
			   const struct coax_path *path, struct coax_ticket ticket)
{
	struct coax_seen *seen = coax_duplicates_by_ticket(&exchange->duplicates, ticket);

	exchange->now = now;
	if (!seen)
		return -ESTALE;
	if (seen->state == COAX_SEEN_HELD)
		release(exchange, seen->held);
	coax_exchange_leave_unanswered(exchange, path, seen);
	return 0;
}

static void acknowledge(struct coax_exchange *exchange, struct coax_held *held)
{
	struct coax_seen *seen = coax_duplicates_by_ticket(&exchange->duplicates, held->ticket);

	stop_awaiting_ack(held);
	seen->acknowledged = true;
	if (seen->named)
		coax_exchange_tell_verdict(exchange, &held->path, seen);
	coax_exchange_send_empty(exchange, &held->path, COAX_TYPE_ACK, seen->id);
}

static void give_up(struct coax_exchange *exchange, struct coax_held *held)
{
	uint8_t buffer[COAX_HEADER_SIZE + TOKEN_EXTENSION + COAX_TOKEN_TAKEN_MAX];
	struct coax_path path = held->path;
	struct coax_message response;

	coax_exchange_inform(exchange, "no response in time to a request from", &path,
			     exchange->duplicates.seen[held->ticket.index].id);
	coax_message_start(&response, buffer, sizeof(buffer), COAX_TYPE_ACK,
			   COAX_SERVICE_UNAVAILABLE, 0, held->token, held->token_length);
	coax_exchange_respond(exchange, exchange->now, &path, held->ticket, &response);
}

/* cds_list_empty() does not take a const list. */
static bool is_empty(const struct cds_list_head *list)
{
	return list->next == list;
}

static struct coax_held *first_ack(const struct coax_exchange *exchange)
{
	if (is_empty(&exchange->awaiting_ack))
		return NULL;
	return cds_list_first_entry(&exchange->awaiting_ack, struct coax_held, ack_node);
}

static struct coax_held *first_handler(const struct coax_exchange *exchange)
{
	if (is_empty(&exchange->awaiting_handler))
		return NULL;
	return cds_list_first_entry(&exchange->awaiting_handler, struct coax_held, handler_node);
}

uint64_t coax_responses_deadline(const struct coax_exchange *exchange)
{
	const struct coax_held *ack = first_ack(exchange), *handler = first_handler(exchange);
	uint64_t deadline = UINT64_MAX;

	if (ack)
		deadline = ack->ack_due;
	if (handler && handler->handler_due < deadline)
		deadline = handler->handler_due;
	return deadline;
}

void coax_responses_tick(struct coax_exchange *exchange)
{
	struct coax_held *held;

	while ((held = first_ack(exchange)) && held->ack_due <= exchange->now)
		acknowledge(exchange, held);
	while ((held = first_handler(exchange)) && held->handler_due <= exchange->now)
		give_up(exchange, held);
}
