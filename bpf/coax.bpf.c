// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half: answers requests by what userspace has published, in the driver's receive path.
 *
 * It is never wrong, only incomplete. In doubt, a packet goes up to userspace as it came.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include "maps.h"
#include "stats.h"
#include "packet.h"
#include "parse.h"
#include "endpoint.h"
#include "datagram.h"
#include "message.h"
#include "cache.h"
#include "reply.h"
#include "dedup.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline const volatile struct coax_config *configuration(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&config, &only);
}

static __always_inline enum outcome answer(struct xdp_md *ctx)
{
	const volatile struct coax_config *switches = configuration();
	struct packet packet;
	struct reply reply;
	enum outcome outcome;
	__u64 now;

	if (!switches || !switches->enabled || switches->owner != coax_setup.owner)
		return OUTCOME(pass_disabled);

	outcome = parse_packet(ctx, &packet);
	if (outcome != GO_ON)
		return outcome;
	outcome = find_endpoint(ctx, &packet);
	if (outcome != GO_ON)
		return outcome;
	outcome = check_datagram(ctx, &packet);
	if (outcome != GO_ON)
		return outcome;
	outcome = parse_message(ctx, &packet);
	if (outcome != GO_ON && !may_be_duplicate(outcome))
		return outcome;

	now = bpf_ktime_get_coarse_ns();
	if (now >= switches->lease)
		return OUTCOME(pass_lease);

	if (outcome == GO_ON) {
		if (is_ping(&packet))
			make_pong(&reply);
		else
			outcome = find_reply(ctx, &packet, now, &reply);
	}
	if (outcome == GO_ON)
		return send_reply(ctx, &packet, &reply);
	if (may_be_duplicate(outcome))
		return repeat(ctx, &packet, now, switches->exchanges, outcome);
	return outcome;
}

/*
 * Multi-buffer frames (xdp.frags) are taken so that it attaches to interfaces with a large MTU. All
 * that it answers lies in the first buffer; whatever reaches beyond passes.
 */
SEC("xdp.frags")
int coax_xdp(struct xdp_md *ctx)
{
	enum outcome outcome = answer(ctx);

	count(outcome);
	return action_of(outcome);
}
