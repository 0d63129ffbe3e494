// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to a forward-proxy for what is here. Who we are is told by the sockets that serve, and
 * where one serves at any address, by all that this host has; these are looked at now and then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <coax/option.h>
#include "clock.h"
#include "context/resolver.h"
#include "context/worker.h"
#include "mapped.h"
#include "proxy/internal.h"
#include "rcu.h"
#include "site/responder.h"

#define LOOK_EVERY (5 * NS_PER_SEC)

/* Addresses of this host. */
struct owned {
	struct rcu_head rcu;
	size_t count;
	uint8_t addresses[][16]; /* mapped.h */
};

struct served {
	uint8_t address[16];
	bool any; /* all that this host has */
	bool secure;
	in_port_t port;
};

struct coax_local {
	struct owned *owned; /* RCU; NULL: it does not matter, or is not known */
	bool any;
	uint64_t looked;
	size_t count;
	struct served served[];
};

/*
 * Who we are.
 */

static struct owned *read_owned(void)
{
	struct ifaddrs *list, *at;
	struct owned *owned;
	size_t count = 0;

	if (getifaddrs(&list))
		return NULL;
	for (at = list; at; at = at->ifa_next)
		count++;
	owned = malloc(sizeof(*owned) + count * sizeof(owned->addresses[0]));
	if (owned) {
		owned->count = 0;
		for (at = list; at; at = at->ifa_next)
			if (at->ifa_addr && (at->ifa_addr->sa_family == AF_INET ||
					     at->ifa_addr->sa_family == AF_INET6))
				coax_mapped_address(owned->addresses[owned->count++],
						    (const union coax_address *)at->ifa_addr);
	}
	freeifaddrs(list);
	return owned;
}

static void free_owned(struct rcu_head *head)
{
	struct owned *owned = caa_container_of(head, struct owned, rcu);

	coax_taken_over(owned);
	coax_readers_are_gone();
	free(owned);
}

/* What was known stays where nothing else can be. */
static void look(struct coax_local *local, uint64_t now)
{
	struct owned *owned = read_owned(), *former = local->owned;

	local->looked = now;
	if (!owned)
		return;
	coax_handing_over(owned);
	rcu_assign_pointer(local->owned, owned);
	if (!former)
		return;
	coax_handing_over(former);
	call_rcu(&former->rcu, free_owned);
}

void coax_local_tick(struct coax_local *local, uint64_t now)
{
	if (local && local->any && now - local->looked >= LOOK_EVERY)
		look(local, now);
}

static void add_served(struct coax_local *local, const union coax_address *bound, bool secure)
{
	struct served *served = &local->served[local->count];

	if (coax_address_is_multicast(bound))
		return;
	local->count++;
	coax_mapped_address(served->address, bound);
	served->any = coax_udp_is_wildcard(bound);
	served->secure = secure;
	served->port = coax_address_port(bound);
	local->any |= served->any;
}

int coax_local_start(struct coax_proxy *proxy, struct coax_context *context)
{
	const struct coax_worker *worker = context->workers[0];
	uint32_t count = context->shared_sockets;
	struct coax_local *local = calloc(1, sizeof(*local) + count * sizeof(local->served[0]));

	if (!local)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		add_served(local, worker->transport->ops->bound(worker->transport, i),
			   worker->socket_is_secure[i]);
	if (local->any)
		look(local, coax_now());
	coax_handing_over(local);
	/* Workers ask already. */
	rcu_assign_pointer(proxy->local, local);
	return 0;
}

void coax_local_destroy(struct coax_local *local)
{
	if (!local)
		return;
	free(local->owned);
	free(local);
}

/*
 * Whether it is us that is spoken of.
 */

/* Linux delivers to itself what goes to these, whether an interface has them or not. */
static bool is_always_here(const uint8_t address[16])
{
	static const uint8_t none[16], none4[4];

	if (!coax_mapped_is_ipv4(address))
		return memcmp(address, none, sizeof(none)) == 0;
	return address[COAX_MAPPED_BYTES] == IN_LOOPBACKNET ||
	       memcmp(address + COAX_MAPPED_BYTES, none4, sizeof(none4)) == 0;
}

static bool is_owned(const struct coax_local *local, const uint8_t address[16])
{
	const struct owned *owned = rcu_dereference(local->owned);

	if (is_always_here(address))
		return true;
	if (!owned)
		return false;
	coax_taken_over((void *)owned);
	for (size_t i = 0; i < owned->count; i++)
		if (memcmp(owned->addresses[i], address, 16) == 0)
			return true;
	return false;
}

static bool is_any_of(const struct served *served, const uint8_t address[16])
{
	return served->any && coax_mapped_is_ipv4(served->address) == coax_mapped_is_ipv4(address);
}

/* `address` NULL: any of ours. */
static bool is_served(const struct coax_local *local, const uint8_t *address, in_port_t port,
		      bool secure)
{
	for (size_t i = 0; i < local->count; i++) {
		const struct served *served = &local->served[i];

		if (served->port != port || served->secure != secure)
			continue;
		if (!address || memcmp(served->address, address, sizeof(served->address)) == 0 ||
		    (is_any_of(served, address) && is_owned(local, address)))
			return true;
	}
	return false;
}

static bool is_own_uri(const struct coax_proxy *proxy, const struct coax_local *local,
		       const struct coax_uri *uri)
{
	union coax_address address;
	uint8_t mapped[16];

	if (!uri->literal)
		return coax_mapping_of_host(proxy, uri->host, strlen(uri->host)) &&
		       is_served(local, NULL, uri->port, uri->secure);
	if (coax_literal_address(uri->host, uri->port, &address))
		return false;
	coax_mapped_address(mapped, &address);
	return is_served(local, mapped, uri->port, uri->secure);
}

/*
 * A Proxy-Scheme alone: the host is where the request was sent to (sections 5.10.2 and 6.5), and
 * the port is, unless there is a Uri-Port.
 */
static bool is_own_scheme(const struct coax_local *local, const struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	bool secure = responder->session;
	const char *name = secure ? "coaps" : "coap";
	struct coax_option scheme, option;
	uint32_t port;

	if (coax_message_find(request, COAX_PROXY_URI, &option) ||
	    coax_message_find(request, COAX_URI_HOST, &option) ||
	    !coax_message_find(request, COAX_PROXY_SCHEME, &scheme))
		return false;
	if (scheme.length != strlen(name) ||
	    strncasecmp((const char *)scheme.value, name, scheme.length) != 0)
		return false;
	return !coax_message_find_uint(request, COAX_URI_PORT, &port) ||
	       is_served(local, NULL, (in_port_t)port, secure);
}

/*
 * The request that it is here.
 */

/* `proxied` NULL: path and queries are the request's, and there is no host. */
static bool build(const struct coax_proxied *proxied, struct coax_message *to, uint8_t *buffer,
		  size_t size, const struct coax_message *request)
{
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_message_start(to, buffer, size, coax_message_type(request),
				 coax_message_code(request), coax_message_id(request),
				 coax_message_token(request), coax_message_token_length(request));
	if (!err)
		err = coax_proxied_options(proxied, to, request);
	if (!err && proxied && !proxied->uri.literal)
		err = coax_message_add_string(to, COAX_URI_HOST, proxied->uri.host);
	payload = coax_message_payload(request, &length);
	if (!err && length)
		err = coax_message_set_payload(to, payload, length);
	return !err;
}

bool coax_local_take(const struct coax_responder *responder, struct coax_message *to,
		     uint8_t *buffer, size_t size, void *arg)
{
	const struct coax_message *request = &responder->request;
	struct coax_proxy *proxy = arg;
	const struct coax_local *local = rcu_dereference(proxy->local);
	struct coax_proxied proxied;
	const char *error;

	if (!local || !coax_proxied_is(request) || !coax_proxy_setup(proxy)->allowed)
		return false;
	coax_taken_over((void *)local);
	if (is_own_scheme(local, responder))
		return build(NULL, to, buffer, size, request);
	return !coax_proxied_read(&proxied, request, &error) &&
	       coax_proxied_may_ask(&proxied, responder) &&
	       is_own_uri(proxy, local, &proxied.uri) && build(&proxied, to, buffer, size, request);
}
