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

/* The reply has been found: it is sent if its receiver may get so much. */
static __always_inline enum outcome send_limited(struct xdp_md *ctx, struct packet *packet,
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

/* Any request costs the same before it is known who answers it: see refund_passed(). */
static __always_inline enum outcome charge_request(struct xdp_md *ctx, const struct packet *packet,
						   const struct coax_guard_config *guard, __u64 now)
{
	return guard->requests.cost ? limit_requests(ctx, address_place(packet), now + TICK_MAX)
				    : GO_ON;
}

static __always_inline enum outcome refund_passed(struct xdp_md *ctx, const struct packet *packet,
						  const struct coax_guard_config *guard, __u64 now,
						  enum outcome outcome)
{
	if (action_of(outcome) == XDP_PASS && guard->requests.cost)
		refund_request(ctx, address_place(packet), now + TICK_MAX);
	return outcome;
}

/* A request that may have been published. */
static __always_inline enum outcome look_up(struct xdp_md *ctx, struct packet *packet,
					    const struct coax_config *config, __u64 now)
{
	enum outcome outcome;
	struct reply reply;

	if (is_from_server(packet))
		return OUTCOME(pass_server_port);
	outcome = charge_request(ctx, packet, &config->guard, now);
	if (outcome != GO_ON)
		return outcome;
	outcome = find_reply(ctx, packet, now, &reply);
	if (outcome == GO_ON)
		outcome = send_limited(ctx, packet, &config->guard, &reply, now + TICK_MAX);
	return may_be_duplicate(outcome) ? outcome
					 : refund_passed(ctx, packet, &config->guard, now, outcome);
}

/* Any other message. A function of its own, as the verifier looks at it once. */
__noinline int look_otherwise(struct xdp_md *ctx, __u64 place, __u64 now)
{
	const struct coax_config *config = configuration();
	enum outcome outcome, parsed;
	struct packet packet;

	find_place(ctx, place, &packet);
	if (!config || check_datagram(&packet) != GO_ON)
		return OUTCOME(pass_unusual);
	parsed = parse_message(&packet);
	if (parsed == GO_ON && is_from_server(&packet))
		return OUTCOME(pass_server_port);
	/* What reacts to us is no request. */
	if (parsed == OUTCOME(pass_message))
		return parsed;
	outcome = charge_request(ctx, &packet, &config->guard, now);
	if (outcome != GO_ON)
		return outcome;
	outcome = parsed == GO_ON ? send_reset(ctx, &packet) : parsed;
	return may_be_duplicate(outcome)
		       ? outcome
		       : refund_passed(ctx, &packet, &config->guard, now, outcome);
}

/* It is a plain datagram to an endpoint of ours, from somebody who may be answered. */
static __always_inline enum outcome respond(struct xdp_md *ctx, struct packet *packet,
					    const struct coax_config *config, __u64 now)
{
	enum outcome outcome;

	if (parse_short_request(packet))
		outcome = look_up(ctx, packet, config, now);
	else
		outcome = look_otherwise(ctx, address_place(packet), now);
	if (!may_be_duplicate(outcome))
		return outcome;
	outcome = repeat(ctx, address_place(packet), now, SWITCH(config, exchanges), outcome);
	return refund_passed(ctx, packet, &config->guard, now, outcome);
}

/* Whether userspace gets it, as one of those that strangers have a share of. */
static __always_inline bool goes_up(enum outcome outcome)
{
	return action_of(outcome) == XDP_PASS && outcome < OUTCOME(pass_limited);
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

/* UDP over IP without anything odd: its headers have been found. */
static __always_inline enum outcome receive(struct xdp_md *ctx, struct packet *packet,
					    const struct coax_config *config)
{
	enum outcome outcome;
	__u64 now;

	outcome = find_endpoint(packet, udp_header(packet));
	if (outcome != GO_ON)
		return outcome;
	outcome = check_datagram(packet);
	if (outcome != GO_ON)
		return share_odd(ctx, address_place(packet), outcome);

	now = bpf_ktime_get_coarse_ns();
	if (now >= SWITCH(config, lease))
		return OUTCOME(pass_lease);

	outcome = check_source(ctx, packet, &config->guard);
	if (outcome != GO_ON)
		return share_odd(ctx, address_place(packet), outcome);
	if (packet->service & COAX_SERVICE_SECURE)
		return share_odd(
			ctx, address_place(packet),
			check_record(ctx, address_place(packet), packet->request_length, now));
	outcome = respond(ctx, packet, config, now);
	if (goes_up(outcome) && config->guard.strangers.cost)
		outcome = limit_strangers(ctx, address_place(packet), now + TICK_MAX, outcome);
	return outcome;
}

/*
 * Tags, IPv6, or what is odd about IPv4: that ends here. Returns where the headers are, or above it
 * an outcome. A function of its own, so that the verifier forgets where they are.
 */
#define OUTCOME_SHIFT 8

__noinline int parse_others(struct xdp_md *ctx)
{
	const struct iphdr *ip;
	struct packet packet;
	enum outcome outcome;
	__be16 protocol;

	find_frame(ctx, &packet);
	if (!parse_ethernet(&packet, &protocol))
		return OUTCOME(pass_not_ours) << OUTCOME_SHIFT;
	packet.ipv6 = protocol == bpf_htons(ETH_P_IPV6);
	OPAQUE(packet.ipv6);
	find_headers(&packet);
	if (packet.ipv6)
		return parse_ipv6(&packet) ? address_place(&packet)
					   : OUTCOME(pass_not_ours) << OUTCOME_SHIFT;
	if (protocol != bpf_htons(ETH_P_IP) || !parse_ipv4(&packet))
		return OUTCOME(pass_not_ours) << OUTCOME_SHIFT;
	ip = packet.ip;
	if (is_plain_ipv4(ip))
		return address_place(&packet);
	outcome = find_endpoint(&packet, packet.ip + ip->ihl * 4);
	if (outcome == GO_ON)
		outcome = share_odd(ctx, address_place(&packet), OUTCOME(pass_unusual));
	return outcome << OUTCOME_SHIFT;
}

static __always_inline enum outcome answer(struct xdp_md *ctx)
{
	const struct coax_config *config = configuration();
	struct packet packet;
	__u32 place;

	if (!config || !SWITCH(config, enabled) || SWITCH(config, owner) != coax_setup.owner)
		return OUTCOME(pass_disabled);

	find_frame(ctx, &packet);
	if (packet.start + sizeof(struct ethernet_header) > packet.end || !is_our_mac(&packet))
		return OUTCOME(pass_not_ours);
	if (parse_usual(&packet))
		return receive(ctx, &packet, config);
	place = parse_others(ctx);
	if (place >> OUTCOME_SHIFT)
		return place >> OUTCOME_SHIFT;
	find_place(ctx, place, &packet);
	return receive(ctx, &packet, config);
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
