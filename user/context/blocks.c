// SPDX-License-Identifier: BSD-2-Clause
/* Block-wise transfer on the server's side: what uploads and downloads have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "blocks_internal.h"
#include "clock.h"
#include "transport/transport.h"

#define WARNING_INTERVAL NS_PER_SEC
#define EXTRA_MAX	 32

static const uint16_t without[] = {COAX_BLOCK1, COAX_BLOCK2, COAX_IF_NONE_MATCH, COAX_NO_RESPONSE};

static uint8_t *put(uint8_t *at, const void *data, size_t length)
{
	memcpy(at, data, length);
	return at + length;
}

struct coax_block_key coax_blocks_key(const struct coax_blocks *blocks,
				      const struct coax_responder *responder, bool with_endpoints,
				      bool with_payload, const void *extra, size_t extra_length)
{
	uint8_t bytes[2 * COAX_ADDRESS_BYTES_MAX + sizeof(uint64_t) + sizeof(uint32_t) +
		      COAX_DATAGRAM_IN_MAX + sizeof(struct coax_block_key) + EXTRA_MAX];
	const struct coax_message *request = &responder->request;
	struct coax_block_key digest;
	const uint8_t *payload;
	uint8_t *at = bytes;
	uint32_t key_length;
	size_t length;
	int result;

	if (with_endpoints) {
		at += coax_address_bytes(at, &responder->remote);
		at += coax_address_bytes(at, &responder->local);
		at = put(at, &responder->session, sizeof(responder->session));
	}
	/* The options came in one datagram: there is room for them. */
	result = coax_message_cache_key(request, without, sizeof(without) / sizeof(without[0]),
					at + sizeof(key_length), COAX_DATAGRAM_IN_MAX);
	key_length = result > 0 ? (uint32_t)result : 0;
	at = put(at, &key_length, sizeof(key_length)) + key_length;
	payload = coax_message_payload(request, &length);
	if (with_payload && payload && coax_message_code(request) == COAX_FETCH) {
		digest = coax_block_key_make(&blocks->secret, payload, length);
		at = put(at, &digest, sizeof(digest));
	}
	if (extra)
		at = put(at, extra, extra_length < EXTRA_MAX ? extra_length : EXTRA_MAX);
	return coax_block_key_make(&blocks->secret, bytes, (size_t)(at - bytes));
}

void coax_blocks_account(struct coax_blocks *blocks, int64_t bytes)
{
	blocks->bytes += (uint64_t)bytes;
	__atomic_store_n(&blocks->stats->bodies, blocks->bytes, __ATOMIC_RELAXED);
}

void coax_blocks_warn(struct coax_blocks *blocks, uint64_t now,
		      const struct coax_responder *responder, const char *what)
{
	char description[COAX_DESCRIPTION_MAX];
	char address[COAX_ADDRESS_TEXT_MAX];

	if (!coax_log_wants(blocks->logger, COAX_LOG_WARNING) ||
	    (blocks->warned && now - blocks->warned < WARNING_INTERVAL))
		return;
	blocks->warned = now;
	coax_log(blocks->logger, COAX_LOG_WARNING, "%s: %s from %s", what,
		 coax_message_describe(&responder->request, description, sizeof(description)),
		 coax_address_format(&responder->remote, address));
}

void coax_blocks_set_error(struct coax_responder *responder, uint8_t code, const char *diagnostic)
{
	struct coax_message *response = &responder->response;
	size_t rest;

	coax_message_rest(response, &rest);
	response->length -= (uint32_t)rest;
	response->payload = response->length;
	response->last_option = 0;
	coax_message_set_code(response, code);
	/* Without room for it there is none: section 5.5.2 of RFC 7252 asks for it, no more. */
	(void)coax_message_set_payload(response, diagnostic, strlen(diagnostic));
}

static int make_secret(struct coax_blocks *blocks, uint32_t seed)
{
	if (!seed)
		return coax_hash_key_random(&blocks->secret);
	memset(&blocks->secret, 0, sizeof(blocks->secret));
	memcpy(&blocks->secret, &seed, sizeof(seed));
	return 0;
}

int coax_blocks_create(struct coax_blocks **result, const struct coax_blocks_options *options)
{
	struct coax_blocks *blocks = calloc(1, sizeof(*blocks));
	int err;

	if (!blocks)
		return -ENOMEM;
	blocks->tuning = options->tuning;
	blocks->logger = options->logger;
	blocks->stats = options->stats;
	blocks->exponent = coax_block_exponent(options->tuning.block_size);
	blocks->timeout = options->tuning.block_timeout_ms * NS_PER_MS;
	err = make_secret(blocks, options->seed);
	if (!err)
		err = coax_gathering_create(blocks);
	if (!err)
		err = coax_keeping_create(blocks);
	if (err) {
		coax_blocks_destroy(blocks);
		return err;
	}
	*result = blocks;
	return 0;
}

void coax_blocks_accelerate(struct coax_blocks *blocks)
{
	blocks->accelerated = true;
}

void coax_blocks_destroy(struct coax_blocks *blocks)
{
	if (!blocks)
		return;
	coax_keeping_destroy(blocks);
	coax_gathering_destroy(blocks);
	free(blocks);
}

uint64_t coax_blocks_deadline(struct coax_blocks *blocks)
{
	uint64_t uploads = coax_gathering_deadline(blocks);
	uint64_t downloads = coax_keeping_deadline(blocks);

	return uploads < downloads ? uploads : downloads;
}

void coax_blocks_tick(struct coax_blocks *blocks, uint64_t now)
{
	coax_gathering_tick(blocks, now);
	coax_keeping_tick(blocks, now);
}
