// SPDX-License-Identifier: BSD-2-Clause
/*
 * From the first flight to a session that is established, or a reason why there is none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include "dtls_internal.h"

/* Timers that are due within so long are due together. */
#define GRAIN_NS (16 * NS_PER_MS)

static void free_waiting(struct coax_dtls_message *message)
{
	OPENSSL_cleanse(message->data, message->length);
	free(message);
}

void coax_dtls_handshake_free(struct coax_dtls_handshake *handshake)
{
	for (unsigned int i = 0; i < handshake->waiting_count; i++)
		free_waiting(handshake->waiting[i]);
	free(handshake);
}

int coax_dtls_handshake_wait(struct coax_dtls_session *session, const uint8_t *data, size_t length)
{
	struct coax_dtls_handshake *handshake = session->handshake;
	struct coax_dtls_message *message = malloc(sizeof(*message) + length);

	if (!message)
		return -ENOMEM;
	message->length = (uint32_t)length;
	memcpy(message->data, data, length);
	if (handshake->waiting_count == COAX_DTLS_WAITING_MAX) {
		free_waiting(handshake->waiting[0]);
		memmove(&handshake->waiting[0], &handshake->waiting[1],
			sizeof(handshake->waiting) - sizeof(handshake->waiting[0]));
		handshake->waiting_count--;
	}
	handshake->waiting[handshake->waiting_count++] = message;
	return 0;
}

/*
 * When there is something to do about it next: OpenSSL's timer, or to give up. Its timer runs by
 * the clock on the wall; our patience does not, should that be set back.
 */
static void set_due(struct coax_dtls_session *session)
{
	struct coax_dtls_handshake *handshake = session->handshake;
	struct coax_dtls *dtls = session->dtls;
	uint64_t patience = handshake->progress + COAX_HANDSHAKE_NS;
	struct timeval left;

	handshake->due = patience;
	if (DTLSv1_get_timeout(session->ssl, &left)) {
		uint64_t due = dtls->now + (uint64_t)left.tv_sec * NS_PER_SEC +
			       (uint64_t)left.tv_usec * 1000;

		due = (due / GRAIN_NS + 1) * GRAIN_NS;
		if (due < patience)
			handshake->due = due;
	}
	if (handshake->due < dtls->handshakes_due)
		dtls->handshakes_due = handshake->due;
}

static uint8_t shortest_record(const SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	if (SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305)
		return 16;
	return strstr(SSL_CIPHER_get_name(cipher), "CCM8") ? 8 + 8 : 8 + 16;
}

/* The peer began anew, and has shown that it is who it was (RFC 6347 section 4.2.8). */
static void replace(struct coax_dtls *dtls, const struct coax_path *path)
{
	struct coax_dtls_session *former = coax_dtls_established_at(dtls, path);

	if (!former)
		return;
	/* It stays resumable. */
	SSL_set_shutdown(former->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	coax_dtls_session_end(former, 0, "a new session has taken its place");
}

static void send_waiting(struct coax_dtls_session *session, struct coax_dtls_handshake *handshake)
{
	for (unsigned int i = 0; i < handshake->waiting_count; i++)
		coax_dtls_session_write(session, handshake->waiting[i]->data,
					handshake->waiting[i]->length);
}

static void establish(struct coax_dtls_session *session)
{
	struct coax_dtls_handshake *handshake = session->handshake;
	struct coax_dtls *dtls = session->dtls;

	session->handshake = NULL;
	session->record_min = shortest_record(session->ssl);
	coax_dtls_give_handshake(dtls->shared);
	coax_dtls_session_touch(session);
	dtls->established++;
	__atomic_store_n(&dtls->stats->sessions, dtls->established, __ATOMIC_RELAXED);
	coax_dtls_count(dtls, handshakes);
	if (SSL_session_reused(session->ssl))
		coax_dtls_count(dtls, handshakes_resumed);
	if (session->client)
		coax_dtls_memory_keep(session);
	send_waiting(session, handshake);
	coax_dtls_handshake_free(handshake);
}

static void finish(struct coax_dtls_session *session)
{
	struct coax_dtls *dtls = session->dtls;
	int err = coax_dtls_claims_make(session);
	const char *reason = err == -EACCES ? "we do not know the peer any more"
					    : "there is no memory for the session";

	coax_dtls_refresh(dtls);
	if (!err && !coax_dtls_session_rebind(session)) {
		err = -EACCES;
		reason = COAX_REASON_CREDENTIALS;
	}
	if (err) {
		SSL_shutdown(session->ssl);
		coax_dtls_session_end(session, err, reason);
		return;
	}
	replace(dtls, &session->path);
	coax_dtls_trace_established(session);
	establish(session);
	dtls->ops->established(dtls->arg, &session->path, session->claims);
}

static void fail(struct coax_dtls_session *session)
{
	char reason[COAX_REASON_MAX];
	int result = coax_dtls_reason(session, reason);

	coax_dtls_memory_forget(session);
	coax_dtls_session_end(session, result, reason);
}

void coax_dtls_handshake_advance(struct coax_dtls_session *session)
{
	struct coax_dtls_handshake *handshake = session->handshake;
	int result, state;

	coax_dtls_clear_errors();
	result = SSL_do_handshake(session->ssl);
	session->dtls->input_length = 0;
	if (result == 1) {
		finish(session);
		return;
	}
	if (SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_READ) {
		fail(session);
		return;
	}
	state = SSL_get_state(session->ssl);
	if (state != handshake->state) {
		handshake->state = state;
		handshake->progress = session->dtls->now;
	}
	set_due(session);
}

/* Some servers say nothing when they cannot read the Finished. */
const char *coax_dtls_handshake_silence(const struct coax_dtls_session *session)
{
	if (!session->client)
		return "the client did not go on with the handshake";
	if (SSL_get_state(session->ssl) == TLS_ST_CW_FINISHED &&
	    session->credential->kind == COAX_CREDENTIAL_PSK)
		return "the server answers no more since it got our identity: it may have another "
		       "key for it";
	return "the server does not answer the handshake";
}

void coax_dtls_handshake_tick(struct coax_dtls_session *session)
{
	struct coax_dtls_handshake *handshake = session->handshake;

	coax_dtls_clear_errors();
	if (session->dtls->now >= handshake->progress + COAX_HANDSHAKE_NS ||
	    DTLSv1_handle_timeout(session->ssl) < 0) {
		coax_dtls_memory_forget(session);
		coax_dtls_session_end(session, -ETIMEDOUT, coax_dtls_handshake_silence(session));
		return;
	}
	set_due(session);
}

void coax_dtls_handshake_accept(struct coax_dtls *dtls, const struct coax_path *path,
				const struct coax_record *record, const struct coax_hello *hello)
{
	struct coax_dtls_session *session;

	coax_dtls_refresh(dtls);
	if (!dtls->server ||
	    coax_dtls_session_create(&session, dtls, path, dtls->server, dtls->server->base)) {
		coax_dtls_count(dtls, records_dropped);
		return;
	}
	memcpy(session->handshake->random, hello->random, sizeof(session->handshake->random));
	/* Its only use here: OpenSSL goes on from the ClientHello's sequence numbers. */
	dtls->input = record->data;
	dtls->input_length = record->length;
	coax_dtls_clear_errors();
	if (DTLSv1_listen(session->ssl, dtls->nobody) != 1) {
		dtls->input_length = 0;
		coax_dtls_session_free(session);
		coax_dtls_count(dtls, records_dropped);
		return;
	}
	coax_dtls_session_tell_begun(session);
	coax_dtls_handshake_advance(session);
}

void coax_dtls_handshake_refuse_key(struct coax_dtls_session *session)
{
	/* In the clear: the client reads nothing else. No record of ours has such a number. */
	static const uint8_t alert[] = {
		COAX_RECORD_ALERT,    0xfe, 0xfd, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 2, SSL3_AL_FATAL,
		SSL_AD_DECRYPT_ERROR,
	};

	session->dtls->ops->send(session->dtls->arg, &session->path, alert, sizeof(alert));
	coax_dtls_trace(session->dtls, &session->path, true, COAX_RECORD_ALERT,
			alert + COAX_RECORD_HEADER, sizeof(alert) - COAX_RECORD_HEADER);
	coax_dtls_session_end(session, -EACCES,
			      "the client's key is not the one that we have for its identity "
			      "(alert: decrypt_error)");
}
