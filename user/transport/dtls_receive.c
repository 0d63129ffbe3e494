// SPDX-License-Identifier: BSD-2-Clause
/*
 * What comes to a secure socket, record by record. Nothing that is not authenticated ends a session
 * or keeps it from being idle.
 */
#include <errno.h>
#include <string.h>
#include <openssl/err.h>
#include "dtls_internal.h"

/* The shortest record of any cipher that a handshake needs to read. */
#define HANDSHAKE_RECORD_MIN 24

static bool is_full(const struct coax_dtls *dtls)
{
	return dtls->message_count == sizeof(dtls->messages) / sizeof(dtls->messages[0]);
}

static void give(struct coax_dtls *dtls, const struct coax_dtls_session *session,
		 const struct coax_path *path, uint8_t *data, int length)
{
	struct coax_datagram *message = &dtls->messages[dtls->message_count++];

	memset(message, 0, sizeof(*message));
	message->path = *path;
	message->path.session = session->path.session;
	message->data = data;
	message->length = (uint32_t)length;
}

/* Read one message. Returns its length, 0: none, or -1: the session has ended. */
static int read_message(struct coax_dtls_session *session, uint8_t *out, size_t room)
{
	char reason[COAX_REASON_MAX];
	int length, result;

	coax_dtls_clear_errors();
	length = SSL_read(session->ssl, out, (int)room);
	session->dtls->input_length = 0;
	if (length > 0)
		return length;
	switch (SSL_get_error(session->ssl, length)) {
	case SSL_ERROR_WANT_READ:
		coax_dtls_clear_errors();
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		coax_dtls_session_notify(session);
		coax_dtls_session_end(session, 0, "the peer has closed the session");
		return -1;
	default:
		result = coax_dtls_reason(session, reason);
		coax_dtls_memory_forget(session);
		coax_dtls_session_end(session, result, reason);
		return -1;
	}
}

/* Returns whether it was this session's, as far as one can see. */
static bool take_established(struct coax_dtls_session *session, const struct coax_path *path,
			     const struct coax_record *record)
{
	struct coax_dtls *dtls = session->dtls;
	uint32_t carried = record->length - COAX_RECORD_HEADER;
	uint8_t *out = record->data + COAX_RECORD_HEADER;
	int length;

	if (record->epoch != 1 || carried < session->record_min || is_full(dtls) ||
	    coax_dtls_session_wake(session))
		return false;
	dtls->input = record->data;
	dtls->input_length = record->length;
	length = read_message(session, out, carried);
	if (length < 0)
		return true;
	if (length == 0) {
		if (session->slim)
			coax_dtls_session_slim(session);
		return record->type != COAX_RECORD_APPLICATION_DATA;
	}
	coax_dtls_session_touch(session);
	give(dtls, session, path, out, length);
	return true;
}

/* Returns whether there was something to drop. */
static bool drop_message(struct coax_dtls_session *session)
{
	struct coax_dtls *dtls = session->dtls;
	uint8_t message[COAX_DATAGRAM_IN_MAX];

	if (read_message(session, message, sizeof(message)) <= 0)
		return false;
	coax_dtls_count(dtls, records_dropped);
	return true;
}

/* What came before the Finished and was kept by OpenSSL. All of it has to be read. */
static void take_early(struct coax_dtls_session *session, const struct coax_path *path)
{
	struct coax_dtls *dtls = session->dtls;
	int length;

	while (SSL_has_pending(session->ssl)) {
		size_t room = sizeof(dtls->early) - dtls->early_used;
		uint8_t *early = dtls->early + dtls->early_used;

		if (is_full(dtls) || room < COAX_DATAGRAM_IN_MAX) {
			if (!drop_message(session))
				return;
			continue;
		}
		length = read_message(session, early, room);
		if (length <= 0)
			return;
		give(dtls, session, path, early, length);
		dtls->early_used += (size_t)length;
	}
}

/* Returns whether the handshake went on by it, well or not. */
static bool take_handshake(struct coax_dtls_session *session, const struct coax_path *path,
			   const struct coax_record *record)
{
	struct coax_dtls *dtls = session->dtls;
	uint64_t name = session->path.session;
	OSSL_HANDSHAKE_STATE before = SSL_get_state(session->ssl);
	/* The ChangeCipherSpec is there: a Finished is what has to come, and can be read. */
	bool is_finished = !session->client && before == TLS_ST_SR_CHANGE && record->epoch == 1 &&
			   record->type == COAX_RECORD_HANDSHAKE;

	if (record->epoch > 1 ||
	    (record->epoch && record->length < COAX_RECORD_HEADER + HANDSHAKE_RECORD_MIN))
		return false;
	dtls->input = record->data;
	dtls->input_length = record->length;
	coax_dtls_handshake_advance(session);
	session = coax_dtls_named(dtls, name);
	if (!session)
		return true;
	if (!session->handshake) {
		take_early(session, path);
		return true;
	}
	/* In the clear, what changes nothing is a part of something, or has come before. */
	if (SSL_get_state(session->ssl) != before || !record->epoch)
		return true;
	if (!is_finished || coax_dtls_established_at(dtls, path) ||
	    SSL_CIPHER_get_auth_nid(SSL_get_pending_cipher(session->ssl)) != NID_auth_psk)
		return false;
	coax_dtls_handshake_refuse_key(session);
	return true;
}

/* Both sides began at once: the one whose random is less goes on, and both see which it is. */
static bool gives_way(struct coax_dtls_session *session, const struct coax_hello *hello)
{
	uint8_t random[COAX_HELLO_RANDOM];

	SSL_get_client_random(session->ssl, random, sizeof(random));
	return memcmp(hello->random, random, sizeof(random)) < 0;
}

/* Its ClientHello again, after the handshake. */
static bool is_late(const struct coax_dtls_session *session, const struct coax_hello *hello)
{
	uint8_t random[COAX_HELLO_RANDOM];

	SSL_get_client_random(session->ssl, random, sizeof(random));
	return memcmp(hello->random, random, sizeof(random)) == 0;
}

static void take_verified(struct coax_dtls *dtls, const struct coax_path *path,
			  const struct coax_record *record, const struct coax_hello *hello)
{
	struct coax_dtls_session *established = coax_dtls_established_at(dtls, path);
	struct coax_dtls_session *handshake = coax_dtls_handshake_at(dtls, path);

	if (handshake && !handshake->client &&
	    memcmp(handshake->handshake->random, hello->random, COAX_HELLO_RANDOM) == 0) {
		take_handshake(handshake, path, record);
		return;
	}
	if ((established && is_late(established, hello)) ||
	    (handshake && handshake->client && !gives_way(handshake, hello))) {
		coax_dtls_count(dtls, records_dropped);
		return;
	}
	if (handshake)
		coax_dtls_session_end(handshake, -ESHUTDOWN, "the peer began another handshake");
	coax_dtls_handshake_accept(dtls, path, record, hello);
}

static void take_hello(struct coax_dtls *dtls, const struct coax_path *path,
		       const struct coax_record *record)
{
	struct coax_dtls_session *handshake;
	uint8_t answer[COAX_HELLO_VERIFY];
	struct coax_hello hello;

	if (!coax_hello_parse(&hello, record)) {
		/* Another fragment of one whose first had a cookie. */
		handshake = coax_dtls_handshake_at(dtls, path);
		if (!handshake || handshake->client)
			coax_dtls_count(dtls, records_dropped);
		else
			take_handshake(handshake, path, record);
		return;
	}
	if (!dtls->server) {
		coax_dtls_count(dtls, records_dropped);
		return;
	}
	if (coax_hello_cookie_is_valid(&hello, dtls->shared->cookie_key, &path->remote,
				       dtls->now)) {
		/* OpenSSL goes on from the second message of a client alone. */
		if (hello.message_sequence == 1)
			take_verified(dtls, path, record, &hello);
		else
			coax_dtls_count(dtls, records_dropped);
		return;
	}
	coax_hello_verify(answer, &hello, dtls->shared->cookie_key, &path->remote, dtls->now);
	coax_dtls_count(dtls, hellos_verified);
	coax_dtls_trace(dtls, path, false, record->type, record->data + COAX_RECORD_HEADER,
			record->length - COAX_RECORD_HEADER);
	dtls->ops->send(dtls->arg, path, answer, sizeof(answer));
	coax_dtls_trace(dtls, path, true, COAX_RECORD_HANDSHAKE, answer + COAX_RECORD_HEADER,
			sizeof(answer) - COAX_RECORD_HEADER);
}

static void take_record(struct coax_dtls *dtls, const struct coax_path *path,
			const struct coax_record *record)
{
	bool is_data = record->type == COAX_RECORD_APPLICATION_DATA;
	struct coax_dtls_session *session;

	if (coax_record_is_hello(record)) {
		take_hello(dtls, path, record);
		return;
	}
	/* While the peer begins anew, what it says may be of either session. */
	session = coax_dtls_established_at(dtls, path);
	if (session && is_data && take_established(session, path, record))
		return;
	session = coax_dtls_handshake_at(dtls, path);
	if (session && take_handshake(session, path, record))
		return;
	session = coax_dtls_established_at(dtls, path);
	if (session && !is_data && take_established(session, path, record))
		return;
	coax_dtls_count(dtls, records_dropped);
}

static void take_datagram(struct coax_dtls *dtls, const struct coax_datagram *datagram)
{
	struct coax_path path = datagram->path;
	uint8_t *at = datagram->data;
	size_t left = datagram->length;
	struct coax_record record;

	path.session = 0;
	while (!datagram->truncated && left) {
		if (!coax_record_parse(&record, at, left))
			break;
		take_record(dtls, &path, &record);
		at += record.length;
		left -= record.length;
	}
	if (left || datagram->truncated)
		coax_dtls_count(dtls, records_dropped);
}

unsigned int coax_dtls_receive(struct coax_dtls *dtls, uint64_t now,
			       const struct coax_datagram *batch, unsigned int count,
			       struct coax_datagram **messages)
{
	dtls->now = now;
	dtls->message_count = 0;
	dtls->early_used = 0;
	for (unsigned int i = 0; i < count; i++)
		take_datagram(dtls, &batch[i]);
	*messages = dtls->messages;
	return dtls->message_count;
}
