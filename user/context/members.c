// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who observes: found by peer and token, counted by peer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "audience.h"
#include "clock.h"

#define REFUSAL_PAUSE (10 * NS_PER_SEC)

static struct coax_members *members_of(const struct coax_worker *worker)
{
	return &worker->context->observers->members[worker->index];
}

int coax_members_create(struct coax_members *members, uint32_t max)
{
	uint32_t buckets = coax_hash_buckets(max);

	members->mask = buckets - 1;
	members->by_token = calloc(buckets, sizeof(*members->by_token));
	members->peers = calloc(buckets, sizeof(*members->peers));
	return members->by_token && members->peers ? 0 : -ENOMEM;
}

void coax_members_destroy(struct coax_members *members)
{
	free(members->by_token);
	free(members->peers);
}

static uint64_t hash_peer(const struct coax_worker *worker, const struct coax_path *path)
{
	return coax_hash_address(&worker->context->observers->key, &path->remote) ^
	       coax_path_session_hash(path);
}

static struct cds_hlist_head *token_chain(const struct coax_worker *worker,
					  const struct coax_path *path, const uint8_t *token,
					  size_t length)
{
	struct coax_members *members = members_of(worker);
	uint64_t hash = hash_peer(worker, path) +
			coax_hash(&worker->context->observers->key, token, length);

	return &members->by_token[hash & members->mask];
}

struct coax_member *coax_members_find(struct coax_worker *worker, const struct coax_path *path,
				      const struct coax_message *request)
{
	const uint8_t *token = coax_message_token(request);
	size_t length = coax_message_token_length(request);
	struct cds_hlist_node *node = token_chain(worker, path, token, length)->next;

	for (; node; node = node->next) {
		struct coax_member *member = caa_container_of(node, struct coax_member, by_token);
		const struct coax_notice *notice = &member->notice;

		/* Towards another address of ours, a token is another one (RFC 7252 5.3.1). */
		if (notice->token_length == length && memcmp(notice->token, token, length) == 0 &&
		    coax_path_same_peer(&notice->path, path) &&
		    coax_address_equal(&notice->path.local, &path->local))
			return member;
	}
	return NULL;
}

/* One observer more at a peer. NULL: it has enough, or no memory. */
static struct coax_peer *get_peer(struct coax_worker *worker, const struct coax_path *path)
{
	struct coax_members *members = members_of(worker);
	struct cds_hlist_head *chain = &members->peers[hash_peer(worker, path) & members->mask];
	struct cds_hlist_node *node = chain->next;
	struct coax_peer *peer = NULL;

	for (; node; node = node->next) {
		peer = caa_container_of(node, struct coax_peer, node);
		if (coax_path_same_peer(&peer->path, path))
			break;
	}
	if (!node) {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return NULL;
		peer->path = *path;
		cds_hlist_add_head(&peer->node, chain);
	} else if (peer->count >= worker->context->tuning.observers_per_peer) {
		return NULL;
	}
	peer->count++;
	return peer;
}

static void put_peer(struct coax_peer *peer)
{
	if (--peer->count)
		return;
	cds_hlist_del(&peer->node);
	free(peer);
}

/* Strangers can cause it as often as they like: it is said now and then. */
static void refuse(struct coax_worker *worker, const struct coax_path *path)
{
	struct coax_observers *observers = worker->context->observers;
	unsigned long said = atomic_load(&observers->refusal_said);
	char address[COAX_ADDRESS_TEXT_MAX];

	coax_count(&worker->stats, refused);
	if (said && worker->now - said < REFUSAL_PAUSE)
		return;
	if (atomic_compare_exchange_strong(&observers->refusal_said, &said, worker->now))
		coax_log(&worker->context->logger, COAX_LOG_WARNING,
			 "no room for another observer at %s: %u of %u, at most %u a peer",
			 path ? coax_address_format(&path->remote, address) : "a pipe",
			 atomic_load(&observers->count), worker->context->tuning.observers_max,
			 worker->context->tuning.observers_per_peer);
}

static bool take_place(struct coax_observers *observers)
{
	if (atomic_fetch_add(&observers->count, 1) < observers->context->tuning.observers_max)
		return true;
	atomic_fetch_sub(&observers->count, 1);
	return false;
}

static void give_place(struct coax_observers *observers)
{
	atomic_fetch_sub(&observers->count, 1);
}

/* Make it known to the exchange layer and here. */
static int list(struct coax_worker *worker, struct coax_member *member,
		const struct coax_path *path, const struct coax_message *request)
{
	struct coax_notice *notice = &member->notice;
	int err;

	notice->path = *path;
	notice->token_length = (uint8_t)coax_message_token_length(request);
	memcpy(notice->token, coax_message_token(request), notice->token_length);
	member->peer = get_peer(worker, path);
	if (!member->peer)
		return -ENOBUFS;
	err = coax_exchange_notice_add(worker->exchange, notice);
	if (err) {
		put_peer(member->peer);
		return err;
	}
	cds_hlist_add_head(&member->by_token,
			   token_chain(worker, path, notice->token, notice->token_length));
	return 0;
}

static void count_observers(struct coax_worker *worker, int64_t change)
{
	__atomic_store_n(&worker->stats.observers, worker->stats.observers + (uint64_t)change,
			 __ATOMIC_RELAXED);
}

struct coax_member *coax_member_create(struct coax_worker *worker, struct coax_audience *audience,
				       const struct coax_path *path, struct coax_pipe *pipe,
				       const struct coax_message *request)
{
	struct coax_observers *observers = worker->context->observers;
	struct coax_share *share = coax_audience_share(audience, worker);
	struct coax_member *member = NULL;

	if (!share || !take_place(observers))
		goto refused;
	member = calloc(1, sizeof(*member));
	if (!member || (path && list(worker, member, path, request))) {
		free(member);
		give_place(observers);
		goto refused;
	}
	member->pipe = pipe;
	member->share = share;
	cds_list_add_tail(&member->node, &share->ready);
	pthread_mutex_lock(&audience->lock);
	share->count++;
	pthread_mutex_unlock(&audience->lock);
	count_observers(worker, 1);
	return member;
refused:
	refuse(worker, path);
	return NULL;
}

void coax_member_remove(struct coax_member *member)
{
	struct coax_share *share = member->share;
	struct coax_audience *audience = share->audience;
	struct coax_worker *worker = share->worker;

	if (member->peer) {
		coax_exchange_notice_remove(worker->exchange, &member->notice);
		cds_hlist_del(&member->by_token);
		put_peer(member->peer);
	}
	cds_list_del(&member->node);
	free(member);
	count_observers(worker, -1);
	pthread_mutex_lock(&audience->lock);
	share->count--;
	pthread_mutex_unlock(&audience->lock);
	give_place(worker->context->observers);
	coax_audience_leave(audience);
}

void coax_members_remove_all(struct coax_worker *worker)
{
	struct coax_members *members = members_of(worker);

	for (uint32_t i = 0; members->by_token && i <= members->mask; i++) {
		struct cds_hlist_node *node;

		while ((node = members->by_token[i].next))
			coax_member_remove(caa_container_of(node, struct coax_member, by_token));
	}
}
