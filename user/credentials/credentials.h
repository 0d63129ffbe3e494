/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the layers above ask a set of credentials. What is returned stays as long as the set is
 * held. Any thread.
 */
#ifndef COAX_CREDENTIALS_LOOKUP_H
#define COAX_CREDENTIALS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/credentials.h>
#include <openssl/opensslv.h>

/* Whether OpenSSL has raw public keys (RFC 7250); without them their entries are not used. */
#define COAX_RAW_PUBLIC_KEYS (OPENSSL_VERSION_NUMBER >= 0x30200000L)

/* RFC 4279 section 5.3 asks for identities up to 128 bytes, and keys up to 64. */
#define COAX_PSK_IDENTITY_MAX 128
#define COAX_PSK_KEY_MAX      64

struct coax_psk {
	size_t identity_length;
	size_t key_length;
	uint8_t identity[COAX_PSK_IDENTITY_MAX];
	uint8_t key[COAX_PSK_KEY_MAX];
};

/* Texts in PEM, zero-terminated; NULL: none. */
struct coax_certificates {
	char *chain;	   /* our certificate, then intermediate ones */
	char *key;	   /* its private key */
	char *authorities; /* whom we trust to have signed the peer's; NULL: the system's */
	char *revoked;	   /* CRLs; with any, the whole chain is checked against them */
	char *peer_key;	   /* a raw public key that the peer has to have (RFC 7250) */
	bool system_authorities;
	bool demands_peer; /* a server: a client without certificate is refused */
	bool any_name;	   /* a client: the server's certificate may be of any name */
};

enum coax_credential_kind {
	COAX_CREDENTIAL_PSK,
	COAX_CREDENTIAL_CERTIFICATES,
	COAX_CREDENTIAL_PUBLIC_KEY,
};

/* An entry, its references followed. */
struct coax_credential {
	const char *label; /* its key in the file: ":sensors", "coaps://a.example/" and "*" */
	enum coax_credential_kind kind;
	const char *server_name; /* of a server's own: for which SNI; NULL: for any */
	struct coax_psk psk;
	struct coax_certificates certificates;
	uint32_t number; /* in its set, from 0 */
};

/*
 * A client: what to use for a request to `uri` ("coaps://host:port/path"): of the patterns that fit
 * it as a whole, the longest. Of an any-of the first one that DTLS can use. NULL: none.
 */
const struct coax_credential *coax_credentials_for_uri(const struct coax_credentials *credentials,
						       const char *uri);

/*
 * A server: whose key an identity's is, under the name that the client asked for (SNI; NULL: none).
 * Entries for that name come before those for any. NULL: none.
 */
const struct coax_credential *
coax_credentials_for_identity(const struct coax_credentials *credentials, const char *server_name,
			      const uint8_t *identity, size_t length);

/* A server: its entries with certificates or public keys of its own, one after the other; NULL: no
 * more. */
const struct coax_credential *coax_credentials_own(const struct coax_credentials *credentials,
						   size_t at);

/* All entries, whoever they are for, by their number; NULL: no more. */
const struct coax_credential *coax_credentials_at(const struct coax_credentials *credentials,
						  size_t at);

/* Whether a server has any pre-shared key. */
bool coax_credentials_have_psk(const struct coax_credentials *credentials);

/*
 * Whether two entries, of two sets perhaps, have the same name and the same keys: a session by one
 * stays by the other.
 */
bool coax_credential_equal(const struct coax_credential *a, const struct coax_credential *b);

#endif
