// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of responses that leave in blocks: RFC 7959 section 2.4. */
#include "blocks_world.h"

#define ALICE "192.0.2.1:40000"
#define BOB   "192.0.2.2:40000"

/*
 * A body that is read.
 */

static int reads;
static size_t read_most; /* bytes a call; 0: all */
static ssize_t read_fails;

static ssize_t read_pattern(void *arg, uint64_t offset, void *buffer, size_t size)
{
	struct world *world = arg;
	size_t left = world->body_length - offset;
	uint8_t *to = buffer;

	reads++;
	if (read_fails)
		return read_fails;
	if (size > left)
		size = left;
	if (read_most && size > read_most)
		size = read_most;
	for (size_t i = 0; i < size; i++)
		to[i] = pattern(offset + i);
	return (ssize_t)size;
}

static void release_body(void *arg)
{
	struct world *world = arg;

	world->released++;
}

static void give_read(struct world *world, struct coax_responder *responder)
{
	const struct coax_body body = {.length = world->body_length,
				       .read = read_pattern,
				       .release = release_body,
				       .arg = world};

	add_etag(world, responder);
	ASSERT_EQ(coax_responder_set_body(responder, &body), 0);
	coax_respond(responder, COAX_CONTENT);
}

/* The world's body without a copy. */
static void give_lent(struct world *world, struct coax_responder *responder)
{
	const struct coax_body body = {.length = world->body_length,
				       .data = world->body,
				       .release = release_body,
				       .arg = world};

	add_etag(world, responder);
	ASSERT_EQ(coax_responder_set_body(responder, &body), 0);
	coax_respond(responder, COAX_CONTENT);
}

static uint8_t get(struct exchange *exchange, struct world *world, const char *remote)
{
	begin_from(exchange, world, remote, COAX_GET, "down");
	return submit(exchange);
}

static void expect_block(const struct exchange *exchange, uint32_t number, bool more,
			 uint8_t exponent, size_t length)
{
	EXPECT_EQ(uint_of(exchange, COAX_BLOCK2), block_value(number, more, exponent));
	EXPECT_EQ(payload_length(exchange), length);
	EXPECT_TRUE(is_part_of_body(exchange, (uint64_t)number << (exponent + 4)));
}

TEST("a body larger than a block leaves as its first block, with Block2, Size2 and an ETag")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 2500);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	expect_block(&exchange, 0, true, 6, 1024);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE2), 2500u);
	EXPECT_TRUE(has_option(&exchange, COAX_ETAG));
	EXPECT_LE(exchange.responder.response.length, (uint32_t)COAX_MESSAGE_MAX);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	EXPECT_FALSE(has_option(&exchange, COAX_SIZE2));
	EXPECT_TRUE(has_option(&exchange, COAX_ETAG));
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	expect_block(&exchange, 2, false, 6, 452);
	EXPECT_EQ(world.handled, 1);
	EXPECT_EQ(world.stats.blocks_out, 3u);
	world_end(&world);
}

TEST("blocks of what one session was rendered are not for another, nor for none")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 2500);
	begin(&exchange, &world, COAX_GET, "down");
	exchange.responder.session = 1;
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	for (uint64_t session = 0; session < 3; session++) {
		begin(&exchange, &world, COAX_GET, "down");
		exchange.responder.session = session;
		with_block(&exchange, COAX_BLOCK2, 1, false, 6);
		EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	}
	/* Rendered for the first one, and anew for the two others. */
	EXPECT_EQ(world.handled, 3);
	world_end(&world);
}

TEST("a body that fits leaves whole, without Block2 unless the request mentions it")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 64);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_FALSE(has_option(&exchange, COAX_ETAG));
	EXPECT_EQ(get_block(&exchange, &world, 0, 2), COAX_CONTENT);
	expect_block(&exchange, 0, false, 2, 64);
	EXPECT_FALSE(has_option(&exchange, COAX_SIZE2));
	world_fill(&world, 0);
	EXPECT_EQ(get_block(&exchange, &world, 0, 2), COAX_CONTENT);
	expect_block(&exchange, 0, false, 2, 0);
	world_fill(&world, 1024);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_EQ(payload_length(&exchange), 1024u);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("blocks are as large as is asked for, or smaller when smaller ones are preferred")
{
	const struct coax_tuning tuning = {.block_size = 256};
	struct exchange exchange;
	struct world world;

	world_giving(&world, &tuning, 1000);
	EXPECT_EQ(get_block(&exchange, &world, 0, 1), COAX_CONTENT);
	expect_block(&exchange, 0, true, 1, 32);
	EXPECT_EQ(get_block(&exchange, &world, 0, 6), COAX_CONTENT);
	expect_block(&exchange, 0, true, 4, 256);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	expect_block(&exchange, 0, true, 4, 256);
	world_end(&world);
}

TEST("a size that changes on the way goes on at the same offset")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	/* Late negotiation: section 3.1, figure 4. */
	EXPECT_EQ(get_block(&exchange, &world, 16, 2), COAX_CONTENT);
	expect_block(&exchange, 16, true, 2, 64);
	EXPECT_EQ(get_block(&exchange, &world, 17, 2), COAX_CONTENT);
	expect_block(&exchange, 17, true, 2, 64);
	EXPECT_EQ(get_block(&exchange, &world, 187, 0), COAX_CONTENT);
	expect_block(&exchange, 187, false, 0, 8);
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("a larger size asked for on the way is answered with the preferred one at the same offset")
{
	const struct coax_tuning tuning = {.block_size = 64};
	struct exchange exchange;
	struct world world;

	world_giving(&world, &tuning, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	expect_block(&exchange, 32, true, 2, 64);
	world_end(&world);
}

TEST("blocks are had in any order, and again")
{
	static const uint32_t order[] = {5, 1, 9, 3, 3, 0, 9, 7};
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 10 * 64);
	EXPECT_EQ(get_block(&exchange, &world, 0, 2), COAX_CONTENT);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		EXPECT_EQ(get_block(&exchange, &world, order[i], 2), COAX_CONTENT);
		expect_block(&exchange, order[i], order[i] < 9, 2, 64);
	}
	EXPECT_EQ(world.handled, 2); /* the first block is the resource as it is now */
	world_end(&world);
}

TEST("a block behind the first of a body that is not kept is rendered anew, and cut there")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	expect_block(&exchange, 2, false, 6, 952);
	EXPECT_FALSE(has_option(&exchange, COAX_SIZE2));
	EXPECT_EQ(world.handled, 1);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("a transfer is of one representation and ETag, also after the resource has changed")
{
	struct coax_option etag;
	struct exchange exchange;
	struct world world;
	uint8_t first[8];

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	ASSERT_EQ(etag.length, 8u);
	memcpy(first, etag.value, 8);
	memset(world.body, 0, 3000);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	EXPECT_MEMEQ(etag.value, first, 8);
	/* From the first block on it is the new one. */
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[1], 0);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	EXPECT_NE(memcmp(etag.value, first, 8), 0);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[1], 0);
	world_end(&world);
}

TEST("the ETag made for a body is that of its content, whoever asks and whenever")
{
	struct coax_option etag;
	struct exchange exchange;
	struct world world, other;
	uint8_t first[8];

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	memcpy(first, etag.value, 8);
	world_end(&world);

	/* Another worker's, with a secret of its own. */
	world_init(&other, NULL);
	coax_blocks_destroy(other.blocks);
	other.options.seed = 0;
	ASSERT_EQ(coax_blocks_create(&other.blocks, &other.options), 0);
	world_fill(&other, 3000);
	other.handler = give_lent;
	EXPECT_EQ(get(&exchange, &other, BOB), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	EXPECT_MEMEQ(etag.value, first, 8);

	/* And who has that one gets 2.03. */
	begin(&exchange, &other, COAX_GET, "down");
	ASSERT_EQ(coax_message_add(&exchange.draft, COAX_ETAG, first, 8), 0);
	EXPECT_EQ(submit(&exchange), COAX_VALID);
	EXPECT_EQ(payload_length(&exchange), 0u);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_EQ(other.released, 1);
	world_end(&other);
}

static void give_with_options(struct world *world, struct coax_responder *responder)
{
	struct coax_message *response = coax_responder_response(responder);

	coax_message_add_uint(response, COAX_CONTENT_FORMAT, 42);
	coax_message_add_uint(response, COAX_MAX_AGE, 100);
	coax_message_add_uint(response, COAX_OBSERVE, 7);
	coax_message_add_string(response, COAX_LOCATION_QUERY, "x");
	give(world, responder);
}

TEST("each block has the response's options, but Observe, and its own age")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 3000);
	memcpy(world.etag, "v1", 3);
	world.handler = give_with_options;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(uint_of(&exchange, COAX_OBSERVE), 7u);
	world.now += 30 * NS_PER_SEC;
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	EXPECT_EQ(uint_of(&exchange, COAX_CONTENT_FORMAT), 42u);
	EXPECT_EQ(uint_of(&exchange, COAX_ETAG), (uint32_t)('v' << 8 | '1'));
	EXPECT_TRUE(has_option(&exchange, COAX_LOCATION_QUERY));
	EXPECT_FALSE(has_option(&exchange, COAX_OBSERVE));
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 70u);
	world.now += 100 * NS_PER_SEC;
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 0u);
	world_end(&world);
}

TEST("who asks for the same block again when the response is not fresh any more gets a new one")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	world.now += 60 * NS_PER_SEC;
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 1);
	world.now += 1 * NS_PER_SEC;
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 1);
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	expect_block(&exchange, 2, false, 6, 952);
	world_end(&world);
}

TEST("a block beyond the end gets 4.00 and a line at WARNING, one a second at most")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 2048);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_BAD_REQUEST);
	EXPECT_FALSE(has_option(&exchange, COAX_ETAG));
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 1);
	EXPECT_EQ(get_block(&exchange, &world, 0xfffff, 6), COAX_BAD_REQUEST);
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 1);
	world.now += 2 * NS_PER_SEC;
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 2, 6), COAX_BAD_REQUEST);
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 2);
	world_fill(&world, 10);
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 1, 0), COAX_BAD_REQUEST);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	world_end(&world);
}

TEST("the M bit of a request's Block2 is ignored, and SZX 7 gets 4.00")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	for (uint32_t number = 0; number < 2; number++) {
		begin(&exchange, &world, COAX_GET, "down");
		with_block(&exchange, COAX_BLOCK2, number, true, 6);
		EXPECT_EQ(submit(&exchange), COAX_CONTENT);
		expect_block(&exchange, number, true, 6, 1024);
	}
	EXPECT_EQ(get_block(&exchange, &world, 0, 7), COAX_BAD_REQUEST);
	EXPECT_EQ(get_block(&exchange, &world, 1, 7), COAX_BAD_REQUEST);
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("Size2 is told with later blocks to those who ask")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	begin(&exchange, &world, COAX_GET, "down");
	with_uint(&exchange, COAX_SIZE2, 0);
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE2), 3000u);
	world_end(&world);
}

TEST("errors leave whole whatever block is asked for, long ones in blocks")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 40);
	world.code = COAX_NOT_FOUND;
	EXPECT_EQ(get_block(&exchange, &world, 3, 0), COAX_NOT_FOUND);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_EQ(payload_length(&exchange), 40u);
	world_fill(&world, 2000);
	EXPECT_EQ(get_block(&exchange, &world, 0, 6), COAX_NOT_FOUND);
	expect_block(&exchange, 0, true, 6, 1024);
	EXPECT_FALSE(has_option(&exchange, COAX_ETAG));
	world_end(&world);
}

TEST("a body without a copy is released once when nobody is in the middle of it any more")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 3000);
	world.handler = give_lent;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	expect_block(&exchange, 2, false, 6, 952);
	EXPECT_EQ(world.released, 0);
	EXPECT_GE(world.stats.bodies, 3000u);
	world.now += 247 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(world.released, 1);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_fill(&world, 100);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(payload_length(&exchange), 100u);
	EXPECT_EQ(world.released, 2);
	world_end(&world);
	EXPECT_EQ(world.released, 2);
}

TEST("a body of the same content is held once, however many fetch it")
{
	struct exchange exchange;
	struct world world;
	char remote[32];

	world_giving(&world, NULL, 1 << 20);
	for (int i = 0; i < 1000; i++) {
		snprintf(remote, sizeof(remote), "192.0.2.7:%d", 20000 + i);
		ASSERT_EQ(get(&exchange, &world, remote), COAX_CONTENT);
	}
	EXPECT_LT(world.stats.bodies, (1u << 20) + 1000 * 256);
	for (int i = 0; i < 1000; i++) {
		snprintf(remote, sizeof(remote), "192.0.2.7:%d", 20000 + i);
		ASSERT_EQ(get_block_from(&exchange, &world, remote, 1023, 6), COAX_CONTENT);
		ASSERT_TRUE(is_part_of_body(&exchange, 1023 * 1024));
	}
	EXPECT_EQ(world.handled, 1000);
	world_end(&world);
}

TEST("other content under the same ETag is not shared: nobody gets what is another's")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	memcpy(world.etag, "v1", 3);
	world_fill(&world, 3000);
	world.handler = give;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	memset(world.body, 'b', 3000);
	EXPECT_EQ(get(&exchange, &world, BOB), COAX_CONTENT);
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 1, 6), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'b');
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	world_end(&world);
}

TEST("a body that is read is read where the block is, in as many calls as it takes")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 5 << 20);
	world.handler = give_read;
	memcpy(world.etag, "v1", 3);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	expect_block(&exchange, 0, true, 6, 1024);
	EXPECT_EQ(reads, 1);
	read_most = 100;
	EXPECT_EQ(get_block(&exchange, &world, 5000, 6), COAX_CONTENT);
	expect_block(&exchange, 5000, true, 6, 1024);
	EXPECT_EQ(get_block(&exchange, &world, 5119, 6), COAX_CONTENT);
	expect_block(&exchange, 5119, false, 6, 1024);
	EXPECT_LT(world.stats.bodies, 1024u);
	EXPECT_EQ(world.handled, 1);
	/* Those who fetch the same one share it. */
	EXPECT_EQ(get(&exchange, &world, BOB), COAX_CONTENT);
	EXPECT_EQ(world.released, 1);
	world_fill(&world, 900);
	EXPECT_EQ(get(&exchange, &world, BOB), COAX_CONTENT);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_EQ(payload_length(&exchange), 900u);
	EXPECT_EQ(world.released, 2);
	world_end(&world);
	EXPECT_EQ(world.released, 3);
}

TEST("a body that is read and has no ETag gets one that no other rendering has")
{
	struct coax_option etag;
	struct exchange exchange;
	struct world world;
	uint8_t first[8];

	world_init(&world, NULL);
	world_fill(&world, 3000);
	world.handler = give_read;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	memcpy(first, etag.value, 8);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	EXPECT_MEMEQ(etag.value, first, 8);
	EXPECT_EQ(get(&exchange, &world, BOB), COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&exchange.responder.response, COAX_ETAG, &etag));
	EXPECT_NE(memcmp(etag.value, first, 8), 0);
	world_end(&world);
	EXPECT_EQ(world.released, 2);
}

TEST("a body that cannot be read makes the response 5.00, with a line at ERROR, and is released")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 3000);
	world.handler = give_read;
	read_fails = -EIO;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(world.released, 1);
	EXPECT_EQ(world.lines[COAX_LOG_ERROR], 1);
	EXPECT_FALSE(has_option(&exchange, COAX_ETAG));
	read_fails = 0;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	read_fails = -ESTALE;
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(world.released, 2);
	read_fails = 0;
	/* One that has become shorter cannot be read either. */
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	world.body_length = 1500;
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(world.released, 3);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

static uint8_t post_block(struct exchange *exchange, struct world *world, uint32_t number)
{
	begin(exchange, world, COAX_POST, "down");
	with_block(exchange, COAX_BLOCK2, number, false, 3);
	return submit(exchange);
}

TEST("a body in blocks gets its response in blocks")
{
	struct exchange exchange;
	struct world world;
	uint8_t bytes[128];

	/* Section 3.3, figure 10. */
	world_giving(&world, NULL, 500);
	world.code = COAX_CHANGED;
	memset(bytes, 'r', sizeof(bytes));
	for (uint32_t number = 0; number < 3; number++) {
		begin(&exchange, &world, COAX_POST, "down");
		with_block(&exchange, COAX_BLOCK1, number, number < 2, 3);
		/* Figure 11: early negotiation. */
		if (number == 2)
			with_block(&exchange, COAX_BLOCK2, 0, false, 3);
		with_payload(&exchange, bytes, sizeof(bytes));
		EXPECT_EQ(submit(&exchange), number < 2 ? COAX_CONTINUE : COAX_CHANGED);
		EXPECT_EQ(has_option(&exchange, COAX_BLOCK2), number == 2);
	}
	EXPECT_EQ(uint_of(&exchange, COAX_BLOCK1), block_value(2, false, 3));
	expect_block(&exchange, 0, true, 3, 128);
	/* It would be the target's, not that of this response. */
	EXPECT_FALSE(has_option(&exchange, COAX_ETAG));
	for (uint32_t number = 1; number < 4; number++) {
		EXPECT_EQ(post_block(&exchange, &world, number), COAX_CHANGED);
		expect_block(&exchange, number, number < 3, 3, number < 3 ? 128 : 116);
		EXPECT_FALSE(has_option(&exchange, COAX_BLOCK1));
	}
	EXPECT_EQ(world.handled, 1);
	world_end(&world);
}

TEST("a request for a further block runs nothing a second time: without its response it gets 4.08")
{
	static const uint8_t methods[] = {COAX_POST,  COAX_PUT,	   COAX_DELETE, COAX_FETCH,
					  COAX_PATCH, COAX_IPATCH, 31};
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 500);
	for (size_t i = 0; i < sizeof(methods); i++) {
		begin(&exchange, &world, methods[i], "down");
		with_block(&exchange, COAX_BLOCK2, 1, false, 3);
		EXPECT_EQ(submit(&exchange), COAX_REQUEST_ENTITY_INCOMPLETE);
	}
	EXPECT_EQ(world.handled, 0);
	/* Nor after it has become old. */
	begin(&exchange, &world, COAX_POST, "down");
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_FALSE(has_option(&exchange, COAX_BLOCK2));
	EXPECT_EQ(post_block(&exchange, &world, 0), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	world.now += 200 * NS_PER_SEC;
	EXPECT_EQ(post_block(&exchange, &world, 1), COAX_CONTENT);
	EXPECT_EQ(post_block(&exchange, &world, 1), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	world_end(&world);
}

static uint8_t fetch(struct exchange *exchange, struct world *world, const char *what,
		     uint32_t number)
{
	begin(exchange, world, COAX_FETCH, "down");
	with_block(exchange, COAX_BLOCK2, number, false, 6);
	if (what)
		with_payload(exchange, what, strlen(what));
	return submit(exchange);
}

/* A body that begins with what was asked for. */
static void give_fetched(struct world *world, struct coax_responder *responder)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	memset(world->body, payload[0], world->body_length);
	give(world, responder);
}

TEST("a FETCH is known by its payload, and one for a further block without means the latest")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 3000);
	world.handler = give_fetched;
	EXPECT_EQ(fetch(&exchange, &world, "a", 0), COAX_CONTENT);
	EXPECT_EQ(fetch(&exchange, &world, "b", 0), COAX_CONTENT);
	EXPECT_EQ(fetch(&exchange, &world, "a", 1), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'a');
	EXPECT_EQ(fetch(&exchange, &world, "b", 2), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'b');
	EXPECT_EQ(fetch(&exchange, &world, NULL, 1), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'b');
	EXPECT_EQ(world.handled, 2);
	/* What is not kept is safe to be rendered when it is known what. */
	EXPECT_EQ(fetch(&exchange, &world, "c", 1), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'c');
	EXPECT_EQ(world.handled, 3);
	world_end(&world);
}

TEST("other options, endpoints and methods find nothing of each other's")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 1, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	EXPECT_EQ(get_block_from(&exchange, &world, "192.0.2.1:40001", 1, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 3);
	begin(&exchange, &world, COAX_GET, "down");
	with_uint(&exchange, COAX_ACCEPT, 0);
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_EQ(world.handled, 4);
	begin(&exchange, &world, COAX_GET, "down?x");
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_EQ(world.handled, 5);
	EXPECT_EQ(post_block(&exchange, &world, 1), COAX_REQUEST_ENTITY_INCOMPLETE);
	world_end(&world);
}

TEST("a request with a critical option that is repeated or unknown gets nothing of what is kept")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 2500);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	begin(&exchange, &world, COAX_GET, "down");
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	with_block(&exchange, COAX_BLOCK2, 2, false, 6);
	submit(&exchange);
	EXPECT_EQ(world.handled, 2);
	/* No part of the cache key (RFC 7252 section 5.4.6). */
	begin(&exchange, &world, COAX_GET, "down");
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	with_uint(&exchange, 29, 1);
	submit(&exchange);
	EXPECT_EQ(world.handled, 3);
	begin(&exchange, &world, COAX_GET, "down");
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	ASSERT_EQ(coax_message_add(&exchange.draft, COAX_IF_NONE_MATCH, NULL, 0), 0);
	submit(&exchange);
	EXPECT_EQ(world.handled, 4);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 4);
	world_end(&world);
}

TEST("nothing is kept for renderings without a remote, nor for requests to a group")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	begin(&exchange, &world, COAX_GET, "down");
	memset(&exchange.responder.remote, 0, sizeof(exchange.responder.remote));
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	expect_block(&exchange, 0, true, 6, 1024);
	EXPECT_TRUE(has_option(&exchange, COAX_ETAG));
	EXPECT_EQ(world.stats.bodies, 0u);
	begin(&exchange, &world, COAX_GET, "down");
	ASSERT_EQ(coax_address_parse(&exchange.responder.local, "224.0.1.187:5683", 0), 0);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	expect_block(&exchange, 0, true, 6, 1024);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("a request to observe is answered with what the resource is now, whatever block it names")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	begin(&exchange, &world, COAX_GET, "down");
	with_uint(&exchange, COAX_OBSERVE, 0);
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	world_end(&world);
}

TEST("after a notification, its observer gets none of what was kept for it before")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 0, 6), COAX_CONTENT);
	memset(world.body, 'n', 3000);
	begin(&exchange, &world, COAX_GET, "down");
	with_uint(&exchange, COAX_OBSERVE, 0);
	coax_blocks_forget(world.blocks,
			   &(struct coax_path){.remote = exchange.responder.remote,
					       .local = exchange.responder.local},
			   &exchange.draft);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	EXPECT_EQ(payload_of(&exchange, &(size_t){0})[0], 'n');
	EXPECT_EQ(get_block_from(&exchange, &world, BOB, 1, 6), COAX_CONTENT);
	expect_block(&exchange, 1, true, 6, 1024);
	EXPECT_EQ(world.handled, 3);
	world_end(&world);
}

static void give_long_options(struct world *world, struct coax_responder *responder)
{
	static char segment[200];

	memset(segment, 's', sizeof(segment) - 1);
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_PATH, segment);
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_PATH, segment);
	give(world, responder);
}

TEST("where options leave too little room in a message, blocks are smaller, all of them")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world_fill(&world, 3000);
	world.handler = give_long_options;
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	expect_block(&exchange, 0, true, 5, 512);
	EXPECT_EQ(get_block(&exchange, &world, 1, 5), COAX_CONTENT);
	expect_block(&exchange, 1, true, 5, 512);
	EXPECT_EQ(get_block(&exchange, &world, 5, 5), COAX_CONTENT);
	expect_block(&exchange, 5, false, 5, 440);
	EXPECT_LE(exchange.responder.response.length, (uint32_t)COAX_MESSAGE_MAX);
	/* And one that would be a single block otherwise becomes several. */
	world_fill(&world, 1000);
	EXPECT_EQ(get(&exchange, &world, ALICE), COAX_CONTENT);
	expect_block(&exchange, 0, true, 5, 512);
	world_end(&world);
}

TEST("who asks for the first block of what has become small is not in the middle any more")
{
	struct exchange exchange;
	struct world world;

	world_giving(&world, NULL, 3000);
	EXPECT_EQ(get_block(&exchange, &world, 0, 6), COAX_CONTENT);
	world_fill(&world, 5);
	EXPECT_EQ(get_block(&exchange, &world, 0, 6), COAX_CONTENT);
	EXPECT_EQ(world.stats.bodies, 0u);
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_BAD_REQUEST);
	world_end(&world);
}

TEST_MAIN()
