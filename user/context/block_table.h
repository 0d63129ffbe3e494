/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hash tables of what block-wise transfer remembers. A key is a 128-bit keyed hash of all that
 * distinguishes one thing from another: who does not know the secret cannot make two that are
 * alike, and by chance there are none. So keys are compared, and what they were made of is not
 * kept.
 */
#ifndef COAX_BLOCK_TABLE_H
#define COAX_BLOCK_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "hash.h"

struct coax_block_key {
	uint64_t words[2];
};

struct coax_block_node {
	struct coax_block_node *next;
	struct coax_block_key key;
};

struct coax_block_table {
	struct coax_block_node **buckets;
	uint32_t count;
};

struct coax_block_key coax_block_key_make(const struct coax_hash_key *secret, const void *data,
					  size_t length);

/* `count` is a power of two. Returns 0 or -ENOMEM. */
int coax_block_table_create(struct coax_block_table *table, uint32_t count);
void coax_block_table_destroy(struct coax_block_table *table);

struct coax_block_node *coax_block_table_find(const struct coax_block_table *table,
					      const struct coax_block_key *key);
/* node->key is set, and not in the table yet. */
void coax_block_table_add(struct coax_block_table *table, struct coax_block_node *node);
void coax_block_table_remove(struct coax_block_table *table, struct coax_block_node *node);

#endif
