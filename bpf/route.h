/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Would the reply leave by where the request came in? Asked only with `route_replies`: else
 * it goes back to whom the frame came from.
 */
#ifndef COAX_BPF_ROUTE_H
#define COAX_BPF_ROUTE_H

#include <linux/in.h>
#include "maps.h"
#include "packet.h"
#include "stats.h"

#define FAMILY_IPV4 2
#define FAMILY_IPV6 10
/* A MAC address, its bytes as in memory; zeros: none. */
union next_hop {
	__u64 word;
	__u16 mac[4];
};

static __always_inline bool is_source(const struct ethernet_header *ethernet,
				      const union next_hop *hop)
{
	return ethernet->source[0] == hop->mac[0] && ethernet->source[1] == hop->mac[1] &&
	       ethernet->source[2] == hop->mac[2];
}

/* The device whose packets these are, in the eyes of the host. */
static __always_inline __u32 host_device(const struct xdp_md *ctx)
{
	return coax_place.port ? coax_place.device : ctx->ingress_ifindex;
}

/* The way of a reply, all but the device that it comes from. */
static __always_inline bool describe_reply(const struct packet *packet, struct bpf_fib_lookup *way)
{
	const void *ip = packet->ip;
	const struct ipv6hdr *ipv6 = ip;
	const struct iphdr *ipv4 = ip;
	const struct udphdr *udp = udp_header(packet);

	if ((const void *)(udp + 1) > packet->end)
		return false;
	way->l4_protocol = IPPROTO_UDP;
	way->sport = udp->dest;
	way->dport = udp->source;
	if (packet->ipv6) {
		if ((const void *)(ipv6 + 1) > packet->end)
			return false;
		way->family = FAMILY_IPV6;
		__builtin_memcpy(way->ipv6_src, &ipv6->daddr, sizeof(way->ipv6_src));
		__builtin_memcpy(way->ipv6_dst, &ipv6->saddr, sizeof(way->ipv6_dst));
		return true;
	}
	if ((const void *)(ipv4 + 1) > packet->end)
		return false;
	way->family = FAMILY_IPV4;
	way->ipv4_src = ipv4->daddr;
	way->ipv4_dst = ipv4->saddr;
	return true;
}

/* Where packets of the host's own come from, in the eyes of its routing rules. */
#define LOOPBACK_INDEX 1

/*
 * `length` is the reply's, from the IP header on. A VLAN is a device of its own, whose frames are
 * left to the stack. So are those for another neighbour behind a port of a bridge: that one may be
 * behind another.
 */
__noinline __u64 ask_route(struct xdp_md *ctx, __u64 place, __u32 length)
{
	struct bpf_fib_lookup way = {.tot_len = length, .ifindex = LOOPBACK_INDEX};
	union next_hop hop = {};
	struct packet packet;
	const struct ethernet_header *ethernet;

	find_place(ctx, place, &packet);
	ethernet = packet.start;
	if (packet.network != sizeof(*ethernet) || (const void *)(ethernet + 1) > packet.end ||
	    !describe_reply(&packet, &way))
		return 0;
	if (bpf_fib_lookup(ctx, &way, sizeof(way), 0) != BPF_FIB_LKUP_RET_SUCCESS ||
	    way.ifindex != coax_place.device)
		return 0;
	__builtin_memcpy(hop.mac, way.dmac, sizeof(way.dmac));
	return coax_place.port && !is_source(ethernet, &hop) ? 0 : hop.word;
}

/* Sets *hop. */
static __always_inline enum outcome find_route(struct xdp_md *ctx, const struct packet *packet,
					       __u32 length, union next_hop *hop)
{
	if (!coax_setup.route_replies)
		return GO_ON;
	hop->word = ask_route(ctx, address_place(packet), length);
	/* Left in memory: without routes, nobody is to keep a register for it. */
	asm volatile("" : : "r"(hop) : "memory");
	return hop->word ? GO_ON : OUTCOME(pass_route);
}

/* Make the request one from the neighbour that its reply goes to. */
static __always_inline bool turn_to(const struct packet *packet, const union next_hop *hop)
{
	struct ethernet_header *ethernet = packet->start;

	if (!coax_setup.route_replies)
		return true;
	if ((void *)(ethernet + 1) > packet->end)
		return false;
	ethernet->source[0] = hop->mac[0];
	ethernet->source[1] = hop->mac[1];
	ethernet->source[2] = hop->mac[2];
	return true;
}

#endif
