// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/x509v3.h>
#include "credentials/claims.h"
#include "dtls_internal.h"

/* More of a certificate's names are not told. */
#define NAMES_MAX 32

/* What claims point to until they are copied. */
struct parts {
	char *subject;
	char *names[NAMES_MAX];
	size_t name_count;
	unsigned char *public_key;
};

static int publish(struct coax_dtls_session *session, const struct coax_claims *claims)
{
	session->claims = coax_claims_create(claims);
	return session->claims ? 0 : -ENOMEM;
}

static int of_psk(struct coax_dtls_session *session)
{
	struct coax_claims claims = {.kind = COAX_CLAIMS_PSK};
	const char *identity = SSL_get_psk_identity(session->ssl);
	const char *name = session->handshake->server_name;

	if (!session->client) {
		if (!identity)
			return -EACCES;
		session->credential = coax_credentials_for_identity(
			session->contexts->credentials, *name ? name : NULL,
			(const uint8_t *)identity, strlen(identity));
	}
	if (!session->credential)
		return -EACCES;
	claims.label = session->credential->label;
	claims.identity = session->credential->psk.identity;
	claims.identity_length = session->credential->psk.identity_length;
	return publish(session, &claims);
}

static char *subject_of(X509 *certificate)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	long length;

	if (!out)
		return NULL;
	if (X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
		length = BIO_get_mem_data(out, &data);
		text = strndup(length > 0 ? data : "", length > 0 ? (size_t)length : 0);
	}
	BIO_free(out);
	return text;
}

static char *name_of_text(const char *kind, const ASN1_STRING *string)
{
	const unsigned char *data = ASN1_STRING_get0_data(string);
	int length = ASN1_STRING_length(string);
	char *text;

	/* A zero inside would make another name of it. */
	if (length < 0 || memchr(data, 0, (size_t)length))
		return NULL;
	return asprintf(&text, "%s:%.*s", kind, length, (const char *)data) < 0 ? NULL : text;
}

static char *name_of_address(const ASN1_STRING *string)
{
	int length = ASN1_STRING_length(string);
	char address[INET6_ADDRSTRLEN], *text;

	if (length != 4 && length != 16)
		return NULL;
	inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(string), address,
		  sizeof(address));
	return asprintf(&text, "IP:%s", address) < 0 ? NULL : text;
}

static char *name_of(const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		return name_of_text("DNS", name->d.dNSName);
	case GEN_URI:
		return name_of_text("URI", name->d.uniformResourceIdentifier);
	case GEN_EMAIL:
		return name_of_text("email", name->d.rfc822Name);
	case GEN_IPADD:
		return name_of_address(name->d.iPAddress);
	default:
		return NULL;
	}
}

static void read_names(struct parts *parts, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && parts->name_count < NAMES_MAX; i++) {
		char *text = name_of(sk_GENERAL_NAME_value(names, i));

		if (text)
			parts->names[parts->name_count++] = text;
	}
	GENERAL_NAMES_free(names);
}

static int of_certificate(struct coax_dtls_session *session, X509 *certificate)
{
	struct coax_claims claims = {.kind = COAX_CLAIMS_CERTIFICATE};
	struct parts parts = {.subject = subject_of(certificate)};
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &parts.public_key);
	int err = -ENOMEM;

	read_names(&parts, certificate);
	if (parts.subject && length > 0) {
		claims.subject = parts.subject;
		claims.names = (const char *const *)parts.names;
		claims.name_count = parts.name_count;
		claims.public_key = parts.public_key;
		claims.public_key_length = (size_t)length;
		err = publish(session, &claims);
	}
	free(parts.subject);
	for (size_t i = 0; i < parts.name_count; i++)
		free(parts.names[i]);
	OPENSSL_free(parts.public_key);
	return err;
}

/* By whose key it is known; that is looked for again, for a session may have been resumed. */
static int of_public_key(struct coax_dtls_session *session)
{
	struct coax_claims claims = {.kind = COAX_CLAIMS_PUBLIC_KEY};
	const struct coax_credential *entry;
	unsigned char *public_key = NULL;
	EVP_PKEY *peer;
	int length, err;

	entry = coax_dtls_public_keys_peer(session, &peer);
	if (!entry)
		return -EACCES;
	length = i2d_PUBKEY(peer, &public_key);
	if (length <= 0)
		return -ENOMEM;
	session->credential = entry;
	claims.label = entry->label;
	claims.public_key = public_key;
	claims.public_key_length = (size_t)length;
	err = publish(session, &claims);
	OPENSSL_free(public_key);
	return err;
}

int coax_dtls_claims_make(struct coax_dtls_session *session)
{
	static const struct coax_claims anonymous = {.kind = COAX_CLAIMS_ANONYMOUS};
	const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);
	X509 *certificate;
	int err;

	if (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk)
		return of_psk(session);
	if (!session->credential)
		return -EACCES;
	if (coax_dtls_is_keyed(session))
		return of_public_key(session);
	certificate = SSL_get1_peer_certificate(session->ssl);
	if (!certificate)
		return session->client ? -EACCES : publish(session, &anonymous);
	err = SSL_get_verify_result(session->ssl) == X509_V_OK
		      ? of_certificate(session, certificate)
		      : -EACCES;
	X509_free(certificate);
	return err;
}
