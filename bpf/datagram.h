/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is it a plain datagram, whole, from somebody who can be answered? All lengths come from the
 * headers, as frames are padded, and all must agree.
 */
#ifndef COAX_BPF_DATAGRAM_H
#define COAX_BPF_DATAGRAM_H

#include "checksum.h"
#include "packet.h"
#include "stats.h"

static __always_inline bool ipv4_source_usable(const struct iphdr *ip)
{
	__u8 first = *(const __u8 *)&ip->saddr;

	/* Not "this network", loopback, multicast, reserved, broadcast; not our own. */
	return first != 0 && first != 127 && first < 224 && ip->saddr != ip->daddr;
}

static __always_inline bool ipv6_source_usable(const struct ipv6hdr *ip)
{
	const __u32 *from = ip->saddr.in6_u.u6_addr32;
	const __u32 *to = ip->daddr.in6_u.u6_addr32;

	if (ip->saddr.in6_u.u6_addr8[0] == 0xff || !(from[0] | from[1]))
		return false;
	return (from[0] ^ to[0]) | (from[1] ^ to[1]) | (from[2] ^ to[2]) | (from[3] ^ to[3]);
}

/*
 * The UDP checksum is not verified: it goes into the reply's, damage and all. What protects the
 * addresses of an IPv4 datagram without one is the header checksum.
 */
static __always_inline enum outcome check_ipv4(const struct iphdr *ip, struct packet *packet,
					       __u32 room, __u32 *length)
{
	const __u32 *words = (const void *)ip;
	__u64 addresses = (__u64)ip->saddr + ip->daddr;
	__u32 total = bpf_ntohs(ip->tot_len);

	packet->source_end = ip->saddr;
	packet->address_sum = sum_narrow(addresses);
	if (!sum_is_multiple(addresses + words[0] + words[1] + words[2]))
		return OUTCOME(pass_unusual);
	if (!ipv4_source_usable(ip) || total < sizeof(*ip) || total > room)
		return OUTCOME(pass_unusual);
	*length = total - sizeof(*ip);
	return GO_ON;
}

static __always_inline enum outcome check_ipv6(const struct ipv6hdr *ip, struct packet *packet,
					       __u32 room, __u32 *length)
{
	packet->source_end = ip->saddr.in6_u.u6_addr32[3];
	packet->address_sum = sum_words(ip->saddr.in6_u.u6_addr32, 8);
	*length = bpf_ntohs(ip->payload_len);
	if (!ipv6_source_usable(ip) || sizeof(*ip) + *length > room)
		return OUTCOME(pass_unusual);
	return GO_ON;
}

/* By the UDP header. */
static __always_inline __u32 message_length(const struct packet *packet)
{
	const struct udphdr *udp = udp_header(packet);

	return (const void *)(udp + 1) > packet->end ? 0 : bpf_ntohs(udp->len) - sizeof(*udp);
}

/* Sets packet->address_sum, source_port, source_end, and request_length to the whole message's. */
static __always_inline enum outcome check_datagram(struct packet *packet)
{
	__u64 buffer = frame_length(packet);
	const struct ethernet_header *ethernet = packet->start;
	const struct udphdr *udp = udp_header(packet);
	enum outcome outcome;
	__u32 length;

	if ((const void *)(udp + 1) > packet->end || (const void *)(ethernet + 1) > packet->end)
		return OUTCOME(pass_unusual);
	if (*(const __u8 *)ethernet->source & 1 || !udp->source)
		return OUTCOME(pass_unusual);

	if (packet->ipv6)
		outcome = check_ipv6(packet->ip, packet, buffer - packet->network, &length);
	else
		outcome = check_ipv4(packet->ip, packet, buffer - packet->network, &length);
	if (outcome != GO_ON)
		return outcome;
	if (length < sizeof(*udp) || bpf_ntohs(udp->len) != length)
		return OUTCOME(pass_unusual);
	if (packet->ipv6 && !udp->check)
		return OUTCOME(pass_checksum);
	packet->source_port = bpf_ntohs(udp->source);
	packet->request_length = length - sizeof(*udp);
	return GO_ON;
}

#endif
