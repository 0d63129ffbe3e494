/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyed hashing of what peers send, so that nobody can aim at a bucket.
 */
#ifndef COAX_HASH_H
#define COAX_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <coax/address.h>
#include <coax/digest.h>

struct coax_hash_key {
	uint8_t bytes[16];
};

/* Fill with random bytes. Returns 0 or a negative errno. */
int coax_hash_key_random(struct coax_hash_key *key);

/* SipHash-2-4. */
uint64_t coax_hash(const struct coax_hash_key *key, const void *data, size_t length);

/* Fill with random numbers. Returns 0 or a negative errno. */
int coax_digest_secret_random(struct coax_digest_secret *secret);

/* What coax_digest() is, of a whole message: with the CPU's vectors where every CPU has them. */
uint64_t coax_digest_message(const struct coax_digest_secret *secret, const void *data,
			     uint32_t length);

#define COAX_ADDRESS_BYTES_MAX 22

/*
 * The bytes that make an address, into `out`: two that coax_address_equal() takes for equal have
 * the same. Each family has its own length, so no two lists of them agree. Returns how many.
 */
size_t coax_address_bytes(uint8_t *out, const union coax_address *address);

uint64_t coax_hash_address(const struct coax_hash_key *key, const union coax_address *address);

/* How many buckets a table of so many entries has: the next power of two. */
static inline uint32_t coax_hash_buckets(uint32_t entries)
{
	uint32_t buckets = 1;

	while (buckets < entries)
		buckets *= 2;
	return buckets;
}

#endif
