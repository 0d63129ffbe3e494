// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whether a session that one entry began goes on by another. No secret is compared in a time that
 * tells how much of it is right.
 */
#include <string.h>
#include <sodium.h>
#include "credentials/credentials.h"

static bool is_same_text(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool is_same_secret(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strlen(a) == strlen(b) && sodium_memcmp(a, b, strlen(a)) == 0;
}

static bool is_same_psk(const struct coax_psk *a, const struct coax_psk *b)
{
	return a->identity_length == b->identity_length && a->key_length == b->key_length &&
	       memcmp(a->identity, b->identity, a->identity_length) == 0 &&
	       sodium_memcmp(a->key, b->key, a->key_length) == 0;
}

static bool are_same_certificates(const struct coax_certificates *a,
				  const struct coax_certificates *b)
{
	return is_same_text(a->chain, b->chain) && is_same_secret(a->key, b->key) &&
	       is_same_text(a->authorities, b->authorities) &&
	       is_same_text(a->revoked, b->revoked) && is_same_text(a->peer_key, b->peer_key) &&
	       a->system_authorities == b->system_authorities &&
	       a->demands_peer == b->demands_peer && a->any_name == b->any_name;
}

bool coax_credential_equal(const struct coax_credential *a, const struct coax_credential *b)
{
	return a->kind == b->kind && is_same_text(a->label, b->label) &&
	       is_same_text(a->server_name, b->server_name) && is_same_psk(&a->psk, &b->psk) &&
	       are_same_certificates(&a->certificates, &b->certificates);
}
