/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Credentials: keys, certificates and whom they are for, read from a file in aiocoap's format and
 * kept as one immutable set. A Context has one set for the requests that it makes and another one
 * for those that it serves: a server never takes a key of the client's for its own.
 *
 * The file is one JSON object. A key of it that begins with ':' is the name of an entry, which may
 * be a server's; any other is a pattern of URIs ('*' stands for any characters), for which a client
 * uses the entry; the longest that fits counts. Keys below a pattern are never accepted by
 * a server. An entry is a reference (":name"), or an object with one member:
 *
 *	"dtls": {"psk": BYTES, "client-identity": BYTES}
 *	"certificate": {"chain": PEM, "key": PEM, "authorities": PEM or "system", "revoked": PEM,
 *			"any-name": true}
 *	"raw-public-key": {"key": PEM, "peer-key": PEM}
 *	"any-of": [ENTRY, ...], "all-of": [ENTRY, ...]
 *
 * BYTES is {"ascii": "..."}, {"hex": "..."} or {"base64": "..."}; PEM is {"file": "NAME"} or
 * {"pem": "..."}. Those of a server may have "server-name" (SNI), a certificate's of a server
 * "client-certificate": "required" (the default with authorities) or "optional". An entry null is
 * none. The types oscore, edhoc-oscore, tlscert and unprotected, which others have, may be there,
 * but DTLS has no use for them: a request for which only they are meant has no credentials. Nor has
 * one for which an all-of asks for several at once.
 */
#ifndef COAX_CREDENTIALS_H
#define COAX_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

struct coax_credentials;

#define COAX_CREDENTIALS_ERROR_MAX 512

/**
 * coax_credentials_load - read a file. Names of files in it are relative to its directory.
 *
 * Returns 0; or -EINVAL, -ENOMEM or what reading a file says, and then `error` (of
 * COAX_CREDENTIALS_ERROR_MAX bytes) tells file, line and key, and what to do about it; never a
 * secret. The set is held once. Any thread.
 */
int coax_credentials_load(struct coax_credentials **credentials, const char *file, char *error);

/**
 * coax_credentials_parse - the same from text. `name` stands for the file in errors, and its
 * directory part for that of the files it names.
 */
int coax_credentials_parse(struct coax_credentials **credentials, const char *text, size_t length,
			   const char *name, char *error);

/**
 * coax_credentials_for_psk - a set for a client: one pre-shared key for every server.
 *
 * Returns 0, -EINVAL (an empty or too long identity or key) or -ENOMEM.
 */
int coax_credentials_for_psk(struct coax_credentials **credentials, const void *identity,
			     size_t identity_length, const void *key, size_t key_length);

/**
 * coax_credentials_for_certificates - a set for a client, for every server: `authorities` are those
 * trusted (NULL: the system's); `certificate` and `key` are the client's own, or both NULL. All are
 * names of PEM files. Returns as coax_credentials_load() does.
 */
int coax_credentials_for_certificates(struct coax_credentials **credentials,
				      const char *authorities, const char *certificate,
				      const char *key, char *error);

/**
 * coax_credentials_hold, coax_credentials_release - count who uses it. Secrets are cleansed from
 * memory with the last release. NULL: nothing. Any thread.
 */
struct coax_credentials *coax_credentials_hold(struct coax_credentials *credentials);
void coax_credentials_release(struct coax_credentials *credentials);

#endif
