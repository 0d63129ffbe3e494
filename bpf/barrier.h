/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is read while userspace may be writing it is read under a sequence lock: this orders the
 * reads.
 */
#ifndef COAX_BPF_BARRIER_H
#define COAX_BPF_BARRIER_H

#include "maps.h"

/*
 * Loads before it are done before loads after it. The only full barrier that programs have on all
 * kernels is an atomic operation that fetches.
 */
static __always_inline void read_barrier(void)
{
	if (coax_setup.weakly_ordered) {
		__u64 word = 0;

		word = __sync_fetch_and_add(&word, 0);
		asm volatile("" : : "r"(word));
	}
	asm volatile("" : : : "memory");
}

#endif
