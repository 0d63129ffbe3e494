/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The message layer (RFC 7252 section 4) and the matching of requests and responses (section 5.3):
 * types, acknowledgements, resets, retransmission, duplicates, tokens.
 *
 * One exchange layer belongs to one worker and is used by its thread alone. It has no clock and no
 * sockets: time comes in as an argument (nanoseconds of CLOCK_MONOTONIC, never going back), and
 * datagrams leave through the operations below.
 */
#ifndef COAX_EXCHANGE_H
#define COAX_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/context.h>
#include "transport/transport.h"

struct coax_exchange;

/* Names a request that has been handed up, until it is answered. */
struct coax_ticket {
	uint32_t index;
	uint32_t serial;
};

struct coax_exchange_ops {
	/*
	 * A datagram is to leave. `data` is copied or taken over during the call.
	 */
	void (*send)(void *arg, const struct coax_path *path, const uint8_t *data, size_t length);
	/*
	 * A new request: answer it with coax_exchange_respond(), at once or later; in the latter case
	 * call coax_exchange_hold() before returning.
	 */
	void (*request)(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket);
};

struct coax_exchange_options {
	const struct coax_exchange_ops *ops;
	void *arg;
	struct coax_tuning tuning; /* filled in: no zeroed fields; exchanges_max is this layer's own */
	const struct coax_logger *logger;
	struct coax_context_stats *stats; /* written by this layer's thread with relaxed atomics */
	uint32_t seed; /* of message IDs, tokens and random back-off; tests give a fixed one */
};

int coax_exchange_create(struct coax_exchange **exchange,
			 const struct coax_exchange_options *options);

/* Pending requests end with -ESHUTDOWN. */
void coax_exchange_destroy(struct coax_exchange *exchange);

/*
 * Take in one datagram: react to what is malformed, repeat what was answered, acknowledge, hand
 * requests up, complete our own. `truncated`: the datagram was longer than `length`.
 */
void coax_exchange_receive(struct coax_exchange *exchange, uint64_t now,
			   const struct coax_path *path, const uint8_t *data, size_t length,
			   bool truncated);

/*
 * Answer a request. The message is complete but for its type and message ID, which are chosen here
 * and written into it: piggybacked (ACK), separate (CON, retransmitted until acknowledged) after an
 * empty ACK, NON to a NON (with the request's message ID, as the kernel half does).
 *
 * Does nothing when the ticket has ended (a handler that was too late). Returns 0 or -ESTALE.
 */
int coax_exchange_respond(struct coax_exchange *exchange, uint64_t now, const struct coax_path *path,
			  struct coax_ticket ticket, struct coax_message *response);

/* The answer will come later: an empty ACK leaves after tuning.empty_ack_delay_ms. */
void coax_exchange_hold(struct coax_exchange *exchange, uint64_t now, const struct coax_path *path,
			struct coax_ticket ticket);

/* How a request of ours ends: as coax_response_fn, on the worker's thread. */
struct coax_pending;

int coax_exchange_request(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, const struct coax_message *message,
			  const struct coax_request_options *options, coax_response_fn done,
			  void *arg, struct coax_pending **pending);

/* Ends it with `result` (a negative errno): its callback runs. */
void coax_exchange_cancel(struct coax_exchange *exchange, struct coax_pending *pending, int result);

/* The network reported `error` (a positive errno) for a datagram to path->remote. */
void coax_exchange_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				 int error);

/* When coax_exchange_tick() is due next; UINT64_MAX: never. */
uint64_t coax_exchange_deadline(const struct coax_exchange *exchange);
void coax_exchange_tick(struct coax_exchange *exchange, uint64_t now);

/* Add to one of the counters in stats. */
#define coax_count(stats, field)                                                                   \
	__atomic_store_n(&(stats)->field, __atomic_load_n(&(stats)->field, __ATOMIC_RELAXED) + 1,  \
			 __ATOMIC_RELAXED)

#endif
