// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "clock.h"
#include "duplicates.h"
#include "hash.h"
#include "memory.h"

/* Replies are kept in this much memory for each message that can be remembered. */
#define REPLY_BYTES_EACH 128

/*
 * Few safe requests are remembered: it only saves work, if that, and records that are used again
 * soon stay in the CPU's caches.
 */
#define SAFE_MAX 16384

/* Who wants so many remembered has memory for huge pages. */
#define MANY (1U << 20)

/* Of each queue, how many that have expired are cleared away for one that comes in. */
#define EXPIRE_BATCH 4

static const uint64_t lifetimes[2] = {
	COAX_NON_LIFETIME_MS * NS_PER_MS,
	COAX_EXCHANGE_LIFETIME_MS *NS_PER_MS,
};

int coax_duplicates_create(struct coax_duplicates *duplicates, uint32_t max)
{
	size_t records = ((size_t)max + 1) * sizeof(*duplicates->seen);
	size_t buckets = coax_hash_buckets(max) * sizeof(*duplicates->buckets);
	int err;

	memset(duplicates, 0, sizeof(*duplicates));
	duplicates->max = max;
	duplicates->bucket_count = coax_hash_buckets(max);
	duplicates->limit[COAX_SEEN_SAFE] = max / 2 < SAFE_MAX ? max / 2 : SAFE_MAX;
	duplicates->limit[COAX_SEEN_IDEMPOTENT] = max;
	/* What cannot be evicted leaves some room for what can. */
	duplicates->limit[COAX_SEEN_ONCE] = max - max / 8 - 1;

	err = coax_memory_map((void **)&duplicates->seen, records);
	if (!err)
		err = coax_memory_map((void **)&duplicates->buckets, buckets);
	if (!err && max >= MANY) {
		coax_memory_is_scattered(duplicates->seen, records);
		coax_memory_is_scattered(duplicates->buckets, buckets);
	}
	if (!err)
		err = coax_replies_create(&duplicates->replies, (size_t)max * REPLY_BYTES_EACH);
	return err;
}

void coax_duplicates_destroy(struct coax_duplicates *duplicates)
{
	coax_replies_destroy(&duplicates->replies);
	coax_memory_unmap(duplicates->buckets,
			  duplicates->bucket_count * sizeof(*duplicates->buckets));
	coax_memory_unmap(duplicates->seen,
			  ((size_t)duplicates->max + 1) * sizeof(*duplicates->seen));
}

static uint32_t index_of(const struct coax_duplicates *duplicates, const struct coax_seen *seen)
{
	return (uint32_t)(seen - duplicates->seen);
}

static uint32_t *bucket_of(const struct coax_duplicates *duplicates, uint64_t name)
{
	return &duplicates->buckets[name & (duplicates->bucket_count - 1)];
}

static void take_name(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	uint32_t *at = bucket_of(duplicates, seen->name);
	uint32_t index = index_of(duplicates, seen);

	if (!seen->named)
		return;
	while (*at != index)
		at = &duplicates->seen[*at].next;
	*at = seen->next;
	seen->named = false;
}

static struct coax_seen_queue *queue_of(struct coax_duplicates *duplicates,
					const struct coax_seen *seen)
{
	return &duplicates->answered[seen->class][seen->confirmable];
}

static void enqueue(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	struct coax_seen_queue *queue = queue_of(duplicates, seen);
	uint32_t index = index_of(duplicates, seen);

	seen->newer = 0;
	seen->older = queue->newest;
	if (queue->newest)
		duplicates->seen[queue->newest].newer = index;
	else
		queue->oldest = index;
	queue->newest = index;
}

static void dequeue(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	struct coax_seen_queue *queue = queue_of(duplicates, seen);

	if (seen->older)
		duplicates->seen[seen->older].newer = seen->newer;
	else
		queue->oldest = seen->newer;
	if (seen->newer)
		duplicates->seen[seen->newer].older = seen->older;
	else
		queue->newest = seen->older;
}

static void drop_reply(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	if (seen->reply_length > COAX_SEEN_INLINE)
		coax_replies_drop(&duplicates->replies, seen->stored);
	seen->reply_length = 0;
}

/* Of one that is in no queue. */
static void release(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	take_name(duplicates, seen);
	duplicates->count[seen->class]--;
	seen->state = COAX_SEEN_NOT;
	seen->next = duplicates->first_free;
	duplicates->first_free = index_of(duplicates, seen);
}

static void drop_answered(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	dequeue(duplicates, seen);
	drop_reply(duplicates, seen);
	release(duplicates, seen);
}

static struct coax_seen *oldest(const struct coax_duplicates *duplicates,
				enum coax_seen_class class)
{
	uint32_t found = 0;
	uint64_t age, answered = UINT64_MAX;

	for (int confirmable = 0; confirmable < 2; confirmable++) {
		uint32_t index = duplicates->answered[class][confirmable].oldest;

		if (!index)
			continue;
		age = duplicates->seen[index].expires - lifetimes[confirmable];
		if (age < answered) {
			answered = age;
			found = index;
		}
	}
	return found ? &duplicates->seen[found] : NULL;
}

static void expire(struct coax_duplicates *duplicates, uint64_t now)
{
	for (int class = 0; class < COAX_SEEN_CLASSES; class ++) {
		for (int confirmable = 0; confirmable < 2; confirmable++) {
			struct coax_seen_queue *queue = &duplicates->answered[class][confirmable];

			for (int i = 0; i < EXPIRE_BATCH && queue->oldest; i++) {
				struct coax_seen *seen = &duplicates->seen[queue->oldest];

				if (seen->expires > now)
					break;
				drop_answered(duplicates, seen);
			}
		}
	}
}

static bool evict(struct coax_duplicates *duplicates, enum coax_seen_class class)
{
	struct coax_seen *seen = oldest(duplicates, class);
	const struct coax_seen *next;

	if (!seen)
		return false;
	next = &duplicates->seen[seen->newer];
	drop_answered(duplicates, seen);
	/* Their turn comes with the next requests. */
	coax_duplicates_prefetch(duplicates, next->name);
	__builtin_prefetch(&duplicates->seen[next->newer]);
	return true;
}

static bool make_room(struct coax_duplicates *duplicates, enum coax_seen_class class)
{
	if (duplicates->count[class] >= duplicates->limit[class]) {
		if (class == COAX_SEEN_ONCE)
			return false;
		evict(duplicates, class);
	}
	if (duplicates->first_free || duplicates->touched < duplicates->max)
		return true;
	return evict(duplicates, COAX_SEEN_SAFE) || evict(duplicates, COAX_SEEN_IDEMPOTENT);
}

static uint32_t take_free(struct coax_duplicates *duplicates)
{
	uint32_t index = duplicates->first_free;

	if (!index)
		return ++duplicates->touched;
	duplicates->first_free = duplicates->seen[index].next;
	return index;
}

struct coax_seen *coax_duplicates_find(struct coax_duplicates *duplicates, uint64_t name,
				       uint64_t now)
{
	struct coax_seen *seen;

	for (uint32_t index = *bucket_of(duplicates, name); index; index = seen->next) {
		seen = &duplicates->seen[index];
		if (seen->name != name)
			continue;
		if (seen->state != COAX_SEEN_ANSWERED || seen->expires > now)
			return seen;
		drop_answered(duplicates, seen);
		return NULL;
	}
	return NULL;
}

struct coax_seen *coax_duplicates_add(struct coax_duplicates *duplicates, uint64_t name,
				      uint64_t bytes, enum coax_seen_class class, uint64_t now)
{
	uint32_t *bucket = bucket_of(duplicates, name);
	struct coax_seen *seen;
	uint32_t index;

	expire(duplicates, now);
	if (!make_room(duplicates, class))
		return NULL;

	index = take_free(duplicates);
	seen = &duplicates->seen[index];
	seen->name = name;
	seen->bytes = bytes;
	seen->next = *bucket;
	*bucket = index;
	seen->named = true;
	seen->serial = ++duplicates->serial;
	seen->class = class;
	seen->state = COAX_SEEN_OPEN;
	seen->acknowledged = false;
	seen->told = false;
	seen->reply_length = 0;
	duplicates->count[class]++;
	return seen;
}

void coax_duplicates_reopen(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	dequeue(duplicates, seen);
	drop_reply(duplicates, seen);
	seen->state = COAX_SEEN_OPEN;
	seen->serial = ++duplicates->serial;
}

void coax_duplicates_relax(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	if (seen->class != COAX_SEEN_ONCE)
		return;
	if (duplicates->count[COAX_SEEN_IDEMPOTENT] >= duplicates->limit[COAX_SEEN_IDEMPOTENT])
		evict(duplicates, COAX_SEEN_IDEMPOTENT);
	duplicates->count[COAX_SEEN_ONCE]--;
	duplicates->count[COAX_SEEN_IDEMPOTENT]++;
	seen->class = COAX_SEEN_IDEMPOTENT;
}

static void keep_reply(struct coax_duplicates *duplicates, struct coax_seen *seen,
		       const uint8_t *reply, size_t length)
{
	if (length <= COAX_SEEN_INLINE) {
		memcpy(seen->reply, reply, length);
	} else {
		seen->stored = coax_replies_put(&duplicates->replies, reply, length);
		if (!seen->stored)
			return;
	}
	seen->reply_length = (uint16_t)length;
}

void coax_duplicates_answer(struct coax_duplicates *duplicates, struct coax_seen *seen,
			    const uint8_t *reply, size_t length, uint64_t now)
{
	if (!seen->named) {
		release(duplicates, seen);
		return;
	}
	if (reply)
		keep_reply(duplicates, seen, reply, length);
	seen->state = COAX_SEEN_ANSWERED;
	seen->expires = now + lifetimes[seen->confirmable];
	enqueue(duplicates, seen);
}

const uint8_t *coax_duplicates_reply(const struct coax_duplicates *duplicates,
				     const struct coax_seen *seen)
{
	if (!seen->reply_length)
		return NULL;
	if (seen->reply_length <= COAX_SEEN_INLINE)
		return seen->reply;
	return coax_replies_get(&duplicates->replies, seen->stored);
}

void coax_duplicates_forget(struct coax_duplicates *duplicates, struct coax_seen *seen)
{
	if (seen->state == COAX_SEEN_ANSWERED)
		drop_answered(duplicates, seen);
	else
		take_name(duplicates, seen);
}

struct coax_ticket coax_duplicates_ticket(const struct coax_duplicates *duplicates,
					  const struct coax_seen *seen)
{
	return (struct coax_ticket){index_of(duplicates, seen), seen->serial};
}

struct coax_seen *coax_duplicates_by_ticket(const struct coax_duplicates *duplicates,
					    struct coax_ticket ticket)
{
	struct coax_seen *seen;

	if (!ticket.index || ticket.index > duplicates->touched)
		return NULL;
	seen = &duplicates->seen[ticket.index];
	if (seen->serial != ticket.serial)
		return NULL;
	return seen->state == COAX_SEEN_OPEN || seen->state == COAX_SEEN_HELD ? seen : NULL;
}

uint64_t coax_duplicates_wait(const struct coax_duplicates *duplicates, uint64_t now)
{
	uint64_t soonest = UINT64_MAX;

	for (int confirmable = 0; confirmable < 2; confirmable++) {
		uint32_t index = duplicates->answered[COAX_SEEN_ONCE][confirmable].oldest;

		if (index && duplicates->seen[index].expires < soonest)
			soonest = duplicates->seen[index].expires;
	}
	return soonest > now && soonest != UINT64_MAX ? soonest - now : 0;
}
