// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "clock.h"
#include "proxy/internal.h"

static int add_origins(struct coax_mapping *mapping, const struct coax_proxy_mapping *options)
{
	const struct coax_logger *logger = &mapping->proxy->logger;
	const char *error = NULL;
	int err;

	if (!options->origin_count || options->origin_count > COAX_ORIGINS_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "a mapping has 1 to %d origins", COAX_ORIGINS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->origin_count; i++) {
		err = coax_proxy_obtain_origin(mapping->proxy, options->origins[i],
					       &mapping->origins[i], &error);
		if (err) {
			coax_log(logger, COAX_LOG_ERROR, "%s is no origin: %s", options->origins[i],
				 error ? error : strerror(-err));
			return err;
		}
		mapping->origin_count++;
	}
	return 0;
}

int coax_mapping_read_prefix(struct coax_mapping *mapping, const char *prefix)
{
	struct coax_option_iterator it;
	struct coax_option option;
	int err;

	(void)coax_message_start(&mapping->prefix, mapping->bytes, sizeof(mapping->bytes),
				 COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	err = coax_uri_path_add_options(prefix, &mapping->prefix);
	if (err)
		return err;
	it = coax_options_begin(&mapping->prefix);
	while (coax_options_next(&it, &option)) {
		if (option.number != COAX_URI_PATH)
			return -EINVAL;
		mapping->depth++;
	}
	return 0;
}

bool coax_mapping_is_prefix(const char *text)
{
	struct coax_mapping scratch = {.depth = 0};

	return !coax_mapping_read_prefix(&scratch, text);
}

/* Names of hosts do not tell letter cases apart (section 5.10.1). */
static int set_host(struct coax_mapping *mapping, const char *host)
{
	if (!*host)
		return -EINVAL;
	mapping->host = strdup(host);
	return mapping->host ? 0 : -ENOMEM;
}

static struct coax_mapping *allocate(struct coax_proxy *proxy)
{
	struct coax_mapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping)
		return NULL;
	mapping->proxy = proxy;
	mapping->space = atomic_fetch_add(&proxy->next_space, 1);
	atomic_init(&mapping->references, 1);
	return mapping;
}

int coax_mapping_create(struct coax_mapping **result, struct coax_proxy *proxy,
			const struct coax_proxy_mapping *options)
{
	struct coax_mapping *mapping;
	int err;

	if (!options->prefix == !options->host) {
		coax_log(&proxy->logger, COAX_LOG_ERROR, "a mapping has either a prefix or a host");
		return -EINVAL;
	}
	mapping = allocate(proxy);
	if (!mapping)
		return -ENOMEM;
	err = add_origins(mapping, options);
	if (!err) {
		err = coax_mapping_read_prefix(mapping, options->prefix ? options->prefix : "");
		if (!err && options->host)
			err = set_host(mapping, options->host);
		if (err)
			coax_log(&proxy->logger, COAX_LOG_ERROR, "cannot serve %s%s from %s: %s",
				 options->host ? options->host : "/",
				 options->host ? "" : options->prefix, options->origins[0],
				 strerror(-err));
	}
	if (err)
		coax_mapping_put(mapping);
	else
		*result = mapping;
	return err;
}

struct coax_mapping *coax_mapping_create_target(struct coax_proxy *proxy, const char *uri,
						struct coax_origin_counters *counters)
{
	struct coax_mapping *mapping = allocate(proxy);
	struct coax_origin *origin = malloc(sizeof(*origin));
	const char *error;

	if (!mapping || !origin || coax_origin_create(origin, uri, &error)) {
		free(origin);
		free(mapping);
		return NULL;
	}
	origin->counters = counters;
	mapping->origins[mapping->origin_count++] = origin;
	(void)coax_mapping_read_prefix(mapping, "");
	return mapping;
}

void coax_mapping_get(struct coax_mapping *mapping)
{
	atomic_fetch_add(&mapping->references, 1);
}

void coax_mapping_put(struct coax_mapping *mapping)
{
	if (!mapping || atomic_fetch_sub(&mapping->references, 1) != 1)
		return;
	for (unsigned int i = 0; i < mapping->origin_count; i++)
		coax_proxy_put_origin(mapping->proxy, mapping->origins[i]);
	free(mapping->host);
	free(mapping);
}

static bool is_same_prefix(const struct coax_message *a, const struct coax_message *b)
{
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

bool coax_mapping_is_for_same(const struct coax_mapping *a, const struct coax_mapping *b)
{
	if (a->host && b->host)
		return strcasecmp(a->host, b->host) == 0;
	return !a->host && !b->host && is_same_prefix(&a->prefix, &b->prefix);
}

bool coax_mapping_is_same(const struct coax_mapping *a, const struct coax_mapping *b)
{
	return coax_mapping_is_for_same(a, b) && a->origin_count == b->origin_count &&
	       memcmp(a->origins, b->origins, a->origin_count * sizeof(a->origins[0])) == 0;
}

static void forget(const struct coax_mapping *mapping)
{
	struct coax_cache *cache = mapping->proxy->cache;

	coax_cache_lock(cache);
	coax_cache_forget(cache, (const uint8_t *)&mapping->space, sizeof(mapping->space));
	coax_cache_unlock(cache);
}

void coax_mapping_retire(struct coax_mapping *mapping)
{
	atomic_store(&mapping->retired, true);
	forget(mapping);
	coax_mapping_put(mapping);
}

unsigned int coax_mapping_candidates(struct coax_mapping *mapping, uint64_t hash, uint64_t now,
				     uint8_t order[COAX_ORIGINS_MAX], uint8_t *code,
				     uint32_t *retry_after)
{
	unsigned int count, kept = 0;
	uint64_t first = UINT64_MAX;

	count = coax_origins_rank(mapping->origins, mapping->origin_count, hash, order);
	for (unsigned int i = 0; i < count; i++) {
		struct coax_origin *origin = mapping->origins[order[i]];
		uint64_t until;
		uint8_t failure;

		if (!coax_origin_is_down(origin, now, &until, &failure)) {
			order[kept++] = order[i];
		} else if (until < first) {
			first = until;
			*code = failure;
			*retry_after = (uint32_t)((until - now + NS_PER_SEC - 1) / NS_PER_SEC);
		}
	}
	return kept;
}
