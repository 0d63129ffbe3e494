// SPDX-License-Identifier: BSD-2-Clause
/* How many requests to one remote are under way (RFC 7252 section 4.7). */
#include "exchange_world.h"

#define SERVER 5683

/* Of requests; 0: as long as it takes. */
static uint32_t patience_ms;

static void begin(uint32_t nstart, uint32_t nstart_max)
{
	struct coax_tuning tuning = world_tuning;

	tuning.nstart = nstart;
	tuning.nstart_max = nstart_max;
	world_start_with(&tuning, 1);
}

/* One whose query is its number. */
static struct coax_pending *ask_by(const struct coax_path *path, uint32_t number)
{
	const struct coax_ask options = {.timeout_ms = patience_ms};
	struct coax_pending *pending = NULL;
	struct coax_message message;
	uint8_t buffer[64];

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_message_add_uint(&message, COAX_URI_QUERY, number);
	EXPECT_EQ(coax_exchange_request(world.exchange, world.now, path, &message, &options,
					world_done, NULL, &pending),
		  0);
	return pending;
}

static struct coax_pending *ask(uint32_t number)
{
	const struct coax_path path = path_from(SERVER);

	return ask_by(&path, number);
}

static void ask_for(uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ask(first + i);
}

static struct coax_message sent_as(int number)
{
	return as_message(sent_before(world.sent_count - 1 - number));
}

/* The one that was sent as the `number`th is answered. */
static void answer_by(const struct coax_path *path, int number)
{
	struct coax_message asked = sent_as(number), message;
	uint8_t data[64];

	coax_message_start(&message, data, sizeof(data), COAX_TYPE_ACK, COAX_CONTENT,
			   coax_message_id(&asked), coax_message_token(&asked),
			   coax_message_token_length(&asked));
	arrive_by(path, data, message.length);
	pass_ms(0);
}

static void answer(int number)
{
	const struct coax_path path = path_from(SERVER);

	answer_by(&path, number);
}

static uint32_t query_of(int number)
{
	struct coax_message sent = sent_as(number);
	uint32_t query = UINT32_MAX;

	coax_message_find_uint(&sent, COAX_URI_QUERY, &query);
	return query;
}

static int under_way(int answered)
{
	return world.sent_count - answered;
}

TEST("requests that wait leave in the order in which they came")
{
	begin(3, 3);
	ask_for(0, 20);
	EXPECT_EQ(world.sent_count, 3);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(under_way(i), i < 17 ? 3 : 20 - i);
		EXPECT_EQ(query_of(i), (uint32_t)i);
		answer(i);
	}
	EXPECT_EQ(world.results, 20);
	world_end();
}

TEST("with no more than NSTART allowed it stays at that")
{
	begin(1, 0);
	ask_for(0, 20);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(under_way(i), 1);
		answer(i);
	}
	world_end();
}

TEST("each acknowledgement lets one request more be under way, up to the limit")
{
	begin(1, 8);
	ask_for(0, 40);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(under_way(i), i < 7 ? 1 + i : 8);
		answer(i);
	}
	world_end();
}

TEST("a request that has to be sent again takes it back to NSTART")
{
	begin(1, 8);
	ask_for(0, 40);
	for (int i = 0; i < 10; i++)
		answer(i);
	EXPECT_EQ(under_way(10), 8);
	/* Seven of them are answered while it is small: nobody follows them. */
	pass_ms(3000);
	EXPECT_EQ(world.sent_count, 18 + 8);
	for (int i = 10; i < 17; i++)
		answer(i);
	EXPECT_EQ(world.results, 17);
	EXPECT_EQ(world.sent_count, 18 + 8);
	/* That of the last one, which was sent again, tells nothing of the way. */
	answer(17);
	EXPECT_EQ(world.sent_count, 18 + 8 + 1);
	world_end();
}

TEST("requests that are given up before they would be sent again take it back, too")
{
	patience_ms = 500;
	begin(1, 8);
	ask_for(0, 20);
	for (int i = 0; i < 20; i++)
		answer(i);
	ask_for(20, 8);
	EXPECT_EQ(under_way(20), 8);
	pass_ms(300);
	ask_for(28, 4);
	pass_ms(200);
	EXPECT_EQ(world.results, 28);
	EXPECT_EQ(world.stats.retransmissions, 0U);
	EXPECT_EQ(world.sent_count, 29);
	world_end();
}

/* What is sent again is in the way of counting. */
static int take_back(void)
{
	ask_for(0, 60);
	for (int i = 0; i < 10; i++)
		answer(i);
	pass_ms(3000);
	for (int i = 10; i < 18; i++)
		answer(i);
	return world.sent_count - 1;
}

TEST("from half of what was too much on it grows by one each time that all came through")
{
	int next, width = 1;

	begin(1, 8);
	next = take_back();
	EXPECT_EQ(world.sent_count - next, 1);
	/* 8 was too much. */
	for (; width < 4; width++) {
		answer(next++);
		EXPECT_EQ(world.sent_count - next, width + 1);
	}
	for (; width < 6; width++) {
		for (int i = 0; i < width; i++) {
			EXPECT_EQ(world.sent_count - next, width);
			answer(next++);
		}
		EXPECT_EQ(world.sent_count - next, width + 1);
	}
	world_end();
}

TEST("what is not used up does not grow")
{
	begin(2, 8);
	for (int i = 0; i < 10; i++) {
		ask((uint32_t)i);
		answer(i);
	}
	ask_for(10, 10);
	EXPECT_EQ(under_way(10), 2);
	world_end();
}

TEST("a remote that nothing was asked of for ACK_TIMEOUT begins anew, a shorter pause does not count")
{
	begin(1, 8);
	ask_for(0, 20);
	for (int i = 0; i < 20; i++)
		answer(i);
	pass_ms(world_tuning.ack_timeout_ms);
	ask_for(20, 10);
	EXPECT_EQ(under_way(20), 8);
	for (int i = 20; i < 30; i++)
		answer(i);
	pass_ms(world_tuning.ack_timeout_ms + 1);
	ask_for(30, 10);
	EXPECT_EQ(under_way(30), 1);
	world_end();
}

TEST("who is cancelled makes room, and neither he nor who waited is counted as acknowledged")
{
	struct coax_pending *first, *second;

	begin(1, 8);
	first = ask(0);
	second = ask(1);
	ask_for(2, 5);
	coax_exchange_cancel(world.exchange, second, -ECANCELED);
	EXPECT_EQ(world.sent_count, 1);
	coax_exchange_cancel(world.exchange, first, -ECANCELED);
	pass_ms(0);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(query_of(1), 2u);
	EXPECT_EQ(world.results, 2);
	world_end();
}

TEST("each remote has its own, and they are remembered for as long as there is room")
{
	struct coax_path path;

	begin(1, 2);
	for (uint32_t remote = 0; remote < 6000; remote++) {
		path = path_from((uint16_t)(10000 + remote));
		ask_by(&path, 0);
		answer_by(&path, world.sent_count - 1);
	}
	EXPECT_EQ(world.results, 6000);
	/* The latest one's is there, the first one's is not. */
	for (uint32_t i = 0; i < 2; i++)
		ask_by(&path, i);
	EXPECT_EQ(world.sent_count, 6002);
	path = path_from(10000);
	for (uint32_t i = 0; i < 2; i++)
		ask_by(&path, i);
	EXPECT_EQ(world.sent_count, 6003);
	world_end();
}

TEST_MAIN()
