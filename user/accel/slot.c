// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include <time.h>
#include "accel/internal.h"
#include "accel/sequence.h"
#include "clock.h"

uint64_t accel_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

uint16_t accel_sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint64_t total = 0;
	uint16_t word;
	size_t at = 0;

	for (; length - at >= 2; at += 2) {
		memcpy(&word, bytes + at, 2);
		total += word;
	}
	if (at < length) {
		word = 0;
		memcpy(&word, bytes + at, 1);
		total += word;
	}
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

void accel_slot_write(struct coax_slot *slot, uint8_t key_code, const void *key, size_t key_length,
		      uint8_t reply_code, const void *reply, size_t reply_length,
		      const struct accel_freshness *freshness)
{
	uint16_t key_sum = accel_sum(key, key_length);
	uint16_t reply_sum = accel_sum(reply, reply_length);

	accel_sequence_begin(&slot->sequence);
	slot->service = ACCEL_SERVICE;
	slot->key_length = (uint16_t)key_length;
	slot->reply_length = (uint16_t)reply_length;
	slot->key_sum = key_sum;
	slot->reply_sum = reply_sum;
	slot->key_code = key_code;
	slot->reply_code = reply_code;
	slot->max_age_length = freshness->max_age_length;
	slot->max_age_at = freshness->max_age_at;
	slot->published = accel_now();
	memcpy(slot->key, key, key_length);
	memset(slot->key + key_length, 0, COAX_KEY_MAX - key_length);
	memcpy(slot->reply, reply, reply_length);
	__atomic_store_n(&slot->deadline, freshness->deadline, __ATOMIC_RELAXED);
	accel_sequence_end(&slot->sequence);
}

void accel_slot_withdraw(struct coax_slot *slot)
{
	accel_sequence_begin(&slot->sequence);
	__atomic_store_n(&slot->deadline, 0, __ATOMIC_RELAXED);
	accel_sequence_end(&slot->sequence);
}

bool accel_slot_is_withdrawn(const struct coax_slot *slot)
{
	return !__atomic_load_n(&slot->deadline, __ATOMIC_RELAXED);
}

void accel_slot_reset(struct coax_slot *slot)
{
	if (slot->sequence & 1 || slot->deadline)
		accel_slot_withdraw(slot);
}
