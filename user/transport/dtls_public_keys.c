// SPDX-License-Identifier: BSD-2-Clause
/*
 * Raw public keys (RFC 7250, RFC 7252 section 9.1.3.2): each side shows a key in the place of its
 * certificate, and is known if it is one that the other has been given.
 */
#include <openssl/pem.h>
#include "credentials/pem.h"
#include "credentials/private_key.h"
#include "dtls_internal.h"

#if COAX_RAW_PUBLIC_KEYS

static const unsigned char types[] = {TLSEXT_cert_type_rpk};

const char *coax_dtls_public_keys_use(SSL_CTX *context, const struct coax_credential *credential)
{
	EVP_PKEY *key = coax_private_key_read(credential->certificates.key);
	bool good;

	if (!key)
		return "the private key is not one for ECDSA in PEM, or has a passphrase";
	good = SSL_CTX_use_PrivateKey(context, key) == 1 &&
	       SSL_CTX_set1_server_cert_type(context, types, sizeof(types)) == 1 &&
	       SSL_CTX_set1_client_cert_type(context, types, sizeof(types)) == 1;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   SSL_CTX_get_verify_callback(context));
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? NULL : "OpenSSL does not take the private key";
}

/* What a client's list of types has, the one that it would rather have first. */
static size_t read_types(SSL *ssl, unsigned int extension, const unsigned char **list)
{
	static const unsigned char usual[] = {TLSEXT_cert_type_x509};
	const unsigned char *data;
	size_t length;

	if (!SSL_client_hello_get0_ext(ssl, extension, &data, &length) || length < 1 ||
	    data[0] != length - 1) {
		*list = usual;
		return sizeof(usual);
	}
	*list = data + 1;
	return length - 1;
}

size_t coax_dtls_public_keys_wanted(SSL *ssl, enum coax_credential_kind kinds[2])
{
	const unsigned char *ours, *theirs;
	size_t our_count = read_types(ssl, TLSEXT_TYPE_server_cert_type, &ours);
	size_t their_count = read_types(ssl, TLSEXT_TYPE_client_cert_type, &theirs);
	bool has_key = memchr(theirs, TLSEXT_cert_type_rpk, their_count);
	size_t count = 0;

	for (size_t i = 0; i < our_count && count < 2; i++) {
		if (ours[i] == TLSEXT_cert_type_x509)
			kinds[count++] = COAX_CREDENTIAL_CERTIFICATES;
		else if (ours[i] == TLSEXT_cert_type_rpk && has_key)
			kinds[count++] = COAX_CREDENTIAL_PUBLIC_KEY;
	}
	return count;
}

bool coax_dtls_public_keys_begin(SSL *ssl)
{
	return SSL_set1_server_cert_type(ssl, types, sizeof(types)) &&
	       SSL_set1_client_cert_type(ssl, types, sizeof(types));
}

/* Entries for the name that the client asked for come before those for any. */
static const struct coax_credential *find_client(const struct coax_dtls_contexts *contexts,
						 const char *name, const EVP_PKEY *peer)
{
	const struct coax_credential *entry, *any = NULL;

	for (size_t i = 0; (entry = coax_credentials_own(contexts->credentials, i)); i++) {
		if (!contexts->peer_keys[i] || EVP_PKEY_eq(contexts->peer_keys[i], peer) != 1)
			continue;
		if (entry->server_name && strcasecmp(entry->server_name, name) == 0)
			return entry;
		if (!entry->server_name && !any)
			any = entry;
	}
	return any;
}

static const struct coax_credential *find_peer(const struct coax_dtls_session *session,
					       const EVP_PKEY *peer)
{
	const struct coax_credential *entry = session->credential;
	const EVP_PKEY *expected;

	if (!session->client)
		return session->handshake ? find_client(session->contexts,
							session->handshake->server_name, peer)
					  : NULL;
	expected = session->contexts->peer_keys[entry->number];
	return expected && EVP_PKEY_eq(expected, peer) == 1 ? entry : NULL;
}

int coax_dtls_public_keys_verify(const struct coax_dtls_session *session, X509_STORE_CTX *shown)
{
	const EVP_PKEY *peer = X509_STORE_CTX_get0_rpk(shown);
	bool known = peer && find_peer(session, peer);

	/* The alert for it is bad_certificate. */
	X509_STORE_CTX_set_error(shown, known ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
	return known;
}

const struct coax_credential *coax_dtls_public_keys_peer(const struct coax_dtls_session *session,
							 EVP_PKEY **peer)
{
	*peer = SSL_get0_peer_rpk(session->ssl);
	return *peer && SSL_get_verify_result(session->ssl) == X509_V_OK ? find_peer(session, *peer)
									 : NULL;
}

bool coax_dtls_public_keys_shown(const struct coax_dtls_session *session)
{
	return (session->client ? SSL_get_negotiated_server_cert_type(session->ssl)
				: SSL_get_negotiated_client_cert_type(session->ssl)) ==
	       TLSEXT_cert_type_rpk;
}

#else

/* No entry with a key gets a context, and so no session comes to ask for more. */

const char *coax_dtls_public_keys_use(SSL_CTX *context, const struct coax_credential *credential)
{
	(void)context;
	(void)credential;
	return "raw public keys want OpenSSL 3.2 or later";
}

size_t coax_dtls_public_keys_wanted(SSL *ssl, enum coax_credential_kind kinds[2])
{
	(void)ssl;
	kinds[0] = COAX_CREDENTIAL_CERTIFICATES;
	return 1;
}

bool coax_dtls_public_keys_begin(SSL *ssl)
{
	(void)ssl;
	return false;
}

int coax_dtls_public_keys_verify(const struct coax_dtls_session *session, X509_STORE_CTX *shown)
{
	(void)session;
	(void)shown;
	return 0;
}

const struct coax_credential *coax_dtls_public_keys_peer(const struct coax_dtls_session *session,
							 EVP_PKEY **peer)
{
	(void)session;
	*peer = NULL;
	return NULL;
}

bool coax_dtls_public_keys_shown(const struct coax_dtls_session *session)
{
	(void)session;
	return false;
}

#endif
