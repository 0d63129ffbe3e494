// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who owns which slot. Requests are told apart by a keyed hash of 64 bits: should two ever share
 * one, the program, which compares all bytes, only misses.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <coax/uri.h>
#include "accel/internal.h"

/* What one publisher does at most to find a slot: looks for withdrawn ones, steps of the clock. */
#define SEEK_STEPS  32
#define CLOCK_STEPS 128

/* A key of 64 bytes whose every byte is percent-encoded. */
#define URI_TEXT_MAX (3 * COAX_KEY_MAX + 16)

struct key {
	uint64_t hash;
	uint8_t code;
	const uint8_t *bytes;
	size_t length;
};

int accel_publisher_init(struct coax_accel *accel)
{
	struct accel_publisher *p = &accel->publisher;
	uint32_t buckets = coax_hash_buckets(accel->slot_count);
	uint32_t marks = buckets * 2;
	int err;

	pthread_mutex_init(&p->lock, NULL);
	CDS_INIT_LIST_HEAD(&p->free);
	err = coax_hash_key_random(&p->key);
	if (err)
		return err;
	p->pairs = calloc(accel->slot_count, sizeof(*p->pairs));
	p->buckets = calloc(buckets, sizeof(*p->buckets));
	p->filter = calloc(marks, sizeof(*p->filter));
	if (!p->pairs || !p->buckets || !p->filter)
		return -ENOMEM;
	p->bucket_mask = buckets - 1;
	p->filter_mask = marks - 1;
	p->count = accel->slot_count;
	for (uint32_t i = 0; i < p->count; i++) {
		p->pairs[i].accel = accel;
		p->pairs[i].slot = &accel->slots[i];
		cds_list_add_tail(&p->pairs[i].node, &p->free);
	}
	return 0;
}

/* The filter: a mark says that its request is published under a subject's generation. */

static uint64_t filter_mark(const struct coax_subject *subject, uint64_t generation, uint64_t hash)
{
	uint64_t mark = hash ^ subject->id * 0x9e3779b97f4a7c15 ^ generation * 0xd6e8feb86659fd93;

	return mark ? mark : 1;
}

static uint64_t *filter_at(struct accel_publisher *p, uint64_t hash)
{
	return &p->filter[hash >> 32 & p->filter_mask];
}

/* The index. */

static struct accel_pair *index_find(struct accel_publisher *p, uint64_t hash)
{
	uint32_t number = p->buckets[hash & p->bucket_mask];

	while (number && p->pairs[number - 1].hash != hash)
		number = p->pairs[number - 1].next;
	return number ? &p->pairs[number - 1] : NULL;
}

static void index_key(struct coax_index_key *entry, uint8_t code, const uint8_t *bytes,
		      size_t length)
{
	memset(entry, 0, sizeof(*entry));
	entry->service = ACCEL_SERVICE;
	entry->code = code;
	entry->length = (uint16_t)length;
	memcpy(entry->request, bytes, length);
}

static int index_add(struct accel_pair *pair, const struct coax_message *request,
		     const struct key *key)
{
	struct coax_index_value value = {.slot = (uint32_t)(pair->slot - pair->accel->slots)};
	struct coax_index_key entry;
	struct accel_publisher *p = &pair->accel->publisher;
	char uri[URI_TEXT_MAX];
	char name[8];
	uint32_t *bucket;
	int err;

	index_key(&entry, key->code, key->bytes, key->length);
	snprintf(value.method, sizeof(value.method), "%s", coax_code_name(key->code, name));
	if (coax_uri_compose_path(request, uri, sizeof(uri)) >= 0)
		snprintf(value.uri, sizeof(value.uri), "%.*s", (int)sizeof(value.uri) - 1, uri);
	err = bpf_map_update_elem(pair->accel->index_fd, &entry, &value, BPF_ANY);
	if (err)
		return err;

	pair->hash = key->hash;
	bucket = &p->buckets[pair->hash & p->bucket_mask];
	pair->next = *bucket;
	*bucket = (uint32_t)(pair - p->pairs) + 1;
	return 0;
}

static void index_remove(struct accel_pair *pair)
{
	struct accel_publisher *p = &pair->accel->publisher;
	uint32_t number = (uint32_t)(pair - p->pairs) + 1;
	uint32_t *at = &p->buckets[pair->hash & p->bucket_mask];
	const struct coax_slot *slot = pair->slot;
	struct coax_index_key entry;

	while (*at != number)
		at = &p->pairs[*at - 1].next;
	*at = pair->next;
	index_key(&entry, slot->key_code, slot->key, slot->key_length);
	bpf_map_delete_elem(pair->accel->index_fd, &entry);
}

/* Pairs. */

static void release_locked(struct accel_pair *pair)
{
	struct accel_publisher *p = &pair->accel->publisher;

	if (!accel_slot_is_withdrawn(pair->slot))
		accel_slot_withdraw(pair->slot);
	__atomic_store_n(filter_at(p, pair->hash), 0, __ATOMIC_RELAXED);
	index_remove(pair);
	cds_list_del(&pair->node);
	pair->owner = NULL;
	cds_list_add_tail(&pair->node, &p->free);
}

void accel_pair_release(struct accel_pair *pair)
{
	struct accel_publisher *p = &pair->accel->publisher;

	pthread_mutex_lock(&p->lock);
	release_locked(pair);
	pthread_mutex_unlock(&p->lock);
}

/*
 * The same under the keeper's lock, without the owner's unless that is `held`. An owner cannot
 * be freed while it has a pair: for that it needs the keeper's lock.
 */
static bool release_unordered(struct accel_pair *pair, const struct coax_subject *held)
{
	struct coax_subject *owner = pair->owner;

	if (owner != held && pthread_mutex_trylock(&owner->lock) != 0)
		return false;
	release_locked(pair);
	if (owner != held)
		pthread_mutex_unlock(&owner->lock);
	return true;
}

static struct accel_pair *step(struct accel_publisher *p, uint32_t *hand)
{
	struct accel_pair *pair = &p->pairs[*hand];

	*hand = (*hand + 1) % p->count;
	return pair;
}

/*
 * Withdrawn pairs first. Then a clock: those that the program used since the hand last passed get
 * another round.
 */
static bool evict(struct accel_publisher *p, const struct coax_subject *held)
{
	for (int i = 0; i < SEEK_STEPS; i++) {
		struct accel_pair *pair = step(p, &p->seek);

		if (pair->owner && accel_slot_is_withdrawn(pair->slot) &&
		    release_unordered(pair, held))
			return true;
	}
	for (int i = 0; i < CLOCK_STEPS; i++) {
		struct accel_pair *pair = step(p, &p->hand);

		if (!pair->owner || __atomic_exchange_n(&pair->slot->used, 0, __ATOMIC_RELAXED))
			continue;
		if (release_unordered(pair, held))
			return true;
	}
	return false;
}

static struct accel_pair *take(struct coax_accel *accel, struct coax_subject *subject,
			       const struct coax_message *request, const struct key *key)
{
	struct accel_publisher *p = &accel->publisher;
	struct accel_pair *pair;
	int err;

	if (cds_list_empty(&p->free) && !evict(p, subject))
		return NULL;
	pair = cds_list_first_entry(&p->free, struct accel_pair, node);
	err = index_add(pair, request, key);
	if (err) {
		coax_log(&accel->logger, COAX_LOG_ERROR, "the index takes no entry: %s",
			 strerror(-err));
		return NULL;
	}
	cds_list_del(&pair->node);
	pair->owner = subject;
	__atomic_store_n(&pair->slot->used, 0, __ATOMIC_RELAXED);
	cds_list_add(&pair->node, &subject->withdrawn);
	return pair;
}

/* The subject's pair for this request. The caller holds the subject's lock. */
static struct accel_pair *obtain(struct coax_accel *accel, struct coax_subject *subject,
				 const struct coax_message *request, const struct key *key)
{
	struct accel_publisher *p = &accel->publisher;
	struct accel_pair *pair;

	pthread_mutex_lock(&p->lock);
	pair = index_find(p, key->hash);
	if (!pair || (pair->owner != subject && release_unordered(pair, subject)))
		pair = take(accel, subject, request, key);
	else if (pair->owner != subject)
		pair = NULL;
	pthread_mutex_unlock(&p->lock);
	return pair;
}

static uint64_t hash_request(const struct accel_publisher *p, uint8_t code, const uint8_t *bytes,
			     size_t length)
{
	uint8_t input[1 + COAX_KEY_MAX];

	input[0] = code;
	memcpy(input + 1, bytes, length);
	return coax_hash(&p->key, input, 1 + length);
}

bool coax_accel_publish(struct coax_accel *accel, struct coax_subject *subject, uint64_t generation,
			const struct coax_message *request, const struct coax_message *response)
{
	struct accel_publisher *p = &accel->publisher;
	struct key key = {.code = coax_message_code(request)};
	const uint8_t *reply;
	size_t reply_length;
	struct accel_pair *pair;
	bool published = false;
	uint64_t mark;

	key.bytes = coax_message_rest(request, &key.length);
	reply = coax_message_rest(response, &reply_length);
	if (key.length > COAX_KEY_MAX || reply_length > COAX_REPLY_MAX)
		return false;
	key.hash = hash_request(p, key.code, key.bytes, key.length);
	mark = filter_mark(subject, generation, key.hash);
	if (__atomic_load_n(filter_at(p, key.hash), __ATOMIC_RELAXED) == mark)
		return false;

	pthread_mutex_lock(&subject->lock);
	if (subject->dead || subject->generation != generation)
		goto out;
	pair = obtain(accel, subject, request, &key);
	if (!pair)
		goto out;
	if (accel_slot_is_withdrawn(pair->slot)) {
		accel_slot_write(pair->slot, key.code, key.bytes, key.length,
				 coax_message_code(response), reply, reply_length);
		cds_list_move(&pair->node, &subject->published);
		published = true;
	}
	__atomic_store_n(filter_at(p, key.hash), mark, __ATOMIC_RELAXED);
out:
	pthread_mutex_unlock(&subject->lock);
	return published;
}

/* Whether a pair that somebody has answers requests for the path. Under the keeper's lock. */
static bool is_for(const struct accel_pair *pair, const char *path)
{
	uint8_t bytes[COAX_HEADER_SIZE + COAX_KEY_MAX];
	const struct coax_slot *slot = pair->slot;
	struct coax_message request;
	char uri[URI_TEXT_MAX];

	if (!path)
		return true;
	if (coax_message_start(&request, bytes, sizeof(bytes), COAX_TYPE_CON, slot->key_code, 0,
			       NULL, 0) != 0)
		return false;
	memcpy(bytes + COAX_HEADER_SIZE, slot->key, slot->key_length);
	if (coax_message_parse(&request, bytes, COAX_HEADER_SIZE + slot->key_length) != 0 ||
	    coax_uri_compose_path(&request, uri, sizeof(uri)) < 0)
		return false;
	uri[strcspn(uri, "?")] = 0;
	return strcmp(uri, path) == 0;
}

size_t coax_accel_flush(struct coax_accel *accel, const char *path)
{
	struct accel_publisher *p = &accel->publisher;
	size_t count = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		struct accel_pair *pair = &p->pairs[i];
		bool is_live, done;

		do {
			pthread_mutex_lock(&p->lock);
			done = !pair->owner || !is_for(pair, path);
			if (!done) {
				is_live = !accel_slot_is_withdrawn(pair->slot);
				done = release_unordered(pair, NULL);
				count += done && is_live;
			}
			pthread_mutex_unlock(&p->lock);
			if (!done)
				sched_yield();
		} while (!done);
	}
	/* Visible to the program on every CPU. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return count;
}

void coax_accel_withdraw_all(struct coax_accel *accel)
{
	coax_accel_flush(accel, NULL);
}

void accel_publisher_destroy(struct coax_accel *accel)
{
	struct accel_publisher *p = &accel->publisher;

	coax_accel_withdraw_all(accel);
	pthread_mutex_destroy(&p->lock);
	free(p->pairs);
	free(p->buckets);
	free(p->filter);
}
