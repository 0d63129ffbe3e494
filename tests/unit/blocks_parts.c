// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of requests that are handed on in parts, to resources that stream. */
#include "blocks_world.h"

/* What a streaming handler keeps between parts. */
struct stream {
	uint64_t length;
	int released;
};

static struct stream streams[16];
static int stream_count;

static void end_stream(void *arg)
{
	struct stream *stream = arg;

	stream->released++;
}

static void take_part(struct world *world, struct coax_responder *responder)
{
	const struct coax_part *part = coax_responder_part(responder);
	struct stream *stream;
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	ASSERT_TRUE(part);
	if (!*part->transfer) {
		EXPECT_EQ(part->offset, 0u);
		*part->transfer = &streams[stream_count++];
		*part->release = end_stream;
	}
	stream = *part->transfer;
	EXPECT_EQ(stream->released, 0);
	EXPECT_EQ(part->offset, stream->length);
	for (size_t i = 0; i < length; i++)
		ASSERT_EQ(payload[i], pattern(part->offset + i));
	stream->length += length;
	if (world->code)
		coax_respond(responder, world->code);
	else
		coax_respond(responder, part->more ? COAX_CONTINUE : COAX_CHANGED);
}

static void stream_init(struct world *world)
{
	world_init(world, NULL);
	world->streaming = true;
	world->handler = take_part;
}

TEST("each block is a part of its own, and the transfer's state is released once after the last")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 5), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(0, true, 5));
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 5), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, true, 5));
	EXPECT_EQ(streams[0].released, 0);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.1:40000", "up", 2, false, 5, 5),
		  COAX_CHANGED);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(2, false, 5));
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(streams[0].length, 1029u);
	EXPECT_EQ(stream_count, 1);
	world_end(&world);
	EXPECT_EQ(streams[0].released, 1);
}

TEST("nothing of a body that is handed on is stored, so none is too large")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	for (uint32_t number = 0; number < 4096; number++) {
		ASSERT_EQ(put_block(&exchange, &world, number, true, 6), COAX_CONTINUE);
		ASSERT_LT(world.stats.bodies, 1024u);
	}
	EXPECT_EQ(put_block(&exchange, &world, 4096, false, 6), COAX_CHANGED);
	EXPECT_EQ(streams[0].length, 4097u * 1024);
	world_end(&world);
}

TEST("a resource's own limit holds for parts too")
{
	static uint8_t bytes[200];
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	world.body_max = 128;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 2), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, true, 2), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE1), 128u);
	EXPECT_EQ(streams[0].released, 1);
	begin(&exchange, &world, COAX_PUT, "up");
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_REQUEST_ENTITY_TOO_LARGE);
	world_end(&world);
}

TEST("a body in one message is one part, whose response has no Block1")
{
	uint8_t bytes[] = {pattern(0), pattern(1)};
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	begin(&exchange, &world, COAX_PUT, "up");
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_CHANGED);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK1));
	EXPECT_FALSE(exchange.responder.part.more);
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(streams[0].length, 2u);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("the client's estimate of the size is told with each part")
{
	static uint8_t bytes[16];
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_SIZE1, 5000000);
	with_block(&exchange, COAX_BLOCK1, 0, true, 0);
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_CONTINUE);
	EXPECT_EQ(exchange.responder.part.size_hint, 5000000u);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 0), COAX_CONTINUE);
	EXPECT_EQ(exchange.responder.part.size_hint, 5000000u);
	EXPECT_EQ(exchange.responder.part.offset, 16u);
	world_end(&world);
	EXPECT_EQ(streams[0].released, 1);
}

TEST("parts come in order: a gap gets 4.08, and a block that comes again runs no handler")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 2, true, 3), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, true, 3));
	EXPECT_EQ(world.handled, 2);
	EXPECT_EQ(put_block(&exchange, &world, 2, false, 3), COAX_CHANGED);
	EXPECT_EQ(streams[0].length, 384u);
	world_end(&world);
}

TEST("an answer other than 2.31 ends the transfer: M is not set, and its state is released")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	world.code = COAX_FORBIDDEN;
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_FORBIDDEN);
	/* RFC 7959 section 2.3: this is the final response. */
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(1, false, 3));
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(put_block(&exchange, &world, 2, true, 3), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("when the client begins anew, the former transfer's state is released first")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(stream_count, 2);
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 3), COAX_CHANGED);
	EXPECT_EQ(streams[1].length, 256u);
	EXPECT_EQ(streams[1].released, 1);
	world_end(&world);
	EXPECT_EQ(streams[0].released, 1);
}

TEST("a client that stays away has its transfer's state released")
{
	struct exchange exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	world.now += 246 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(streams[0].released, 0);
	world.now += NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(streams[0].released, 1);
	world_end(&world);
}

TEST("while a part is being handled, further blocks get 5.03, and go on afterwards")
{
	struct exchange late, exchange;
	struct world world;

	stream_init(&world);
	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 0, true, 3), COAX_EMPTY);
	world.put_off = false;
	EXPECT_EQ(put_block(&exchange, &world, 1, true, 3), COAX_SERVICE_UNAVAILABLE);
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 1u);
	/* It is not idle for as long as it is handled. */
	world.now += 300 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(answer_later(&late), COAX_CONTINUE);
	EXPECT_EQ(uint_of(&late, COAX_BLOCK1), block_value(0, true, 3));
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 3), COAX_CHANGED);
	EXPECT_EQ(streams[0].length, 256u);
	EXPECT_EQ(streams[0].released, 1);
	world_end(&world);
}

TEST("a client that begins anew while a part is being handled has that one's state released later")
{
	struct exchange late, exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 1, true, 3), COAX_EMPTY);
	world.put_off = false;
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(streams[0].released, 0);
	EXPECT_EQ(answer_later(&late), COAX_CONTINUE);
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(put_block(&exchange, &world, 1, false, 3), COAX_CHANGED);
	EXPECT_EQ(streams[1].released, 1);
	world_end(&world);
}

TEST("a part whose responder is dropped ends its transfer")
{
	struct exchange late, exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 1, true, 3), COAX_EMPTY);
	coax_gathered_put(late.gathered);
	EXPECT_EQ(streams[0].released, 1);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("states are released when all ends, but those that handlers have when they give them back")
{
	struct exchange late, exchange;
	struct world world;

	stream_init(&world);
	EXPECT_EQ(put_block(&exchange, &world, 0, true, 3), COAX_CONTINUE);
	EXPECT_EQ(send_part(&exchange, &world, "192.0.2.2:40000", "up", 0, true, 3, 128),
		  COAX_CONTINUE);
	world.put_off = true;
	EXPECT_EQ(put_block(&late, &world, 1, true, 3), COAX_EMPTY);
	coax_blocks_destroy(world.blocks);
	EXPECT_EQ(streams[1].released, 1);
	EXPECT_EQ(streams[0].released, 0);
	coax_gathered_put(late.gathered);
	EXPECT_EQ(streams[0].released, 1);
}

TEST_MAIN()
