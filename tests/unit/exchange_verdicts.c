// SPDX-License-Identifier: BSD-2-Clause
/* What is told about duplicates to those who meet them first (RFC 7252 section 4.5). */
#include "exchange_world.h"
#include <coax/digest.h>

/* The verdict that stands, as somebody sees it who does what it says. */
static bool stands(void)
{
	return world.verdicts && !world.verdict.withdrawn && world.verdict.expires > world.now;
}

static void expect_verdict(int count, bool held, size_t reply_length)
{
	EXPECT_EQ(world.verdicts, count);
	EXPECT_FALSE(world.verdict.withdrawn);
	EXPECT_EQ(world.verdict.held, held);
	EXPECT_EQ(world.verdict.reply_length, reply_length);
	EXPECT_EQ(world.verdict.reply != NULL, reply_length != 0);
}

static void expect_withdrawn(int count)
{
	EXPECT_EQ(world.verdicts, count);
	EXPECT_TRUE(world.verdict.withdrawn);
}

TEST("an answered CON that must not run again: its reply, told before that leaves")
{
	static const uint8_t codes[] = {COAX_POST, COAX_PUT, COAX_DELETE, COAX_PATCH, COAX_IPATCH};

	for (size_t i = 0; i < sizeof(codes); i++) {
		world_start();
		arrive_message(COAX_TYPE_CON, codes[i], 0x1234, 7, "x");
		expect_verdict(1, false, sent_before(0)->length);
		EXPECT_MEMEQ(world.verdict_reply, sent_before(0)->data, sent_before(0)->length);
		EXPECT_EQ(world.verdict.id, 0x1234);
		EXPECT_EQ(world.verdict_sent, 0);
		EXPECT_EQ(world.verdict.expires, world.now + COAX_EXCHANGE_LIFETIME_MS * MS);
		EXPECT_TRUE(coax_address_equal(&world.verdict_path.remote,
					       &sent_before(0)->path.remote));
		world_end();
	}
}

TEST("an answered NON that must not run again: nothing, for NON_LIFETIME")
{
	world_start();
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 7, "x");
	expect_verdict(1, false, 0);
	EXPECT_EQ(world.verdict_sent, 0);
	EXPECT_EQ(world.verdict.expires, world.now + COAX_NON_LIFETIME_MS * MS);
	world_end();
}

TEST("the digest is that of the request's bytes with the secret that was given")
{
	static struct coax_digest_secret secret;
	struct coax_exchange_options options = {.ops = &world_ops,
						.tuning = world_tuning,
						.logger = &world.logger,
						.stats = &world.stats,
						.digest = &secret,
						.seed = 1};
	uint8_t data[128];
	size_t length = build(data, COAX_TYPE_CON, COAX_POST, 1, 7, "payload");

	memset(&world, 0, sizeof(world));
	world.logger.write = world_log;
	world.logger.from = COAX_LOG_DEBUG;
	for (size_t i = 0; i < COAX_DIGEST_WORDS; i++)
		secret.words[i] = 0x9e3779b97f4a7c15 * (i + 1);
	for (size_t i = 0; i < 12; i++)
		secret.end[i] = 0xd1b54a32d192ed03 * (i + 1);
	ASSERT_EQ(coax_exchange_create(&world.exchange, &options), 0);
	arrive(data, length);
	EXPECT_EQ(world.verdict.digest, coax_digest(&secret, data, (uint32_t)length));
	world_end();
}

TEST("a safe request that is answered at once runs again: nobody is told")
{
	world_start();
	for (int type = COAX_TYPE_CON; type <= COAX_TYPE_NON; type++) {
		arrive_message(type, COAX_GET, (uint16_t)type, 7, NULL);
		arrive_message(type, COAX_GET, (uint16_t)type, 7, NULL);
		arrive_message(type, COAX_FETCH, (uint16_t)(2 + type), 7, "q");
	}
	EXPECT_EQ(world.requests, 6);
	EXPECT_EQ(world.verdicts, 0);
	world_end();
}

TEST("a held CON: nothing; then its empty ACK, and that after the separate response, too")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	expect_verdict(1, true, 0);
	pass_ms(100);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	expect_verdict(2, true, COAX_HEADER_SIZE);
	EXPECT_EQ(world.verdict_sent, 0);
	EXPECT_MEMEQ(world.verdict_reply, sent_before(0)->data, COAX_HEADER_SIZE);
	pass_ms(50);
	EXPECT_EQ(world_answer(COAX_CHANGED), 0);
	expect_verdict(3, false, COAX_HEADER_SIZE);
	EXPECT_EQ(world.verdict_sent, 1);
	EXPECT_EQ(world.verdict.expires, world.now + COAX_EXCHANGE_LIFETIME_MS * MS);
	world_end();
}

TEST("a held CON that is answered before its empty ACK: the reply, also to a safe one")
{
	static const uint8_t codes[] = {COAX_POST, COAX_GET};

	for (size_t i = 0; i < sizeof(codes); i++) {
		world_start();
		world.conduct = HOLDS;
		arrive_message(COAX_TYPE_CON, codes[i], 1, 7, "x");
		expect_verdict(1, true, 0);
		EXPECT_EQ(world_answer(COAX_CONTENT), 0);
		expect_verdict(2, false, sent_before(0)->length);
		EXPECT_MEMEQ(world.verdict_reply, sent_before(0)->data, sent_before(0)->length);
		world_end();
	}
}

TEST("a held NON that is safe runs again once it is answered: the verdict is withdrawn")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_NON, COAX_GET, 1, 7, "x");
	expect_verdict(1, true, 0);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	expect_withdrawn(2);
	world_end();
}

TEST("a held request whose handler never answers is answered when patience ends")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 7, "x");
	EXPECT_EQ(world.verdict.expires, world.now + COAX_EXCHANGE_LIFETIME_MS * MS);
	pass_ms(world_tuning.handler_timeout_ms);
	expect_verdict(2, false, 0);
	world_end();
}

TEST("a request that stays without a response: the empty ACK to a CON, nothing to a NON")
{
	world_start();
	world.conduct = STAYS_SILENT;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	expect_verdict(1, false, COAX_HEADER_SIZE);
	EXPECT_MEMEQ(world.verdict_reply, sent_before(0)->data, COAX_HEADER_SIZE);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, "x");
	expect_verdict(2, false, 0);
	arrive_message(COAX_TYPE_NON, COAX_GET, 3, 7, "x");
	EXPECT_EQ(world.verdicts, 2);
	world_end();
}

TEST("a message ID used again withdraws the verdict before the new message is handled")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 8, "y");
	expect_withdrawn(2);
	EXPECT_EQ(world.verdict.id, 1);
	EXPECT_EQ(world.verdict_sent, 1);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 9, "z");
	expect_verdict(3, false, sent_before(0)->length);
	world_end();
}

TEST("what is held says nothing any more once its message ID has gone to another message")
{
	struct coax_ticket ticket;

	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, "x");
	ticket = world.ticket;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 8, "y");
	EXPECT_EQ(world.verdicts, 3); /* held, withdrawn, held */
	EXPECT_TRUE(world.verdict.held);
	world.ticket = ticket;
	EXPECT_EQ(world_answer(COAX_CHANGED), 0);
	EXPECT_EQ(world.verdicts, 3);
	pass_ms(100);
	EXPECT_EQ(world.verdicts, 4); /* of the second alone */
	world_end();
}

TEST("requests to a group have no verdicts")
{
	struct coax_path path = path_from(40000);

	world_start();
	path.local = address("224.0.1.187", 5683);
	arrive_message_by(&path, COAX_TYPE_NON, COAX_POST, 1, 7);
	world.conduct = HOLDS;
	arrive_message_by(&path, COAX_TYPE_NON, COAX_POST, 2, 7);
	EXPECT_EQ(world.requests, 2);
	EXPECT_EQ(world.verdicts, 0);
	world_end();
}

TEST("responses that come to requests of ours have no verdicts")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_CONTENT, 1, 7, "x");
	arrive_message(COAX_TYPE_NON, COAX_CONTENT, 2, 7, "x");
	EXPECT_EQ(world.verdicts, 0);
	world_end();
}

/* A duplicate comes: what is done with it here is what the verdict says. */
static void expect_agreement(int type, uint8_t code, const char *what)
{
	int sent = world.sent_count, requests = world.requests;
	enum conduct conduct = world.conduct;
	bool told = stands();
	bool agrees;

	world.conduct = ANSWERS;
	arrive_message(type, code, 1, 7, "x");
	world.conduct = conduct;
	if (!told)
		return;
	agrees = world.requests == requests &&
		 world.sent_count == sent + (world.verdict.reply != NULL);
	if (agrees && world.verdict.reply)
		agrees = sent_before(0)->length == world.verdict.reply_length &&
			 memcmp(sent_before(0)->data, world.verdict.reply,
				world.verdict.reply_length) == 0;
	if (agrees)
		return;
	HARNESS_SAY("%s, type %d, method %u: a duplicate does not get what the verdict says", what,
		    type, code);
	harness_failed = 1;
}

static const size_t reply_sizes[] = {0, 1, 100, 1024, 2000};

TEST("a verdict says what a duplicate gets here, whatever the request, its handler and the time")
{
	static const uint64_t waits[] = {0, 50, 100, 2000, 60000, 145000, 247000};

	for (int type = COAX_TYPE_CON; type <= COAX_TYPE_NON; type++) {
		for (uint8_t code = 1; code < 9; code++) {
			for (int round = 0; round < 3 * 5 * 7; round++) {
				world_start();
				world.conduct = round % 3;
				world.reply_size = reply_sizes[round / 3 % 5];
				arrive_message(type, code, 1, 7, "x");
				expect_agreement(type, code, "at once");
				pass_ms(waits[round / 15]);
				expect_agreement(type, code, "later");
				if (world.conduct == HOLDS) {
					world_answer(COAX_CHANGED);
					expect_agreement(type, code, "once answered");
					pass_ms(waits[round / 15]);
					expect_agreement(type, code, "later again");
				}
				world_end();
			}
		}
	}
}

TEST_MAIN()
