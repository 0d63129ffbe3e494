// SPDX-License-Identifier: BSD-2-Clause
/* coax top: reading. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "control.h"
#include "top.h"

/* Looks a second, and slots that are looked at in a second: each is a line of cache. */
#define LOOKS_MAX     20
#define LOOKED_AT_MAX (1U << 20)

/* Of the records that userspace remembers requests in. */
#define RECORDS_MAX (1U << 16)

unsigned int top_looks(const struct top_interval *interval)
{
	uint32_t slots = interval->uses.slots.count;

	if (slots * (uint64_t)LOOKS_MAX <= LOOKED_AT_MAX)
		return LOOKS_MAX;
	return slots < LOOKED_AT_MAX ? LOOKED_AT_MAX / slots : 1;
}

/*
 * The mark stays one for who evicts. If the program, or who evicts, writes it at the same time, one
 * of the two is lost: an estimate is a little less, or a reply stays a little longer.
 */
static bool take_mark(const struct coax_slot *slot)
{
	uint8_t *used = (uint8_t *)&slot->used;

	if (__atomic_load_n(used, __ATOMIC_RELAXED) != COAX_SLOT_USED)
		return false;
	__atomic_store_n(used, COAX_SLOT_COUNTED, __ATOMIC_RELAXED);
	return true;
}

void top_look(struct top_interval *interval)
{
	const struct coax_slot *slots = interval->uses.slots.at;
	struct top_uses *uses = &interval->uses;
	uint64_t now = tool_now();

	uses->entries = 0;
	uses->looks++;
	for (uint32_t i = 0; i < uses->slots.count; i++) {
		uses->entries += __atomic_load_n(&slots[i].deadline, __ATOMIC_RELAXED) > now;
		uses->seen[i] += take_mark(&slots[i]);
	}
}

/* Sorted, what is most first; what comes later is behind what is as much. */
static void insert_resource(struct top_interval *interval, uint32_t slot)
{
	uint16_t seen = interval->uses.seen[slot];
	size_t at = interval->resource_count;

	while (at && interval->resources[at - 1].seen < seen)
		at--;
	if (at == TOP_ROWS_MAX)
		return;
	if (interval->resource_count < TOP_ROWS_MAX)
		interval->resource_count++;
	memmove(&interval->resources[at + 1], &interval->resources[at],
		(interval->resource_count - at - 1) * sizeof(interval->resources[0]));
	interval->resources[at] = (struct top_resource){.slot = slot, .seen = seen};
}

static void rank_resources(struct top_interval *interval)
{
	interval->resource_count = 0;
	for (uint32_t i = 0; i < interval->uses.slots.count; i++)
		if (interval->uses.seen[i])
			insert_resource(interval, i);
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void insert_source(struct top_interval *interval, const uint8_t address[16], uint32_t count)
{
	size_t at = interval->source_count;

	while (at && interval->sources[at - 1].count < count)
		at--;
	if (at == TOP_ROWS_MAX)
		return;
	if (interval->source_count < TOP_ROWS_MAX)
		interval->source_count++;
	memmove(&interval->sources[at + 1], &interval->sources[at],
		(interval->source_count - at - 1) * sizeof(interval->sources[0]));
	interval->sources[at].count = count;
	memcpy(interval->sources[at].address, address, 16);
}

static size_t read_sources(const struct map_view *view, uint64_t now, uint8_t (*addresses)[16])
{
	const struct coax_exchange_record *records = view->at;
	uint32_t step = view->count / RECORDS_MAX + 1;
	struct coax_exchange_record copy;
	size_t count = 0;

	for (uint32_t i = 0; i < view->count && count < RECORDS_MAX; i += step)
		if (map_copy(&records[i], &copy, sizeof(copy)) && copy.expires > now &&
		    copy.verdict != COAX_EXCHANGE_NONE)
			memcpy(addresses[count++], copy.name.peer, 16);
	return count;
}

static int rank_sources(struct top_interval *interval)
{
	const struct instance *instance = interval->instance;
	uint8_t(*addresses)[16] = calloc(RECORDS_MAX, sizeof(*addresses));
	struct map_view view;
	size_t count, same;
	int status;

	interval->source_count = 0;
	if (!addresses)
		return tool_fail(instance->tool, "no memory");
	status = map_view_open(&view, instance, "exchanges", instance->exchanges);
	if (status)
		goto out;
	count = read_sources(&view, interval->now.at, addresses);
	map_view_close(&view);
	qsort(addresses, count, sizeof(*addresses), compare_addresses);
	for (size_t i = 0; i < count; i += same) {
		for (same = 1; i + same < count; same++)
			if (memcmp(addresses[i], addresses[i + same], sizeof(*addresses)) != 0)
				break;
		insert_source(interval, addresses[i], (uint32_t)same);
	}
out:
	free(addresses);
	return status;
}

static int read_counts(const struct instance *instance, struct top_counts *counts)
{
	struct coax_config config;
	__u32 zero = 0;
	int error;

	if (bpf_map_lookup_elem(instance->config, &zero, &config))
		return instance_unreadable(instance, "config", -errno);
	error = coax_accel_read_stats(instance->stats, &counts->kernel);
	if (error)
		return instance_unreadable(instance, "stats", error);
	counts->figures = control_figures(instance->name);
	counts->at = tool_now();
	counts->answering = config.enabled && config.lease > counts->at;
	return TOOL_OK;
}

int top_begin(struct top_interval *interval, const struct instance *instance)
{
	struct top_uses *uses = &interval->uses;
	int status;

	*interval = (struct top_interval){.instance = instance};
	status = map_view_open_writable(&uses->slots, instance, "slots", instance->slots);
	if (status)
		return status;
	uses->seen = calloc(uses->slots.count, sizeof(*uses->seen));
	if (!uses->seen)
		return tool_fail(instance->tool, "no memory");
	/* What was used until now does not count. */
	top_look(interval);
	return read_counts(instance, &interval->now);
}

void top_advance(struct top_interval *interval)
{
	struct top_uses *uses = &interval->uses;

	json_decref(interval->before.figures);
	interval->before = interval->now;
	interval->now.figures = NULL;
	uses->looks = 0;
	memset(uses->seen, 0, uses->slots.count * sizeof(*uses->seen));
}

int top_read(struct top_interval *interval)
{
	int status = read_counts(interval->instance, &interval->now);

	if (status)
		return status;
	rank_resources(interval);
	interval->look_s = (double)(interval->now.at - interval->before.at) / 1e9 /
			   (interval->uses.looks ? interval->uses.looks : 1);
	return rank_sources(interval);
}

void top_end(struct top_interval *interval)
{
	json_decref(interval->before.figures);
	json_decref(interval->now.figures);
	free(interval->uses.seen);
	if (interval->uses.slots.at)
		map_view_close(&interval->uses.slots);
}
