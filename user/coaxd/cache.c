// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "coaxd/cache.h"
#include "hash.h"

/* Chains of four with the table full; growing it would cost more than it saves. */
#define ENTRIES_PER_BUCKET 4

struct coaxd_cache {
	struct cds_lfht *table;
	struct coax_hash_key key;
	/*
	 * Held where entries come and go, and where changes look for them: an eviction is over, its
	 * subject's generation moved on, before a change can miss the entry.
	 */
	pthread_mutex_t lock;
	struct cds_list_head order; /* oldest first */
	size_t count;
	size_t max;
};

struct key {
	const char *path;
	size_t length;
};

static unsigned long bucket_count(size_t entries)
{
	unsigned long buckets = 64;

	while (buckets * ENTRIES_PER_BUCKET < entries)
		buckets *= 2;
	return buckets;
}

int coaxd_cache_create(struct coaxd_cache **result, size_t entries_max)
{
	struct coaxd_cache *cache = calloc(1, sizeof(*cache));
	unsigned long buckets = bucket_count(entries_max);
	int err;

	if (!cache)
		return -ENOMEM;
	err = coax_hash_key_random(&cache->key);
	if (err)
		goto out;
	err = -ENOMEM;
	cache->table = cds_lfht_new(buckets, buckets, buckets, 0, NULL);
	if (!cache->table)
		goto out;
	pthread_mutex_init(&cache->lock, NULL);
	CDS_INIT_LIST_HEAD(&cache->order);
	cache->max = entries_max;
	*result = cache;
	return 0;
out:
	free(cache);
	return err;
}

static void free_representation(struct rcu_head *head)
{
	struct coaxd_representation *representation =
		caa_container_of(head, struct coaxd_representation, rcu);

	coax_taken_over(representation);
	coax_readers_are_gone();
	free(representation);
}

static void free_entry(struct rcu_head *head)
{
	struct coaxd_entry *entry = caa_container_of(head, struct coaxd_entry, rcu);

	coax_taken_over(entry);
	coax_readers_are_gone();
	/* A renderer may have kept its work in an entry that was evicted under it; it is over. */
	free(entry->representation);
	coax_subject_put(entry->subject);
	free(entry);
}

/* With the lock held, in an RCU read section. */
static void evict(struct coaxd_cache *cache, struct coaxd_entry *entry)
{
	cds_lfht_del(cache->table, &entry->node);
	/* Renderers see that the node is gone, or have read a generation that ends here. */
	cmm_smp_mb();
	coax_subject_changed(entry->subject);
	cds_list_del(&entry->order);
	cache->count--;
	coax_handing_over(entry);
	call_rcu(&entry->rcu, free_entry);
}

/* Oldest first, but those used since the last look get a second chance. */
static void evict_one(struct coaxd_cache *cache)
{
	struct coaxd_entry *entry;

	for (;;) {
		entry = cds_list_first_entry(&cache->order, struct coaxd_entry, order);
		if (!CMM_LOAD_SHARED(entry->used))
			break;
		CMM_STORE_SHARED(entry->used, false);
		cds_list_del(&entry->order);
		cds_list_add_tail(&entry->order, &cache->order);
	}
	evict(cache, entry);
}

void coaxd_cache_destroy(struct coaxd_cache *cache)
{
	if (!cache)
		return;
	rcu_read_lock();
	while (!cds_list_empty(&cache->order))
		evict(cache, cds_list_first_entry(&cache->order, struct coaxd_entry, order));
	rcu_read_unlock();
	rcu_barrier();
	cds_lfht_destroy(cache->table, NULL);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static int match(struct cds_lfht_node *node, const void *wanted)
{
	const struct coaxd_entry *entry = caa_container_of(node, struct coaxd_entry, node);
	const struct key *key = wanted;

	return entry->length == key->length && memcmp(entry->path, key->path, key->length) == 0;
}

static struct coaxd_entry *find(struct coaxd_cache *cache, unsigned long hash,
				const struct key *key)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(cache->table, hash, match, key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct coaxd_entry, node) : NULL;
}

struct coaxd_entry *coaxd_cache_find(struct coaxd_cache *cache, const char *path, size_t length)
{
	struct key key = {path, length};

	return find(cache, coax_hash(&cache->key, path, length), &key);
}

static struct coaxd_entry *new_entry(const struct key *key)
{
	struct coaxd_entry *entry = calloc(1, sizeof(*entry) + key->length + 1);

	if (!entry)
		return NULL;
	if (coax_subject_create(&entry->subject)) {
		free(entry);
		return NULL;
	}
	cds_lfht_node_init(&entry->node);
	entry->length = key->length;
	memcpy(entry->path, key->path, key->length);
	return entry;
}

struct coaxd_entry *coaxd_cache_obtain(struct coaxd_cache *cache, const char *path, size_t length)
{
	unsigned long hash = coax_hash(&cache->key, path, length);
	struct key key = {path, length};
	struct coaxd_entry *entry;

	pthread_mutex_lock(&cache->lock);
	entry = find(cache, hash, &key);
	if (entry)
		goto out;
	entry = new_entry(&key);
	if (!entry)
		goto out;
	if (cache->count == cache->max)
		evict_one(cache);
	cds_lfht_add(cache->table, hash, &entry->node);
	cds_list_add_tail(&entry->order, &cache->order);
	cache->count++;
out:
	pthread_mutex_unlock(&cache->lock);
	return entry;
}

bool coaxd_entry_generation(const struct coaxd_entry *entry, uint64_t *generation)
{
	*generation = coax_subject_generation(entry->subject);
	/* Pairs with evict(): the generation first, then whether changes still find the entry. */
	cmm_smp_mb();
	return !cds_lfht_is_node_deleted(&entry->node);
}

const struct coaxd_representation *coaxd_entry_current(struct coaxd_entry *entry)
{
	const struct coaxd_representation *representation = rcu_dereference(entry->representation);
	uint64_t generation;

	if (!representation || !coaxd_entry_generation(entry, &generation))
		return NULL;
	if (representation->generation != generation)
		return NULL;
	if (!CMM_LOAD_SHARED(entry->used))
		CMM_STORE_SHARED(entry->used, true);
	return representation;
}

static void set_representation(struct coaxd_entry *entry,
			       struct coaxd_representation *representation)
{
	struct coaxd_representation *former;

	former = rcu_xchg_pointer(&entry->representation, representation);
	if (!former)
		return;
	coax_handing_over(former);
	call_rcu(&former->rcu, free_representation);
}

void coaxd_entry_keep(struct coaxd_entry *entry, uint64_t generation,
		      const struct coaxd_content *content, uint16_t format)
{
	struct coaxd_representation *representation;

	representation = malloc(sizeof(*representation) + content->length);
	if (!representation)
		return;
	representation->generation = generation;
	representation->format = format;
	representation->length = (uint16_t)content->length;
	memcpy(representation->etag, content->etag, sizeof(representation->etag));
	memcpy(representation->bytes, content->bytes, content->length);
	set_representation(entry, representation);
}

uint64_t coaxd_cache_generation(struct coaxd_cache *cache, const char *path, size_t length)
{
	const struct coaxd_entry *entry;
	uint64_t generation = UINT64_MAX;

	rcu_read_lock();
	entry = coaxd_cache_find(cache, path, length);
	if (entry)
		generation = coax_subject_generation(entry->subject);
	rcu_read_unlock();
	return generation;
}

void coaxd_cache_changed(struct coaxd_cache *cache, const char *path, size_t length)
{
	struct coaxd_entry *entry;

	rcu_read_lock();
	pthread_mutex_lock(&cache->lock);
	entry = coaxd_cache_find(cache, path, length);
	if (entry) {
		coax_subject_changed(entry->subject);
		set_representation(entry, NULL);
	}
	pthread_mutex_unlock(&cache->lock);
	rcu_read_unlock();
}

void coaxd_cache_changed_all(struct coaxd_cache *cache)
{
	rcu_read_lock();
	pthread_mutex_lock(&cache->lock);
	for (struct cds_list_head *at = cache->order.next; at != &cache->order; at = at->next) {
		struct coaxd_entry *entry = cds_list_entry(at, struct coaxd_entry, order);

		coax_subject_changed(entry->subject);
		set_representation(entry, NULL);
	}
	pthread_mutex_unlock(&cache->lock);
	rcu_read_unlock();
}
