// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include "memory.h"
#include "replies.h"

#define CHUNK_SIZE 4096u
#define BLOCKS_MAX 64u /* of the smallest size in a chunk */

static const uint16_t block_sizes[COAX_REPLY_SIZES] = {64, 256, 1024, 2048};

struct coax_reply_chunk {
	uint64_t free; /* a bit for each block */
	uint32_t next; /* chunk number + 1 */
	uint32_t previous;
	uint32_t size; /* index into block_sizes */
};

int coax_replies_create(struct coax_replies *replies, size_t size)
{
	int err;

	memset(replies, 0, sizeof(*replies));
	replies->max = (uint32_t)(size / CHUNK_SIZE);
	if (!replies->max)
		return 0;
	err = coax_memory_map((void **)&replies->bytes, (size_t)replies->max * CHUNK_SIZE);
	if (!err)
		err = coax_memory_map((void **)&replies->chunks,
				      replies->max * sizeof(*replies->chunks));
	return err;
}

void coax_replies_destroy(struct coax_replies *replies)
{
	coax_memory_unmap(replies->bytes, (size_t)replies->max * CHUNK_SIZE);
	coax_memory_unmap(replies->chunks, replies->max * sizeof(*replies->chunks));
}

static uint64_t all_blocks(uint32_t size)
{
	return ~0ULL >> (BLOCKS_MAX - CHUNK_SIZE / block_sizes[size]);
}

static void list(struct coax_replies *replies, uint32_t number)
{
	struct coax_reply_chunk *chunk = &replies->chunks[number - 1];
	uint32_t *head = &replies->partial[chunk->size];

	chunk->next = *head;
	chunk->previous = 0;
	if (*head)
		replies->chunks[*head - 1].previous = number;
	*head = number;
}

static void unlist(struct coax_replies *replies, uint32_t number)
{
	struct coax_reply_chunk *chunk = &replies->chunks[number - 1];

	if (chunk->next)
		replies->chunks[chunk->next - 1].previous = chunk->previous;
	if (chunk->previous)
		replies->chunks[chunk->previous - 1].next = chunk->next;
	else
		replies->partial[chunk->size] = chunk->next;
}

/* A chunk with a free block of `size`; its number + 1, or 0. */
static uint32_t find_chunk(struct coax_replies *replies, uint32_t size)
{
	uint32_t number = replies->partial[size];

	if (number)
		return number;
	if (replies->unused) {
		number = replies->unused;
		replies->unused = replies->chunks[number - 1].next;
	} else if (replies->touched < replies->max) {
		number = ++replies->touched;
	} else {
		return 0;
	}
	replies->chunks[number - 1].size = size;
	replies->chunks[number - 1].free = all_blocks(size);
	list(replies, number);
	return number;
}

uint32_t coax_replies_put(struct coax_replies *replies, const uint8_t *reply, size_t length)
{
	struct coax_reply_chunk *chunk;
	uint32_t size = 0, number, block;

	while (size < COAX_REPLY_SIZES && block_sizes[size] < length)
		size++;
	if (size == COAX_REPLY_SIZES)
		return 0;
	number = find_chunk(replies, size);
	if (!number)
		return 0;

	chunk = &replies->chunks[number - 1];
	block = (uint32_t)__builtin_ctzll(chunk->free);
	chunk->free &= chunk->free - 1;
	if (!chunk->free)
		unlist(replies, number);
	memcpy(replies->bytes + (size_t)(number - 1) * CHUNK_SIZE + block * block_sizes[size],
	       reply, length);
	return (number - 1) * BLOCKS_MAX + block + 1;
}

const uint8_t *coax_replies_get(const struct coax_replies *replies, uint32_t name)
{
	uint32_t number = (name - 1) / BLOCKS_MAX + 1, block = (name - 1) % BLOCKS_MAX;

	return replies->bytes + (size_t)(number - 1) * CHUNK_SIZE +
	       block * block_sizes[replies->chunks[number - 1].size];
}

void coax_replies_drop(struct coax_replies *replies, uint32_t name)
{
	uint32_t number = (name - 1) / BLOCKS_MAX + 1, block = (name - 1) % BLOCKS_MAX;
	struct coax_reply_chunk *chunk = &replies->chunks[number - 1];

	if (!chunk->free)
		list(replies, number);
	chunk->free |= 1ULL << block;
	if (chunk->free != all_blocks(chunk->size))
		return;
	unlist(replies, number);
	chunk->next = replies->unused;
	replies->unused = number;
}
