// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker's secure sessions, as the layers above use them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "dtls_internal.h"

int coax_dtls_create(struct coax_dtls **dtls, const struct coax_dtls_options *options)
{
	struct coax_dtls *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->shared = options->shared;
	made->ops = options->ops;
	made->arg = options->arg;
	made->logger = options->logger;
	made->stats = options->stats;
	made->handshakes_due = UINT64_MAX;
	CDS_INIT_LIST_HEAD(&made->handshakes);
	CDS_INIT_LIST_HEAD(&made->busy);
	CDS_INIT_LIST_HEAD(&made->slim);
	made->wire = coax_dtls_wire_create();
	made->nobody = BIO_ADDR_new();
	made->memory = coax_dtls_memory_create();
	err = made->wire && made->nobody && made->memory ? coax_dtls_table_create(made) : -ENOMEM;
	if (err) {
		coax_dtls_destroy(made);
		return err;
	}
	coax_dtls_refresh(made);
	made->bound = made->generation;
	*dtls = made;
	return 0;
}

static struct coax_dtls_session *first_of(struct cds_list_head *list)
{
	return cds_list_empty(list) ? NULL
				    : cds_list_first_entry(list, struct coax_dtls_session, use);
}

static void end_all(struct cds_list_head *list)
{
	struct coax_dtls_session *session;

	while ((session = first_of(list))) {
		coax_dtls_session_notify(session);
		coax_dtls_session_end(session, -ESHUTDOWN, "we are shutting down");
	}
}

void coax_dtls_destroy(struct coax_dtls *dtls)
{
	if (!dtls)
		return;
	end_all(&dtls->handshakes);
	end_all(&dtls->busy);
	end_all(&dtls->slim);
	coax_dtls_memory_destroy(dtls->memory);
	coax_dtls_contexts_release(dtls->client);
	coax_dtls_contexts_release(dtls->server);
	coax_dtls_table_destroy(dtls);
	BIO_ADDR_free(dtls->nobody);
	BIO_meth_free(dtls->wire);
	free(dtls);
}

static bool is_for(const struct coax_dtls_session *session,
		   const struct coax_credential *credential, const char *host)
{
	return session && session->client &&
	       coax_credential_equal(session->credential, credential) &&
	       (host && session->host ? strcasecmp(session->host, host) == 0
				      : host == session->host);
}

/* The server has to be who was asked for (RFC 7252 section 9.1.3.3). */
static bool expect_server(struct coax_dtls_session *session, const char *host)
{
	X509_VERIFY_PARAM *check = SSL_get0_param(session->ssl);
	const union coax_address *remote = &session->path.remote;

	if (host && !SSL_set_tlsext_host_name(session->ssl, host))
		return false;
	if (session->credential->kind != COAX_CREDENTIAL_CERTIFICATES ||
	    session->credential->certificates.any_name)
		return true;
	X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (host)
		return X509_VERIFY_PARAM_set1_host(check, host, 0);
	return remote->sa.sa_family == AF_INET6
		       ? X509_VERIFY_PARAM_set1_ip(check, remote->in6.sin6_addr.s6_addr, 16)
		       : X509_VERIFY_PARAM_set1_ip(check,
						   (const unsigned char *)&remote->in.sin_addr, 4);
}

/* OpenSSL takes identities for texts. */
static bool is_usable(const struct coax_dtls *dtls, const struct coax_credential *credential)
{
	if (credential->kind != COAX_CREDENTIAL_PSK)
		return coax_dtls_contexts_at(dtls->client, credential);
	return !memchr(credential->psk.identity, 0, credential->psk.identity_length);
}

static int begin(struct coax_dtls *dtls, struct coax_path *path,
		 const struct coax_credential *credential, const char *host)
{
	struct coax_dtls_session *session;
	int err;

	err = coax_dtls_session_create(&session, dtls, path, dtls->client,
				       coax_dtls_contexts_at(dtls->client, credential));
	if (err)
		return err;
	path->session = session->path.session;
	session->client = true;
	session->credential = credential;
	session->host = host ? strdup(host) : NULL;
	if ((host && !session->host) || !expect_server(session, host)) {
		coax_dtls_session_free(session);
		return -EINVAL;
	}
	coax_dtls_session_tell_begun(session);
	SSL_set_connect_state(session->ssl);
	coax_dtls_memory_offer(session);
	coax_dtls_handshake_advance(session);
	return 0;
}

/* As certificates and SNI have names (RFC 6066 section 3): without the dot at the end. */
static bool copy_host(char out[TLSEXT_MAXLEN_host_name + 1], const char *host)
{
	size_t length = strlen(host);

	if (length > 1 && host[length - 1] == '.')
		length--;
	if (length > TLSEXT_MAXLEN_host_name)
		return false;
	memcpy(out, host, length);
	out[length] = '\0';
	return true;
}

int coax_dtls_connect(struct coax_dtls *dtls, uint64_t now, struct coax_path *path,
		      const struct coax_credential *credential, const char *host)
{
	char name[TLSEXT_MAXLEN_host_name + 1];
	struct coax_dtls_session *session;

	if (host && !copy_host(name, host))
		return -EINVAL;
	host = host ? name : NULL;
	dtls->now = now;
	path->session = 0;
	coax_dtls_refresh(dtls);
	credential = coax_dtls_contexts_find(dtls->client, credential);
	if (!credential || !is_usable(dtls, credential))
		return -EINVAL;
	session = coax_dtls_established_at(dtls, path);
	if (session && coax_dtls_session_rebind(session) && is_for(session, credential, host)) {
		path->session = session->path.session;
		return 0;
	}
	session = coax_dtls_handshake_at(dtls, path);
	if (is_for(session, credential, host)) {
		path->session = session->path.session;
		return 0;
	}
	if (session)
		coax_dtls_session_end(session, -ESHUTDOWN, "we began another handshake");
	return begin(dtls, path, credential, host);
}

int coax_dtls_send(struct coax_dtls *dtls, uint64_t now, const struct coax_path *path,
		   const uint8_t *data, size_t length)
{
	struct coax_dtls_session *session = coax_dtls_named(dtls, path->session);

	dtls->now = now;
	if (!session)
		return -ENOTCONN;
	if (length == 0 || length > COAX_DATAGRAM_OUT_MAX)
		return -EMSGSIZE;
	if (session->handshake)
		return coax_dtls_handshake_wait(session, data, length) ? -ENOBUFS : 0;
	return coax_dtls_session_write(session, data, length);
}

void coax_dtls_close(struct coax_dtls *dtls, uint64_t now, uint64_t name)
{
	struct coax_dtls_session *session = coax_dtls_named(dtls, name);

	dtls->now = now;
	if (!session)
		return;
	coax_dtls_session_notify(session);
	coax_dtls_session_free(session);
}

void coax_dtls_network_error(struct coax_dtls *dtls, uint64_t now, const struct coax_path *path,
			     int error)
{
	struct coax_dtls_session *session;
	struct coax_path anywhere = *path;

	dtls->now = now;
	anywhere.local.sa.sa_family = AF_UNSPEC;
	while ((session = coax_dtls_handshake_at(dtls, &anywhere)))
		coax_dtls_session_end(session, -error,
				      session->client && error == ECONNREFUSED
					      ? "refused: no server listens there (check the port)"
					      : strerror(error));
}

const struct coax_claims *coax_dtls_claims(const struct coax_dtls *dtls, uint64_t name)
{
	const struct coax_dtls_session *session = coax_dtls_named(dtls, name);

	return session ? session->claims : NULL;
}

const char *coax_dtls_silence(const struct coax_dtls *dtls, uint64_t name)
{
	const struct coax_dtls_session *session = coax_dtls_named(dtls, name);

	return session && session->handshake ? coax_dtls_handshake_silence(session) : NULL;
}

static uint64_t idle_at(const struct coax_dtls *dtls, const struct coax_dtls_session *session)
{
	return session->used + dtls->shared->limits.idle_ms * NS_PER_MS;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t coax_dtls_deadline(const struct coax_dtls *dtls)
{
	struct coax_dtls *lists = (struct coax_dtls *)dtls;
	const struct coax_dtls_session *busy = first_of(&lists->busy);
	const struct coax_dtls_session *slim = first_of(&lists->slim);
	uint64_t due = dtls->handshakes_due;

	if (coax_dtls_is_outdated(dtls))
		return 0;
	if (busy)
		due = sooner(due, sooner(busy->used + COAX_SLIM_NS, idle_at(dtls, busy)));
	if (slim)
		due = sooner(due, idle_at(dtls, slim));
	return due;
}

/* One at a time: any of them may be gone after each end. */
static void rebind(struct cds_list_head *list)
{
	struct coax_dtls_session *session;
	struct cds_list_head former;

	CDS_INIT_LIST_HEAD(&former);
	cds_list_splice(list, &former);
	CDS_INIT_LIST_HEAD(list);
	while ((session = first_of(&former))) {
		if (coax_dtls_session_rebind(session)) {
			cds_list_del(&session->use);
			cds_list_add_tail(&session->use, list);
			continue;
		}
		coax_dtls_session_notify(session);
		coax_dtls_session_end(session, -ECONNRESET, COAX_REASON_CREDENTIALS);
	}
}

/*
 * A client knows from the start what it shakes hands by. Whom a server shakes hands with it knows
 * at the end, and looks there.
 */
static void end_pointless_handshakes(struct coax_dtls *dtls)
{
	struct coax_dtls_session *session;
	struct cds_list_head former;

	CDS_INIT_LIST_HEAD(&former);
	cds_list_splice(&dtls->handshakes, &former);
	CDS_INIT_LIST_HEAD(&dtls->handshakes);
	while ((session = first_of(&former))) {
		cds_list_del(&session->use);
		cds_list_add_tail(&session->use, &dtls->handshakes);
		if (session->client && !coax_dtls_contexts_find(dtls->client, session->credential))
			coax_dtls_session_end(session, -EACCES, COAX_REASON_CREDENTIALS);
	}
}

static void follow_credentials(struct coax_dtls *dtls)
{
	coax_dtls_refresh(dtls);
	if (dtls->bound == dtls->generation)
		return;
	dtls->bound = dtls->generation;
	end_pointless_handshakes(dtls);
	rebind(&dtls->busy);
	rebind(&dtls->slim);
}

static void tick_handshakes(struct coax_dtls *dtls)
{
	struct coax_dtls_session *session;
	struct cds_list_head former;

	if (dtls->now < dtls->handshakes_due)
		return;
	CDS_INIT_LIST_HEAD(&former);
	cds_list_splice(&dtls->handshakes, &former);
	CDS_INIT_LIST_HEAD(&dtls->handshakes);
	dtls->handshakes_due = UINT64_MAX;
	while ((session = first_of(&former))) {
		cds_list_del(&session->use);
		cds_list_add_tail(&session->use, &dtls->handshakes);
		if (session->handshake->due <= dtls->now)
			coax_dtls_handshake_tick(session);
		else
			dtls->handshakes_due =
				sooner(dtls->handshakes_due, session->handshake->due);
	}
}

static void end_idle(struct coax_dtls *dtls, struct cds_list_head *list)
{
	struct coax_dtls_session *session;

	while ((session = first_of(list)) && idle_at(dtls, session) <= dtls->now) {
		coax_dtls_session_notify(session);
		coax_dtls_session_end(session, 0, "the session was idle for too long");
	}
}

void coax_dtls_tick(struct coax_dtls *dtls, uint64_t now)
{
	struct coax_dtls_session *session;

	dtls->now = now;
	follow_credentials(dtls);
	tick_handshakes(dtls);
	end_idle(dtls, &dtls->slim);
	end_idle(dtls, &dtls->busy);
	while ((session = first_of(&dtls->busy)) && session->used + COAX_SLIM_NS <= now)
		coax_dtls_session_slim(session);
}
