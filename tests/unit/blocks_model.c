// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random transfers of many clients against a simple model: what each client must be answered, and
 * what bytes must arrive.
 */
#include "blocks_world.h"

#define ROUNDS	20000
#define CLIENTS 12
#define LONGEST 5000

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t roll(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % below;
}

/* Lengths around the borders of blocks. */
static size_t roll_length(void)
{
	size_t size = (size_t)16 << roll(7);
	size_t length = size * roll(5) + roll(3);

	return length ? length - 1 : 0;
}

/* What a client does, and what it knows of it. */
struct client {
	char remote[32];
	/* Upload. */
	bool sending;
	size_t sent;
	uint8_t last_exponent;
	size_t last_length;
	/* Download. */
	bool fetching;
	uint8_t *expected;
	size_t length;
};

static uint8_t *sent_body(const struct client *client, size_t length)
{
	uint8_t *bytes = malloc(length + 1);

	ASSERT_TRUE(bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(pattern(i) + client->remote[8]);
	return bytes;
}

/* Send `length` bytes at `offset` as a block. */
static uint8_t send_at(struct exchange *exchange, struct world *world, const struct client *client,
		       size_t offset, size_t length, bool more, uint8_t exponent)
{
	uint8_t *bytes = sent_body(client, offset + length);
	uint8_t code;

	begin_from(exchange, world, client->remote, COAX_PUT, "up");
	with_block(exchange, COAX_BLOCK1, (uint32_t)(offset >> (exponent + 4)), more, exponent);
	with_payload(exchange, bytes + offset, length);
	code = submit(exchange);
	free(bytes);
	return code;
}

/* A size in which the next block can be expressed. */
static uint8_t fitting(size_t offset)
{
	uint8_t exponent = (uint8_t)roll(7);

	while (offset & ((16u << exponent) - 1))
		exponent--;
	return exponent;
}

static void check_body(const struct world *world, const struct client *client, size_t length)
{
	uint8_t *bytes = sent_body(client, length);

	ASSERT_EQ(world->body_length, length);
	ASSERT_MEMEQ(world->body, bytes, length);
	free(bytes);
}

static void upload(struct world *world, struct client *client)
{
	struct exchange exchange;
	uint8_t exponent = fitting(client->sent);
	size_t size = (size_t)16 << exponent;
	int before = world->handled;

	if (!client->sending || roll(40) == 0) {
		/* Begins, or begins anew. */
		exponent = (uint8_t)roll(7);
		size = (size_t)16 << exponent;
		ASSERT_EQ(send_at(&exchange, world, client, 0, size, true, exponent),
			  COAX_CONTINUE);
		client->sending = true;
		client->sent = size;
	} else if (roll(8) == 0) {
		/* What has been taken comes again; the first one begins anew. */
		exponent = client->last_exponent;
		size = client->last_length;
		ASSERT_EQ(send_at(&exchange, world, client, client->sent - size, size, true,
				  exponent),
			  COAX_CONTINUE);
	} else if (roll(10) == 0) {
		/* A gap. */
		ASSERT_EQ(send_at(&exchange, world, client, client->sent + size, size, true,
				  exponent),
			  COAX_REQUEST_ENTITY_INCOMPLETE);
		return;
	} else if (roll(5) == 0 || client->sent > LONGEST) {
		/* The last one, of any length. */
		size = roll((uint32_t)size + 1);
		ASSERT_EQ(send_at(&exchange, world, client, client->sent, size, false, exponent),
			  COAX_CHANGED);
		ASSERT_EQ(world->handled, before + 1);
		check_body(world, client, client->sent + size);
		client->sending = false;
		client->sent = 0;
		return;
	} else {
		ASSERT_EQ(send_at(&exchange, world, client, client->sent, size, true, exponent),
			  COAX_CONTINUE);
		client->sent += size;
	}
	ASSERT_EQ(uint_of(&exchange, COAX_BLOCK1) & 7, exponent);
	ASSERT_EQ(world->handled, before);
	client->last_exponent = exponent;
	client->last_length = size;
}

/* A body that differs each time. */
static void render(struct world *world, struct coax_responder *responder)
{
	size_t length = roll_length();

	if (coax_message_code(coax_responder_request(responder)) == COAX_PUT) {
		take_in(world, responder);
		return;
	}
	world_fill(world, length);
	for (size_t i = 0; i < length && i < 8; i++)
		world->body[i] = (uint8_t)roll(256);
	give(world, responder);
}

static void check_block(const struct exchange *exchange, const struct client *client, size_t offset,
			size_t size)
{
	size_t left = client->length - offset;
	size_t length;
	const uint8_t *payload = payload_of(exchange, &length);

	ASSERT_EQ(length, left < size ? left : size);
	if (length)
		ASSERT_MEMEQ(payload, client->expected + offset, length);
	ASSERT_EQ(!!(uint_of(exchange, COAX_BLOCK2) & 8), left > size);
}

static void download(struct world *world, struct client *client)
{
	uint8_t exponent = (uint8_t)roll(7);
	size_t size = (size_t)16 << exponent;
	struct exchange exchange;
	uint32_t number;

	if (!client->fetching || roll(30) == 0) {
		ASSERT_EQ(get_block_from(&exchange, world, client->remote, 0, exponent),
			  COAX_CONTENT);
		free(client->expected);
		client->length = world->body_length;
		client->expected = malloc(client->length + 1);
		ASSERT_TRUE(client->expected);
		memcpy(client->expected, world->body, client->length);
		/* Only what takes more than one block is kept. */
		client->fetching = client->length > size;
		check_block(&exchange, client, 0, size);
		return;
	}
	/* Any other block, in any size. */
	number = 1 + roll((uint32_t)(client->length / size) + 2);
	if ((size_t)number * size >= client->length) {
		ASSERT_EQ(get_block_from(&exchange, world, client->remote, number, exponent),
			  COAX_BAD_REQUEST);
		return;
	}
	ASSERT_EQ(get_block_from(&exchange, world, client->remote, number, exponent), COAX_CONTENT);
	ASSERT_EQ(uint_of(&exchange, COAX_BLOCK2) & ~8u, block_value(number, false, exponent));
	check_block(&exchange, client, (size_t)number * size, size);
}

TEST("random uploads and downloads of many clients give each what it sent and asked for")
{
	struct client clients[CLIENTS] = {0};
	struct world world;

	world_init(&world, NULL);
	world.handler = render;
	for (int i = 0; i < CLIENTS; i++)
		snprintf(clients[i].remote, sizeof(clients[i].remote), "192.0.2.%d:%d", 1 + i / 3,
			 1000 + i);
	for (int round = 0; round < ROUNDS; round++) {
		struct client *client = &clients[roll(CLIENTS)];

		/* Never as long as to make anything outdated or abandoned. */
		world.now += roll(1000);
		if (roll(2))
			upload(&world, client);
		else
			download(&world, client);
	}
	for (int i = 0; i < CLIENTS; i++)
		free(clients[i].expected);
	EXPECT_GT(world.stats.blocks_in, (uint64_t)ROUNDS / 4);
	EXPECT_GT(world.stats.blocks_out, (uint64_t)ROUNDS / 4);
	world_end(&world);
}

/* Anything at all: the answers are not looked at, but that there is one, and what it costs. */
static void send_anything(struct world *world)
{
	static const uint8_t methods[] = {COAX_GET, COAX_PUT, COAX_POST, COAX_FETCH};
	static uint8_t bytes[1100];
	struct exchange exchange;
	char remote[32];
	uint8_t exponent = (uint8_t)roll(8);

	snprintf(remote, sizeof(remote), "192.0.2.%u:%u", 1 + roll(4), 1 + roll(12));
	begin_from(&exchange, world, remote, methods[roll(4)], roll(2) ? "a" : "b");
	if (roll(3) == 0)
		with_uint(&exchange, COAX_REQUEST_TAG, roll(3));
	if (roll(3))
		with_uint(&exchange, COAX_BLOCK1,
			  (roll(4) ? roll(4) : roll(1 << 20)) << 4 | roll(2) << 3 | exponent);
	if (roll(2))
		with_uint(&exchange, COAX_BLOCK2,
			  (roll(4) ? roll(4) : roll(1 << 20)) << 4 | roll(16));
	if (roll(4) == 0)
		with_uint(&exchange, COAX_SIZE1, roll(100000));
	with_payload(&exchange, bytes, roll(4) ? 16u << (exponent < 7 ? exponent : 6) : roll(1100));
	submit(&exchange);
}

static int states_open;

static void close_state(void *arg)
{
	(void)arg;
	states_open--;
}

static void stream_or_render(struct world *world, struct coax_responder *responder)
{
	const struct coax_part *part = coax_responder_part(responder);

	if (part && !*part->transfer) {
		*part->transfer = world;
		*part->release = close_state;
		states_open++;
	}
	if (part && part->more && roll(10))
		coax_respond(responder, COAX_CONTINUE);
	else
		render(world, responder);
}

TEST("whatever comes, memory stays within its limit and all of it returns")
{
	const struct coax_tuning tuning = {
		.bodies_max = 40000, .body_max = 20000, .bodies_per_peer = 2, .block_size = 256};
	struct world world;

	world_init(&world, &tuning);
	world.handler = stream_or_render;
	for (int round = 0; round < ROUNDS; round++) {
		world.now += roll(2) ? 0 : roll(1000) * NS_PER_MS;
		world.streaming = roll(3) == 0;
		world.body_max = roll(2) ? 0 : roll(4000);
		send_anything(&world);
		ASSERT_LE(world.stats.bodies, 40000u);
		if (coax_blocks_deadline(world.blocks) <= world.now)
			coax_blocks_tick(world.blocks, world.now);
	}
	EXPECT_GT(world.handled, 1000);
	world_end(&world);
	EXPECT_EQ(states_open, 0);
}

TEST_MAIN()
