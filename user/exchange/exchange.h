/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The message layer (RFC 7252 section 4) and the matching of requests and responses (section 5.3):
 * types, acknowledgements, resets, retransmission, duplicates, tokens.
 *
 * One exchange layer belongs to one worker and is used by its thread alone. It has no clock and no
 * sockets: time comes in as an argument (nanoseconds of CLOCK_MONOTONIC, never going back), and
 * datagrams leave through the operations below.
 *
 * Who a peer is, is its address and its secure session: what came in one session is not about what
 * was said in another, or without any (section 9.1.1). What is said in sessions is told to nobody
 * who meets duplicates before this layer does.
 *
 * It counts in stats what is about messages, `notifications` among it; datagrams_in and
 * datagrams_out, and what is about observers, are the caller's.
 */
#ifndef COAX_EXCHANGE_H
#define COAX_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/hlist.h>
#include <coax/context.h>
#include "exchange/backoff.h"
#include "exchange/timer.h"
#include "transport/transport.h"

struct coax_digest_secret;
struct coax_exchange;
struct coax_pending;
struct coax_notice;

/* Names a request that has been handed up, until it is answered. */
struct coax_ticket {
	uint32_t index;
	uint32_t serial;
};

/* What duplicates of a request get. */
struct coax_verdict {
	uint16_t id;
	bool withdrawn;	      /* a former verdict no longer holds, or cannot be repeated */
	bool held;	      /* is being handled; else it is answered, or never will be */
	uint64_t digest;      /* of the request's bytes */
	uint64_t expires;     /* ns */
	const uint8_t *reply; /* what they get: a whole message; NULL: nothing */
	size_t reply_length;
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
	/*
	 * Build the newest notification for an observer into `buffer` (COAX_DATAGRAM_OUT_MAX
	 * bytes): complete with its token, but for type and message ID. Called for each
	 * transmission, also for those that repeat an unacknowledged one: RFC 7641 section 4.5.2
	 * wants them up to date. What has not changed has the same bytes. Returns its length; 0:
	 * nothing is to be sent after all, and a repetition is not tried again: `notified` gets 0
	 * then. It calls nothing of this layer.
	 */
	size_t (*compose)(void *arg, struct coax_notice *notice, uint8_t *buffer);
	/*
	 * What became of it. 0: acknowledged, the next one may go. Else the observer is lost:
	 * -ECONNRESET (RST, also to a non-confirmable one), -ETIMEDOUT, or what the network said;
	 * coax_exchange_notice_remove() is to be called, now or later. From here notices, also
	 * others, may be removed and notified.
	 */
	void (*notified)(void *arg, struct coax_notice *notice, int result);
	/*
	 * What duplicates of a request get from now on: told before anything of it is sent. What it
	 * never told of, or withdrew, has to come here. Not for requests that run again, nor for
	 * those to a group. NULL: nobody wants to know. It calls nothing of this layer.
	 */
	void (*verdict)(void *arg, const struct coax_path *path,
			const struct coax_verdict *verdict);
	/*
	 * Whether a duplicate of so many bytes gets the reply to the first, of so many; else it
	 * gets nothing: whoever sends it may not be who it says it is (RFC 7252 section 11.3).
	 * NULL: it does. It calls nothing of this layer.
	 */
	bool (*may_repeat)(void *arg, const struct coax_path *path, size_t request, size_t reply);
};

/* How a notification leaves. */
enum coax_notify {
	/*
	 * Non-confirmable while that is not more than one a round-trip time (as measured by those
	 * acknowledged; 3 s where there is none: RFC 7641 section 4.5.1), and the last confirmable
	 * one is less than tuning.notify_confirm_ms ago; else confirmable. So the first one is.
	 */
	COAX_NOTIFY_DEFAULT,
	COAX_NOTIFY_RELIABLE,
	/* Confirmable only when the last one is longer than tuning.notify_confirm_ms ago. */
	COAX_NOTIFY_UNRELIABLE,
};

/* A message of a notice that ACKs and RSTs can be about. */
struct coax_notice_message {
	struct cds_hlist_node by_id; /* while `listed` */
	uint16_t id;
	bool listed;
	uint8_t at; /* which of the notice's messages it is */
};

/*
 * An observer, as far as messages to it are concerned. It belongs to whoever keeps observers, who
 * sets path and token and zeroes the rest.
 *
 * NSTART (RFC 7252 section 4.7) is kept to by notice: several at one remote may each have one
 * confirmable notification unacknowledged. RFC 7641 section 4.5.1 limits what is on the way to a
 * client for each observation it has made, and it is the client who chose to make so many; waiting
 * for each other, one notification that is lost would hold up those of all other resources for
 * MAX_TRANSMIT_WAIT. How many notices a remote can have is for the owner to limit.
 */
struct coax_notice {
	struct coax_path path;
	uint8_t token_length;
	uint8_t token[COAX_TOKEN_MAX];

	bool added;
	bool unacknowledged; /* a confirmable one is on its way: no other is sent (section 4.5) */
	uint8_t latest;	     /* of `messages`; the other is the one before, whose RST may be late */
	struct coax_notice_message messages[2];
	struct coax_backoff backoff;
	uint32_t rtt_us;	   /* smoothed; 0: not known */
	uint64_t content;	   /* hash of the latest confirmable one */
	uint64_t sent;		   /* when the latest left first, ns */
	uint64_t confirmable_sent; /* when the latest confirmable one did; 0: none has */
	struct coax_timer timer;
	struct cds_hlist_node by_remote;
};

struct coax_exchange_options {
	const struct coax_exchange_ops *ops;
	void *arg;
	struct coax_tuning tuning; /* filled in; the maxima are this layer's own share */
	const struct coax_logger *logger;
	struct coax_context_stats *stats; /* written by this layer's thread with relaxed atomics */
	/*
	 * Of digests; it outlives this layer, and does not change once something has been received.
	 * NULL: one of its own.
	 */
	const struct coax_digest_secret *digest;
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
 * The same for up to COAX_BATCH datagrams in their order: what is known of each is fetched from
 * memory while the others are looked at.
 */
void coax_exchange_receive_batch(struct coax_exchange *exchange, uint64_t now,
				 const struct coax_datagram *batch, unsigned int count);

/*
 * Answer a request. The message is complete but for its type and message ID, which are chosen here
 * and written into it: piggybacked (ACK), separate (CON, retransmitted until acknowledged) after an
 * empty ACK, NON to a NON (with the request's message ID, as the kernel half does). What answers
 * a request that came by multicast leaves within tuning.leisure_ms of that request, or not at all
 * when it has nothing useful to say: errors, empty content (RFC 7252 section 8.2).
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

/* What is answered here may be run again: it need not be remembered when room is short. */
void coax_exchange_relax(struct coax_exchange *exchange, struct coax_ticket ticket);

/* Whether a ticket can still be answered. */
bool coax_exchange_is_open(const struct coax_exchange *exchange, struct coax_ticket ticket);

/*
 * There will be no response (RFC 7967 section 2): an empty ACK if the request was confirmable, and
 * none of its own yet. For an open or a held ticket. Returns 0 or -ESTALE.
 */
int coax_exchange_withhold(struct coax_exchange *exchange, uint64_t now,
			   const struct coax_path *path, struct coax_ticket ticket);

/* How a request of ours is sent. */
struct coax_ask {
	bool non_confirmable; /* always so to a group */
	bool observe;	      /* several responses may come: RFC 7641 */
	bool multicast;	      /* the remote is a group: responses come from anybody */
	bool proxying;	      /* as coax_request_options says */
	uint32_t timeout_ms;  /* as coax_request_options says; to a group: when collecting ends */
};

/*
 * Takes what became of a request. `last`: it was the last call, and the request is gone when it
 * returns. Otherwise more may come: with `observe`, after a 2.xx response with an Observe option,
 * until one comes that is not; with `multicast`, until the time is up (-ETIMEDOUT). `from` is where
 * the response came from, or the request went to. Results are those of coax_response_fn.
 */
typedef void (*coax_answer_fn)(void *arg, int result, const struct coax_message *response,
			       const struct coax_path *from, bool last);

/*
 * A request of ours: `message`'s code, options and payload; a code of 0.00 is a ping. Only
 * tuning.nstart confirmable requests to a remote are without an acknowledgement at a time (NSTART,
 * RFC 7252 section 4.7), up to tuning.nstart_max while none of them has to be sent again; the
 * others wait for their turn; non-confirmable ones to a remote that does not respond wait until
 * tuning.probing_rate lets them go, or it does. A remote or group that is new has not responded
 * yet: its first request goes at once. One that has is taken not to any more when 1 +
 * tuning.max_retransmit of them in a row have timed out.
 *
 * `done` is called as coax_answer_fn says, and never before this has returned; *pending (may be
 * NULL) can be cancelled until the last call has returned. Returns 0, -EINVAL (no request code,
 * or a multicast address without `multicast`, or with it none), -EMSGSIZE, -ENOBUFS or -ESHUTDOWN;
 * then `done` does not run.
 */
int coax_exchange_request(struct coax_exchange *exchange, uint64_t now,
			  const struct coax_path *path, const struct coax_message *message,
			  const struct coax_ask *ask, coax_answer_fn done, void *arg,
			  struct coax_pending **pending);

/*
 * Send another message with the token of a request that observes: to register again (RFC 7641
 * section 3.3.1) or to deregister (3.6). What answers it comes to the same `done`; a failure of
 * this message is the request's. While one that deregisters is unanswered, notifications that were
 * on their way still come. Returns 0, -EBUSY (the former message has not been answered yet),
 * -EINVAL, -EMSGSIZE, -ENOBUFS or -ESHUTDOWN; then the request is as before.
 */
int coax_exchange_request_again(struct coax_exchange *exchange, uint64_t now,
				struct coax_pending *pending, const struct coax_message *message);

/*
 * Ends it with `result` (a negative errno): its callback runs, unless it is running already; then
 * that was the last call. Nothing is sent: the RST to the next notification tells an observed
 * remote.
 */
void coax_exchange_cancel(struct coax_exchange *exchange, struct coax_pending *pending, int result);

/*
 * Observers. A notice is found by ACKs, RSTs and network errors from its remote from the time it
 * was added until it is removed. Adding returns 0, or -ENOBUFS when there are tuning.observers_max.
 * coax_exchange_destroy() forgets them all: they are not told, and not to be removed afterwards.
 */
int coax_exchange_notice_add(struct coax_exchange *exchange, struct coax_notice *notice);
void coax_exchange_notice_remove(struct coax_exchange *exchange, struct coax_notice *notice);

/*
 * Send a notification: `compose` is called at once. Returns 0, -EINVAL (a notice that has not been
 * added), or -EBUSY when one is not acknowledged yet: `notified` tells when it is, and its
 * repetitions are composed anew meanwhile.
 */
int coax_exchange_notify(struct coax_exchange *exchange, uint64_t now, struct coax_notice *notice,
			 enum coax_notify how);

/*
 * The network reported `error` (a positive errno) for a datagram to path's peer: requests to there
 * end with -error, retransmission of responses ends, observers there are lost.
 */
void coax_exchange_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				 int error);

/*
 * path->session is over, by `error` (a positive errno): the same, and observations of ours in it
 * end too. What is sent in it from here on is lost.
 */
void coax_exchange_session_ended(struct coax_exchange *exchange, const struct coax_path *path,
				 int error);

/*
 * When coax_exchange_tick() is due next; UINT64_MAX: never. One tick need not do all that is due,
 * so that datagrams get their turn.
 */
uint64_t coax_exchange_deadline(const struct coax_exchange *exchange);
void coax_exchange_tick(struct coax_exchange *exchange, uint64_t now);

/*
 * The message ID that the next message to path's peer by that port gets, unless it is in use; and
 * which group of remotes and ports counts it, less than COAX_ID_GROUPS.
 */
#define COAX_ID_GROUPS 4096
uint16_t coax_exchange_next_id(const struct coax_exchange *exchange, const struct coax_path *path,
			       uint32_t *group);

/* Add to one of the counters in stats. */
#define coax_count(stats, field)                                                                  \
	__atomic_store_n(&(stats)->field, __atomic_load_n(&(stats)->field, __ATOMIC_RELAXED) + 1, \
			 __ATOMIC_RELAXED)

#endif
