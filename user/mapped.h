/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of 16 bytes for both families, as in the maps: IPv4 as ::ffff:a.b.c.d (RFC 4291 section
 * 2.5.5.2).
 */
#ifndef COAX_MAPPED_H
#define COAX_MAPPED_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <coax/address.h>

#define COAX_MAPPED_BYTES 12 /* in front of an IPv4 address */

static inline void coax_mapped_ipv4(uint8_t bytes[16], const void *ipv4)
{
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	memcpy(bytes + COAX_MAPPED_BYTES, ipv4, 4);
}

/* What is not AF_INET6 is AF_INET. */
static inline void coax_mapped_address(uint8_t bytes[16], const union coax_address *address)
{
	if (address->sa.sa_family == AF_INET6)
		memcpy(bytes, &address->in6.sin6_addr, 16);
	else
		coax_mapped_ipv4(bytes, &address->in.sin_addr);
}

static inline bool coax_mapped_is_ipv4(const uint8_t bytes[16])
{
	static const uint8_t mapped[COAX_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

/* Without a port. Returns `text`. */
static inline const char *coax_mapped_text(const uint8_t bytes[16], char text[INET6_ADDRSTRLEN])
{
	if (coax_mapped_is_ipv4(bytes))
		return inet_ntop(AF_INET, bytes + COAX_MAPPED_BYTES, text, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN);
}

#endif
