/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers that can be due at any time: a binary heap. Delays that are the same for all are kept in
 * queues instead, by those who need them.
 */
#ifndef COAX_TIMER_H
#define COAX_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct coax_exchange;

/* Zeroed: not running. */
struct coax_timer {
	uint64_t due; /* ns */
	uint32_t at;  /* its place in the heap; 0: not running */
	void (*fire)(struct coax_exchange *exchange, struct coax_timer *timer);
};

struct coax_timers {
	struct coax_timer **heap; /* [1] is due first; [0] is unused */
	uint32_t count;
	uint32_t max;
};

/* `max`: how many can run at once. Returns 0 or -ENOMEM. */
int coax_timers_create(struct coax_timers *timers, uint32_t max);
void coax_timers_destroy(struct coax_timers *timers);

/* Start or move. There is always room: callers have no more timers than `max`. */
void coax_timer_start(struct coax_timers *timers, struct coax_timer *timer, uint64_t due);
/* A timer that does not run may be stopped. */
void coax_timer_stop(struct coax_timers *timers, struct coax_timer *timer);

/* The one that is due first, NULL: none runs. */
static inline struct coax_timer *coax_timers_first(const struct coax_timers *timers)
{
	return timers->count ? timers->heap[1] : NULL;
}

#endif
