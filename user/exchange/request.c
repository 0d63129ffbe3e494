// SPDX-License-Identifier: BSD-2-Clause
/*
 * The client's side: requests of ours, from the call to the last callback.
 */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "pending.h"

int coax_requests_create(struct coax_exchange *exchange)
{
	int err = coax_pool_create(&exchange->requests, sizeof(struct coax_pending),
				   COAX_PENDING_MAX + exchange->tuning.observations_max);

	if (err)
		return err;
	err = coax_pool_create(&exchange->request_messages, sizeof(struct coax_transmission),
			       COAX_PENDING_MAX);
	return err ? err : coax_windows_create(exchange);
}

void coax_requests_destroy(struct coax_exchange *exchange)
{
	coax_windows_destroy(exchange);
	coax_pool_destroy(&exchange->request_messages);
	coax_pool_destroy(&exchange->requests);
}

void coax_requests_end_all(struct coax_exchange *exchange, int result)
{
	for (int i = 0; i < COAX_CHAINS; i++) {
		struct cds_hlist_node *node;

		while ((node = exchange->by_token[i].next)) {
			struct coax_pending *pending =
				caa_container_of(node, struct coax_pending, by_token);

			coax_pending_finish(exchange, pending, result, NULL, &pending->path);
		}
	}
}

/* Who ends may be the end of others, or begin new ones: the chain is looked at anew. */
static struct coax_pending *find_in(struct cds_hlist_head *chain, const struct coax_path *path)
{
	for (struct cds_hlist_node *node = chain->next; node; node = node->next) {
		struct coax_pending *pending =
			caa_container_of(node, struct coax_pending, by_token);

		if (coax_path_same_peer(&pending->path, path))
			return pending;
	}
	return NULL;
}

void coax_exchange_session_ended(struct coax_exchange *exchange, const struct coax_path *path,
				 int error)
{
	struct coax_pending *pending;

	coax_exchange_network_error(exchange, path, error);
	/* Only those that observe have no message on its way. */
	for (int i = 0; i < COAX_CHAINS && exchange->observations; i++)
		while ((pending = find_in(&exchange->by_token[i], path)))
			coax_pending_finish(exchange, pending, -error, NULL, &pending->path);
}

static struct cds_hlist_head *token_chain(struct coax_exchange *exchange, uint64_t token)
{
	return &exchange->by_token[token & (COAX_CHAINS - 1)];
}

/* RFC 7252 section 8.2: members of a group answer from addresses of their own. */
static bool may_answer(const struct coax_pending *pending, const struct coax_path *path)
{
	return pending->multicast ? !path->session : coax_path_same_peer(&pending->path, path);
}

struct coax_pending *coax_pending_find(struct coax_exchange *exchange, const uint8_t *token_bytes,
				       size_t token_length, const struct coax_path *path)
{
	struct cds_hlist_node *node;
	uint64_t token;

	if (token_length != COAX_REQUEST_TOKEN_LENGTH)
		return NULL;
	memcpy(&token, token_bytes, sizeof(token));
	for (node = token_chain(exchange, token)->next; node; node = node->next) {
		struct coax_pending *pending =
			caa_container_of(node, struct coax_pending, by_token);

		if (pending->token == token && may_answer(pending, path))
			return pending;
	}
	return NULL;
}

void coax_pending_start(struct coax_exchange *exchange, struct coax_pending *pending)
{
	pending->state = COAX_PENDING_SENT;
	if (!pending->ping && !pending->listed) {
		pending->listed = true;
		cds_hlist_add_head(&pending->by_token, token_chain(exchange, pending->token));
	}
	coax_transmission_start(exchange, pending->message);
}

static void leave_queue(struct coax_pending *pending)
{
	if (pending->queued)
		cds_list_del(&pending->waiting);
	pending->queued = false;
}

static void drop_message(struct coax_exchange *exchange, struct coax_pending *pending,
			 bool acknowledged)
{
	coax_timer_stop(&exchange->timers, &pending->patience);
	leave_queue(pending);
	coax_window_leave(exchange, pending, acknowledged);
	if (!pending->message)
		return;
	coax_transmission_remove(exchange, pending->message);
	coax_pool_give(&exchange->request_messages, pending->message);
	pending->message = NULL;
}

static void give_back(struct coax_exchange *exchange, struct coax_pending *pending)
{
	exchange->observations -= pending->observe;
	coax_pool_give(&exchange->requests, pending);
}

void coax_pending_finish(struct coax_exchange *exchange, struct coax_pending *pending, int result,
			 const struct coax_message *response, const struct coax_path *from)
{
	if (pending->state == COAX_PENDING_ENDED)
		return;
	pending->state = COAX_PENDING_ENDED;
	if (pending->listed)
		cds_hlist_del(&pending->by_token);
	/* Whoever has less patience than ACK_TIMEOUT sends nothing again. */
	if (result == -ETIMEDOUT)
		coax_window_lost(exchange, pending);
	drop_message(exchange, pending, !result);
	/* From its own callback: that does the rest. */
	if (pending->calling)
		return;
	pending->done(pending->arg, result, response, from, true);
	give_back(exchange, pending);
}

void coax_pending_deliver(struct coax_exchange *exchange, struct coax_pending *pending,
			  const struct coax_message *response, const struct coax_path *from)
{
	pending->calling = true;
	pending->done(pending->arg, 0, response, from, false);
	pending->calling = false;
	if (pending->state == COAX_PENDING_ENDED)
		give_back(exchange, pending);
}

void coax_pending_settle(struct coax_exchange *exchange, struct coax_pending *pending)
{
	drop_message(exchange, pending, true);
	pending->state = COAX_PENDING_OBSERVES;
}

void coax_pending_acknowledged(struct coax_exchange *exchange, struct coax_pending *pending)
{
	pending->state = COAX_PENDING_ACKNOWLEDGED;
	coax_transmission_acknowledged(exchange, pending->message);
	coax_window_leave(exchange, pending, true);
	if (!pending->timeout)
		coax_timer_start(&exchange->timers, &pending->patience,
				 exchange->now + COAX_EXCHANGE_LIFETIME_MS * NS_PER_MS);
}

static void ended(struct coax_exchange *exchange, struct coax_transmission *transmission,
		  int result)
{
	struct coax_pending *pending = transmission->request;

	/* A ping is answered by what rejects everything else. */
	if (result == -ECONNRESET && pending->ping)
		result = 0;
	coax_pending_finish(exchange, pending, result, NULL, &pending->path);
}

static void out_of_patience(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_pending *pending = caa_container_of(timer, struct coax_pending, patience);

	coax_exchange_inform(exchange, "no response from", &pending->path, pending->message->id);
	if (!pending->confirmable && pending->state == COAX_PENDING_SENT && !pending->answered)
		coax_probe_unanswered(exchange, pending);
	coax_pending_finish(exchange, pending, -ETIMEDOUT, NULL, &pending->path);
}

static int check_message(const struct coax_exchange *exchange, const struct coax_message *message)
{
	size_t rest_length;

	coax_message_rest(message, &rest_length);
	if (exchange->closing)
		return -ESHUTDOWN;
	if (COAX_CODE_CLASS(coax_message_code(message)) != 0 ||
	    (coax_message_code(message) == COAX_EMPTY && rest_length))
		return -EINVAL;
	if (COAX_HEADER_SIZE + COAX_REQUEST_TOKEN_LENGTH + rest_length > COAX_DATAGRAM_OUT_MAX)
		return -EMSGSIZE;
	return 0;
}

static int check(const struct coax_exchange *exchange, const struct coax_path *path,
		 const struct coax_message *message, const struct coax_ask *ask)
{
	if (coax_address_is_multicast(&path->remote) != ask->multicast)
		return -EINVAL;
	/* A group is neither pinged nor observed (RFC 7252 section 8.1). */
	if (coax_message_code(message) == COAX_EMPTY && (ask->multicast || ask->observe))
		return -EINVAL;
	if (ask->multicast && ask->observe)
		return -EINVAL;
	return check_message(exchange, message);
}

static void fill_in(struct coax_pending *pending, const struct coax_message *message)
{
	struct coax_transmission *transmission = pending->message;
	struct coax_message copy;
	const uint8_t *rest;
	uint32_t observe;
	size_t length;

	rest = coax_message_rest(message, &length);
	coax_message_start(&copy, transmission->data, sizeof(transmission->data),
			   pending->confirmable ? COAX_TYPE_CON : COAX_TYPE_NON,
			   coax_message_code(message), 0, &pending->token,
			   pending->ping ? 0 : COAX_REQUEST_TOKEN_LENGTH);
	memcpy(transmission->data + copy.length, rest, length);
	transmission->length = copy.length + (uint32_t)length;
	pending->deregisters =
		coax_message_find_uint(message, COAX_OBSERVE, &observe) && observe == 1;
}

/* A NON is never acknowledged: its first sign is the response. */
static void set_patience(struct coax_exchange *exchange, struct coax_pending *pending)
{
	uint64_t timeout = pending->timeout;

	if (!timeout && !pending->confirmable)
		timeout = COAX_MAX_TRANSMIT_WAIT_MS * NS_PER_MS;
	pending->patience.fire = out_of_patience;
	if (timeout)
		coax_timer_start(&exchange->timers, &pending->patience, exchange->now + timeout);
}

static void start_or_wait(struct coax_exchange *exchange, struct coax_pending *pending)
{
	bool waits = pending->confirmable ? !coax_window_enter(exchange, pending)
					  : coax_probe_waits(exchange, pending);

	if (!waits)
		coax_pending_start(exchange, pending);
}

static int submit(struct coax_exchange *exchange, struct coax_pending *pending,
		  const struct coax_message *message)
{
	struct coax_transmission *transmission = coax_pool_take(&exchange->request_messages);

	if (!transmission)
		return -ENOBUFS;
	transmission->path = pending->path;
	transmission->request = pending;
	transmission->ended = ended;
	pending->message = transmission;
	pending->state = COAX_PENDING_WAITS;
	fill_in(pending, message);
	coax_transmission_add(exchange, transmission);
	set_patience(exchange, pending);
	start_or_wait(exchange, pending);
	return 0;
}

int coax_exchange_request(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, const struct coax_message *message,
			  const struct coax_ask *ask, coax_answer_fn done, void *arg,
			  struct coax_pending **result)
{
	bool ping = coax_message_code(message) == COAX_EMPTY;
	struct coax_pending *pending;
	int err;

	exchange->now = now;
	err = check(exchange, path, message, ask);
	if (err)
		return err;
	if (ask->observe && exchange->observations == exchange->tuning.observations_max)
		return -ENOBUFS;
	pending = coax_pool_take(&exchange->requests);
	if (!pending)
		return -ENOBUFS;

	*pending = (struct coax_pending){
		.done = done,
		.arg = arg,
		.path = *path,
		.timeout = ask->timeout_ms * NS_PER_MS,
		.token = coax_exchange_draw(exchange),
		.ping = ping,
		.confirmable = ping || !(ask->non_confirmable || ask->multicast),
		.observe = ask->observe,
		.multicast = ask->multicast,
		.proxying = ask->proxying,
	};
	exchange->observations += pending->observe;
	err = submit(exchange, pending, message);
	if (err)
		give_back(exchange, pending);
	else if (result)
		*result = pending;
	return err;
}

int coax_exchange_request_again(struct coax_exchange *exchange, uint64_t now,
				struct coax_pending *pending, const struct coax_message *message)
{
	int err;

	exchange->now = now;
	if (!pending->observe || pending->state == COAX_PENDING_ENDED ||
	    coax_message_code(message) == COAX_EMPTY)
		return -EINVAL;
	if (pending->message)
		return -EBUSY;
	err = check_message(exchange, message);
	return err ? err : submit(exchange, pending, message);
}

void coax_exchange_cancel(struct coax_exchange *exchange, struct coax_pending *pending, int result)
{
	coax_pending_finish(exchange, pending, result, NULL, &pending->path);
}
