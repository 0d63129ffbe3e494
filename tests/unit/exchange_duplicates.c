// SPDX-License-Identifier: BSD-2-Clause
/* Messages that arrive more than once (RFC 7252 section 4.5). */
#include "exchange_world.h"

#define EXCHANGE_LIFETIME_MS COAX_EXCHANGE_LIFETIME_MS

static bool same_as_before(int back)
{
	const struct sent *a = sent_before(0), *b = sent_before(back);

	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

TEST("a duplicate CON POST runs its handler once")
{
	world_start();
	for (int i = 0; i < 5; i++)
		arrive_message(COAX_TYPE_CON, COAX_POST, 0x1234, 7, "x");
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(COUNTED(requests), 1);
	EXPECT_EQ(COUNTED(duplicates), 4);
	world_end();
}

TEST("the reply to a duplicate is the first one byte for byte, short or long")
{
	static const size_t sizes[] = {1, 9, 10, 11, 58, 59, 250, 251, 1000, 1024, 1100, 2000};

	world_start();
	for (int i = 0; i < (int)(sizeof(sizes) / sizeof(sizes[0])); i++) {
		world.reply_size = sizes[i];
		arrive_message(COAX_TYPE_CON, COAX_POST, (uint16_t)i, 7, "x");
		arrive_message(COAX_TYPE_CON, COAX_PUT, (uint16_t)(100 + i), 8, "x");
		arrive_message(COAX_TYPE_CON, COAX_POST, (uint16_t)i, 7, "x");
		EXPECT_TRUE(same_as_before(2));
		arrive_message(COAX_TYPE_CON, COAX_PUT, (uint16_t)(100 + i), 8, "x");
		EXPECT_TRUE(same_as_before(2));
		EXPECT_EQ(world.requests, 2 * (i + 1));
	}
	world_end();
}

TEST("a duplicate NON POST runs its handler once and is not answered again")
{
	world_start();
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 1);
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("unknown methods are taken for ones that must run once")
{
	world_start();
	for (int code = 1; code < 32; code++) {
		bool safe = code == COAX_GET || code == COAX_FETCH;
		int before = world.requests;

		arrive_message(COAX_TYPE_CON, (uint8_t)code, (uint16_t)code, 7, NULL);
		arrive_message(COAX_TYPE_CON, (uint8_t)code, (uint16_t)code, 7, NULL);
		EXPECT_EQ(world.requests - before, safe ? 2 : 1);
	}
	world_end();
}

TEST("a safe request that comes again is answered anew, and counted")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	arrive_message(COAX_TYPE_NON, COAX_FETCH, 2, 7, "q");
	arrive_message(COAX_TYPE_NON, COAX_FETCH, 2, 7, "q");
	EXPECT_EQ(world.requests, 4);
	EXPECT_EQ(world.sent_count, 4);
	EXPECT_EQ(COUNTED(duplicates), 2);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 2);
	world_end();
}

TEST("a duplicate of a safe request that was held gets the same response, and does not run again")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, "x");
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 1);
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, "x");
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_TRUE(same_as_before(1));
	world_end();
}

TEST("a reply leaves again only if so much may be sent there; an empty ACK always may")
{
	world_start();
	world.repeats_nothing = true;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.repeat_request, 0U);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_GT(world.repeat_request, (size_t)COAX_HEADER_SIZE);
	EXPECT_EQ(world.repeat_reply, sent_before(0)->length);
	world.repeats_nothing = false;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.requests, 1);
	world.repeats_nothing = true;
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 2, 7, NULL);
	pass_ms(150);
	arrive_message(COAX_TYPE_CON, COAX_POST, 2, 7, NULL);
	EXPECT_EQ(world.sent_count, 4);
	world_end();
}

TEST("a duplicate of a request that is being handled is ignored until its empty ACK has left")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(world.sent_count, 0);
	pass_ms(100);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	world_end();
}

TEST("a duplicate after a separate response gets the empty ACK again, not another response")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	pass_ms(150);
	EXPECT_EQ(world_answer(COAX_CHANGED), 0);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(world.requests, 1);
	world_end();
}

TEST("a CON is remembered for EXCHANGE_LIFETIME, a NON for NON_LIFETIME")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
	pass_ms(COAX_NON_LIFETIME_MS - 1);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
	EXPECT_EQ(world.requests, 2);
	pass_ms(1);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
	EXPECT_EQ(world.requests, 3);
	pass_ms(EXCHANGE_LIFETIME_MS - COAX_NON_LIFETIME_MS - 1);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_EQ(world.requests, 3);
	pass_ms(1);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_EQ(world.requests, 4);
	world_end();
}

TEST("the same message ID with other bytes is another message: other token, method, payload, type")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 8, "x");
	arrive_message(COAX_TYPE_CON, COAX_PUT, 1, 8, "x");
	arrive_message(COAX_TYPE_CON, COAX_PUT, 1, 8, "y");
	arrive_message(COAX_TYPE_NON, COAX_PUT, 1, 8, "y");
	EXPECT_EQ(world.requests, 5);
	EXPECT_EQ(COUNTED(duplicates), 0);
	/* The latest one has taken the ID over. */
	arrive_message(COAX_TYPE_NON, COAX_PUT, 1, 8, "y");
	EXPECT_EQ(world.requests, 5);
	EXPECT_EQ(COUNTED(duplicates), 1);
	world_end();
}

TEST("a message ID that is used again is logged at INFO")
{
	world_start();
	world.logger.from = COAX_LOG_INFO;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.lines[COAX_LOG_INFO], 0);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "y");
	EXPECT_EQ(world.lines[COAX_LOG_INFO], 1);
	world_end();
}

TEST("a request whose message ID was taken over while it was handled is still answered")
{
	struct coax_ticket ticket;

	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	ticket = world.ticket;
	world.conduct = ANSWERS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 8, "y");
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 1);
	world.ticket = ticket;
	world.token[0] = 7;
	EXPECT_EQ(world_answer(COAX_CHANGED), 0);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CHANGED, 1);
	EXPECT_EQ(world_answer(COAX_CHANGED), -ESTALE);
	world_end();
}

TEST("the same bytes from another port, another address, another family are another message")
{
	struct coax_path path = path_from(40000);

	world_start();
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path = path_from(40001);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path = path_from(40000);
	path.remote = address("192.0.2.9", 40000);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path.remote = address("2001:db8::1", 40000);
	path.local = address("2001:db8::2", 5683);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	EXPECT_EQ(world.requests, 4);
	path.remote.in6.sin6_addr = (struct in6_addr){.s6_addr = {0xfe, 0x80, [15] = 1}};
	path.remote.in6.sin6_scope_id = 2;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path.remote.in6.sin6_scope_id = 3;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	EXPECT_EQ(world.requests, 6);
	EXPECT_EQ(COUNTED(duplicates), 0);
	world_end();
}

TEST("the same bytes to another address or port of ours are another message")
{
	struct coax_path path = path_from(40000);

	world_start();
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path.local = address("192.0.2.3", 5683);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	path.local = address("192.0.2.2", 5684);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 1, 7);
	EXPECT_EQ(world.requests, 3);
	EXPECT_EQ(COUNTED(duplicates), 0);
	world_end();
}

static void start_small(uint32_t exchanges_max)
{
	struct coax_tuning tuning = world_tuning;

	tuning.exchanges_max = exchanges_max;
	world_start_with(&tuning, 1);
}

TEST("a table full of POSTs refuses the next with 5.03 and runs nothing, until there is room")
{
	int served = 0;
	uint32_t max_age = 0;
	struct coax_message reply;

	start_small(64);
	while (!world.stats.refused) {
		arrive_message(COAX_TYPE_CON, COAX_POST, (uint16_t)world.sent_count, 7, NULL);
		served = world.requests;
		ASSERT_LT(world.sent_count, 65);
	}
	EXPECT_GE(served, 48);
	EXPECT_EQ(world.sent_count, served + 1);
	reply = last_sent();
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_SERVICE_UNAVAILABLE, served);
	EXPECT_EQ(coax_message_token(&reply)[0], 7);
	EXPECT_TRUE(coax_message_find_uint(&reply, COAX_MAX_AGE, &max_age));
	EXPECT_GE((int)max_age, EXCHANGE_LIFETIME_MS / 1000);
	EXPECT_LE((int)max_age, EXCHANGE_LIFETIME_MS / 1000 + 1);

	/* The first is still remembered, and a GET still finds room. */
	arrive_message(COAX_TYPE_CON, COAX_POST, 0, 7, NULL);
	EXPECT_EQ(world.requests, served);
	arrive_message(COAX_TYPE_CON, COAX_GET, 0x8000, 7, NULL);
	EXPECT_EQ(world.requests, served + 1);
	arrive_message(COAX_TYPE_NON, COAX_POST, 0x8001, 7, NULL);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_SERVICE_UNAVAILABLE, 0x8001);
	EXPECT_EQ(world.requests, served + 1);
	EXPECT_EQ(COUNTED(refused), 2);

	pass_ms((uint64_t)max_age * 1000);
	arrive_message(COAX_TYPE_CON, COAX_POST, 0x8002, 7, NULL);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 0x8002);
	world_end();
}

TEST("no flood of GETs and PUTs drives a POST out of the table")
{
	start_small(64);
	for (uint16_t id = 0; id < 20; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
	for (uint16_t id = 100; id < 1100; id++) {
		arrive_message(COAX_TYPE_CON, COAX_GET, id, 7, NULL);
		arrive_message(COAX_TYPE_NON, COAX_PUT, (uint16_t)(id + 2000), 7, NULL);
		arrive_message(COAX_TYPE_CON, COAX_PUT, (uint16_t)(id + 4000), 7, NULL);
	}
	EXPECT_EQ(world.requests, 3020);
	for (uint16_t id = 0; id < 20; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
	EXPECT_EQ(world.requests, 3020);
	EXPECT_EQ(COUNTED(refused), 0);
	world_end();
}

TEST("a flood of POSTs that are answered 4.xx keeps none out, and each is remembered while there "
     "is room")
{
	start_small(64);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	world.code = COAX_NOT_FOUND;
	for (uint16_t id = 100; id < 1100; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
	EXPECT_EQ(world.requests, 1001);
	EXPECT_EQ(COUNTED(refused), 0);

	/* The latest is known as a duplicate, and what was executed is as well. */
	arrive_message(COAX_TYPE_CON, COAX_POST, 1099, 7, NULL);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_EQ(world.requests, 1001);
	EXPECT_EQ(COUNTED(duplicates), 2);

	world.code = COAX_CHANGED;
	arrive_message(COAX_TYPE_CON, COAX_POST, 2, 7, NULL);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CHANGED, 2);
	world_end();
}

TEST("blocks that are only kept for later do not fill the table, however many a body has")
{
	start_small(64);
	world.conduct = HOLDS;
	for (uint16_t id = 100; id < 1100; id++) {
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
		coax_exchange_relax(world.exchange, world.ticket);
		ASSERT_EQ(world_answer(COAX_CONTINUE), 0);
	}
	EXPECT_EQ(COUNTED(refused), 0);
	EXPECT_EQ(world.requests, 1000);
	world_end();
}

TEST("safe requests are forgotten before idempotent ones, the oldest first")
{
	start_small(64);
	for (uint16_t id = 0; id < 40; id++)
		arrive_message(COAX_TYPE_CON, COAX_PUT, id, 7, NULL);
	for (uint16_t id = 100; id < 600; id++)
		arrive_message(COAX_TYPE_CON, COAX_GET, id, 7, NULL);
	EXPECT_EQ(world.requests, 540);
	/* The latest GET is remembered: as a duplicate it is counted; the first is not. */
	arrive_message(COAX_TYPE_CON, COAX_GET, 599, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 1);
	arrive_message(COAX_TYPE_CON, COAX_GET, 100, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 1);
	for (uint16_t id = 0; id < 40; id++)
		arrive_message(COAX_TYPE_CON, COAX_PUT, id, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 41);
	EXPECT_EQ(world.requests, 542);

	/* Idempotent ones go then, the oldest first. */
	pass_ms(1);
	for (uint16_t id = 40; id < 70; id++)
		arrive_message(COAX_TYPE_NON, COAX_PUT, id, 7, NULL);
	arrive_message(COAX_TYPE_NON, COAX_PUT, 69, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 42);
	arrive_message(COAX_TYPE_CON, COAX_PUT, 39, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 43);
	arrive_message(COAX_TYPE_CON, COAX_PUT, 0, 7, NULL);
	EXPECT_EQ(COUNTED(duplicates), 43);
	world_end();
}

TEST("message IDs that are taken over take no room for long")
{
	start_small(64);
	for (int i = 0; i < 1000; i++) {
		struct coax_ticket ticket;

		world.conduct = HOLDS;
		arrive_message(COAX_TYPE_CON, COAX_POST, 1, 1, NULL);
		ticket = world.ticket;
		world.conduct = ANSWERS;
		arrive_message(COAX_TYPE_CON, COAX_POST, 1, 2, NULL);
		world.ticket = ticket;
		EXPECT_EQ(world_answer(COAX_CHANGED), 0);
	}
	EXPECT_EQ(COUNTED(refused), 0);
	EXPECT_EQ(world.requests, 2000);
	world_end();
}

TEST("a request that is being handled is never forgotten")
{
	start_small(16);
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 0, 7, NULL);
	world.conduct = ANSWERS;
	for (uint16_t id = 100; id < 400; id++)
		arrive_message(COAX_TYPE_CON, id & 1 ? COAX_GET : COAX_PUT, id, 7, NULL);
	EXPECT_EQ(world.requests, 301);
	arrive_message(COAX_TYPE_CON, COAX_GET, 0, 7, NULL);
	EXPECT_EQ(world.requests, 301);
	world_end();
}

TEST("when there is no room for a reply, the request still runs once and duplicates get nothing")
{
	int before;

	start_small(64); /* 8 KiB for replies */
	world.reply_size = 2000;
	for (uint16_t id = 0; id < 20; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
	before = world.sent_count;
	for (uint16_t id = 0; id < 20; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
	EXPECT_EQ(world.requests, 20);
	EXPECT_EQ(world.sent_count - before, 4);

	/* Room comes back with time. */
	pass_ms(EXCHANGE_LIFETIME_MS);
	for (uint16_t id = 0; id < 10; id++)
		arrive_message(COAX_TYPE_CON, COAX_PUT, 99, (uint8_t)id, NULL);
	before = world.sent_count;
	arrive_message(COAX_TYPE_CON, COAX_PUT, 99, 9, NULL);
	EXPECT_EQ(world.sent_count - before, 1);
	world_end();
}

TEST("65536 requests of one client, each with a new message ID, are all served")
{
	start_small(70000 / 7 * 8 + 16);
	for (uint32_t id = 0; id < 65536; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, (uint16_t)id, 1, NULL);
	EXPECT_EQ(world.requests, 65536);
	/* Round it goes: other bytes, other messages. */
	for (uint32_t id = 0; id < 1000; id++)
		arrive_message(COAX_TYPE_CON, COAX_POST, (uint16_t)id, 2, NULL);
	EXPECT_EQ(world.requests, 66536);
	EXPECT_EQ(COUNTED(duplicates), 0);
	world_end();
}

TEST("an idempotent request whose reply found no room is run again for its duplicate")
{
	start_small(64);
	world.reply_size = 2000;
	for (uint16_t id = 0; id < 5; id++)
		arrive_message(COAX_TYPE_CON, COAX_PUT, id, 7, NULL);
	EXPECT_EQ(world.requests, 5);
	EXPECT_EQ(world.sent_count, 5);

	/* The first four have had their replies kept. */
	for (uint16_t id = 0; id < 5; id++)
		arrive_message(COAX_TYPE_CON, COAX_PUT, id, 7, NULL);
	EXPECT_EQ(world.requests, 6);
	EXPECT_EQ(world.sent_count, 10);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 4);

	/* A NON is not answered twice, and so not run twice either. */
	arrive_message(COAX_TYPE_NON, COAX_PUT, 50, 7, NULL);
	arrive_message(COAX_TYPE_NON, COAX_PUT, 50, 7, NULL);
	EXPECT_EQ(world.requests, 7);
	world_end();
}

TEST_MAIN()
