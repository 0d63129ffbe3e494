// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the proxy is to do, and how that changes while it serves: what is new is made and added
 * first, then takes the place of what was there, and when nobody can have found that any more, what
 * is stored of it goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <coax/control.h>
#include <coax/option.h>
#include "clock.h"
#include "context/worker.h"
#include "proxy/internal.h"
#include "site/gateway.h"

#define CACHE_BYTES_DEFAULT (64ULL << 20)
#define BODY_MAX_DEFAULT    (1ULL << 20)
#define TIMEOUT_DEFAULT_MS  20000

uint64_t coax_proxy_cache_bytes(const struct coax_proxy_options *options)
{
	return options->cache_bytes ? options->cache_bytes : CACHE_BYTES_DEFAULT;
}

/*
 * What is new.
 */

static void set_identity(struct coax_proxy_setup *setup, const char *identity)
{
	if (identity)
		strncpy(setup->identity, identity, sizeof(setup->identity) - 1);
	else if (gethostname(setup->identity, sizeof(setup->identity) - 1))
		strcpy(setup->identity, "coax");
}

/* Its mappings are kept by who takes them over. NULL: nothing. */
static void free_setup(struct coax_proxy_setup *setup)
{
	if (!setup)
		return;
	coax_allowed_destroy(setup->allowed);
	free(setup);
}

/* Also one that is not complete. */
static void put_setup(struct coax_proxy_setup *setup)
{
	for (size_t i = 0; setup && i < setup->mapping_count; i++)
		coax_mapping_put(setup->mappings[i]);
	free_setup(setup);
}

static struct coax_mapping *find_same(const struct coax_proxy_setup *setup,
				      const struct coax_mapping *mapping)
{
	for (size_t i = 0; setup && i < setup->mapping_count; i++)
		if (coax_mapping_is_same(setup->mappings[i], mapping))
			return setup->mappings[i];
	return NULL;
}

static struct coax_mapping *find_for_same(const struct coax_proxy_setup *setup,
					  const struct coax_mapping *mapping)
{
	for (size_t i = 0; setup && i < setup->mapping_count; i++)
		if (coax_mapping_is_for_same(setup->mappings[i], mapping))
			return setup->mappings[i];
	return NULL;
}

/* The one there is already, if it is the same. */
static int add_mapping(struct coax_proxy_setup *setup, struct coax_proxy *proxy,
		       const struct coax_proxy_mapping *options)
{
	struct coax_mapping *mapping, *same;
	int err = coax_mapping_create(&mapping, proxy, options);

	if (err)
		return err;
	if (find_for_same(setup, mapping)) {
		coax_log(&proxy->logger, COAX_LOG_ERROR, "%s%s is proxied twice",
			 options->host ? "//" : "/",
			 options->host ? options->host : options->prefix);
		coax_mapping_put(mapping);
		return -EEXIST;
	}
	same = find_same(proxy->setup, mapping);
	if (same) {
		coax_mapping_put(mapping);
		coax_mapping_get(same);
		mapping = same;
	}
	setup->mappings[setup->mapping_count++] = mapping;
	return 0;
}

static int create_setup(struct coax_proxy_setup **result, struct coax_proxy *proxy,
			const struct coax_proxy_options *options)
{
	struct coax_proxy_setup *setup =
		calloc(1, sizeof(*setup) + options->mapping_count * sizeof(setup->mappings[0]));
	int err = 0;

	if (!setup)
		return -ENOMEM;
	set_identity(setup, options->identity);
	for (size_t i = 0; i < options->mapping_count && !err; i++)
		err = add_mapping(setup, proxy, &options->mappings[i]);
	if (!err && options->allowed_count)
		err = coax_allowed_create(&setup->allowed, options->allowed, options->allowed_count,
					  &proxy->logger);
	if (err)
		put_setup(setup);
	else
		*result = setup;
	return err;
}

/*
 * Places in the Site.
 */

static int add_place(struct coax_mapping *mapping, const char *prefix)
{
	struct coax_proxy_place *place = calloc(1, sizeof(*place));
	const struct coax_resource_options resource = {
		.path = prefix,
		.get = coax_proxy_handle,
		.put = coax_proxy_handle,
		.post = coax_proxy_handle,
		.delete = coax_proxy_handle,
		.fetch = coax_proxy_handle,
		.patch = coax_proxy_handle,
		.ipatch = coax_proxy_handle,
		.arg = place,
		.subtree = true,
		.hidden = true,
		.cacheable_queries = true,
		.observable = true,
		.proxying = true,
		.body_max = atomic_load(&mapping->proxy->body_max),
	};
	int err;

	if (!place)
		return -ENOMEM;
	coax_handing_over(mapping);
	place->mapping = mapping;
	mapping->place = place;
	err = coax_site_add(mapping->proxy->site, &resource, &place->resource);
	if (!err)
		return 0;
	coax_log(&mapping->proxy->logger, COAX_LOG_ERROR, "cannot serve /%s from %s: %s", prefix,
		 mapping->origins[0]->uri, strerror(-err));
	mapping->place = NULL;
	free(place);
	return err;
}

static void remove_place(struct coax_proxy *proxy, struct coax_proxy_place *place)
{
	coax_site_remove(proxy->site, place->resource);
	free(place);
}

static bool is_new(const struct coax_proxy_setup *former, const struct coax_mapping *mapping)
{
	return !find_for_same(former, mapping);
}

/* What nobody answered for is answered at once. When that fails, all is as it was. */
static int add_places(struct coax_proxy *proxy, struct coax_proxy_setup *setup,
		      const struct coax_proxy_options *options)
{
	struct coax_mapping *mapping;
	size_t i;
	int err = 0;

	for (i = 0; i < setup->mapping_count && !err; i++)
		if (!setup->mappings[i]->host && is_new(proxy->setup, setup->mappings[i]))
			err = add_place(setup->mappings[i], options->mappings[i].prefix);
	if (!err && !proxy->gateway && coax_setup_needs_gateway(setup))
		err = coax_proxy_add_gateway(proxy);
	if (!err)
		return 0;
	while (i-- > 0) {
		mapping = setup->mappings[i];
		if (!mapping->place || !is_new(proxy->setup, mapping))
			continue;
		remove_place(proxy, mapping->place);
		/* Somebody may have been answered. */
		coax_mapping_get(mapping);
		coax_mapping_retire(mapping);
	}
	return err;
}

/* Those that are for the same as former ones take their places. */
static void take_places(const struct coax_proxy_setup *former, struct coax_proxy_setup *setup)
{
	for (size_t i = 0; i < setup->mapping_count; i++) {
		struct coax_mapping *mapping = setup->mappings[i];
		struct coax_mapping *same = find_for_same(former, mapping);

		if (!same || same == mapping || !same->place)
			continue;
		mapping->place = same->place;
		coax_handing_over(mapping);
		rcu_assign_pointer(mapping->place->mapping, mapping);
	}
}

/*
 * What goes.
 */

static void withdraw_from(struct coax_proxy *proxy, const struct coax_mapping *other,
			  const struct coax_mapping *mapping)
{
	uint8_t path[COAX_PATH_KEY_MAX];
	/* There is room: it is a mapping's prefix. */
	int length = coax_forwarding_path(&mapping->prefix, COAX_URI_PATH, other->space, path,
					  sizeof(path));

	coax_cache_lock(proxy->cache);
	if (mapping->host)
		coax_cache_withdraw(proxy->cache, path, (size_t)length);
	else
		coax_cache_forget(proxy->cache, path, (size_t)length);
	coax_cache_unlock(proxy->cache);
}

/*
 * A new one answers for what others did: wider prefixes, and for a host's name all of them, so that
 * the kernel knows nothing that was asked of it.
 */
static void take_over(struct coax_proxy *proxy, const struct coax_proxy_setup *former,
		      const struct coax_proxy_setup *setup)
{
	struct coax_context *context = atomic_load(&proxy->context);
	bool has_new_host = false;

	for (size_t i = 0; i < setup->mapping_count; i++) {
		const struct coax_mapping *mapping = setup->mappings[i];

		if (!is_new(former, mapping))
			continue;
		has_new_host |= mapping->host != NULL;
		for (size_t k = 0; k < setup->mapping_count; k++)
			if (setup->mappings[k] != mapping && !setup->mappings[k]->host)
				withdraw_from(proxy, setup->mappings[k], mapping);
	}
	if (has_new_host && context)
		coax_context_flush(context, NULL);
}

/* Nobody finds any of it any more. */
static void end_former(struct coax_proxy *proxy, struct coax_proxy_setup *former,
		       const struct coax_proxy_setup *setup)
{
	for (size_t i = 0; i < former->mapping_count; i++) {
		struct coax_mapping *mapping = former->mappings[i];

		if (!mapping->host && !find_for_same(setup, mapping))
			remove_place(proxy, mapping->place);
	}
	if (proxy->gateway && !coax_setup_needs_gateway(setup)) {
		coax_site_remove_gateway(proxy->site);
		proxy->gateway = NULL;
	}
	for (size_t i = 0; i < former->mapping_count; i++) {
		if (find_same(setup, former->mappings[i]))
			coax_mapping_put(former->mappings[i]);
		else
			coax_mapping_retire(former->mappings[i]);
	}
	free_setup(former);
}

static void begin_version(struct coax_proxy *proxy)
{
	/* Then who waits by the former setup has the former version, */
	synchronize_rcu();
	atomic_fetch_add(&proxy->version, 1);
	/* and then whoever was answered as if it was the present one has been. */
	synchronize_rcu();
}

void coax_proxy_yield(struct coax_proxy *proxy, const char *prefix)
{
	const struct coax_proxy_setup *setup = proxy->setup;
	struct coax_mapping other = {.depth = 0};

	/* It is one, as the Site has it. */
	if (coax_mapping_read_prefix(&other, prefix))
		return;
	begin_version(proxy);
	for (size_t i = 0; i < setup->mapping_count; i++)
		if (!setup->mappings[i]->host)
			withdraw_from(proxy, setup->mappings[i], &other);
}

static void exchange(struct coax_proxy *proxy, struct coax_proxy_setup *setup)
{
	struct coax_proxy_setup *former = proxy->setup;

	if (former)
		take_places(former, setup);
	coax_handing_over(setup);
	rcu_assign_pointer(proxy->setup, setup);
	if (!former)
		return;
	begin_version(proxy);
	take_over(proxy, former, setup);
	end_former(proxy, former, setup);
	coax_forward_sweep(proxy->forward, setup->allowed);
	coax_watches_tick(proxy, coax_now());
}

static void set_numbers(struct coax_proxy *proxy, const struct coax_proxy_options *options)
{
	uint8_t hop_limit = options->hop_limit;

	atomic_store(&proxy->body_max, options->body_max ? options->body_max : BODY_MAX_DEFAULT);
	atomic_store(&proxy->timeout_ms,
		     options->timeout_ms ? options->timeout_ms : TIMEOUT_DEFAULT_MS);
	atomic_store(&proxy->stale_ns, options->stale_if_error * NS_PER_SEC);
	atomic_store(&proxy->hop_limit, hop_limit ? hop_limit : COAX_HOP_LIMIT_DEFAULT);
}

static void set_body_max(struct coax_proxy *proxy)
{
	uint64_t body_max = atomic_load(&proxy->body_max);

	for (size_t i = 0; i < proxy->setup->mapping_count; i++)
		if (proxy->setup->mappings[i]->place)
			coax_resource_set_body_max(proxy->setup->mappings[i]->place->resource,
						   body_max);
	if (proxy->gateway)
		coax_resource_set_body_max(proxy->gateway, body_max);
}

int coax_proxy_set(struct coax_proxy *proxy, const struct coax_proxy_options *options)
{
	struct cds_list_head prefetch;
	struct coax_proxy_setup *setup;
	int err = coax_prefetch_create(&prefetch, proxy->housekeeping, options->prefetch,
				       options->prefetch_count);

	if (err)
		return err;
	err = create_setup(&setup, proxy, options);
	if (err)
		goto out;
	err = add_places(proxy, setup, options);
	if (err) {
		put_setup(setup);
		goto out;
	}
	set_numbers(proxy, options);
	exchange(proxy, setup);
	set_body_max(proxy);
	coax_cache_resize(proxy->cache, coax_proxy_cache_bytes(options));
	coax_housekeeping_set(proxy->housekeeping, &prefetch);
	return 0;
out:
	coax_prefetch_destroy(&prefetch);
	return err;
}

void coax_proxy_leave(struct coax_proxy *proxy)
{
	struct coax_proxy_setup *setup = proxy->setup;

	if (proxy->gateway)
		coax_site_remove_gateway(proxy->site);
	for (size_t i = 0; i < setup->mapping_count; i++)
		if (setup->mappings[i]->place)
			remove_place(proxy, setup->mappings[i]->place);
	put_setup(setup);
}
