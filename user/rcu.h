/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RCU for everybody: the flavour that registers threads by itself, so that an application's own
 * threads may call into the library.
 */
#ifndef COAX_RCU_H
#define COAX_RCU_H

#include <urcu-bp.h>
#include <urcu/rculfhash.h>

/*
 * What one thread does before it hands `object` over happens before what another does after taking
 * it. liburcu sees to that with instructions that thread sanitizers do not understand: tell them.
 */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *object);
void __tsan_release(void *object);
#define coax_handing_over(object) __tsan_release(object)
#define coax_taken_over(object)	  __tsan_acquire(object)
#else
#define coax_handing_over(object) ((void)(object))
#define coax_taken_over(object)	  ((void)(object))
#endif

#endif
