/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RCU for everybody: the flavour that registers threads by itself, so that an application's own
 * threads may call into the library.
 */
#ifndef COAX_RCU_H
#define COAX_RCU_H

#include <stddef.h>
#include <urcu-bp.h>
#include <urcu/rculfhash.h>
#include <unistd.h>

/*
 * What one thread does before it hands `object` over happens before what another does after taking
 * it. liburcu sees to that with instructions that thread sanitizers do not understand: tell them.
 */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *object);
void __tsan_release(void *object);
#define coax_handing_over(object) __tsan_release(object)
#define coax_taken_over(object)	  __tsan_acquire(object)

/* What readers did happens before what is done after a grace period. */
__attribute__((weak)) char coax_rcu_readers;

static inline void coax_read_unlock_seen(void)
{
	coax_handing_over(&coax_rcu_readers);
	urcu_bp_read_unlock();
}

static inline void coax_synchronize_seen(void)
{
	urcu_bp_synchronize_rcu();
	coax_taken_over(&coax_rcu_readers);
}

/* For what call_rcu() calls. */
#define coax_readers_are_gone() coax_taken_over(&coax_rcu_readers)

/*
 * rcu_barrier() frees in one thread what it allocated in another, with nothing in between that is
 * understood. One thread runs what call_rcu() was given, in that order: this does as well.
 */
struct coax_barrier {
	struct rcu_head rcu;
	int passed;
};

static inline void coax_barrier_passed(struct rcu_head *head)
{
	struct coax_barrier *barrier =
		(struct coax_barrier *)((char *)head - offsetof(struct coax_barrier, rcu));

	coax_taken_over(barrier);
	__atomic_store_n(&barrier->passed, 1, __ATOMIC_RELEASE);
}

static inline void coax_barrier_seen(void)
{
	struct coax_barrier barrier = {.passed = 0};

	coax_handing_over(&barrier);
	urcu_bp_call_rcu(&barrier.rcu, coax_barrier_passed);
	while (!__atomic_load_n(&barrier.passed, __ATOMIC_ACQUIRE))
		usleep(1000);
}

#undef rcu_read_unlock
#undef synchronize_rcu
#undef rcu_barrier
#define rcu_read_unlock coax_read_unlock_seen
#define synchronize_rcu coax_synchronize_seen
#define rcu_barrier	coax_barrier_seen
#else
#define coax_handing_over(object) ((void)(object))
#define coax_taken_over(object)	  ((void)(object))
#define coax_readers_are_gone()	  ((void)0)
#endif

#endif
