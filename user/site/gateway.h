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

struct coax_gateway {
	coax_gateway_fn takes;
	struct coax_resource *resource;
};

/*
 * Have a resource like `options` (whose path counts for nothing) answer what `takes` says, before
 * any other is looked for; *resource names it. One a Site. Returns 0, -EEXIST, -EINVAL or -ENOMEM.
 */
int coax_site_add_gateway(struct coax_site *site, const struct coax_resource_options *options,
			  coax_gateway_fn takes, struct coax_resource **resource);

/* No handler of it runs on return. Not from a handler. Without one: nothing. */
void coax_site_remove_gateway(struct coax_site *site);

/* In an RCU read section. NULL: the request is not for it. */
const struct coax_resource *coax_site_gateway(const struct coax_site *site,
					      const struct coax_message *request);

#endif
