// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which addresses and ports are ours: those that are bound and that the host has now. An address
 * that is bound but not (or no longer) local gets no packets, so the program must not answer for
 * it either.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <coax/gcra.h>
#include "accel/internal.h"
#include "mapped.h"

static int add_bound(struct coax_accel *accel, const union coax_address *address, uint32_t service)
{
	struct accel_bound *all;

	for (size_t i = 0; i < accel->bound_count; i++)
		if (coax_address_equal(&accel->bound[i].address, address))
			return 0;
	all = realloc(accel->bound, (accel->bound_count + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	accel->bound = all;
	all[accel->bound_count++] = (struct accel_bound){.address = *address, .service = service};
	return 0;
}

int coax_accel_add_endpoint(struct coax_accel *accel, const union coax_address *bound)
{
	return add_bound(accel, bound, ACCEL_SERVICE);
}

int coax_accel_add_secure_endpoint(struct coax_accel *accel, const union coax_address *bound)
{
	return add_bound(accel, bound, ACCEL_SERVICE | COAX_SERVICE_SECURE);
}

/*
 * A link-local address is the host's on its own link alone. The map knows no links: it is an
 * endpoint when the program runs on that one and no other, VLANs included. Returns which, or 0.
 */
static uint32_t only_link(const struct coax_accel *accel, const struct accel_snapshot *snapshot)
{
	const struct accel_interface *ours = &accel->interfaces[0];
	const struct accel_link *link = ours->ifindex ? accel_snapshot_link(snapshot, ours->ifindex)
						      : accel_snapshot_named(snapshot, ours->name);
	struct accel_place place;

	if (accel->interface_count != 1 || !link)
		return 0;
	accel_place_find(snapshot, link, &place);
	return place.has_vlans ? 0 : place.program.device;
}

static bool link_fits(const struct accel_local *local, uint32_t only)
{
	struct in6_addr address;

	memcpy(&address, local->address, sizeof(address));
	return !IN6_IS_ADDR_LINKLOCAL(&address) || local->ifindex == only;
}

static bool scope_fits(uint32_t scope, uint32_t ifindex)
{
	return !scope || scope == ifindex;
}

static bool is_bound(const union coax_address *bound, const struct accel_local *local)
{
	bool ipv4 = coax_mapped_is_ipv4(local->address);

	switch (bound->sa.sa_family) {
	case AF_UNSPEC:
		return true;
	case AF_INET:
		return ipv4 &&
		       (bound->in.sin_addr.s_addr == htonl(INADDR_ANY) ||
			memcmp(&bound->in.sin_addr, local->address + COAX_MAPPED_BYTES, 4) == 0);
	case AF_INET6:
		if (IN6_IS_ADDR_UNSPECIFIED(&bound->in6.sin6_addr))
			return !ipv4;
		return memcmp(&bound->in6.sin6_addr, local->address, 16) == 0 &&
		       scope_fits(bound->in6.sin6_scope_id, local->ifindex);
	default:
		return false;
	}
}

static void make_endpoint(struct accel_endpoint *endpoint, const struct accel_local *local,
			  const struct accel_bound *bound)
{
	in_port_t port = coax_address_port(&bound->address);
	bool ipv4 = coax_mapped_is_ipv4(local->address);
	char text[INET6_ADDRSTRLEN] = "";

	memset(endpoint, 0, sizeof(*endpoint));
	memcpy(endpoint->key.address, local->address, sizeof(endpoint->key.address));
	endpoint->key.port_be = htons(port);
	endpoint->value.service = bound->service;
	coax_mapped_text(local->address, text);
	snprintf(endpoint->value.text, sizeof(endpoint->value.text), ipv4 ? "%s:%u" : "[%s]:%u",
		 text, port);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct coax_endpoint_key));
}

static size_t without_duplicates(struct accel_endpoint *endpoints, size_t count)
{
	size_t kept = 0;

	qsort(endpoints, count, sizeof(*endpoints), compare);
	for (size_t i = 0; i < count; i++)
		if (!kept || compare(&endpoints[kept - 1], &endpoints[i]) != 0)
			endpoints[kept++] = endpoints[i];
	return kept;
}

/* All that are bound and local now, sorted. */
static int collect(const struct coax_accel *accel, const struct accel_snapshot *snapshot,
		   struct accel_endpoint **endpoints, size_t *count)
{
	struct accel_endpoint *all =
		calloc(snapshot->local_count * accel->bound_count + 1, sizeof(*all));
	uint32_t only = only_link(accel, snapshot);
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->local_count; i++) {
		const struct accel_local *local = &snapshot->locals[i];
		const struct accel_link *link = accel_snapshot_link(snapshot, local->ifindex);

		if (!link || !link->up || !link_fits(local, only))
			continue;
		for (size_t j = 0; j < accel->bound_count; j++)
			if (is_bound(&accel->bound[j].address, local))
				make_endpoint(&all[n++], local, &accel->bound[j]);
	}
	*endpoints = all;
	*count = without_duplicates(all, n);
	return 0;
}

static bool has(const struct accel_endpoint *endpoints, size_t count,
		const struct accel_endpoint *wanted)
{
	return count && bsearch(wanted, endpoints, count, sizeof(*wanted), compare);
}

/* So that the program need not look most sources up to see that they are not ours. */
static void tell_own(const struct coax_accel *accel, const struct accel_endpoint *endpoints,
		     size_t count)
{
	uint64_t own[4] = {0};
	uint32_t last, bit;

	for (size_t i = 0; i < count; i++) {
		memcpy(&last, endpoints[i].key.address + 12, sizeof(last));
		bit = coax_own_bit(last);
		own[bit / 64] |= 1ULL << bit % 64;
	}
	for (size_t i = 0; i < 4; i++)
		__atomic_store_n(&accel->config->guard.own[i], own[i], __ATOMIC_RELAXED);
}

static int add(const struct coax_accel *accel, const struct accel_endpoint *endpoint)
{
	int err =
		bpf_map_update_elem(accel->endpoints_fd, &endpoint->key, &endpoint->value, BPF_ANY);

	coax_log(&accel->logger, err ? COAX_LOG_WARNING : COAX_LOG_DEBUG, "endpoint %s%s%s",
		 endpoint->value.text, err ? " is left to userspace: " : "",
		 err ? strerror(-err) : "");
	return err;
}

void accel_endpoints_sync(struct coax_accel *accel, const struct accel_snapshot *snapshot)
{
	struct accel_endpoint *wanted = NULL;
	size_t count = 0, kept = 0;

	if (snapshot && collect(accel, snapshot, &wanted, &count) != 0)
		coax_log(&accel->logger, COAX_LOG_ERROR,
			 "no memory for the endpoints: the XDP program answers nothing until the "
			 "host's addresses change again");
	/* What is gone goes first, whatever happens then. */
	for (size_t i = 0; i < accel->endpoint_count; i++)
		if (!has(wanted, count, &accel->endpoints[i]))
			bpf_map_delete_elem(accel->endpoints_fd, &accel->endpoints[i].key);
	for (size_t i = 0; i < count; i++) {
		if (!has(accel->endpoints, accel->endpoint_count, &wanted[i]) &&
		    add(accel, &wanted[i]) != 0)
			continue;
		wanted[kept++] = wanted[i];
	}
	tell_own(accel, wanted, count);
	free(accel->endpoints);
	accel->endpoints = wanted;
	accel->endpoint_count = kept;
	accel_nearby_sync(accel);
}
