/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a worker's DTLS share: its sessions, and what the workers have together.
 */
#ifndef COAX_DTLS_INTERNAL_H
#define COAX_DTLS_INTERNAL_H

#include <pthread.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <urcu/list.h>
#include "clock.h"
#include "hash.h"
#include "dtls.h"
#include "dtls_hello.h"

/* A handshake without progress for so long is given up. */
#define COAX_HANDSHAKE_NS (60 * NS_PER_SEC)
/* OpenSSL's buffers of a session that was not used for so long are freed. */
#define COAX_SLIM_NS (10 * NS_PER_SEC)
/* What a reason for people has room for. */
#define COAX_REASON_MAX		256
#define COAX_REASON_CREDENTIALS "its credentials are not in use any more"

/* One set of credentials as OpenSSL wants it. Immutable but for what OpenSSL locks itself. */
struct coax_dtls_contexts {
	unsigned long holders;
	bool server;
	struct coax_credentials *credentials;
	SSL_CTX *base; /* pre-shared keys alone; sessions of a server begin with it */
	/* By number: of a client's entry, or of a server's own one. NULL: the base, or none. */
	SSL_CTX **entries;
	EVP_PKEY **peer_keys; /* by the same: the raw public key that a peer shows; NULL: none */
	size_t count;
};

struct coax_dtls_shared {
	struct coax_dtls_limits limits;
	const struct coax_cookie_key *cookie_key; /* somebody's, or: */
	struct coax_cookie_key own_cookie_key;
	struct coax_logger logger;
	unsigned int sessions;	 /* over all workers, and of these: */
	unsigned int handshakes; /* those that are not established */
	unsigned int generation; /* of the contexts: grows with each change, under the lock */
	pthread_mutex_t lock;
	struct coax_dtls_contexts *client; /* under the lock, like `server`; NULL: none */
	struct coax_dtls_contexts *server;
};

struct coax_dtls_message {
	uint32_t length;
	uint8_t data[];
};

/* What is needed only until a session is established. */
struct coax_dtls_handshake {
	uint64_t due;				       /* the next thing to do about it */
	uint64_t progress;			       /* when something last came of it */
	int state;				       /* OpenSSL's, at that time */
	uint8_t random[COAX_HELLO_RANDOM];	       /* a server: of the ClientHello */
	char server_name[TLSEXT_MAXLEN_host_name + 1]; /* a server: SNI; empty: none */
	struct coax_dtls_message *waiting[COAX_DTLS_WAITING_MAX]; /* the oldest first */
	unsigned int waiting_count;
	/* A server: why we refused it. */
	bool unknown_identity;
	bool wants_public_key; /* it takes nothing else, and we have none */
};

/*
 * Ours is 200 bytes and the claims. OpenSSL 3.0 takes some 50 KiB for one in use, of which 18 KiB
 * are freed while it is idle, and 16 KiB are its buffer of a handshake's messages, which it keeps.
 */
struct coax_dtls_session {
	struct cds_list_head use; /* in one of the lists of `struct coax_dtls` */
	struct coax_dtls_session *next_by_path;
	struct coax_dtls_session *next_by_name;
	struct coax_dtls *dtls;
	struct coax_path path; /* path.session is its name */
	uint64_t used;
	SSL *ssl;
	struct coax_dtls_contexts *contexts; /* held */
	const struct coax_credential *credential;
	const struct coax_claims *claims;
	struct coax_dtls_handshake *handshake; /* NULL: established */
	char *host;			       /* a client: the name asked for; NULL: an address */
	bool client;
	bool slim;	    /* OpenSSL's buffers are freed */
	uint8_t record_min; /* shorter ones cannot be of its cipher */
	int alert_in;	    /* fatal ones, -1: none */
	int alert_out;
};

/* The last sessions of a client, to resume. */
struct coax_dtls_memory;

struct coax_dtls {
	struct coax_dtls_shared *shared;
	const struct coax_dtls_ops *ops;
	void *arg;
	const struct coax_logger *logger;
	struct coax_context_stats *stats;
	uint64_t now;

	/* Of the generation that was seen last; sessions have been looked after up to `bound`. */
	struct coax_dtls_contexts *client;
	struct coax_dtls_contexts *server;
	unsigned int generation;
	unsigned int bound;

	struct coax_hash_key hash_key;
	uint32_t buckets; /* a power of two */
	struct coax_dtls_session **by_path;
	struct coax_dtls_session **by_name;
	uint64_t names;
	/* Each session is in one of them, the one that was used longest ago first. */
	struct cds_list_head handshakes;
	struct cds_list_head busy;
	struct cds_list_head slim;
	uint64_t handshakes_due; /* no handshake is due before; UINT64_MAX: there is none */
	uint64_t established;

	BIO_METHOD *wire;
	BIO_ADDR *nobody; /* what OpenSSL wants to write, and cannot know */
	struct coax_dtls_memory *memory;
	const uint8_t *input; /* the record that OpenSSL reads next */
	size_t input_length;

	struct coax_datagram messages[2 * COAX_BATCH];
	unsigned int message_count;
	/* For what was taken in before its handshake had ended. */
	uint8_t early[COAX_DTLS_WAITING_MAX * COAX_DATAGRAM_OUT_MAX + COAX_DATAGRAM_IN_MAX];
	size_t early_used;
};

/* The worker's thread alone writes; others read. */
#define coax_dtls_count(dtls, field) \
	__atomic_store_n(&(dtls)->stats->field, (dtls)->stats->field + 1, __ATOMIC_RELAXED)

/* What an earlier call left in OpenSSL's queue is not to be taken for an error of the next one. */
static inline void coax_dtls_clear_errors(void)
{
	/* To look is a tenth of the work of clearing, which there is rarely a need for. */
	if (ERR_peek_error())
		ERR_clear_error();
}

/* Whether its peer is known by a raw public key. */
static inline bool coax_dtls_is_keyed(const struct coax_dtls_session *session)
{
	return session->credential && session->credential->kind == COAX_CREDENTIAL_PUBLIC_KEY;
}

/* dtls_context.c */

/* Returns 0, -ENOMEM, or -EINVAL with a line at ERROR. NULL credentials: *contexts is NULL. */
int coax_dtls_contexts_create(struct coax_dtls_contexts **contexts,
			      struct coax_credentials *credentials, bool server,
			      const struct coax_dtls_limits *limits,
			      const struct coax_logger *logger);
struct coax_dtls_contexts *coax_dtls_contexts_hold(struct coax_dtls_contexts *contexts);
void coax_dtls_contexts_release(struct coax_dtls_contexts *contexts);
/* The entry with the same keys; NULL: there is none. */
const struct coax_credential *coax_dtls_contexts_find(const struct coax_dtls_contexts *contexts,
						      const struct coax_credential *credential);
/* NULL: OpenSSL has no use for the entry. */
SSL_CTX *coax_dtls_contexts_at(const struct coax_dtls_contexts *contexts,
			       const struct coax_credential *credential);

/* dtls_certificates.c: give OpenSSL an entry's. Returns what is wrong with them, or NULL. */
const char *coax_dtls_certificates_use(SSL_CTX *context, const struct coax_credential *credential,
				       bool server);

/*
 * dtls_public_keys.c: raw public keys (RFC 7250), which OpenSSL has from 3.2 on. With an older one
 * there are none.
 */

/* Give OpenSSL an entry's. Returns what is wrong with them, or NULL. */
const char *coax_dtls_public_keys_use(SSL_CTX *context, const struct coax_credential *credential);
/*
 * A server, from a ClientHello: by what it may be known to the client, if it knows the client by
 * the same; what the client prefers first. Returns how many there are.
 */
size_t coax_dtls_public_keys_wanted(SSL *ssl, enum coax_credential_kind kinds[2]);
/* A server: go on by a public key. */
bool coax_dtls_public_keys_begin(SSL *ssl);
/* What the peer shows, to a session whose entry is a public key. Returns whether it is known. */
int coax_dtls_public_keys_verify(const struct coax_dtls_session *session, X509_STORE_CTX *shown);
/* The peer's key, verified (NULL: it has none), and the entry by which it is known, or NULL. */
const struct coax_credential *coax_dtls_public_keys_peer(const struct coax_dtls_session *session,
							 EVP_PKEY **peer);
/* Whether the peer was to show a public key, and not a certificate. */
bool coax_dtls_public_keys_shown(const struct coax_dtls_session *session);

/* dtls_choose.c: what OpenSSL asks in handshakes. */
void coax_dtls_choose_install(SSL_CTX *context, bool server);

/* dtls_shared.c */

/* See what the workers have now. */
void coax_dtls_refresh(struct coax_dtls *dtls);
bool coax_dtls_is_outdated(const struct coax_dtls *dtls);
/* Count a new session that has to shake hands; false: there are too many. */
bool coax_dtls_take_session(struct coax_dtls_shared *shared);
bool coax_dtls_take_handshake(struct coax_dtls_shared *shared);
void coax_dtls_give_session(struct coax_dtls_shared *shared);
void coax_dtls_give_handshake(struct coax_dtls_shared *shared);

/* dtls_table.c: sessions by path and by name. */

int coax_dtls_table_create(struct coax_dtls *dtls);
void coax_dtls_table_destroy(struct coax_dtls *dtls);
void coax_dtls_table_add(struct coax_dtls *dtls, struct coax_dtls_session *session);
void coax_dtls_table_remove(struct coax_dtls *dtls, struct coax_dtls_session *session);
struct coax_dtls_session *coax_dtls_named(const struct coax_dtls *dtls, uint64_t name);
/* The session by that path, of which there can be one established and one shaking hands. */
struct coax_dtls_session *coax_dtls_established_at(const struct coax_dtls *dtls,
						   const struct coax_path *path);
struct coax_dtls_session *coax_dtls_handshake_at(const struct coax_dtls *dtls,
						 const struct coax_path *path);

/* dtls_bio.c: how OpenSSL reads dtls->input and writes to the operations. */

BIO_METHOD *coax_dtls_wire_create(void);

/* dtls_session.c: how sessions begin and end. */

/* Returns 0, -ENOBUFS, -ENOMEM or -EINVAL. */
int coax_dtls_session_create(struct coax_dtls_session **session, struct coax_dtls *dtls,
			     const struct coax_path *path, struct coax_dtls_contexts *contexts,
			     SSL_CTX *context);
/* It is going to shake hands: the operation `begun`, and for who looks on. */
void coax_dtls_session_tell_begun(struct coax_dtls_session *session);
/* Without a word to anybody. */
void coax_dtls_session_free(struct coax_dtls_session *session);
/* Send close_notify, if it is established. */
void coax_dtls_session_notify(struct coax_dtls_session *session);
/* It is gone, and `ended` was called. */
void coax_dtls_session_end(struct coax_dtls_session *session, int result, const char *reason);
/* The contexts have changed: go on by the new ones. False: its entry is not there any more. */
bool coax_dtls_session_rebind(struct coax_dtls_session *session);
/* It is about to read or write: give it OpenSSL's buffers back. Returns 0 or -ENOBUFS. */
int coax_dtls_session_wake(struct coax_dtls_session *session);
/* It was used now. */
void coax_dtls_session_touch(struct coax_dtls_session *session);
/* It is idle: free OpenSSL's buffers. */
void coax_dtls_session_slim(struct coax_dtls_session *session);
/* Write one record of it. Returns 0 or a negative errno. */
int coax_dtls_session_write(struct coax_dtls_session *session, const uint8_t *data, size_t length);

/* dtls_handshake.c */

/*
 * Go on with a handshake, with dtls->input if it has not been read. The session may have ended, and
 * operations have been called.
 */
void coax_dtls_handshake_advance(struct coax_dtls_session *session);
/* OpenSSL's timer, or our patience, may have run out. The session may have ended. */
void coax_dtls_handshake_tick(struct coax_dtls_session *session);
/* What it means, for people, that the handshake has not ended yet. */
const char *coax_dtls_handshake_silence(const struct coax_dtls_session *session);
/* Have a message wait for the end of the handshake. Returns 0 or -ENOMEM. */
int coax_dtls_handshake_wait(struct coax_dtls_session *session, const uint8_t *data, size_t length);
void coax_dtls_handshake_free(struct coax_dtls_handshake *handshake);
/* A ClientHello with a good cookie: begin a session as its server. */
void coax_dtls_handshake_accept(struct coax_dtls *dtls, const struct coax_path *path,
				const struct coax_record *record, const struct coax_hello *hello);
/*
 * A server, from a record that it could not read when the client's Finished was due: they have
 * different keys, which nobody else would tell the client (RFC 4279 section 2).
 */
void coax_dtls_handshake_refuse_key(struct coax_dtls_session *session);

/* dtls_claims.c: who the peer is. Returns 0, -ENOMEM or -EACCES: nobody we know. */
int coax_dtls_claims_make(struct coax_dtls_session *session);

/* dtls_memory.c: what a client can resume. */

struct coax_dtls_memory *coax_dtls_memory_create(void);
void coax_dtls_memory_destroy(struct coax_dtls_memory *memory);
/* The credentials have changed. */
void coax_dtls_memory_clear(struct coax_dtls_memory *memory);
void coax_dtls_memory_keep(struct coax_dtls_session *session);
/* Have a session that begins offer what is remembered. */
void coax_dtls_memory_offer(struct coax_dtls_session *session);
/* The peer did not want to go on with it. */
void coax_dtls_memory_forget(struct coax_dtls_session *session);

/* dtls_reason.c: why a handshake or a session failed, for people. */

/* Returns the `result` of the operation `ended`. Looks at OpenSSL's errors. */
int coax_dtls_reason(const struct coax_dtls_session *session, char reason[COAX_REASON_MAX]);
/* As RFC 5246 section 7.2 has it; NULL: none that we know. */
const char *coax_dtls_alert_name(int alert);

/* dtls_trace.c: what is said in handshakes, a line for each at DEBUG. */

/* A message of a handshake with its header, an alert, or a ChangeCipherSpec. */
void coax_dtls_trace(const struct coax_dtls *dtls, const struct coax_path *path, bool sent,
		     int type, const uint8_t *data, size_t length);
/* Have all that OpenSSL writes and reads in it traced, if somebody looks on. */
void coax_dtls_trace_session(struct coax_dtls_session *session);
void coax_dtls_trace_established(const struct coax_dtls_session *session);

#endif
