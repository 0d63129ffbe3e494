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
#include "guard.h"
#include "reply.h"
#include "dedup.h"
#include "reset.h"
#include "hello.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline const struct coax_config *configuration(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&config, &only);
}

/* Words that userspace changes while this runs: read once, each time. */
#define SWITCH(config, name) (*(const volatile __typeof__((config)->name) *)&(config)->name)

/* The reply has been found: it is sent if its receiver may get so much. */
static __always_inline enum outcome send_limited(struct xdp_md *ctx, const struct packet *packet,
						 const struct coax_guard_config *guard,
						 const struct reply *reply, __u64 now)
{
	__u64 length = packet->request - packet->transport - sizeof(struct udphdr) + reply->length;
	enum outcome outcome;

	if (!is_amplified(packet, reply, guard)) {
		if (is_time_to_note(guard, now))
			note_hit(ctx, address_place(packet), now);
		return send_reply(ctx, packet, reply);
	}
	outcome = limit_reply(ctx, address_place(packet), length, now);
	if (outcome != GO_ON)
		return outcome;
	outcome = send_reply(ctx, packet, reply);
	if (action_of(outcome) == XDP_PASS)
		refund_reply(ctx, address_place(packet), length);
	return outcome;
}

/* `outcome`: what parse_message() has said. */
static __always_inline enum outcome look_up(struct xdp_md *ctx, struct packet *packet,
					    const struct coax_config *config, __u64 now,
					    enum outcome outcome)
{
	struct reply reply;

	if (outcome == GO_ON) {
		if (packet->reset)
			return send_reset(ctx, packet);
		outcome = find_reply(ctx, packet, now, &reply);
	}
	if (outcome == GO_ON)
		return send_limited(ctx, packet, &config->guard, &reply, now + TICK_MAX);
	if (may_be_duplicate(outcome))
		return repeat(ctx, packet, now, SWITCH(config, exchanges), outcome);
	return outcome;
}

/* It is a plain datagram to an endpoint of ours, from somebody who may be answered. */
static __always_inline enum outcome respond(struct xdp_md *ctx, struct packet *packet,
					    const struct coax_config *config, __u64 now)
{
	enum outcome parsed = parse_message(ctx, packet);
	enum outcome outcome;

	if (parsed == GO_ON && is_from_server(packet))
		return OUTCOME(pass_server_port);
	/* What reacts to us is no request. */
	if (parsed == OUTCOME(pass_message))
		return parsed;
	if (config->guard.requests.cost) {
		outcome = limit_requests(ctx, address_place(packet), now + TICK_MAX);
		if (outcome != GO_ON)
			return outcome;
	}
	outcome = look_up(ctx, packet, config, now, parsed);
	if (config->guard.requests.cost && action_of(outcome) == XDP_PASS)
		refund_request(ctx, address_place(packet));
	return outcome;
}

/* Whether userspace gets it, as one of those that strangers have a share of. */
static __always_inline bool goes_up(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME(pass_limited):
	case OUTCOME(pass_cookie):
	case OUTCOME(pass_session):
		return false;
	default:
		return action_of(outcome) == XDP_PASS;
	}
}

/*
 * What is odd about a datagram to us is no way past the share of strangers. A function of its own,
 * as the verifier knows little of such a packet.
 */
__noinline int share_odd(struct xdp_md *ctx, __u64 place, __u32 outcome)
{
	const struct coax_config *config = configuration();
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!config || now >= SWITCH(config, lease) || !config->guard.strangers.cost ||
	    !goes_up(outcome))
		return outcome;
	return limit_strangers(ctx, place, now + TICK_MAX, outcome);
}

static __always_inline enum outcome answer(struct xdp_md *ctx)
{
	const struct coax_config *config = configuration();
	struct packet packet;
	enum outcome outcome;
	__u64 now;

	if (!config || !SWITCH(config, enabled) || SWITCH(config, owner) != coax_setup.owner)
		return OUTCOME(pass_disabled);

	outcome = parse_packet(ctx, &packet);
	if (outcome != GO_ON)
		return outcome;
	outcome = find_endpoint(ctx, &packet);
	if (outcome != GO_ON)
		return outcome;
	outcome = check_datagram(ctx, &packet);
	if (outcome != GO_ON)
		return share_odd(ctx, address_place(&packet), outcome);

	now = bpf_ktime_get_coarse_ns();
	if (now >= SWITCH(config, lease))
		return OUTCOME(pass_lease);

	outcome = check_source(ctx, &packet, &config->guard);
	if (outcome != GO_ON)
		return share_odd(ctx, address_place(&packet), outcome);
	if (packet.service & COAX_SERVICE_SECURE)
		return share_odd(ctx, address_place(&packet),
				 check_record(ctx, &packet, config, now));
	outcome = respond(ctx, &packet, config, now);
	if (config->guard.strangers.cost && goes_up(outcome))
		outcome = limit_strangers(ctx, address_place(&packet), now + TICK_MAX, outcome);
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
