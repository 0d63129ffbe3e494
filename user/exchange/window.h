/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many confirmable requests to a remote are without an acknowledgement at a time (RFC 7252
 * section 4.7): tuning.nstart, and more, up to tuning.nstart_max, while none of them is lost.
 */
#ifndef COAX_WINDOW_H
#define COAX_WINDOW_H

#include <urcu/hlist.h>
#include <urcu/list.h>
#include "transport/transport.h"

struct coax_exchange;
struct coax_pending;

/* A remote's. It is kept when nobody is under way any more, until there is no room for a new one.
 */
struct coax_window {
	struct cds_hlist_node by_remote;
	struct cds_list_head order;   /* while nobody is: of when that began */
	struct cds_list_head waiting; /* requests, in the order in which they came */
	struct coax_path path;
	uint64_t idle_since; /* ns */
	uint32_t under_way;
	uint32_t size;
	uint32_t threshold;    /* from here on it grows by one each time that all came through */
	uint32_t acknowledged; /* since then */
};

int coax_windows_create(struct coax_exchange *exchange);
void coax_windows_destroy(struct coax_exchange *exchange);

/* Whether a request may leave; else it has been queued, and leaves when its turn comes. */
bool coax_window_enter(struct coax_exchange *exchange, struct coax_pending *pending);
/*
 * One that has left is acknowledged, or over: others may leave. They do so by the clock, because
 * not every way here knows what time it is. Nothing, if it is not one that has left.
 */
void coax_window_leave(struct coax_exchange *exchange, struct coax_pending *pending,
		       bool acknowledged);
/* One that has left seems to be lost. */
void coax_window_lost(struct coax_exchange *exchange, struct coax_pending *pending);

#endif
