// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sodium.h>
#include <sys/random.h>
#include "hash.h"

int coax_hash_key_random(struct coax_hash_key *key)
{
	if (getrandom(key, sizeof(*key), 0) != (ssize_t)sizeof(*key))
		return -errno;
	return 0;
}

/* So many come in one piece (getrandom(2)). */
#define RANDOM_PIECE 256

int coax_digest_secret_random(struct coax_digest_secret *secret)
{
	uint8_t *bytes = (uint8_t *)secret;
	size_t piece;

	for (size_t at = 0; at < sizeof(*secret); at += piece) {
		piece = sizeof(*secret) - at < RANDOM_PIECE ? sizeof(*secret) - at : RANDOM_PIECE;
		if (getrandom(bytes + at, piece, 0) != (ssize_t)piece)
			return -errno;
	}
	return 0;
}

uint64_t coax_hash(const struct coax_hash_key *key, const void *data, size_t length)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, data, length, key->bytes);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

/* As coax_address_equal() has it: a zone means something on a link alone. */
static uint32_t zone(const struct sockaddr_in6 *in6)
{
	if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
		return in6->sin6_scope_id;
	return 0;
}

size_t coax_address_bytes(uint8_t *out, const union coax_address *address)
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

uint64_t coax_hash_address(const struct coax_hash_key *key, const union coax_address *address)
{
	uint8_t bytes[COAX_ADDRESS_BYTES_MAX];

	return coax_hash(key, bytes, coax_address_bytes(bytes, address));
}
