/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is it ours? A packet is when its destination address and port are in `endpoints`. Multicast and
 * broadcast addresses never are.
 */
#ifndef COAX_BPF_ENDPOINT_H
#define COAX_BPF_ENDPOINT_H

#include "address.h"
#include "barrier.h"
#include "maps.h"
#include "packet.h"
#include "stats.h"

#define ENDPOINT_WORDS (ADDRESS_WORDS + 1)

union endpoint_key {
	struct coax_endpoint_key key;
	__u32 words[ENDPOINT_WORDS];
};

_Static_assert(sizeof(union endpoint_key) == sizeof(struct coax_endpoint_key), "without padding");

static __always_inline bool read_destination(const struct packet *packet, const struct udphdr *udp,
					     union endpoint_key *endpoint)
{
	const void *ip = packet->ip;
	const struct ipv6hdr *ipv6 = ip;
	const struct iphdr *ipv4 = ip;

	if ((const void *)(udp + 1) > packet->end)
		return false;
	endpoint->words[ADDRESS_WORDS] = port_word(udp->dest);
	if (packet->ipv6) {
		if ((const void *)(ipv6 + 1) > packet->end)
			return false;
		copy_ipv6(endpoint->words, &ipv6->daddr);
		/* ::/64 holds what travels on no wire, IPv4-mapped addresses above all. */
		return endpoint->words[0] | endpoint->words[1];
	}
	if ((const void *)(ipv4 + 1) > packet->end)
		return false;
	map_ipv4(endpoint->words, ipv4->daddr);
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
