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

uint64_t coax_hash(const struct coax_hash_key *key, const void *data, size_t length)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, data, length, key->bytes);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}
