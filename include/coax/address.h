/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An IPv4 or IPv6 address with a port: one end of a CoAP exchange. Nothing here keeps state. Any
 * thread.
 */
#ifndef COAX_ADDRESS_H
#define COAX_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

union coax_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Enough for "[address%interface]:port" and the terminating zero. */
#define COAX_ADDRESS_TEXT_MAX 80

/**
 * coax_address_parse - "192.0.2.1", "192.0.2.1:5683", "2001:db8::1", "[fe80::1%eth0]:5683",
 * "*" (any, IPv4 and IPv6 alike: AF_UNSPEC), "*:5683", ":5683".
 *
 * No names are resolved. `port` is used where the text has none. Returns 0 or -EINVAL.
 */
int coax_address_parse(union coax_address *address, const char *text, in_port_t port);

/**
 * coax_address_format - the text that coax_address_parse() takes. Returns `text`.
 */
char *coax_address_format(const union coax_address *address, char text[COAX_ADDRESS_TEXT_MAX]);

/**
 * coax_address_equal - same family, address, port and (for link-local IPv6) scope.
 */
bool coax_address_equal(const union coax_address *a, const union coax_address *b);

/**
 * coax_address_length - size of the sockaddr inside, for system calls.
 */
static inline socklen_t coax_address_length(const union coax_address *address)
{
	return address->sa.sa_family == AF_INET6 ? sizeof(address->in6) : sizeof(address->in);
}

/**
 * coax_address_port - in host order.
 */
static inline in_port_t coax_address_port(const union coax_address *address)
{
	return ntohs(address->sa.sa_family == AF_INET6 ? address->in6.sin6_port
						       : address->in.sin_port);
}

/**
 * coax_address_is_multicast - an IPv4 or IPv6 multicast address, or the IPv4 broadcast address.
 */
bool coax_address_is_multicast(const union coax_address *address);

#endif
