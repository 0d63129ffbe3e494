/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RFC 7252 section 5.7.1: what comes from another origin goes out with the time that is left of it.
 * Apart from the way of all other replies, to which it costs one look at the slot.
 */
#ifndef COAX_BPF_AGE_H
#define COAX_BPF_AGE_H

#include "checksum.h"
#include "packet.h"
#include "slot.h"

#define NS_PER_SEC 1000000000ULL

static __always_inline bool reply_ages(const struct reply *reply)
{
	return __builtin_expect(reply->slot->max_age_length != 0, 0);
}

static __always_inline __u32 seconds_left(const struct coax_slot *slot)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	return now < slot->deadline ? (slot->deadline - now) / NS_PER_SEC : 0;
}

/*
 * Into a reply that is written but for this: where Max-Age goes are zeros, so the checksum lacks
 * only its sum. What a writer has left torn is not sent, but has to fit. Returns whether it did.
 */
static __always_inline bool write_max_age(struct xdp_md *ctx, const struct packet *packet,
					  const struct reply *reply)
{
	struct udphdr *udp = udp_header(packet);
	__u64 last = (__u64)reply->slot->max_age_length - 1;
	__u32 at = reply->slot->max_age_at;
	__be32 value;

	OPAQUE(last);
	if (last >= sizeof(value) || at + last >= reply->length || (void *)(udp + 1) > packet->end)
		return false;
	/* Its bytes come first in the word, zeros behind them. */
	value = bpf_htonl(seconds_left(reply->slot) << 8 * (sizeof(value) - 1 - last));
	udp->check = sum_check(sum_without(udp->check) +
			       sum_at(packet->token_length + at, sum_fold(value)));
	return store_bytes(ctx, packet->request + at, &value, last + 1, sizeof(value));
}

#endif
