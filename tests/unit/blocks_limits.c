// SPDX-License-Identifier: BSD-2-Clause
/* What peers can make grow by block-wise transfers, and how it is bounded: RFC 7959 section 7.1. */
#include "blocks_world.h"

static char *remote_of(char text[32], unsigned int host, unsigned int port)
{
	snprintf(text, 32, "10.%u.%u.%u:%u", host >> 16 & 255, host >> 8 & 255, host & 255, port);
	return text;
}

static uint8_t put_from(struct exchange *exchange, struct world *world, unsigned int host,
			unsigned int port, const char *path, uint32_t number, bool more)
{
	char text[32];

	return send_part(exchange, world, remote_of(text, host, port), path, number, more, 6, 1024);
}

TEST("a peer is in the middle of so many bodies at most: one more gets 4.29 with Max-Age")
{
	const struct coax_tuning tuning = {.bodies_per_peer = 2};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 0, true), COAX_CONTINUE);
	world.now += NS_PER_SEC;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "b", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "c", 0, true), COAX_TOO_MANY_REQUESTS);
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 44u);
	EXPECT_GT(payload_length(&exchange), 0u);
	EXPECT_EQ(world.stats.refused, 1u);
	/* Nobody else is concerned, nor what is under way, nor begun anew. */
	EXPECT_EQ(put_from(&exchange, &world, 1, 2, "c", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 1, false), COAX_CHANGED);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "c", 0, true), COAX_CONTINUE);
	world_end(&world);
}

TEST("a transfer that its peer has abandoned makes way for a new one of the same peer")
{
	const struct coax_tuning tuning = {.bodies_per_peer = 1};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 0, true), COAX_CONTINUE);
	world.now += 44 * NS_PER_SEC;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "b", 0, true), COAX_TOO_MANY_REQUESTS);
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 1u);
	world.now += NS_PER_SEC;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "b", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 1, false), COAX_REQUEST_ENTITY_INCOMPLETE);
	world_end(&world);
}

TEST("a host that fills the memory from many ports loses its own, and others go on")
{
	const struct coax_tuning tuning = {.bodies_max = 256 << 10, .body_max = 64 << 10};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 1, true), COAX_CONTINUE);
	for (unsigned int port = 1; port < 500; port++)
		for (uint32_t number = 0; number < 4; number++) {
			put_from(&exchange, &world, 2, port, "a", number, true);
			ASSERT_LE(world.stats.bodies, 256u << 10);
		}
	EXPECT_EQ(put_from(&exchange, &world, 3, 1, "a", 0, true), COAX_CONTINUE);
	for (uint32_t number = 1; number < 50; number++)
		ASSERT_EQ(put_from(&exchange, &world, 3, 1, "a", number, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 3, 1, "a", 50, false), COAX_CHANGED);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 2, false), COAX_CHANGED);
	EXPECT_EQ(world.body_length, 3072u);
	world_end(&world);
}

TEST("first blocks from everywhere cost none their place who go on")
{
	const struct coax_tuning tuning = {.bodies_max = 256 << 10};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 0, true), COAX_CONTINUE);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 1, true), COAX_CONTINUE);
	for (unsigned int host = 2; host < 10000; host++) {
		ASSERT_EQ(put_from(&exchange, &world, host, 1, "a", 0, true), COAX_CONTINUE);
		ASSERT_LE(world.stats.bodies, 256u << 10);
	}
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 2, false), COAX_CHANGED);
	EXPECT_EQ(world.body_length, 3072u);
	world_end(&world);
}

TEST("when all who go on have all the memory, a newcomer gets 5.03 until one is abandoned")
{
	const struct coax_tuning tuning = {.bodies_max = 256 << 10};
	struct exchange exchange;
	struct world world;
	unsigned int host = 0;
	uint8_t code;

	world_init(&world, &tuning);
	world.handler = take_in;
	do {
		host++;
		code = put_from(&exchange, &world, host, 1, "a", 0, true);
		if (code == COAX_CONTINUE)
			EXPECT_EQ(put_from(&exchange, &world, host, 1, "a", 1, true),
				  COAX_CONTINUE);
		ASSERT_LE(world.stats.bodies, 256u << 10);
		ASSERT_LT(host, 1000u);
	} while (code == COAX_CONTINUE);
	EXPECT_EQ(code, COAX_SERVICE_UNAVAILABLE);
	EXPECT_GT(host, 50u);
	EXPECT_EQ(uint_of(&exchange, COAX_MAX_AGE), 5u);
	EXPECT_GT(payload_length(&exchange), 0u);
	EXPECT_EQ(world.stats.refused, 1u);
	EXPECT_EQ(put_from(&exchange, &world, 1, 1, "a", 2, false), COAX_CHANGED);
	world.now += 46 * NS_PER_SEC;
	for (unsigned int other = 2000; other < 2020; other++)
		for (uint32_t number = 0; number < 2; number++)
			EXPECT_EQ(put_from(&exchange, &world, other, 1, "a", number, true),
				  COAX_CONTINUE);
	world_end(&world);
}

TEST("10 000 abandoned uploads stay within the limits, and their memory returns")
{
	const struct coax_tuning tuning = {.bodies_max = 8 << 20};
	struct exchange exchange;
	struct world world;
	char path[16];

	world_init(&world, &tuning);
	world.handler = take_in;
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "f%u", i);
		put_from(&exchange, &world, 1 + i / 100, 1 + i / 10, path, 0, true);
		if (i % 3 == 0)
			put_from(&exchange, &world, 1 + i / 100, 1 + i / 10, path, 1, true);
		ASSERT_LE(world.stats.bodies, 8u << 20);
		world.now += NS_PER_MS;
	}
	EXPECT_GT(world.stats.bodies, 4u << 20);
	world.now += 247 * NS_PER_SEC;
	EXPECT_LE(coax_blocks_deadline(world.blocks), world.now);
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("10 000 abandoned downloads stay within the limits, and their memory returns")
{
	const struct coax_tuning tuning = {.bodies_max = 8 << 20};
	struct exchange exchange;
	struct world world;
	char remote[32];
	char path[16];

	world_init(&world, &tuning);
	world.handler = give;
	world_fill(&world, 10000);
	for (unsigned int i = 0; i < 10000; i++) {
		/* No two are alike. */
		memcpy(world.body, &i, sizeof(i));
		snprintf(path, sizeof(path), "f%u", i);
		begin_from(&exchange, &world, remote_of(remote, 1 + i / 10, 1), COAX_GET, path);
		ASSERT_EQ(submit(&exchange), COAX_CONTENT);
		ASSERT_LE(world.stats.bodies, 8u << 20);
	}
	EXPECT_GT(world.stats.bodies, 7u << 20);
	/* The latest are here still, and the first ones have to be rendered anew. */
	begin_from(&exchange, &world, remote, COAX_GET, path);
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_EQ(world.handled, 10000);
	begin_from(&exchange, &world, remote_of(remote, 1, 1), COAX_GET, "f0");
	with_block(&exchange, COAX_BLOCK2, 1, false, 6);
	EXPECT_EQ(submit(&exchange), COAX_CONTENT);
	EXPECT_EQ(world.handled, 10001);
	world.now += 247 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("downloads make way for uploads: what they lose can be rendered anew")
{
	const struct coax_tuning tuning = {.bodies_max = 64 << 10};
	struct exchange exchange;
	struct world world;

	world_giving(&world, &tuning, 50000);
	EXPECT_EQ(get_block(&exchange, &world, 0, 6), COAX_CONTENT);
	EXPECT_GT(world.stats.bodies, 50000u);
	for (uint32_t number = 0; number < 40; number++) {
		ASSERT_EQ(put_block(&exchange, &world, number, true, 6), COAX_CONTINUE);
		ASSERT_LE(world.stats.bodies, 64u << 10);
	}
	EXPECT_EQ(get_block(&exchange, &world, 1, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 2);
	EXPECT_TRUE(is_part_of_body(&exchange, 1024));
	/* There is no room for it now: each block is rendered anew, and the upload goes on. */
	EXPECT_EQ(get_block(&exchange, &world, 2, 6), COAX_CONTENT);
	EXPECT_EQ(world.handled, 3);
	EXPECT_TRUE(is_part_of_body(&exchange, 2048));
	EXPECT_EQ(put_block(&exchange, &world, 40, true, 6), COAX_CONTINUE);
	world_end(&world);
}

TEST("a body larger than all the memory leaves in blocks that are rendered one by one")
{
	const struct coax_tuning tuning = {.bodies_max = 64 << 10};
	struct exchange exchange;
	struct world world;

	world_giving(&world, &tuning, 100000);
	for (uint32_t number = 0; number < 98; number++) {
		ASSERT_EQ(get_block(&exchange, &world, number, 6), COAX_CONTENT);
		ASSERT_TRUE(is_part_of_body(&exchange, number * 1024));
		ASSERT_EQ(uint_of(&exchange, COAX_BLOCK2), block_value(number, number < 97, 6));
	}
	EXPECT_EQ(world.stats.bodies, 0u);
	world_end(&world);
}

TEST("what can be taken at once is told, where that is less than a body may have")
{
	static uint8_t bytes[1024];
	const struct coax_tuning tuning = {.bodies_max = 64 << 10};
	struct exchange exchange;
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	begin(&exchange, &world, COAX_PUT, "up");
	with_uint(&exchange, COAX_SIZE1, 64 << 10);
	with_block(&exchange, COAX_BLOCK1, 0, true, 6);
	with_payload(&exchange, bytes, sizeof(bytes));
	EXPECT_EQ(submit(&exchange), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(uint_of(&exchange, COAX_SIZE1), 56u << 10);
	for (uint32_t number = 0; number < 55; number++)
		ASSERT_EQ(put_block(&exchange, &world, number, true, 6), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, &world, 55, false, 6), COAX_CHANGED);
	EXPECT_EQ(world.body_length, 56u << 10);
	world_end(&world);
}

static int open_count;
static int open_most;

static ssize_t read_zeros(void *arg, uint64_t offset, void *buffer, size_t size)
{
	(void)arg;
	(void)offset;
	memset(buffer, 0, size);
	return (ssize_t)size;
}

static void close_body(void *arg)
{
	(void)arg;
	open_count--;
}

static void give_opened(struct world *world, struct coax_responder *responder)
{
	const struct coax_body body = {
		.length = 5000, .read = read_zeros, .release = close_body, .arg = world};

	open_count++;
	if (open_count > open_most)
		open_most = open_count;
	ASSERT_EQ(coax_responder_set_body(responder, &body), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("bodies that are read are few at a time, since they may be open files")
{
	struct exchange exchange;
	struct world world;
	char path[16];

	world_init(&world, NULL);
	world.handler = give_opened;
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "f%u", i);
		begin(&exchange, &world, COAX_GET, path);
		ASSERT_EQ(submit(&exchange), COAX_CONTENT);
	}
	EXPECT_LE(open_most, 65);
	EXPECT_GE(open_count, 60);
	world_end(&world);
	EXPECT_EQ(open_count, 0);
}

TEST_MAIN()
