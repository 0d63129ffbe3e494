// SPDX-License-Identifier: BSD-2-Clause
/*
 * Certificates, keys and CRLs of an entry, from PEM into OpenSSL.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include "credentials/private_key.h"
#include "dtls_internal.h"

/* No passphrase is asked for on a terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* All that a text holds; NULL: it is not PEM. */
static STACK_OF(X509_INFO) * read_all(const char *text)
{
	BIO *pem = BIO_new_mem_buf(text, -1);
	STACK_OF(X509_INFO) *items = NULL;

	if (pem)
		items = PEM_X509_INFO_read_bio(pem, NULL, no_passphrase, NULL);
	BIO_free(pem);
	return items;
}

static void free_all(STACK_OF(X509_INFO) * items)
{
	sk_X509_INFO_pop_free(items, X509_INFO_free);
}

static bool use_one(SSL_CTX *context, X509 *certificate, bool own)
{
	return own ? SSL_CTX_use_certificate(context, certificate) == 1
		   : SSL_CTX_add1_chain_cert(context, certificate) == 1;
}

static const char *use_chain(SSL_CTX *context, const char *text)
{
	STACK_OF(X509_INFO) *items = read_all(text);
	unsigned int count = 0;
	bool good = true;

	for (int i = 0; i < sk_X509_INFO_num(items) && good; i++) {
		X509 *certificate = sk_X509_INFO_value(items, i)->x509;

		if (certificate)
			good = use_one(context, certificate, count++ == 0);
	}
	free_all(items);
	if (!count)
		return "the chain is not certificates in PEM";
	return good ? NULL : "OpenSSL does not take the chain of certificates";
}

static const char *use_key(SSL_CTX *context, const char *text)
{
	EVP_PKEY *key = coax_private_key_read(text);
	const char *wrong = NULL;

	if (!key)
		return "the private key is not one for ECDSA in PEM, or has a passphrase";
	if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
		wrong = "the private key is not that of the certificate";
	EVP_PKEY_free(key);
	return wrong;
}

/* Authorities, or lists of what they have revoked. */
static const char *use_items(X509_STORE *store, const char *text, bool lists)
{
	STACK_OF(X509_INFO) *items = read_all(text);
	unsigned int count = 0;
	bool good = true;

	for (int i = 0; i < sk_X509_INFO_num(items) && good; i++) {
		X509_INFO *item = sk_X509_INFO_value(items, i);

		if (lists ? !item->crl : !item->x509)
			continue;
		good = lists ? X509_STORE_add_crl(store, item->crl) == 1
			     : X509_STORE_add_cert(store, item->x509) == 1;
		count++;
	}
	free_all(items);
	if (!count)
		return lists ? "what is revoked is no CRL in PEM"
			     : "the authorities are not certificates in PEM";
	return good ? NULL : "OpenSSL does not take an authority, or its CRL";
}

/* Whom to trust. A server that trusts nobody asks for no certificate. */
static const char *use_trust(SSL_CTX *context, const struct coax_certificates *certificates,
			     bool server)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	const char *wrong = NULL;
	int mode = SSL_VERIFY_PEER;

	if (server && !certificates->authorities && !certificates->system_authorities &&
	    !certificates->demands_peer)
		return NULL;
	if (certificates->authorities)
		wrong = use_items(store, certificates->authorities, false);
	if (!wrong && (certificates->system_authorities || !certificates->authorities) &&
	    SSL_CTX_set_default_verify_paths(context) != 1)
		wrong = "the system's authorities cannot be read";
	if (!wrong && certificates->revoked) {
		wrong = use_items(store, certificates->revoked, true);
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	if (server && certificates->demands_peer)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(context, mode, SSL_CTX_get_verify_callback(context));
	return wrong;
}

const char *coax_dtls_certificates_use(SSL_CTX *context, const struct coax_credential *credential,
				       bool server)
{
	const struct coax_certificates *certificates = &credential->certificates;
	const char *wrong = NULL;

	ERR_clear_error();
	if (certificates->chain)
		wrong = use_chain(context, certificates->chain);
	if (!wrong && certificates->chain)
		wrong = certificates->key ? use_key(context, certificates->key)
					  : "the private key is missing";
	if (!wrong && server && !certificates->chain)
		wrong = "a server wants a certificate";
	if (!wrong)
		wrong = use_trust(context, certificates, server);
	ERR_clear_error();
	return wrong;
}
