/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is answered, and how much. Whoever answers a request charges it: the program what it sends,
 * userspace what came up to it, in the same `limits`. But strangers are counted here when they go
 * up, as userspace would count those alone for which it has had time.
 */
#ifndef COAX_BPF_GUARD_H
#define COAX_BPF_GUARD_H

#include <coax/gcra.h>
#include "address.h"
#include "endpoint.h"
#include "maps.h"
#include "packet.h"
#include "route.h"
#include "slot.h"
#include "stats.h"

/*
 * The coarse clock is behind by up to a tick, 10 ms at most. For limits it runs ahead instead: what
 * is over one here is over it in userspace, too.
 */
#define TICK_MAX 10000000

/* The highest one of those below. */
#define SPECIAL_PORT_MAX 11211

union source_key {
	struct coax_verified_key key;
	__u32 words[ADDRESS_WORDS];
};

union prefix_key {
	struct coax_prefix_key key;
	__u32 words[1 + ADDRESS_WORDS];
};

/* Whose the limits are: the prefix of a source, and its places in `limits`. */
struct prefix {
	const struct coax_guard_config *guard;
	union source_key source;
	struct coax_limit *a;
	struct coax_limit *b;
	__u32 name;
};

static __always_inline bool read_source(const struct packet *packet, __u32 *words)
{
	const void *ip = packet->ip;
	const struct ipv6hdr *ipv6 = ip;
	const struct iphdr *ipv4 = ip;

	if (packet->ipv6) {
		if ((const void *)(ipv6 + 1) > packet->end)
			return false;
		copy_ipv6(words, &ipv6->saddr);
		return true;
	}
	if ((const void *)(ipv4 + 1) > packet->end)
		return false;
	map_ipv4(words, ipv4->saddr);
	return true;
}

static __always_inline const struct coax_guard_config *guard_config(void)
{
	const struct coax_config *all = configuration();

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
	return packet->source_port == COAX_PORT || packet->source_port == COAX_PORT_SECURE;
}

static __always_inline bool may_be_own(const struct coax_guard_config *guard, __u64 source_end)
{
	__u32 bit = coax_own_bit(source_end);

	return guard->own[bit >> 6 & 3] >> (bit & 63) & 1;
}

/* Whether the source is an endpoint of ours, with the port that was asked. */
__noinline int is_own(struct xdp_md *ctx, __u64 place)
{
	union endpoint_key endpoint;
	const struct udphdr *udp;
	struct packet packet;

	find_place(ctx, place, &packet);
	udp = udp_header(&packet);
	if ((const void *)(udp + 1) > packet.end || !read_source(&packet, endpoint.words))
		return 0;
	endpoint.words[ADDRESS_WORDS] = port_word(udp->dest);
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
static __always_inline enum outcome check_way_back(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 device = host_device(ctx);
	struct bpf_fib_lookup way = {.ifindex = device};
	long result;

	if (packet->network != sizeof(struct ethernet_header))
		return OUTCOME(pass_unchecked);
	if (!describe_reply(packet, &way))
		return OUTCOME(pass_unusual);
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
	struct packet packet;

	find_place(ctx, place, &packet);
	if (!guard || !read_source(&packet, source.words))
		return OUTCOME(pass_unusual);
	if (guard->listed && verdict_of(&source) == COAX_PREFIX_DENIED)
		return OUTCOME(drop_denied);
	return guard->strict ? check_way_back(ctx, &packet) : GO_ON;
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

static __always_inline bool find_prefix(struct xdp_md *ctx, __u64 place, struct prefix *prefix)
{
	const struct coax_guard_config *guard = guard_config();
	const __u32 *words = prefix->source.words;
	__u32 first, second;
	struct packet packet;
	__u64 address;

	find_place(ctx, place, &packet);
	if (!guard || !read_source(&packet, prefix->source.words))
		return false;
	address = packet.ipv6 ? coax_prefix_ipv6(guard, words[0], words[1])
			      : coax_prefix_ipv4(guard, words[3]);
	first = coax_limit_place(guard, address, 0);
	second = coax_limit_place(guard, address, 1);
	prefix->guard = guard;
	prefix->a = bpf_map_lookup_elem(&limits, &first);
	prefix->b = bpf_map_lookup_elem(&limits, &second);
	prefix->name = coax_familiar_name(guard, address);
	return prefix->a && prefix->b;
}

static __always_inline struct coax_limit *find_total(void)
{
	const __u32 number = COAX_LIMITS_TOTAL;

	return bpf_map_lookup_elem(&limits, &number);
}

/* Both are looked at only when somebody would be limited otherwise. */
static __always_inline bool is_allowed(const struct prefix *prefix)
{
	return prefix->guard->listed && verdict_of(&prefix->source) == COAX_PREFIX_ALLOWED;
}

static __always_inline bool is_known_good(const struct prefix *prefix, __u64 now)
{
	const struct coax_verified_value *value = bpf_map_lookup_elem(&verified, &prefix->source);

	return (value && now < value->until) || is_allowed(prefix);
}

/* The first one goes up, then each Nth; so that userspace can say why. */
static __always_inline enum outcome refuse(const struct coax_guard_config *guard,
					   struct coax_limit *limit, enum outcome drop)
{
	__u64 over = coax_limit_read(limit->over);

	coax_limit_write(limit->over, over + 1);
	return guard->pass_every && over % guard->pass_every == 0 ? OUTCOME(pass_limited) : drop;
}

static __always_inline bool conforms(const struct prefix *prefix, __u64 now)
{
	return coax_gcra_conforms(&prefix->guard->requests,
				  coax_limit_requests(prefix->a, prefix->b), now);
}

/* It is charged at once, in the hope that the program answers it. */
__noinline int limit_requests(struct xdp_md *ctx, __u64 place, __u64 now)
{
	struct prefix p;

	if (!find_prefix(ctx, place, &p))
		return OUTCOME(pass_unusual);
	if (conforms(&p, now)) {
		coax_limit_charge_request(p.guard, p.a, p.b, now);
		return GO_ON;
	}
	return is_allowed(&p) ? GO_ON : refuse(p.guard, p.a, OUTCOME(drop_requests));
}

/*
 * It goes up, where userspace charges it. Who is allowed all the same was not charged beyond the
 * limit, and gives nothing back to who shares it.
 */
__noinline int refund_request(struct xdp_md *ctx, __u64 place, __u64 now)
{
	struct prefix p;

	if (find_prefix(ctx, place, &p) && (conforms(&p, now) || !is_allowed(&p)))
		coax_limit_refund_request(p.guard, p.a, p.b);
	return 0;
}

/*
 * What goes beyond the amplification factor draws on two budgets: of the prefix, and of all. Each
 * may be overdrawn by one reply, as userspace sees how large one is when it is too late.
 */
__noinline int limit_reply(struct xdp_md *ctx, __u64 place, __u64 length, __u64 now)
{
	struct coax_limit *total = find_total();
	struct prefix p;

	if (!total || !find_prefix(ctx, place, &p))
		return OUTCOME(pass_unusual);
	if (coax_limit_may_reply(p.guard, p.a, p.b, total, p.name, now)) {
		coax_limit_charge_reply(p.guard, p.a, p.b, total, p.name, now, length);
		return GO_ON;
	}
	if (is_known_good(&p, now))
		return GO_ON;
	if (coax_gcra_conforms(&p.guard->replies, coax_limit_replies(p.a, p.b), now))
		return refuse(p.guard, total, OUTCOME(drop_amplified));
	return refuse(p.guard, p.a, OUTCOME(drop_amplified));
}

/* What was charged was not sent: userspace answers, and charges. */
__noinline int refund_reply(struct xdp_md *ctx, __u64 place, __u64 length)
{
	struct coax_limit *total = find_total();
	struct prefix p;

	if (total && find_prefix(ctx, place, &p))
		coax_limit_refund_reply(p.guard, p.a, p.b, total, length);
	return 0;
}

/*
 * Who is answered here may need userspace one day, in a flood perhaps: it becomes familiar, at the
 * price of a stranger, so that nobody makes thousands so for nothing.
 */
__noinline int note_hit(struct xdp_md *ctx, __u64 place, __u64 now)
{
	struct coax_limit *total = find_total();
	struct prefix p;

	if (total && find_prefix(ctx, place, &p) && coax_is_calm(p.guard, total, now))
		coax_limit_admits(p.guard, p.a, p.b, total, p.name, now);
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
	struct coax_limit *total = find_total();
	struct prefix p;

	if (!total || !find_prefix(ctx, place, &p) ||
	    coax_limit_admits(p.guard, p.a, p.b, total, p.name, now) || is_known_good(&p, now))
		return outcome;
	return refuse(p.guard, total, OUTCOME(drop_strangers));
}

#endif
