/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DTLS 1.2 (RFC 6347, RFC 7252 section 9): the secure sessions of one worker, which are used by its
 * thread alone. No sockets and no clock: datagrams come in from whoever has them, records leave
 * through the operations below, and time comes in as an argument (ns of CLOCK_MONOTONIC).
 */
#ifndef COAX_DTLS_H
#define COAX_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/claims.h>
#include <coax/context.h>
#include <coax/cookie.h>
#include "credentials/credentials.h"
#include "transport.h"

/* What a record is longer than what it carries, at most. */
#define COAX_DTLS_OVERHEAD_MAX 64
/* A datagram of records. */
#define COAX_DTLS_OUT_MAX (COAX_DATAGRAM_OUT_MAX + COAX_DTLS_OVERHEAD_MAX)
/* Messages that wait for a handshake to end, in a session. */
#define COAX_DTLS_WAITING_MAX 8

struct coax_dtls;
struct coax_dtls_shared;

struct coax_dtls_ops {
	/*
	 * A datagram of records is to leave, at most COAX_DTLS_OUT_MAX bytes. `data` is copied
	 * during the call.
	 */
	void (*send)(void *arg, const struct coax_path *path, const uint8_t *data, size_t length);
	/*
	 * path->session begins: a client has shown by its cookie that it is there, or a session was
	 * asked for. Before anything is sent for it. It is over by `ended` or coax_dtls_close().
	 * NULL: nobody wants to know.
	 */
	void (*begun)(void *arg, const struct coax_path *path);
	/*
	 * A handshake has ended well. path->session names the session; claims are those of
	 * coax_dtls_claims().
	 */
	void (*established)(void *arg, const struct coax_path *path,
			    const struct coax_claims *claims);
	/*
	 * A session, or the attempt at one, is over; its name is not used again. `result`: 0 (the
	 * peer closed it, or it was idle), -ECONNREFUSED (refused by the peer's alert), -EACCES
	 * (we refused it), -ECONNRESET (an alert of the peer's ended what was established),
	 * -ETIMEDOUT (no answer to the handshake), -EPROTO, -ESHUTDOWN, or what the network said.
	 * `reason` says it for people, and which side refused: "the server does not know the
	 * identity (alert: unknown_psk_identity)". No sessions are begun from here.
	 */
	void (*ended)(void *arg, const struct coax_path *path, int result, const char *reason);
};

/* A zeroed field is the default named behind it. */
struct coax_dtls_limits {
	uint32_t sessions_max; /* 16384 over all workers; the one idle longest ends for a new one */
	uint32_t handshakes_max; /* 1024 of them that are not established yet */
	uint32_t idle_ms;	 /* 86400000: a session that is not used for so long ends */
	uint32_t mtu;		 /* 1280 - 48: of handshake datagrams */
};

/* What the workers of a Context share: keys, certificates, tickets, the budget of sessions. */
struct coax_dtls_shared_options {
	struct coax_credentials *client; /* held; NULL: none */
	struct coax_credentials *server;
	/*
	 * The kernel half's. It outlives this, and does not change once something has been
	 * received. NULL: one of its own.
	 */
	const struct coax_cookie_key *cookie_key;
	struct coax_dtls_limits limits;
	const struct coax_logger *logger;
};

/* Returns 0 or a negative errno, and has logged why at ERROR (never a secret). */
int coax_dtls_shared_create(struct coax_dtls_shared **shared,
			    const struct coax_dtls_shared_options *options);
void coax_dtls_shared_destroy(struct coax_dtls_shared *shared);

/*
 * Use other credentials from now on, held; NULL: none. Sessions whose entry is in the new set
 * unchanged remain; the others end, each at the next coax_dtls_tick() of its worker, which is to be
 * called soon. Any thread; 0 or as coax_dtls_shared_create(), and then nothing has changed.
 */
int coax_dtls_set_client_credentials(struct coax_dtls_shared *shared,
				     struct coax_credentials *credentials);
int coax_dtls_set_server_credentials(struct coax_dtls_shared *shared,
				     struct coax_credentials *credentials);

struct coax_dtls_options {
	struct coax_dtls_shared *shared;
	const struct coax_dtls_ops *ops;
	void *arg;
	const struct coax_logger *logger;
	struct coax_context_stats *stats; /* written with relaxed atomics by this thread */
};

int coax_dtls_create(struct coax_dtls **dtls, const struct coax_dtls_options *options);
/* Sessions that are left end with -ESHUTDOWN; close_notify leaves (RFC 5246 section 7.2.1). */
void coax_dtls_destroy(struct coax_dtls *dtls);

/*
 * Take in what has come to a secure socket. What was said in established sessions is returned: up
 * to 2 * COAX_BATCH messages, path->session set, which stay until the next call and may lie where
 * the datagrams lay. The rest is done here: handshakes, alerts, cookies. A ClientHello without
 * a valid cookie leaves nothing behind.
 */
unsigned int coax_dtls_receive(struct coax_dtls *dtls, uint64_t now,
			       const struct coax_datagram *batch, unsigned int count,
			       struct coax_datagram **messages);

/*
 * A session to path->remote by `credential` (of the shared client set), for a server that is
 * `host` (a name for SNI and for its certificate; NULL: an address): the one that there is, or a
 * new one, whose handshake begins. path->session is set. Returns 0, -ENOBUFS or -ENOMEM, or
 * -EINVAL (credentials that OpenSSL does not take).
 */
int coax_dtls_connect(struct coax_dtls *dtls, uint64_t now, struct coax_path *path,
		      const struct coax_credential *credential, const char *host);

/*
 * Send a message in path->session; while its handshake goes on it waits for its end (the last
 * COAX_DTLS_WAITING_MAX of them do). Returns 0, -ENOTCONN (there is no such session any more),
 * -EMSGSIZE or -ENOBUFS.
 */
int coax_dtls_send(struct coax_dtls *dtls, uint64_t now, const struct coax_path *path,
		   const uint8_t *data, size_t length);

/* End a session with close_notify: `ended` is not called. */
void coax_dtls_close(struct coax_dtls *dtls, uint64_t now, uint64_t session);

/* The network reported `error` for what went to path->remote: handshakes to there end. */
void coax_dtls_network_error(struct coax_dtls *dtls, uint64_t now, const struct coax_path *path,
			     int error);

/*
 * What it means, for people, that a session's handshake has not ended yet; NULL: there is none, or
 * it has.
 */
const char *coax_dtls_silence(const struct coax_dtls *dtls, uint64_t session);

/* Who the other side is, for as long as the session lives; NULL: no such session. */
const struct coax_claims *coax_dtls_claims(const struct coax_dtls *dtls, uint64_t session);

/* When coax_dtls_tick() is due next; UINT64_MAX: never. */
uint64_t coax_dtls_deadline(const struct coax_dtls *dtls);
void coax_dtls_tick(struct coax_dtls *dtls, uint64_t now);

#endif
