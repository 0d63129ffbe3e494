/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and certificates in PEM, made afresh for each test.
 */
#ifndef COAX_TESTS_PEM_H
#define COAX_TESTS_PEM_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define PEM_TEXT_MAX 4096

static inline void pem_take(BIO *bio, char *text)
{
	int length = BIO_read(bio, text, PEM_TEXT_MAX - 1);

	text[length > 0 ? length : 0] = '\0';
	BIO_free(bio);
}

static inline void pem_private_key(EVP_PKEY *key, char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	pem_take(bio, text);
}

static inline void pem_public_key(EVP_PKEY *key, char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PUBKEY(bio, key);
	pem_take(bio, text);
}

/* A certificate for `key`, signed by itself. */
static inline void pem_certificate(EVP_PKEY *key, const char *name, char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	PEM_write_bio_X509(bio, certificate);
	X509_free(certificate);
	pem_take(bio, text);
}

/* A revocation list, empty, signed by `key`. */
static inline void pem_revoked(EVP_PKEY *key, char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	X509_CRL *list = X509_CRL_new();

	X509_CRL_set1_lastUpdate(list, now);
	X509_CRL_set1_nextUpdate(list, now);
	X509_CRL_sign(list, key, EVP_sha256());
	PEM_write_bio_X509_CRL(bio, list);
	X509_CRL_free(list);
	ASN1_TIME_free(now);
	pem_take(bio, text);
}

/* As it stands between the quotes of a string in JSON. */
static inline void pem_escape(const char *text, char *escaped)
{
	for (; *text; text++) {
		if (*text == '\n')
			*escaped++ = '\\';
		*escaped++ = *text == '\n' ? 'n' : *text;
	}
	*escaped = '\0';
}

#endif
