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

static __always_inline enum xdp_action action_of(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME(reply):
	case OUTCOME(pong):
	case OUTCOME(repeat):
	case OUTCOME(reset_token):
	case OUTCOME(reset_code):
	case OUTCOME(reset_empty):
	case OUTCOME(hello):
		return XDP_TX;
	case OUTCOME(drop_raced):
	case OUTCOME(drop_denied):
	case OUTCOME(drop_reflector):
	case OUTCOME(drop_own):
	case OUTCOME(drop_source):
	case OUTCOME(drop_requests):
	case OUTCOME(drop_strangers):
	case OUTCOME(drop_amplified):
	case OUTCOME(drop_duplicate):
	case OUTCOME(drop_short):
	case OUTCOME(drop_version):
	case OUTCOME(drop_token):
	case OUTCOME(drop_code):
	case OUTCOME(drop_empty):
	case OUTCOME(drop_record):
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

#endif
