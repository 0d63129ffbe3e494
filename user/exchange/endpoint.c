// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "internal.h"

#define PACKED_ADDRESS_MAX 22

/* As coax_address_equal() has it: a zone means something on a link alone. */
static uint32_t zone(const struct sockaddr_in6 *in6)
{
	if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
		return in6->sin6_scope_id;
	return 0;
}

/* The bytes that make an address. Each family has its own length, so no two lists of them agree. */
static size_t pack(uint8_t *out, const union coax_address *address)
{
	if (address->sa.sa_family == AF_INET) {
		memcpy(out, &address->in.sin_addr, 4);
		memcpy(out + 4, &address->in.sin_port, 2);
		return 6;
	}
	if (address->sa.sa_family == AF_INET6) {
		uint32_t scope = zone(&address->in6);

		memcpy(out, &address->in6.sin6_addr, 16);
		memcpy(out + 16, &address->in6.sin6_port, 2);
		memcpy(out + 18, &scope, 4);
		return 22;
	}
	return 0;
}

uint64_t coax_exchange_hash_message(const struct coax_exchange *exchange,
				    const struct coax_path *path, uint16_t id)
{
	uint8_t packed[2 * PACKED_ADDRESS_MAX + sizeof(id)];
	size_t length = pack(packed, &path->remote);

	length += pack(packed + length, &path->local);
	memcpy(packed + length, &id, sizeof(id));
	return coax_hash(&exchange->key, packed, length + sizeof(id));
}

uint64_t coax_exchange_hash_remote(const struct coax_exchange *exchange,
				   const union coax_address *remote)
{
	uint8_t packed[PACKED_ADDRESS_MAX];

	return coax_hash(&exchange->key, packed, pack(packed, remote));
}
