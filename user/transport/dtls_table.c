// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker's sessions. Where one is from is hashed with a key, so that nobody can aim at a bucket.
 */
#include <errno.h>
#include <stdlib.h>
#include "dtls_internal.h"

#define BUCKETS_MAX (1u << 20)

int coax_dtls_table_create(struct coax_dtls *dtls)
{
	uint32_t sessions = dtls->shared->limits.sessions_max;
	int err = coax_hash_key_random(&dtls->hash_key);

	if (err)
		return err;
	dtls->buckets = coax_hash_buckets(sessions < BUCKETS_MAX ? sessions : BUCKETS_MAX);
	dtls->by_path = calloc(dtls->buckets, sizeof(*dtls->by_path));
	dtls->by_name = calloc(dtls->buckets, sizeof(*dtls->by_name));
	return dtls->by_path && dtls->by_name ? 0 : -ENOMEM;
}

void coax_dtls_table_destroy(struct coax_dtls *dtls)
{
	free(dtls->by_path);
	free(dtls->by_name);
}

/* Not of our own address: a client's may not be known yet. */
static struct coax_dtls_session **path_bucket(const struct coax_dtls *dtls,
					      const struct coax_path *path)
{
	return &dtls->by_path[coax_hash_address(&dtls->hash_key, &path->remote) &
			      (dtls->buckets - 1)];
}

static struct coax_dtls_session **name_bucket(const struct coax_dtls *dtls, uint64_t name)
{
	return &dtls->by_name[name & (dtls->buckets - 1)];
}

void coax_dtls_table_add(struct coax_dtls *dtls, struct coax_dtls_session *session)
{
	struct coax_dtls_session **bucket = path_bucket(dtls, &session->path);

	session->path.session = ++dtls->names;
	session->next_by_path = *bucket;
	*bucket = session;
	bucket = name_bucket(dtls, session->path.session);
	session->next_by_name = *bucket;
	*bucket = session;
}

void coax_dtls_table_remove(struct coax_dtls *dtls, struct coax_dtls_session *session)
{
	struct coax_dtls_session **link = path_bucket(dtls, &session->path);

	while (*link != session)
		link = &(*link)->next_by_path;
	*link = session->next_by_path;
	link = name_bucket(dtls, session->path.session);
	while (*link != session)
		link = &(*link)->next_by_name;
	*link = session->next_by_name;
}

struct coax_dtls_session *coax_dtls_named(const struct coax_dtls *dtls, uint64_t name)
{
	struct coax_dtls_session *session = *name_bucket(dtls, name);

	while (session && session->path.session != name)
		session = session->next_by_name;
	return session;
}

static bool is_at(const struct coax_path *a, const struct coax_path *b)
{
	return a->socket == b->socket && coax_address_equal(&a->remote, &b->remote) &&
	       (a->local.sa.sa_family == AF_UNSPEC || b->local.sa.sa_family == AF_UNSPEC ||
		coax_address_equal(&a->local, &b->local));
}

static struct coax_dtls_session *find(const struct coax_dtls *dtls, const struct coax_path *path,
				      bool established)
{
	struct coax_dtls_session *session = *path_bucket(dtls, path);

	while (session && (established != !session->handshake || !is_at(&session->path, path)))
		session = session->next_by_path;
	return session;
}

struct coax_dtls_session *coax_dtls_established_at(const struct coax_dtls *dtls,
						   const struct coax_path *path)
{
	return find(dtls, path, true);
}

struct coax_dtls_session *coax_dtls_handshake_at(const struct coax_dtls *dtls,
						 const struct coax_path *path)
{
	return find(dtls, path, false);
}
