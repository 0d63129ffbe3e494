// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "entries.h"
#include "maps.h"

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

static void fill_entry(struct entry *entry, const struct map_view *slots,
		       const struct coax_index_value *value, uint64_t now)
{
	const struct coax_slot *all = slots->at;
	struct coax_slot slot;

	memcpy(entry->method, value->method, sizeof(value->method));
	memcpy(entry->uri, value->uri, sizeof(value->uri));
	entry->state = ENTRY_WITHDRAWN;
	if (value->slot >= slots->count)
		return;
	if (!map_copy(&all[value->slot], &slot, sizeof(slot))) {
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

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->uri, y->uri);

	if (!order)
		order = strcmp(x->method, y->method);
	return order ? order : memcmp(&x->key, &y->key, sizeof(x->key));
}

/* A walk may meet a key twice. */
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

static int walk_index(const struct instance *instance, const struct map_view *slots, uint64_t now,
		      struct entries *entries)
{
	struct map_walk walk = {.map = instance->index, .most = 2 * (size_t)slots->count};
	struct entry entry = {0};
	struct coax_index_value value;

	while (map_walk_next(&walk, &entry.key)) {
		if (bpf_map_lookup_elem(instance->index, &entry.key, &value))
			continue;
		fill_entry(&entry, slots, &value, now);
		if (map_append(&entries->at, &entries->count, &entry, sizeof(entry)))
			return tool_fail(instance->tool, "no memory for %zu entries",
					 entries->count);
		entry = (struct entry){.key = entry.key};
	}
	sort_entries(entries);
	return TOOL_OK;
}

int entries_read(const struct instance *instance, uint64_t now, struct entries *entries)
{
	struct map_view slots;
	int status = map_view_open(&slots, instance, "slots", instance->slots);

	if (status)
		return status;
	status = walk_index(instance, &slots, now, entries);
	map_view_close(&slots);
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
