/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files as representations in memory, so that a GET needs no system call.
 *
 * An entry stands for one path (of a directory's listing: with a slash at its end) and owns the
 * subject under which its replies are published. The rule that keeps stale replies out: whoever
 * renders obtains the entry, reads its generation, and only then reads the file; whoever changes
 * the file calls coaxd_cache_changed() afterwards. A change finds each entry that somebody may be
 * rendering from, because an entry that was evicted gives no generation any more and has had its
 * last one made stale.
 */
#ifndef COAXD_CACHE_H
#define COAXD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/accel.h>
#include <urcu/list.h>
#include "coaxd/beneath.h"
#include "rcu.h"

struct coaxd_cache;

/* Immutable. */
struct coaxd_representation {
	struct rcu_head rcu;
	uint64_t generation; /* of the entry's subject, read before the file was */
	uint8_t etag[COAXD_ETAG_SIZE];
	uint16_t format;
	uint16_t length;
	uint8_t bytes[];
};

struct coaxd_entry {
	struct cds_lfht_node node;
	struct cds_list_head order; /* of eviction */
	struct rcu_head rcu;
	struct coax_subject *subject;
	struct coaxd_representation *representation; /* RCU; NULL: none in memory */
	bool used;				     /* since eviction last looked */
	size_t length;
	char path[];
};

/* `entries_max` bounds the memory: an entry is a path, a subject and 1024 bytes at most. */
int coaxd_cache_create(struct coaxd_cache **cache, size_t entries_max);

/* No reader and no changer is left. NULL: nothing. */
void coaxd_cache_destroy(struct coaxd_cache *cache);

/* In an RCU read section, which the result does not outlive. NULL: none. */
struct coaxd_entry *coaxd_cache_find(struct coaxd_cache *cache, const char *path, size_t length);

/*
 * The same, made where there is none; another may be evicted for it. RCU read section. NULL: no
 * memory.
 */
struct coaxd_entry *coaxd_cache_obtain(struct coaxd_cache *cache, const char *path, size_t length);

/*
 * The generation to render under. Returns false for an entry that has been evicted: what is
 * rendered now can be sent, but nobody would notice that it gets stale.
 */
bool coaxd_entry_generation(const struct coaxd_entry *entry, uint64_t *generation);

/* The representation in memory, if it is still that of the present state. RCU read section. */
const struct coaxd_representation *coaxd_entry_current(struct coaxd_entry *entry);

/* Keep what was read under `generation` in memory. Failing to is no error. RCU read section. */
void coaxd_entry_keep(struct coaxd_entry *entry, uint64_t generation,
		      const struct coaxd_content *content, uint16_t format);

/*
 * The generation of the path's subject; UINT64_MAX: there is no entry. If it is another one later,
 * a change has been told meanwhile.
 */
uint64_t coaxd_cache_generation(struct coaxd_cache *cache, const char *path, size_t length);

/* The file has changed: on return nobody is given the former state, by the kernel neither. */
void coaxd_cache_changed(struct coaxd_cache *cache, const char *path, size_t length);
void coaxd_cache_changed_all(struct coaxd_cache *cache);

#endif
