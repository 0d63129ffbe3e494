/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is answered, and how much. Whoever answers a request charges it: the program what it sends,
 * userspace what came up to it, in the same `limits`. But strangers are counted here when they go
 * up, as userspace would count those alone for which it has had time.
 */
#ifndef COAX_BPF_GUARD_H
#define COAX_BPF_GUARD_H

#include <coax/gcra.h>
#include "endpoint.h"
#include "maps.h"
#include "packet.h"
#include "slot.h"
#include "stats.h"

#define AF_INET	   2
#define AF_INET6   10

#define COAP_PORT  5683
#define COAPS_PORT 5684
/*
 * The coarse clock is behind by up to a tick, 10 ms at most. For limits it runs ahead instead: what
 * is over one here is over it in userspace, too.
 */
#define TICK_MAX 10000000

/* The highest one of those below. */
#define SPECIAL_PORT_MAX 11211

union source_key {
	struct coax_verified_key key;
	__u32 words[4];
};

union prefix_key {
	struct coax_prefix_key key;
	__u32 words[5];
};

/* The places of a prefix in `limits`. */
struct places {
	struct coax_limit *a;
	struct coax_limit *b;
	__u32 name;
};

static __always_inline const void *ip_header(const struct xdp_md *ctx, __u64 place)
{
	__u64 network = place >> 1;

	OPAQUE(network);
	return frame_start(ctx) + (network & 0x1f);
}

static __always_inline bool read_source(const struct xdp_md *ctx, __u64 place,
					union source_key *source)
{
	const void *ip = ip_header(ctx, place);

	OPAQUE(ip);
	if (place & 1) {
		const struct ipv6hdr *ipv6 = ip;

		if ((const void *)(ipv6 + 1) > frame_end(ctx))
			return false;
		source->words[0] = ipv6->saddr.in6_u.u6_addr32[0];
		source->words[1] = ipv6->saddr.in6_u.u6_addr32[1];
		source->words[2] = ipv6->saddr.in6_u.u6_addr32[2];
		source->words[3] = ipv6->saddr.in6_u.u6_addr32[3];
	} else {
		const struct iphdr *ipv4 = ip;

		if ((const void *)(ipv4 + 1) > frame_end(ctx))
			return false;
		source->words[0] = 0;
		source->words[1] = 0;
		source->words[2] = bpf_htonl(IPV4_MAPPED);
		source->words[3] = ipv4->saddr;
	}
	return true;
}

static __always_inline const struct coax_guard_config *guard_config(void)
{
	const __u32 only = 0;
	const struct coax_config *all = bpf_map_lookup_elem(&config, &only);

	return all ? &all->guard : NULL;
}

/*
 * Sources that are never answered.
 */

/* What answers any datagram would answer our reply, and we that, and so on. */
__noinline int is_reflector(__u64 port)
{
	switch (port) {
#define REFLECTOR(number, name) case number:
		COAX_REFLECTORS(REFLECTOR)
#undef REFLECTOR
		return 1;
	default:
		return 0;
	}
}

/*
 * A server may be a client, too, with one port for both. Whether this one is, or was only named
 * as the source to set two servers on each other, is for userspace to find out.
 */
static __always_inline bool is_from_server(const struct packet *packet)
{
	return packet->source_port == COAP_PORT || packet->source_port == COAPS_PORT;
}

static __always_inline bool may_be_own(const struct coax_guard_config *guard, __u64 source_end)
{
	__u32 bit = coax_own_bit(source_end);

	return guard->own[bit >> 6 & 3] >> (bit & 63) & 1;
}

/* Whether the source is an endpoint of ours, with the port that was asked. */
__noinline int is_own(struct xdp_md *ctx, __u64 place)
{
	union source_key source;
	union endpoint_key endpoint;
	const struct udphdr *udp;

	if (!read_source(ctx, place, &source))
		return 0;
	udp = ip_header(ctx, place) + (place & 1 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	OPAQUE(udp);
	if ((const void *)(udp + 1) > frame_end(ctx))
		return 0;
	endpoint.words[0] = source.words[0];
	endpoint.words[1] = source.words[1];
	endpoint.words[2] = source.words[2];
	endpoint.words[3] = source.words[3];
	endpoint.words[4] = bpf_htonl((__u32)bpf_ntohs(udp->dest) << 16);
	return !!bpf_map_lookup_elem(&endpoints, &endpoint);
}

static __always_inline enum coax_prefix_verdict verdict_of(const union source_key *source)
{
	union prefix_key prefix = {.words = {128, source->words[0], source->words[1],
					     source->words[2], source->words[3]}};
	const struct coax_prefix_value *value = bpf_map_lookup_elem(&prefixes, &prefix);

	return value ? value->verdict : COAX_PREFIX_LIMITED;
}

/* Userspace has rp_filter for what comes to it. A VLAN is a device of its own, unknown here. */
static __always_inline enum outcome check_way_back(struct xdp_md *ctx, __u64 place,
						   const union source_key *source)
{
	__u32 device = coax_place.port ? coax_place.device : ctx->ingress_ifindex;
	struct bpf_fib_lookup way = {.ifindex = device, .l4_protocol = IPPROTO_UDP};
	const void *ip = ip_header(ctx, place);
	long result;

	if (place >> 1 != sizeof(struct ethernet_header))
		return OUTCOME(pass_unchecked);
	OPAQUE(ip);
	if (place & 1) {
		const struct ipv6hdr *ipv6 = ip;

		if ((const void *)(ipv6 + 1) > frame_end(ctx))
			return OUTCOME(pass_unusual);
		way.family = AF_INET6;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			way.ipv6_src[i] = ipv6->daddr.in6_u.u6_addr32[i];
			way.ipv6_dst[i] = source->words[i];
		}
	} else {
		const struct iphdr *ipv4 = ip;

		if ((const void *)(ipv4 + 1) > frame_end(ctx))
			return OUTCOME(pass_unusual);
		way.family = AF_INET;
		way.ipv4_src = ipv4->daddr;
		way.ipv4_dst = source->words[3];
	}
	result = bpf_fib_lookup(ctx, &way, sizeof(way), 0);
	if (result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return OUTCOME(pass_unchecked);
	if ((result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	    way.ifindex == device)
		return GO_ON;
	return OUTCOME(drop_source);
}

/* What an operator has to say of sources. */
__noinline int check_listed(struct xdp_md *ctx, __u64 place)
{
	const struct coax_guard_config *guard = guard_config();
	union source_key source;

	if (!guard || !read_source(ctx, place, &source))
		return OUTCOME(pass_unusual);
	if (guard->listed && verdict_of(&source) == COAX_PREFIX_DENIED)
		return OUTCOME(drop_denied);
	return guard->strict ? check_way_back(ctx, place, &source) : GO_ON;
}

/* May it be answered at all? */
static __always_inline enum outcome check_source(struct xdp_md *ctx, const struct packet *packet,
						 const struct coax_guard_config *guard)
{
	if (packet->source_port <= SPECIAL_PORT_MAX && is_reflector(packet->source_port))
		return OUTCOME(drop_reflector);
	if (may_be_own(guard, packet->source_end) && is_own(ctx, address_place(packet)))
		return OUTCOME(drop_own);
	return guard->listed | guard->strict ? check_listed(ctx, address_place(packet)) : GO_ON;
}

/*
 * Limits.
 */

static __always_inline bool find_places(const struct coax_guard_config *guard, __u64 place,
					const union source_key *source, struct places *places)
{
	__u64 prefix = place & 1 ? coax_prefix_ipv6(guard, source->words[0], source->words[1])
				 : coax_prefix_ipv4(guard, source->words[3]);
	__u32 first = coax_limit_place(guard, prefix, 0);
	__u32 second = coax_limit_place(guard, prefix, 1);

	places->a = bpf_map_lookup_elem(&limits, &first);
	places->b = bpf_map_lookup_elem(&limits, &second);
	places->name = coax_familiar_name(guard, prefix);
	return places->a && places->b;
}

static __always_inline struct coax_limit *find_total(void)
{
	const __u32 number = COAX_LIMITS_TOTAL;

	return bpf_map_lookup_elem(&limits, &number);
}

/* Both are looked at only when somebody would be limited otherwise. */
static __always_inline bool is_allowed(const struct coax_guard_config *guard,
				       const union source_key *source)
{
	return guard->listed && verdict_of(source) == COAX_PREFIX_ALLOWED;
}

static __always_inline bool is_known_good(const struct coax_guard_config *guard,
					  const union source_key *source, __u64 now)
{
	const struct coax_verified_value *value = bpf_map_lookup_elem(&verified, source);

	return (value && now < value->until) || is_allowed(guard, source);
}

/* The first one goes up, then each Nth; so that userspace can say why. */
static __always_inline enum outcome refuse(const struct coax_guard_config *guard,
					   struct coax_limit *limit, enum outcome drop)
{
	__u64 over = coax_limit_read(limit->over);

	coax_limit_write(limit->over, over + 1);
	return guard->pass_every && over % guard->pass_every == 0 ? OUTCOME(pass_limited) : drop;
}

/* It is charged at once, in the hope that the program answers it. */
__noinline int limit_requests(struct xdp_md *ctx, __u64 place, __u64 now)
{
	const struct coax_guard_config *guard = guard_config();
	union source_key source;
	struct places places;

	if (!guard || !read_source(ctx, place, &source) ||
	    !find_places(guard, place, &source, &places))
		return OUTCOME(pass_unusual);
	if (coax_gcra_conforms(&guard->requests, coax_limit_requests(places.a, places.b), now)) {
		coax_limit_charge_request(guard, places.a, places.b, now);
		return GO_ON;
	}
	if (is_allowed(guard, &source))
		return GO_ON;
	return refuse(guard, places.a, OUTCOME(drop_requests));
}

/* It goes up, where userspace charges it. */
__noinline int refund_request(struct xdp_md *ctx, __u64 place)
{
	const struct coax_guard_config *guard = guard_config();
	union source_key source;
	struct places places;

	if (!guard || !read_source(ctx, place, &source) ||
	    !find_places(guard, place, &source, &places))
		return 0;
	coax_limit_refund_request(guard, places.a, places.b);
	return 0;
}

/*
 * What goes beyond the amplification factor draws on two budgets: of the prefix, and of all. Each
 * may be overdrawn by one reply, as userspace sees how large one is when it is too late.
 */
__noinline int limit_reply(struct xdp_md *ctx, __u64 place, __u64 length, __u64 now)
{
	const struct coax_guard_config *guard = guard_config();
	struct coax_limit *total = find_total();
	union source_key source;
	struct places places;

	if (!guard || !total || !read_source(ctx, place, &source) ||
	    !find_places(guard, place, &source, &places))
		return OUTCOME(pass_unusual);
	if (coax_limit_may_reply(guard, places.a, places.b, total, places.name, now)) {
		coax_limit_charge_reply(guard, places.a, places.b, total, places.name, now, length);
		return GO_ON;
	}
	if (is_known_good(guard, &source, now))
		return GO_ON;
	if (coax_gcra_conforms(&guard->replies, coax_limit_replies(places.a, places.b), now))
		return refuse(guard, total, OUTCOME(drop_amplified));
	return refuse(guard, places.a, OUTCOME(drop_amplified));
}

/* What was charged was not sent: userspace answers, and charges. */
__noinline int refund_reply(struct xdp_md *ctx, __u64 place, __u64 length)
{
	const struct coax_guard_config *guard = guard_config();
	struct coax_limit *total = find_total();
	union source_key source;
	struct places places;

	if (!guard || !total || !read_source(ctx, place, &source) ||
	    !find_places(guard, place, &source, &places))
		return 0;
	coax_limit_refund_reply(guard, places.a, places.b, total, length);
	return 0;
}

/*
 * Who is answered here may need userspace one day, in a flood perhaps: it becomes familiar, at the
 * price of a stranger, so that nobody makes thousands so for nothing.
 */
__noinline int note_hit(struct xdp_md *ctx, __u64 place, __u64 now)
{
	const struct coax_guard_config *guard = guard_config();
	struct coax_limit *total = find_total();
	union source_key source;
	struct places places;

	if (!guard || !total || !coax_is_calm(guard, total, now))
		return 0;
	if (read_source(ctx, place, &source) && find_places(guard, place, &source, &places))
		coax_limit_admits(guard, places.a, places.b, total, places.name, now);
	return 0;
}

/* A quarter of the time, by the tick: a hit costs less than this does. */
static __always_inline bool is_time_to_note(const struct coax_guard_config *guard, __u64 now)
{
	return !(now >> 22 & 3) && guard->strangers.cost;
}

/* Whether the reply draws on a budget, so that somebody has to look at it. */
static __always_inline bool is_amplified(const struct packet *packet, const struct reply *reply,
					 const struct coax_guard_config *guard)
{
	__u32 before = sizeof(struct coap_header) + packet->token_length;

	return coax_is_amplified(guard, before + packet->request_length, before + reply->length) &&
	       guard->replies.cost | guard->replies_total.cost;
}

/* Work for userspace, which has less room than the wire: strangers share what there is. */
__noinline int limit_strangers(struct xdp_md *ctx, __u64 place, __u64 now, __u32 outcome)
{
	const struct coax_guard_config *guard = guard_config();
	struct coax_limit *total = find_total();
	union source_key source;
	struct places places;

	if (!guard || !total || !read_source(ctx, place, &source) ||
	    !find_places(guard, place, &source, &places))
		return outcome;
	if (coax_limit_admits(guard, places.a, places.b, total, places.name, now) ||
	    is_known_good(guard, &source, now))
		return outcome;
	return refuse(guard, total, OUTCOME(drop_strangers));
}

#endif
