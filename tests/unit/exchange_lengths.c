// SPDX-License-Identifier: BSD-2-Clause
/* What is long: extended tokens (RFC 8974), and responses longer than what is taken in. */
#include "exchange_world.h"

#define SERVER 5683

static uint8_t long_token[4096];

static void fill_token(void)
{
	for (size_t i = 0; i < sizeof(long_token); i++)
		long_token[i] = (uint8_t)(i * 7 + 1);
}

static void arrive_with_token(enum coax_type type, uint8_t code, uint16_t id, size_t token_length)
{
	static uint8_t data[5000];
	struct coax_message message;

	ASSERT_EQ(coax_message_start(&message, data, sizeof(data), type, code, id, long_token,
				     token_length),
		  0);
	arrive(data, message.length);
}

static void begin(void)
{
	fill_token();
	world_start();
}

static bool last_has_token(size_t length)
{
	struct coax_message sent = last_sent();

	return coax_message_token_length(&sent) == length &&
	       memcmp(coax_message_token(&sent), long_token, length) == 0;
}

TEST("requests with extended tokens are answered with the same token")
{
	static const size_t lengths[] = {9, 12, 13, 14, 64, COAX_TOKEN_TAKEN_MAX};

	begin();
	for (uint16_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		arrive_with_token(COAX_TYPE_CON, COAX_GET, i, lengths[i]);
		EXPECT_EQ(world.requests, i + 1);
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, i);
		EXPECT_TRUE(last_has_token(lengths[i]));
	}
	world_end();
}

TEST("a held request keeps the whole of its token, for the handler and for 5.03")
{
	struct coax_message sent;

	begin();
	world.conduct = HOLDS;
	arrive_with_token(COAX_TYPE_CON, COAX_GET, 1, COAX_TOKEN_TAKEN_MAX);
	arrive_with_token(COAX_TYPE_CON, COAX_GET, 2, COAX_TOKEN_TAKEN_MAX);
	pass_ms(1000);
	EXPECT_EQ(world.sent_count, 2);
	world_answer(COAX_CONTENT);
	EXPECT_TRUE(last_has_token(COAX_TOKEN_TAKEN_MAX));
	sent = last_sent();
	EXPECT_EQ((int)coax_message_type(&sent), COAX_TYPE_CON);
	arrive_message(COAX_TYPE_ACK, COAX_EMPTY, coax_message_id(&sent), 0, NULL);
	pass_ms(59000);
	sent = last_sent();
	EXPECT_EQ((int)coax_message_code(&sent), COAX_SERVICE_UNAVAILABLE);
	EXPECT_TRUE(last_has_token(COAX_TOKEN_TAKEN_MAX));
	world_end();
}

TEST("a token that is longer than what is taken gets 4.00 with that token, and nothing runs")
{
	static const size_t lengths[] = {COAX_TOKEN_TAKEN_MAX + 1, 269, 1000,
					 COAX_DATAGRAM_OUT_MAX - COAX_HEADER_SIZE - 2};

	begin();
	for (uint16_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		arrive_with_token(COAX_TYPE_CON, COAX_POST, i, lengths[i]);
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_BAD_REQUEST, i);
		EXPECT_TRUE(last_has_token(lengths[i]));
	}
	arrive_with_token(COAX_TYPE_NON, COAX_POST, 77, 500);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_BAD_REQUEST, 77);
	EXPECT_EQ(world.requests, 0);
	EXPECT_EQ(COUNTED(refused), 5);
	world_end();
}

TEST("a token that fits no response: RST to a CON, silence to a NON")
{
	size_t length = COAX_DATAGRAM_OUT_MAX - COAX_HEADER_SIZE - 1;

	begin();
	arrive_with_token(COAX_TYPE_CON, COAX_GET, 1, length);
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 1);
	arrive_with_token(COAX_TYPE_NON, COAX_GET, 2, length);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.requests, 0);
	world_end();
}

TEST("nobody is told by multicast that a token is too long")
{
	struct coax_path path = path_from(40000);
	struct coax_message message;
	uint8_t data[512];

	begin();
	path.local = address("224.0.1.187", 5683);
	coax_message_start(&message, data, sizeof(data), COAX_TYPE_NON, COAX_GET, 1, long_token,
			   200);
	arrive_by(&path, data, message.length);
	pass_ms(5000);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(world.requests, 0);
	world_end();
}

static void arrive_cut(const struct coax_path *path, const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length);

	memcpy(copy, data, length);
	coax_exchange_receive(world.exchange, world.now, path, copy, length, true);
	free(copy);
}

TEST("a request that was cut off within its token is ignored, behind it gets 4.13 with the token")
{
	struct coax_path path = path_from(40000);
	struct coax_message message;
	uint8_t data[512];
	size_t length;

	begin();
	coax_message_start(&message, data, sizeof(data), COAX_TYPE_CON, COAX_PUT, 1, long_token,
			   300);
	for (length = COAX_HEADER_SIZE; length < message.length; length++)
		arrive_cut(&path, data, length);
	EXPECT_EQ(world.sent_count, 0);
	arrive_cut(&path, data, message.length);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_REQUEST_ENTITY_TOO_LARGE, 1);
	EXPECT_TRUE(last_has_token(300));
	data[0] |= 0x0f;
	arrive_cut(&path, data, message.length);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

static struct coax_pending *pending;

static void ask(const struct coax_ask *how, bool group)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message message;
	uint8_t buffer[64];

	if (group)
		path.remote = address("224.0.1.187", SERVER);
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, how, world_done,
					NULL, &pending),
		  0);
}

/* The beginning of a response to the request that was sent first. */
static void server_says_too_much(enum coax_type type, uint16_t id, uint8_t flip)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message asked = as_message(&world.sent[0]), message;
	uint8_t data[128];

	coax_message_start(&message, data, sizeof(data), type, COAX_CONTENT, id,
			   coax_message_token(&asked), coax_message_token_length(&asked));
	data[4] ^= flip;
	coax_message_set_payload(&message, "much", 4);
	arrive_cut(&path, data, message.length);
}

static uint16_t id_of_first(void)
{
	struct coax_message asked = as_message(&world.sent[0]);

	return coax_message_id(&asked);
}

TEST("a response that was cut off ends its request with -EMSGSIZE")
{
	struct coax_ask plain = {0};

	for (int type = COAX_TYPE_CON; type <= COAX_TYPE_ACK; type++) {
		uint16_t id;

		world_start();
		ask(&plain, false);
		id = type == COAX_TYPE_ACK ? id_of_first() : 0x7777;
		server_says_too_much(type, id, 1);
		EXPECT_EQ(world.results, 0);
		if (type == COAX_TYPE_ACK)
			server_says_too_much(type, (uint16_t)(id + 1), 0);
		EXPECT_EQ(world.results, 0);
		server_says_too_much(type, id, 0);
		EXPECT_EQ(world.results, 1);
		EXPECT_EQ(world.result, -EMSGSIZE);
		EXPECT_TRUE(world.last);
		EXPECT_EQ(world.sent_count, 1 + (type == COAX_TYPE_CON));
		if (type == COAX_TYPE_CON)
			EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7777);
		EXPECT_TRUE(coax_exchange_deadline(world.exchange) == UINT64_MAX);
		world_end();
	}
}

TEST("one member's response that was cut off does not end collecting from a group")
{
	struct coax_ask group = {.multicast = true};

	world_start();
	ask(&group, true);
	server_says_too_much(COAX_TYPE_NON, 0x7777, 0);
	EXPECT_EQ(world.results, 0);
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST_MAIN()
