// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include "site/gateway.h"
#include "site/responder.h"

int coax_site_add_gateway(struct coax_site *site, const struct coax_resource_options *options,
			  coax_gateway_fn takes, coax_localize_fn localize,
			  struct coax_resource **resource)
{
	struct coax_gateway *gateway = malloc(sizeof(*gateway));
	struct coax_pattern pattern;
	int err;

	if (!gateway)
		return -ENOMEM;
	gateway->takes = takes;
	gateway->localize = localize;
	err = coax_resource_create(&gateway->resource, options, &pattern);
	if (err)
		goto out;
	gateway->resource->site = site;
	pthread_mutex_lock(&site->lock);
	if (site->gateway) {
		err = -EEXIST;
	} else {
		coax_handing_over(gateway);
		coax_handing_over(gateway->resource);
		rcu_assign_pointer(site->gateway, gateway);
		/* What was said of paths may be the gateway's to say now. */
		__atomic_add_fetch(&site->version, 1, __ATOMIC_SEQ_CST);
		coax_subject_changed(site->subject);
	}
	pthread_mutex_unlock(&site->lock);
	if (!err) {
		*resource = gateway->resource;
		return 0;
	}
	coax_resource_free(gateway->resource);
out:
	free(gateway);
	return err;
}

void coax_site_remove_gateway(struct coax_site *site)
{
	struct coax_gateway *gateway;

	pthread_mutex_lock(&site->lock);
	gateway = site->gateway;
	rcu_assign_pointer(site->gateway, NULL);
	pthread_mutex_unlock(&site->lock);
	if (!gateway)
		return;
	synchronize_rcu();
	coax_resource_changed(gateway->resource);
	coax_resource_free(gateway->resource);
	free(gateway);
}

/* NULL: there is none. */
static const struct coax_gateway *gateway_of(const struct coax_site *site)
{
	struct coax_gateway *gateway = rcu_dereference(site->gateway);

	if (gateway) {
		coax_taken_over(gateway);
		coax_taken_over(gateway->resource);
	}
	return gateway;
}

void coax_site_localize(const struct coax_site *site, struct coax_responder *responder,
			uint8_t *buffer, size_t size)
{
	const struct coax_gateway *gateway = site ? gateway_of(site) : NULL;
	struct coax_message local;

	if (gateway && gateway->localize &&
	    gateway->localize(responder, &local, buffer, size, gateway->resource->arg))
		responder->request = local;
}

const struct coax_resource *coax_site_gateway(const struct coax_site *site,
					      const struct coax_message *request)
{
	const struct coax_gateway *gateway = gateway_of(site);

	return gateway && gateway->takes(request, gateway->resource->arg) ? gateway->resource
									  : NULL;
}
