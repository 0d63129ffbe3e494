/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is there room? Drivers leave some behind the frame or in front of it, and say how much only by
 * refusing.
 */
#ifndef COAX_BPF_ROOM_H
#define COAX_BPF_ROOM_H

#include "packet.h"
#include "stats.h"

/*
 * Move the first `length` bytes of what was the frame to the start of what it is now. Returns
 * whether it could. A function of its own, for the stack's sake.
 */
__noinline int move_headers(struct xdp_md *ctx, __u32 from, __u64 length)
{
	/* Early kernels of the 6.1 series take no memory that a part of might stay unwritten. */
	__u8 headers[HEADERS_MAX] = {0};

	OPAQUE(length);
	if (length < 2 || length > sizeof(headers))
		return 0;
	return !bpf_xdp_load_bytes(ctx, from, headers, length) &&
	       !bpf_xdp_store_bytes(ctx, 0, headers, length);
}

/*
 * Make the frame `length` bytes long, its headers and token where they were. Returns GO_ON, or
 * that it passes and is as it was.
 *
 * Frames in several buffers pass, as those cannot be made longer or shorter like others. Who asks
 * the kernel pays for a call; with most frames, their growth tells.
 */
static __always_inline enum outcome make_room(struct xdp_md *ctx, struct packet *packet,
					      __u32 length)
{
	int growth = length - frame_length(packet);

	if (growth <= 0 && !is_one_buffer(ctx, packet))
		return OUTCOME(pass_unusual);
	if (!growth)
		return GO_ON;
	if (!bpf_xdp_adjust_tail(ctx, growth)) {
		find_frame(ctx, packet);
		find_headers(packet);
		if (frame_length(packet) == length)
			return GO_ON;
		/* It was another buffer that grew. */
		return bpf_xdp_adjust_tail(ctx, -growth) ? OUTCOME(drop_raced)
							 : OUTCOME(pass_unusual);
	}
	if (growth < 0 || !is_one_buffer(ctx, packet) || bpf_xdp_adjust_head(ctx, -growth))
		return OUTCOME(pass_no_room);
	if (!move_headers(ctx, growth, packet->request))
		return OUTCOME(drop_raced);
	find_frame(ctx, packet);
	find_headers(packet);
	return GO_ON;
}

#endif
