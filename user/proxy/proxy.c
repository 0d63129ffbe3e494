// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "proxy/internal.h"
#include "site/gateway.h"

#define CACHE_BYTES_DEFAULT (64ULL << 20)
#define BODY_MAX_DEFAULT    (1ULL << 20)
#define TIMEOUT_DEFAULT_MS  20000

static void set_identity(struct coax_proxy *proxy, const char *identity)
{
	if (identity)
		strncpy(proxy->identity, identity, sizeof(proxy->identity) - 1);
	else if (gethostname(proxy->identity, sizeof(proxy->identity) - 1))
		strcpy(proxy->identity, "coax");
}

static void apply(struct coax_proxy *proxy, const struct coax_proxy_options *options)
{
	proxy->logger = options->logger;
	proxy->body_max = options->body_max ? options->body_max : BODY_MAX_DEFAULT;
	proxy->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
	proxy->stale_ns = options->stale_if_error * NS_PER_SEC;
	proxy->hop_limit = options->hop_limit ? options->hop_limit : COAX_HOP_LIMIT_DEFAULT;
	set_identity(proxy, options->identity);
}

static int copy_prefetch(struct coax_proxy *proxy, const struct coax_proxy_options *options)
{
	proxy->prefetch = calloc(options->prefetch_count + 1, sizeof(*proxy->prefetch));
	if (!proxy->prefetch)
		return -ENOMEM;
	for (size_t i = 0; i < options->prefetch_count; i++) {
		proxy->prefetch[i] = strdup(options->prefetch[i]);
		if (!proxy->prefetch[i])
			return -ENOMEM;
		proxy->prefetch_count++;
	}
	return 0;
}

int coax_proxy_create(struct coax_proxy **result, struct coax_site *site,
		      const struct coax_proxy_options *options)
{
	struct coax_proxy *proxy =
		calloc(1, sizeof(*proxy) + options->mapping_count * sizeof(proxy->mappings[0]));
	int err;

	if (!proxy)
		return -ENOMEM;
	proxy->site = site;
	CDS_INIT_LIST_HEAD(&proxy->watches);
	apply(proxy, options);
	err = coax_cache_create(&proxy->cache,
				options->cache_bytes ? options->cache_bytes : CACHE_BYTES_DEFAULT);
	if (!err)
		err = copy_prefetch(proxy, options);
	for (size_t i = 0; i < options->mapping_count && !err; i++) {
		proxy->mapping_count++;
		err = coax_mapping_create(&proxy->mappings[i], proxy, i, &options->mappings[i]);
	}
	if (!err && options->allowed_count)
		err = coax_forward_create(&proxy->forward, proxy, options->allowed,
					  options->allowed_count);
	if (!err)
		err = coax_proxy_add_gateway(proxy);
	if (err)
		coax_proxy_destroy(proxy);
	else
		*result = proxy;
	return err;
}

int coax_proxy_start(struct coax_proxy *proxy, struct coax_context *context)
{
	int err = proxy->forward ? coax_local_start(proxy, context) : 0;

	if (err)
		return err;
	atomic_store(&proxy->context, context);
	return coax_housekeeping_start(proxy);
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

static void leave_site(struct coax_proxy *proxy)
{
	if (proxy->has_gateway)
		coax_site_remove_gateway(proxy->site);
	for (size_t i = 0; i < proxy->mapping_count; i++)
		if (proxy->mappings[i].resource)
			coax_site_remove(proxy->site, proxy->mappings[i].resource);
}

void coax_proxy_destroy(struct coax_proxy *proxy)
{
	if (!proxy)
		return;
	leave_site(proxy);
	coax_housekeeping_destroy(proxy->housekeeping);
	coax_local_destroy(proxy->local);
	for (size_t i = 0; i < proxy->prefetch_count; i++)
		free(proxy->prefetch[i]);
	free(proxy->prefetch);
	coax_cache_destroy(proxy->cache);
	coax_forward_destroy(proxy->forward);
	for (size_t i = 0; i < proxy->mapping_count; i++)
		coax_mapping_destroy(&proxy->mappings[i]);
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
