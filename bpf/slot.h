/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slots, and how they are read while userspace may be writing them.
 */
#ifndef COAX_BPF_SLOT_H
#define COAX_BPF_SLOT_H

#include "barrier.h"
#include "key.h"
#include "maps.h"
#include "stats.h"

_Static_assert(__builtin_offsetof(struct coax_slot, key) == 64,
	       "what decides is in one cache line");
_Static_assert(__builtin_offsetof(struct coax_slot, service) % 8 == 0 &&
		       __builtin_offsetof(struct coax_slot, key_code) -
				       __builtin_offsetof(struct coax_slot, service) ==
			       __builtin_offsetof(struct coax_index_key, code) &&
		       __builtin_offsetof(struct coax_slot, key_length) -
				       __builtin_offsetof(struct coax_slot, service) ==
			       __builtin_offsetof(struct coax_index_key, length),
	       "slot_head() is laid out like struct coax_index_key");
_Static_assert(sizeof(struct coax_slot) % 64 == 0, "each slot begins a cache line");

/* What is to be sent. */
struct reply {
	struct coax_slot *slot;
	__u32 sequence;
	__u32 length; /* of the bytes after the token */
};

/* As it stands before a request in struct coax_index_key. */
static __always_inline __u64 slot_head(const struct coax_slot *slot)
{
	return *(const __u64 *)(const void *)&slot->service;
}

/*
 * Read what the slot says of its reply, if that is live and answers the request. Until
 * slot_unchanged() confirms it, all that is read may be a mixture; only the length is safe to use,
 * being checked.
 */
static __always_inline bool read_slot(__u32 number, const struct packet *packet,
				      const struct request *request, __u64 now, struct reply *reply)
{
	struct coax_slot *slot = bpf_map_lookup_elem(&slots, &number);

	if (!slot)
		return false;
	reply->slot = slot;
	reply->sequence = *(volatile __u32 *)&slot->sequence;
	if (reply->sequence & 1)
		return false;
	read_barrier();
	if (now >= slot->deadline || slot_head(slot) != request->head ||
	    !is_request(slot->key, packet, request))
		return false;
	reply->length = slot->reply_length;
	return reply->length <= COAX_REPLY_MAX;
}

static __always_inline bool slot_unchanged(const struct reply *reply)
{
	read_barrier();
	return *(volatile __u32 *)&reply->slot->sequence == reply->sequence;
}

/* Most often it is marked already, and its cache line is shared by all CPUs. */
static __always_inline void slot_mark_used(struct coax_slot *slot)
{
	if (slot->used != COAX_SLOT_USED)
		slot->used = COAX_SLOT_USED;
}

#endif
