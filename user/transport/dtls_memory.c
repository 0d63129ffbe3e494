// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a client has to go on with where it was, so that a handshake takes a round trip less
 * (RFC 5077, RFC 5246 section 7.3). The oldest gives way.
 */
#include <stdlib.h>
#include <string.h>
#include "dtls_internal.h"

#define REMEMBERED_MAX 256

struct remembered {
	union coax_address remote;
	const struct coax_credential *credential; /* stays until coax_dtls_memory_clear() */
	char *host;
	SSL_SESSION *session; /* NULL: nothing is here */
};

struct coax_dtls_memory {
	struct remembered entries[REMEMBERED_MAX];
	unsigned int oldest;
};

struct coax_dtls_memory *coax_dtls_memory_create(void)
{
	return calloc(1, sizeof(struct coax_dtls_memory));
}

static void drop(struct remembered *entry)
{
	SSL_SESSION_free(entry->session);
	free(entry->host);
	memset(entry, 0, sizeof(*entry));
}

void coax_dtls_memory_clear(struct coax_dtls_memory *memory)
{
	for (size_t i = 0; i < REMEMBERED_MAX; i++)
		drop(&memory->entries[i]);
}

void coax_dtls_memory_destroy(struct coax_dtls_memory *memory)
{
	if (memory)
		coax_dtls_memory_clear(memory);
	free(memory);
}

static bool is_same_host(const char *a, const char *b)
{
	return a && b ? strcasecmp(a, b) == 0 : a == b;
}

static struct remembered *find(const struct coax_dtls_session *session)
{
	struct coax_dtls_memory *memory = session->dtls->memory;

	for (size_t i = 0; i < REMEMBERED_MAX; i++) {
		struct remembered *entry = &memory->entries[i];

		if (entry->session && entry->credential == session->credential &&
		    coax_address_equal(&entry->remote, &session->path.remote) &&
		    is_same_host(entry->host, session->host))
			return entry;
	}
	return NULL;
}

void coax_dtls_memory_forget(struct coax_dtls_session *session)
{
	struct remembered *entry = session->client ? find(session) : NULL;

	if (entry)
		drop(entry);
}

void coax_dtls_memory_offer(struct coax_dtls_session *session)
{
	struct remembered *entry = find(session);

	if (entry)
		SSL_set_session(session->ssl, entry->session);
}

void coax_dtls_memory_keep(struct coax_dtls_session *session)
{
	struct coax_dtls_memory *memory = session->dtls->memory;
	struct remembered *entry = find(session);
	SSL_SESSION *resumable = SSL_get1_session(session->ssl);

	if (!resumable || !SSL_SESSION_is_resumable(resumable)) {
		SSL_SESSION_free(resumable);
		return;
	}
	if (!entry)
		entry = &memory->entries[memory->oldest++ % REMEMBERED_MAX];
	drop(entry);
	if (session->host) {
		entry->host = strdup(session->host);
		if (!entry->host) {
			SSL_SESSION_free(resumable);
			return;
		}
	}
	entry->remote = session->path.remote;
	entry->credential = session->credential;
	entry->session = resumable;
}
