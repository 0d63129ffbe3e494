// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of requests: RFC 7959 section 2.5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/compiler.h>
#include <coax/option.h>
#include "blocks_internal.h"
#include "clock.h"
#include "transport/transport.h"

#define TABLE_SIZE 65536
#define SPARE_MAX  64

/*
 * A transfer that has been idle for longer than a confirmable message takes to be given up
 * (MAX_TRANSMIT_SPAN) can be taken for abandoned when others want its place.
 */
#define ABANDONED (45 * NS_PER_SEC)
#define RETRY_S	  5 /* when there may be room again */

/* Space in front of the payload, for the header and options that come with the last block. */
#define HEAD_ROOM    128
#define CAPACITY_MIN 2048
/* What a body that may take all the memory leaves for what else is kept of it. */
#define OVERHEAD       8192

#define DIAGNOSTIC_MAX 80

struct coax_gathered {
	struct coax_block_node node;
	struct coax_blocks *blocks;   /* NULL: they are gone */
	struct coax_gathered *spare;  /* the next one */
	struct cds_list_head waiting; /* while it waits or is held */
	struct cds_list_head by[COAX_HOLDER_KINDS];
	struct coax_holder *holders[COAX_HOLDER_KINDS];
	uint32_t references; /* the table's, and the handler's */
	bool open;	     /* in the table */
	bool held;	     /* the handler has not answered yet */
	bool blockwise;	     /* the request has a Block1 option */
	bool streaming;
	bool if_none_match;
	struct coax_block block; /* taken last, or handled now */
	uint32_t block_length;
	uint32_t blocks_taken;
	uint64_t used;
	uint64_t length; /* of the body so far */
	uint64_t size_hint;
	void *state; /* the handler's */
	void (*release)(void *state);
	uint8_t *bytes; /* `head` of space, then the body */
	size_t head;
	size_t capacity;
};

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

int coax_uploads_create(struct coax_blocks *blocks)
{
	int err;

	CDS_INIT_LIST_HEAD(&blocks->begun);
	CDS_INIT_LIST_HEAD(&blocks->going);
	CDS_INIT_LIST_HEAD(&blocks->held);
	CDS_INIT_LIST_HEAD(&blocks->greedy);
	err = coax_block_table_create(&blocks->uploads, TABLE_SIZE);
	return err ? err : coax_block_table_create(&blocks->holders, TABLE_SIZE);
}

/*
 * Life and death.
 */

static void account(struct coax_gathered *upload, int64_t bytes)
{
	struct coax_blocks *blocks = upload->blocks;

	blocks->upload_bytes += (uint64_t)bytes;
	coax_blocks_account(blocks, bytes);
	if (upload->holders[COAX_HOLDER_HOST])
		coax_holder_account(blocks, upload->holders[COAX_HOLDER_HOST], bytes);
}

static struct coax_gathered *take(struct coax_blocks *blocks)
{
	struct coax_gathered *upload = blocks->spare;

	if (upload) {
		blocks->spare = upload->spare;
		blocks->spare_count--;
	} else {
		upload = malloc(sizeof(*upload));
		if (!upload)
			return NULL;
	}
	memset(upload, 0, sizeof(*upload));
	upload->blocks = blocks;
	upload->references = 1;
	upload->head = HEAD_ROOM;
	account(upload, sizeof(*upload));
	return upload;
}

static void destroy(struct coax_gathered *upload)
{
	struct coax_blocks *blocks = upload->blocks;

	if (upload->release)
		upload->release(upload->state);
	free(upload->bytes);
	if (blocks) {
		cds_list_del(&upload->waiting);
		account(upload, -(int64_t)(sizeof(*upload) + upload->capacity));
	}
	if (blocks && blocks->spare_count < SPARE_MAX) {
		upload->spare = blocks->spare;
		blocks->spare = upload;
		blocks->spare_count++;
	} else {
		free(upload);
	}
}

static void unreference(struct coax_gathered *upload)
{
	if (--upload->references == 0)
		destroy(upload);
}

/* No further blocks are awaited. It stays for as long as a handler has it. */
static void close_upload(struct coax_gathered *upload)
{
	struct coax_blocks *blocks = upload->blocks;
	int64_t bytes = (int64_t)(sizeof(*upload) + upload->capacity);

	if (!upload->open)
		return;
	upload->open = false;
	coax_block_table_remove(&blocks->uploads, &upload->node);
	coax_holder_account(blocks, upload->holders[COAX_HOLDER_HOST], -bytes);
	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
		cds_list_del(&upload->by[kind]);
		upload->holders[kind]->count--;
		coax_holder_put(blocks, upload->holders[kind]);
		upload->holders[kind] = NULL;
	}
	unreference(upload);
}

void coax_uploads_destroy(struct coax_blocks *blocks)
{
	struct coax_gathered *upload, *next;

	if (blocks->begun.next) {
		coax_uploads_tick(blocks, UINT64_MAX);
		/* Those that handlers still have are their own masters from here on. */
		cds_list_for_each_entry_safe (upload, next, &blocks->held, waiting) {
			close_upload(upload);
			upload->blocks = NULL;
		}
	}
	while (blocks->spare) {
		upload = blocks->spare;
		blocks->spare = upload->spare;
		free(upload);
	}
	coax_block_table_destroy(&blocks->uploads);
	coax_block_table_destroy(&blocks->holders);
}

static struct coax_gathered *longest_waiting(struct cds_list_head *list)
{
	return cds_list_empty(list) ? NULL
				    : cds_list_entry(list->prev, struct coax_gathered, waiting);
}

uint64_t coax_uploads_deadline(struct coax_blocks *blocks)
{
	const struct coax_gathered *begun = longest_waiting(&blocks->begun);
	const struct coax_gathered *going = longest_waiting(&blocks->going);
	uint64_t used = UINT64_MAX;

	if (begun)
		used = begun->used;
	if (going && going->used < used)
		used = going->used;
	return used == UINT64_MAX ? UINT64_MAX : used + blocks->timeout;
}

static void expire(struct coax_blocks *blocks, struct cds_list_head *list, uint64_t now)
{
	struct coax_gathered *upload;

	while ((upload = longest_waiting(list)) && now >= upload->used + blocks->timeout)
		close_upload(upload);
}

void coax_uploads_tick(struct coax_blocks *blocks, uint64_t now)
{
	expire(blocks, &blocks->begun, now);
	expire(blocks, &blocks->going, now);
}

/* A block has been taken: it awaits the next one. */
static void wait_for_more(struct coax_gathered *upload, uint64_t now)
{
	struct coax_blocks *blocks = upload->blocks;

	upload->used = now;
	cds_list_move(&upload->waiting, upload->blocks_taken > 1 ? &blocks->going : &blocks->begun);
	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++)
		cds_list_move(&upload->by[kind], &upload->holders[kind]->uploads);
}

/*
 * Room.
 */

/* The one of a holder's that has been idle for longest, but for `except` and what is handled. */
static struct coax_gathered *longest_idle_of(const struct coax_holder *holder,
					     enum coax_holder_kind kind,
					     const struct coax_gathered *except)
{
	struct coax_gathered *upload;

	cds_list_for_each_entry_reverse(upload, &holder->uploads,
					by[kind]) if (upload != except &&
						      !upload->held) return upload;
	return NULL;
}

/*
 * Who has to go when there is no memory left: a transfer of a host that holds more than its share;
 * else one of which no second block has come (from who may not even be there: RFC 7959 section
 * 7.1); else one that is abandoned.
 */
static struct coax_gathered *find_victim(struct coax_blocks *blocks, uint64_t now,
					 const struct coax_gathered *except)
{
	struct coax_gathered *victim;
	struct coax_holder *holder;

	cds_list_for_each_entry (holder, &blocks->greedy, greedy) {
		victim = longest_idle_of(holder, COAX_HOLDER_HOST, except);
		if (victim)
			return victim;
	}
	victim = longest_waiting(&blocks->begun);
	if (victim && victim != except)
		return victim;
	victim = longest_waiting(&blocks->going);
	if (victim && victim != except && now - victim->used >= ABANDONED)
		return victim;
	return NULL;
}

/* Returns whether there is room, or has been made, for `need` bytes more. */
static bool make_room(struct coax_blocks *blocks, uint64_t now, uint64_t need,
		      const struct coax_gathered *except)
{
	struct coax_gathered *victim;

	if (need > blocks->tuning.bodies_max)
		return false;
	while (blocks->upload_bytes + need > blocks->tuning.bodies_max) {
		victim = find_victim(blocks, now, except);
		if (!victim)
			return false;
		close_upload(victim);
	}
	return coax_downloads_make_room(blocks, need);
}

/* Grow to `capacity`, with `head` of space in front. */
static bool resize(struct coax_gathered *upload, uint64_t now, size_t capacity)
{
	size_t more = capacity - upload->capacity;
	uint8_t *bytes;

	if (!make_room(upload->blocks, now, more, upload))
		return false;
	bytes = realloc(upload->bytes, capacity);
	if (!bytes)
		return false;
	upload->bytes = bytes;
	upload->capacity = capacity;
	account(upload, (int64_t)more);
	return true;
}

/* Memory grows with what has come, not with what is announced. */
static bool append(struct coax_gathered *upload, const struct arrival *arrival)
{
	size_t need = upload->head + (size_t)upload->length + arrival->length;
	size_t most = upload->head + (size_t)arrival->limit;
	size_t capacity = upload->capacity ? 2 * upload->capacity : CAPACITY_MIN;

	if (capacity > most)
		capacity = most;
	if (capacity < need)
		capacity = need;
	if (need > upload->capacity && !resize(upload, arrival->now, capacity) &&
	    !resize(upload, arrival->now, need))
		return false;
	if (arrival->length)
		memcpy(upload->bytes + upload->head + upload->length, arrival->payload,
		       arrival->length);
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

/*
 * `endpoint` counts the new one already. When that is one too many, one that the peer seems to have
 * abandoned makes way, or else it is told when that will be so (RFC 8516).
 */
static bool may_begin(const struct arrival *arrival, const struct coax_holder *endpoint)
{
	struct coax_gathered *oldest;
	uint64_t idle = 0;

	if (endpoint->count <= arrival->blocks->tuning.bodies_per_peer)
		return true;
	oldest = longest_idle_of(endpoint, COAX_HOLDER_ENDPOINT, NULL);
	if (oldest)
		idle = arrival->now - oldest->used;
	if (idle >= ABANDONED) {
		close_upload(oldest);
		return true;
	}
	refuse_beyond(arrival, COAX_TOO_MANY_REQUESTS, COAX_MAX_AGE,
		      (uint32_t)((ABANDONED - idle + NS_PER_SEC - 1) / NS_PER_SEC),
		      "too many bodies under way");
	return false;
}

/* Returns NULL when the request has been answered. */
static struct coax_gathered *begin(const struct arrival *arrival)
{
	struct coax_blocks *blocks = arrival->blocks;
	const union coax_address *remote = &arrival->responder->remote;
	struct coax_holder *holders[COAX_HOLDER_KINDS];
	struct coax_gathered *upload = NULL;
	bool refused = false;

	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
		holders[kind] = coax_holder_get(blocks, (enum coax_holder_kind)kind, remote);
		/* A reference: making room for another may be the end of its last transfer. */
		if (holders[kind])
			holders[kind]->count++;
	}
	if (!holders[COAX_HOLDER_ENDPOINT] || !holders[COAX_HOLDER_HOST])
		goto out;
	refused = !may_begin(arrival, holders[COAX_HOLDER_ENDPOINT]);
	if (!refused && make_room(blocks, arrival->now, sizeof(*upload), NULL))
		upload = take(blocks);
out:
	if (!upload) {
		for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
			if (!holders[kind])
				continue;
			holders[kind]->count--;
			coax_holder_put(blocks, holders[kind]);
		}
		if (!refused)
			refuse_for_lack(arrival);
		return NULL;
	}

	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
		upload->holders[kind] = holders[kind];
		cds_list_add(&upload->by[kind], &holders[kind]->uploads);
	}
	coax_holder_account(blocks, holders[COAX_HOLDER_HOST], sizeof(*upload));
	upload->node.key = arrival->key;
	coax_block_table_add(&blocks->uploads, &upload->node);
	cds_list_add(&upload->waiting, &blocks->begun);
	upload->open = true;
	upload->used = arrival->now;
	upload->streaming = arrival->streaming;
	upload->blockwise = true;
	upload->size_hint = arrival->size1;
	return upload;
}

static void hold(struct coax_gathered *upload, struct coax_gathered **gathered)
{
	upload->held = true;
	upload->references++;
	cds_list_move(&upload->waiting, &upload->blocks->held);
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

		if (!resize(upload, arrival->now, upload->capacity + more))
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
		hold(upload, gathered);
		return true;
	}
	if (!append(upload, arrival)) {
		close_upload(upload);
		refuse_for_lack(arrival);
		return false;
	}
	taken(upload, arrival);
	if (arrival->block.more) {
		wait_for_more(upload, arrival->now);
		answer_continue(arrival);
		return false;
	}
	if (!join(upload, arrival)) {
		close_upload(upload);
		refuse_for_lack(arrival);
		return false;
	}
	hold(upload, gathered);
	close_upload(upload);
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
		wait_for_more(upload, arrival->now);
		answer_continue(arrival);
		return false;
	}
	/* Section 2.5: the last block ends the transfer, be it complete or not. */
	if (!arrival->block.more)
		close_upload(upload);
	refuse(arrival, COAX_REQUEST_ENTITY_INCOMPLETE, "blocks are missing before this one");
	return false;
}

/* Section 2.5: the first block begins anew, whatever has come before. */
static bool take_first(struct coax_gathered *upload, const struct arrival *arrival,
		       struct coax_gathered **gathered)
{
	struct coax_option option;

	if (upload)
		close_upload(upload);
	upload = begin(arrival);
	if (!upload)
		return false;
	upload->if_none_match =
		coax_message_find(&arrival->responder->request, COAX_IF_NONE_MATCH, &option);
	return take_block(upload, arrival, gathered);
}

/* A body in one message is one part. */
static bool take_whole(const struct arrival *arrival, struct coax_gathered **gathered)
{
	struct coax_gathered *upload;

	if (arrival->length > arrival->limit) {
		refuse_large(arrival);
		return false;
	}
	upload = take(arrival->blocks);
	if (!upload) {
		refuse_for_lack(arrival);
		return false;
	}
	CDS_INIT_LIST_HEAD(&upload->waiting);
	upload->streaming = true;
	upload->size_hint = arrival->size1;
	set_part(upload, arrival->responder, 0, false);
	hold(upload, gathered);
	unreference(upload);
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
	struct coax_gathered *upload = NULL;
	struct coax_block_node *node;

	coax_blocks_count(&arrival->blocks->stats->blocks_in);
	if (block->more && arrival->length != coax_block_size(block)) {
		coax_blocks_warn(arrival->blocks, arrival->now, arrival->responder,
				 "a block of another size than its option says");
		refuse(arrival, COAX_BAD_REQUEST, "the block is not as long as it says");
		return false;
	}
	arrival->key = coax_blocks_key(arrival->blocks, arrival->responder, true, false, NULL, 0);
	node = coax_block_table_find(&arrival->blocks->uploads, &arrival->key);
	if (node)
		upload = caa_container_of(node, struct coax_gathered, node);
	if (arrival->size1 > arrival->limit ||
	    coax_block_offset(block) + arrival->length > arrival->limit) {
		if (upload)
			close_upload(upload);
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

bool coax_upload_answered(struct coax_gathered *upload, uint64_t now, uint8_t code,
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
		wait_for_more(upload, now);
	else
		close_upload(upload);
	return upload->blockwise;
}

void coax_gathered_put(struct coax_gathered *upload)
{
	if (!upload)
		return;
	if (upload->held && upload->blocks)
		close_upload(upload);
	unreference(upload);
}
