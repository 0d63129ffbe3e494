// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include "credentials/claims.h"

struct owned_claims {
	unsigned long holders;
	struct coax_claims claims;
	const char *names[]; /* and behind them all the bytes */
};

static struct owned_claims *owner(const struct coax_claims *claims)
{
	return (struct owned_claims *)((char *)claims - offsetof(struct owned_claims, claims));
}

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t total_size(const struct coax_claims *claims)
{
	size_t size = sizeof(struct owned_claims) + claims->name_count * sizeof(char *);

	for (size_t i = 0; i < claims->name_count; i++)
		size += text_size(claims->names[i]);
	return size + text_size(claims->label) + text_size(claims->subject) +
	       claims->identity_length + claims->public_key_length;
}

/* Copy to *at, which moves on. NULL stays NULL. */
static const void *copy(char **at, const void *bytes, size_t length)
{
	char *to = *at;

	if (!bytes)
		return NULL;
	memcpy(to, bytes, length);
	*at += length;
	return to;
}

const struct coax_claims *coax_claims_create(const struct coax_claims *claims)
{
	struct owned_claims *owned = malloc(total_size(claims));
	char *at;

	if (!owned)
		return NULL;
	at = (char *)&owned->names[claims->name_count];
	owned->holders = 1;
	owned->claims = *claims;
	for (size_t i = 0; i < claims->name_count; i++)
		owned->names[i] = copy(&at, claims->names[i], text_size(claims->names[i]));
	owned->claims.names = claims->name_count ? owned->names : NULL;
	owned->claims.label = copy(&at, claims->label, text_size(claims->label));
	owned->claims.subject = copy(&at, claims->subject, text_size(claims->subject));
	owned->claims.identity = copy(&at, claims->identity, claims->identity_length);
	owned->claims.public_key = copy(&at, claims->public_key, claims->public_key_length);
	return &owned->claims;
}

const struct coax_claims *coax_claims_hold(const struct coax_claims *claims)
{
	if (claims)
		__atomic_add_fetch(&owner(claims)->holders, 1, __ATOMIC_RELAXED);
	return claims;
}

void coax_claims_release(const struct coax_claims *claims)
{
	struct owned_claims *owned;

	if (!claims)
		return;
	owned = owner(claims);
	if (__atomic_sub_fetch(&owned->holders, 1, __ATOMIC_ACQ_REL) == 0)
		free(owned);
}
