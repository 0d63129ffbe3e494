// SPDX-License-Identifier: BSD-2-Clause
/* Blocks of what the kernel half may answer from: what they say, and to whom. */
#include "blocks_world.h"

static struct coax_subject *subject;

/* A copy of the world's body, rendered from `subject` as it is now. */
static void give_cacheable(struct world *world, struct coax_responder *responder)
{
	coax_responder_subject(responder, subject, coax_subject_generation(subject));
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 100);
	give(world, responder);
}

static void start(struct world *world, bool accelerated)
{
	world_init(world, NULL);
	world->handler = give_cacheable;
	ASSERT_EQ(coax_subject_create(&subject), 0);
	if (accelerated)
		coax_blocks_accelerate(world->blocks);
	world_fill(world, 10000);
}

static void stop(struct world *world)
{
	world_end(world);
	coax_subject_put(subject);
}

static uint8_t get(struct exchange *e, struct world *world, uint32_t number)
{
	begin(e, world, COAX_GET, "large");
	with_block(e, COAX_BLOCK2, number, false, 5);
	return submit(e);
}

TEST("what is still so is told with all of its Max-Age, what has been replaced with what is left")
{
	struct world world;
	struct exchange e;

	start(&world, true);
	EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
	world.now += 30 * NS_PER_SEC;
	EXPECT_EQ(get(&e, &world, 1), COAX_CONTENT);
	EXPECT_EQ(uint_of(&e, COAX_MAX_AGE), 100U);
	EXPECT_TRUE(coax_responder_publishable(&e.responder));
	coax_subject_changed(subject);
	EXPECT_EQ(get(&e, &world, 2), COAX_CONTENT);
	EXPECT_FALSE(e.to_handler);
	EXPECT_EQ(uint_of(&e, COAX_MAX_AGE), 70U);
	EXPECT_NE(e.responder.generation, coax_subject_generation(subject));
	stop(&world);
}

TEST("a further block is what a client gets who is in the middle of nothing")
{
	struct exchange continued, fresh;
	struct world world;

	start(&world, true);
	for (uint32_t number = 1; number < 10; number++) {
		EXPECT_EQ(get(&continued, &world, 0), COAX_CONTENT);
		world.now += NS_PER_SEC;
		EXPECT_EQ(get(&continued, &world, number), COAX_CONTENT);
		EXPECT_FALSE(continued.to_handler);
		begin_from(&fresh, &world, "192.0.2.9:1234", COAX_GET, "large");
		with_block(&fresh, COAX_BLOCK2, number, false, 5);
		EXPECT_EQ(submit(&fresh), COAX_CONTENT);
		EXPECT_TRUE(fresh.to_handler);
		/* But for the tokens, which have two bytes. */
		ASSERT_EQ(continued.responder.response.length, fresh.responder.response.length);
		EXPECT_MEMEQ(continued.response_bytes + 6, fresh.response_bytes + 6,
			     fresh.responder.response.length - 6);
		coax_blocks_tick(world.blocks, world.now + 248 * NS_PER_SEC);
	}
	stop(&world);
}

TEST("who goes back in what has been replaced gets what is now, if the kernel half answers too")
{
	struct world world;
	struct exchange e;

	for (int accelerated = 0; accelerated < 2; accelerated++) {
		start(&world, accelerated);
		EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
		EXPECT_EQ(get(&e, &world, 3), COAX_CONTENT);
		coax_subject_changed(subject);
		EXPECT_EQ(get(&e, &world, 4), COAX_CONTENT);
		EXPECT_FALSE(e.to_handler);
		EXPECT_EQ(get(&e, &world, 4), COAX_CONTENT);
		EXPECT_EQ(e.to_handler, accelerated);
		EXPECT_EQ(get(&e, &world, 2), COAX_CONTENT);
		EXPECT_FALSE(e.to_handler);
		stop(&world);
	}
}

TEST("a Site that has been replaced replaces all that is fetched of the former")
{
	struct world world;
	struct exchange e;

	start(&world, true);
	EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
	begin(&e, &world, COAX_GET, "large");
	with_block(&e, COAX_BLOCK2, 1, false, 5);
	e.responder.site_version = 1;
	EXPECT_EQ(submit(&e), COAX_CONTENT);
	/* It says which Site it is of: not the present one, so it is not published. */
	EXPECT_EQ(e.responder.site_version, 0U);
	stop(&world);
}

TEST("a look ahead gives the block that would be answered, and nobody is farther for it")
{
	struct exchange ahead, e;
	struct world world;

	start(&world, true);
	EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
	begin(&ahead, &world, COAX_GET, "large");
	with_block(&ahead, COAX_BLOCK2, 7, false, 5);
	ASSERT_EQ(
		coax_message_parse(&ahead.responder.request, ahead.draft.data, ahead.draft.length),
		0);
	ASSERT_EQ(coax_message_start(&ahead.responder.response, ahead.response_bytes,
				     COAX_MESSAGE_MAX, COAX_TYPE_ACK, COAX_EMPTY, 0, "to", 2),
		  0);
	ASSERT_TRUE(coax_blocks_preview(world.blocks, world.now, &ahead.responder));
	EXPECT_TRUE(is_part_of_body(&ahead, 7 * 512));
	EXPECT_TRUE(coax_responder_publishable(&ahead.responder));
	EXPECT_EQ(world.stats.blocks_out, 1U);
	/* The seventh has not been fetched: what was replaced goes on before it. */
	coax_subject_changed(subject);
	EXPECT_FALSE(coax_blocks_preview(world.blocks, world.now, &ahead.responder));
	EXPECT_EQ(get(&e, &world, 1), COAX_CONTENT);
	EXPECT_FALSE(e.to_handler);
	stop(&world);
}

TEST("the farther a client has gone, the farther it is worth to look ahead")
{
	struct world world;
	struct exchange e;

	start(&world, true);
	EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
	EXPECT_EQ(get(&e, &world, 1), COAX_CONTENT);
	EXPECT_EQ(coax_blocks_stride(world.blocks, &e.responder, 20), 8U);
	EXPECT_EQ(coax_blocks_stride(world.blocks, &e.responder, 20), 16U);
	EXPECT_EQ(coax_blocks_stride(world.blocks, &e.responder, 20), 20U);
	/* Who begins anew does so with few. */
	EXPECT_EQ(get(&e, &world, 0), COAX_CONTENT);
	EXPECT_EQ(coax_blocks_stride(world.blocks, &e.responder, 20), 8U);
	begin_from(&e, &world, "192.0.2.9:1234", COAX_GET, "large");
	with_block(&e, COAX_BLOCK2, 1, false, 5);
	ASSERT_EQ(coax_message_parse(&e.responder.request, e.draft.data, e.draft.length), 0);
	EXPECT_EQ(coax_blocks_stride(world.blocks, &e.responder, 20), 0U);
	stop(&world);
}

TEST("a block that is smaller for lack of room is not to be repeated")
{
	char text[100];
	struct world world;
	struct exchange e;

	start(&world, true);
	memset(text, 'x', sizeof(text));
	begin(&e, &world, COAX_GET, "large");
	ASSERT_EQ(coax_message_start(&e.draft, e.draft_bytes, PACKET_MAX, COAX_TYPE_CON, COAX_GET,
				     world.id, text, sizeof(text)),
		  0);
	ASSERT_EQ(coax_uri_path_add_options("large", &e.draft), 0);
	EXPECT_EQ(submit(&e), COAX_CONTENT);
	EXPECT_EQ(payload_length(&e), 512U);
	EXPECT_TRUE(e.responder.one_off);
	EXPECT_FALSE(coax_responder_publishable(&e.responder));
	stop(&world);
}

TEST_MAIN()
