/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer's side of the maps' sequence locks: no store of what is written before the odd
 * sequence, none after the even one.
 */
#ifndef COAX_ACCEL_SEQUENCE_H
#define COAX_ACCEL_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

/* The only writer. One that was killed may have left it odd. */
static inline void accel_sequence_begin(uint32_t *sequence)
{
	__atomic_store_n(sequence, *sequence | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* One of several. Returns false while another writes. */
static inline bool accel_sequence_try(uint32_t *sequence)
{
	uint32_t now = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	if (now & 1 || !__atomic_compare_exchange_n(sequence, &now, now | 1, false,
						    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return true;
}

static inline void accel_sequence_end(uint32_t *sequence)
{
	uint32_t now = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	__atomic_store_n(sequence, now + 1, __ATOMIC_RELEASE);
}

#endif
