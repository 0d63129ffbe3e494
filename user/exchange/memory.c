// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "memory.h"

#define CACHE_LINE 64

int coax_memory_map(void **memory, size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*memory = pages == MAP_FAILED ? NULL : pages;
	return *memory ? 0 : -ENOMEM;
}

void coax_memory_is_scattered(void *memory, size_t size)
{
	(void)madvise(memory, size, MADV_HUGEPAGE);
}

void coax_memory_unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

int coax_pool_create(struct coax_pool *pool, size_t size, uint32_t max)
{
	pool->size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	pool->max = max;
	pool->touched = 0;
	pool->first_free = 0;
	return coax_memory_map((void **)&pool->records, pool->size * max);
}

void coax_pool_destroy(struct coax_pool *pool)
{
	coax_memory_unmap(pool->records, pool->size * pool->max);
}

void *coax_pool_take(struct coax_pool *pool)
{
	uint8_t *record;

	if (!pool->first_free)
		return pool->touched < pool->max ? pool->records + pool->size * pool->touched++
						 : NULL;
	record = pool->records + pool->size * (pool->first_free - 1);
	memcpy(&pool->first_free, record, sizeof(pool->first_free));
	return record;
}

void coax_pool_give(struct coax_pool *pool, void *record)
{
	memcpy(record, &pool->first_free, sizeof(pool->first_free));
	pool->first_free = (uint32_t)(((uint8_t *)record - pool->records) / pool->size) + 1;
}
