// SPDX-License-Identifier: BSD-2-Clause
/* Requests to groups, and those that come by one (RFC 7252 section 8). */
#include "exchange_world.h"

#define GROUP "224.0.1.187"

static struct coax_pending *pending;

static struct coax_path path_to_group(void)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.remote = address(GROUP, 5683);
	return path;
}

static int ask_group(const struct coax_ask *ask)
{
	struct coax_path path = path_to_group();
	struct coax_message message;
	uint8_t buffer[64];

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_message_add_string(&message, COAX_URI_PATH, "time");
	return coax_exchange_request(world.exchange, world.now, &path, &message, ask, world_done,
				     NULL, &pending);
}

static void begin(uint32_t timeout_ms)
{
	struct coax_ask ask = {.multicast = true, .timeout_ms = timeout_ms};

	world_start();
	ASSERT_EQ(ask_group(&ask), 0);
}

static struct coax_path member(uint8_t number)
{
	struct coax_path path = path_from(5683);

	((uint8_t *)&path.remote.in.sin_addr)[3] = (uint8_t)(100 + number);
	return path;
}

/* A response to the first datagram sent. */
static size_t build_response(uint8_t data[128], enum coax_type type, uint8_t code, uint16_t id,
			     uint16_t option, const char *payload)
{
	struct coax_message asked = as_message(&world.sent[0]), message;

	coax_message_start(&message, data, 128, type, code, id, coax_message_token(&asked),
			   code ? coax_message_token_length(&asked) : 0);
	if (option)
		coax_message_add(&message, option, "x", 1);
	coax_message_set_payload(&message, payload, strlen(payload));
	return message.length;
}

static void member_says(uint8_t number, enum coax_type type, uint8_t code, uint16_t id,
			const char *payload)
{
	struct coax_path path = member(number);
	uint8_t data[128];

	arrive_by(&path, data, build_response(data, type, code, id, 0, payload));
}

static bool nothing_is_due(void)
{
	return coax_exchange_deadline(world.exchange) == UINT64_MAX;
}

TEST("a request to a group is a NON; each member's response is given, with who sent it")
{
	struct coax_path path;

	begin(10000);
	EXPECT_EQ((int)sent_before(0)->data[0] >> 4 & 3, COAX_TYPE_NON);
	for (uint8_t i = 0; i < 5; i++) {
		pass_ms(100);
		member_says(i, COAX_TYPE_NON, i == 3 ? COAX_NOT_FOUND : COAX_CONTENT, 0x7000, "hi");
		path = member(i);
		EXPECT_EQ(world.results, i + 1);
		EXPECT_EQ(world.result, 0);
		EXPECT_FALSE(world.last);
		EXPECT_TRUE(coax_address_equal(&world.from.remote, &path.remote));
	}
	EXPECT_EQ(world.sent_count, 1);
	pass_ms(9499);
	EXPECT_EQ(world.results, 5);
	pass_ms(1);
	EXPECT_EQ(world.results, 6);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	EXPECT_TRUE(world.last);
	member_says(9, COAX_TYPE_NON, COAX_CONTENT, 0x7000, "late");
	EXPECT_EQ(world.results, 6);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a confirmable response is acknowledged; what comes twice from a member is given once")
{
	struct coax_path path = member(1);

	begin(10000);
	for (int i = 0; i < 2; i++) {
		member_says(1, COAX_TYPE_CON, COAX_CONTENT, 0x7001, "one");
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 0x7001);
		EXPECT_TRUE(coax_address_equal(&sent_before(0)->path.remote, &path.remote));
		member_says(2, COAX_TYPE_NON, COAX_CONTENT, 0x7001, "two");
		EXPECT_EQ(world.results, 2);
		EXPECT_EQ(world.sent_count, 2 + i);
	}
	world_end();
}

TEST("a member's ACK, RST or a response with an unknown critical option ends nothing")
{
	struct coax_path path = member(1);
	uint16_t id;
	uint8_t data[128];

	begin(10000);
	id = (uint16_t)(sent_before(0)->data[2] << 8 | sent_before(0)->data[3]);
	member_says(1, COAX_TYPE_ACK, COAX_CONTENT, id, "one");
	member_says(1, COAX_TYPE_RST, COAX_EMPTY, id, "");
	EXPECT_EQ(world.results, 0);
	arrive_by(&path, data, build_response(data, COAX_TYPE_NON, COAX_CONTENT, 1, 2049, "x"));
	arrive_by(&path, data, build_response(data, COAX_TYPE_CON, COAX_CONTENT, 2, 2049, "x"));
	EXPECT_LAST_SENT(COAX_TYPE_RST, COAX_EMPTY, 2);
	EXPECT_EQ(world.results, 0);
	member_says(2, COAX_TYPE_NON, COAX_CONTENT, 3, "two");
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST("collecting can be cancelled; without a time given it ends after MAX_TRANSMIT_WAIT")
{
	begin(10000);
	member_says(1, COAX_TYPE_NON, COAX_CONTENT, 1, "one");
	coax_exchange_cancel(world.exchange, pending, -ECANCELED);
	EXPECT_EQ(world.results, 2);
	EXPECT_TRUE(world.last);
	EXPECT_EQ(world.result, -ECANCELED);
	EXPECT_TRUE(nothing_is_due());
	world_end();

	begin(0);
	pass_ms(COAX_MAX_TRANSMIT_WAIT_MS);
	EXPECT_EQ(world.result, -ETIMEDOUT);
	world_end();
}

TEST("a group needs `multicast`, one host must not have it, and a group is not observed")
{
	struct coax_path path = path_from(5683);
	struct coax_ask plain = {.non_confirmable = true}, multicast = {.multicast = true},
			observe = {.multicast = true, .observe = true};
	struct coax_message message;
	uint8_t buffer[64];

	world_start();
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	EXPECT_EQ(ask_group(&plain), -EINVAL);
	EXPECT_EQ(ask_group(&observe), -EINVAL);
	EXPECT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, &multicast,
					world_done, NULL, NULL),
		  -EINVAL);
	world_end();
}

/* The server's side. */

static void arrive_by_group(uint16_t id)
{
	struct coax_path path = path_from(40000);

	path.local = address(GROUP, 5683);
	arrive_message_by(&path, COAX_TYPE_NON, COAX_GET, id, 7);
}

TEST("responses to multicast requests are spread over the leisure")
{
	uint64_t came[40], early = 0, late = 0;

	world_start();
	for (uint16_t i = 0; i < 40; i++) {
		came[i] = world.now;
		arrive_by_group(i);
		EXPECT_EQ(world.sent_count, i);
		pass_ms(5000);
		ASSERT_EQ(world.sent_count, i + 1);
		EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, i);
		early += sent_before(0)->at - came[i] < 2500 * MS;
		late += sent_before(0)->at - came[i] >= 2500 * MS;
	}
	EXPECT_GT(early, 5u);
	EXPECT_GT(late, 5u);
	EXPECT_EQ(COUNTED(responses), 40);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a leisure of 1 ms is one")
{
	struct coax_tuning tuning = world_tuning;

	tuning.leisure_ms = 1;
	world_start_with(&tuning, 1);
	arrive_by_group(1);
	pass_ms(1);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("a response that comes late has what is left of the leisure")
{
	int at_once = 0;

	world_start();
	world.conduct = HOLDS;
	for (uint16_t i = 0; i < 20; i++) {
		int before = world.sent_count;

		arrive_by_group(i);
		pass_ms(2500);
		world_answer(COAX_CONTENT);
		at_once += world.sent_count - before;
		pass_ms(2500);
		EXPECT_EQ(world.sent_count, before + 1);
	}
	EXPECT_GT(at_once, 2);
	EXPECT_LT(at_once, 18);
	arrive_by_group(100);
	pass_ms(6000);
	world_answer(COAX_CONTENT);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 100);
	world_end();
}

TEST("nobody is told by multicast that there is nothing to tell")
{
	static const uint8_t silent[] = {COAX_NOT_FOUND, COAX_SERVICE_UNAVAILABLE,
					 COAX_TOO_MANY_REQUESTS, COAX_BAD_REQUEST};

	world_start();
	for (uint16_t i = 0; i < sizeof(silent); i++) {
		world.code = silent[i];
		arrive_by_group(i);
	}
	world.reply_empty = true;
	world.code = COAX_CONTENT;
	arrive_by_group(100);
	world.code = COAX_CHANGED;
	arrive_by_group(101);
	EXPECT_TRUE(nothing_is_due());
	EXPECT_EQ(world.requests, 6);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(COUNTED(responses), 0);
	world.reply_empty = false;
	arrive_by_group(102);
	pass_ms(5000);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CHANGED, 102);
	world_end();
}

TEST("a handler that never answers a multicast request is not excused by 5.03")
{
	world_start();
	world.conduct = HOLDS;
	arrive_by_group(1);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 0);
	world_end();
}

TEST("a multicast request that comes twice is answered once")
{
	world_start();
	arrive_by_group(1);
	arrive_by_group(1);
	pass_ms(5000);
	arrive_by_group(1);
	pass_ms(5000);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(COUNTED(duplicates), 2);
	world_end();
}

TEST("responses that wait are bounded, and those beyond are not sent")
{
	world_start();
	for (uint16_t i = 0; i < 2000; i++)
		arrive_by_group(i);
	EXPECT_EQ(COUNTED(refused), 2000 - 1024);
	pass_ms(5000);
	EXPECT_EQ(world.sent_count, 1024);
	arrive_by_group(3000);
	pass_ms(5000);
	EXPECT_EQ(world.sent_count, 1025);
	world_end();
}

TEST_MAIN()
