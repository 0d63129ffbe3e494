/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RST, for pings and for CONs that are rejected. It is the header alone, so it is never longer than
 * what it answers; and as nobody reacts to it, it is the last.
 */
#ifndef COAX_BPF_RESET_H
#define COAX_BPF_RESET_H

#include "checksum.h"
#include "message.h"
#include "packet.h"
#include "slot.h"
#include "stats.h"

/* What is left out is taken out of the checksum, so that a message damaged on its way to us is not
 * rejected: its RST is damaged as well. */
static __always_inline enum outcome make_reset(struct xdp_md *ctx, const struct packet *packet,
					       struct reply *reply)
{
	__u32 words[REJECTED_MAX / sizeof(__u32)] = {};

	if (!load_bytes(ctx, packet->request, packet->request_length, words, REJECTED_MAX))
		return OUTCOME(pass_unusual);
	*reply = (struct reply){
		.type = COAX_TYPE_RST,
		.code = COAX_EMPTY,
		.request_sum = sum_fold(sum_words(words, REJECTED_MAX / sizeof(__u32))),
	};
	return GO_ON;
}

#endif
