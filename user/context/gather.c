// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of requests: RFC 7959 section 2.5. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "transport/transport.h"
#include "incoming.h"

#define RETRY_S 5 /* when there may be room again */

/* Space in front of the payload, for the header and options that come with the last block. */
#define HEAD_ROOM    128
#define CAPACITY_MIN 2048
/* What a body that may take all the memory leaves for what else is kept of it. */
#define OVERHEAD       8192

#define DIAGNOSTIC_MAX 80

#define CACHE_LINE     64

/* One block as it comes in. */
struct arrival {
	struct coax_blocks *blocks;
	struct coax_responder *responder;
	uint64_t now;
	bool streaming;
	uint64_t limit; /* of the body */
	struct coax_block block;
	const uint8_t *payload;
	size_t length;
	uint32_t size1; /* 0: not told */
	struct coax_block_key key;
};

/*
 * Where the next block goes: bodies of many clients are not in the cache, and copying there would
 * keep all that comes after it waiting.
 */
static void prefetch(const uint8_t *at, size_t room, size_t length)
{
	size_t count = length < room ? length : room;

	for (size_t i = 0; i < count; i += CACHE_LINE)
		__builtin_prefetch(at + i, 1);
}

/* Memory grows with what has come, not with what is announced, which may be less than that, too. */
static bool append(struct coax_gathered *upload, const struct arrival *arrival)
{
	size_t need = upload->head + (size_t)upload->length + arrival->length;
	size_t most = upload->head + (size_t)arrival->limit;
	size_t told = upload->head + (size_t)upload->size_hint;
	size_t capacity = upload->capacity ? 2 * upload->capacity : CAPACITY_MIN;

	if (capacity > most)
		capacity = most;
	if (told >= need && told < capacity)
		capacity = told;
	if (capacity < need)
		capacity = need;
	if (need > upload->capacity && !coax_incoming_resize(upload, arrival->now, capacity) &&
	    !coax_incoming_resize(upload, arrival->now, need))
		return false;
	if (arrival->length)
		memcpy(upload->bytes + need - arrival->length, arrival->payload, arrival->length);
	prefetch(upload->bytes + need, upload->capacity - need, arrival->length);
	return true;
}

/*
 * Answers.
 */

static void refuse(const struct arrival *arrival, uint8_t code, const char *diagnostic)
{
	coax_responder_refuse(arrival->responder, code, diagnostic);
}

/* With the option that says what would do. */
static void refuse_with(const struct arrival *arrival, uint8_t code, uint16_t option,
			uint32_t value, const char *diagnostic)
{
	struct coax_message *response = &arrival->responder->response;

	(void)coax_message_add_uint(response, option, value);
	(void)coax_message_set_payload(response, diagnostic, strlen(diagnostic));
	coax_responder_answer(arrival->responder, code);
}

/* A limit of ours. */
static void refuse_beyond(const struct arrival *arrival, uint8_t code, uint16_t option,
			  uint32_t value, const char *diagnostic)
{
	coax_blocks_count(&arrival->blocks->stats->refused);
	coax_blocks_warn(arrival->blocks, arrival->now, arrival->responder, diagnostic);
	refuse_with(arrival, code, option, value, diagnostic);
}

/* RFC 7959 section 2.9.3. */
static void refuse_large(const struct arrival *arrival)
{
	char diagnostic[DIAGNOSTIC_MAX];

	snprintf(diagnostic, sizeof(diagnostic), "bodies of up to %llu bytes are taken here",
		 (unsigned long long)arrival->limit);
	refuse_beyond(arrival, COAX_REQUEST_ENTITY_TOO_LARGE, COAX_SIZE1, (uint32_t)arrival->limit,
		      diagnostic);
}

static void refuse_for_lack(const struct arrival *arrival)
{
	refuse_beyond(arrival, COAX_SERVICE_UNAVAILABLE, COAX_MAX_AGE, RETRY_S,
		      "no memory for bodies at present");
}

/*
 * RFC 7959 section 2.5, figure 9: the answer to the first block says if smaller ones are preferred,
 * and counts for all others. A client that does not heed it has its own size echoed.
 */
static void answer_continue(const struct arrival *arrival)
{
	struct coax_block block = arrival->block;

	if (block.number == 0 && block.exponent > arrival->blocks->exponent)
		block.exponent = arrival->blocks->exponent;
	(void)coax_message_add_block(&arrival->responder->response, COAX_BLOCK1, &block);
	coax_responder_answer(arrival->responder, COAX_CONTINUE);
}

/*
 * Transfers.
 */

/* Returns NULL when the request has been answered. */
static struct coax_gathered *begin(const struct arrival *arrival)
{
	struct coax_gathered *upload;
	struct coax_option option;
	uint32_t wait;

	switch (coax_incoming_open(arrival->blocks, arrival->now, &arrival->key,
				   &arrival->responder->remote, &upload, &wait)) {
	case 0:
		break;
	case -EBUSY:
		refuse_beyond(arrival, COAX_TOO_MANY_REQUESTS, COAX_MAX_AGE, wait,
			      "too many bodies under way");
		return NULL;
	default:
		refuse_for_lack(arrival);
		return NULL;
	}
	upload->streaming = arrival->streaming;
	upload->blockwise = true;
	upload->head = HEAD_ROOM;
	upload->size_hint = arrival->size1;
	upload->if_none_match =
		coax_message_find(&arrival->responder->request, COAX_IF_NONE_MATCH, &option);
	return upload;
}

static void hand_over(struct coax_gathered *upload, struct coax_gathered **gathered)
{
	coax_incoming_hold(upload);
	*gathered = upload;
}

static void taken(struct coax_gathered *upload, const struct arrival *arrival)
{
	upload->block = arrival->block;
	upload->block_length = (uint32_t)arrival->length;
	upload->length += arrival->length;
	upload->blocks_taken++;
}

/*
 * The header, token and options of the last block's message, without what was about the transfer.
 * Its size was announced by Size1 and is known now. If-None-Match came with the first block alone
 * (RFC 7959 section 2.10).
 */
static int write_head(struct coax_message *head, uint8_t *buffer, size_t size,
		      const struct coax_message *request, bool if_none_match)
{
	struct coax_option option;

	*head = *request;
	if (request->payload < request->length)
		head->length = request->payload - 1;
	head->payload = head->length;
	if (head->length > size)
		return -1;
	memcpy(buffer, request->data, head->length);
	head->data = buffer;
	head->capacity = (uint32_t)size;
	coax_message_remove(head, COAX_BLOCK1);
	coax_message_remove(head, COAX_SIZE1);
	if (if_none_match && !coax_message_find(head, COAX_IF_NONE_MATCH, &option))
		return coax_message_add(head, COAX_IF_NONE_MATCH, NULL, 0);
	return 0;
}

/* Put the head in front of the body: the request is whole. Returns false when there is no room. */
static bool join(struct coax_gathered *upload, const struct arrival *arrival)
{
	struct coax_message *request = &arrival->responder->request;
	uint8_t buffer[COAX_DATAGRAM_IN_MAX];
	struct coax_message head;
	size_t need;

	if (write_head(&head, buffer, sizeof(buffer), request, upload->if_none_match))
		return false;
	need = head.length + 1;
	if (need > upload->head) {
		size_t more = need - upload->head;

		if (!coax_incoming_resize(upload, arrival->now, upload->capacity + more))
			return false;
		memmove(upload->bytes + need, upload->bytes + upload->head, upload->length);
		upload->head = need;
	}
	if (upload->length)
		buffer[head.length++] = COAX_PAYLOAD_MARKER;
	request->data = upload->bytes + upload->head - head.length;
	memcpy(request->data, buffer, head.length);
	request->payload = head.length;
	request->length = head.length + (uint32_t)upload->length;
	request->last_option = head.last_option;
	request->capacity = 0;
	return true;
}

static void set_part(struct coax_gathered *upload, struct coax_responder *responder,
		     uint64_t offset, bool more)
{
	responder->streaming = true;
	responder->part = (struct coax_part){
		.offset = offset,
		.more = more,
		.size_hint = upload->size_hint,
		.transfer = &upload->state,
		.release = &upload->release,
	};
}

/* The block that was due. */
static bool take_block(struct coax_gathered *upload, const struct arrival *arrival,
		       struct coax_gathered **gathered)
{
	if (upload->streaming) {
		set_part(upload, arrival->responder, upload->length, arrival->block.more);
		taken(upload, arrival);
		hand_over(upload, gathered);
		return true;
	}
	if (!append(upload, arrival)) {
		coax_incoming_close(upload);
		refuse_for_lack(arrival);
		return false;
	}
	taken(upload, arrival);
	if (arrival->block.more) {
		coax_incoming_wait(upload, arrival->now);
		answer_continue(arrival);
		return false;
	}
	if (!join(upload, arrival)) {
		coax_incoming_close(upload);
		refuse_for_lack(arrival);
		return false;
	}
	hand_over(upload, gathered);
	coax_incoming_close(upload);
	return true;
}

static bool is_taken_already(const struct coax_gathered *upload, const struct arrival *arrival)
{
	const struct coax_block *last = &upload->block;

	return arrival->block.number == last->number && arrival->block.exponent == last->exponent &&
	       arrival->block.more && arrival->length == upload->block_length &&
	       (upload->streaming ||
		memcmp(upload->bytes + upload->head + upload->length - arrival->length,
		       arrival->payload, arrival->length) == 0);
}

/* A block behind the first. Content-Format is a part of the key: another one finds nothing. */
static bool take_next(struct coax_gathered *upload, const struct arrival *arrival,
		      struct coax_gathered **gathered)
{
	if (!upload || upload->streaming != arrival->streaming) {
		refuse(arrival, COAX_REQUEST_ENTITY_INCOMPLETE,
		       "no blocks before this one are here");
		return false;
	}
	if (upload->held) {
		refuse_with(arrival, COAX_SERVICE_UNAVAILABLE, COAX_MAX_AGE, 1,
			    "the block before this one is being handled");
		return false;
	}
	if (coax_block_offset(&arrival->block) == upload->length)
		return take_block(upload, arrival, gathered);
	/*
	 * Section 2.5 has nothing on a block that comes again as a new message, from a client that
	 * gave up waiting for the answer: it wants to know that it may go on, no more.
	 */
	if (is_taken_already(upload, arrival)) {
		coax_incoming_wait(upload, arrival->now);
		answer_continue(arrival);
		return false;
	}
	/* Section 2.5: the last block ends the transfer, be it complete or not. */
	if (!arrival->block.more)
		coax_incoming_close(upload);
	refuse(arrival, COAX_REQUEST_ENTITY_INCOMPLETE, "blocks are missing before this one");
	return false;
}

/* Section 2.5: the first block begins anew, whatever has come before. */
static bool take_first(struct coax_gathered *upload, const struct arrival *arrival,
		       struct coax_gathered **gathered)
{
	if (upload)
		coax_incoming_close(upload);
	upload = begin(arrival);
	return upload && take_block(upload, arrival, gathered);
}

/* A body in one message is one part. */
static bool take_whole(const struct arrival *arrival, struct coax_gathered **gathered)
{
	struct coax_gathered *upload;

	if (arrival->length > arrival->limit) {
		refuse_large(arrival);
		return false;
	}
	upload = coax_incoming_create(arrival->blocks);
	if (!upload) {
		refuse_for_lack(arrival);
		return false;
	}
	upload->streaming = true;
	upload->size_hint = arrival->size1;
	set_part(upload, arrival->responder, 0, false);
	hand_over(upload, gathered);
	coax_incoming_unreference(upload);
	return true;
}

static uint64_t limit_of(const struct coax_blocks *blocks, bool streaming, uint64_t body_max)
{
	uint64_t bodies_max = blocks->tuning.bodies_max;
	uint64_t limit = body_max;

	if (!limit)
		limit = streaming ? COAX_BODY_LENGTH_MAX : blocks->tuning.body_max;
	bodies_max = bodies_max > 2 * OVERHEAD ? bodies_max - OVERHEAD : bodies_max / 2;
	if (!streaming && limit > bodies_max)
		limit = bodies_max;
	return limit < COAX_BODY_LENGTH_MAX ? limit : COAX_BODY_LENGTH_MAX;
}

static bool take_arrival(struct arrival *arrival, struct coax_gathered **gathered)
{
	const struct coax_block *block = &arrival->block;
	struct coax_gathered *upload;

	coax_blocks_count(&arrival->blocks->stats->blocks_in);
	if (block->more && arrival->length != coax_block_size(block)) {
		coax_blocks_warn(arrival->blocks, arrival->now, arrival->responder,
				 "a block of another size than its option says");
		refuse(arrival, COAX_BAD_REQUEST, "the block is not as long as it says");
		return false;
	}
	arrival->key = coax_blocks_key(arrival->blocks, arrival->responder, true, false, NULL, 0);
	upload = coax_incoming_find(arrival->blocks, &arrival->key);
	if (arrival->size1 > arrival->limit ||
	    coax_block_offset(block) + arrival->length > arrival->limit) {
		if (upload)
			coax_incoming_close(upload);
		refuse_large(arrival);
		return false;
	}
	return block->number ? take_next(upload, arrival, gathered)
			     : take_first(upload, arrival, gathered);
}

bool coax_blocks_gather(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
			bool streaming, uint64_t body_max, struct coax_gathered **gathered)
{
	struct arrival arrival = {
		.blocks = blocks,
		.responder = responder,
		.now = now,
		.streaming = streaming,
		.limit = limit_of(blocks, streaming, body_max),
	};
	int result;

	*gathered = NULL;
	arrival.payload = coax_message_payload(&responder->request, &arrival.length);
	if (!coax_message_find_uint(&responder->request, COAX_SIZE1, &arrival.size1))
		arrival.size1 = 0;
	result = coax_message_find_block(&responder->request, COAX_BLOCK1, &arrival.block);
	if (result < 0) {
		/* Section 2.2. */
		coax_blocks_warn(blocks, now, responder, "a Block1 option that cannot be");
		refuse(&arrival, COAX_BAD_REQUEST, "a Block1 option that cannot be");
		return false;
	}
	return result ? take_arrival(&arrival, gathered) : take_whole(&arrival, gathered);
}

bool coax_incoming_answered(struct coax_gathered *upload, uint64_t now, uint8_t code,
			    struct coax_block *block)
{
	bool more = code == COAX_CONTINUE;

	upload->held = false;
	*block = upload->block;
	/* Section 2.3: the M bit says that the final response is still to come. */
	block->more = more;
	if (more && block->number == 0 && block->exponent > upload->blocks->exponent)
		block->exponent = upload->blocks->exponent;
	if (more && upload->open)
		coax_incoming_wait(upload, now);
	else
		coax_incoming_close(upload);
	return upload->blockwise;
}
