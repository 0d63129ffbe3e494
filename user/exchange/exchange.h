/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The message layer (RFC 7252 section 4) and the matching of requests and responses (section 5.3):
 * types, acknowledgements, resets, retransmission, duplicates, tokens.
 *
 * One exchange layer belongs to one worker and is used by its thread alone. It has no clock and no
 * sockets: time comes in as an argument (nanoseconds of CLOCK_MONOTONIC, never going back), and
 * datagrams leave through the operations below.
 *
 * It counts in stats what is about messages; datagrams_in and datagrams_out are the caller's.
 */
#ifndef COAX_EXCHANGE_H
#define COAX_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/context.h>
#include "transport/transport.h"

struct coax_exchange;
struct coax_pending;

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
	 * A new request: answer it with coax_exchange_respond(), at once or later; in the latter
	 * case call coax_exchange_hold() before returning. One that is neither answered nor held on
	 * return gets no response, only an empty ACK if it is confirmable.
	 *
	 * What it calls of this layer are coax_exchange_respond(), _hold(), _request() and
	 * _cancel().
	 */
	void (*request)(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket);
};

struct coax_exchange_options {
	const struct coax_exchange_ops *ops;
	void *arg;
	struct coax_tuning tuning; /* filled in; the maxima are this layer's own share */
	const struct coax_logger *logger;
	struct coax_context_stats *stats; /* written by this layer's thread with relaxed atomics */
	/*
	 * 0: hash keys, message IDs, tokens and back-off come from the kernel's random numbers, as
	 * they must wherever there are strangers. Anything else makes them reproducible, for tests.
	 */
	uint32_t seed;
};

/* Returns 0, -EINVAL (a tuning that makes no sense), -ENOMEM or what getrandom() says. */
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
 * Does nothing when the ticket has ended (a handler that was too late). Returns 0, -ESTALE or
 * -EMSGSIZE (longer than COAX_DATAGRAM_OUT_MAX; the ticket still stands).
 */
int coax_exchange_respond(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, struct coax_ticket ticket,
			  struct coax_message *response);

/*
 * The answer will come later: an empty ACK leaves after tuning.empty_ack_delay_ms, and 5.03 after
 * tuning.handler_timeout_ms. `request` is the one that came with the ticket; it is not kept.
 *
 * Returns 0, -ESTALE, or -ENOBUFS when tuning.deferred_max requests are held: nothing has changed
 * then, the request has to be answered before its callback returns.
 */
int coax_exchange_hold(struct coax_exchange *exchange, uint64_t now, const struct coax_path *path,
		       struct coax_ticket ticket, const struct coax_message *request);

/*
 * A request of ours: `message`'s code, options and payload; a code of 0.00 is a ping. Only one
 * confirmable request to a remote is without an acknowledgement at a time (NSTART, RFC 7252 section
 * 4.7), the others wait for it.
 *
 * `done` runs exactly once, as coax_response_fn says, and never before this has returned; *pending
 * (may be NULL) can be cancelled until `done` has returned. Returns 0, -EINVAL (no request code,
 * a multicast address), -EMSGSIZE, -ENOBUFS or -ESHUTDOWN; then `done` does not run.
 */
int coax_exchange_request(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, const struct coax_message *message,
			  const struct coax_request_options *options, coax_response_fn done,
			  void *arg, struct coax_pending **pending);

/* Ends it with `result` (a negative errno): its callback runs, unless it is running already. */
void coax_exchange_cancel(struct coax_exchange *exchange, struct coax_pending *pending, int result);

/*
 * The network reported `error` (a positive errno) for a datagram to path->remote: requests to there
 * end with -error, retransmission of responses ends.
 */
void coax_exchange_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				 int error);

/* When coax_exchange_tick() is due next; UINT64_MAX: never. */
uint64_t coax_exchange_deadline(const struct coax_exchange *exchange);
void coax_exchange_tick(struct coax_exchange *exchange, uint64_t now);

/* Add to one of the counters in stats. */
#define coax_count(stats, field)                                                                  \
	__atomic_store_n(&(stats)->field, __atomic_load_n(&(stats)->field, __ATOMIC_RELAXED) + 1, \
			 __ATOMIC_RELAXED)

#endif
