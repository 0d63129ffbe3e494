/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exchange layer with nothing around it: the test drives its clock, is its network and its site.
 */
#ifndef COAX_TEST_EXCHANGE_WORLD_H
#define COAX_TEST_EXCHANGE_WORLD_H

#include "../harness.h"

#include <arpa/inet.h>
#include <coax/option.h>
#include "exchange/exchange.h"

#define MS	   1000000ULL
#define SENT_MAX   64
#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

struct sent {
	struct coax_path path;
	uint64_t at;
	size_t length;
	uint8_t data[COAX_DATAGRAM_OUT_MAX];
};

/* What the site does with a request. */
enum conduct {
	ANSWERS,
	HOLDS,
	STAYS_SILENT,
};

static struct world {
	struct coax_exchange *exchange;
	struct coax_context_stats stats;
	struct coax_logger logger;
	uint64_t now;

	struct sent sent[SENT_MAX]; /* the latest; `sent_count` counts all */
	int sent_count;

	enum conduct conduct;
	uint8_t code; /* of answers; 0: 2.05 */
	int requests;
	struct coax_path path; /* of the latest request */
	struct coax_ticket ticket;
	uint8_t token[COAX_TOKEN_TAKEN_MAX];
	uint32_t token_length;
	int hold_result;
	size_t reply_size; /* payload; its first bytes count the requests */
	bool reply_empty;

	int results; /* of requests of ours */
	int result;
	bool last;
	struct coax_path from;
	uint8_t response_code;
	char response_payload[64];

	const char *state; /* what notifications say; NULL: nothing is to be sent */
	int composed;
	int notified;
	int notified_result;
	struct coax_notice *notified_last;
	bool removes; /* notices, once they are lost */

	int verdicts;
	struct coax_verdict verdict; /* the latest */
	uint8_t verdict_reply[COAX_DATAGRAM_OUT_MAX];
	struct coax_path verdict_path;
	int verdict_sent; /* how many datagrams had been sent when it was told */
	bool repeats_nothing;
	size_t repeat_request, repeat_reply; /* lengths that were asked about */

	int lines[COAX_LOG_ERROR + 1];
	char line[1024];
} world;

/* One of the counters. */
#define COUNTED(field) ((int)world.stats.field)

static inline void world_send(void *arg, const struct coax_path *path, const uint8_t *data,
			      size_t length)
{
	struct sent *sent = &world.sent[world.sent_count++ % SENT_MAX];

	(void)arg;
	sent->path = *path;
	sent->at = world.now;
	sent->length = length;
	memcpy(sent->data, data, length);
}

/* Answer the latest request with a code and a payload that says how many there were. */
static inline int world_answer(uint8_t code)
{
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX], payload[COAX_DATAGRAM_OUT_MAX] = {0};
	struct coax_message response;

	coax_message_start(&response, buffer, sizeof(buffer), COAX_TYPE_ACK, code, 0, world.token,
			   world.token_length);
	snprintf((char *)payload, sizeof(payload), "%d", world.requests);
	if (!world.reply_empty)
		coax_message_set_payload(&response, payload,
					 world.reply_size ? world.reply_size
							  : strlen((char *)payload));
	return coax_exchange_respond(world.exchange, world.now, &world.path, world.ticket,
				     &response);
}

static inline void world_request(void *arg, const struct coax_path *path,
				 const struct coax_message *request, struct coax_ticket ticket)
{
	(void)arg;
	world.requests++;
	world.path = *path;
	world.ticket = ticket;
	world.token_length = coax_message_token_length(request);
	memcpy(world.token, coax_message_token(request), world.token_length);
	if (world.conduct == ANSWERS)
		world_answer(world.code ? world.code : COAX_CONTENT);
	else if (world.conduct == HOLDS)
		world.hold_result =
			coax_exchange_hold(world.exchange, world.now, path, ticket, request);
}

static inline void world_log(void *arg, enum coax_log_level level, const char *name,
			     const char *line)
{
	(void)arg;
	(void)name;
	world.lines[level]++;
	snprintf(world.line, sizeof(world.line), "%s", line);
}

static inline void world_done(void *arg, int result, const struct coax_message *response,
			      const struct coax_path *from, bool last)
{
	(void)arg;
	world.results++;
	world.result = result;
	world.last = last;
	if (from)
		world.from = *from;
	world.response_code = 0;
	world.response_payload[0] = 0;
	if (response) {
		size_t length;
		const uint8_t *payload = coax_message_payload(response, &length);

		world.response_code = coax_message_code(response);
		snprintf(world.response_payload, sizeof(world.response_payload), "%.*s",
			 (int)length, payload ? (const char *)payload : "");
	}
}

static inline size_t world_compose(void *arg, struct coax_notice *notice, uint8_t *buffer)
{
	struct coax_message message;

	(void)arg;
	world.composed++;
	if (!world.state)
		return 0;
	coax_message_start(&message, buffer, COAX_DATAGRAM_OUT_MAX, COAX_TYPE_CON, COAX_CONTENT, 0,
			   notice->token, notice->token_length);
	coax_message_set_payload(&message, world.state, strlen(world.state));
	return message.length;
}

static inline void world_notified(void *arg, struct coax_notice *notice, int result)
{
	(void)arg;
	world.notified++;
	world.notified_result = result;
	world.notified_last = notice;
	if (result && world.removes)
		coax_exchange_notice_remove(world.exchange, notice);
}

static inline void world_verdict(void *arg, const struct coax_path *path,
				 const struct coax_verdict *verdict)
{
	(void)arg;
	world.verdicts++;
	world.verdict = *verdict;
	if (verdict->reply)
		memcpy(world.verdict_reply, verdict->reply, verdict->reply_length);
	world.verdict.reply = verdict->reply ? world.verdict_reply : NULL;
	world.verdict_path = *path;
	world.verdict_sent = world.sent_count;
}

static inline bool world_may_repeat(void *arg, const struct coax_path *path, size_t request,
				    size_t reply)
{
	(void)arg;
	(void)path;
	world.repeat_request = request;
	world.repeat_reply = reply;
	return !world.repeats_nothing;
}

static const struct coax_exchange_ops world_ops = {
	.send = world_send,
	.request = world_request,
	.compose = world_compose,
	.notified = world_notified,
	.verdict = world_verdict,
	.may_repeat = world_may_repeat,
};

static const struct coax_tuning world_tuning = {
	.ack_timeout_ms = 2000,
	.ack_random_percent = 150,
	.max_retransmit = 4,
	.empty_ack_delay_ms = 100,
	.handler_timeout_ms = 60000,
	.exchanges_max = 4096,
	.deferred_max = 64,
	.observers_max = 1024,
	.notify_confirm_ms = 3600000,
};

static inline void world_start_with(const struct coax_tuning *tuning, uint32_t seed)
{
	struct coax_exchange_options options = {
		.ops = &world_ops,
		.tuning = *tuning,
		.logger = &world.logger,
		.stats = &world.stats,
		.seed = seed,
	};

	memset(&world, 0, sizeof(world));
	world.now = 1000 * 1000 * MS;
	world.logger.write = world_log;
	world.logger.from = COAX_LOG_DEBUG;
	ASSERT_EQ(coax_exchange_create(&world.exchange, &options), 0);
}

static inline void world_start(void)
{
	world_start_with(&world_tuning, 1);
}

static inline void world_end(void)
{
	coax_exchange_destroy(world.exchange);
	world.exchange = NULL;
}

/* Let time pass; what is due happens when it is due. */
static inline void pass_ms(uint64_t ms)
{
	uint64_t until = world.now + ms * MS;

	for (;;) {
		uint64_t due = coax_exchange_deadline(world.exchange);

		if (due > until)
			break;
		if (due > world.now)
			world.now = due;
		coax_exchange_tick(world.exchange, world.now);
	}
	world.now = until;
}

static inline union coax_address address(const char *text, uint16_t port)
{
	union coax_address a;

	memset(&a, 0, sizeof(a));
	ASSERT_EQ(coax_address_parse(&a, text, port), 0);
	return a;
}

/* The way from a client on `port`, or to a server there. */
static inline struct coax_path path_from(uint16_t port)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.remote = address("192.0.2.1", port);
	path.local = address("192.0.2.2", 5683);
	return path;
}

static inline void arrive_by(const struct coax_path *path, const void *data, size_t length)
{
	uint8_t *copy = malloc(length + !length);

	/* Of just this size, so that a sanitizer sees each byte read too many. */
	memcpy(copy, data, length);
	coax_exchange_receive(world.exchange, world.now, path, copy, length, false);
	free(copy);
}

static inline void arrive(const void *data, size_t length)
{
	struct coax_path path = path_from(40000);

	arrive_by(&path, data, length);
}

/* A message without options, with a token of one byte and a payload that may be NULL. */
static inline size_t build(uint8_t data[128], enum coax_type type, uint8_t code, uint16_t id,
			   uint8_t token, const char *payload)
{
	struct coax_message message;

	coax_message_start(&message, data, 128, type, code, id, &token, code ? 1 : 0);
	if (payload)
		coax_message_set_payload(&message, payload, strlen(payload));
	return message.length;
}

static inline void arrive_message(enum coax_type type, uint8_t code, uint16_t id, uint8_t token,
				  const char *payload)
{
	uint8_t data[128];

	arrive(data, build(data, type, code, id, token, payload));
}

static inline void arrive_message_by(const struct coax_path *path, enum coax_type type,
				     uint8_t code, uint16_t id, uint8_t token)
{
	uint8_t data[128];

	arrive_by(path, data, build(data, type, code, id, token, NULL));
}

/* The datagram sent `back` before the latest one. */
static inline const struct sent *sent_before(int back)
{
	ASSERT_LT(back, world.sent_count);
	return &world.sent[(world.sent_count - 1 - back) % SENT_MAX];
}

static inline struct coax_message as_message(const struct sent *sent)
{
	struct coax_message message;

	ASSERT_EQ(coax_message_parse(&message, sent->data, sent->length), 0);
	return message;
}

static inline struct coax_message last_sent(void)
{
	return as_message(sent_before(0));
}

#define EXPECT_LAST_SENT(type, code, id)                                 \
	do {                                                             \
		struct coax_message expected_last = last_sent();         \
		EXPECT_EQ((int)coax_message_type(&expected_last), type); \
		EXPECT_EQ((int)coax_message_code(&expected_last), code); \
		EXPECT_EQ(coax_message_id(&expected_last), id);          \
	} while (0)

#endif
