/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When confirmable messages are sent again: RFC 7252 section 4.2.
 */
#ifndef COAX_BACKOFF_H
#define COAX_BACKOFF_H

#include <stdint.h>
#include "exchange/timer.h"

struct coax_backoff {
	uint64_t interval; /* until the next retransmission, ns */
	uint64_t last;	   /* when the span for retransmissions ends, ns */
	uint8_t retransmitted;
};

enum coax_backoff_next {
	COAX_BACKOFF_SEND,
	COAX_BACKOFF_SKIP, /* it is too late for this one; the timer runs on */
	COAX_BACKOFF_OVER, /* that was the last; the timer has been stopped */
};

/* The first transmission leaves now. */
void coax_backoff_begin(struct coax_exchange *exchange, struct coax_backoff *backoff,
			struct coax_timer *timer);

/* The timer has fired. */
enum coax_backoff_next coax_backoff_due(struct coax_exchange *exchange,
					struct coax_backoff *backoff, struct coax_timer *timer);

#endif
