/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates for the tests of DTLS: authorities, servers and clients with keys of P-256.
 */
#ifndef COAX_TEST_DTLS_PKI_H
#define COAX_TEST_DTLS_PKI_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "dtls_world.h"

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

/* What is special about a certificate. */
struct wish {
	const char *name;	       /* subjectAltName: "DNS:a.example"; NULL: none */
	const struct identity *signer; /* NULL: itself */
	bool authority;
	long from, until;  /* days from now; 0, 0: from yesterday for a year */
	const char *curve; /* NULL: P-256 */
};

static inline void extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	ASSERT_TRUE(extension != NULL);
	ASSERT_EQ(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline struct identity issue(const char *subject, const struct wish *wish)
{
	static long serial = 100;
	struct identity made = {.certificate = X509_new(),
				.key = EVP_EC_gen(wish->curve ? wish->curve : "P-256")};
	const struct identity *signer = wish->signer ? wish->signer : &made;
	X509_NAME *name = X509_get_subject_name(made.certificate);
	bool plain = !wish->from && !wish->until;
	time_t now = time(NULL);

	ASSERT_TRUE(made.key != NULL);
	X509_set_version(made.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
	X509_time_adj_ex(X509_getm_notBefore(made.certificate), plain ? -1 : (int)wish->from, 0,
			 &now);
	X509_time_adj_ex(X509_getm_notAfter(made.certificate), plain ? 365 : (int)wish->until, 0,
			 &now);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"coax", -1, -1,
				   0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1,
				   0);
	X509_set_issuer_name(made.certificate, X509_get_subject_name(signer->certificate));
	X509_set_pubkey(made.certificate, made.key);
	if (wish->authority) {
		extend(made.certificate, signer->certificate, NID_basic_constraints,
		       "critical,CA:TRUE");
		extend(made.certificate, signer->certificate, NID_key_usage,
		       "critical,keyCertSign,cRLSign");
	}
	if (wish->name)
		extend(made.certificate, signer->certificate, NID_subject_alt_name, wish->name);
	ASSERT_TRUE(X509_sign(made.certificate, signer->key, EVP_sha256()) > 0);
	return made;
}

static inline char *text_of(BIO *pem)
{
	char *data, *text;
	long length = BIO_get_mem_data(pem, &data);

	text = strndup(data, (size_t)length);
	BIO_free(pem);
	return text;
}

static inline char *pem_of(const struct identity *identity)
{
	BIO *pem = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(pem, identity->certificate);
	return text_of(pem);
}

static inline char *pem_of_key(const struct identity *identity)
{
	BIO *pem = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(pem, identity->key, NULL, NULL, 0, NULL, NULL);
	return text_of(pem);
}

/* The list of one certificate that an authority has revoked; NULL: of none. */
static inline char *pem_of_revoked(const struct identity *authority, const struct identity *revoked)
{
	BIO *pem = BIO_new(BIO_s_mem());
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *moment = ASN1_TIME_new();

	X509_CRL_set_version(list, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate));
	X509_gmtime_adj(moment, -3600);
	X509_CRL_set1_lastUpdate(list, moment);
	X509_gmtime_adj(moment, 86400);
	X509_CRL_set1_nextUpdate(list, moment);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_gmtime_adj(moment, -3600);
		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate));
		X509_REVOKED_set_revocationDate(entry, moment);
		X509_CRL_add0_revoked(list, entry);
	}
	X509_CRL_sort(list);
	ASSERT_TRUE(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
	PEM_write_bio_X509_CRL(pem, list);
	X509_CRL_free(list);
	ASN1_TIME_free(moment);
	return text_of(pem);
}

static inline void forget(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

/* An entry with certificates: what it shows (NULL: nothing), and whom it trusts (NULL: nobody). */
static inline struct coax_credential *add_certificates(struct coax_credentials *set,
						       const char *label,
						       const struct identity *own,
						       const struct identity *authority)
{
	struct coax_credential *entry = coax_credentials_add(set, label);

	ASSERT_TRUE(entry != NULL);
	entry->kind = COAX_CREDENTIAL_CERTIFICATES;
	if (own) {
		entry->certificates.chain = pem_of(own);
		entry->certificates.key = pem_of_key(own);
	}
	if (authority)
		entry->certificates.authorities = pem_of(authority);
	return entry;
}

/* One end has refused the other in the handshake; why is left to look at. */
static inline void expect_refusal(int refuser)
{
	const struct end *here = &world.ends[refuser], *there = &world.ends[1 - refuser];

	EXPECT_EQ(here->established, 0);
	EXPECT_EQ(there->established, 0);
	ASSERT_EQ(here->ended, 1);
	ASSERT_EQ(there->ended, 1);
	EXPECT_EQ(here->result, -EACCES);
	EXPECT_EQ(there->result, -ECONNREFUSED);
}

static inline struct coax_credentials *new_set(void)
{
	struct coax_credentials *set;

	ASSERT_EQ(coax_credentials_create(&set), 0);
	return set;
}

static inline void accept_entry(struct coax_credentials *set,
				const struct coax_credential *credential)
{
	const struct coax_credential *other;

	ASSERT_EQ(coax_credentials_accept(set, credential, &other), 0);
}

#endif
