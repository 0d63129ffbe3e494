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
/* Version 4, a header of five words. */
#define IP_WITHOUT_OPTIONS 0x45

static __always_inline bool is_our_mac(const struct packet *packet)
{
	const volatile __u16 *mac = (const volatile __u16 *)coax_link.mac;
	const struct ethernet_header *ethernet = packet->start;
	const void *destination = ethernet->destination;
	__u32 first = *(const volatile __u32 *)mac;
	__u16 last = mac[2];

	return *(const __u32 *)destination == first && ethernet->destination[2] == last &&
	       (first | last);
}

/*
 * IPv4 without options in a frame without tags, which most packets are: the program has a copy of
 * all that follows for those alone, in which each offset is a constant. Needs the frame found.
 */
static __always_inline bool parse_usual(struct packet *packet)
{
	const struct ethernet_header *ethernet = packet->start;
	const struct iphdr *ip = (const void *)(ethernet + 1);

	packet->ipv6 = 0;
	packet->network = sizeof(*ethernet);
	find_headers(packet);
	return udp_header(packet) + sizeof(struct udphdr) <= packet->end &&
	       ethernet->protocol == bpf_htons(ETH_P_IP) &&
	       *(const __u8 *)ip == IP_WITHOUT_OPTIONS && ip->protocol == IPPROTO_UDP &&
	       !(ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET));
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
static __always_inline bool parse_ethernet(struct packet *packet, __be16 *protocol)
{
	const struct ethernet_header *ethernet = packet->start;
	const struct vlan_tag *tag = (const void *)(ethernet + 1);

	if ((const void *)tag > packet->end)
		return false;
	packet->network = sizeof(*ethernet);
	*protocol = ethernet->protocol;
	for (int tags = 0; tags < 2 && is_vlan(*protocol); tags++, tag++) {
		if ((const void *)(tag + 1) > packet->end)
			return false;
		/* The host is in no VLAN within another: such frames are the stack's. */
		if (coax_place.vlans_known && (tags || !is_our_vlan(*protocol, tag)))
			return false;
		packet->network += sizeof(*tag);
		*protocol = tag->protocol;
	}
	return true;
}

/* No ports are to be seen in any fragment but the first. */
static __always_inline bool parse_ipv4(const struct packet *packet)
{
	const struct iphdr *ip = packet->ip;

	return (const void *)(ip + 1) <= packet->end && ip->version == 4 &&
	       ip->protocol == IPPROTO_UDP && !(ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET));
}

/* Neither a first fragment nor with options, if parse_ipv4() has been content. */
static __always_inline bool is_plain_ipv4(const struct iphdr *ip)
{
	return *(const __u8 *)ip == IP_WITHOUT_OPTIONS &&
	       !(ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS));
}

static __always_inline bool parse_ipv6(const struct packet *packet)
{
	const struct ipv6hdr *ip = packet->ip;

	return (const void *)(ip + 1) <= packet->end && ip->version == 6 &&
	       ip->nexthdr == IPPROTO_UDP;
}

#endif
