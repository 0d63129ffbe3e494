/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the exchange layer share: its state, and what each part does for the others.
 */
#ifndef COAX_EXCHANGE_INTERNAL_H
#define COAX_EXCHANGE_INTERNAL_H

#include <urcu/hlist.h>
#include <urcu/list.h>
#include <coax/digest.h>
#include "clock.h"
#include "duplicates.h"
#include "exchange/exchange.h"
#include "hash.h"
#include "memory.h"
#include "probe.h"
#include "timer.h"

/* Requests of ours whose message can be unanswered in one exchange layer. */
#define COAX_PENDING_MAX 4096

/* Responses to multicast requests that can be waiting for their time in one exchange layer. */
#define COAX_DELAYED_MAX 1024

/* Chains of what is found by a hash. A power of two. */
#define COAX_CHAINS 4096

/* Message IDs are counted for so many groups of remotes apart. A power of two. */

/* Warnings about peers that are written in a second; the others are only counted. */
#define COAX_WARNINGS_PER_SECOND 5

/* Log lines at WARNING are at the mercy of strangers. */
struct coax_warnings {
	uint64_t since; /* start of the second, ns */
	uint32_t written;
	uint32_t suppressed;
};

/* Names of messages of a batch, that are worked out before their turn. */
struct coax_expected {
	const struct coax_path *path; /* of the message whose turn it is; NULL: no batch */
	uint64_t name;
	uint64_t names[COAX_BATCH];
};

struct coax_exchange {
	const struct coax_exchange_ops *ops;
	void *arg;
	struct coax_tuning tuning;
	const struct coax_logger *logger;
	struct coax_context_stats *stats;
	uint64_t now; /* of the latest call */
	bool closing;

	struct coax_hash_key key;    /* of tables */
	struct coax_hash_key secret; /* of tokens and everything else that peers must not guess */
	const struct coax_digest_secret *digest;
	struct coax_digest_secret own_digest; /* when no other was given */
	uint64_t drawn;			      /* random numbers so far */
	uint16_t next_id[COAX_ID_GROUPS];

	struct coax_duplicates duplicates;
	struct coax_expected expected;
	struct coax_timers timers;
	struct coax_warnings warnings;

	/* Requests that are answered later. */
	struct coax_pool held;
	struct cds_list_head awaiting_ack;     /* in the order in which an empty ACK is due */
	struct cds_list_head awaiting_handler; /* in the order in which the patience ends */

	/* Messages of ours that a remote reacts to, and requests. */
	struct coax_pool responses;
	struct coax_pool requests;
	struct coax_pool request_messages;
	uint32_t observations; /* requests that observe */
	struct cds_hlist_head by_id[COAX_CHAINS];
	struct cds_hlist_head by_remote[COAX_CHAINS];
	struct cds_hlist_head by_token[COAX_CHAINS];

	struct coax_pool windows;
	struct cds_list_head idle_windows; /* the one that has been so longest is the first */
	struct cds_hlist_head windows_by_remote[COAX_CHAINS];

	struct coax_probe probes[COAX_PROBE_SETS][COAX_PROBE_WAYS];

	struct coax_pool delayed; /* responses, by leisure */

	/* Observers. */
	uint32_t notices;
	uint32_t notice_chains; /* of each of the two; a power of two */
	struct cds_hlist_head *notices_by_remote;
	struct cds_hlist_head *notices_by_id;
};

/* exchange.c */

/* An unpredictable number. */
uint64_t coax_exchange_draw(struct coax_exchange *exchange);
void coax_exchange_send(struct coax_exchange *exchange, const struct coax_path *path,
			const uint8_t *data, size_t length);
/* An ACK or RST without anything. */
void coax_exchange_send_empty(struct coax_exchange *exchange, const struct coax_path *path,
			      enum coax_type type, uint16_t id);

/*
 * Reject a message (RFC 7252 section 4.2, 4.3): RST to a confirmable one, silence to all others,
 * and to whatever came by multicast (section 8.1).
 */
void coax_exchange_reject(struct coax_exchange *exchange, const struct coax_path *path,
			  const struct coax_message *message);

/* endpoint.c: keyed hashes of who a message is from. */

uint64_t coax_exchange_hash_message(const struct coax_exchange *exchange,
				    const struct coax_path *path, uint16_t id);
uint64_t coax_exchange_hash_peer(const struct coax_exchange *exchange,
				 const struct coax_path *path);

/* trace.c: what is said about messages. `what` goes before the remote's address. */

void coax_exchange_trace(const struct coax_exchange *exchange, const char *what,
			 const struct coax_path *path, const uint8_t *data, size_t length);
void coax_exchange_inform(const struct coax_exchange *exchange, const char *what,
			  const struct coax_path *path, uint16_t id);
/* The same, and count the message as ignored. */
void coax_exchange_ignore(const struct coax_exchange *exchange, const char *what,
			  const struct coax_path *path, const struct coax_message *message);
void coax_exchange_warn(struct coax_exchange *exchange, const char *what, const char *detail,
			const struct coax_path *path);

/* serve.c: requests that arrive. */

void coax_exchange_serve(struct coax_exchange *exchange, const struct coax_path *path,
			 const struct coax_message *request);
/* One of which only the beginning has come, with the whole token. */
void coax_exchange_serve_truncated(struct coax_exchange *exchange, const struct coax_path *path,
				   const struct coax_message *request);

/* verdict.c: what duplicates get is told to whoever can give it to them. */

void coax_exchange_tell_verdict(struct coax_exchange *exchange, const struct coax_path *path,
				struct coax_seen *seen);
/* Before another message takes the name over. */
void coax_exchange_withdraw_verdict(struct coax_exchange *exchange, const struct coax_path *path,
				    struct coax_seen *seen);

/* respond.c */

int coax_responses_create(struct coax_exchange *exchange);
void coax_responses_destroy(struct coax_exchange *exchange);
uint64_t coax_responses_deadline(const struct coax_exchange *exchange);
void coax_responses_tick(struct coax_exchange *exchange);
/* There will be no response (as RFC 7967 section 2 has it). To one that is not held any more. */
void coax_exchange_leave_unanswered(struct coax_exchange *exchange, const struct coax_path *path,
				    struct coax_seen *seen);

/* leisure.c */

int coax_leisure_create(struct coax_exchange *exchange);
void coax_leisure_destroy(struct coax_exchange *exchange);
/* The response, complete, to a request that came by multicast at `came`: maybe, and later. */
void coax_leisure_respond(struct coax_exchange *exchange, const struct coax_path *path,
			  const struct coax_message *response, uint64_t came);

/* request.c: the client's side. */

int coax_requests_create(struct coax_exchange *exchange);
void coax_requests_destroy(struct coax_exchange *exchange);
/* Those that have a message of ours to wait for have ended already, by their transmission. */
void coax_requests_end_all(struct coax_exchange *exchange, int result);

/* answer.c */

/* A separate response, confirmable or not. */
void coax_exchange_take_response(struct coax_exchange *exchange, const struct coax_path *path,
				 const struct coax_message *response);
/*
 * Any response of which only the beginning has come, with the whole token. Returns whether it is to
 * a request of ours.
 */
bool coax_exchange_take_truncated_response(struct coax_exchange *exchange,
					   const struct coax_path *path,
					   const struct coax_message *response);
/* An ACK, empty or with a response. */
void coax_exchange_take_acknowledgement(struct coax_exchange *exchange,
					const struct coax_path *path,
					const struct coax_message *acknowledgement);

/* notify.c */

int coax_notices_create(struct coax_exchange *exchange);
void coax_notices_destroy(struct coax_exchange *exchange);
/* Whether an unacknowledged notification to this peer has this ID. */
bool coax_notice_awaits(struct coax_exchange *exchange, const struct coax_path *path, uint16_t id);
/* An empty ACK or a RST that may be about a notification. Returns whether it is. */
bool coax_notice_acknowledged(struct coax_exchange *exchange, const struct coax_path *path,
			      uint16_t id);
bool coax_notice_reset(struct coax_exchange *exchange, const struct coax_path *path, uint16_t id);
void coax_notices_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				int result);

#endif
