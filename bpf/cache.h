/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Do we know the answer? The request leads through `index` to a slot, and the slot decides: the
 * index entry may have been reused since it was found, the slot may be another request's by now.
 *
 * As the slot decides, it does not matter how it was found. So the program remembers where it
 * found one last, by a hash that costs a fraction of the map's; who forges collisions gets what he
 * would have had without.
 */
#ifndef COAX_BPF_CACHE_H
#define COAX_BPF_CACHE_H

#include "key.h"
#include "slot.h"

static __always_inline __u32 *hint_of(const union request_key *key)
{
	__u32 place = hash_key(key) >> (64 - coax_setup.hint_bits);

	return bpf_map_lookup_elem(&hints, &place);
}

static __always_inline enum outcome
find_reply(const struct xdp_md *ctx, const struct packet *packet, __u64 now, struct reply *reply)
{
	const struct coax_index_value *entry;
	union request_key key;
	__u32 number;
	__u32 *hint;

	if (!read_key(ctx, packet, &key))
		return OUTCOME(pass_unusual);
	reply->type = packet->type == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON;
	hint = hint_of(&key);
	if (!hint)
		return OUTCOME(pass_unknown);
	if (read_slot(*hint, &key, now, reply))
		return GO_ON;

	entry = bpf_map_lookup_elem(&request_index, &key);
	if (!entry)
		return OUTCOME(pass_unknown);
	number = entry->slot;
	if (!read_slot(number, &key, now, reply))
		return OUTCOME(pass_withdrawn);
	*hint = number;
	return GO_ON;
}

#endif
