/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A proxy's cache (RFC 7252 section 5.6): stored responses by their key, found without a lock;
 * what must be forgotten found by path; bounded in bytes. It knows no network, and the time only
 * from its callers.
 *
 * An entry owns the subject under which its response is published and observed. It lasts while
 * something is stored in it, or it is pinned by those who fetch for it.
 */
#ifndef COAX_PROXY_CACHE_H
#define COAX_PROXY_CACHE_H

#include <urcu/hlist.h>
#include <urcu/list.h>
#include <coax/accel.h>
#include <coax/message.h>
#include "proxy/stored.h"

#define COAX_CACHE_KEY_MAX  2048
#define COAX_CACHE_PART_MAX 8

struct coax_cache;

/* What a request asks for. */
struct coax_cache_key {
	uint64_t hash;
	size_t length;
	uint8_t bytes[COAX_CACHE_KEY_MAX + 1 + COAX_CACHE_PART_MAX];
};

struct coax_cached {
	struct cds_lfht_node node;
	struct cds_hlist_node by_path;
	struct cds_list_head order; /* of eviction */
	struct rcu_head rcu;
	struct coax_subject *subject;
	struct coax_stored *stored; /* RCU; NULL: nothing */
	/* For who fetches; the cache's lock. A change through here has made it one more. */
	uint64_t invalidations;
	void *flight;
	void *watch;
	atomic_ulong unobservable_until; /* its origin has said that it keeps no observers, ns */
	atomic_bool is_observed;	 /* changes are told by the origin */
	uint32_t pins;
	atomic_bool used; /* since eviction last looked */
	uint64_t hash;
	uint64_t path_hash;
	uint32_t path_length;
	uint32_t key_length;
	uint8_t bytes[]; /* key and path */
};

struct coax_cache_stats {
	uint64_t entries;
	uint64_t bytes;
	uint64_t evicted;
	uint64_t invalidated;
};

/* `bytes_max`: of all entries, with what they cost beside the responses. Returns 0 or -errno. */
int coax_cache_create(struct coax_cache **cache, uint64_t bytes_max);

/*
 * Another `bytes_max`. Not in an RCU read section, nor with the lock; one thread at a time. For
 * want of memory entries are found more slowly.
 */
void coax_cache_resize(struct coax_cache *cache, uint64_t bytes_max);

/* Nobody uses it or has pinned anything. NULL: nothing. */
void coax_cache_destroy(struct coax_cache *cache);

/*
 * The key of a request in the name space `space` (whatever number names a mapping): coax_message_
 * cache_key() without what a proxy interprets or says itself, and the payload of a FETCH
 * (RFC 8132 section 2). Returns 0, or -EMSGSIZE: it is not to be cached.
 */
int coax_cache_key_make(const struct coax_cache *cache, struct coax_cache_key *key, uint64_t space,
			const struct coax_message *request);

/*
 * Make what coax_cache_key_make() gave the key of a part of what a GET asks for. Parts are told
 * apart by up to COAX_CACHE_PART_MAX bytes.
 */
void coax_cache_key_add(const struct coax_cache *cache, struct coax_cache_key *key,
			const uint8_t *part, size_t length);

/* In an RCU read section. NULL: there is none. */
struct coax_cached *coax_cache_find(const struct coax_cache *cache,
				    const struct coax_cache_key *key);

/*
 * The stored response if it is fresh beyond `until` (ns), and the subject's generation to publish
 * it under. In an RCU read section. NULL: there is none.
 */
struct coax_stored *coax_cached_fresh(struct coax_cached *cached, uint64_t until,
				      uint64_t *generation);

/* What is stored, whatever its age; the caller sees to it that it may be used. The same. */
struct coax_stored *coax_cached_any(struct coax_cached *cached, uint64_t *generation);

/*
 * With the lock held, in this order: the cache's, a subject's.
 */

void coax_cache_lock(struct coax_cache *cache);
void coax_cache_unlock(struct coax_cache *cache);

/*
 * The entry of a key, made where there is none, and pinned: it is not evicted. `path` of
 * `path_length` bytes is what coax_cache_invalidate() finds it by. NULL: no memory.
 */
struct coax_cached *coax_cache_pin(struct coax_cache *cache, const struct coax_cache_key *key,
				   const uint8_t *path, size_t path_length);
void coax_cached_pin(struct coax_cached *cached);
/* The last one to do so ends an entry without a response. */
void coax_cache_unpin(struct coax_cache *cache, struct coax_cached *cached);

/*
 * Store a response, whose reference is taken over, in a pinned entry. If it says something else
 * than what was there, the kernel forgets that and observers are told. One that would take more
 * than a quarter of the cache is not stored: returns false, and the caller keeps the reference.
 */
bool coax_cache_store(struct coax_cache *cache, struct coax_cached *cached,
		      struct coax_stored *stored);

/*
 * What is stored for a path, by whatever method, query or other option, is not fresh any more
 * (RFC 7252 section 5.9.1): it is not used before it has been validated, nor is what is being
 * fetched stored. On return the kernel does not answer from it.
 */
void coax_cache_invalidate(struct coax_cache *cache, const uint8_t *path, size_t length);

/*
 * Forget all that is stored for paths that begin so, or (but for what is published of it) keep it:
 * on return the kernel does not answer from it, and observers are told to look again.
 */
void coax_cache_forget(struct coax_cache *cache, const uint8_t *path, size_t length);
void coax_cache_withdraw(struct coax_cache *cache, const uint8_t *path, size_t length);

/* coax_cache_forget() all that has a key in a name space that is gone. */
void coax_cache_forget_spaces(struct coax_cache *cache, bool (*is_gone)(void *arg, uint64_t space),
			      void *arg);

void coax_cache_stats_read(struct coax_cache *cache, struct coax_cache_stats *stats);

#endif
