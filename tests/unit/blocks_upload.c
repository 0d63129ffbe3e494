// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of requests that come in blocks: RFC 7959 section 2.5. */
#include "blocks_world.h"

static void expect_body(const struct world *world, size_t length)
{
	ASSERT_EQ(world->body_length, length);
	for (size_t i = 0; i < length; i++)
		ASSERT_EQ(world->body[i], pattern(i));
}

TEST("blocks are answered 2.31 with their Block1 option until the last, which the handler answers")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(0, true, 3));
	EXPECT_EQ(payload_length(&exchange), 0u);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, true, 3));
	EXPECT_EQ(world.handled, 0);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 2, false, 3, 100),
		  COAX_CHANGED);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(2, false, 3));
	EXPECT_EQ(world.handled, 1);
	expect_body(&world, 356);
	EXPECT_EQ(world.stats.blocks_in, 3u);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

static void look_at_request(struct world *world, struct coax_responder *responder)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_message again;
	struct coax_option option;
	uint32_t value;
	size_t length;

	EXPECT_EQ(coax_message_code(request), COAX_POST);
	EXPECT_EQ(coax_message_id(request), world->id);
	EXPECT_MEMEQ(coax_message_token(request), &world->id, 2);
	EXPECT_FALSE(coax_message_find(request, COAX_BLOCK1, &option));
	EXPECT_FALSE(coax_message_find(request, COAX_SIZE1, &option));
	EXPECT_TRUE(coax_message_find(request, COAX_IF_NONE_MATCH, &option));
	EXPECT_TRUE(coax_message_find_uint(request, COAX_CONTENT_FORMAT, &value) && value == 60);
	EXPECT_TRUE(coax_message_find_uint(request, COAX_BLOCK2, &value) && value == 2);
	coax_message_payload(request, &length);
	EXPECT_EQ(length, 40u);
	EXPECT_EQ(coax_message_parse(&again, request->data, request->length), 0);
	EXPECT_EQ(again.payload, request->payload);
	EXPECT_EQ(again.last_option, request->last_option);
	coax_respond(responder, COAX_CHANGED);
}

TEST("the handler gets the last block's message with the body, without Block1 and Size1")
{
	struct exchange exchange;
	struct world world;
	uint8_t bytes[32] = {1};

	world_init(&world, NULL);
	world.handler = look_at_request;
	for (uint32_t number = 0; number < 3; number++) {
		begin(&exchange, &world, COAX_POST, "some/where?x=1");
		with_uint(&exchange, COAX_CONTENT_FORMAT, 60);
		/* Section 2.10: If-None-Match belongs to the first block alone. */
		if (number == 0) {
			with_uint(&exchange, COAX_SIZE1, 40);
			coax_message_add(&exchange.draft, COAX_IF_NONE_MATCH, NULL, 0);
		}
		/* Figure 11: what is wished for the response comes with the last one. */
		if (number == 2)
			with_block(&exchange, COAX_BLOCK2, 0, false, 2);
		with_block(&exchange, COAX_BLOCK1, number, number < 2, 0);
		with_payload(&exchange, bytes, number < 2 ? 16 : 8);
		EXPECT_EQ(submit(&exchange), number < 2 ? COAX_CONTINUE : COAX_CHANGED);
	}
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("more options with the last block than there is room for in front still make one message")
{
	static uint8_t query[255];
	struct exchange exchange;
	struct world world;
	uint8_t bytes[16];

	world_init(&world, NULL);
	world.handler = take_in;
	memset(query, 'q', sizeof(query));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	for (uint32_t number = 0; number < 2; number++) {
		begin(&exchange, &world, COAX_PUT, "up");
		for (int i = 0; i < 8; i++)
			ASSERT_EQ(coax_message_add(&exchange.draft, COAX_URI_QUERY, query, 255), 0);
		with_block(&exchange, COAX_BLOCK1, number, number == 0, 0);
		with_payload(&exchange, bytes, number == 0 ? 16 : 0);
		EXPECT_EQ(submit(&exchange), number == 0 ? COAX_CONTINUE : COAX_CHANGED);
	}
	expect_body(&world, 16);
	world_end(&world);
}

TEST("a body in a single block is whole at once, and its response says Block1")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 0, false, 6, 10),
		  COAX_CHANGED);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(0, false, 6));
	expect_body(&world, 10);
	world_end(&world);
}

TEST("an empty last block ends a body that fills its blocks")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 1, false, 2, 0),
		  COAX_CHANGED);
	expect_body(&world, 64);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 0, false, 2, 0),
		  COAX_CHANGED);
	expect_body(&world, 0);
	world_end(&world);
}

TEST("who prefers smaller blocks says so with the first, and the client goes on with those")
{
	const struct coax_tuning tuning = {.block_size = 32};
	struct exchange exchange;
	struct world world;

	/* Section 3.2, figure 9. */
	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(0, true, 1));
	EXPECT_EQ(put_block(&exchange, &world, 4, true, 1), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(4, true, 1));
	EXPECT_EQ(put_block(&exchange, &world, 5, true, 1), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 6, false, 1), COAX_CHANGED);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(6, false, 1));
	expect_body(&world, 224);
	/* One that does not heed it is taken too. */
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, true, 3));
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 3), COAX_CHANGED);
	expect_body(&world, 384);
	world_end(&world);
}

TEST("a block behind a gap gets 4.08, and the transfer goes on with the one that is due")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, true, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_GT(payload_length(&exchange), 0u);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK1));
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 2), COAX_CHANGED);
	expect_body(&world, 192);
	world_end(&world);
}

TEST("a last block behind a gap gets 4.08 and ends the transfer")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(world.handled, 0);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("a block behind the first of an unknown transfer gets 4.08")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 6), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 0xfffff, false, 6), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(put_block(&exchange, &world, 3, false, 6), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(world.handled, 0);
	world_end(&world);
}

TEST("the same block in a new message is answered 2.31 again and not appended twice")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 6), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, true, 6));
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 6), COAX_CHANGED);
	expect_body(&world, 3072);
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("other content under the number of a block that was taken gets 4.08")
{
	static const uint8_t other[64] = {0};
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_CONTINUE);
	begin(&exchange, &world, COAX_PUT, "up");
	with_block(&exchange, COAX_BLOCK1, 1, true, 2);
	with_payload(&exchange, other, sizeof(other));
	EXPECT_EQ(submit(&exchange), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 2), COAX_CHANGED);
	expect_body(&world, 192);
	world_end(&world);
}

TEST("the first block begins anew")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 2), COAX_CHANGED);
	expect_body(&world, 128);
	world_end(&world);
}

TEST("a block with M set that is not as long as its SZX says gets 4.00")
{
	static const size_t wrong[] = {0, 1, 63, 65, 1024};
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT_EQ(
			send_part(&exchange, &world, "192.0.2.1:40000", "up", 0, true, 2, wrong[i]),
			COAX_BAD_REQUEST);
	EXPECT_EQ(world.stats.bodies, 0u);
	EXPECT_EQ(world.handled, 0);
	world_end(&world);
}

TEST("a Block1 option with the reserved SZX 7 gets 4.00")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_BLOCK1, 0x0f);
	EXPECT_EQ(submit(&exchange), COAX_BAD_REQUEST);
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_BLOCK1, 7);
	EXPECT_EQ(submit(&exchange), COAX_BAD_REQUEST);
	EXPECT_EQ(world.handled, 0);
	world_end(&world);
}

TEST("a body that is announced or becomes too large gets 4.13 with what is taken as Size1")
{
	static uint8_t bytes[64];
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	world.body_max = 100;
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_SIZE1, 101);
	with_block(&exchange, COAX_BLOCK1, 0, true, 2);
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE1), 100u);
	EXPECT_GT(payload_length(&exchange), 0u);

	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE1), 100u);
	EXPECT_EQ(world.stats.bodies, 0u);

	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 1, false, 2, 36),
		  COAX_CHANGED);
	expect_body(&world, 100);
	EXPECT_EQ(world.stats.refused, 2u);
	world_end(&world);
}

TEST("without a limit of its resource a body has the Context's")
{
	const struct coax_tuning tuning = {.body_max = 2048};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 6), COAX_CONTINUE);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 2, false, 6, 1),
		  COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE1), 2048u);
	world_end(&world);
}

TEST("a body announced as large takes no more memory than what has come of it")
{
	static uint8_t bytes[1024];
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_SIZE1, 1 << 20);
	with_block(&exchange, COAX_BLOCK1, 0, true, 6);
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_CONTINUE);
	EXPECT_LE(world.stats.bodies, 4096u);
	world_end(&world);
}

/* One block of an upload with one option more. */
static uint8_t put_with(struct exchange *exchange, struct world *world, const char *remote,
			uint32_t number, bool more, uint16_t option, uint32_t value)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(number * 16 + i);
	begin_from(exchange, world, remote, COAX_PUT, "up");
	if (option)
		with_uint(exchange, option, value);
	with_block(exchange, COAX_BLOCK1, number, more, 0);
	with_payload(exchange, bytes, sizeof(bytes));
	return submit(exchange);
}

TEST("Request-Tag, other options, methods, ports and addresses keep transfers apart")
{
	static const struct {
		const char *remote;
		uint16_t option;
		uint32_t value;
	} transfers[] = {
		{"192.0.2.1:40000", 0, 0},
		{"192.0.2.1:40000", COAX_REQUEST_TAG, 1},
		{"192.0.2.1:40000", COAX_REQUEST_TAG, 2},
		{"192.0.2.1:40001", 0, 0},
		{"192.0.2.2:40000", 0, 0},
		{"[2001:db8::1]:40000", 0, 0},
		{"192.0.2.1:40000", COAX_ACCEPT, 1},
		{"192.0.2.1:40000", COAX_URI_QUERY, 'x'},
	};
	const size_t count = sizeof(transfers) / sizeof(transfers[0]);
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	for (uint32_t number = 0; number < 3; number++)
		for (size_t i = 0; i < count; i++) {
			EXPECT_EQ(put_with(&exchange, &world, transfers[i].remote, number,
					   number < 2, transfers[i].option, transfers[i].value),
				  number < 2 ? COAX_CONTINUE : COAX_CHANGED);
			if (number == 2)
				expect_body(&world, 48);
		}
	EXPECT_EQ(world.handled, (int)count);
	world_end(&world);
}

TEST("a transfer belongs to the session that it began in")
{
	static const uint64_t sessions[] = {0, 1, 2};
	const uint8_t bytes[16] = {1};
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	for (uint32_t number = 0; number < 2; number++)
		for (size_t i = 0; i < 3; i++) {
			begin(&exchange, &world, COAX_PUT, "up");
			exchange.responder.session = sessions[i];
			with_block(&exchange, COAX_BLOCK1, number, number < 1, 0);
			with_payload(&exchange, bytes, sizeof(bytes));
			EXPECT_EQ(submit(&exchange), number < 1 ? COAX_CONTINUE : COAX_CHANGED);
		}
	EXPECT_EQ(world.handled, 3);
	world_end(&world);
}

TEST("options that do not matter may differ between the blocks of one transfer")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 0, true, COAX_SIZE1, 48),
		  COAX_CONTINUE);
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 1, true, COAX_ECHO, 77),
		  COAX_CONTINUE);
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 2, false, COAX_NO_RESPONSE, 2),
		  COAX_CHANGED);
	expect_body(&world, 48);
	world_end(&world);
}

TEST("blocks of another Content-Format are not put together")
{
	struct exchange exchange;
	struct world world;

	/* Section 2.3. */
	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 0, true, COAX_CONTENT_FORMAT, 0),
		  COAX_CONTINUE);
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 1, false, COAX_CONTENT_FORMAT, 50),
		  COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_with(&exchange, &world, "192.0.2.1:1", 1, false, 0, 0),
		  COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(world.handled, 0);
	world_end(&world);
}

TEST("blocks may change their size on the way")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 4), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 8, true, 1), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 9, true, 1), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 5, false, 2), COAX_CHANGED);
	expect_body(&world, 384);
	world_end(&world);
}

TEST("a transfer whose handler answers with an error is over, with Block1 in the response")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	world.code = COAX_FORBIDDEN;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 2), COAX_FORBIDDEN);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, false, 2));
	EXPECT_EQ(world.stats.bodies, 0u);
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	world_end(&world);
}

TEST("a transfer that nobody goes on with is forgotten after the timeout")
{
	const struct coax_tuning tuning = {.block_timeout_ms = 10000};
	struct exchange exchange;
	struct world world;
	uint64_t deadline;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(coax_blocks_deadline(world.blocks), world.now + 10 * NS_PER_SEC);
	world.now += 9 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_CONTINUE);
	deadline = coax_blocks_deadline(world.blocks);
	EXPECT_EQ(deadline, world.now + 10 * NS_PER_SEC);
	coax_blocks_tick(world.blocks, deadline - 1);
	EXPECT_GT(world.stats.bodies, 0u);
	coax_blocks_tick(world.blocks, deadline);
	EXPECT_EQ(world.stats.bodies, 0u);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 2), COAX_REQUEST_ENTITY_INCOMPLETE);
	world_end(&world);
}

TEST("a body that a deferred handler has outlives its transfer, others of the same key, and blocks")
{
	struct exchange late, exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 0, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&late, &world, 1, false, 6), COAX_EMPTY);
	EXPECT_GT(world.stats.bodies, 2048u);

	EXPECT_EQ(put_block(&exchange, &world, 0, true, 4), COAX_CONTINUE);
	world.put_off = false;
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 4), COAX_CHANGED);
	expect_body(&world, 512);
	world.now += 300 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(answer_later(&late), COAX_CHANGED);
	EXPECT_EQ(uint_of(&late, COAX_BLOCK1), block_value(1, false, 6));
	expect_body(&world, 2048);
	EXPECT_EQ(world.stats.bodies, 0u);

	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 0, false, 6), COAX_EMPTY);
	coax_blocks_destroy(world.blocks);
	EXPECT_EQ(late.responder.request.data[late.responder.request.payload], pattern(0));
	coax_gathered_put(late.gathered);
	free(world.body);
}

TEST_MAIN()
