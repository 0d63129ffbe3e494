// SPDX-License-Identifier: BSD-2-Clause
#include "memory.h"
#include "timer.h"

int coax_timers_create(struct coax_timers *timers, uint32_t max)
{
	timers->count = 0;
	timers->max = max;
	return coax_memory_map((void **)&timers->heap, ((size_t)max + 1) * sizeof(*timers->heap));
}

void coax_timers_destroy(struct coax_timers *timers)
{
	coax_memory_unmap(timers->heap, ((size_t)timers->max + 1) * sizeof(*timers->heap));
}

static void place(struct coax_timers *timers, struct coax_timer *timer, uint32_t at)
{
	timers->heap[at] = timer;
	timer->at = at;
}

static void rise(struct coax_timers *timers, struct coax_timer *timer, uint32_t at)
{
	while (at > 1 && timers->heap[at / 2]->due > timer->due) {
		place(timers, timers->heap[at / 2], at);
		at /= 2;
	}
	place(timers, timer, at);
}

static void sink(struct coax_timers *timers, struct coax_timer *timer, uint32_t at)
{
	uint32_t child;

	while ((child = 2 * at) <= timers->count) {
		if (child < timers->count &&
		    timers->heap[child + 1]->due < timers->heap[child]->due)
			child++;
		if (timers->heap[child]->due >= timer->due)
			break;
		place(timers, timers->heap[child], at);
		at = child;
	}
	place(timers, timer, at);
}

void coax_timer_start(struct coax_timers *timers, struct coax_timer *timer, uint64_t due)
{
	coax_timer_stop(timers, timer);
	timer->due = due;
	rise(timers, timer, ++timers->count);
}

void coax_timer_stop(struct coax_timers *timers, struct coax_timer *timer)
{
	uint32_t at = timer->at;
	struct coax_timer *last;

	if (!at)
		return;
	timer->at = 0;
	last = timers->heap[timers->count--];
	if (last == timer)
		return;
	if (at > 1 && timers->heap[at / 2]->due > last->due)
		rise(timers, last, at);
	else
		sink(timers, last, at);
}
