// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lookups: patterns one after the other, the longest first; identities by a keyed hash, since
 * strangers choose what is looked for, and there may be hundreds of thousands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "codec/text.h"
#include "credentials/index.h"
#include "credentials/wildcard.h"

#define BUCKETS_FIRST	16
#define SERVER_NAME_MAX 255 /* RFC 6066 section 3: a host name */
#define SECURE_PORT	":5684"

size_t coax_uri_authority_end(const char *uri)
{
	const char *authority = strstr(uri, "://");

	if (!authority)
		return 0;
	authority += strlen("://");
	return (size_t)(authority - uri) + strcspn(authority, "/?#");
}

/* Where the ":port" of an authority begins, or its end. */
static size_t port_start(const char *uri, size_t authority_end)
{
	size_t at = authority_end;

	while (at > 0 && is_digit(uri[at - 1]))
		at--;
	return at > 0 && at < authority_end && uri[at - 1] == ':' ? at - 1 : authority_end;
}

/*
 * A URI without a path means "/", and one without a port means 5684 (RFC 7252 sections 6.2 and
 * 6.3). Patterns may name that port or not; what they say of other ports stays as it is.
 */
const struct coax_credential *coax_credentials_for_uri(const struct coax_credentials *credentials,
						       const char *uri)
{
	size_t end = coax_uri_authority_end(uri);
	size_t port = port_start(uri, end);
	const char *path = uri[end] ? uri + end : "/";
	struct coax_wildcard_text text = {
		{{uri, port}, {uri + port, end - port}, {path, strlen(path)}}};
	struct coax_wildcard_text other = text;

	if (port == end)
		other.pieces[1].length = strlen(other.pieces[1].at = SECURE_PORT);
	else if (end - port == strlen(SECURE_PORT) && !memcmp(uri + port, SECURE_PORT, end - port))
		other.pieces[1].length = 0;
	for (size_t i = 0; i < credentials->pattern_count; i++) {
		const struct coax_uri_pattern *pattern = &credentials->patterns[i];

		if (coax_wildcard_fits(pattern->text, pattern->length, &text) ||
		    coax_wildcard_fits(pattern->text, pattern->length, &other))
			return pattern->credential;
	}
	return NULL;
}

/* What an identity is found by: host names are compared as DNS does, and have no final dot. */
struct identity_key {
	size_t name_length;
	size_t identity_length;
	char name[SERVER_NAME_MAX + 1];
	const uint8_t *identity;
};

static bool read_key(struct identity_key *key, const char *server_name, const uint8_t *identity,
		     size_t length)
{
	const char *name = server_name ? server_name : "";
	size_t name_length = strlen(name);

	if (name_length && name[name_length - 1] == '.')
		name_length--;
	if (name_length > SERVER_NAME_MAX || length > COAX_PSK_IDENTITY_MAX)
		return false;
	for (size_t i = 0; i < name_length; i++)
		key->name[i] = lower(name[i]);
	key->name_length = name_length;
	key->identity = identity;
	key->identity_length = length;
	return true;
}

static uint64_t hash_key(const struct coax_credentials *credentials, const struct identity_key *key)
{
	uint8_t bytes[1 + SERVER_NAME_MAX + COAX_PSK_IDENTITY_MAX];

	bytes[0] = (uint8_t)key->name_length;
	memcpy(bytes + 1, key->name, key->name_length);
	memcpy(bytes + 1 + key->name_length, key->identity, key->identity_length);
	return coax_hash(&credentials->hash_key, bytes,
			 1 + key->name_length + key->identity_length);
}

static bool has_key(const struct coax_credential *entry, const struct identity_key *key)
{
	struct identity_key own;

	return entry->psk.identity_length == key->identity_length &&
	       memcmp(entry->psk.identity, key->identity, key->identity_length) == 0 &&
	       read_key(&own, entry->server_name, entry->psk.identity,
			entry->psk.identity_length) &&
	       own.name_length == key->name_length &&
	       memcmp(own.name, key->name, key->name_length) == 0;
}

/* The entry, or where it would be: some bucket is always empty. */
static const struct coax_credential **find(const struct coax_credentials *credentials,
					   const struct identity_key *key)
{
	uint64_t at = hash_key(credentials, key);
	const struct coax_credential **bucket;

	do {
		bucket = &credentials->identities[at++ & (credentials->buckets - 1)];
	} while (*bucket && !has_key(*bucket, key));
	return bucket;
}

/* At most half of the buckets are in use. */
static int grow(struct coax_credentials *credentials)
{
	const struct coax_credential **former = credentials->identities;
	uint32_t former_buckets = credentials->buckets;
	uint32_t buckets = former_buckets ? 2 * former_buckets : BUCKETS_FIRST;
	struct identity_key key;

	if (2 * credentials->identity_count < former_buckets)
		return 0;
	credentials->identities = calloc(buckets, sizeof(*former));
	if (!credentials->identities) {
		credentials->identities = former;
		return -ENOMEM;
	}
	credentials->buckets = buckets;
	for (uint32_t i = 0; i < former_buckets; i++) {
		if (!former[i])
			continue;
		(void)read_key(&key, former[i]->server_name, former[i]->psk.identity,
			       former[i]->psk.identity_length);
		*find(credentials, &key) = former[i];
	}
	free(former);
	return 0;
}

int coax_identities_add(struct coax_credentials *credentials,
			const struct coax_credential *credential,
			const struct coax_credential **other)
{
	const struct coax_credential **bucket;
	struct identity_key key;
	int err;

	if (!read_key(&key, credential->server_name, credential->psk.identity,
		      credential->psk.identity_length))
		return -EINVAL;
	err = grow(credentials);
	if (err)
		return err;
	bucket = find(credentials, &key);
	if (*bucket) {
		*other = *bucket;
		return -EEXIST;
	}
	*bucket = credential;
	credentials->identity_count++;
	return 0;
}

const struct coax_credential *
coax_credentials_for_identity(const struct coax_credentials *credentials, const char *server_name,
			      const uint8_t *identity, size_t length)
{
	const struct coax_credential *credential = NULL;
	struct identity_key key;

	if (!credentials->identity_count)
		return NULL;
	if (server_name && read_key(&key, server_name, identity, length))
		credential = *find(credentials, &key);
	if (!credential && read_key(&key, NULL, identity, length))
		credential = *find(credentials, &key);
	return credential;
}

const struct coax_credential *coax_credentials_own(const struct coax_credentials *credentials,
						   size_t at)
{
	return at < credentials->own_count ? credentials->own[at] : NULL;
}

const struct coax_credential *coax_credentials_at(const struct coax_credentials *credentials,
						  size_t at)
{
	return at < credentials->count ? credentials->entries[at] : NULL;
}

bool coax_credentials_have_psk(const struct coax_credentials *credentials)
{
	return credentials->identity_count > 0;
}
