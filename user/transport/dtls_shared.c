// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the workers have together. Credentials are changed under a lock that no record waits for:
 * workers see by a number that there are others, and take hold of them.
 */
#include <errno.h>
#include <stdlib.h>
#include "dtls_internal.h"

#define SESSIONS_MAX   16384
#define HANDSHAKES_MAX 1024
#define IDLE_MS	       86400000
#define MTU	       (1280 - 48)
/* What a ClientHello or a Finished need in a datagram, and what fits one of ours. */
#define MTU_MIN 256

static void complete(struct coax_dtls_limits *limits)
{
	if (!limits->sessions_max)
		limits->sessions_max = SESSIONS_MAX;
	if (!limits->handshakes_max)
		limits->handshakes_max = HANDSHAKES_MAX;
	if (!limits->idle_ms)
		limits->idle_ms = IDLE_MS;
	if (!limits->mtu)
		limits->mtu = MTU;
	if (limits->mtu < MTU_MIN)
		limits->mtu = MTU_MIN;
	if (limits->mtu > COAX_DATAGRAM_OUT_MAX)
		limits->mtu = COAX_DATAGRAM_OUT_MAX;
}

static int make_cookie_key(struct coax_dtls_shared *shared, const struct coax_cookie_key *given)
{
	struct coax_hash_key random;
	int err;

	shared->cookie_key = given ? given : &shared->own_cookie_key;
	if (given)
		return 0;
	err = coax_hash_key_random(&random);
	if (!err)
		memcpy(&shared->own_cookie_key, &random, sizeof(shared->own_cookie_key));
	return err;
}

int coax_dtls_shared_create(struct coax_dtls_shared **shared,
			    const struct coax_dtls_shared_options *options)
{
	struct coax_dtls_shared *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	pthread_mutex_init(&made->lock, NULL);
	made->limits = options->limits;
	complete(&made->limits);
	if (options->logger)
		made->logger = *options->logger;
	err = make_cookie_key(made, options->cookie_key);
	if (!err)
		err = coax_dtls_set_client_credentials(made, options->client);
	if (!err)
		err = coax_dtls_set_server_credentials(made, options->server);
	if (err) {
		coax_dtls_shared_destroy(made);
		return err;
	}
	*shared = made;
	return 0;
}

void coax_dtls_shared_destroy(struct coax_dtls_shared *shared)
{
	if (!shared)
		return;
	coax_dtls_contexts_release(shared->client);
	coax_dtls_contexts_release(shared->server);
	pthread_mutex_destroy(&shared->lock);
	OPENSSL_cleanse(&shared->own_cookie_key, sizeof(shared->own_cookie_key));
	free(shared);
}

static int set(struct coax_dtls_shared *shared, struct coax_credentials *credentials, bool server)
{
	struct coax_dtls_contexts **place = server ? &shared->server : &shared->client;
	struct coax_dtls_contexts *made, *former;
	int err;

	err = coax_dtls_contexts_create(&made, credentials, server, &shared->limits,
					&shared->logger);
	if (err)
		return err;
	pthread_mutex_lock(&shared->lock);
	former = *place;
	*place = made;
	__atomic_store_n(&shared->generation, shared->generation + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&shared->lock);
	coax_dtls_contexts_release(former);
	return 0;
}

int coax_dtls_set_client_credentials(struct coax_dtls_shared *shared,
				     struct coax_credentials *credentials)
{
	return set(shared, credentials, false);
}

int coax_dtls_set_server_credentials(struct coax_dtls_shared *shared,
				     struct coax_credentials *credentials)
{
	return set(shared, credentials, true);
}

bool coax_dtls_is_outdated(const struct coax_dtls *dtls)
{
	return __atomic_load_n(&dtls->shared->generation, __ATOMIC_ACQUIRE) != dtls->bound;
}

void coax_dtls_refresh(struct coax_dtls *dtls)
{
	struct coax_dtls_shared *shared = dtls->shared;
	struct coax_dtls_contexts *client = dtls->client, *server = dtls->server;

	if (__atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE) == dtls->generation)
		return;
	pthread_mutex_lock(&shared->lock);
	dtls->client = coax_dtls_contexts_hold(shared->client);
	dtls->server = coax_dtls_contexts_hold(shared->server);
	dtls->generation = shared->generation;
	pthread_mutex_unlock(&shared->lock);
	if (dtls->client != client)
		coax_dtls_memory_clear(dtls->memory);
	coax_dtls_contexts_release(client);
	coax_dtls_contexts_release(server);
}

static bool take(unsigned int *count, uint32_t max)
{
	if (__atomic_fetch_add(count, 1, __ATOMIC_RELAXED) < max)
		return true;
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
	return false;
}

bool coax_dtls_take_session(struct coax_dtls_shared *shared)
{
	return take(&shared->sessions, shared->limits.sessions_max);
}

bool coax_dtls_take_handshake(struct coax_dtls_shared *shared)
{
	return take(&shared->handshakes, shared->limits.handshakes_max);
}

void coax_dtls_give_session(struct coax_dtls_shared *shared)
{
	__atomic_fetch_sub(&shared->sessions, 1, __ATOMIC_RELAXED);
}

void coax_dtls_give_handshake(struct coax_dtls_shared *shared)
{
	__atomic_fetch_sub(&shared->handshakes, 1, __ATOMIC_RELAXED);
}
