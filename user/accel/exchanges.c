// SPDX-License-Identifier: BSD-2-Clause
/*
 * What duplicates get from the kernel: records in `exchanges`, written by plain stores.
 *
 * A record that another thread is writing is left to that: it is being given to another message.
 * Losing one only means that duplicates come up.
 */
#include <string.h>
#include "accel/internal.h"
#include "accel/sequence.h"
#include "mapped.h"

#define NAME_WORDS 5

union name {
	struct coax_exchange_name name;
	uint64_t words[NAME_WORDS];
};

_Static_assert(sizeof(union name) == sizeof(struct coax_exchange_name), "without padding");

/* Nobody handles any more what a former process held. What it answered, it answered. */
void accel_exchanges_inherit(struct coax_accel *accel)
{
	for (uint32_t i = 0; i < accel->exchange_count; i++) {
		struct coax_exchange_record *record = &accel->exchanges[i];

		if (!(record->sequence & 1) && record->verdict != COAX_EXCHANGE_HELD)
			continue;
		record->verdict = COAX_EXCHANGE_NONE;
		record->expires = 0;
		record->sequence = (record->sequence | 1) + 1;
	}
}

/* Returns whether the kernel can know such a message. */
static bool make_name(const struct coax_accel_verdict *verdict, union name *name)
{
	const union coax_address *remote = verdict->remote, *local = verdict->local;
	struct coax_exchange_name *n = &name->name;

	n->peer_port = coax_address_port(remote);
	n->local_port = coax_address_port(local);
	n->message_id = verdict->message_id;
	n->zone = 0;
	if (remote->sa.sa_family != local->sa.sa_family)
		return false;
	if (remote->sa.sa_family != AF_INET && remote->sa.sa_family != AF_INET6)
		return false;
	coax_mapped_address(n->peer, remote);
	coax_mapped_address(n->local, local);
	if (remote->sa.sa_family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&remote->in6.sin6_addr))
		return true;
	n->zone = (uint16_t)verdict->ifindex;
	return verdict->ifindex && n->zone == verdict->ifindex;
}

/* Other threads read names while they look for theirs. */
static bool has_name(const struct coax_exchange_record *record, const union name *name)
{
	const uint64_t *words = (const uint64_t *)&record->name;
	uint64_t difference = 0;

	for (int i = 0; i < NAME_WORDS; i++)
		difference |= __atomic_load_n(&words[i], __ATOMIC_RELAXED) ^ name->words[i];
	return !difference;
}

static uint64_t expires(const struct coax_exchange_record *record)
{
	return __atomic_load_n(&record->expires, __ATOMIC_RELAXED);
}

static struct coax_exchange_record *find(struct coax_exchange_record *set, const union name *name)
{
	for (int way = 0; way < COAX_EXCHANGE_WAYS; way++)
		if (has_name(&set[way], name))
			return &set[way];
	return NULL;
}

/* What is free or has expired, or would first. */
static struct coax_exchange_record *oldest(struct coax_exchange_record *set)
{
	struct coax_exchange_record *found = set;

	for (int way = 1; way < COAX_EXCHANGE_WAYS; way++)
		if (expires(&set[way]) < expires(found))
			found = &set[way];
	return found;
}

static void withdraw(struct coax_exchange_record *record, const union name *name)
{
	if (!accel_sequence_try(&record->sequence))
		return;
	if (has_name(record, name)) {
		record->verdict = COAX_EXCHANGE_NONE;
		__atomic_store_n(&record->expires, 0, __ATOMIC_RELAXED);
	}
	accel_sequence_end(&record->sequence);
}

static void write_record(struct coax_exchange_record *record, const union name *name,
			 const struct coax_exchange_record *wanted)
{
	uint64_t *words = (uint64_t *)&record->name;

	if (!accel_sequence_try(&record->sequence))
		return;
	for (int i = 0; i < NAME_WORDS; i++)
		__atomic_store_n(&words[i], name->words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&record->expires, wanted->expires, __ATOMIC_RELAXED);
	record->digest = wanted->digest;
	record->verdict = wanted->verdict;
	record->reply_length = wanted->reply_length;
	record->reply_sum = wanted->reply_sum;
	memcpy(record->reply, wanted->reply, wanted->reply_length);
	accel_sequence_end(&record->sequence);
}

static void settle(struct coax_exchange_record *set, const struct coax_exchange_record *wanted)
{
	const union name name = {.name = wanted->name};
	struct coax_exchange_record *record = find(set, &name);

	if (wanted->verdict != COAX_EXCHANGE_NONE)
		write_record(record ? record : oldest(set), &name, wanted);
	else if (record)
		withdraw(record, &name);
}

void coax_accel_settle(struct coax_accel_verdicts *verdicts)
{
	for (uint32_t i = 0; i < verdicts->count; i++)
		settle(verdicts->at[i].set, &verdicts->at[i].record);
	verdicts->count = 0;
}

/* Of each record what decides, and the beginning of the reply. */
static void prefetch(const struct coax_exchange_record *set)
{
	for (int way = 0; way < COAX_EXCHANGE_WAYS; way++) {
		__builtin_prefetch(&set[way], 1);
		__builtin_prefetch(&set[way].reply_sum, 1);
	}
}

static void fill_record(struct coax_exchange_record *record,
			const struct coax_accel_verdict *verdict)
{
	record->verdict = verdict->verdict;
	record->expires = verdict->expires;
	record->digest = verdict->digest;
	record->reply_length = (uint16_t)verdict->reply_length;
	record->reply_sum = 0;
	if (verdict->reply_length > COAX_REPEAT_MAX) {
		record->verdict = COAX_EXCHANGE_NONE;
		record->reply_length = 0;
	} else if (verdict->reply_length) {
		record->reply_sum = accel_sum(verdict->reply, verdict->reply_length);
		memcpy(record->reply, verdict->reply, verdict->reply_length);
	}
}

void coax_accel_decide(struct coax_accel *accel, struct coax_accel_verdicts *verdicts,
		       const struct coax_accel_verdict *verdict)
{
	struct coax_exchange_record *set;
	union name name;
	uint64_t hash;

	if (!make_name(verdict, &name))
		return;
	hash = coax_digest(&accel->secret.digest, &name, sizeof(name));
	set = &accel->exchanges[hash & (accel->exchange_count - 1) &
				~(uint64_t)(COAX_EXCHANGE_WAYS - 1)];
	prefetch(set);
	if (verdicts->count == COAX_ACCEL_VERDICTS_MAX)
		coax_accel_settle(verdicts);
	verdicts->at[verdicts->count].set = set;
	verdicts->at[verdicts->count].record.name = name.name;
	fill_record(&verdicts->at[verdicts->count].record, verdict);
	verdicts->count++;
}
