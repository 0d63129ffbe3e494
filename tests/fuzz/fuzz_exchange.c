// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exchange layer among peers that do anything: each request ends once, nothing is called for
 * what has ended, and no order of datagrams, time, requests, observers and answers is a fault.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <coax/option.h>
#include "exchange/exchange.h"

#define REQUESTS  16
#define OBSERVERS 8
#define SENT	  8
#define TICKETS	  8

/* What is fuzzed is read as a program: commands and their arguments. */
static const uint8_t *at, *end;

static struct coax_exchange *exchange;
static uint64_t now;

static struct request {
	struct coax_pending *pending;
	bool alive;
	bool calling;
} requests[REQUESTS];

static struct coax_notice notices[OBSERVERS];

static struct sent {
	struct coax_path path;
	size_t length;
	uint8_t data[COAX_DATAGRAM_OUT_MAX];
} sent[SENT];
static unsigned int sent_count;

static struct ticket {
	struct coax_path path;
	struct coax_ticket ticket;
} tickets[TICKETS];
static unsigned int ticket_count;

static void take_done(void *arg, int result, const struct coax_message *response,
		      const struct coax_path *from, bool last);

static uint8_t next(void)
{
	return at < end ? *at++ : 0;
}

static struct coax_path path_of(uint8_t choice)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.remote.in.sin_family = AF_INET;
	path.remote.in.sin_addr.s_addr = htonl(choice & 8 ? 0xe00001bb : 0xc0000201);
	path.remote.in.sin_port = htons(5683 + (choice & 3));
	path.local.in.sin_family = AF_INET;
	path.local.in.sin_addr.s_addr = htonl(choice & 4 ? 0xe00001bb : 0xc0000202);
	path.local.in.sin_port = htons(5683);
	return path;
}

static void send_datagram(void *arg, const struct coax_path *path, const uint8_t *data,
			  size_t length)
{
	struct sent *slot = &sent[sent_count++ % SENT];
	struct coax_message message;

	(void)arg;
	assert(length <= COAX_DATAGRAM_OUT_MAX);
	assert(!coax_message_parse(&message, data, length));
	assert(!coax_address_is_multicast(&path->remote) ||
	       coax_message_type(&message) == COAX_TYPE_NON);
	slot->path = *path;
	slot->length = length;
	memcpy(slot->data, data, length);
}

static void respond(struct ticket *ticket)
{
	uint8_t buffer[256], code = next();
	struct coax_message response;

	coax_message_start(&response, buffer, sizeof(buffer), COAX_TYPE_ACK,
			   COAX_CODE(2 + code % 4, code >> 3 & 0x1f), 0, "tok", code & 3);
	if (code & 4)
		coax_message_set_payload(&response, "payload", 1 + code % 7);
	coax_exchange_respond(exchange, now, &ticket->path, ticket->ticket, &response);
}

static void take_request(void *arg, const struct coax_path *path,
			 const struct coax_message *request, struct coax_ticket name)
{
	struct ticket *ticket = &tickets[ticket_count++ % TICKETS];

	(void)arg;
	assert(coax_message_token_length(request) <= COAX_TOKEN_TAKEN_MAX);
	*ticket = (struct ticket){*path, name};
	switch (next() % 4) {
	case 0:
		respond(ticket);
		break;
	case 1:
		coax_exchange_hold(exchange, now, path, name, request);
		break;
	case 2:
		coax_exchange_withhold(exchange, now, path, name);
		break;
	}
}

static size_t compose(void *arg, struct coax_notice *notice, uint8_t *buffer)
{
	struct coax_message message;
	uint8_t state = next();

	(void)arg;
	assert(notice->added);
	if (state == 255)
		return 0;
	coax_message_start(&message, buffer, COAX_DATAGRAM_OUT_MAX, COAX_TYPE_CON, COAX_CONTENT, 0,
			   notice->token, notice->token_length);
	coax_message_set_payload(&message, &state, 1);
	return message.length;
}

static void take_notified(void *arg, struct coax_notice *notice, int result)
{
	uint8_t choice = next();

	(void)arg;
	assert(notice->added && !notice->unacknowledged);
	if (result && choice & 1)
		coax_exchange_notice_remove(exchange, notice);
	else if (choice & 2)
		coax_exchange_notify(exchange, now, notice, choice % 3);
	if (choice & 4)
		coax_exchange_notice_remove(exchange, &notices[choice >> 3 & (OBSERVERS - 1)]);
}

static void begin_request(void)
{
	struct request *request = NULL;
	uint8_t buffer[64], how = next(), where = next();
	struct coax_path path = path_of(where & ~4);
	struct coax_ask ask = {.non_confirmable = how & 1,
			       .observe = how & 2,
			       .multicast = where & 8,
			       .timeout_ms = how & 4 ? 1000 : 0};
	struct coax_message message;

	for (int i = 0; i < REQUESTS && !request; i++)
		request = requests[i].alive || requests[i].calling ? NULL : &requests[i];
	if (!request)
		return;
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, (how >> 3) % 8, 0, NULL,
			   0);
	if (how & 2)
		coax_message_add_uint(&message, COAX_OBSERVE, how >> 7);
	request->alive = !coax_exchange_request(exchange, now, &path, &message, &ask, take_done,
						request, &request->pending);
}

static void send_again(struct request *request)
{
	uint8_t buffer[64];
	struct coax_message message;

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_message_add_uint(&message, COAX_OBSERVE, next() & 1);
	coax_exchange_request_again(exchange, now, request->pending, &message);
}

static void take_done(void *arg, int result, const struct coax_message *response,
		      const struct coax_path *from, bool last)
{
	struct request *request = arg;
	uint8_t choice = next();

	assert(request->alive && !request->calling);
	assert(from && (!response || !result));
	assert(last || response);
	request->alive = !last;
	request->calling = true;
	if (choice & 1)
		send_again(request);
	if (choice & 2)
		begin_request();
	if (choice & 4) {
		coax_exchange_cancel(exchange, request->pending, -ECANCELED);
		request->alive = false;
	}
	request->calling = false;
}

static void receive(const struct coax_path *path, const uint8_t *data, size_t length, bool cut)
{
	uint8_t *copy = malloc(length + !length);

	memcpy(copy, data, length);
	coax_exchange_receive(exchange, now, path, copy, length, cut);
	free(copy);
}

static void receive_bytes(void)
{
	size_t length = next(), left;
	struct coax_path path = path_of(next() & ~8);
	bool cut = next() & 1;

	left = (size_t)(end - at);
	length = length < left ? length : left;
	at += length;
	receive(&path, at - length, length, cut);
}

/* Something that has to do with what was sent. */
static void receive_reaction(void)
{
	uint8_t which = next(), type = next(), code = next(), where = next();
	struct sent *to = &sent[which % SENT];
	struct coax_path path = to->path;
	struct coax_message asked, message;
	uint8_t buffer[256];
	uint16_t id;

	if (coax_message_parse(&asked, to->data, to->length))
		return;
	if (where & 0x80)
		path = path_of(where & ~8);
	if (coax_address_is_multicast(&path.remote))
		path.remote.in.sin_addr.s_addr = htonl(0xc0000201);
	id = where & 0x40 ? next() : coax_message_id(&asked);
	if (coax_message_token_length(&asked) > 200)
		return;
	coax_message_start(&message, buffer, sizeof(buffer), type & 3, code, id,
			   coax_message_token(&asked),
			   code ? coax_message_token_length(&asked) : 0);
	if (code && type & 4)
		coax_message_add_uint(&message, COAX_OBSERVE, next());
	if (code && type & 8)
		coax_message_set_payload(&message, "x", 1);
	receive(&path, message.data, message.length, type & 16);
}

static void pass_time(void)
{
	static const uint32_t steps_ms[] = {0, 1, 100, 1000, 3000, 20000, 100000, 300000};

	now += steps_ms[next() % 8] * 1000000ULL;
	for (int i = 0; i < 64 && coax_exchange_deadline(exchange) <= now; i++)
		coax_exchange_tick(exchange, now);
}

static void toggle_notice(uint8_t choice)
{
	struct coax_notice *notice = &notices[choice % OBSERVERS];

	if (notice->added) {
		coax_exchange_notice_remove(exchange, notice);
		return;
	}
	memset(notice, 0, sizeof(*notice));
	notice->path = path_of(choice >> 3 & 3);
	notice->token_length = choice >> 5;
	coax_exchange_notice_add(exchange, notice);
}

static void run_command(void)
{
	struct coax_path path;
	uint8_t choice;

	switch (next() % 10) {
	case 0:
		receive_bytes();
		break;
	case 1:
	case 2:
		receive_reaction();
		break;
	case 3:
		pass_time();
		break;
	case 4:
		begin_request();
		break;
	case 5:
		choice = next();
		if (!requests[choice % REQUESTS].alive)
			break;
		if (choice & 0x80)
			coax_exchange_cancel(exchange, requests[choice % REQUESTS].pending,
					     -ECANCELED);
		else
			send_again(&requests[choice % REQUESTS]);
		break;
	case 6:
		toggle_notice(next());
		break;
	case 7:
		choice = next();
		coax_exchange_notify(exchange, now, &notices[choice % OBSERVERS],
				     (choice >> 4) % 3);
		break;
	case 8:
		respond(&tickets[next() % TICKETS]);
		break;
	case 9:
		path = path_of(next());
		coax_exchange_network_error(exchange, &path, ECONNREFUSED);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct coax_exchange_ops ops = {.send = send_datagram,
						     .request = take_request,
						     .compose = compose,
						     .notified = take_notified};
	struct coax_context_stats stats = {0};
	struct coax_exchange_options options = {
		.ops = &ops,
		.stats = &stats,
		.seed = 1,
		.tuning = {.ack_timeout_ms = 2000,
			   .ack_random_percent = 150,
			   .max_retransmit = 4,
			   .empty_ack_delay_ms = 100,
			   .handler_timeout_ms = 60000,
			   .exchanges_max = 16,
			   .deferred_max = 4,
			   .observers_max = 6,
			   .observations_max = 4},
	};

	at = data;
	end = data + size;
	now = 1000000000000;
	memset(requests, 0, sizeof(requests));
	memset(notices, 0, sizeof(notices));
	memset(sent, 0, sizeof(sent));
	memset(tickets, 0, sizeof(tickets));
	sent_count = ticket_count = 0;
	assert(!coax_exchange_create(&exchange, &options));
	while (at < end)
		run_command();
	coax_exchange_destroy(exchange);
	for (int i = 0; i < REQUESTS; i++)
		assert(!requests[i].alive);
	return 0;
}
