// SPDX-License-Identifier: BSD-2-Clause
/* Memory of bodies that is used again: that it is, whose it is meanwhile, and for how long. */
#include "context/blocks_internal.h"
#include "blocks_world.h"

#define BLOCK  1024u
#define BLOCKS 100u

static const char one[] = "192.0.2.1:40000", other[] = "192.0.2.2:40000";

static void put_first(struct world *world, const char *remote, const char *path, uint32_t count)
{
	struct exchange exchange;

	for (uint32_t number = 0; number < count; number++)
		EXPECT_EQ(send_part(&exchange, world, remote, path, number, true, 6, BLOCK),
			  COAX_CONTINUE);
}

static void put_last(struct world *world, const char *remote, const char *path, uint32_t number)
{
	struct exchange exchange;

	EXPECT_EQ(send_part(&exchange, world, remote, path, number, false, 6, BLOCK), COAX_CHANGED);
	ASSERT_EQ(world->body_length, (size_t)(number + 1) * BLOCK);
	for (size_t i = 0; i < world->body_length; i++)
		ASSERT_EQ(world->body[i], pattern(i));
}

static void put_whole(struct world *world, const char *remote, const char *path)
{
	put_first(world, remote, path, BLOCKS - 1);
	put_last(world, remote, path, BLOCKS - 1);
}

/* One with other bytes. */
static void put_unlike(struct world *world, const char *remote, const char *path)
{
	uint8_t payload[BLOCK];
	struct exchange exchange;

	memset(payload, 0xff, sizeof(payload));
	for (uint32_t number = 0; number < BLOCKS; number++) {
		begin_from(&exchange, world, remote, COAX_PUT, path);
		with_block(&exchange, COAX_BLOCK1, number, number + 1 < BLOCKS, 6);
		with_payload(&exchange, payload, sizeof(payload));
		EXPECT_EQ(submit(&exchange), number + 1 < BLOCKS ? COAX_CONTINUE : COAX_CHANGED);
	}
	ASSERT_EQ(world->body_length, (size_t)BLOCKS * BLOCK);
	for (size_t i = 0; i < world->body_length; i++)
		ASSERT_EQ(world->body[i], 0xff);
}

TEST("a body of some length goes on in the memory of one before it, and the first blocks do not")
{
	struct world world;
	uint64_t spare;

	world_init(&world, NULL);
	world.handler = take_in;
	put_unlike(&world, one, "up");
	EXPECT_EQ(world.stats.bodies, 0u);
	spare = world.blocks->spares.bytes;
	EXPECT_GE(spare, BLOCKS * BLOCK);
	put_first(&world, other, "up", 8);
	EXPECT_EQ(world.blocks->spares.bytes, spare);
	EXPECT_LE(world.stats.bodies, 32u * BLOCK);
	put_first(&world, other, "up", BLOCKS - 1);
	EXPECT_EQ(world.blocks->spares.bytes, 0u);
	EXPECT_GE(world.stats.bodies, spare);
	put_last(&world, other, "up", BLOCKS - 1);
	EXPECT_EQ(world.blocks->spares.bytes, spare);
	world_end(&world);
}

TEST("what nobody went on with is not mixed up with what comes into its memory")
{
	struct exchange exchange;
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	put_first(&world, one, "up", BLOCKS);
	put_unlike(&world, other, "up");
	world.now += 247 * NS_PER_SEC;
	coax_blocks_tick(world.blocks, world.now);
	put_whole(&world, other, "up");
	EXPECT_EQ(send_part(&exchange, &world, one, "up", BLOCKS, false, 6, BLOCK),
		  COAX_REQUEST_ENTITY_INCOMPLETE);
	world_end(&world);
}

TEST("memory that nobody wants any more is given back after a second")
{
	struct world world;

	world_init(&world, NULL);
	world.handler = take_in;
	put_first(&world, one, "up", BLOCKS - 1);
	put_whole(&world, other, "up");
	put_last(&world, one, "up", BLOCKS - 1);
	EXPECT_GE(world.blocks->spares.bytes, 2 * BLOCKS * BLOCK);
	/* One at a time is enough from here on. */
	world.now += NS_PER_SEC / 2;
	put_whole(&world, one, "up");
	EXPECT_EQ(coax_blocks_deadline(world.blocks), world.now + NS_PER_SEC / 2);
	world.now += NS_PER_SEC / 2;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_GE(world.blocks->spares.bytes, BLOCKS * BLOCK);
	EXPECT_LT(world.blocks->spares.bytes, 2 * BLOCKS * BLOCK);
	EXPECT_EQ(coax_blocks_deadline(world.blocks), world.now + NS_PER_SEC / 2);
	world.now += NS_PER_SEC / 2;
	coax_blocks_tick(world.blocks, world.now);
	EXPECT_EQ(world.blocks->spares.bytes, 0u);
	EXPECT_EQ(coax_blocks_deadline(world.blocks), UINT64_MAX);
	world_end(&world);
}

TEST("bodies and what is kept of former ones are within one limit")
{
	const struct coax_tuning tuning = {.bodies_max = 1 << 20, .bodies_per_peer = 1000};
	struct exchange exchange;
	struct world world;
	char remote[32], path[16];

	world_init(&world, &tuning);
	world.handler = take_in;
	for (unsigned int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "f%u", i);
		snprintf(remote, sizeof(remote), "10.0.%u.1:%u", i % 5, 1 + i);
		for (uint32_t number = 0; number < i % BLOCKS; number++) {
			send_part(&exchange, &world, remote, path, number, i % 3 || number + 1 < i,
				  6, BLOCK);
			ASSERT_LE(world.stats.bodies + world.blocks->spares.bytes, 1u << 20);
		}
		world.now += NS_PER_MS;
	}
	world_end(&world);
}

TEST("a body gets no more memory than it needs when others may want it")
{
	const struct coax_tuning tuning = {.bodies_max = 1 << 20};
	struct world world;

	world_init(&world, &tuning);
	world.handler = take_in;
	put_first(&world, one, "large", 4 * BLOCKS);
	put_first(&world, other, "up", BLOCKS);
	put_last(&world, other, "up", BLOCKS);
	EXPECT_GE(world.blocks->spares.bytes, BLOCKS * BLOCK);
	put_first(&world, other, "up", 40);
	EXPECT_GE(world.blocks->spares.bytes, BLOCKS * BLOCK);
	world_end(&world);
}

static uint8_t put_announced(struct exchange *exchange, struct world *world, uint32_t size1,
			     uint32_t number, bool more)
{
	uint8_t payload[BLOCK];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = pattern(number * BLOCK + i);
	begin(exchange, world, COAX_PUT, "up");
	with_uint(exchange, COAX_SIZE1, size1);
	with_block(exchange, COAX_BLOCK1, number, more, 6);
	with_payload(exchange, payload, sizeof(payload));
	return submit(exchange);
}

TEST("who says how large a body will be has no more memory, and who says too little has enough")
{
	static const uint32_t announced[] = {BLOCKS * BLOCK, BLOCKS * BLOCK / 3, 1};
	struct exchange exchange;
	struct world world;

	for (size_t i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
		world_init(&world, NULL);
		world.handler = take_in;
		for (uint32_t number = 0; number < BLOCKS - 1; number++)
			EXPECT_EQ(put_announced(&exchange, &world, announced[i], number, true),
				  COAX_CONTINUE);
		if (i == 0)
			EXPECT_LE(world.stats.bodies, BLOCKS * BLOCK + 1024);
		EXPECT_EQ(put_announced(&exchange, &world, announced[i], BLOCKS - 1, false),
			  COAX_CHANGED);
		ASSERT_EQ(world.body_length, (size_t)BLOCKS * BLOCK);
		for (size_t at = 0; at < world.body_length; at++)
			ASSERT_EQ(world.body[at], pattern(at));
		world_end(&world);
	}
}

TEST_MAIN()
