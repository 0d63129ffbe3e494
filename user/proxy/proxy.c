// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include "proxy/internal.h"

int coax_proxy_create(struct coax_proxy **result, struct coax_site *site,
		      const struct coax_proxy_options *options)
{
	struct coax_proxy *proxy = calloc(1, sizeof(*proxy));
	int err;

	if (!proxy)
		return -ENOMEM;
	proxy->site = site;
	proxy->logger = options->logger;
	pthread_mutex_init(&proxy->origins_lock, NULL);
	CDS_INIT_LIST_HEAD(&proxy->origins);
	CDS_INIT_LIST_HEAD(&proxy->watches);
	err = coax_cache_create(&proxy->cache, coax_proxy_cache_bytes(options));
	if (!err)
		err = coax_forward_create(&proxy->forward, proxy);
	if (!err)
		err = coax_housekeeping_create(&proxy->housekeeping, proxy);
	if (!err)
		err = coax_proxy_set(proxy, options);
	if (err)
		coax_proxy_destroy(proxy);
	else
		*result = proxy;
	return err;
}

int coax_proxy_start(struct coax_proxy *proxy, struct coax_context *context)
{
	int err = coax_local_start(proxy, context);

	if (err)
		return err;
	atomic_store(&proxy->context, context);
	return coax_housekeeping_start(proxy->housekeeping);
}

void coax_proxy_stop(struct coax_proxy *proxy)
{
	if (!proxy)
		return;
	atomic_store(&proxy->stopping, true);
	coax_housekeeping_stop(proxy->housekeeping);
	coax_watches_tick(proxy, UINT64_MAX);
}

static uint64_t count_watches(struct coax_proxy *proxy)
{
	struct cds_list_head *at;
	uint64_t count = 0;

	coax_cache_lock(proxy->cache);
	cds_list_for_each(at, &proxy->watches)
	{
		count++;
	}
	coax_cache_unlock(proxy->cache);
	return count;
}

void coax_proxy_destroy(struct coax_proxy *proxy)
{
	if (!proxy)
		return;
	if (proxy->setup)
		coax_proxy_leave(proxy);
	coax_housekeeping_destroy(proxy->housekeeping);
	coax_local_destroy(proxy->local);
	coax_forward_destroy(proxy->forward);
	coax_cache_destroy(proxy->cache);
	pthread_mutex_destroy(&proxy->origins_lock);
	free(proxy);
}

void coax_proxy_stats_read(struct coax_proxy *proxy, struct coax_proxy_stats *stats)
{
	struct coax_counters *counters = &proxy->counters;
	struct coax_cache_stats cache;

	coax_cache_stats_read(proxy->cache, &cache);
	*stats = (struct coax_proxy_stats){
		.hits = atomic_load(&counters->hits),
		.misses = atomic_load(&counters->misses),
		.joined = atomic_load(&counters->joined),
		.forwarded = atomic_load(&counters->forwarded),
		.validated = atomic_load(&counters->validated),
		.stale = atomic_load(&counters->stale),
		.failed = atomic_load(&counters->failed),
		.failovers = atomic_load(&counters->failovers),
		.notified = atomic_load(&counters->notified),
		.watches = count_watches(proxy),
		.entries = cache.entries,
		.bytes = cache.bytes,
		.evicted = cache.evicted,
		.invalidated = cache.invalidated,
	};
}
