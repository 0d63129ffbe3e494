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

/*
 * What is left out is taken out of the checksum, so that a message damaged on its way to us is not
 * rejected: its RST is damaged as well.
 */
static __always_inline enum outcome send_reset(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 words[REJECTED_MAX / sizeof(__u32)] = {};
	struct reply reply = {.type = COAX_TYPE_RST, .code = COAX_EMPTY};
	int growth = packet->request - frame_length(ctx);
	struct next_hop hop;
	enum outcome outcome;

	if (!load_bytes(ctx, packet->request, packet->request_length, words, REJECTED_MAX))
		return OUTCOME(pass_unusual);
	reply.request_sum = sum_fold(sum_words(words, REJECTED_MAX / sizeof(__u32)));
	outcome = find_route(ctx, packet, packet->request - packet->network, &hop);
	if (outcome != GO_ON)
		return outcome;
	if (growth && bpf_xdp_adjust_tail(ctx, growth))
		return OUTCOME(pass_no_room);
	if (!turn_to(ctx, &hop) || !write_headers(ctx, packet, &reply, packet->request))
		return OUTCOME(drop_raced);
	return packet->reset;
}

#endif
