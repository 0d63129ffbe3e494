// SPDX-License-Identifier: BSD-2-Clause
/*
 * How sessions begin, make room for others, and end.
 */
#include <errno.h>
#include <stdlib.h>
#include <openssl/err.h>
#include "dtls_internal.h"

static struct coax_dtls_session *first_of(struct cds_list_head *list)
{
	return cds_list_empty(list) ? NULL
				    : cds_list_first_entry(list, struct coax_dtls_session, use);
}

static void evict_handshake(struct coax_dtls *dtls)
{
	struct coax_dtls_session *oldest = first_of(&dtls->handshakes);

	if (oldest)
		coax_dtls_session_end(oldest, -ESHUTDOWN,
				      "others began to shake hands, and there are too many");
}

static void evict_session(struct coax_dtls *dtls)
{
	struct coax_dtls_session *idlest = first_of(&dtls->slim);

	if (!idlest)
		idlest = first_of(&dtls->busy);
	if (!idlest) {
		evict_handshake(dtls);
		return;
	}
	coax_dtls_session_notify(idlest);
	coax_dtls_session_end(idlest, 0, "the session that was idle longest made room for another");
}

static bool take_budget(struct coax_dtls *dtls)
{
	struct coax_dtls_shared *shared = dtls->shared;

	if (!coax_dtls_take_handshake(shared)) {
		evict_handshake(dtls);
		if (!coax_dtls_take_handshake(shared))
			return false;
	}
	if (coax_dtls_take_session(shared))
		return true;
	evict_session(dtls);
	if (coax_dtls_take_session(shared))
		return true;
	coax_dtls_give_handshake(shared);
	return false;
}

static int attach(struct coax_dtls_session *session, SSL_CTX *context)
{
	BIO *wire = BIO_new(session->dtls->wire);

	session->ssl = SSL_new(context);
	if (!wire || !session->ssl) {
		BIO_free(wire);
		return -ENOMEM;
	}
	BIO_set_data(wire, session);
	BIO_set_init(wire, 1);
	SSL_set_bio(session->ssl, wire, wire);
	SSL_set_app_data(session->ssl, session);
	return SSL_set_mtu(session->ssl, session->dtls->shared->limits.mtu) ? 0 : -EINVAL;
}

int coax_dtls_session_create(struct coax_dtls_session **session, struct coax_dtls *dtls,
			     const struct coax_path *path, struct coax_dtls_contexts *contexts,
			     SSL_CTX *context)
{
	struct coax_dtls_session *made;
	int err = -ENOMEM;

	if (!take_budget(dtls))
		return -ENOBUFS;
	made = calloc(1, sizeof(*made));
	if (made)
		made->handshake = calloc(1, sizeof(*made->handshake));
	if (!made || !made->handshake) {
		free(made);
		coax_dtls_give_handshake(dtls->shared);
		coax_dtls_give_session(dtls->shared);
		return -ENOMEM;
	}
	made->dtls = dtls;
	made->path = *path;
	made->contexts = coax_dtls_contexts_hold(contexts);
	made->alert_in = -1;
	made->alert_out = -1;
	made->handshake->progress = dtls->now;
	made->used = dtls->now;
	coax_dtls_table_add(dtls, made);
	cds_list_add_tail(&made->use, &dtls->handshakes);
	err = attach(made, context);
	if (err) {
		coax_dtls_session_free(made);
		return err;
	}
	*session = made;
	return 0;
}

void coax_dtls_session_tell_begun(struct coax_dtls_session *session)
{
	struct coax_dtls *dtls = session->dtls;

	/* Not before: DTLSv1_listen() would show the ClientHello once more. */
	coax_dtls_trace_session(session);
	if (dtls->ops->begun)
		dtls->ops->begun(dtls->arg, &session->path);
}

static void tell_established(struct coax_dtls *dtls)
{
	__atomic_store_n(&dtls->stats->sessions, dtls->established, __ATOMIC_RELAXED);
}

void coax_dtls_session_free(struct coax_dtls_session *session)
{
	struct coax_dtls *dtls = session->dtls;

	coax_dtls_table_remove(dtls, session);
	cds_list_del(&session->use);
	coax_dtls_give_session(dtls->shared);
	if (session->handshake) {
		coax_dtls_give_handshake(dtls->shared);
		coax_dtls_handshake_free(session->handshake);
	} else {
		dtls->established--;
		tell_established(dtls);
	}
	SSL_free(session->ssl);
	coax_claims_release(session->claims);
	coax_dtls_contexts_release(session->contexts);
	free(session->host);
	free(session);
	coax_dtls_clear_errors();
}

void coax_dtls_session_notify(struct coax_dtls_session *session)
{
	if (!session->handshake && coax_dtls_session_wake(session) == 0)
		SSL_shutdown(session->ssl);
}

void coax_dtls_session_end(struct coax_dtls_session *session, int result, const char *reason)
{
	struct coax_dtls *dtls = session->dtls;
	struct coax_path path = session->path;
	char remote[COAX_ADDRESS_TEXT_MAX];

	if (session->handshake)
		coax_dtls_count(dtls, handshakes_failed);
	if (coax_log_wants(dtls->logger, session->handshake ? COAX_LOG_INFO : COAX_LOG_DEBUG))
		coax_log(dtls->logger, session->handshake ? COAX_LOG_INFO : COAX_LOG_DEBUG,
			 "%s with %s ended: %s",
			 session->handshake ? "Handshake" : "Secure session",
			 coax_address_format(&path.remote, remote), reason);
	coax_dtls_session_free(session);
	dtls->ops->ended(dtls->arg, &path, result, reason);
}

bool coax_dtls_session_rebind(struct coax_dtls_session *session)
{
	struct coax_dtls *dtls = session->dtls;
	struct coax_dtls_contexts *now = session->client ? dtls->client : dtls->server;
	const struct coax_credential *credential;

	if (session->contexts == now)
		return true;
	credential = coax_dtls_contexts_find(now, session->credential);
	if (!credential)
		return false;
	coax_dtls_contexts_hold(now);
	coax_dtls_contexts_release(session->contexts);
	session->contexts = now;
	session->credential = credential;
	return true;
}

int coax_dtls_session_wake(struct coax_dtls_session *session)
{
	return !session->slim || SSL_alloc_buffers(session->ssl) ? 0 : -ENOBUFS;
}

void coax_dtls_session_touch(struct coax_dtls_session *session)
{
	session->used = session->dtls->now;
	session->slim = false;
	cds_list_del(&session->use);
	cds_list_add_tail(&session->use, &session->dtls->busy);
}

void coax_dtls_session_slim(struct coax_dtls_session *session)
{
	SSL_free_buffers(session->ssl);
	if (session->slim)
		return;
	session->slim = true;
	cds_list_del(&session->use);
	cds_list_add_tail(&session->use, &session->dtls->slim);
}

int coax_dtls_session_write(struct coax_dtls_session *session, const uint8_t *data, size_t length)
{
	int err = coax_dtls_session_wake(session);

	if (err)
		return err;
	coax_dtls_session_touch(session);
	coax_dtls_clear_errors();
	if (SSL_write(session->ssl, data, (int)length) > 0)
		return 0;
	coax_dtls_clear_errors();
	return -ENOTCONN;
}
