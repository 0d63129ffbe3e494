// SPDX-License-Identifier: BSD-2-Clause
/* Which bodies of requests are coming in, for how long, and who has to go when there is no room. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/compiler.h>
#include "clock.h"
#include "incoming.h"

#define TABLE_SIZE 65536
#define SPARE_MAX  64

/* Up to this part of all memory, a body may have more of it than it needs. */
#define PLENTY_PART 2

/*
 * A transfer that has been idle for longer than a confirmable message takes to be given up
 * (MAX_TRANSMIT_SPAN) can be taken for abandoned when others want its place.
 */
#define ABANDONED (45 * NS_PER_SEC)

int coax_gathering_create(struct coax_blocks *blocks)
{
	int err;

	CDS_INIT_LIST_HEAD(&blocks->begun);
	CDS_INIT_LIST_HEAD(&blocks->going);
	CDS_INIT_LIST_HEAD(&blocks->held);
	CDS_INIT_LIST_HEAD(&blocks->greedy);
	coax_spares_create(&blocks->spares);
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

struct coax_gathered *coax_incoming_create(struct coax_blocks *blocks)
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
	CDS_INIT_LIST_HEAD(&upload->waiting);
	account(upload, sizeof(*upload));
	return upload;
}

static void destroy(struct coax_gathered *upload)
{
	struct coax_blocks *blocks = upload->blocks;

	if (upload->release)
		upload->release(upload->state);
	if (!blocks) {
		free(upload->bytes);
		free(upload);
		return;
	}
	cds_list_del(&upload->waiting);
	account(upload, -(int64_t)(sizeof(*upload) + upload->capacity));
	coax_spares_put(&blocks->spares, upload->bytes, upload->capacity, upload->used);
	if (blocks->spare_count < SPARE_MAX) {
		upload->spare = blocks->spare;
		blocks->spare = upload;
		blocks->spare_count++;
	} else {
		free(upload);
	}
}

void coax_incoming_unreference(struct coax_gathered *upload)
{
	if (--upload->references == 0)
		destroy(upload);
}

void coax_incoming_close(struct coax_gathered *upload)
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
	coax_incoming_unreference(upload);
}

void coax_gathering_destroy(struct coax_blocks *blocks)
{
	struct coax_gathered *upload;

	if (blocks->begun.next)
		coax_gathering_tick(blocks, UINT64_MAX);
	/* Those that handlers still have are their own masters from here on. */
	while (blocks->held.next && !cds_list_empty(&blocks->held)) {
		upload = cds_list_first_entry(&blocks->held, struct coax_gathered, waiting);
		coax_incoming_close(upload);
		cds_list_del(&upload->waiting);
		upload->blocks = NULL;
	}
	while (blocks->spare) {
		upload = blocks->spare;
		blocks->spare = upload->spare;
		free(upload);
	}
	coax_spares_destroy(&blocks->spares);
	coax_block_table_destroy(&blocks->uploads);
	coax_block_table_destroy(&blocks->holders);
}

/* NULL: none, or `except` alone. */
static struct coax_gathered *longest_waiting(struct cds_list_head *list,
					     const struct coax_gathered *except)
{
	struct cds_list_head *at;

	cds_list_for_each_prev(at, list)
	{
		struct coax_gathered *upload = cds_list_entry(at, struct coax_gathered, waiting);

		if (upload != except)
			return upload;
	}
	return NULL;
}

uint64_t coax_gathering_deadline(struct coax_blocks *blocks)
{
	const struct coax_gathered *begun = longest_waiting(&blocks->begun, NULL);
	const struct coax_gathered *going = longest_waiting(&blocks->going, NULL);
	uint64_t deadline = coax_spares_deadline(&blocks->spares);

	if (begun && begun->used + blocks->timeout < deadline)
		deadline = begun->used + blocks->timeout;
	if (going && going->used + blocks->timeout < deadline)
		deadline = going->used + blocks->timeout;
	return deadline;
}

static void expire(struct coax_blocks *blocks, struct cds_list_head *list, uint64_t now)
{
	struct coax_gathered *upload;

	while ((upload = longest_waiting(list, NULL)) && now >= upload->used + blocks->timeout)
		coax_incoming_close(upload);
}

void coax_gathering_tick(struct coax_blocks *blocks, uint64_t now)
{
	expire(blocks, &blocks->begun, now);
	expire(blocks, &blocks->going, now);
	coax_spares_tick(&blocks->spares, now);
}

void coax_incoming_wait(struct coax_gathered *upload, uint64_t now)
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
static struct coax_gathered *longest_idle_of(struct coax_holder *holder, enum coax_holder_kind kind,
					     const struct coax_gathered *except)
{
	struct cds_list_head *at;

	cds_list_for_each_prev(at, &holder->uploads)
	{
		struct coax_gathered *upload = cds_list_entry(at, struct coax_gathered, by[kind]);

		if (upload != except && !upload->held)
			return upload;
	}
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
	struct cds_list_head *at;

	cds_list_for_each(at, &blocks->greedy)
	{
		victim = longest_idle_of(cds_list_entry(at, struct coax_holder, greedy),
					 COAX_HOLDER_HOST, except);
		if (victim)
			return victim;
	}
	victim = longest_waiting(&blocks->begun, except);
	if (victim)
		return victim;
	victim = longest_waiting(&blocks->going, except);
	return victim && now - victim->used >= ABANDONED ? victim : NULL;
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
		coax_incoming_close(victim);
	}
	return coax_keeping_make_room(blocks, need);
}

/*
 * Memory that is there anyway is taken only when it is not needed elsewhere: it may be much more
 * than what has come.
 */
static bool take_spare(struct coax_gathered *upload, size_t capacity)
{
	struct coax_blocks *blocks = upload->blocks;
	uint64_t plenty = blocks->tuning.bodies_max / PLENTY_PART;
	uint8_t *bytes;
	size_t size;

	if (capacity < COAX_SPARE_MIN || blocks->bytes >= plenty)
		return false;
	bytes = coax_spares_take(&blocks->spares, capacity, plenty - blocks->bytes, &size);
	if (!bytes)
		return false;
	if (upload->bytes)
		memcpy(bytes, upload->bytes, upload->head + (size_t)upload->length);
	coax_spares_put(&blocks->spares, upload->bytes, upload->capacity, upload->used);
	account(upload, (int64_t)(size - upload->capacity));
	upload->bytes = bytes;
	upload->capacity = size;
	return true;
}

bool coax_incoming_resize(struct coax_gathered *upload, uint64_t now, size_t capacity)
{
	size_t more = capacity - upload->capacity;
	uint8_t *bytes;

	if (take_spare(upload, capacity))
		return true;
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

/*
 * Beginning.
 */

/*
 * `endpoint` counts the new one already. When that is one too many, one that the peer seems to have
 * abandoned makes way. Else *wait is when that will be so (RFC 8516).
 */
static bool may_have_one_more(struct coax_blocks *blocks, uint64_t now,
			      struct coax_holder *endpoint, uint32_t *wait)
{
	struct coax_gathered *oldest;
	uint64_t idle = 0;

	if (endpoint->count <= blocks->tuning.bodies_per_peer)
		return true;
	oldest = longest_idle_of(endpoint, COAX_HOLDER_ENDPOINT, NULL);
	if (oldest)
		idle = now - oldest->used;
	if (idle >= ABANDONED) {
		coax_incoming_close(oldest);
		return true;
	}
	*wait = (uint32_t)((ABANDONED - idle + NS_PER_SEC - 1) / NS_PER_SEC);
	return false;
}

static void leave(struct coax_blocks *blocks, struct coax_holder *holder)
{
	if (!holder)
		return;
	holder->count--;
	coax_holder_put(blocks, holder);
}

int coax_incoming_open(struct coax_blocks *blocks, uint64_t now, const struct coax_block_key *key,
		       const union coax_address *remote, struct coax_gathered **result,
		       uint32_t *wait)
{
	struct coax_holder *holders[COAX_HOLDER_KINDS];
	struct coax_gathered *upload = NULL;
	int err = -ENOMEM;

	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
		holders[kind] = coax_holder_get(blocks, (enum coax_holder_kind)kind, remote);
		/* From here on: making room may be the end of its other transfers. */
		if (holders[kind])
			holders[kind]->count++;
	}
	if (!holders[COAX_HOLDER_ENDPOINT] || !holders[COAX_HOLDER_HOST])
		goto out;
	if (!may_have_one_more(blocks, now, holders[COAX_HOLDER_ENDPOINT], wait)) {
		err = -EBUSY;
		goto out;
	}
	if (make_room(blocks, now, sizeof(*upload), NULL))
		upload = coax_incoming_create(blocks);
out:
	if (!upload) {
		for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++)
			leave(blocks, holders[kind]);
		return err;
	}

	for (int kind = 0; kind < COAX_HOLDER_KINDS; kind++) {
		upload->holders[kind] = holders[kind];
		cds_list_add(&upload->by[kind], &holders[kind]->uploads);
	}
	coax_holder_account(blocks, holders[COAX_HOLDER_HOST], sizeof(*upload));
	upload->node.key = *key;
	coax_block_table_add(&blocks->uploads, &upload->node);
	cds_list_add(&upload->waiting, &blocks->begun);
	upload->open = true;
	upload->used = now;
	*result = upload;
	return 0;
}

struct coax_gathered *coax_incoming_find(const struct coax_blocks *blocks,
					 const struct coax_block_key *key)
{
	struct coax_block_node *node = coax_block_table_find(&blocks->uploads, key);

	return node ? caa_container_of(node, struct coax_gathered, node) : NULL;
}

void coax_incoming_hold(struct coax_gathered *upload)
{
	upload->held = true;
	upload->references++;
	cds_list_move(&upload->waiting, &upload->blocks->held);
}

void coax_gathered_put(struct coax_gathered *upload)
{
	if (!upload)
		return;
	if (upload->held && upload->blocks)
		coax_incoming_close(upload);
	coax_incoming_unreference(upload);
}
