// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of responses, cut into blocks: RFC 7959 section 2.4. */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "blocks_internal.h"
#include "clock.h"

/* Block2, Size2 and the payload marker. */
#define OPTIONS_ROOM 16

static bool has_payload(const struct coax_message *m)
{
	return m->payload < m->length;
}

/* For a payload, besides the options that have still to come. */
static uint32_t room_in(const struct coax_message *m)
{
	uint32_t capacity = m->capacity < COAX_MESSAGE_MAX ? m->capacity : COAX_MESSAGE_MAX;
	uint32_t used = (has_payload(m) ? m->payload - 1 : m->length) + OPTIONS_ROOM;

	return capacity > used ? capacity - used : 0;
}

/* Read `length` bytes of the body to where the payload goes: it needs no other copy. */
static int read_payload(struct coax_message *m, const struct coax_body *body, uint64_t offset,
			uint32_t length)
{
	uint8_t *to = m->data + m->length + 1;
	uint32_t have = 0;

	while (have < length) {
		ssize_t got = body->read(body->arg, offset + have, to + have, length - have);

		if (got < 0)
			return (int)got;
		if (got == 0 || (size_t)got > length - have)
			return -EIO;
		have += (uint32_t)got;
	}
	if (length) {
		m->data[m->length] = COAX_PAYLOAD_MARKER;
		m->payload = m->length + 1;
		m->length += 1 + length;
	}
	return 0;
}

static int put_payload(struct coax_message *m, const struct coax_body *body, uint64_t offset,
		       uint32_t length)
{
	const uint8_t *data = body->data;

	return data ? coax_message_set_payload(m, data + offset, length)
		    : read_payload(m, body, offset, length);
}

int coax_piece_put(struct coax_responder *responder, const struct coax_piece *piece)
{
	struct coax_message *m = &responder->response;
	uint64_t left = piece->body->length - piece->offset;
	struct coax_block block = {.exponent = piece->exponent};
	uint32_t room = room_in(m);
	uint32_t length;
	int err;

	/* Where options or a long token leave too little room, blocks are smaller. */
	while (block.exponent && coax_block_size(&block) > room && left > room) {
		block.exponent--;
		responder->one_off = true;
	}
	length = left < coax_block_size(&block) ? (uint32_t)left : coax_block_size(&block);
	if (length > room)
		return -EMSGSIZE;
	block.number = (uint32_t)(piece->offset >> (block.exponent + 4));
	block.more = left > length;

	/* A payload in the message is taken from there before anything moves. */
	if (has_payload(m)) {
		err = put_payload(m, piece->body, piece->offset, length);
		if (err)
			return err;
	}
	err = coax_message_add_block(m, COAX_BLOCK2, &block);
	if (!err && piece->with_size)
		err = coax_message_add_uint(m, COAX_SIZE2, (uint32_t)piece->body->length);
	if (!err && !has_payload(m))
		err = put_payload(m, piece->body, piece->offset, length);
	return err;
}

bool coax_piece_wants_size(const struct coax_responder *responder, uint64_t offset)
{
	struct coax_option option;

	return offset == 0 || coax_message_find(&responder->request, COAX_SIZE2, &option);
}

void coax_piece_fail(struct coax_blocks *blocks, struct coax_responder *responder, int err)
{
	char description[COAX_DESCRIPTION_MAX];

	if (coax_log_wants(blocks->logger, COAX_LOG_ERROR))
		coax_log(blocks->logger, COAX_LOG_ERROR,
			 "the body of the response cannot be read or sent: %s: %s", strerror(-err),
			 coax_message_describe(&responder->request, description,
					       sizeof(description)));
	coax_blocks_set_error(responder, COAX_INTERNAL_SERVER_ERROR, "");
}

void coax_piece_refuse(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder)
{
	coax_blocks_warn(blocks, now, responder, "a block that does not exist is asked for");
	coax_blocks_set_error(responder, COAX_BAD_REQUEST, "there is no such block");
}

/* Nothing is kept for who cannot be asked again, nor for a group's many members' clients. */
static bool is_to_be_kept(const struct coax_responder *responder)
{
	return responder->remote.sa.sa_family != AF_UNSPEC &&
	       !coax_address_is_multicast(&responder->local);
}

/* Returns 0 or a negative errno. *kept: the body has been taken over. */
static int cut(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
	       struct coax_piece piece, bool blockwise, bool *kept)
{
	struct coax_message *response = &responder->response;
	struct coax_outgoing *download = NULL;
	struct coax_body body = *piece.body;
	bool hashed;
	int err;

	if (body.length > COAX_BODY_LENGTH_MAX)
		return -EFBIG;
	hashed = coax_etag_add(blocks, responder, &body);
	/* The ETag may be new to its handler, but not to the client. */
	if (coax_message_code(response) == COAX_CONTENT && coax_responder_is_validated(responder)) {
		coax_message_remove(response, COAX_CONTENT_FORMAT);
		coax_message_set_code(response, COAX_VALID);
		return coax_message_set_payload(response, NULL, 0);
	}
	/* A payload has moved now. It is taken from the message all the same when it is kept. */
	if (has_payload(response))
		body.data = coax_message_payload(response, &(size_t){0});
	piece.body = &body;
	if (is_to_be_kept(responder))
		download = coax_outgoing_keep(blocks, now, responder, &body, blockwise);
	if (download) {
		*kept = true;
		if (hashed)
			coax_etag_remember(blocks, responder, download->kept);
		download->offset = piece.offset;
		if (!has_payload(response))
			piece.body = &download->kept->body;
	}
	err = coax_piece_put(responder, &piece);
	if (err && download)
		coax_outgoing_drop(blocks, download);
	if (!err)
		coax_blocks_count(&blocks->stats->blocks_out);
	return err;
}

/* What is one message in any case: errors, and what has no payload. */
static bool is_one_message(uint8_t code, const struct coax_body *body)
{
	if (body->length > COAX_PAYLOAD_MAX)
		return false;
	return COAX_CODE_CLASS(code) != 2 || code == COAX_CONTINUE || code == COAX_VALID ||
	       (body->length == 0 && code != COAX_CONTENT);
}

/* All of the body in this message. */
static int put_whole(struct coax_message *response, const struct coax_body *body)
{
	if (has_payload(response))
		return 0;
	return body->length > room_in(response)
		       ? -EMSGSIZE
		       : put_payload(response, body, 0, (uint32_t)body->length);
}

/* Nobody is in the middle of what was kept for such requests any more. */
static void forget(struct coax_blocks *blocks, const struct coax_responder *responder)
{
	/* A FETCH may be known by its payload too: see coax_outgoing_keep(). */
	int ways = coax_message_code(&responder->request) == COAX_FETCH ? 2 : 1;

	for (int way = 0; way < ways; way++) {
		struct coax_block_key key =
			coax_blocks_key(blocks, responder, true, way == 1, NULL, 0);
		struct coax_outgoing *download = coax_outgoing_find(blocks, &key);

		if (download)
			coax_outgoing_drop(blocks, download);
	}
}

void coax_blocks_forget(struct coax_blocks *blocks, const struct coax_path *path,
			const struct coax_message *request)
{
	forget(blocks, &(struct coax_responder){.request = *request,
						.remote = path->remote,
						.local = path->local,
						.session = path->session});
}

/* Section 2.4: who mentions Block2 is answered with it, and is not in the middle any more. */
static int put_only_block(struct coax_blocks *blocks, struct coax_responder *responder,
			  uint8_t exponent)
{
	const struct coax_block block = {.exponent = exponent};

	forget(blocks, responder);
	coax_blocks_count(&blocks->stats->blocks_out);
	return coax_message_add_block(&responder->response, COAX_BLOCK2, &block);
}

/* Returns 0 or a negative errno. *kept: the body has been taken over. */
static int fit(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
	       const struct coax_body *body, bool blockwise, bool *kept)
{
	struct coax_message *response = &responder->response;
	struct coax_piece piece = {.body = body, .exponent = blocks->exponent};
	struct coax_block asked = {.exponent = blocks->exponent};
	struct coax_option option;
	int result, err;

	if (coax_message_find(response, COAX_BLOCK2, &option) ||
	    is_one_message(coax_message_code(response), body))
		return put_whole(response, body);

	result = coax_message_find_block(&responder->request, COAX_BLOCK2, &asked);
	if (result < 0) {
		coax_blocks_set_error(responder, COAX_BAD_REQUEST,
				      "a Block2 option that cannot be");
		return 0;
	}
	piece.offset = coax_block_offset(&asked);
	if (asked.exponent < piece.exponent)
		piece.exponent = asked.exponent;
	if (piece.offset && piece.offset >= body->length) {
		coax_piece_refuse(blocks, now, responder);
		return 0;
	}
	/* A payload that its handler has put into the message is one that fits. */
	if (!piece.offset && body->length <= 16u << piece.exponent &&
	    ((has_payload(response) && !result) || body->length <= room_in(response))) {
		err = result ? put_only_block(blocks, responder, piece.exponent) : 0;
		return err ? err : put_whole(response, body);
	}
	piece.with_size = coax_piece_wants_size(responder, piece.offset);
	return cut(blocks, now, responder, piece, blockwise, kept);
}

/* What the response carries, as a body; a payload stays where it is. */
static struct coax_body take_body(struct coax_responder *responder)
{
	struct coax_body body = responder->body;
	size_t length;

	if (responder->has_body) {
		responder->has_body = false;
		(void)coax_message_set_payload(&responder->response, NULL, 0);
		return body;
	}
	body = (struct coax_body){.data = coax_message_payload(&responder->response, &length)};
	body.length = length;
	return body;
}

void coax_blocks_cut(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
		     struct coax_gathered *gathered)
{
	struct coax_message *response = &responder->response;
	struct coax_body body = take_body(responder);
	bool blockwise = false, kept = false;
	struct coax_block block1;
	int err;

	if (gathered)
		blockwise =
			coax_incoming_answered(gathered, now, coax_message_code(response), &block1);
	err = fit(blocks, now, responder, &body, blockwise, &kept);
	if (err)
		coax_piece_fail(blocks, responder, err);
	if (!kept && body.release)
		body.release(body.arg);
	if (blockwise)
		(void)coax_message_add_block(response, COAX_BLOCK1, &block1);
}
