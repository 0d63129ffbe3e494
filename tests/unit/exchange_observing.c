// SPDX-License-Identifier: BSD-2-Clause
/* Requests that observe: several responses to one token (RFC 7641 section 3). */
#include "exchange_world.h"

#define SERVER	   5683
#define NO_OBSERVE (-1)

static struct coax_pending *pending;
static uint8_t token[COAX_TOKEN_MAX];

static size_t build_get(uint8_t buffer[64], struct coax_message *message, int observe)
{
	coax_message_start(message, buffer, 64, COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_message_add_string(message, COAX_URI_PATH, "time");
	if (observe != NO_OBSERVE)
		coax_message_add_uint(message, COAX_OBSERVE, (uint32_t)observe);
	return message->length;
}

static int observe_with(const struct coax_ask *ask)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message message;
	uint8_t buffer[64];

	build_get(buffer, &message, 0);
	return coax_exchange_request(world.exchange, world.now, &path, &message, ask, world_done,
				     NULL, &pending);
}

static void keep_token(void)
{
	struct coax_message sent = last_sent();

	memcpy(token, coax_message_token(&sent), coax_message_token_length(&sent));
}

static void begin(void)
{
	struct coax_ask ask = {.observe = true};

	world_start();
	ASSERT_EQ(observe_with(&ask), 0);
	keep_token();
}

static int again(int observe)
{
	struct coax_message message;
	uint8_t buffer[64];

	build_get(buffer, &message, observe);
	return coax_exchange_request_again(world.exchange, world.now, pending, &message);
}

static uint16_t id_of(int back)
{
	struct coax_message message = as_message(sent_before(back));

	return coax_message_id(&message);
}

static void server_says(enum coax_type type, uint8_t code, uint16_t id, int observe,
			const char *payload)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message message;
	uint8_t data[128];

	coax_message_start(&message, data, sizeof(data), type, code, id, token,
			   code ? sizeof(token) : 0);
	if (observe != NO_OBSERVE)
		coax_message_add_uint(&message, COAX_OBSERVE, (uint32_t)observe);
	if (payload)
		coax_message_set_payload(&message, payload, strlen(payload));
	arrive_by(&path, data, message.length);
}

/* The registration has been answered. */
static void begin_observing(void)
{
	begin();
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 1, "one");
}

static bool nothing_is_due(void)
{
	return coax_exchange_deadline(world.exchange) == UINT64_MAX;
}

TEST("a response with Observe is not the last, nor are the notifications that follow")
{
	begin_observing();
	EXPECT_EQ(world.results, 1);
	EXPECT_FALSE(world.last);
	EXPECT_STREQ(world.response_payload, "one");
	EXPECT_TRUE(nothing_is_due());

	pass_ms(1000000);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_STREQ(world.response_payload, "two");
	EXPECT_EQ(world.sent_count, 1);
	server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7002, 3, "three");
	EXPECT_STREQ(world.response_payload, "three");
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7002);
	EXPECT_EQ(world.results, 3);
	EXPECT_FALSE(world.last);
	EXPECT_TRUE(nothing_is_due());
	world_end();
	EXPECT_EQ(world.results, 4);
	EXPECT_EQ(world.result, -ESHUTDOWN);
	EXPECT_TRUE(world.last);
}

TEST("a duplicate of a confirmable notification is acknowledged again, and not given twice")
{
	begin_observing();
	for (int i = 0; i < 3; i++) {
		server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7002, 2, "two");
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7002);
		pass_ms(4000);
	}
	EXPECT_EQ(world.sent_count, 4);
	EXPECT_EQ(world.results, 2);
	world_end();
}

TEST("a response without Observe, or one that is not 2.xx, is the last")
{
	for (int i = 0; i < 4; i++) {
		uint8_t code = i % 2 ? COAX_NOT_FOUND : COAX_CONTENT;
		int observe = i % 2 ? 7 : NO_OBSERVE;

		if (i < 2)
			begin();
		else
			begin_observing();
		if (i < 2)
			server_says(COAX_TYPE_ACK, code, id_of(0), observe, "end");
		else
			server_says(COAX_TYPE_NON, code, 0x7001, observe, "end");
		EXPECT_EQ(world.results, i < 2 ? 1 : 2);
		EXPECT_TRUE(world.last);
		EXPECT_EQ(world.result, 0);
		EXPECT_EQ((int)world.response_code, code);
		server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7002, 3, "late");
		EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7002);
		EXPECT_TRUE(nothing_is_due());
		world_end();
	}
}

TEST("a registration that is answered separately goes on too, also when its ACK was lost")
{
	for (int lost = 0; lost < 2; lost++) {
		begin();
		if (!lost)
			server_says(COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NO_OBSERVE, NULL);
		pass_ms(1000);
		server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7001, 1, "one");
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7001);
		EXPECT_FALSE(world.last);
		pass_ms(300000);
		EXPECT_EQ(world.results, 1);
		EXPECT_EQ(world.sent_count, 2);
		world_end();
	}
}

TEST("a registration fails like any request: time-out, RST, network error")
{
	struct coax_path path = path_from(SERVER);

	begin();
	pass_ms(93000);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_TRUE(world.last);
	world_end();
	begin();
	server_says(COAX_TYPE_RST, COAX_EMPTY, id_of(0), NO_OBSERVE, NULL);
	EXPECT_EQ(world.result, -ECONNRESET);
	EXPECT_TRUE(world.last);
	world_end();
	begin();
	coax_exchange_network_error(world.exchange, &path, ECONNREFUSED);
	EXPECT_EQ(world.result, -ECONNREFUSED);
	EXPECT_TRUE(world.last);
	world_end();
}

TEST("while it merely observes, neither network errors nor RST end it")
{
	struct coax_path path = path_from(SERVER);

	begin_observing();
	coax_exchange_network_error(world.exchange, &path, ECONNREFUSED);
	server_says(COAX_TYPE_RST, COAX_EMPTY, id_of(0), NO_OBSERVE, NULL);
	EXPECT_EQ(world.results, 1);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_EQ(world.results, 2);
	world_end();
}

TEST("an observed resource may change from another endpoint of no concern")
{
	struct coax_path other = path_from(SERVER + 1);
	struct coax_message message;
	uint8_t data[64];

	begin_observing();
	coax_message_start(&message, data, sizeof(data), COAX_TYPE_CON, COAX_CONTENT, 0x7001, token,
			   sizeof(token));
	coax_message_add_uint(&message, COAX_OBSERVE, 9);
	arrive_by(&other, data, message.length);
	EXPECT_EQ(world.results, 1);
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7001);
	world_end();
}

TEST("a cancelled observation answers notifications with RST, CON and NON, but no other NON")
{
	begin_observing();
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	EXPECT_EQ(world.result, -ECANCELED);
	EXPECT_TRUE(world.last);
	EXPECT_EQ(world.sent_count, 1);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7001);
	server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7002, 3, "three");
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7002);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7003, NO_OBSERVE, "four");
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(world.results, 2);
	world_end();
}

TEST("registering again is a new message with the same token, sent until it is answered")
{
	struct coax_message sent;

	begin_observing();
	EXPECT_EQ(again(0), 0);
	EXPECT_EQ(again(0), -EBUSY);
	sent = last_sent();
	EXPECT_EQ((int)coax_message_type(&sent), COAX_TYPE_CON);
	EXPECT_MEMEQ(coax_message_token(&sent), token, sizeof(token));
	EXPECT_NE(id_of(0), id_of(1));
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 3);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 5, "five");
	EXPECT_STREQ(world.response_payload, "five");
	EXPECT_FALSE(world.last);
	pass_ms(300000);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(again(0), 0);
	world_end();
}

TEST("a registration that is renewed in vain ends the observation")
{
	begin_observing();
	again(0);
	pass_ms(93000);
	EXPECT_EQ(world.results, 2);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_TRUE(world.last);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("deregistering is repeated whatever is notified meanwhile, and its answer is the last")
{
	begin_observing();
	EXPECT_EQ(again(1), 0);
	server_says(COAX_TYPE_CON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_FALSE(world.last);
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 4);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), NO_OBSERVE, "end");
	EXPECT_EQ(world.results, 3);
	EXPECT_TRUE(world.last);
	EXPECT_TRUE(nothing_is_due());
	world_end();

	/* A server that does not know better. */
	begin_observing();
	again(1);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 9, "end");
	EXPECT_TRUE(world.last);
	world_end();
}

static struct coax_message again_message;
static uint8_t again_buffer[64];
static int again_result;

static void cancel_inside(void *arg, int result, const struct coax_message *response,
			  const struct coax_path *from, bool last)
{
	world_done(arg, result, response, from, last);
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
}

static void again_inside(void *arg, int result, const struct coax_message *response,
			 const struct coax_path *from, bool last)
{
	world_done(arg, result, response, from, last);
	again_result =
		coax_exchange_request_again(world.exchange, world.now, pending, &again_message);
}

static void begin_with(coax_answer_fn done)
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask ask = {.observe = true};

	world_start();
	build_get(again_buffer, &again_message, 0);
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, &path, &again_message, &ask,
					done, NULL, &pending),
		  0);
	keep_token();
}

TEST("cancelled from its callback, that was the last call")
{
	begin_with(cancel_inside);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 1, "one");
	EXPECT_EQ(world.results, 1);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7001);
	EXPECT_EQ(world.results, 1);
	world_end();
	EXPECT_EQ(world.results, 1);
}

TEST("a message may be sent again from its callback, but not from the last call")
{
	begin_with(again_inside);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 1, "one");
	EXPECT_EQ(again_result, 0);
	EXPECT_EQ(world.sent_count, 2);
	server_says(COAX_TYPE_ACK, COAX_NOT_FOUND, id_of(0), NO_OBSERVE, "gone");
	EXPECT_EQ(again_result, -EINVAL);
	EXPECT_TRUE(world.last);
	world_end();
}

TEST("what is sent again waits for its turn at the remote like any confirmable request")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask plain = {0};
	struct coax_message message;
	uint8_t buffer[64];

	begin_observing();
	build_get(buffer, &message, NO_OBSERVE);
	coax_exchange_request(world.exchange, world.now, &path, &message, &plain, world_done, NULL,
			      NULL);
	EXPECT_EQ(again(0), 0);
	EXPECT_EQ(world.sent_count, 2);
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7001, 2, "two");
	EXPECT_EQ(world.results, 2);
	EXPECT_EQ(again(0), -EBUSY);
	server_says(COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NO_OBSERVE, NULL);
	pass_ms(0);
	EXPECT_EQ(world.sent_count, 3);
	server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 3, "three");
	EXPECT_STREQ(world.response_payload, "three");
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	EXPECT_EQ(world.results, 4);
	world_end();
}

TEST("a non-confirmable observation registers and renews by NON")
{
	struct coax_ask ask = {.observe = true, .non_confirmable = true, .timeout_ms = 5000};
	struct coax_message sent;

	world_start();
	ASSERT_EQ(observe_with(&ask), 0);
	keep_token();
	server_says(COAX_TYPE_NON, COAX_CONTENT, 0x7000, 1, "one");
	pass_ms(5000);
	EXPECT_EQ(world.results, 1);
	again(0);
	sent = last_sent();
	EXPECT_EQ((int)coax_message_type(&sent), COAX_TYPE_NON);
	pass_ms(5000);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	world_end();
}

TEST("idle observations are bounded by observations_max and leave plain requests their room")
{
	struct coax_tuning tuning = world_tuning;
	struct coax_ask ask = {.observe = true}, plain = {.non_confirmable = true};
	struct coax_path path = path_from(SERVER);
	struct coax_pending *first;
	struct coax_message message;
	uint8_t buffer[64];
	int taken = 0;

	tuning.observations_max = 5000;
	world_start_with(&tuning, 1);
	for (int i = 0; i < 5000; i++) {
		ASSERT_EQ(observe_with(&ask), 0);
		if (!i)
			first = pending;
		keep_token();
		server_says(COAX_TYPE_ACK, COAX_CONTENT, id_of(0), 1, "one");
	}
	EXPECT_EQ(observe_with(&ask), -ENOBUFS);
	EXPECT_TRUE(nothing_is_due());
	build_get(buffer, &message, NO_OBSERVE);
	while (!coax_exchange_request(world.exchange, world.now, &path, &message, &plain,
				      world_done, NULL, NULL))
		taken++;
	EXPECT_EQ(taken, 4096);
	pending = first;
	EXPECT_EQ(again(0), -ENOBUFS);
	coax_exchange_cancel(world.exchange, first, -ECANCELED);
	EXPECT_EQ(observe_with(&ask), -ENOBUFS);
	pass_ms(93000);
	EXPECT_EQ(observe_with(&ask), 0);
	world_end();
}

TEST("nobody observes by a ping")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask ask = {.observe = true};
	struct coax_message message;
	uint8_t buffer[64];

	world_start();
	coax_message_start(&message, buffer, 64, COAX_TYPE_CON, COAX_EMPTY, 0, NULL, 0);
	EXPECT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, &ask,
					world_done, NULL, NULL),
		  -EINVAL);
	world_end();
}

TEST_MAIN()
