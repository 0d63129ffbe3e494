// SPDX-License-Identifier: BSD-2-Clause
#include "backoff.h"
#include "internal.h"

static uint64_t ack_timeout(const struct coax_exchange *exchange)
{
	return exchange->tuning.ack_timeout_ms * NS_PER_MS;
}

/* ACK_TIMEOUT times a random number between 1 and ACK_RANDOM_FACTOR. */
static uint64_t first_interval(struct coax_exchange *exchange)
{
	uint64_t least = ack_timeout(exchange);
	uint64_t spread = least * (exchange->tuning.ack_random_percent - 100) / 100;

	return least + coax_exchange_draw(exchange) % (spread + 1);
}

/* MAX_TRANSMIT_SPAN (section 4.8.2). */
static uint64_t transmit_span(const struct coax_exchange *exchange)
{
	return ack_timeout(exchange) * ((1ULL << exchange->tuning.max_retransmit) - 1) *
	       exchange->tuning.ack_random_percent / 100;
}

void coax_backoff_begin(struct coax_exchange *exchange, struct coax_backoff *backoff,
			struct coax_timer *timer)
{
	backoff->retransmitted = 0;
	backoff->interval = first_interval(exchange);
	backoff->last = exchange->now + transmit_span(exchange);
	coax_timer_start(&exchange->timers, timer, exchange->now + backoff->interval);
}

/*
 * The schedule is kept to even if this is called late, but for ACK_TIMEOUT between any two; what
 * would then fall out of the span for retransmissions is left out (section 4.2).
 */
enum coax_backoff_next coax_backoff_due(struct coax_exchange *exchange,
					struct coax_backoff *backoff, struct coax_timer *timer)
{
	uint64_t next, earliest = exchange->now + ack_timeout(exchange);

	if (backoff->retransmitted >= exchange->tuning.max_retransmit)
		return COAX_BACKOFF_OVER;
	backoff->retransmitted++;
	backoff->interval *= 2;
	next = timer->due + backoff->interval;
	coax_timer_start(&exchange->timers, timer, next > earliest ? next : earliest);
	return exchange->now <= backoff->last ? COAX_BACKOFF_SEND : COAX_BACKOFF_SKIP;
}
