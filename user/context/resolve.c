// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a host stands for: an IP literal, or what getaddrinfo() knows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "resolver.h"

int coax_literal_address(const char *host, in_port_t port, union coax_address *address)
{
	const char *format = host[0] == '[' ? "%s" : "[%s]";
	char text[COAX_ADDRESS_TEXT_MAX];
	struct in_addr ipv4;

	if (inet_pton(AF_INET, host, &ipv4) == 1)
		return coax_address_parse(address, host, port);
	if (!strchr(host, ':'))
		return -ENOENT;
	/* Behind the bracket there would be a port of its own: that is no host. */
	if (host[0] == '[' && host[strlen(host) - 1] != ']')
		return -EINVAL;
	if (snprintf(text, sizeof(text), format, host) >= (int)sizeof(text))
		return -EINVAL;
	return coax_address_parse(address, text, port);
}

int coax_target_take(struct coax_message *message, bool secure, char host[256], in_port_t *port)
{
	struct coax_option option;
	uint32_t number = secure ? COAX_PORT_SECURE : COAX_PORT;

	if (!coax_message_find(message, COAX_URI_HOST, &option) || !option.length)
		return -EDESTADDRREQ;
	if (option.length > 255 || memchr(option.value, '\0', option.length))
		return -EINVAL;
	memcpy(host, option.value, option.length);
	host[option.length] = '\0';
	if (coax_message_find(message, COAX_URI_PORT, &option) &&
	    (!coax_message_find_uint(message, COAX_URI_PORT, &number) || !number ||
	     number > UINT16_MAX))
		return -EINVAL;
	*port = (in_port_t)number;
	/* It is the datagram's own, and so the default. */
	coax_message_remove(message, COAX_URI_PORT);
	return 0;
}

bool coax_is_out_of_reach(int result)
{
	switch (result) {
	case -EAFNOSUPPORT:
	case -EADDRNOTAVAIL:
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
		return true;
	default:
		return false;
	}
}

static int find(const char *host, in_port_t port, int flags, struct addrinfo **found)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};
	char service[6];

	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, found);
}

static void copy(const struct addrinfo *found, union coax_address *address)
{
	memset(address, 0, sizeof(*address));
	memcpy(address, found->ai_addr,
	       found->ai_addrlen < sizeof(*address) ? found->ai_addrlen : sizeof(*address));
}

static int to_errno(int error)
{
	switch (error) {
	case EAI_NONAME:
	case EAI_NODATA:
		return -ENOENT;
	case EAI_FAMILY:
	case EAI_ADDRFAMILY:
		return -EAFNOSUPPORT;
	case EAI_MEMORY:
		return -ENOMEM;
	default:
		return -EAGAIN;
	}
}

void coax_lookup_run(const char *host, in_port_t port, struct coax_addresses *addresses,
		     int *result, const char **error)
{
	struct addrinfo *found;
	int err = find(host, port, 0, &found);

	addresses->count = 0;
	*result = 0;
	*error = NULL;
	if (err) {
		*result = to_errno(err);
		*error = gai_strerror(err);
		return;
	}
	for (struct addrinfo *one = found; one && addresses->count < COAX_ADDRESSES_MAX;
	     one = one->ai_next)
		copy(one, &addresses->at[addresses->count++]);
	freeaddrinfo(found);
}

int coax_resolve(const struct coax_uri *uri, union coax_address *address, const char **error)
{
	struct addrinfo *found;
	int err;

	/* AI_ADDRCONFIG would refuse ::1 on a host without IPv6 addresses. */
	err = find(uri->host, uri->port, uri->literal ? AI_NUMERICHOST : AI_ADDRCONFIG, &found);
	if (err) {
		*error = gai_strerror(err);
		return -EHOSTUNREACH;
	}
	copy(found, address);
	freeaddrinfo(found);
	return 0;
}
