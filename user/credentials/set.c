// SPDX-License-Identifier: BSD-2-Clause
/*
 * How sets of credentials come, grow and go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "codec/text.h"
#include "credentials/index.h"
#include "credentials/set.h"

#define ARRAY_FIRST 16

int coax_credentials_create(struct coax_credentials **credentials)
{
	struct coax_credentials *set = calloc(1, sizeof(*set));
	int err;

	if (!set)
		return -ENOMEM;
	err = coax_hash_key_random(&set->hash_key);
	if (err) {
		free(set);
		return err;
	}
	set->holders = 1;
	*credentials = set;
	return 0;
}

static void cleanse_text(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static void free_entry(struct coax_credential *entry)
{
	struct coax_certificates *certificates = &entry->certificates;

	free((char *)entry->label);
	free((char *)entry->server_name);
	cleanse_text(certificates->chain);
	cleanse_text(certificates->key);
	cleanse_text(certificates->authorities);
	cleanse_text(certificates->revoked);
	cleanse_text(certificates->peer_key);
	OPENSSL_cleanse(entry, sizeof(*entry));
	free(entry);
}

static void free_set(struct coax_credentials *set)
{
	for (size_t i = 0; i < set->count; i++)
		free_entry(set->entries[i]);
	for (size_t i = 0; i < set->pattern_count; i++)
		free(set->patterns[i].text);
	free(set->entries);
	free(set->patterns);
	free(set->own);
	free(set->identities);
	OPENSSL_cleanse(&set->hash_key, sizeof(set->hash_key));
	free(set);
}

struct coax_credentials *coax_credentials_hold(struct coax_credentials *credentials)
{
	if (credentials)
		__atomic_add_fetch(&credentials->holders, 1, __ATOMIC_RELAXED);
	return credentials;
}

void coax_credentials_release(struct coax_credentials *credentials)
{
	if (credentials && __atomic_sub_fetch(&credentials->holders, 1, __ATOMIC_ACQ_REL) == 0)
		free_set(credentials);
}

/* Room for one more in an array that grows by doubling. It holds no secrets. */
static int reserve(void *array, size_t count, size_t size)
{
	void **items = array, *grown;

	if (count & (count - 1) || (count && count < ARRAY_FIRST))
		return 0;
	grown = reallocarray(*items, count ? 2 * count : ARRAY_FIRST, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	return 0;
}

struct coax_credential *coax_credentials_add(struct coax_credentials *credentials,
					     const char *label)
{
	struct coax_credential *entry;

	if (credentials->count == UINT32_MAX ||
	    reserve(&credentials->entries, credentials->count, sizeof(*credentials->entries)))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->label = strdup(label);
	if (!entry->label) {
		free(entry);
		return NULL;
	}
	entry->number = (uint32_t)credentials->count;
	credentials->entries[credentials->count++] = entry;
	return entry;
}

int coax_credentials_add_pattern(struct coax_credentials *credentials, const char *pattern,
				 const struct coax_credential *credential)
{
	struct coax_uri_pattern *added;
	size_t authority;

	if (reserve(&credentials->patterns, credentials->pattern_count,
		    sizeof(*credentials->patterns)))
		return -ENOMEM;
	added = &credentials->patterns[credentials->pattern_count];
	added->text = strdup(pattern);
	if (!added->text)
		return -ENOMEM;
	added->length = strlen(pattern);
	added->credential = credential;
	authority = coax_uri_authority_end(pattern);
	for (size_t i = 0; i < authority; i++)
		added->text[i] = lower(added->text[i]);
	credentials->pattern_count++;
	return 0;
}

/* Of two as long as each other, the one whose first '*' comes later: few characters are below it.
 */
static int longest_first(const void *a, const void *b)
{
	const struct coax_uri_pattern *first = a, *second = b;

	if (first->length != second->length)
		return first->length > second->length ? -1 : 1;
	return strcmp(second->text, first->text);
}

void coax_credentials_sort(struct coax_credentials *credentials)
{
	if (credentials->pattern_count)
		qsort(credentials->patterns, credentials->pattern_count,
		      sizeof(*credentials->patterns), longest_first);
}

static int add_own(struct coax_credentials *credentials, const struct coax_credential *credential)
{
	if (reserve(&credentials->own, credentials->own_count, sizeof(*credentials->own)))
		return -ENOMEM;
	credentials->own[credentials->own_count++] = credential;
	return 0;
}

int coax_credentials_accept(struct coax_credentials *credentials,
			    const struct coax_credential *credential,
			    const struct coax_credential **other)
{
	if (credential->kind != COAX_CREDENTIAL_PSK)
		return add_own(credentials, credential);
	return coax_identities_add(credentials, credential, other);
}

int coax_credentials_create_for_all(struct coax_credentials **credentials,
				    enum coax_credential_kind kind, struct coax_credential **entry)
{
	struct coax_credentials *set;
	int err = coax_credentials_create(&set);

	if (err)
		return err;
	*entry = coax_credentials_add(set, "*");
	if (!*entry || coax_credentials_add_pattern(set, "*", *entry)) {
		coax_credentials_release(set);
		return -ENOMEM;
	}
	(*entry)->kind = kind;
	*credentials = set;
	return 0;
}

int coax_credentials_for_psk(struct coax_credentials **credentials, const void *identity,
			     size_t identity_length, const void *key, size_t key_length)
{
	struct coax_credential *entry;
	int err;

	if (!identity_length || identity_length > COAX_PSK_IDENTITY_MAX || !key_length ||
	    key_length > COAX_PSK_KEY_MAX)
		return -EINVAL;
	err = coax_credentials_create_for_all(credentials, COAX_CREDENTIAL_PSK, &entry);
	if (err)
		return err;
	entry->psk.identity_length = identity_length;
	memcpy(entry->psk.identity, identity, identity_length);
	entry->psk.key_length = key_length;
	memcpy(entry->psk.key, key, key_length);
	return 0;
}
