// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests that are told by the host that they name, or that are to a forward-proxy.
 */
#include <string.h>
#include <strings.h>
#include <coax/option.h>
#include "proxy/internal.h"
#include "site/gateway.h"

static bool is_proxied(const struct coax_message *request)
{
	struct coax_option option;

	return coax_message_find(request, COAX_PROXY_URI, &option) ||
	       coax_message_find(request, COAX_PROXY_SCHEME, &option);
}

static struct coax_mapping *find_host(const struct coax_proxy *proxy,
				      const struct coax_message *request)
{
	const struct coax_proxy_setup *setup = coax_proxy_setup(proxy);
	struct coax_option host;

	if (!coax_message_find(request, COAX_URI_HOST, &host))
		return NULL;
	for (size_t i = 0; i < setup->mapping_count; i++) {
		const char *name = setup->mappings[i]->host;

		if (name && strlen(name) == host.length &&
		    strncasecmp(name, (const char *)host.value, host.length) == 0)
			return setup->mappings[i];
	}
	return NULL;
}

static bool takes(const struct coax_message *request, void *arg)
{
	struct coax_proxy *proxy = arg;

	if (is_proxied(request))
		return coax_proxy_setup(proxy)->allowed;
	return find_host(proxy, request);
}

static void handle(struct coax_responder *responder, void *arg)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_proxy *proxy = arg;
	struct coax_mapping *mapping;

	coax_responder_subject(responder, NULL, 0);
	if (is_proxied(request)) {
		coax_forward_handle(proxy->forward, responder);
		return;
	}
	mapping = find_host(proxy, request);
	if (mapping)
		coax_proxy_handle_mapping(responder, mapping);
	else
		/* It has gone since takes() looked. */
		coax_respond(responder, COAX_NOT_FOUND);
}

bool coax_setup_needs_gateway(const struct coax_proxy_setup *setup)
{
	for (size_t i = 0; i < setup->mapping_count; i++)
		if (setup->mappings[i]->host)
			return true;
	return setup->allowed;
}

int coax_proxy_add_gateway(struct coax_proxy *proxy)
{
	const struct coax_resource_options resource = {
		.path = "",
		.get = handle,
		.put = handle,
		.post = handle,
		.delete = handle,
		.fetch = handle,
		.patch = handle,
		.ipatch = handle,
		.arg = proxy,
		.subtree = true,
		.hidden = true,
		.cacheable_queries = true,
		.observable = true,
		.proxying = true,
		.body_max = atomic_load(&proxy->body_max),
	};

	return coax_site_add_gateway(proxy->site, &resource, takes, &proxy->gateway);
}
