/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is it ours? A packet is when its destination address and port are in `endpoints`. Multicast and
 * broadcast addresses never are.
 */
#ifndef COAX_BPF_ENDPOINT_H
#define COAX_BPF_ENDPOINT_H

#include "barrier.h"
#include "maps.h"
#include "packet.h"
#include "stats.h"

#define IPV4_MAPPED    0x0000ffff

#define ENDPOINT_WORDS 5

union endpoint_key {
	struct coax_endpoint_key key;
	__u32 words[ENDPOINT_WORDS];
};

_Static_assert(sizeof(union endpoint_key) == sizeof(struct coax_endpoint_key), "without padding");

static __always_inline bool ipv6_destination(const struct ipv6hdr *ip, union endpoint_key *endpoint)
{
	const __u32 *address = ip->daddr.in6_u.u6_addr32;

	/* ::/64 holds what travels on no wire, IPv4-mapped addresses above all. */
	if (!(address[0] | address[1]))
		return false;
	endpoint->words[0] = address[0];
	endpoint->words[1] = address[1];
	endpoint->words[2] = address[2];
	endpoint->words[3] = address[3];
	return true;
}

static __always_inline void ipv4_destination(const struct iphdr *ip, union endpoint_key *endpoint)
{
	endpoint->words[0] = 0;
	endpoint->words[1] = 0;
	endpoint->words[2] = bpf_htonl(IPV4_MAPPED);
	endpoint->words[3] = ip->daddr;
}

static __always_inline bool read_destination(const struct packet *packet, const struct udphdr *udp,
					     union endpoint_key *endpoint)
{
	if ((const void *)(udp + 1) > packet->end)
		return false;
	/* In one piece: a word that was written in two is slow to read back. */
	endpoint->words[4] = bpf_htonl((__u32)bpf_ntohs(udp->dest) << 16);
	if (packet->ipv6)
		return packet->ip + sizeof(struct ipv6hdr) <= packet->end &&
		       ipv6_destination(packet->ip, endpoint);
	if (packet->ip + sizeof(struct iphdr) > packet->end)
		return false;
	ipv4_destination(packet->ip, endpoint);
	return true;
}

static __always_inline bool is_endpoint(const struct coax_endpoint_key *key,
					const union endpoint_key *endpoint)
{
	const __u32 *words = (const void *)key;
	__u32 difference = 0;

#pragma unroll
	for (int i = 0; i < ENDPOINT_WORDS; i++)
		difference |= words[i] ^ endpoint->words[i];
	return !difference;
}

/*
 * Sets packet->service when it is there. GO_ON and pass_not_ours are certain; pass_unknown is not
 * to be known without the hash.
 */
static __always_inline enum outcome look_nearby(const union endpoint_key *endpoint,
						struct packet *packet)
{
	__u32 number = coax_nearby_bucket(endpoint->words);
	const struct coax_nearby *bucket = bpf_map_lookup_elem(&nearby, &number);
	enum outcome outcome;
	__u32 sequence;

	if (!bucket)
		return OUTCOME(pass_unknown);
	sequence = *(volatile __u32 *)&bucket->sequence;
	read_barrier();
	if (is_endpoint(&bucket->key[0], endpoint)) {
		packet->service = bucket->service[0];
		outcome = GO_ON;
	} else if (is_endpoint(&bucket->key[1], endpoint)) {
		packet->service = bucket->service[1];
		outcome = GO_ON;
	} else {
		outcome = bucket->complete ? OUTCOME(pass_not_ours) : OUTCOME(pass_unknown);
	}
	read_barrier();
	if (sequence & 1 || *(volatile __u32 *)&bucket->sequence != sequence)
		return OUTCOME(pass_unknown);
	return outcome;
}

/* Sets packet->service. */
static __always_inline enum outcome look_far(const union endpoint_key *endpoint,
					     struct packet *packet)
{
	const union endpoint_key key = *endpoint;
	const struct coax_endpoint_value *value = bpf_map_lookup_elem(&endpoints, &key);

	if (!value)
		return OUTCOME(pass_not_ours);
	packet->service = value->service;
	return GO_ON;
}

static __always_inline enum outcome find_endpoint(struct packet *packet, const struct udphdr *udp)
{
	union endpoint_key endpoint;
	enum outcome outcome;

	if (!read_destination(packet, udp, &endpoint))
		return OUTCOME(pass_not_ours);
	outcome = look_nearby(&endpoint, packet);
	return outcome == OUTCOME(pass_unknown) ? look_far(&endpoint, packet) : outcome;
}

#endif
