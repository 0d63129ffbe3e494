// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "accel/accel.h"
#include "hash.h"
#include "proxy/cache.h"

/* What an entry costs besides its own bytes: a subject, and what malloc() adds. */
#define ENTRY_OVERHEAD 256
/* By which the number of buckets is guessed. */
#define ENTRY_TYPICAL 1024
#define BUCKETS_MAX   (1U << 20)

/* Entries that are looked at to find one that can go. */
#define EVICTION_TRIES 256

struct coax_cache {
	struct cds_lfht *table;
	struct coax_hash_key key;
	pthread_mutex_t lock; /* what is below, and who fetches for which entry */
	struct cds_hlist_head *by_path;
	uint32_t path_mask;
	struct cds_list_head order; /* oldest first */
	uint64_t bytes_max;
	struct coax_cache_stats stats;
};

static uint32_t bucket_count(uint64_t bytes_max)
{
	uint64_t entries = bytes_max / ENTRY_TYPICAL;

	return coax_hash_buckets(entries < 64		 ? 64
				 : entries < BUCKETS_MAX ? (uint32_t)entries
							 : BUCKETS_MAX);
}

int coax_cache_create(struct coax_cache **result, uint64_t bytes_max)
{
	struct coax_cache *cache = calloc(1, sizeof(*cache));
	uint32_t buckets = bucket_count(bytes_max);
	int err;

	if (!cache)
		return -ENOMEM;
	CDS_INIT_LIST_HEAD(&cache->order);
	pthread_mutex_init(&cache->lock, NULL);
	cache->bytes_max = bytes_max;
	cache->path_mask = buckets - 1;
	err = coax_hash_key_random(&cache->key);
	if (!err) {
		cache->by_path = calloc(buckets, sizeof(*cache->by_path));
		cache->table = cds_lfht_new(buckets, buckets, BUCKETS_MAX, 0, NULL);
		err = cache->by_path && cache->table ? 0 : -ENOMEM;
	}
	if (err)
		coax_cache_destroy(cache);
	else
		*result = cache;
	return err;
}

static void free_cached(struct rcu_head *head)
{
	struct coax_cached *cached = caa_container_of(head, struct coax_cached, rcu);

	coax_taken_over(cached);
	coax_readers_are_gone();
	coax_subject_put(cached->subject);
	free(cached);
}

static uint64_t size_of(const struct coax_cached *cached)
{
	return ENTRY_OVERHEAD + sizeof(*cached) + cached->key_length + cached->path_length +
	       (cached->stored ? coax_stored_size(cached->stored) : 0);
}

/* Nobody finds it any more, and nothing that was published of it is left. */
static void drop(struct coax_cache *cache, struct coax_cached *cached)
{
	cache->stats.bytes -= size_of(cached);
	cache->stats.entries--;
	cds_hlist_del(&cached->by_path);
	cds_list_del(&cached->order);
	rcu_read_lock();
	cds_lfht_del(cache->table, &cached->node);
	rcu_read_unlock();
	/* Who has found it before has read a generation that ends here. */
	cmm_smp_mb();
	coax_subject_changed(cached->subject);
	coax_stored_put(cached->stored);
	coax_handing_over(cached);
	call_rcu(&cached->rcu, free_cached);
}

void coax_cache_destroy(struct coax_cache *cache)
{
	if (!cache)
		return;
	while (!cds_list_empty(&cache->order))
		drop(cache, cds_list_first_entry(&cache->order, struct coax_cached, order));
	rcu_barrier();
	if (cache->table)
		cds_lfht_destroy(cache->table, NULL);
	free(cache->by_path);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

void coax_cache_lock(struct coax_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
}

void coax_cache_unlock(struct coax_cache *cache)
{
	pthread_mutex_unlock(&cache->lock);
}

/*
 * Keys.
 */

/*
 * What is interpreted here (ETag, Hop-Limit, blocks and their tags), is about this hop alone (Echo,
 * No-Response), or has been replaced by `space` (host and port).
 */
static const uint16_t not_in_key[] = {
	COAX_ETAG,	  COAX_HOP_LIMIT,    COAX_BLOCK1,      COAX_BLOCK2,
	COAX_REQUEST_TAG, COAX_ECHO,	     COAX_URI_HOST,    COAX_URI_PORT,
	COAX_PROXY_URI,	  COAX_PROXY_SCHEME, COAX_NO_RESPONSE, COAX_MAX_AGE,
};

int coax_cache_key_make(const struct coax_cache *cache, struct coax_cache_key *key, uint64_t space,
			const struct coax_message *request)
{
	size_t at = sizeof(space), payload_length = 0;
	const uint8_t *payload = NULL;
	int length;

	memcpy(key->bytes, &space, sizeof(space));
	length = coax_message_cache_key(request, not_in_key,
					sizeof(not_in_key) / sizeof(not_in_key[0]), key->bytes + at,
					COAX_CACHE_KEY_MAX - at);
	if (length < 0)
		return length;
	at += (size_t)length;
	if (coax_message_code(request) == COAX_FETCH)
		payload = coax_message_payload(request, &payload_length);
	if (payload_length + 1 > COAX_CACHE_KEY_MAX - at)
		return -EMSGSIZE;
	if (payload) {
		key->bytes[at++] = COAX_PAYLOAD_MARKER;
		memcpy(key->bytes + at, payload, payload_length);
	}
	key->length = at + payload_length;
	key->hash = coax_hash(&cache->key, key->bytes, key->length);
	return 0;
}

void coax_cache_key_add(const struct coax_cache *cache, struct coax_cache_key *key,
			const uint8_t *part, size_t length)
{
	key->bytes[key->length++] = COAX_PAYLOAD_MARKER;
	memcpy(key->bytes + key->length, part, length);
	key->length += length;
	key->hash = coax_hash(&cache->key, key->bytes, key->length);
}

static int match(struct cds_lfht_node *node, const void *wanted)
{
	struct coax_cached *cached = caa_container_of(node, struct coax_cached, node);
	const struct coax_cache_key *key = wanted;

	coax_taken_over(cached);
	return cached->hash == key->hash && cached->key_length == key->length &&
	       memcmp(cached->bytes, key->bytes, key->length) == 0;
}

struct coax_cached *coax_cache_find(const struct coax_cache *cache,
				    const struct coax_cache_key *key)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(cache->table, (unsigned long)key->hash, match, key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct coax_cached, node) : NULL;
}

/*
 * Reading: the generation first, then whether a change still finds the entry, then what it holds.
 */

struct coax_stored *coax_cached_any(struct coax_cached *cached, uint64_t *generation)
{
	struct coax_stored *stored;

	*generation = coax_subject_generation(cached->subject);
	cmm_smp_mb();
	if (!atomic_load_explicit(&cached->used, memory_order_relaxed))
		atomic_store_explicit(&cached->used, true, memory_order_relaxed);
	if (cds_lfht_is_node_deleted(&cached->node))
		return NULL;
	stored = rcu_dereference(cached->stored);
	if (stored)
		coax_taken_over(stored);
	return stored;
}

struct coax_stored *coax_cached_fresh(struct coax_cached *cached, uint64_t until,
				      uint64_t *generation)
{
	struct coax_stored *stored = coax_cached_any(cached, generation);

	if (!stored || atomic_load(&stored->revoked) || coax_stored_fresh_until(stored) <= until)
		return NULL;
	return stored;
}

/*
 * Room.
 */

static bool may_go(const struct coax_cached *cached)
{
	return !cached->pins && !atomic_load_explicit(&cached->used, memory_order_relaxed) &&
	       !coax_subject_is_watched(cached->subject) && !coax_subject_is_used(cached->subject);
}

/* Oldest first, but what was used since the last look, here or by the kernel, gets another chance.
 */
static bool evict_one(struct coax_cache *cache)
{
	struct coax_cached *cached;

	for (int i = 0; i < EVICTION_TRIES && !cds_list_empty(&cache->order); i++) {
		cached = cds_list_first_entry(&cache->order, struct coax_cached, order);
		if (may_go(cached)) {
			drop(cache, cached);
			cache->stats.evicted++;
			return true;
		}
		atomic_store_explicit(&cached->used, false, memory_order_relaxed);
		cds_list_del(&cached->order);
		cds_list_add_tail(&cached->order, &cache->order);
	}
	return false;
}

/* When all are used, the oldest that can go does. */
static bool evict_any(struct coax_cache *cache)
{
	struct coax_cached *cached;

	cds_list_for_each_entry (cached, &cache->order, order) {
		if (cached->pins)
			continue;
		drop(cache, cached);
		cache->stats.evicted++;
		return true;
	}
	return false;
}

static void make_room(struct coax_cache *cache)
{
	while (cache->stats.bytes > cache->bytes_max)
		if (!evict_one(cache) && !evict_any(cache))
			return;
}

/*
 * Writing.
 */

static uint64_t hash_path(const struct coax_cache *cache, const uint8_t *path, size_t length)
{
	return coax_hash(&cache->key, path, length);
}

static struct coax_cached *create(struct coax_cache *cache, const struct coax_cache_key *key,
				  const uint8_t *path, size_t path_length)
{
	struct coax_cached *cached = malloc(sizeof(*cached) + key->length + path_length);

	if (!cached)
		return NULL;
	memset(cached, 0, sizeof(*cached));
	if (coax_subject_create(&cached->subject)) {
		free(cached);
		return NULL;
	}
	cds_lfht_node_init(&cached->node);
	cached->hash = key->hash;
	cached->key_length = (uint32_t)key->length;
	cached->path_length = (uint32_t)path_length;
	cached->path_hash = hash_path(cache, path, path_length);
	memcpy(cached->bytes, key->bytes, key->length);
	memcpy(cached->bytes + key->length, path, path_length);
	return cached;
}

static void insert(struct coax_cache *cache, struct coax_cached *cached)
{
	cds_hlist_add_head(&cached->by_path, &cache->by_path[cached->path_hash & cache->path_mask]);
	cds_list_add_tail(&cached->order, &cache->order);
	cache->stats.bytes += size_of(cached);
	cache->stats.entries++;
	coax_handing_over(cached);
	cds_lfht_add(cache->table, (unsigned long)cached->hash, &cached->node);
}

struct coax_cached *coax_cache_pin(struct coax_cache *cache, const struct coax_cache_key *key,
				   const uint8_t *path, size_t path_length)
{
	struct coax_cached *cached;

	rcu_read_lock();
	cached = coax_cache_find(cache, key);
	if (!cached) {
		cached = create(cache, key, path, path_length);
		if (cached)
			insert(cache, cached);
	}
	rcu_read_unlock();
	if (!cached)
		return NULL;
	cached->pins++;
	make_room(cache);
	return cached;
}

void coax_cached_pin(struct coax_cached *cached)
{
	cached->pins++;
}

void coax_cache_unpin(struct coax_cache *cache, struct coax_cached *cached)
{
	if (--cached->pins == 0 && !cached->stored)
		drop(cache, cached);
}

bool coax_cache_store(struct coax_cache *cache, struct coax_cached *cached,
		      struct coax_stored *stored)
{
	struct coax_stored *former = cached->stored;
	bool same = former && !atomic_load(&former->revoked) && coax_stored_is_same(former, stored);

	if (coax_stored_size(stored) > cache->bytes_max / 4)
		return false;
	cache->stats.bytes -= size_of(cached);
	coax_handing_over(stored);
	rcu_assign_pointer(cached->stored, stored);
	cache->stats.bytes += size_of(cached);
	if (former && !same)
		coax_subject_changed(cached->subject);
	coax_stored_put(former);
	make_room(cache);
	return true;
}

void coax_cache_invalidate(struct coax_cache *cache, const uint8_t *path, size_t length)
{
	uint64_t hash = hash_path(cache, path, length);
	struct cds_hlist_node *node = cache->by_path[hash & cache->path_mask].next;

	for (; node; node = node->next) {
		struct coax_cached *cached = caa_container_of(node, struct coax_cached, by_path);

		if (cached->path_hash != hash || cached->path_length != length ||
		    memcmp(cached->bytes + cached->key_length, path, length) != 0)
			continue;
		cached->invalidations++;
		if (cached->stored)
			atomic_store(&cached->stored->revoked, true);
		coax_subject_changed(cached->subject);
		cache->stats.invalidated++;
	}
}

static bool begins_with(const struct coax_cached *cached, const uint8_t *path, size_t length)
{
	return cached->path_length >= length &&
	       memcmp(cached->bytes + cached->key_length, path, length) == 0;
}

/* Who fetches for it does so for those who wait, and not for the cache. */
static void empty(struct coax_cache *cache, struct coax_cached *cached)
{
	struct coax_stored *former = cached->stored;

	cache->stats.bytes -= size_of(cached);
	rcu_assign_pointer(cached->stored, NULL);
	cache->stats.bytes += size_of(cached);
	cached->invalidations++;
	coax_subject_changed(cached->subject);
	coax_stored_put(former);
}

static void forget(struct coax_cache *cache, struct coax_cached *cached)
{
	if (cached->pins)
		empty(cache, cached);
	else
		drop(cache, cached);
}

void coax_cache_forget(struct coax_cache *cache, const uint8_t *path, size_t length)
{
	struct coax_cached *cached, *next;

	cds_list_for_each_entry_safe (cached, next, &cache->order, order)
		if (begins_with(cached, path, length))
			forget(cache, cached);
}

void coax_cache_forget_spaces(struct coax_cache *cache, bool (*is_gone)(void *arg, uint64_t space),
			      void *arg)
{
	struct coax_cached *cached, *next;
	uint64_t space;

	cds_list_for_each_entry_safe (cached, next, &cache->order, order) {
		memcpy(&space, cached->bytes, sizeof(space));
		if (is_gone(arg, space))
			forget(cache, cached);
	}
}

void coax_cache_withdraw(struct coax_cache *cache, const uint8_t *path, size_t length)
{
	struct coax_cached *cached;

	cds_list_for_each_entry (cached, &cache->order, order)
		if (begins_with(cached, path, length))
			coax_subject_changed(cached->subject);
}

/*
 * Another size.
 */

/* Holding the lock. */
static void rehash(struct coax_cache *cache, struct cds_hlist_head *by_path, uint32_t buckets)
{
	struct coax_cached *cached;

	free(cache->by_path);
	cache->by_path = by_path;
	cache->path_mask = buckets - 1;
	cds_list_for_each_entry (cached, &cache->order, order)
		cds_hlist_add_head(&cached->by_path,
				   &by_path[cached->path_hash & cache->path_mask]);
}

void coax_cache_resize(struct coax_cache *cache, uint64_t bytes_max)
{
	uint32_t buckets = bucket_count(bytes_max);
	struct cds_hlist_head *by_path = NULL;

	if (buckets > cache->path_mask + 1) {
		by_path = calloc(buckets, sizeof(*by_path));
		cds_lfht_resize(cache->table, buckets);
	}
	pthread_mutex_lock(&cache->lock);
	cache->bytes_max = bytes_max;
	if (by_path)
		rehash(cache, by_path, buckets);
	make_room(cache);
	pthread_mutex_unlock(&cache->lock);
}

void coax_cache_stats_read(struct coax_cache *cache, struct coax_cache_stats *stats)
{
	pthread_mutex_lock(&cache->lock);
	*stats = cache->stats;
	pthread_mutex_unlock(&cache->lock);
}
