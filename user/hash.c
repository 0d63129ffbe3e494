// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sodium.h>
#include <sys/random.h>
#include "hash.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

#ifdef __SSE2__

static __m128i load(const void *at)
{
	return _mm_loadu_si128(at);
}

/* coax_digest_pair() of two words. */
static __m128i pairs(__m128i words, __m128i keys)
{
	__m128i sums = _mm_add_epi32(words, keys);

	return _mm_mul_epu32(sums, _mm_srli_epi64(sums, 32));
}

static uint64_t sum(__m128i two)
{
	uint64_t sums[2];

	memcpy(sums, &two, sizeof(sums));
	return sums[0] + sums[1];
}

uint64_t coax_digest_message(const struct coax_digest_secret *secret, const void *data,
			     uint32_t length)
{
	__m128i first = _mm_setzero_si128(), second = first;
	const __u64 *key = secret->words;
	const uint8_t *bytes = data;
	struct coax_digest_sums sums;
	uint32_t at;

	for (at = 0; at + 2 <= length / 8; at += 2) {
		__m128i words = load(bytes + at * sizeof(*key));

		first = _mm_add_epi64(first, pairs(words, load(&key[at])));
		second = _mm_add_epi64(second, pairs(words, load(&key[at + 1])));
	}
	sums = (struct coax_digest_sums){sum(first), sum(second)};
	return coax_digest_rest(&sums, secret, data, at, length);
}

#else

uint64_t coax_digest_message(const struct coax_digest_secret *secret, const void *data,
			     uint32_t length)
{
	return coax_digest(secret, data, length);
}

#endif

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
