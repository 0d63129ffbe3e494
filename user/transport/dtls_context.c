// SPDX-License-Identifier: BSD-2-Clause
/*
 * A set of credentials as OpenSSL wants it: one SSL_CTX for all pre-shared keys, and one for each
 * entry with certificates or public keys. DTLS 1.2 with AEAD ciphers, as RFC 7252 section 9.1.3 and
 * RFC 7925 have them, and nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "credentials/pem.h"
#include "dtls_internal.h"

/* The mandatory one first; a server takes the one that the client named first. */
#define PSK_CIPHERS                                             \
	"PSK-AES128-CCM8:PSK-AES128-CCM:PSK-AES128-GCM-SHA256:" \
	"PSK-AES256-GCM-SHA384:PSK-CHACHA20-POLY1305:"          \
	"ECDHE-PSK-CHACHA20-POLY1305"
#define CERTIFICATE_CIPHERS                                            \
	"ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:"              \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305"
#define GROUPS "P-256:X25519:P-384"
/* RSA for the chain's authorities; no cipher is authenticated by it. */
#define SIGNATURES	   "ECDSA+SHA256:ECDSA+SHA384:RSA+SHA256:RSA+SHA384"

#define SECURITY_LEVEL	   2
#define CHAIN_DEPTH_MAX	   5
#define CHAIN_BYTES_MAX	   16384
#define RESUMABLE_SECONDS  86400
#define RESUMABLE_SESSIONS 4096

typedef int (*security_callback)(const SSL *ssl, const SSL_CTX *context, int operation, int bits,
				 int nid, void *other, void *ex);

/*
 * Tags of 8 bytes are too short for every level but 0, and RFC 7252 demands them: allow these
 * ciphers, and let the rest (keys, curves, signatures) be as strong as the level says.
 */
static int judge_security(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid,
			  void *other, void *ex)
{
	security_callback usual = (security_callback)ex;

	if ((operation == SSL_SECOP_CIPHER_SUPPORTED || operation == SSL_SECOP_CIPHER_SHARED ||
	     operation == SSL_SECOP_CIPHER_CHECK) &&
	    other && strstr(SSL_CIPHER_get_name(other), "-CCM8"))
		return 1;
	return usual(ssl, context, operation, bits, nid, other, NULL);
}

static SSL_CTX *make_context(bool server, const char *ciphers,
			     const struct coax_dtls_limits *limits)
{
	SSL_CTX *context = SSL_CTX_new(server ? DTLS_server_method() : DTLS_client_method());
	security_callback usual;

	if (!context)
		return NULL;
	usual = SSL_CTX_get_security_callback(context);
	SSL_CTX_set0_security_ex_data(context, (void *)usual);
	SSL_CTX_set_security_callback(context, judge_security);
	SSL_CTX_set_security_level(context, SECURITY_LEVEL);
	SSL_CTX_set_options(context,
			    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU);
	/* What the chain has is sent, and no authority that we happen to know. */
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
	SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
	SSL_CTX_set_timeout(context, RESUMABLE_SECONDS);
	SSL_CTX_set_session_cache_mode(context,
				       server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
	SSL_CTX_sess_set_cache_size(context, limits->sessions_max < RESUMABLE_SESSIONS
						     ? limits->sessions_max
						     : RESUMABLE_SESSIONS);
	coax_dtls_choose_install(context, server);
	if (!SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(context, ciphers) ||
	    !SSL_CTX_set1_groups_list(context, GROUPS) ||
	    !SSL_CTX_set1_sigalgs_list(context, SIGNATURES) ||
	    !SSL_CTX_set_max_send_fragment(context, COAX_DATAGRAM_OUT_MAX)) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

static const struct coax_credential *entry_at(const struct coax_dtls_contexts *contexts, size_t at)
{
	return contexts->server ? coax_credentials_own(contexts->credentials, at)
				: coax_credentials_at(contexts->credentials, at);
}

static bool is_same_name(const char *a, const char *b)
{
	return a && b ? strcasecmp(a, b) == 0 : a == b;
}

/* A server shows one public key under a name, the first entry's, whosever key the client has. */
static bool is_shown(const struct coax_dtls_contexts *contexts,
		     const struct coax_credential *credential)
{
	const struct coax_credential *entry;

	if (!contexts->server)
		return true;
	for (size_t i = 0; (entry = entry_at(contexts, i)) != credential; i++) {
		if (entry->kind == COAX_CREDENTIAL_PUBLIC_KEY &&
		    is_same_name(entry->server_name, credential->server_name))
			return false;
	}
	return true;
}

static const char *use_entry(SSL_CTX *context, const struct coax_credential *credential,
			     bool server)
{
	return credential->kind == COAX_CREDENTIAL_PUBLIC_KEY
		       ? coax_dtls_public_keys_use(context, credential)
		       : coax_dtls_certificates_use(context, credential, server);
}

static int make_entry(SSL_CTX **made, const struct coax_dtls_contexts *contexts,
		      const struct coax_credential *credential,
		      const struct coax_dtls_limits *limits, const struct coax_logger *logger)
{
	bool psk = contexts->server && coax_credentials_have_psk(contexts->credentials);
	SSL_CTX *context;
	const char *wrong;

	context = make_context(contexts->server,
			       psk ? PSK_CIPHERS ":" CERTIFICATE_CIPHERS : CERTIFICATE_CIPHERS,
			       limits);
	if (!context)
		return -ENOMEM;
	wrong = use_entry(context, credential, contexts->server);
	if (wrong) {
		coax_log(logger, COAX_LOG_ERROR, "Credentials \"%s\": %s", credential->label,
			 wrong);
		SSL_CTX_free(context);
		return -EINVAL;
	}
	*made = context;
	return 0;
}

/* One that is known by a raw public key. */
static int make_keyed_entry(struct coax_dtls_contexts *contexts, size_t at,
			    const struct coax_credential *credential,
			    const struct coax_dtls_limits *limits, const struct coax_logger *logger)
{
	if (!COAX_RAW_PUBLIC_KEYS) {
		coax_log(logger, COAX_LOG_WARNING,
			 "Credentials \"%s\" are not used: raw public keys want OpenSSL 3.2 or "
			 "later, and this was built with " OPENSSL_VERSION_STR,
			 credential->label);
		return 0;
	}
	contexts->peer_keys[at] = coax_public_key_read(credential->certificates.peer_key);
	if (!contexts->peer_keys[at]) {
		coax_log(logger, COAX_LOG_ERROR,
			 "Credentials \"%s\": the peer's key is not a public key in PEM",
			 credential->label);
		return -EINVAL;
	}
	return is_shown(contexts, credential)
		       ? make_entry(&contexts->entries[at], contexts, credential, limits, logger)
		       : 0;
}

static int make_entries(struct coax_dtls_contexts *contexts, const struct coax_dtls_limits *limits,
			const struct coax_logger *logger)
{
	const struct coax_credential *credential;
	size_t count = 0;

	while (entry_at(contexts, count))
		count++;
	contexts->entries = calloc(count ? count : 1, sizeof(*contexts->entries));
	contexts->peer_keys = calloc(count ? count : 1, sizeof(*contexts->peer_keys));
	if (!contexts->entries || !contexts->peer_keys)
		return -ENOMEM;
	contexts->count = count;
	for (size_t i = 0; i < count; i++) {
		int err;

		credential = entry_at(contexts, i);
		if (credential->kind == COAX_CREDENTIAL_PSK)
			continue;
		err = credential->kind == COAX_CREDENTIAL_PUBLIC_KEY
			      ? make_keyed_entry(contexts, i, credential, limits, logger)
			      : make_entry(&contexts->entries[i], contexts, credential, limits,
					   logger);
		if (err)
			return err;
	}
	return 0;
}

int coax_dtls_contexts_create(struct coax_dtls_contexts **contexts,
			      struct coax_credentials *credentials, bool server,
			      const struct coax_dtls_limits *limits,
			      const struct coax_logger *logger)
{
	struct coax_dtls_contexts *made;
	int err;

	*contexts = NULL;
	if (!credentials)
		return 0;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->holders = 1;
	made->server = server;
	made->credentials = coax_credentials_hold(credentials);
	made->base = make_context(server, PSK_CIPHERS, limits);
	err = made->base ? make_entries(made, limits, logger) : -ENOMEM;
	if (err) {
		coax_dtls_contexts_release(made);
		return err;
	}
	*contexts = made;
	return 0;
}

struct coax_dtls_contexts *coax_dtls_contexts_hold(struct coax_dtls_contexts *contexts)
{
	if (contexts)
		__atomic_add_fetch(&contexts->holders, 1, __ATOMIC_RELAXED);
	return contexts;
}

void coax_dtls_contexts_release(struct coax_dtls_contexts *contexts)
{
	if (!contexts || __atomic_sub_fetch(&contexts->holders, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < contexts->count; i++) {
		SSL_CTX_free(contexts->entries[i]);
		EVP_PKEY_free(contexts->peer_keys[i]);
	}
	free(contexts->entries);
	free(contexts->peer_keys);
	SSL_CTX_free(contexts->base);
	coax_credentials_release(contexts->credentials);
	free(contexts);
}

const struct coax_credential *coax_dtls_contexts_find(const struct coax_dtls_contexts *contexts,
						      const struct coax_credential *credential)
{
	const struct coax_credential *entry;

	if (!contexts)
		return NULL;
	if (contexts->server && credential->kind == COAX_CREDENTIAL_PSK) {
		entry = coax_credentials_for_identity(
			contexts->credentials, credential->server_name, credential->psk.identity,
			credential->psk.identity_length);
		return entry && coax_credential_equal(entry, credential) ? entry : NULL;
	}
	/* Most often it is the very same, or stands where it stood. */
	entry = coax_credentials_at(contexts->credentials, credential->number);
	if (entry && (entry == credential || coax_credential_equal(entry, credential)))
		return entry;
	for (size_t i = 0; (entry = coax_credentials_at(contexts->credentials, i)); i++) {
		if (coax_credential_equal(entry, credential))
			return entry;
	}
	return NULL;
}

SSL_CTX *coax_dtls_contexts_at(const struct coax_dtls_contexts *contexts,
			       const struct coax_credential *credential)
{
	if (credential->kind == COAX_CREDENTIAL_PSK)
		return contexts->base;
	for (size_t i = 0; contexts->server && i < contexts->count; i++) {
		if (entry_at(contexts, i) == credential)
			return contexts->entries[i];
	}
	return contexts->server || credential->number >= contexts->count
		       ? NULL
		       : contexts->entries[credential->number];
}
