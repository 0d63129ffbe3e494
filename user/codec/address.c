// SPDX-License-Identifier: BSD-2-Clause
#include <coax/address.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"

static bool parse_port(const char *text, in_port_t *port)
{
	uint32_t number;

	if (!parse_number(text, strlen(text), UINT16_MAX, &number))
		return false;
	*port = (in_port_t)number;
	return true;
}

/* An interface by name or by index (RFC 4007 section 11.2). */
static bool parse_zone(const char *text, uint32_t *scope)
{
	*scope = if_nametoindex(text);
	return *scope != 0 || (parse_number(text, strlen(text), UINT32_MAX, scope) && *scope != 0);
}

/* `host` loses its zone. */
static int parse_ipv6(union coax_address *address, char *host, in_port_t port)
{
	char *zone = strchr(host, '%');
	uint32_t scope = 0;

	if (zone) {
		*zone++ = '\0';
		if (!parse_zone(zone, &scope))
			return -EINVAL;
	}
	if (inet_pton(AF_INET6, host, &address->in6.sin6_addr) != 1)
		return -EINVAL;
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = htons(port);
	address->in6.sin6_scope_id = scope;
	return 0;
}

static int parse_ipv4(union coax_address *address, const char *host, in_port_t port)
{
	if (*host == '\0' || strcmp(host, "*") == 0) {
		address->in.sin_family = AF_UNSPEC;
	} else {
		if (inet_pton(AF_INET, host, &address->in.sin_addr) != 1)
			return -EINVAL;
		address->in.sin_family = AF_INET;
	}
	address->in.sin_port = htons(port);
	return 0;
}

int coax_address_parse(union coax_address *address, const char *text, in_port_t port)
{
	char host[COAX_ADDRESS_TEXT_MAX];
	size_t length = strlen(text);
	char *colon;

	memset(address, 0, sizeof(*address));
	if (length == 0 || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length + 1);

	if (host[0] == '[') {
		char *end = strrchr(host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1] && !parse_port(end + 2, &port))
			return -EINVAL;
		*end = '\0';
		return parse_ipv6(address, host + 1, port);
	}

	colon = strchr(host, ':');
	if (colon && strchr(colon + 1, ':'))
		return parse_ipv6(address, host, port);
	if (colon) {
		if (!parse_port(colon + 1, &port))
			return -EINVAL;
		*colon = '\0';
	}
	return parse_ipv4(address, host, port);
}

static void format_ipv6(const struct sockaddr_in6 *in6, char text[COAX_ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE], zone[IF_NAMESIZE + 1] = "";
	uint32_t scope = in6->sin6_scope_id;

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (scope && if_indextoname(scope, name))
		snprintf(zone, sizeof(zone), "%%%s", name);
	else if (scope)
		snprintf(zone, sizeof(zone), "%%%u", scope);
	snprintf(text, COAX_ADDRESS_TEXT_MAX, "[%s%s]:%u", host, zone, ntohs(in6->sin6_port));
}

char *coax_address_format(const union coax_address *address, char text[COAX_ADDRESS_TEXT_MAX])
{
	char host[INET_ADDRSTRLEN] = "*";

	if (address->sa.sa_family == AF_INET6) {
		format_ipv6(&address->in6, text);
		return text;
	}
	if (address->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
	snprintf(text, COAX_ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->in.sin_port));
	return text;
}

static bool equal_ipv6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	if (a->sin6_port != b->sin6_port || !IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr))
		return false;
	/* The same link-local address on two links is two hosts. */
	if (IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&a->sin6_addr))
		return a->sin6_scope_id == b->sin6_scope_id;
	return true;
}

bool coax_address_equal(const union coax_address *a, const union coax_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return equal_ipv6(&a->in6, &b->in6);
	if (a->in.sin_port != b->in.sin_port)
		return false;
	return a->sa.sa_family != AF_INET || a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

static bool is_group_ipv4(in_addr_t address)
{
	return IN_MULTICAST(ntohl(address)) || address == htonl(INADDR_BROADCAST);
}

bool coax_address_is_multicast(const union coax_address *address)
{
	const struct in6_addr *in6 = &address->in6.sin6_addr;

	if (address->sa.sa_family == AF_INET)
		return is_group_ipv4(address->in.sin_addr.s_addr);
	if (address->sa.sa_family != AF_INET6)
		return false;
	/* A socket for both families shows IPv4 addresses as ::ffff:a.b.c.d. */
	if (IN6_IS_ADDR_V4MAPPED(in6)) {
		in_addr_t mapped;

		memcpy(&mapped, in6->s6_addr + 12, sizeof(mapped));
		return is_group_ipv4(mapped);
	}
	return IN6_IS_ADDR_MULTICAST(in6);
}
