// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include "credentials/file.h"
#include "credentials/pem.h"
#include "credentials/private_key.h"

#define PEM_FILE_MAX (4 << 20)

/* Nobody is at hand who could be asked for a password. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static BIO *open_text(const char *text)
{
	size_t length = strlen(text);

	return length > INT32_MAX ? NULL : BIO_new_mem_buf(text, (int)length);
}

/* After what was read last: whether that was so because there is no more. */
static bool is_at_end(void)
{
	unsigned long error = ERR_peek_last_error();
	bool at_end =
		ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return at_end;
}

const char *coax_pem_check_certificates(const char *text)
{
	BIO *bio = open_text(text);
	unsigned int count = 0;
	X509 *certificate;

	if (!bio)
		return "there is no memory for it";
	ERR_clear_error();
	while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		X509_free(certificate);
		count++;
	}
	BIO_free(bio);
	if (!is_at_end())
		return "a certificate in it is damaged";
	return count ? NULL : "there is no certificate in it (\"-----BEGIN CERTIFICATE-----\")";
}

const char *coax_pem_check_revoked(const char *text)
{
	BIO *bio = open_text(text);
	unsigned int count = 0;
	X509_CRL *list;

	if (!bio)
		return "there is no memory for it";
	ERR_clear_error();
	while ((list = PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL))) {
		X509_CRL_free(list);
		count++;
	}
	BIO_free(bio);
	if (!is_at_end())
		return "a revocation list in it is damaged";
	return count ? NULL : "there is no revocation list in it (\"-----BEGIN X509 CRL-----\")";
}

const char *coax_pem_check_private_key(const char *text)
{
	EVP_PKEY *key = coax_private_key_read(text);

	EVP_PKEY_free(key);
	if (key)
		return NULL;
	if (strstr(text, "ENCRYPTED"))
		return "the key in it is encrypted, and nobody can be asked for the password: "
		       "decrypt it (openssl pkey)";
	if (strstr(text, "PRIVATE KEY-----"))
		return "the key in it is damaged, or not for ECDSA with P-256 (RFC 7252 section "
		       "9.1.3.3) or P-384";
	return "there is no private key in it (\"-----BEGIN PRIVATE KEY-----\")";
}

EVP_PKEY *coax_public_key_read(const char *text)
{
	BIO *bio = open_text(text);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

const char *coax_pem_check_public_key(const char *text)
{
	EVP_PKEY *key = coax_public_key_read(text);

	EVP_PKEY_free(key);
	return key ? NULL : "there is no public key in it (\"-----BEGIN PUBLIC KEY-----\")";
}

const char *coax_pem_check_pair(const char *chain, const char *key_text)
{
	EVP_PKEY *key = coax_private_key_read(key_text);
	BIO *bio = open_text(chain);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	bool fits = certificate && key && X509_check_private_key(certificate, key) == 1;

	X509_free(certificate);
	BIO_free(bio);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return fits ? NULL : "it is not the key of the chain's first certificate";
}

int coax_pem_read(const char *file, char **text, const char **problem)
{
	size_t length;
	int err = coax_secret_file_read(file, PEM_FILE_MAX, text, &length);

	if (err) {
		*problem = strerror(-err);
		return err;
	}
	if (strlen(*text) == length)
		return 0;
	coax_secret_file_free(*text, length);
	*text = NULL;
	*problem = "it is not a text, as PEM is";
	return -EINVAL;
}
