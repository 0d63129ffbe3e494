/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who responds to non-confirmable requests, as far as that is known.
 */
#ifndef COAX_PROBE_H
#define COAX_PROBE_H

#include <stdbool.h>
#include <urcu/list.h>
#include "exchange/timer.h"
#include "transport/transport.h"

struct coax_pending;

/* A power of two. */
#define COAX_PROBE_SETS 256
#define COAX_PROBE_WAYS 4

struct coax_probe {
	bool used;
	bool responds;
	uint8_t unanswered; /* requests given up since the last response */
	struct coax_path path;
	uint64_t next; /* when the rate lets the next request go, ns */
	struct cds_list_head waiting;
	struct coax_timer timer; /* while somebody waits */
};

/* Whether this request has to wait; it has been queued then. Else it is to be sent. */
bool coax_probe_waits(struct coax_exchange *exchange, struct coax_pending *pending);
/* There is a sign of life from who requests went to: those that wait are sent. */
void coax_probe_responded(struct coax_exchange *exchange, const struct coax_path *path);
/* A non-confirmable request that was sent is given up. */
void coax_probe_unanswered(struct coax_exchange *exchange, const struct coax_pending *pending);

#endif
