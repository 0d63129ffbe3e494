/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RST, for pings and for CONs that are rejected. It is the header alone, so it is never longer than
 * what it answers: there is room, and nobody gains by forging the source. As nobody reacts to it,
 * it is the last.
 */
#ifndef COAX_BPF_RESET_H
#define COAX_BPF_RESET_H

#include "checksum.h"
#include "message.h"
#include "packet.h"
#include "reply.h"
#include "stats.h"

/* Of what is behind the header, or a negative errno. A function of its own, for the stack's sake.
 */
__noinline int sum_rejected(struct xdp_md *ctx, __u64 from, __u64 length)
{
	__u32 words[REJECTED_MAX / sizeof(__u32)] = {};

	if (!load_bytes(ctx, from, length, words, REJECTED_MAX))
		return -1;
	return sum_fold(sum_words(words, REJECTED_MAX / sizeof(__u32)));
}

/*
 * What is left out is taken out of the checksum, so that a message damaged on its way to us is not
 * rejected: its RST is damaged as well.
 */
static __always_inline enum outcome send_reset(struct xdp_md *ctx, struct packet *packet)
{
	int sum = sum_rejected(ctx, packet->request, packet->request_length);
	struct change change = {.type = COAX_TYPE_RST, .code = COAX_EMPTY, .request_sum = sum};
	union next_hop hop;
	enum outcome outcome;

	if (sum < 0)
		return OUTCOME(pass_unusual);
	outcome = make_way(ctx, packet, packet->request, &hop);
	if (outcome != GO_ON)
		return outcome;
	if (!turn_to(packet, &hop) || !write_headers(ctx, packet, &change, packet->request))
		return OUTCOME(drop_raced);
	return packet->reset;
}

#endif
