// SPDX-License-Identifier: BSD-2-Clause
/* Requests of ours and what comes of them (RFC 7252 sections 4.7 and 5.3). */
#include "exchange_world.h"

#define SERVER 5683

static int request_with(const struct coax_path *path, uint8_t code, const struct coax_ask *options,
			struct coax_pending **pending)
{
	uint8_t buffer[64];
	struct coax_message message;

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, code, 0, "xyz",
			   code ? 3 : 0);
	if (code)
		coax_message_add_string(&message, COAX_URI_PATH, "time");
	return coax_exchange_request(world.exchange, world.now, path, &message, options, world_done,
				     NULL, pending);
}

static int request(uint8_t code)
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};

	return request_with(&path, code, &options, NULL);
}

static int request_non(void)
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {.non_confirmable = true};

	return request_with(&path, COAX_GET, &options, NULL);
}

/* A message from a server: to the request that was sent `back` before the latest datagram. */
static size_t reply_to(uint8_t out[128], int back, enum coax_type type, uint8_t code, uint16_t id,
		       const char *payload)
{
	struct coax_message asked = as_message(sent_before(back)), message;

	coax_message_start(&message, out, 128, type, code, id, coax_message_token(&asked),
			   code ? coax_message_token_length(&asked) : 0);
	if (payload)
		coax_message_set_payload(&message, payload, strlen(payload));
	return message.length;
}

static void server_says(int back, enum coax_type type, uint8_t code, uint16_t id,
			const char *payload)
{
	struct coax_path path = path_from(SERVER);
	uint8_t data[128];

	arrive_by(&path, data, reply_to(data, back, type, code, id, payload));
}

static uint16_t id_of(int back)
{
	struct coax_message message = as_message(sent_before(back));

	return coax_message_id(&message);
}

static bool nothing_is_due(void)
{
	return coax_exchange_deadline(world.exchange) == UINT64_MAX;
}

TEST("a request is a CON with options and payload as given, and a token of its own")
{
	struct coax_message sent;
	struct coax_option option;

	world_start();
	EXPECT_EQ(request(COAX_GET), 0);
	sent = last_sent();
	EXPECT_EQ((int)coax_message_type(&sent), COAX_TYPE_CON);
	EXPECT_EQ((int)coax_message_code(&sent), COAX_GET);
	EXPECT_GE(coax_message_token_length(&sent), 4u);
	EXPECT_TRUE(coax_message_find(&sent, COAX_URI_PATH, &option));
	EXPECT_MEMEQ(option.value, "time", 4);
	world_end();
}

TEST("a piggybacked response completes the request, once, and ends its retransmission")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	EXPECT_EQ((int)world.response_code, COAX_CONTENT);
	EXPECT_STREQ(world.response_payload, "noon");
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "noon");
	pass_ms(300000);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("an error code is a response like any other")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_NOT_FOUND, id_of(0), NULL);
	EXPECT_EQ(world.result, 0);
	EXPECT_EQ((int)world.response_code, COAX_NOT_FOUND);
	world_end();
}

TEST("a request that was lost is sent again, the same bytes, and completes then")
{
	world_start();
	request(COAX_GET);
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_MEMEQ(sent_before(0)->data, sent_before(1)->data, sent_before(0)->length);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	world_end();
}

TEST("a request that nobody acknowledges ends with -ETIMEDOUT after four retransmissions")
{
	world_start();
	request(COAX_GET);
	pass_ms(93000);
	EXPECT_EQ(world.sent_count, 5);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_EQ(COUNTED(timeouts), 1);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("after an empty ACK the separate response is waited for, and acknowledged")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.results, 0);
	server_says(0, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_STREQ(world.response_payload, "noon");
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7777);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a duplicate of a separate response is acknowledged again, without a second callback")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	server_says(0, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "noon");
	for (int i = 0; i < 4; i++) {
		pass_ms(10000);
		server_says(1 + i, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "noon");
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7777);
	}
	EXPECT_EQ(world.sent_count, 6);
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST("a separate response stands for an ACK that was lost")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7777);
	/* The ACK was only late. */
	server_says(1, COAX_TYPE_ACK, COAX_EMPTY, id_of(1), NULL);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST("a NON response is not acknowledged")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	server_says(0, COAX_TYPE_NON, COAX_CONTENT, 0x7777, "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("a response that never follows its empty ACK: -ETIMEDOUT after EXCHANGE_LIFETIME")
{
	world_start();
	request(COAX_GET);
	pass_ms(1000);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	pass_ms(COAX_EXCHANGE_LIFETIME_MS - 1);
	EXPECT_EQ(world.results, 0);
	pass_ms(1);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_EQ(COUNTED(timeouts), 0);
	world_end();
}

TEST("a NON request is sent once, and is given up after MAX_TRANSMIT_WAIT")
{
	struct coax_message sent;

	world_start();
	EXPECT_EQ(request_non(), 0);
	sent = last_sent();
	EXPECT_EQ((int)coax_message_type(&sent), COAX_TYPE_NON);
	pass_ms(COAX_MAX_TRANSMIT_WAIT_MS - 1);
	EXPECT_EQ(world.results, 0);
	pass_ms(1);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("a NON request takes a NON response, or a CON one that it acknowledges, but no ACK")
{
	world_start();
	request_non();
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "no");
	EXPECT_EQ(world.results, 0);
	server_says(0, COAX_TYPE_NON, COAX_CONTENT, 0x7777, "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 1);
	request_non();
	server_says(0, COAX_TYPE_CON, COAX_CONTENT, 0x7778, "one");
	EXPECT_EQ(world.results, 2);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7778);
	world_end();
}

TEST("RST ends a request with -ECONNRESET, CON and NON")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_RST, COAX_EMPTY, id_of(0), NULL);
	EXPECT_EQ(world.result, -ECONNRESET);
	request_non();
	server_says(0, COAX_TYPE_RST, COAX_EMPTY, id_of(0), NULL);
	EXPECT_EQ(world.results, 2);
	EXPECT_EQ(world.result, -ECONNRESET);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a response with another token is rejected, and the request goes on")
{
	struct coax_path path = path_from(SERVER);
	uint8_t data[128];
	size_t length;

	world_start();
	request(COAX_GET);
	length = reply_to(data, 0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "evil");
	data[4] ^= 1;
	arrive_by(&path, data, length);
	EXPECT_EQ(world.sent_count, 1);
	length = reply_to(data, 0, COAX_TYPE_NON, COAX_CONTENT, 0x7777, "evil");
	data[11] ^= 1;
	arrive_by(&path, data, length);
	EXPECT_EQ(world.sent_count, 1);
	length = reply_to(data, 0, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "evil");
	data[4] ^= 1;
	arrive_by(&path, data, length);
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7777);
	EXPECT_EQ(world.results, 0);
	server_says(1, COAX_TYPE_ACK, COAX_CONTENT, id_of(1), "noon");
	EXPECT_STREQ(world.response_payload, "noon");
	world_end();
}

TEST("a piggybacked response needs the message ID and the token, not one of them")
{
	world_start();
	request(COAX_GET);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, (uint16_t)(id_of(0) + 1), "evil");
	EXPECT_EQ(world.results, 0);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "noon");
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST("a response from another address or port completes nothing")
{
	struct coax_path other = path_from(SERVER);
	uint8_t data[128];
	size_t length;

	world_start();
	request(COAX_GET);
	length = reply_to(data, 0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "evil");
	other.remote = address("192.0.2.66", SERVER);
	arrive_by(&other, data, length);
	other = path_from(SERVER + 1);
	arrive_by(&other, data, length);
	length = reply_to(data, 0, COAX_TYPE_NON, COAX_CONTENT, 1, "evil");
	arrive_by(&other, data, length);
	length = reply_to(data, 0, COAX_TYPE_RST, COAX_EMPTY, id_of(0), NULL);
	arrive_by(&other, data, length);
	EXPECT_EQ(world.results, 0);
	world_end();
}

TEST("one confirmable request a remote at a time: the next goes when the first is acknowledged")
{
	world_start();
	for (int i = 0; i < 3; i++)
		request(COAX_GET);
	EXPECT_EQ(world.sent_count, 1);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "1");
	pass_ms(0);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.results, 1);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	pass_ms(0);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(world.results, 1);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "3");
	EXPECT_EQ(world.results, 2);
	server_says(1, COAX_TYPE_NON, COAX_CONTENT, 9, "2");
	EXPECT_EQ(world.results, 3);
	EXPECT_STREQ(world.response_payload, "2");
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("with a larger NSTART as many are under way, each acknowledgement lets one go, and none is lost")
{
	struct coax_tuning tuning = world_tuning;

	tuning.nstart = 3;
	world_start_with(&tuning, 1);
	for (int i = 0; i < 10; i++)
		request(COAX_GET);
	EXPECT_EQ(world.sent_count, 3);
	for (int answered = 1; answered <= 10; answered++) {
		/* The one that was sent longest ago and has not been answered. */
		server_says(world.sent_count - answered, COAX_TYPE_ACK, COAX_CONTENT,
			    id_of(world.sent_count - answered), "x");
		pass_ms(0);
		EXPECT_EQ(world.results, answered);
		EXPECT_LE(world.sent_count, answered + 3);
		EXPECT_GT(world.sent_count, answered < 10 ? answered : 9);
	}
	EXPECT_EQ(world.sent_count, 10);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("requests to other remotes, and non-confirmable ones, do not wait")
{
	struct coax_path other = path_from(SERVER + 1);
	struct coax_ask options = {0};

	world_start();
	request(COAX_GET);
	request_with(&other, COAX_GET, &options, NULL);
	request_non();
	EXPECT_EQ(world.sent_count, 3);
	world_end();
}

TEST("a request that times out lets the next to its remote go")
{
	world_start();
	request(COAX_GET);
	request(COAX_GET);
	pass_ms(93000);
	EXPECT_EQ(world.results, 1);
	EXPECT_GE(world.sent_count, 6);
	pass_ms(93000);
	EXPECT_EQ(world.results, 2);
	EXPECT_EQ(world.sent_count, 10);
	world_end();
}

TEST("timeout_ms counts from the request on, waiting included")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {.timeout_ms = 5000};

	world_start();
	request(COAX_GET);
	request_with(&path, COAX_GET, &options, NULL);
	pass_ms(4999);
	EXPECT_EQ(world.results, 0);
	pass_ms(1);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), NULL);
	pass_ms(100);
	EXPECT_EQ(world.results, 2);
	EXPECT_TRUE(nothing_is_due());

	/* It also ends the wait for a separate response. */
	request_with(&path, COAX_GET, &options, NULL);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	pass_ms(5000);
	EXPECT_EQ(world.results, 3);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	world_end();
}

TEST("a ping is an empty CON; the RST is its answer")
{
	world_start();
	EXPECT_EQ(request(COAX_EMPTY), 0);
	EXPECT_EQ((int)sent_before(0)->length, 4);
	EXPECT_EQ((int)sent_before(0)->data[0], 0x40);
	server_says(0, COAX_TYPE_RST, COAX_EMPTY, id_of(0), NULL);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	EXPECT_EQ((int)world.response_code, 0);
	request(COAX_EMPTY);
	pass_ms(93000);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	world_end();
}

TEST("a peer that acknowledges a ping is alive as well")
{
	world_start();
	request(COAX_EMPTY);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), NULL);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

/* A response with an option that is critical and unknown. */
static void server_demands(enum coax_type type, uint16_t id)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message asked = last_sent(), message;
	uint8_t data[128];

	coax_message_start(&message, data, sizeof(data), type, COAX_CONTENT, id,
			   coax_message_token(&asked), coax_message_token_length(&asked));
	coax_message_add(&message, 2049, "x", 1);
	arrive_by(&path, data, message.length);
}

TEST("an unknown critical option in a response: -EPROTO, and RST to a CON")
{
	world_start();
	request(COAX_GET);
	server_demands(COAX_TYPE_ACK, id_of(0));
	EXPECT_EQ(world.result, -EPROTO);
	EXPECT_EQ(world.sent_count, 1);
	request_non();
	server_demands(COAX_TYPE_NON, 1);
	EXPECT_EQ(world.result, -EPROTO);
	EXPECT_EQ(world.sent_count, 2);
	request(COAX_GET);
	server_demands(COAX_TYPE_CON, 0x7777);
	EXPECT_EQ(world.results, 3);
	EXPECT_EQ(world.result, -EPROTO);
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7777);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a cancelled request calls back once, and its response is rejected")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};
	struct coax_pending *pending;

	world_start();
	request_with(&path, COAX_GET, &options, &pending);
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, -ECANCELED);
	server_says(0, COAX_TYPE_CON, COAX_CONTENT, 0x7777, "noon");
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 0x7777);
	pass_ms(300000);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

TEST("cancelling one that waits, and one that others wait for, leaves the others alone")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};
	struct coax_pending *pending[4];

	world_start();
	for (int i = 0; i < 4; i++)
		request_with(&path, COAX_GET, &options, &pending[i]);
	coax_exchange_cancel(world.exchange, pending[2], -ECANCELED);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 1);
	coax_exchange_cancel(world.exchange, pending[0], -ECANCELED);
	/* The next leads, but has not gone yet. */
	coax_exchange_cancel(world.exchange, pending[1], -ECANCELED);
	pass_ms(0);
	EXPECT_EQ(world.sent_count, 2);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "4");
	EXPECT_EQ(world.results, 4);
	EXPECT_EQ(world.result, 0);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

static struct coax_pending *to_cancel;

static void cancel_in_callback(void *arg, int result, const struct coax_message *response,
			       const struct coax_path *from, bool last)
{
	world_done(arg, result, response, from, last);
	coax_exchange_cancel(world.exchange, to_cancel, -ECANCELED);
}

TEST("cancelling in the callback does nothing, and the response stays readable")
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};
	uint8_t buffer[16];
	struct coax_message message;

	world_start();
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_exchange_request(world.exchange, world.now, &path, &message, &options,
			      cancel_in_callback, NULL, &to_cancel);
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "noon");
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	request(COAX_GET);
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

static int wanted_more;

static void request_in_callback(void *arg, int result, const struct coax_message *response,
				const struct coax_path *from, bool last)
{
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};
	uint8_t buffer[16];
	struct coax_message message;

	world_done(arg, result, response, from, last);
	if (wanted_more-- <= 0)
		return;
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_exchange_request(world.exchange, world.now, &path, &message, &options,
			      request_in_callback, NULL, NULL);
}

TEST("a callback may make the next request, which goes behind those that wait")
{
	world_start();
	wanted_more = 1;
	request_in_callback(NULL, 0, NULL, NULL, true);
	request(COAX_GET);
	wanted_more = 1;
	server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "1");
	EXPECT_EQ(world.sent_count, 1);
	for (int i = 0; i < 2; i++) {
		pass_ms(0);
		EXPECT_EQ(world.sent_count, 2 + i);
		server_says(0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "2");
	}
	EXPECT_EQ(world.results, 4);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a network error ends what is pending with that remote, and nothing that begins then")
{
	struct coax_path path = path_from(SERVER), other = path_from(SERVER + 1);
	struct coax_ask options = {0};

	world_start();
	request(COAX_GET);
	request_with(&other, COAX_GET, &options, NULL);
	request(COAX_GET);
	request_non();
	wanted_more = 0;
	coax_exchange_network_error(world.exchange, &path, EMSGSIZE);
	EXPECT_EQ(world.results, 0);
	coax_exchange_network_error(world.exchange, &path, ECONNREFUSED);
	EXPECT_EQ(world.results, 3);
	EXPECT_EQ(world.result, -ECONNREFUSED);
	pass_ms(93000);
	EXPECT_EQ(world.results, 4);
	EXPECT_EQ(world.result, -ETIMEDOUT);

	world.results = 0;
	wanted_more = 2;
	request_in_callback(NULL, 0, NULL, NULL, true); /* wanted_more: 1 */
	coax_exchange_network_error(world.exchange, &path, EHOSTUNREACH);
	EXPECT_EQ(world.results, 2);
	EXPECT_FALSE(nothing_is_due());
	world_end();
}

TEST("pending requests end with -ESHUTDOWN when the layer goes, and no new ones begin")
{
	world_start();
	wanted_more = 1;
	request_in_callback(NULL, 0, NULL, NULL, true);
	request(COAX_GET);
	request_non();
	world.results = 0;
	wanted_more = 100;
	world_end();
	EXPECT_EQ(world.results, 3);
	EXPECT_EQ(world.result, -ESHUTDOWN);
	EXPECT_EQ(wanted_more, 99);
}

TEST("what is no request, too long, or for many at once is refused")
{
	static const uint8_t payload[COAX_DATAGRAM_OUT_MAX];
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX + 64];
	struct coax_path path = path_from(SERVER);
	struct coax_ask options = {0};
	struct coax_message message;

	world_start();
	EXPECT_EQ(request(COAX_CONTENT), -EINVAL);
	EXPECT_EQ(request(COAX_CODE(1, 1)), -EINVAL);
	EXPECT_EQ(request(COAX_CODE(7, 1)), -EINVAL);
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_PUT, 0, NULL, 0);
	coax_message_set_payload(&message, payload, sizeof(payload) - 4 - 8);
	EXPECT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, &options,
					world_done, NULL, NULL),
		  -EMSGSIZE);
	coax_message_set_payload(&message, payload, sizeof(payload) - 4 - 8 - 1);
	EXPECT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, &options,
					world_done, NULL, NULL),
		  0);
	EXPECT_EQ((int)sent_before(0)->length, COAX_DATAGRAM_OUT_MAX);
	path.remote = address("224.0.1.187", SERVER);
	EXPECT_EQ(request_with(&path, COAX_GET, &options, NULL), -EINVAL);
	world_end();
}

TEST("pending requests are bounded")
{
	int count = 0, err = 0;

	world_start();
	while (!err && count < 100000) {
		err = request(COAX_GET);
		count += !err;
	}
	EXPECT_EQ(err, -ENOBUFS);
	EXPECT_GE(count, 1024);
	EXPECT_EQ(world.results, 0);
	world_end();
	EXPECT_EQ(world.results, count);
}

TEST("message IDs begin anywhere, go up by one, and tokens do not repeat")
{
	uint8_t tokens[100][COAX_TOKEN_MAX] = {{0}};
	uint16_t first;

	world_start();
	for (int i = 0; i < 100; i++) {
		struct coax_message sent;

		request_non();
		sent = last_sent();
		memcpy(tokens[i], coax_message_token(&sent), coax_message_token_length(&sent));
		for (int j = 0; j < i; j++)
			EXPECT_TRUE(memcmp(tokens[i], tokens[j], COAX_TOKEN_MAX) != 0);
		if (i)
			EXPECT_EQ(id_of(0), (uint16_t)(id_of(1) + 1));
		server_says(0, COAX_TYPE_NON, COAX_CONTENT, (uint16_t)i, NULL);
	}
	first = id_of(0);
	world_end();
	world_start_with(&world_tuning, 2);
	request_non();
	EXPECT_NE(id_of(0), (uint16_t)(first - 99));
	world_end();
	/* Without a seed, nothing can be foreseen. */
	world_start_with(&world_tuning, 0);
	request_non();
	memcpy(tokens[0], sent_before(0)->data + 4, COAX_TOKEN_MAX);
	world_end();
	world_start_with(&world_tuning, 0);
	request_non();
	EXPECT_TRUE(memcmp(tokens[0], sent_before(0)->data + 4, COAX_TOKEN_MAX) != 0);
	world_end();
}

TEST("a message ID that is still on its way to a remote is not given again")
{
	uint16_t first;

	world_start();
	request(COAX_GET);
	first = id_of(0);
	server_says(0, COAX_TYPE_ACK, COAX_EMPTY, first, NULL);
	for (int i = 0; i < 65536 + 10; i++) {
		request_non();
		EXPECT_NE(id_of(0), first);
		server_says(0, COAX_TYPE_NON, COAX_CONTENT, (uint16_t)i, NULL);
	}
	world_end();
}

TEST("a zone on an address that needs none does not hide the remote from its own answers")
{
	struct coax_path path = path_from(SERVER), answers;
	struct coax_ask options = {0};
	uint8_t data[128];

	world_start();
	path.remote = address("2001:db8::1", SERVER);
	path.local = address("2001:db8::2", 40000);
	answers = path;
	path.remote.in6.sin6_scope_id = 3;
	ASSERT_EQ(request_with(&path, COAX_GET, &options, NULL), 0);
	arrive_by(&answers, data,
		  reply_to(data, 0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "hello"));
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	world_end();

	/* On links it tells hosts apart. */
	world_start();
	path.remote = address("fe80::1", SERVER);
	path.remote.in6.sin6_scope_id = 3;
	answers.remote = path.remote;
	answers.remote.in6.sin6_scope_id = 4;
	ASSERT_EQ(request_with(&path, COAX_GET, &options, NULL), 0);
	arrive_by(&answers, data,
		  reply_to(data, 0, COAX_TYPE_ACK, COAX_CONTENT, id_of(0), "hello"));
	EXPECT_EQ(world.results, 0);
	world_end();
}

TEST_MAIN()
