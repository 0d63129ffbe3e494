/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a fixed maximum that costs only what has been used of it: zeroed pages from the kernel,
 * and a pool of records in them.
 */
#ifndef COAX_MEMORY_H
#define COAX_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0 or -ENOMEM. */
int coax_memory_map(void **memory, size_t size);
/* NULL: nothing. */
/*
 * It is looked at all over, and much of it used: in huge pages where the system has them, because
 * the CPU knows few small ones at a time.
 */
void coax_memory_is_scattered(void *memory, size_t size);
void coax_memory_unmap(void *memory, size_t size);

struct coax_pool {
	uint8_t *records;
	size_t size; /* of a record */
	uint32_t max;
	uint32_t touched;    /* records that have ever been in use */
	uint32_t first_free; /* record number + 1; 0: none */
};

/* `max` records of at least `size` bytes. Returns 0 or -ENOMEM. */
int coax_pool_create(struct coax_pool *pool, size_t size, uint32_t max);
void coax_pool_destroy(struct coax_pool *pool);

/* The record given back last, as it is, or NULL when all are in use. */
void *coax_pool_take(struct coax_pool *pool);
void coax_pool_give(struct coax_pool *pool, void *record);

#endif
