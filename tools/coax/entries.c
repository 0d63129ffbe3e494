// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <coax/option.h>
#include "entries.h"

/* How often a reply that is being rewritten is looked at again. */
#define READ_TRIES 1000

struct slots {
	const struct coax_slot *at;
	size_t bytes;
	uint32_t count;
};

static int map_slots(const struct instance *instance, struct slots *slots)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	if (bpf_obj_get_info_by_fd(instance->slots, &info, &length))
		return instance_unreadable(instance, "slots", -errno);
	slots->count = info.max_entries;
	slots->bytes = ((size_t)info.max_entries * sizeof(struct coax_slot) + page - 1) & -page;
	at = mmap(NULL, slots->bytes, PROT_READ, MAP_SHARED, instance->slots, 0);
	if (at == MAP_FAILED)
		return instance_unreadable(instance, "slots", -errno);
	slots->at = at;
	return TOOL_OK;
}

/*
 * A consistent copy under the slot's sequence lock. Returns false when it was being written at each
 * of many tries.
 */
static bool read_slot(const struct coax_slot *slot, struct coax_slot *copy)
{
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(copy, slot, sizeof(*copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}

/* The slot may have been given to another request since. */
static bool holds_key(const struct coax_slot *slot, const struct coax_index_key *key)
{
	return slot->service == key->service && slot->key_code == key->code &&
	       slot->key_length == key->length &&
	       memcmp(slot->key, key->request, sizeof(slot->key)) == 0;
}

/* A published request or reply has neither token nor message ID: see it with an empty token. */
static bool parse_rest(struct coax_message *message, uint8_t *buffer, uint8_t code,
		       const uint8_t *rest, size_t length)
{
	const uint8_t header[COAX_HEADER_SIZE] = {COAX_VERSION << 6, code};

	memcpy(buffer, header, sizeof(header));
	memcpy(buffer + sizeof(header), rest, length);
	return coax_message_parse(message, buffer, sizeof(header) + length) == 0;
}

static void describe_reply(struct entry *entry, const struct coax_slot *slot)
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_REPLY_MAX];
	struct coax_message reply;
	struct coax_option option;

	if (slot->reply_length > COAX_REPLY_MAX ||
	    !parse_rest(&reply, buffer, slot->reply_code, slot->reply, slot->reply_length))
		return;
	entry->has_reply = true;
	entry->code = slot->reply_code;
	entry->used = slot->used;
	entry->reply_length = slot->reply_length;
	entry->published = slot->published;
	entry->deadline = slot->deadline;
	coax_message_payload(&reply, &entry->size);
	if (coax_message_find(&reply, COAX_ETAG, &option) && option.length <= sizeof(entry->etag)) {
		memcpy(entry->etag, option.value, option.length);
		entry->etag_length = option.length;
	}
}

static void fill_entry(struct entry *entry, const struct slots *slots,
		       const struct coax_index_value *value, uint64_t now)
{
	struct coax_slot slot;

	memcpy(entry->method, value->method, sizeof(value->method));
	memcpy(entry->uri, value->uri, sizeof(value->uri));
	entry->state = ENTRY_WITHDRAWN;
	if (value->slot >= slots->count)
		return;
	if (!read_slot(&slots->at[value->slot], &slot)) {
		entry->state = ENTRY_BUSY;
		return;
	}
	if (!holds_key(&slot, &entry->key))
		return;
	describe_reply(entry, &slot);
	if (!slot.deadline)
		return;
	entry->state = slot.deadline > now ? ENTRY_VALID : ENTRY_EXPIRED;
}

static struct entry *add_entry(struct entries *entries)
{
	size_t capacity = entries->capacity ? entries->capacity * 2 : 64;
	struct entry *grown;

	if (entries->count == entries->capacity) {
		grown = reallocarray(entries->at, capacity, sizeof(*grown));
		if (!grown)
			return NULL;
		entries->at = grown;
		entries->capacity = capacity;
	}
	memset(&entries->at[entries->count], 0, sizeof(*entries->at));
	return &entries->at[entries->count++];
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->uri, y->uri);

	if (!order)
		order = strcmp(x->method, y->method);
	return order ? order : memcmp(&x->key, &y->key, sizeof(x->key));
}

/* A walk begins anew when the key that it stands on is deleted, and so may meet a key twice. */
static void sort_entries(struct entries *entries)
{
	size_t kept = 0;

	if (!entries->count)
		return;
	qsort(entries->at, entries->count, sizeof(*entries->at), compare_entries);
	for (size_t i = 1; i < entries->count; i++) {
		if (compare_entries(&entries->at[kept], &entries->at[i]) != 0)
			entries->at[++kept] = entries->at[i];
	}
	entries->count = kept + 1;
}

static int walk_index(const struct instance *instance, const struct slots *slots, uint64_t now,
		      struct entries *entries)
{
	struct coax_index_key key, *from = NULL;
	struct coax_index_value value;
	struct entry *entry;

	/* Twice the room bounds a walk that deletions make begin anew. */
	for (uint64_t step = 0; step < 2 * (uint64_t)slots->count; step++) {
		if (bpf_map_get_next_key(instance->index, from, &key))
			break;
		from = &key;
		if (bpf_map_lookup_elem(instance->index, &key, &value))
			continue;
		entry = add_entry(entries);
		if (!entry)
			return tool_fail(instance->tool, "no memory for %zu entries",
					 entries->count);
		entry->key = key;
		fill_entry(entry, slots, &value, now);
	}
	sort_entries(entries);
	return TOOL_OK;
}

int entries_read(const struct instance *instance, uint64_t now, struct entries *entries)
{
	struct slots slots = {0};
	int status = map_slots(instance, &slots);

	if (status)
		return status;
	status = walk_index(instance, &slots, now, entries);
	munmap((void *)slots.at, slots.bytes);
	return status;
}

void entries_free(struct entries *entries)
{
	free(entries->at);
}

bool entry_request(const struct entry *entry, struct coax_message *request,
		   uint8_t buffer[COAX_HEADER_SIZE + COAX_KEY_MAX])
{
	return entry->key.length <= COAX_KEY_MAX &&
	       parse_rest(request, buffer, entry->key.code, entry->key.request, entry->key.length);
}
