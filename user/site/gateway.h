/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gateway: a resource for requests that are told by something else than their path, such as
 * those for a host whose name this Site answers in the place of somebody else, or to a
 * forward-proxy (RFC 7252 sections 5.7.2 and 5.7.3).
 */
#ifndef COAX_SITE_GATEWAY_H
#define COAX_SITE_GATEWAY_H

#include "site/tree.h"

/* Whether a request is for the gateway. On a worker; `arg` is its resource's. */
typedef bool (*coax_gateway_fn)(const struct coax_message *request, void *arg);

/*
 * Whether a request that says something else is one for what is here: then `local`, begun by the
 * callee in `buffer`, is what it asks for, with type, message ID and token of responder->request.
 */
typedef bool (*coax_localize_fn)(const struct coax_responder *responder, struct coax_message *local,
				 uint8_t *buffer, size_t size, void *arg);

struct coax_gateway {
	coax_gateway_fn takes;
	coax_localize_fn localize; /* NULL: none is */
	struct coax_resource *resource;
};

/*
 * Have a resource like `options` (whose path counts for nothing) answer what `takes` says, before
 * any other is looked for; *resource names it. One a Site. Returns 0, -EEXIST, -EINVAL or -ENOMEM.
 */
int coax_site_add_gateway(struct coax_site *site, const struct coax_resource_options *options,
			  coax_gateway_fn takes, coax_localize_fn localize,
			  struct coax_resource **resource);

/* No handler of it runs on return. Not from a handler. Without one: nothing. */
void coax_site_remove_gateway(struct coax_site *site);

/*
 * Before coax_site_render(), for who asks by a network: make a request that a gateway finds to be
 * for what is here one that says so. `buffer` lives as long as responder->request. In an RCU read
 * section. `site` NULL: nothing.
 */
void coax_site_localize(const struct coax_site *site, struct coax_responder *responder,
			uint8_t *buffer, size_t size);

/* In an RCU read section. NULL: the request is not for it. */
const struct coax_resource *coax_site_gateway(const struct coax_site *site,
					      const struct coax_message *request);

#endif
