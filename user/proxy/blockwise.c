// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies that are too large to be put together here: each block is asked for, passed on and stored
 * by itself (RFC 7959 section 2.10). Which these are is found out by fetching them, and known for
 * as long as somebody asks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "clock.h"
#include "context/worker.h"
#include "proxy/internal.h"
#include "site/responder.h"

/* For how long after the last block was asked for. */
#define KNOWN_FOR (60 * NS_PER_SEC)

static struct coax_large *find(struct coax_proxy *proxy, uint64_t hash)
{
	return &proxy->large[hash % COAX_LARGE_MAX];
}

static void know(struct coax_proxy *proxy, uint64_t hash)
{
	struct coax_large *large = find(proxy, hash);

	if (atomic_exchange(&large->hash, hash) != hash)
		atomic_store(&large->etag, 0);
	atomic_store(&large->until, coax_now() + KNOWN_FOR);
}

static bool is_known(struct coax_proxy *proxy, uint64_t hash)
{
	struct coax_large *large = find(proxy, hash);

	return atomic_load(&large->hash) == hash && coax_now() < atomic_load(&large->until);
}

static int read_block(struct coax_forwarding *forwarding, const struct coax_message *asked)
{
	int found = coax_message_find_block(asked, COAX_BLOCK2, &forwarding->block);

	forwarding->has_block = found > 0;
	return found < 0 ? -1 : 0;
}

static void set_block(struct coax_proxy *proxy, struct coax_forwarding *forwarding,
		      struct coax_cache_key *key)
{
	const struct coax_block *block = &forwarding->block;
	const uint8_t bytes[] = {
		(uint8_t)(block->number >> 16),
		(uint8_t)(block->number >> 8),
		(uint8_t)block->number,
		block->exponent,
	};

	forwarding->blockwise = true;
	forwarding->resource_hash = key->hash;
	coax_cache_key_add(proxy->cache, key, bytes, forwarding->has_block ? sizeof(bytes) : 0);
}

void coax_blockwise_consider(struct coax_proxy *proxy, struct coax_forwarding *forwarding,
			     struct coax_cache_key *key, const struct coax_message *asked)
{
	if (coax_message_code(asked) != COAX_GET || !is_known(proxy, key->hash) ||
	    read_block(forwarding, asked))
		return;
	know(proxy, key->hash);
	set_block(proxy, forwarding, key);
}

/* One of those who have waited for the whole. */
static void rejoin(struct coax_mapping *mapping, struct coax_waiter *waiter)
{
	struct coax_responder *responder = waiter->responder;
	const struct coax_message *request = coax_responder_request(responder);
	const struct coax_message *asked = request;
	uint8_t buffer[COAX_TARGET_MESSAGE_MAX];
	struct coax_forwarding forwarding;
	struct coax_proxied proxied;
	struct coax_message target;
	struct coax_cache_key key;
	const char *error;
	bool current;

	coax_forwarding_read(&forwarding, request,
			     (uint8_t)atomic_load(&mapping->proxy->hop_limit));
	/* They were read before. */
	if (forwarding.proxied && !coax_proxied_read(&proxied, request, &error) &&
	    !coax_proxied_build(&proxied, &target, buffer, sizeof(buffer), request))
		asked = &target;
	if (read_block(&forwarding, asked) ||
	    coax_cache_key_make(mapping->proxy->cache, &key, mapping->space, asked)) {
		coax_respond_error(responder, COAX_BAD_GATEWAY, "%s",
				   coax_failure_of(-EFBIG)->diagnostic);
		return;
	}
	know(mapping->proxy, key.hash);
	set_block(mapping->proxy, &forwarding, &key);
	/* From before the proxy was set up anew it is for him alone: waiters.c. */
	rcu_read_lock();
	current = waiter->version == atomic_load(&mapping->proxy->version) &&
		  !atomic_load(&mapping->retired);
	coax_flight_join(mapping, responder, &forwarding, current ? &key : NULL,
			 asked == request ? NULL : asked);
	rcu_read_unlock();
}

void coax_blockwise_join(struct coax_mapping *mapping, struct coax_waiters *waiters)
{
	struct coax_waiter *waiter = waiters->first, *next;

	waiters->first = NULL;
	for (; waiter; waiter = next) {
		next = waiter->next;
		rejoin(mapping, waiter);
		free(waiter);
	}
}

/*
 * Blocks with another ETag are of another representation: clients that begin anew are not to be
 * given the former one's.
 */
static void compare_etag(struct coax_mapping *mapping, struct coax_large *large,
			 const struct coax_message *asked, const struct coax_option *etag)
{
	uint8_t padded[COAX_STORED_ETAG_MAX] = {0};
	uint64_t now, before;

	memcpy(padded, etag->value, etag->length);
	memcpy(&now, padded, sizeof(now));
	before = atomic_exchange(&large->etag, now);
	if (before && before != now)
		coax_proxy_invalidate(mapping, asked, COAX_URI_PATH);
}

bool coax_blockwise_may_store(struct coax_mapping *mapping,
			      const struct coax_forwarding *forwarding,
			      const struct coax_message *asked, const struct coax_message *response)
{
	struct coax_large *large = find(mapping->proxy, forwarding->resource_hash);
	uint64_t offset = forwarding->has_block ? coax_block_offset(&forwarding->block) : 0;
	struct coax_block block = {.number = 0};
	struct coax_option etag;

	if (coax_message_code(response) != COAX_CONTENT)
		return true;
	if (coax_message_find_block(response, COAX_BLOCK2, &block) < 0 ||
	    coax_block_offset(&block) != offset)
		return false;
	if (!offset && !block.more) {
		/* It fits by now. */
		atomic_store(&large->until, 0);
		return false;
	}
	/* Without, blocks of two representations cannot be told apart. */
	if (!coax_message_find(response, COAX_ETAG, &etag) || !etag.length ||
	    etag.length > COAX_STORED_ETAG_MAX)
		return false;
	compare_etag(mapping, large, asked, &etag);
	return true;
}
