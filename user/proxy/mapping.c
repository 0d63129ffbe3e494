// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
	mapping->origins = calloc(options->origin_count, sizeof(*mapping->origins));
	if (!mapping->origins)
		return -ENOMEM;
	for (size_t i = 0; i < options->origin_count; i++) {
		err = coax_origin_create(&mapping->origins[i], options->origins[i], &error);
		if (err) {
			coax_log(logger, COAX_LOG_ERROR, "%s is no origin: %s", options->origins[i],
				 error ? error : strerror(-err));
			return err;
		}
		mapping->origin_count++;
	}
	return 0;
}

static int read_prefix(struct coax_mapping *mapping, const char *prefix)
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

static int add_resource(struct coax_mapping *mapping, const char *prefix)
{
	const struct coax_resource_options resource = {
		.path = prefix,
		.get = coax_proxy_handle,
		.put = coax_proxy_handle,
		.post = coax_proxy_handle,
		.delete = coax_proxy_handle,
		.fetch = coax_proxy_handle,
		.patch = coax_proxy_handle,
		.ipatch = coax_proxy_handle,
		.arg = mapping,
		.subtree = true,
		.hidden = true,
		.cacheable_queries = true,
		.observable = true,
		.proxying = true,
		.body_max = mapping->proxy->body_max,
	};

	return coax_site_add(mapping->proxy->site, &resource, &mapping->resource);
}

/* Names of hosts do not tell letter cases apart (section 5.10.1). */
static int set_host(struct coax_mapping *mapping, const char *host)
{
	if (!*host)
		return -EINVAL;
	mapping->host = strdup(host);
	return mapping->host ? 0 : -ENOMEM;
}

int coax_mapping_create(struct coax_mapping *mapping, struct coax_proxy *proxy, uint64_t space,
			const struct coax_proxy_mapping *options)
{
	int err;

	mapping->proxy = proxy;
	mapping->space = space;
	if (!options->prefix == !options->host) {
		coax_log(&proxy->logger, COAX_LOG_ERROR, "a mapping has either a prefix or a host");
		return -EINVAL;
	}
	err = add_origins(mapping, options);
	if (err)
		return err;
	err = read_prefix(mapping, options->prefix ? options->prefix : "");
	if (!err && options->host)
		err = set_host(mapping, options->host);
	else if (!err)
		err = add_resource(mapping, options->prefix);
	if (err)
		coax_log(&proxy->logger, COAX_LOG_ERROR, "cannot serve %s%s from %s: %s",
			 options->host ? options->host : "/", options->host ? "" : options->prefix,
			 options->origins[0], strerror(-err));
	return err;
}

void coax_mapping_destroy(struct coax_mapping *mapping)
{
	for (unsigned int i = 0; i < mapping->origin_count; i++)
		coax_origin_destroy(&mapping->origins[i]);
	free(mapping->origins);
	free(mapping->host);
}

unsigned int coax_mapping_candidates(struct coax_mapping *mapping, uint64_t hash, uint64_t now,
				     uint8_t order[COAX_ORIGINS_MAX], uint8_t *code,
				     uint32_t *retry_after)
{
	unsigned int count, kept = 0;
	uint64_t first = UINT64_MAX;

	count = coax_origins_rank(mapping->origins, mapping->origin_count, hash, order);
	for (unsigned int i = 0; i < count; i++) {
		struct coax_origin *origin = &mapping->origins[order[i]];
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
