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

/* What one walk through a representation takes of the slots at a time. */
#define AHEAD_PART 32

/* A key of 64 bytes whose every byte is percent-encoded. */
#define URI_TEXT_MAX (3 * COAX_KEY_MAX + 16)

struct key {
	uint64_t hash;
	uint8_t code;
	bool is_error; /* not the request, but its reply */
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
	CDS_INIT_LIST_HEAD(&p->errors);
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

static uint64_t filter_mark(const struct coax_subject *subject, uint64_t generation, uint64_t hash,
			    uint64_t until)
{
	uint64_t mark = hash ^ subject->id * 0x9e3779b97f4a7c15 ^ generation * 0xd6e8feb86659fd93 ^
			until * 0xff51afd7ed558ccd;

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

void accel_pair_drop(struct accel_pair *pair)
{
	struct accel_publisher *p = &pair->accel->publisher;

	if (!accel_slot_is_withdrawn(pair->slot))
		accel_slot_withdraw(pair->slot);
	__atomic_store_n(filter_at(p, pair->hash), 0, __ATOMIC_RELAXED);
	index_remove(pair);
	accel_ageing_stop(pair);
	cds_list_del(&pair->node);
	if (pair->is_error) {
		cds_list_del(&pair->error);
		p->error_count--;
	}
	pair->owner->pairs--;
	pair->owner = NULL;
	cds_list_add_tail(&pair->node, &p->free);
}

void accel_pair_release(struct accel_pair *pair)
{
	struct accel_publisher *p = &pair->accel->publisher;

	pthread_mutex_lock(&p->lock);
	accel_pair_drop(pair);
	pthread_mutex_unlock(&p->lock);
}

static struct accel_pair *take(struct coax_accel *accel, struct coax_subject *subject,
			       const struct coax_message *request, const struct key *key)
{
	struct accel_publisher *p = &accel->publisher;
	struct accel_pair *pair;
	int err;

	if (!accel_make_room(p, subject, key->is_error))
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
	pair->is_error = key->is_error;
	__atomic_store_n(&pair->slot->used, 0, __ATOMIC_RELAXED);
	cds_list_add(&pair->node, &subject->withdrawn);
	subject->pairs++;
	if (pair->is_error) {
		cds_list_add(&pair->error, &p->errors);
		p->error_count++;
	}
	return pair;
}

/* The subject's pair for this request. The caller holds the subject's lock. */
static struct accel_pair *obtain(struct coax_accel *accel, struct coax_subject *subject,
				 const struct coax_message *request, const struct key *key)
{
	struct accel_publisher *p = &accel->publisher;
	struct accel_pair *pair;
	bool fits;

	pthread_mutex_lock(&p->lock);
	pair = index_find(p, key->hash);
	fits = pair && pair->owner == subject && pair->is_error == key->is_error;
	if (!pair || (!fits && accel_pair_take_away(pair, subject)))
		pair = take(accel, subject, request, key);
	else if (!fits)
		pair = NULL;
	pthread_mutex_unlock(&p->lock);
	return pair;
}

/* Returns whether the request can be a key. */
static bool make_key(const struct accel_publisher *p, const struct coax_message *request,
		     struct key *key)
{
	uint8_t input[1 + COAX_KEY_MAX];

	key->code = coax_message_code(request);
	key->bytes = coax_message_rest(request, &key->length);
	if (key->length > COAX_KEY_MAX)
		return false;
	input[0] = key->code;
	memcpy(input + 1, key->bytes, key->length);
	key->hash = coax_hash(&p->key, input, 1 + key->length);
	return true;
}

bool coax_accel_is_published(struct coax_accel *accel, const struct coax_subject *subject,
			     uint64_t generation, const struct coax_message *request,
			     uint64_t until)
{
	struct accel_publisher *p = &accel->publisher;
	struct key key;

	return make_key(p, request, &key) &&
	       __atomic_load_n(filter_at(p, key.hash), __ATOMIC_RELAXED) ==
		       filter_mark(subject, generation, key.hash, until);
}

/*
 * What is there goes only for what is fresh for longer: a renewal takes its place without a gap,
 * and who comes late with what was fetched before changes nothing. The caller holds the owner's
 * lock.
 */
static bool is_outlived(const struct accel_pair *pair, const struct accel_freshness *freshness)
{
	return accel_slot_is_withdrawn(pair->slot) || pair->slot->deadline < freshness->deadline;
}

bool coax_accel_publish_until(struct coax_accel *accel, struct coax_subject *subject,
			      uint64_t generation, const struct coax_message *request,
			      const struct coax_message *response, uint64_t until)
{
	struct accel_freshness freshness = {.deadline = COAX_NEVER};
	struct accel_publisher *p = &accel->publisher;
	uint8_t aged_reply[COAX_REPLY_MAX];
	uint8_t code = coax_message_code(response);
	struct key key;
	const uint8_t *reply;
	size_t reply_length;
	struct accel_pair *pair;
	bool published = false;
	uint64_t mark;

	reply = coax_message_rest(response, &reply_length);
	if (reply_length > COAX_REPLY_MAX || !make_key(p, request, &key))
		return false;
	key.is_error = COAX_CODE_CLASS(code) != 2;
	mark = filter_mark(subject, generation, key.hash, until);
	if (__atomic_load_n(filter_at(p, key.hash), __ATOMIC_RELAXED) == mark)
		return false;
	if (until != COAX_NEVER) {
		if (!accel_fresh_prepare(&freshness, response, until, aged_reply))
			return false;
		reply = aged_reply;
	}

	pthread_mutex_lock(&subject->lock);
	if (subject->dead || subject->generation != generation)
		goto out;
	pair = obtain(accel, subject, request, &key);
	if (!pair)
		goto out;
	if (is_outlived(pair, &freshness)) {
		accel_slot_write(pair->slot, key.code, key.bytes, key.length, code, reply,
				 reply_length, &freshness);
		cds_list_move(&pair->node, &subject->published);
		if (until != COAX_NEVER)
			accel_ageing_start(pair, freshness.deadline);
		published = true;
	}
	__atomic_store_n(filter_at(p, key.hash), mark, __ATOMIC_RELAXED);
out:
	pthread_mutex_unlock(&subject->lock);
	return published;
}

uint32_t coax_accel_ahead_max(const struct coax_accel *accel)
{
	return accel->slot_count / AHEAD_PART;
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
				done = accel_pair_take_away(pair, NULL);
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
