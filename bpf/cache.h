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

#define NO_SLOT 0xffffffff

static __always_inline __u32 *hint_of(const struct request *request)
{
	__u32 place = request->hash >> (64 - coax_setup.hint_bits);

	return bpf_map_lookup_elem(&hints, &place);
}

/*
 * The number of a slot, or one beyond all. A function of its own, for the stack's sake. `kind`:
 * the service, and above it the code.
 */
__noinline __u32 look_up_index(struct xdp_md *ctx, __u64 kind, __u64 request, __u64 length)
{
	struct coax_index_key key = {.service = kind, .code = kind >> 32, .length = length};
	const struct coax_index_value *entry;

	if (!load_bytes(ctx, request, length, key.request, COAX_KEY_MAX))
		return NO_SLOT;
	entry = bpf_map_lookup_elem(&request_index, &key);
	return entry ? entry->slot : NO_SLOT;
}

static __always_inline enum outcome find_reply(struct xdp_md *ctx, const struct packet *packet,
					       __u64 now, struct reply *reply)
{
	struct request request;
	__u32 number;
	__u32 *hint;

	if (!read_request(packet, &request))
		return OUTCOME(pass_unusual);
	hint = hint_of(&request);
	if (!hint)
		return OUTCOME(pass_unknown);
	if (read_slot(*hint, packet, &request, now, reply))
		return GO_ON;

	number = look_up_index(ctx, packet->service | (__u64)packet->code << 32, packet->request,
			       packet->request_length);
	if (number == NO_SLOT)
		return OUTCOME(pass_unknown);
	if (!read_slot(number, packet, &request, now, reply))
		return OUTCOME(pass_withdrawn);
	*hint = number;
	return GO_ON;
}

#endif
