/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What became of a packet. Each outcome is the number of its counter in struct coax_stats, and
 * decides what the driver does with the frame.
 */
#ifndef COAX_BPF_STATS_H
#define COAX_BPF_STATS_H

#include "maps.h"
#include "packet.h"

#define OUTCOME(name) OUTCOME_##name

enum outcome {
#define OUTCOME_OF(name, text) OUTCOME(name),
	COAX_STATS(OUTCOME_OF)
#undef OUTCOME_OF
	OUTCOMES
};

/* A step that has found nothing against going on. No packet ends so: it counts all packets. */
#define GO_ON OUTCOME(packets)

/* Functions of the program's own return anything, as far as Linux 6.1 knows. */
static __always_inline void count(enum outcome outcome)
{
	const __u32 only = 0;
	__u64 *counters = bpf_map_lookup_elem(&stats, &only);
	__u64 number = outcome;

	OPAQUE(number);
	if (!counters || number >= OUTCOMES)
		return;
	counters[OUTCOME(packets)]++;
	counters[number]++;
}

/* One that was counted otherwise, by nobody's intention, passes. */
static __always_inline enum xdp_action action_of(enum outcome outcome)
{
	if (outcome >= OUTCOME(reply) && outcome < OUTCOME(drop_duplicate))
		return XDP_TX;
	if (outcome >= OUTCOME(drop_duplicate) && outcome < OUTCOME(pass_disabled))
		return XDP_DROP;
	return XDP_PASS;
}

#endif
