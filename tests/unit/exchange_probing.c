// SPDX-License-Identifier: BSD-2-Clause
/* Non-confirmable requests to who does not respond (PROBING_RATE, RFC 7252 section 4.7). */
#include "exchange_world.h"

#define SERVER 5683

static struct coax_pending *pending;

/* 20 bytes each: header, token, and Uri-Path "sensors". */
#define REQUEST_BYTES 20

static void request_to(const struct coax_path *path, uint32_t timeout_ms)
{
	struct coax_ask ask = {.non_confirmable = true, .timeout_ms = timeout_ms};
	struct coax_message message;
	uint8_t buffer[64];

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 0, NULL, 0);
	coax_message_add_string(&message, COAX_URI_PATH, "sensors");
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, path, &message, &ask, world_done,
					NULL, &pending),
		  0);
}

static void request(void)
{
	struct coax_path path = path_from(SERVER);

	request_to(&path, 0);
}

static void respond(int back)
{
	struct coax_path path = path_from(SERVER);
	struct coax_message asked = as_message(sent_before(back)), message;
	static uint16_t id;
	uint8_t data[128];

	coax_message_start(&message, data, sizeof(data), COAX_TYPE_NON, COAX_CONTENT, id++,
			   coax_message_token(&asked), coax_message_token_length(&asked));
	arrive_by(&path, data, message.length);
}

TEST("the first request goes at once, the next when the rate lets it: 1 byte a second")
{
	world_start();
	for (int i = 0; i < 4; i++)
		request();
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(sent_before(0)->length, (size_t)REQUEST_BYTES);
	for (int i = 0; i < 3; i++) {
		pass_ms(REQUEST_BYTES * 1000 - 1);
		EXPECT_EQ(world.sent_count, 1 + i);
		pass_ms(1);
		EXPECT_EQ(world.sent_count, 2 + i);
	}
	world_end();
}

TEST("the rate is tuning.probing_rate")
{
	struct coax_tuning tuning = world_tuning;

	tuning.probing_rate = 1000;
	world_start_with(&tuning, 1);
	for (int i = 0; i < 51; i++)
		request();
	pass_ms(REQUEST_BYTES * 25);
	EXPECT_EQ(world.sent_count, 26);
	pass_ms(REQUEST_BYTES * 25);
	EXPECT_EQ(world.sent_count, 51);
	world_end();
}

TEST("a response lets all go that wait, and those that come then")
{
	world_start();
	for (int i = 0; i < 5; i++)
		request();
	EXPECT_EQ(world.sent_count, 1);
	respond(0);
	EXPECT_EQ(world.sent_count, 5);
	EXPECT_EQ(world.results, 1);
	for (int i = 0; i < 5; i++)
		request();
	EXPECT_EQ(world.sent_count, 10);
	world_end();
}

TEST("RST is a sign of life as well")
{
	struct coax_path path = path_from(SERVER);
	struct coax_message asked;

	world_start();
	request();
	request();
	asked = last_sent();
	arrive_message_by(&path, COAX_TYPE_RST, COAX_EMPTY, coax_message_id(&asked), 0);
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

TEST("each remote has a rate of its own, and confirmable requests have none")
{
	struct coax_path other = path_from(SERVER + 1), path = path_from(SERVER);
	struct coax_ask confirmable = {0};
	struct coax_message message;
	uint8_t buffer[64];

	world_start();
	request();
	request();
	request_to(&other, 0);
	EXPECT_EQ(world.sent_count, 2);
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_exchange_request(world.exchange, world.now, &path, &message, &confirmable, world_done,
			      NULL, NULL);
	EXPECT_EQ(world.sent_count, 3);
	world_end();
}

TEST("one that waits can be cancelled or run out of time, and the others go on")
{
	struct coax_path path = path_from(SERVER);

	world_start();
	request();
	request();
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	request_to(&path, 1000);
	request();
	pass_ms(1000);
	EXPECT_EQ(world.results, 2);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	pass_ms(REQUEST_BYTES * 1000 - 1000);
	EXPECT_EQ(world.sent_count, 2);
	/* The last one that waits goes, and then another comes. */
	request();
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	pass_ms(REQUEST_BYTES * 1000);
	request();
	EXPECT_EQ(world.sent_count, 3);
	world_end();
	EXPECT_EQ(world.results, 6);
}

TEST("a remote that has responded is limited again when it stops to")
{
	struct coax_path path = path_from(SERVER);

	world_start();
	request();
	respond(0);
	for (int i = 0; i < 5; i++) {
		request_to(&path, 1000);
		EXPECT_EQ(world.sent_count, 2 + i);
		/* One in between changes that it is five in a row. */
		if (i == 2)
			respond(0);
		pass_ms(1000);
	}
	for (int i = 0; i < 3; i++) {
		request_to(&path, 1000);
		EXPECT_EQ(world.sent_count, 7 + i);
		pass_ms(1000);
	}
	request_to(&path, 1000);
	EXPECT_EQ(world.sent_count, 9);
	pass_ms(1000);
	EXPECT_EQ(world.sent_count, 9);
	world_end();
}

TEST("requests to a group that nobody answers are limited like others")
{
	struct coax_ask ask = {.multicast = true, .timeout_ms = 10000};
	struct coax_path path;
	struct coax_message message;
	uint8_t buffer[64];

	world_start();
	memset(&path, 0, sizeof(path));
	path.remote = address("224.0.1.187", SERVER);
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 0, NULL, 0);
	for (int i = 0; i < 3; i++)
		coax_exchange_request(world.exchange, world.now, &path, &message, &ask, world_done,
				      NULL, NULL);
	EXPECT_EQ(world.sent_count, 1);
	respond(0);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.sent_count, 3);
	world_end();
}

TEST("many remotes that do not respond cost bounded memory, and no request")
{
	struct coax_path path = path_from(1);

	world_start();
	for (int i = 1; i <= 2000; i++) {
		path.remote.in.sin_port = htons((uint16_t)i);
		request_to(&path, 0);
		request_to(&path, 0);
	}
	EXPECT_GE(world.sent_count, 2000);
	EXPECT_LT(world.sent_count, 4000);
	pass_ms(93000);
	EXPECT_EQ(world.results, 4000);
	EXPECT_EQ(world.sent_count, 4000);
	EXPECT_TRUE(coax_exchange_deadline(world.exchange) == UINT64_MAX);
	world_end();
}

TEST_MAIN()
