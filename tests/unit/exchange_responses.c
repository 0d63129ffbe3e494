// SPDX-License-Identifier: BSD-2-Clause
/* Piggybacked, separate and late responses (RFC 7252 section 5.2), retransmission (section 4.2). */
#include "exchange_world.h"

static uint16_t last_id(void)
{
	struct coax_message message = last_sent();

	return coax_message_id(&message);
}

/* A request whose empty ACK has left and that has been answered then. Returns the response's ID. */
static uint16_t answer_separately(void)
{
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	pass_ms(150);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	return last_id();
}

TEST("a response at once is piggybacked on the ACK, with the request's message ID and token")
{
	struct coax_message reply;

	world_start();
	arrive_message(COAX_TYPE_CON, COAX_GET, 0x1234, 7, NULL);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 0x1234);
	reply = last_sent();
	EXPECT_EQ(coax_message_token_length(&reply), 1u);
	EXPECT_EQ(coax_message_token(&reply)[0], 7);
	EXPECT_EQ(COUNTED(responses), 1);
	EXPECT_TRUE(coax_address_equal(&sent_before(0)->path.remote, &world.path.remote));
	EXPECT_TRUE(coax_address_equal(&sent_before(0)->path.local, &world.path.local));
	EXPECT_EQ(coax_exchange_deadline(world.exchange) == UINT64_MAX, true);
	world_end();
}

TEST("a NON request gets a NON response with the request's message ID")
{
	world_start();
	arrive_message(COAX_TYPE_NON, COAX_GET, 0x1234, 7, NULL);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 0x1234);
	world_end();
}

TEST("a held NON request gets no ACK, and its response late")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_NON, COAX_GET, 0x1234, 7, NULL);
	pass_ms(1000);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 0x1234);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("an answer before the empty ACK is due is piggybacked, and no empty ACK follows")
{
	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	pass_ms(99);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_CONTENT, 1);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

TEST("the empty ACK leaves after its delay, exactly, for each request")
{
	world_start();
	world.conduct = HOLDS;
	for (uint16_t id = 0; id < 10; id++) {
		arrive_message(COAX_TYPE_CON, COAX_GET, id, 7, NULL);
		pass_ms(7);
	}
	EXPECT_EQ(world.sent_count, 0);
	pass_ms(30);
	EXPECT_EQ(world.sent_count, 1);
	pass_ms(63);
	EXPECT_EQ(world.sent_count, 10);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ((int)((sent_before(9 - i)->at - sent_before(9)->at) / MS), 7 * i);
	world_end();
}

TEST("a separate response is a CON with a message ID of its own and the request's token")
{
	struct coax_message response;

	world_start();
	answer_separately();
	response = last_sent();
	EXPECT_EQ((int)coax_message_type(&response), COAX_TYPE_CON);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	EXPECT_EQ(coax_message_token(&response)[0], 7);
	EXPECT_EQ(COUNTED(responses), 1);
	world_end();
}

TEST("a separate response is sent again until it is acknowledged")
{
	uint16_t id;

	world_start();
	id = answer_separately();
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(sent_before(0)->length, sent_before(1)->length);
	EXPECT_MEMEQ(sent_before(0)->data, sent_before(1)->data, sent_before(0)->length);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	arrive_message(COAX_TYPE_ACK, COAX_EMPTY, id, 0, NULL);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_EQ(COUNTED(timeouts), 0);
	EXPECT_EQ(COUNTED(ignored), 0);
	world_end();
}

TEST("RST ends the retransmission of a separate response")
{
	uint16_t id;

	world_start();
	id = answer_separately();
	arrive_message(COAX_TYPE_RST, COAX_EMPTY, id, 0, NULL);
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(COUNTED(resets_in), 1);
	world_end();
}

TEST("an ACK from another endpoint, or with another message ID, ends nothing")
{
	struct coax_path other = path_from(40001);
	uint16_t id;

	world_start();
	id = answer_separately();
	arrive_message_by(&other, COAX_TYPE_ACK, COAX_EMPTY, id, 0);
	arrive_message(COAX_TYPE_ACK, COAX_EMPTY, (uint16_t)(id + 1), 0, NULL);
	arrive_message_by(&other, COAX_TYPE_RST, COAX_EMPTY, id, 0);
	EXPECT_EQ(COUNTED(ignored), 3);
	pass_ms(3001);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	world_end();
}

TEST("retransmission backs off: 2 to 3 s, doubled each time, 4 times, then it gives up")
{
	uint64_t shortest = UINT64_MAX, longest = 0;

	for (uint32_t seed = 1; seed <= 200; seed++) {
		uint64_t first, interval;

		world_start_with(&world_tuning, seed);
		world.logger.from = COAX_LOG_INFO;
		answer_separately();
		world.lines[COAX_LOG_INFO] = 0;
		pass_ms(93000 + 150);
		EXPECT_EQ(world.sent_count, 6);
		first = sent_before(3)->at - sent_before(4)->at;
		EXPECT_GE(first, 2000 * MS);
		EXPECT_LE(first, 3000 * MS);
		interval = first;
		for (int i = 3; i > 0; i--) {
			interval *= 2;
			EXPECT_EQ(sent_before(i - 1)->at - sent_before(i)->at, interval);
		}
		EXPECT_LE(sent_before(0)->at - sent_before(4)->at, 45000 * MS);
		EXPECT_EQ(COUNTED(retransmissions), 4);
		EXPECT_EQ(COUNTED(timeouts), 1);
		EXPECT_EQ(world.lines[COAX_LOG_INFO], 5);
		EXPECT_EQ(coax_exchange_deadline(world.exchange) == UINT64_MAX, true);
		shortest = first < shortest ? first : shortest;
		longest = first > longest ? first : longest;
		world_end();
	}
	EXPECT_LE(shortest, 2100 * MS);
	EXPECT_GE(longest, 2900 * MS);
}

TEST("a late clock neither crowds retransmissions nor leaves the span for them")
{
	uint64_t start;

	world_start();
	answer_separately();
	start = world.now;
	/* Asleep past the first two: one is sent, the next ACK_TIMEOUT later at the earliest. */
	world.now += 12000 * MS;
	coax_exchange_tick(world.exchange, world.now);
	coax_exchange_tick(world.exchange, world.now);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	EXPECT_GE(coax_exchange_deadline(world.exchange) - world.now, 2000 * MS);
	/* Asleep past the whole span: nothing more is sent. */
	world.now = start + 46000 * MS;
	coax_exchange_tick(world.exchange, world.now);
	pass_ms(100000);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	EXPECT_EQ(COUNTED(timeouts), 1);
	world_end();
}

TEST("a handler that never answers: 5.03 with the request's token after the handler timeout")
{
	struct coax_message reply;

	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 9, NULL);
	pass_ms(59999);
	EXPECT_EQ(world.sent_count, 1);
	pass_ms(1);
	EXPECT_EQ(world.sent_count, 2);
	reply = last_sent();
	EXPECT_EQ((int)coax_message_type(&reply), COAX_TYPE_CON);
	EXPECT_EQ((int)coax_message_code(&reply), COAX_SERVICE_UNAVAILABLE);
	EXPECT_EQ(coax_message_token_length(&reply), 1u);
	EXPECT_EQ(coax_message_token(&reply)[0], 9);
	world_end();
}

TEST("a handler that is too late changes nothing any more")
{
	int sent;

	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 9, NULL);
	pass_ms(60000);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_SERVICE_UNAVAILABLE, 1);
	sent = world.sent_count;
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	EXPECT_EQ(world.sent_count, sent);
	EXPECT_EQ(COUNTED(responses), 1);
	world_end();
}

TEST("a request is answered once")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	EXPECT_EQ(world.sent_count, 1);
	/* The same message again has another ticket: the old one stays what it was. */
	world.conduct = HOLDS;
	struct coax_ticket old = world.ticket, new;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	new = world.ticket;
	world.ticket = old;
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	world.ticket = new;
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

TEST("a ticket that was never given is stale")
{
	world_start();
	world.path = path_from(40000);
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	world.ticket = (struct coax_ticket){UINT32_MAX, 0};
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	world.ticket = (struct coax_ticket){1, 0};
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	EXPECT_EQ(world.sent_count, 0);
	world_end();
}

TEST("a request that is neither answered nor held gets an empty ACK if CON, nothing if NON")
{
	world_start();
	world.conduct = STAYS_SILENT;
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
	arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.requests, 2);
	EXPECT_EQ(world_answer(COAX_CONTENT), -ESTALE);
	world_end();
}

TEST("a response that is withheld: an empty ACK to a CON, nothing to a NON, and no more later")
{
	struct coax_path path = path_from(40000);

	for (int late = 0; late < 2; late++) {
		world_start();
		world.conduct = HOLDS;
		arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
		if (late)
			pass_ms(1000);
		EXPECT_EQ(world.sent_count, late);
		EXPECT_EQ(coax_exchange_withhold(world.exchange, world.now, &path, world.ticket),
			  0);
		EXPECT_EQ(world.sent_count, 1);
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
		EXPECT_EQ(coax_exchange_withhold(world.exchange, world.now, &path, world.ticket),
			  -ESTALE);
		EXPECT_EQ(world_answer(COAX_CHANGED), -ESTALE);
		arrive_message(COAX_TYPE_CON, COAX_POST, 1, 7, NULL);
		EXPECT_EQ(world.sent_count, 2);
		EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
		EXPECT_EQ(world.requests, 1);
		EXPECT_EQ(COUNTED(responses), 0);

		arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
		EXPECT_EQ(coax_exchange_withhold(world.exchange, world.now, &path, world.ticket),
			  0);
		arrive_message(COAX_TYPE_NON, COAX_POST, 2, 7, NULL);
		pass_ms(100000);
		EXPECT_EQ(world.sent_count, 2);
		EXPECT_EQ(world.requests, 2);
		world_end();
	}
}

static void withhold_at_once(void *arg, const struct coax_path *path,
			     const struct coax_message *request, struct coax_ticket ticket)
{
	world_request(arg, path, request, ticket);
	EXPECT_EQ(coax_exchange_withhold(world.exchange, world.now, path, ticket), 0);
}

TEST("a response may be withheld in the request's callback")
{
	static const struct coax_exchange_ops ops = {.send = world_send,
						     .request = withhold_at_once};
	struct coax_exchange_options options = {
		.ops = &ops, .tuning = world_tuning, .stats = &world.stats, .seed = 1};

	world_start();
	world_end();
	world.conduct = STAYS_SILENT;
	ASSERT_EQ(coax_exchange_create(&world.exchange, &options), 0);
	arrive_message(COAX_TYPE_CON, COAX_PUT, 1, 7, NULL);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1);
	world_end();
}

TEST("no more than deferred_max requests are held; answering one makes room")
{
	struct coax_ticket first = {0};

	world_start();
	world.conduct = HOLDS;
	for (uint16_t id = 0; id < world_tuning.deferred_max; id++) {
		arrive_message(COAX_TYPE_CON, COAX_POST, id, 7, NULL);
		EXPECT_EQ(world.hold_result, 0);
		if (id == 0)
			first = world.ticket;
	}
	arrive_message(COAX_TYPE_CON, COAX_POST, 1000, 7, NULL);
	EXPECT_EQ(world.hold_result, -ENOBUFS);
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_EMPTY, 1000);
	world.ticket = first;
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	arrive_message(COAX_TYPE_CON, COAX_POST, 1001, 7, NULL);
	EXPECT_EQ(world.hold_result, 0);
	world_end();
}

TEST("when too many separate responses are on their way, the next is sent once and NON")
{
	world_start();
	world.conduct = HOLDS;
	for (uint16_t id = 0; id < world_tuning.deferred_max; id++) {
		arrive_message(COAX_TYPE_CON, COAX_GET, id, 7, NULL);
		pass_ms(101);
		EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	}
	arrive_message(COAX_TYPE_CON, COAX_GET, 1000, 7, NULL);
	pass_ms(101);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	struct coax_message response = last_sent();
	EXPECT_EQ((int)coax_message_type(&response), COAX_TYPE_NON);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	world_end();
}

TEST("a response that is longer than a datagram is refused, and the request still stands")
{
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX + 16];
	static const uint8_t payload[COAX_DATAGRAM_OUT_MAX];
	struct coax_message response;

	world_start();
	world.conduct = HOLDS;
	arrive_message(COAX_TYPE_CON, COAX_GET, 1, 7, NULL);
	coax_message_start(&response, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, 0, NULL,
			   0);
	ASSERT_EQ(coax_message_set_payload(&response, payload, sizeof(payload)), 0);
	EXPECT_EQ(coax_exchange_respond(world.exchange, world.now, &world.path, world.ticket,
					&response),
		  -EMSGSIZE);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(world_answer(COAX_INTERNAL_SERVER_ERROR), 0);
	world_end();
}

TEST("an unreachable client is sent no more retransmissions, others are")
{
	struct coax_path path = path_from(40000), other = path_from(40001);

	world_start();
	answer_separately();
	coax_exchange_network_error(world.exchange, &other, ECONNREFUSED);
	pass_ms(3001);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	coax_exchange_network_error(world.exchange, &path, EMSGSIZE);
	pass_ms(6001);
	EXPECT_EQ(COUNTED(retransmissions), 2);
	coax_exchange_network_error(world.exchange, &path, ECONNREFUSED);
	pass_ms(100000);
	EXPECT_EQ(COUNTED(retransmissions), 2);
	world_end();
}

TEST("a RST to a NON response is noted, not called unmatched")
{
	world_start();
	arrive_message(COAX_TYPE_NON, COAX_POST, 1, 7, NULL);
	arrive_message(COAX_TYPE_RST, COAX_EMPTY, 1, 0, NULL);
	EXPECT_EQ(COUNTED(resets_in), 1);
	EXPECT_EQ(COUNTED(ignored), 0);
	arrive_message(COAX_TYPE_RST, COAX_EMPTY, 2, 0, NULL);
	EXPECT_EQ(COUNTED(resets_in), 2);
	EXPECT_EQ(COUNTED(ignored), 1);
	world_end();
}

TEST("a tuning that makes no sense is refused")
{
	struct coax_exchange_options options = {
		.ops = &world_ops, .tuning = world_tuning, .stats = &world.stats};
	struct coax_exchange *exchange;

	options.tuning.ack_timeout_ms = 0;
	EXPECT_EQ(coax_exchange_create(&exchange, &options), -EINVAL);
	options.tuning = world_tuning;
	options.tuning.ack_random_percent = 99;
	EXPECT_EQ(coax_exchange_create(&exchange, &options), -EINVAL);
	options.tuning = world_tuning;
	options.tuning.max_retransmit = 64;
	EXPECT_EQ(coax_exchange_create(&exchange, &options), -EINVAL);
	/* Hours that are doubled twenty times are more nanoseconds than can be counted. */
	options.tuning.max_retransmit = 20;
	options.tuning.ack_timeout_ms = 3600000;
	EXPECT_EQ(coax_exchange_create(&exchange, &options), -EINVAL);
	options.tuning = world_tuning;
	options.tuning.exchanges_max = 0;
	options.tuning.deferred_max = 0;
	ASSERT_EQ(coax_exchange_create(&exchange, &options), 0);
	coax_exchange_destroy(exchange);
}

TEST("separate responses on their way never take all message IDs of a remote")
{
	struct coax_tuning tuning = world_tuning;

	tuning.deferred_max = 70000;
	tuning.empty_ack_delay_ms = 0;
	world_start_with(&tuning, 1);
	world.conduct = HOLDS;
	for (uint32_t i = 0; i < 66000; i++) {
		arrive_message(COAX_TYPE_CON, COAX_GET, (uint16_t)i, i > UINT16_MAX, NULL);
		coax_exchange_tick(world.exchange, world.now);
		ASSERT_EQ(world_answer(COAX_CONTENT), 0);
	}
	struct coax_message response = last_sent();
	EXPECT_EQ((int)coax_message_type(&response), COAX_TYPE_NON);
	world_end();
}

TEST_MAIN()
