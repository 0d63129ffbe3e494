// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program as it is, on a driver that has no room, and beside a writer with perfect timing.
 * Tests set what shall happen.
 */
#include "../../bpf/maps.h"

struct {
	__u32 no_tail; /* nothing fits behind the frame */
	__u32 no_head; /* nor in front of it */
	__u32 race;    /* userspace writes `race_slot` while the frame is resized */
	__u32 race_slot;
	__u32 race_record; /* and this one of `exchanges` */
} volatile hooks SEC(".data.hooks");

static __always_inline void hooked_race(void)
{
	struct coax_exchange_record *record;
	__u32 number = hooks.race_slot;
	struct coax_slot *slot = bpf_map_lookup_elem(&slots, &number);

	if (slot && hooks.race)
		slot->sequence += 2;
	number = hooks.race_record;
	record = bpf_map_lookup_elem(&exchanges, &number);
	if (record && hooks.race)
		record->sequence += 2;
}

static __always_inline long hooked_adjust_tail(struct xdp_md *ctx, int delta)
{
	hooked_race();
	if (delta > 0 && hooks.no_tail)
		return -1;
	return bpf_xdp_adjust_tail(ctx, delta);
}

static __always_inline long hooked_adjust_head(struct xdp_md *ctx, int delta)
{
	if (hooks.no_head)
		return -1;
	return bpf_xdp_adjust_head(ctx, delta);
}

#define bpf_xdp_adjust_tail hooked_adjust_tail
#define bpf_xdp_adjust_head hooked_adjust_head
#include "../../bpf/coax.bpf.c"
