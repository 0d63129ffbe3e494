/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the frame to the UDP header. Nothing here says more of a packet than where it goes: what
 * is odd about one that goes to somebody else is not our business.
 */
#ifndef COAX_BPF_PARSE_H
#define COAX_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include "checksum.h"
#include "packet.h"
#include "stats.h"

#define IP_MORE_FRAGMENTS  0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

static __always_inline bool is_our_mac(const struct ethernet_header *ethernet)
{
	const volatile __u16 *mac = (const volatile __u16 *)coax_link.mac;
	__u32 first = *(const volatile __u32 *)mac;
	__u16 last = mac[2];

	return *(const __u32 *)ethernet->destination == first && ethernet->destination[2] == last &&
	       (first | last);
}

static __always_inline bool is_vlan(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

/* Whether the host is in that VLAN, one of IEEE 802.1Q, by this interface. */
static __always_inline bool is_our_vlan(__be16 protocol, const struct vlan_tag *tag)
{
	__u32 vlan = bpf_ntohs(tag->control) & (COAX_VLANS - 1);

	OPAQUE(vlan);
	return protocol == bpf_htons(ETH_P_8021Q) &&
	       coax_place.vlans[vlan / 64 & (COAX_VLANS / 64 - 1)] >> vlan % 64 & 1;
}

/* Ethernet and up to two tags. Sets packet->network and *protocol. */
static __always_inline enum outcome parse_ethernet(const struct xdp_md *ctx, struct packet *packet,
						   __be16 *protocol)
{
	const struct ethernet_header *ethernet = frame_start(ctx);
	const struct vlan_tag *tag = (const void *)(ethernet + 1);
	const void *end = frame_end(ctx);

	if ((const void *)(ethernet + 1) > end || !is_our_mac(ethernet))
		return OUTCOME(pass_not_ours);
	packet->network = sizeof(*ethernet);
	*protocol = ethernet->protocol;
	for (int tags = 0; tags < 2 && is_vlan(*protocol); tags++, tag++) {
		if ((const void *)(tag + 1) > end)
			return OUTCOME(pass_not_ours);
		/* The host is in no VLAN within another: such frames are the stack's. */
		if (coax_place.vlans_known && (tags || !is_our_vlan(*protocol, tag)))
			return OUTCOME(pass_not_ours);
		packet->network += sizeof(*tag);
		*protocol = tag->protocol;
	}
	return GO_ON;
}

static __always_inline enum outcome parse_ipv4(const struct xdp_md *ctx, struct packet *packet)
{
	const struct iphdr *ip = frame_start(ctx) + packet->network;

	if ((const void *)(ip + 1) > frame_end(ctx))
		return OUTCOME(pass_not_ours);
	if (ip->version != 4 || ip->protocol != IPPROTO_UDP)
		return OUTCOME(pass_not_ours);
	/* No ports to be seen in any fragment but the first. */
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
		return OUTCOME(pass_not_ours);
	packet->ipv6 = 0;
	packet->unusual = ip->ihl != 5 || ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS);
	packet->transport = packet->network + ip->ihl * 4;
	return GO_ON;
}

static __always_inline enum outcome parse_ipv6(const struct xdp_md *ctx, struct packet *packet)
{
	const struct ipv6hdr *ip = frame_start(ctx) + packet->network;

	if ((const void *)(ip + 1) > frame_end(ctx))
		return OUTCOME(pass_not_ours);
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return OUTCOME(pass_not_ours);
	packet->ipv6 = 1;
	packet->unusual = 0;
	packet->transport = packet->network + sizeof(*ip);
	return GO_ON;
}

static __always_inline enum outcome parse_packet(const struct xdp_md *ctx, struct packet *packet)
{
	enum outcome outcome;
	__be16 protocol;

	outcome = parse_ethernet(ctx, packet, &protocol);
	if (outcome != GO_ON)
		return outcome;
	switch (protocol) {
	case bpf_htons(ETH_P_IP):
		outcome = parse_ipv4(ctx, packet);
		break;
	case bpf_htons(ETH_P_IPV6):
		outcome = parse_ipv6(ctx, packet);
		break;
	default:
		return OUTCOME(pass_not_ours);
	}
	/* Not to be inferred from the protocol: the verifier would not follow. */
	OPAQUE(packet->ipv6);
	return outcome;
}

#endif
