/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a set of credentials is inside, and how one is put together. It is written by one thread
 * until it is given away, and then never again.
 */
#ifndef COAX_CREDENTIALS_SET_H
#define COAX_CREDENTIALS_SET_H

#include "credentials/credentials.h"
#include "hash.h"

/* What a client uses for URIs that fit. */
struct coax_uri_pattern {
	char *text; /* lower case up to the path */
	size_t length;
	const struct coax_credential *credential; /* NULL: nothing that DTLS could use */
};

struct coax_credentials {
	unsigned long holders;
	struct coax_credential **entries; /* each by itself: keys are never moved */
	size_t count;
	struct coax_uri_pattern *patterns; /* the longest first */
	size_t pattern_count;
	const struct coax_credential **own; /* a server's, with certificates or public keys */
	size_t own_count;
	/* A server's keys, by server name and identity: open addressing. */
	const struct coax_credential **identities;
	size_t identity_count;
	uint32_t buckets; /* a power of two, or 0 */
	struct coax_hash_key hash_key;
};

/* An empty set, held once. Returns 0, -ENOMEM, or what the random numbers say. */
int coax_credentials_create(struct coax_credentials **credentials);

/*
 * A set for a client with one entry, for every URI; it is the caller's to fill. Returns as
 * coax_credentials_create() does.
 */
int coax_credentials_create_for_all(struct coax_credentials **credentials,
				    enum coax_credential_kind kind, struct coax_credential **entry);

/* An entry, zeroed but for its number and a copy of its label. NULL: no memory. */
struct coax_credential *coax_credentials_add(struct coax_credentials *credentials,
					     const char *label);

/* Use `credential` (NULL: nothing) where `pattern` fits. Returns 0 or -ENOMEM. */
int coax_credentials_add_pattern(struct coax_credentials *credentials, const char *pattern,
				 const struct coax_credential *credential);

/*
 * Accept `credential` as a server. Returns 0, -ENOMEM, or -EEXIST: *other has its identity and
 * server name already.
 */
int coax_credentials_accept(struct coax_credentials *credentials,
			    const struct coax_credential *credential,
			    const struct coax_credential **other);

/* The patterns are all there. */
void coax_credentials_sort(struct coax_credentials *credentials);

#endif
