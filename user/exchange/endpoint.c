// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "internal.h"

uint64_t coax_exchange_hash_message(const struct coax_exchange *exchange,
				    const struct coax_path *path, uint16_t id)
{
	uint8_t packed[2 * COAX_ADDRESS_BYTES_MAX + sizeof(id)];
	size_t length = coax_address_bytes(packed, &path->remote);

	length += coax_address_bytes(packed + length, &path->local);
	memcpy(packed + length, &id, sizeof(id));
	return coax_digest(exchange->digest, packed, (uint32_t)(length + sizeof(id))) ^
	       coax_path_session_hash(path);
}

uint64_t coax_exchange_hash_peer(const struct coax_exchange *exchange, const struct coax_path *path)
{
	return coax_hash_address(&exchange->key, &path->remote) ^ coax_path_session_hash(path);
}
