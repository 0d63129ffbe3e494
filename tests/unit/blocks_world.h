/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block-wise transfer without a network: requests go the way that a worker takes with them, to a
 * handler of the test's, at a time that the test says.
 */
#ifndef COAX_TESTS_BLOCKS_WORLD_H
#define COAX_TESTS_BLOCKS_WORLD_H

#include <coax/coax.h>
#include "../harness.h"
#include "clock.h"
#include "context/blocks.h"

#define PACKET_MAX 4096

struct world;

/* One request, and its response. */
struct exchange {
	struct coax_responder responder; /* first: see exchange_of() */
	struct world *world;
	struct coax_gathered *gathered;
	int answers;
	bool to_handler;
	struct coax_message draft;
	uint8_t draft_bytes[PACKET_MAX];
	uint8_t response_bytes[COAX_MESSAGE_MAX];
};

struct world {
	struct coax_blocks *blocks;
	struct coax_blocks_options options;
	struct coax_logger logger;
	struct coax_context_stats stats;
	uint64_t now;
	uint16_t id;
	bool streaming;
	uint64_t body_max;
	void (*handler)(struct world *world, struct coax_responder *responder);
	int handled;
	bool put_off; /* the handler answers later: exchange_answer() */
	int lines[COAX_LOG_ERROR + 1];
	/* Of the default handlers. */
	uint8_t *body; /* taken last, or to be given */
	size_t body_length;
	int released;
	char etag[9];
	uint8_t code;
};

static inline void world_log(void *arg, enum coax_log_level level, const char *name,
			     const char *line)
{
	struct world *world = arg;

	(void)name;
	(void)line;
	world->lines[level]++;
}

static inline void world_init(struct world *world, const struct coax_tuning *tuning)
{
	memset(world, 0, sizeof(*world));
	world->now = 1000 * NS_PER_SEC;
	world->logger =
		(struct coax_logger){.write = world_log, .arg = world, .from = COAX_LOG_DEBUG};
	world->options = (struct coax_blocks_options){
		.logger = &world->logger, .stats = &world->stats, .seed = 1};
	if (tuning)
		world->options.tuning = *tuning;
#define DEFAULT(field, value)                                \
	do {                                                 \
		if (!world->options.tuning.field)            \
			world->options.tuning.field = value; \
	} while (0)
	DEFAULT(block_size, 1024);
	DEFAULT(body_max, 1 << 20);
	DEFAULT(bodies_max, 64 << 20);
	DEFAULT(bodies_per_peer, 8);
	DEFAULT(block_timeout_ms, 247000);
#undef DEFAULT
	ASSERT_EQ(coax_blocks_create(&world->blocks, &world->options), 0);
}

/* All memory is back when nobody is in the middle of anything. */
static inline void world_end(struct world *world)
{
	coax_blocks_tick(world->blocks, world->now + 248 * NS_PER_SEC);
	EXPECT_EQ(world->stats.bodies, 0u);
	EXPECT_EQ(coax_blocks_deadline(world->blocks), UINT64_MAX);
	coax_blocks_destroy(world->blocks);
	free(world->body);
}

/* Byte `at` of the test's bodies: no two blocks are alike. */
static inline uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ 0x5a);
}

static inline void world_fill(struct world *world, size_t length)
{
	free(world->body);
	world->body = malloc(length + 1);
	ASSERT_TRUE(world->body);
	world->body_length = length;
	for (size_t i = 0; i < length; i++)
		world->body[i] = pattern(i);
}

/*
 * Requests.
 */

static inline struct exchange *exchange_of(struct coax_responder *responder)
{
	return (struct exchange *)responder;
}

static inline void begin_from(struct exchange *exchange, struct world *world, const char *remote,
			      uint8_t code, const char *path)
{
	struct coax_responder *responder = &exchange->responder;

	memset(exchange, 0, offsetof(struct exchange, draft_bytes));
	exchange->world = world;
	ASSERT_EQ(coax_address_parse(&responder->remote, remote, 0), 0);
	ASSERT_EQ(coax_address_parse(&responder->local, "192.0.2.200:5683", 0), 0);
	world->id++;
	ASSERT_EQ(coax_message_start(&exchange->draft, exchange->draft_bytes, PACKET_MAX,
				     COAX_TYPE_CON, code, world->id, &world->id, 2),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &exchange->draft), 0);
}

static inline void begin(struct exchange *exchange, struct world *world, uint8_t code,
			 const char *path)
{
	begin_from(exchange, world, "192.0.2.1:40000", code, path);
}

static inline void with_uint(struct exchange *exchange, uint16_t number, uint32_t value)
{
	ASSERT_EQ(coax_message_add_uint(&exchange->draft, number, value), 0);
}

static inline void with_block(struct exchange *exchange, uint16_t number, uint32_t block, bool more,
			      uint8_t exponent)
{
	with_uint(exchange, number, block << 4 | (more ? 8 : 0) | exponent);
}

static inline void with_payload(struct exchange *exchange, const void *payload, size_t length)
{
	ASSERT_EQ(coax_message_set_payload(&exchange->draft, payload, length), 0);
}

/*
 * What a worker does with them.
 */

static inline void exchange_respond(struct coax_responder *responder)
{
	struct exchange *exchange = exchange_of(responder);

	exchange->answers++;
	coax_blocks_cut(exchange->world->blocks, exchange->world->now, responder,
			exchange->gathered);
	coax_gathered_put(exchange->gathered);
	exchange->gathered = NULL;
}

static inline bool exchange_gather(struct coax_responder *responder, bool streaming,
				   uint64_t body_max)
{
	struct exchange *exchange = exchange_of(responder);
	struct world *world = exchange->world;

	return coax_blocks_gather(world->blocks, world->now, responder, streaming, body_max,
				  &exchange->gathered);
}

static const struct coax_responder_ops exchange_ops = {
	.respond = exchange_respond,
	.gather = exchange_gather,
};

/* Send it. Returns the response's code; 0.00: none yet. */
static inline uint8_t submit(struct exchange *exchange)
{
	struct coax_responder *responder = &exchange->responder;
	struct world *world = exchange->world;
	struct coax_block block;

	ASSERT_EQ(coax_message_parse(&responder->request, exchange->draft.data,
				     exchange->draft.length),
		  0);
	responder->ops = &exchange_ops;
	responder->logger = &world->logger;
	ASSERT_EQ(coax_message_start(&responder->response, exchange->response_bytes,
				     COAX_MESSAGE_MAX, COAX_TYPE_ACK, COAX_EMPTY, world->id,
				     coax_message_token(&responder->request),
				     coax_message_token_length(&responder->request)),
		  0);
	if (!coax_blocks_continue(world->blocks, world->now, responder)) {
		responder->streaming = world->streaming;
		if ((!world->streaming &&
		     !coax_message_find_block(&responder->request, COAX_BLOCK1, &block)) ||
		    exchange_gather(responder, world->streaming, world->body_max)) {
			world->handled++;
			exchange->to_handler = true;
			if (!world->put_off)
				world->handler(world, responder);
		}
		EXPECT_EQ(exchange->answers, world->put_off && exchange->to_handler ? 0 : 1);
	}
	return coax_message_code(&responder->response);
}

/* A handler that was put off runs now. */
static inline uint8_t answer_later(struct exchange *exchange)
{
	exchange->world->handler(exchange->world, &exchange->responder);
	EXPECT_EQ(exchange->answers, 1);
	return coax_message_code(&exchange->responder.response);
}

/*
 * Responses.
 */

static inline bool has_option(const struct exchange *exchange, uint16_t number)
{
	struct coax_option option;

	return coax_message_find(&exchange->responder.response, number, &option);
}

/* UINT32_MAX: there is none. */
static inline uint32_t uint_of(const struct exchange *exchange, uint16_t number)
{
	uint32_t value;

	return coax_message_find_uint(&exchange->responder.response, number, &value) ? value
										     : UINT32_MAX;
}

/* A block option's value. */
static inline uint32_t block_value(uint32_t number, bool more, uint8_t exponent)
{
	return number << 4 | (more ? 8 : 0) | exponent;
}

static inline const uint8_t *payload_of(const struct exchange *exchange, size_t *length)
{
	return coax_message_payload(&exchange->responder.response, length);
}

static inline size_t payload_length(const struct exchange *exchange)
{
	size_t length;

	payload_of(exchange, &length);
	return length;
}

/* Whether the payload is that part of the test's body. */
static inline bool is_part_of_body(const struct exchange *exchange, uint64_t offset)
{
	size_t length;
	const uint8_t *payload = payload_of(exchange, &length);

	for (size_t i = 0; i < length; i++)
		if (payload[i] != pattern(offset + i))
			return false;
	return true;
}

/*
 * Handlers.
 */

/* Keeps what it got as the world's body. */
static inline void take_in(struct world *world, struct coax_responder *responder)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	free(world->body);
	world->body = malloc(length + 1);
	ASSERT_TRUE(world->body);
	if (length)
		memcpy(world->body, payload, length);
	world->body_length = length;
	coax_respond(responder, world->code ? world->code : COAX_CHANGED);
}

static inline void add_etag(struct world *world, struct coax_responder *responder)
{
	if (world->etag[0])
		ASSERT_EQ(coax_message_add_string(coax_responder_response(responder), COAX_ETAG,
						  world->etag),
			  0);
}

/* Gives a copy of the world's body. */
static inline void give(struct world *world, struct coax_responder *responder)
{
	add_etag(world, responder);
	ASSERT_EQ(coax_responder_set_payload(responder, world->body, world->body_length), 0);
	coax_respond(responder, world->code ? world->code : COAX_CONTENT);
}

/* A world with a body of `length` bytes, which it gives. */
static inline void world_giving(struct world *world, const struct coax_tuning *tuning,
				size_t length)
{
	world_init(world, tuning);
	world_fill(world, length);
	world->handler = give;
}

/* Sends a block of the pattern as part of an upload. Returns the response's code. */
static inline uint8_t send_part(struct exchange *exchange, struct world *world, const char *remote,
				const char *path, uint32_t number, bool more, uint8_t exponent,
				size_t length)
{
	uint64_t offset = (uint64_t)number << (exponent + 4);
	uint8_t payload[2048];

	for (size_t i = 0; i < length; i++)
		payload[i] = pattern(offset + i);
	begin_from(exchange, world, remote, COAX_PUT, path);
	with_block(exchange, COAX_BLOCK1, number, more, exponent);
	with_payload(exchange, payload, length);
	return submit(exchange);
}

static inline uint8_t put_block(struct exchange *exchange, struct world *world, uint32_t number,
				bool more, uint8_t exponent)
{
	return send_part(exchange, world, "192.0.2.1:40000", "up", number, more, exponent,
			 16u << exponent);
}

/* Asks for a block. Returns the response's code. */
static inline uint8_t get_block_from(struct exchange *exchange, struct world *world,
				     const char *remote, uint32_t number, uint8_t exponent)
{
	begin_from(exchange, world, remote, COAX_GET, "down");
	with_block(exchange, COAX_BLOCK2, number, false, exponent);
	return submit(exchange);
}

static inline uint8_t get_block(struct exchange *exchange, struct world *world, uint32_t number,
				uint8_t exponent)
{
	return get_block_from(exchange, world, "192.0.2.1:40000", number, exponent);
}

#endif
