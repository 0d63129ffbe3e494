// SPDX-License-Identifier: BSD-2-Clause
/*
 * What OpenSSL is told of a run: one cipher, one curve, one key.
 */
#include <string.h>
#include "secure.h"

static unsigned int give_client_key(SSL *ssl, const char *hint, char *identity,
				    unsigned int identity_max, unsigned char *key,
				    unsigned int key_max)
{
	const struct secure_options *options = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	size_t length = strlen(options->key);

	(void)hint;
	if (strlen(options->identity) > identity_max || length > key_max)
		return 0;
	strcpy(identity, options->identity);
	memcpy(key, options->key, length);
	return (unsigned int)length;
}

static unsigned int give_server_key(SSL *ssl, const char *identity, unsigned char *key,
				    unsigned int key_max)
{
	const struct secure_options *options = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	size_t length = strlen(options->key);

	(void)identity;
	if (length > key_max)
		return 0;
	memcpy(key, options->key, length);
	return (unsigned int)length;
}

SSL_CTX *secure_context(const struct secure_options *options, bool server)
{
	SSL_CTX *context = SSL_CTX_new(server ? DTLS_server_method() : DTLS_client_method());

	if (!context)
		return NULL;
	SSL_CTX_set_app_data(context, (void *)options);
	/* OpenSSL has ciphers with tags of 8 bytes, which RFC 7252 wants, at no other level. */
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (options->identity && server)
		SSL_CTX_set_psk_server_callback(context, give_server_key);
	else if (options->identity)
		SSL_CTX_set_psk_client_callback(context, give_client_key);
	if (!SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_max_send_fragment(context, SECURE_FRAGMENT_MAX) ||
	    !SSL_CTX_set_cipher_list(context, options->cipher) ||
	    !SSL_CTX_set1_groups_list(context, "P-256")) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}
