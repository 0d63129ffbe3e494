// SPDX-License-Identifier: BSD-2-Clause
/* The endpoints again, where the program finds them fast. */
#include <string.h>
#include "accel/internal.h"
#include "accel/sequence.h"

static uint32_t bucket_of(const struct coax_endpoint_key *key)
{
	uint32_t words[sizeof(*key) / sizeof(uint32_t)];

	memcpy(words, key, sizeof(words));
	return coax_nearby_bucket(words);
}

static void fill(struct coax_nearby *bucket, const struct coax_accel *accel, uint32_t number)
{
	size_t used = 0;

	*bucket = (struct coax_nearby){.complete = 1};
	for (size_t i = 0; i < accel->endpoint_count; i++) {
		const struct accel_endpoint *endpoint = &accel->endpoints[i];

		if (bucket_of(&endpoint->key) != number)
			continue;
		if (used == COAX_NEARBY_WAYS) {
			bucket->complete = 0;
			return;
		}
		bucket->key[used] = endpoint->key;
		bucket->service[used++] = endpoint->value.service;
	}
}

static void write_bucket(struct coax_nearby *bucket, const struct coax_nearby *wanted)
{
	accel_sequence_begin(&bucket->sequence);
	bucket->complete = wanted->complete;
	memcpy(bucket->key, wanted->key, sizeof(bucket->key));
	memcpy(bucket->service, wanted->service, sizeof(bucket->service));
	accel_sequence_end(&bucket->sequence);
}

void accel_nearby_sync(struct coax_accel *accel)
{
	struct coax_nearby wanted;

	for (uint32_t i = 0; i < COAX_NEARBY_BUCKETS; i++) {
		struct coax_nearby *bucket = &accel->nearby[i];

		fill(&wanted, accel, i);
		wanted.sequence = bucket->sequence & ~1U;
		if (memcmp(bucket, &wanted, sizeof(wanted)) != 0)
			write_bucket(bucket, &wanted);
	}
}
