// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include <sodium.h>
#include "block_table.h"
#include "exchange/memory.h"

struct coax_block_key coax_block_key_make(const struct coax_hash_key *secret, const void *data,
					  size_t length)
{
	unsigned char out[crypto_shorthash_siphashx24_BYTES];
	struct coax_block_key key;

	crypto_shorthash_siphashx24(out, data, length, secret->bytes);
	memcpy(&key, out, sizeof(key));
	return key;
}

int coax_block_table_create(struct coax_block_table *table, uint32_t count)
{
	table->count = count;
	return coax_memory_map((void **)&table->buckets, count * sizeof(*table->buckets));
}

void coax_block_table_destroy(struct coax_block_table *table)
{
	coax_memory_unmap(table->buckets, table->count * sizeof(*table->buckets));
}

static struct coax_block_node **bucket_of(const struct coax_block_table *table,
					  const struct coax_block_key *key)
{
	return &table->buckets[key->words[0] & (table->count - 1)];
}

struct coax_block_node *coax_block_table_find(const struct coax_block_table *table,
					      const struct coax_block_key *key)
{
	struct coax_block_node *node = *bucket_of(table, key);

	while (node && (node->key.words[0] != key->words[0] || node->key.words[1] != key->words[1]))
		node = node->next;
	return node;
}

void coax_block_table_add(struct coax_block_table *table, struct coax_block_node *node)
{
	struct coax_block_node **bucket = bucket_of(table, &node->key);

	node->next = *bucket;
	*bucket = node;
}

void coax_block_table_remove(struct coax_block_table *table, struct coax_block_node *node)
{
	struct coax_block_node **at = bucket_of(table, &node->key);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
}
