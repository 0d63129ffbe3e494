// SPDX-License-Identifier: BSD-2-Clause
/*
 * What OpenSSL asks in the middle of handshakes: which certificate, whose key, and who has alerted.
 */
#include <string.h>
#include <openssl/evp.h>
#include "dtls_internal.h"

/* With the zero behind it, a name that stands for itself is shorter than a digest. */
#define SHORT_NAME_MAX 32

static struct coax_dtls_session *session_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* The name that the client asks for (RFC 6066 section 3), in lower case. */
static void read_server_name(SSL *ssl, char out[TLSEXT_MAXLEN_host_name + 1])
{
	const unsigned char *data;
	size_t size, length;

	out[0] = '\0';
	/* A list of one: its length, the type, the name's length, the name. */
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) || size < 5 ||
	    data[2] != TLSEXT_NAMETYPE_host_name)
		return;
	length = (size_t)data[3] << 8 | data[4];
	if (length > size - 5 || length > TLSEXT_MAXLEN_host_name || memchr(data + 5, 0, length))
		return;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = data[5 + i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	out[length] = '\0';
}

/* The server's own entry of a kind for a name, else one for any; NULL: there is none. */
static const struct coax_credential *choose_of_kind(const struct coax_dtls_contexts *contexts,
						    const char *name,
						    enum coax_credential_kind kind)
{
	const struct coax_credential *entry, *any = NULL;

	for (size_t i = 0; (entry = coax_credentials_own(contexts->credentials, i)); i++) {
		if (!contexts->entries[i] || entry->kind != kind)
			continue;
		if (entry->server_name && strcasecmp(entry->server_name, name) == 0)
			return entry;
		if (!entry->server_name && !any)
			any = entry;
	}
	return any;
}

/* NULL: there is none that the client could use. */
static const struct coax_credential *choose_own(struct coax_dtls_session *session, SSL *ssl)
{
	const char *name = session->handshake->server_name;
	const struct coax_credential *own = NULL;
	enum coax_credential_kind kinds[2];
	size_t count = coax_dtls_public_keys_wanted(ssl, kinds);

	for (size_t i = 0; i < count && !own; i++)
		own = choose_of_kind(session->contexts, name, kinds[i]);
	session->handshake->wants_public_key =
		!own && count == 1 && kinds[0] == COAX_CREDENTIAL_PUBLIC_KEY;
	return own;
}

/*
 * A session is resumed under the name alone that it was begun with (RFC 6066 section 3), and by an
 * entry of the same kind.
 */
static bool bind_session(SSL *ssl, const char *name, const struct coax_credential *own)
{
	unsigned char bound[1 + TLSEXT_MAXLEN_host_name + 1], digest[EVP_MAX_MD_SIZE];
	unsigned int length = (unsigned int)strlen(name) + 2;

	bound[0] = own && own->kind == COAX_CREDENTIAL_PUBLIC_KEY;
	memcpy(bound + 1, name, length - 1);
	if (length < SHORT_NAME_MAX)
		return SSL_set_session_id_context(ssl, bound, length);
	return EVP_Digest(bound, length, digest, &length, EVP_sha256(), NULL) &&
	       SSL_set_session_id_context(ssl, digest, length);
}

static int take_hello(SSL *ssl, int *alert, void *arg)
{
	struct coax_dtls_session *session = session_of(ssl);
	const struct coax_credential *own;

	(void)arg;
	*alert = SSL_AD_INTERNAL_ERROR;
	/* One that was established has nothing to say hello for: it is refused later. */
	if (!session->handshake)
		return SSL_CLIENT_HELLO_SUCCESS;
	read_server_name(ssl, session->handshake->server_name);
	own = choose_own(session, ssl);
	if (own) {
		SSL_CTX *context = coax_dtls_contexts_at(session->contexts, own);

		if (!SSL_set_SSL_CTX(ssl, context))
			return SSL_CLIENT_HELLO_ERROR;
		SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context),
			       SSL_CTX_get_verify_callback(context));
		if (own->kind == COAX_CREDENTIAL_PUBLIC_KEY && !coax_dtls_public_keys_begin(ssl))
			return SSL_CLIENT_HELLO_ERROR;
		session->credential = own;
	}
	return bind_session(ssl, session->handshake->server_name, own) ? SSL_CLIENT_HELLO_SUCCESS
								       : SSL_CLIENT_HELLO_ERROR;
}

/*
 * A client with an identity that nobody knows is told so (alert unknown_psk_identity, as RFC 4279
 * section 2 allows): identities travel in the clear, and people look for such mistakes.
 */
static unsigned int give_server_key(SSL *ssl, const char *identity, unsigned char *key,
				    unsigned int key_max)
{
	struct coax_dtls_session *session = session_of(ssl);
	const struct coax_credential *entry;
	const char *name = session->handshake ? session->handshake->server_name : "";

	if (!identity)
		return 0;
	entry = coax_credentials_for_identity(session->contexts->credentials, *name ? name : NULL,
					      (const uint8_t *)identity, strlen(identity));
	if (!entry || entry->psk.key_length > key_max) {
		if (session->handshake)
			session->handshake->unknown_identity = true;
		return 0;
	}
	memcpy(key, entry->psk.key, entry->psk.key_length);
	return (unsigned int)entry->psk.key_length;
}

static unsigned int give_client_key(SSL *ssl, const char *hint, char *identity,
				    unsigned int identity_max, unsigned char *key,
				    unsigned int key_max)
{
	const struct coax_credential *entry = session_of(ssl)->credential;

	(void)hint;
	if (!entry || entry->kind != COAX_CREDENTIAL_PSK ||
	    entry->psk.identity_length > identity_max || entry->psk.key_length > key_max)
		return 0;
	memcpy(identity, entry->psk.identity, entry->psk.identity_length);
	identity[entry->psk.identity_length] = '\0';
	memcpy(key, entry->psk.key, entry->psk.key_length);
	return (unsigned int)entry->psk.key_length;
}

static void see_alert(const SSL *ssl, int where, int alert)
{
	struct coax_dtls_session *session = session_of(ssl);

	if (!session || !(where & SSL_CB_ALERT) || alert >> 8 != SSL3_AL_FATAL)
		return;
	if (where & SSL_CB_READ)
		session->alert_in = alert & 0xff;
	else
		session->alert_out = alert & 0xff;
}

/* What a certificate has shown is not resumed beyond its end. */
static int see_certificate(int good, X509_STORE_CTX *chain)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *certificate = X509_STORE_CTX_get_current_cert(chain);
	SSL_SESSION *session = SSL_get_session(ssl);
	int days, seconds;
	long left;

	if (coax_dtls_is_keyed(session_of(ssl)))
		return coax_dtls_public_keys_verify(session_of(ssl), chain);
	if (!good || !certificate || !session ||
	    !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
		return good;
	left = days * 86400L + seconds;
	if (left < SSL_SESSION_get_timeout(session))
		SSL_SESSION_set_timeout(session, left > 0 ? left : 0);
	return good;
}

/* Ours were made and checked before OpenSSL saw the ClientHello. */
static int take_cookie(SSL *ssl, const unsigned char *cookie, unsigned int length)
{
	(void)ssl;
	(void)cookie;
	(void)length;
	return 1;
}

void coax_dtls_choose_install(SSL_CTX *context, bool server)
{
	SSL_CTX_set_info_callback(context, see_alert);
	SSL_CTX_set_verify(context, server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, see_certificate);
	if (server) {
		SSL_CTX_set_client_hello_cb(context, take_hello, NULL);
		SSL_CTX_set_psk_server_callback(context, give_server_key);
		SSL_CTX_set_cookie_verify_cb(context, take_cookie);
	} else {
		SSL_CTX_set_psk_client_callback(context, give_client_key);
	}
}
