/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is there room? Drivers leave some behind the frame or in front of it, and say how much only by
 * refusing.
 */
#ifndef COAX_BPF_ROOM_H
#define COAX_BPF_ROOM_H

#include "packet.h"
#include "stats.h"

/* Move the first `length` bytes of what was the frame to the start of what it is now. */
static __always_inline bool move_headers(struct xdp_md *ctx, __u32 from, __u64 length)
{
	__u8 headers[HEADERS_MAX];

	OPAQUE(length);
	if (length < 2 || length > sizeof(headers))
		return false;
	return !bpf_xdp_load_bytes(ctx, from, headers, length) &&
	       !bpf_xdp_store_bytes(ctx, 0, headers, length);
}

/*
 * Make the frame `length` bytes long, its headers and token where they were. Returns GO_ON, or
 * OUTCOME(pass_no_room) and the frame is as it was.
 */
static __always_inline enum outcome make_room(struct xdp_md *ctx, const struct packet *packet,
					      __u32 length)
{
	int growth = length - frame_length(ctx);

	if (!growth || !bpf_xdp_adjust_tail(ctx, growth))
		return GO_ON;
	if (growth < 0 || bpf_xdp_adjust_head(ctx, -growth))
		return OUTCOME(pass_no_room);
	return move_headers(ctx, growth, packet->request) ? GO_ON : OUTCOME(drop_raced);
}

#endif
