/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secure sessions of a worker (RFC 7252 section 9): records on their way in and out, requests of
 * ours that wait for a handshake, and what ends with a session.
 *
 * What sessions tell comes while they are at work. It is kept, and dealt with by
 * coax_secure_settle(), so that whoever is called then may use them again.
 */
#ifndef COAX_CONTEXT_SECURE_H
#define COAX_CONTEXT_SECURE_H

#include <urcu/list.h>
#include "worker.h"

struct coax_secure_waiter;

/*
 * The session that it waited for is there (`result` 0), or is not to be had; `reason` says why.
 * Nothing waits any more.
 */
typedef void (*coax_secure_ready_fn)(struct coax_secure_waiter *waiter, int result,
				     const char *reason);

/* Zeroed, but for `ready`. */
struct coax_secure_waiter {
	coax_secure_ready_fn ready;
	bool waits;
	struct cds_list_head node;
	struct coax_timer patience;
	struct coax_secure *secure; /* while it waits */
	uint64_t session;
};

/* With the Context's `dtls`. Returns 0 or a negative errno. */
int coax_secure_create(struct coax_worker *worker);
/* Nobody waits any more: -ESHUTDOWN. While the exchange layer is there still. */
void coax_secure_stop(struct coax_worker *worker);
/* Sessions that are left are closed, and say so on the wire. NULL: nothing. */
void coax_secure_destroy(struct coax_secure *secure);

/* Datagrams that came in by a secure socket. */
void coax_secure_receive(struct coax_worker *worker, const struct coax_datagram *batch,
			 unsigned int count);
/* A message for path->session. */
void coax_secure_send(struct coax_worker *worker, const struct coax_path *path, const uint8_t *data,
		      size_t length);
/* The network reported `error` (a positive errno) for what left by a secure socket. */
void coax_secure_network_error(struct coax_worker *worker, const struct coax_path *path, int error);

/* Whether there is something to settle, or to do by the clock. */
uint64_t coax_secure_deadline(const struct coax_worker *worker);
void coax_secure_tick(struct coax_worker *worker);
void coax_secure_settle(struct coax_worker *worker);

/*
 * The session for a request to path->remote, with the credentials that the client's set has for its
 * URI: path->session is set. Returns 0, 1 (a handshake is under way, `waiter` waits for it, until
 * `deadline` at most, in ns; 0: as long as that takes) or a negative errno with *reason:
 * -ENOKEY (no credentials), -ENOBUFS, -ENOMEM, -EINVAL.
 */
int coax_secure_begin(struct coax_worker *worker, struct coax_path *path,
		      const struct coax_message *message, uint64_t deadline,
		      struct coax_secure_waiter *waiter, const char **reason);
/* It does not wait any more. One that does not wait may be told so. */
void coax_secure_leave(struct coax_secure_waiter *waiter);

/*
 * A request that was made at `since` has got no answer in path->session. When nothing else has come
 * in it either, for as long as it takes until a message is repeated, the session is over: the peer
 * may have lost it. So what is asked with less patience does not end it by itself.
 */
void coax_secure_unanswered(struct coax_worker *worker, const struct coax_path *path,
			    uint64_t since);

/* Why path->session has ended, while what was under way in it does so; NULL: nothing to say. */
const char *coax_secure_reason(const struct coax_worker *worker, const struct coax_path *path);

/* Who is at the other end of path->session; NULL: there is none. */
const struct coax_claims *coax_secure_claims(const struct coax_worker *worker,
					     const struct coax_path *path);

/*
 * credentials.c: what a Context's workers share. Returns 0 or a negative errno, and has logged why.
 */
int coax_secure_open(struct coax_context *context, const struct coax_context_options *options);
void coax_secure_close(struct coax_context *context);

#endif
