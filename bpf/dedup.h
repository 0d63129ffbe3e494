/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Has this very message come before? Userspace has written down in `exchanges` what duplicates get
 * (RFC 7252 section 4.5), and that alone is repeated: a request that it has not seen, or not
 * decided about, passes.
 */
#ifndef COAX_BPF_DEDUP_H
#define COAX_BPF_DEDUP_H

#include <linux/in.h>
#include "address.h"
#include "checksum.h"
#include "datagram.h"
#include "guard.h"
#include "maps.h"
#include "packet.h"
#include "reply.h"
#include "barrier.h"
#include "stats.h"

#define REPEATED_WORDS	(COAX_REPEATED_MAX / 8)
#define LINK_LOCAL	0xfe800000
#define LINK_LOCAL_MASK 0xffc00000
#define NAME_WORDS	5

union exchange_name {
	struct coax_exchange_name name;
	__u32 halves[2 * NAME_WORDS];
	__u64 words[NAME_WORDS];
};

_Static_assert(sizeof(union exchange_name) == sizeof(struct coax_exchange_name), "without padding");
_Static_assert(sizeof(struct coax_exchange_record) == 256, "each record begins a cache line");
_Static_assert(__builtin_offsetof(struct coax_exchange_record, reply_sum) == 64,
	       "what decides is in one cache line");

/*
 * What functions of their own are told of a message that came before: the number of its record, and
 * above it the sequence under which that was found, an even number.
 */
#define SEQUENCE_SHIFT 32
#define NO_DUPLICATE   0xffffffffffffffffULL

/* What is known of it. */
struct repeated {
	struct coax_exchange_record *record;
	__u64 length; /* of the reply; 0: there is none */
	__u64 digest;
	__u32 sequence;
	__u16 sum; /* of the reply */
};

/* A message, to be looked at by words. One more, as the verifier does not count in them. */
struct message_words {
	__u64 words[REPEATED_WORDS + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct message_words);
} message_words SEC(".maps");

static __always_inline const struct coax_digest_secret *digest_secret(void)
{
	const __u32 only = 0;
	const struct coax_secret *all = bpf_map_lookup_elem(&secret, &only);

	return all ? &all->digest : NULL;
}

/* Whether a packet that goes up for this reason may be a duplicate. */
static __always_inline bool may_be_duplicate(enum outcome outcome)
{
	return outcome >= OUTCOME(pass_method) && outcome <= OUTCOME(pass_withdrawn);
}

_Static_assert(OUTCOME(pass_long) == OUTCOME(pass_method) + 1 &&
		       OUTCOME(pass_unknown) == OUTCOME(pass_method) + 2 &&
		       OUTCOME(pass_withdrawn) == OUTCOME(pass_method) + 3,
	       "those are all");

/*
 * The whole message's. A function of its own, that the verifier looks at once. Returns 0, or
 * a negative errno.
 */
__noinline int digest_message(struct xdp_md *ctx, __u32 from, __u32 length, __u64 wanted)
{
	const struct coax_digest_secret *key = digest_secret();
	struct coax_digest_sums sums = {};
	struct message_words *message;
	const __u32 only = 0;
	__u64 last = length;

	message = bpf_map_lookup_elem(&message_words, &only);
	if (!key || !message)
		return -1;
	last -= 1;
	OPAQUE(last);
	if (last >= COAX_REPEATED_MAX)
		return -1;
	/* Zeros behind it. */
	message->words[last / 8] = 0;
	last += 1;
	OPAQUE(last);
	if (bpf_xdp_load_bytes(ctx, from, message->words, last))
		return -1;
	for (__u32 i = 0; i < REPEATED_WORDS && 8 * i < length; i++)
		coax_digest_add(&sums, key, i, message->words[i]);
	return coax_digest_end(&sums, key, length) == wanted ? 0 : -1;
}

static __always_inline bool is_link_local(__u32 first)
{
	return (bpf_ntohl(first) & LINK_LOCAL_MASK) == LINK_LOCAL;
}

/*
 * With a link-local peer, the link that it is at. Returns false where that is not known: a VLAN is
 * a device of its own.
 */
static __always_inline bool find_zone(const struct xdp_md *ctx, const struct packet *packet,
				      __u16 *zone)
{
	__u32 device = host_device(ctx);

	*zone = device;
	return packet->network == sizeof(struct ethernet_header) && device == *zone;
}

static __always_inline bool read_name(const struct xdp_md *ctx, const struct packet *packet,
				      union exchange_name *name)
{
	const void *ip = packet->ip;
	const struct ipv6hdr *ipv6 = ip;
	const struct iphdr *ipv4 = ip;
	const struct udphdr *udp = udp_header(packet);
	const struct coap_header *coap = (const void *)(udp + 1);
	__u32 *peer = name->halves;
	__u32 *local = name->halves + ADDRESS_WORDS;
	__u16 zone = 0;

	if ((const void *)(coap + 1) > packet->end)
		return false;
	if (packet->ipv6) {
		if ((const void *)(ipv6 + 1) > packet->end)
			return false;
		copy_ipv6(peer, &ipv6->saddr);
		copy_ipv6(local, &ipv6->daddr);
		if (is_link_local(peer[0]) && !find_zone(ctx, packet, &zone))
			return false;
	} else {
		if ((const void *)(ipv4 + 1) > packet->end)
			return false;
		map_ipv4(peer, ipv4->saddr);
		map_ipv4(local, ipv4->daddr);
	}
	name->name.peer_port = bpf_ntohs(udp->source);
	name->name.local_port = bpf_ntohs(udp->dest);
	name->name.message_id = bpf_ntohs(coap->message_id);
	name->name.zone = zone;
	return true;
}

static __always_inline bool name_is(const struct coax_exchange_record *record,
				    const union exchange_name *name)
{
	const __u64 *words = (const __u64 *)&record->name;
	__u64 difference = 0;

#pragma unroll
	for (int i = 0; i < NAME_WORDS; i++)
		difference |= words[i] ^ name->words[i];
	return !difference;
}

static __always_inline bool record_unchanged(const struct repeated *repeated)
{
	read_barrier();
	return *(volatile __u32 *)&repeated->record->sequence == repeated->sequence;
}

/* Until record_unchanged() confirms it, all that is read may be a mixture. */
static __always_inline bool read_record(__u32 number, const union exchange_name *name, __u64 now,
					struct repeated *repeated)
{
	struct coax_exchange_record *record = bpf_map_lookup_elem(&exchanges, &number);

	if (!record)
		return false;
	repeated->record = record;
	repeated->sequence = *(volatile __u32 *)&record->sequence;
	if (repeated->sequence & 1)
		return false;
	read_barrier();
	if (!name_is(record, name) || now >= record->expires ||
	    record->verdict == COAX_EXCHANGE_NONE)
		return false;
	repeated->digest = record->digest;
	repeated->length = record->reply_length;
	repeated->sum = record->reply_sum;
	return record_unchanged(repeated);
}

static __always_inline __u64 name_record(__u32 number, const struct repeated *repeated)
{
	return (__u64)repeated->sequence << SEQUENCE_SHIFT | number;
}

/* The other way round. What is read is to be confirmed by record_unchanged(). */
static __always_inline bool recall(__u64 duplicate, struct repeated *repeated)
{
	__u32 number = duplicate;
	struct coax_exchange_record *record = bpf_map_lookup_elem(&exchanges, &number);

	if (!record)
		return false;
	repeated->record = record;
	repeated->sequence = duplicate >> SEQUENCE_SHIFT;
	repeated->length = record->reply_length;
	repeated->sum = record->reply_sum;
	return true;
}

/*
 * These are functions of their own, as there is more than one way to here, and as the stack would
 * not hold them all.
 */

/* Which record is this very message's, or NO_DUPLICATE. */
__noinline __u64 find_duplicate(struct xdp_md *ctx, __u64 place, __u64 now, __u32 records)
{
	const struct coax_digest_secret *key = digest_secret();
	struct coax_digest_sums sums = {};
	struct repeated repeated;
	union exchange_name name;
	struct packet packet;
	__u32 number;

	find_place(ctx, place, &packet);
	if (!key || !read_name(ctx, &packet, &name))
		return NO_DUPLICATE;
#pragma unroll
	for (int i = 0; i < NAME_WORDS; i++)
		coax_digest_add(&sums, key, i, name.words[i]);
	number = coax_digest_end(&sums, key, sizeof(name)) & (records - 1) &
		 ~(COAX_EXCHANGE_WAYS - 1);
	if (!read_record(number, &name, now, &repeated) &&
	    !read_record(++number, &name, now, &repeated))
		return NO_DUPLICATE;
	if (digest_message(ctx, packet.transport + sizeof(struct udphdr), message_length(&packet),
			   repeated.digest))
		return NO_DUPLICATE;
	return name_record(number, &repeated);
}

_Static_assert(COAX_EXCHANGE_WAYS == 2, "find_duplicate() looks at both");

__noinline int send_repeat(struct xdp_md *ctx, __u64 place, __u64 duplicate, __u32 otherwise)
{
	struct repeated repeated;
	enum outcome outcome;
	struct packet packet;
	union next_hop hop;

	find_place(ctx, place, &packet);
	if (!recall(duplicate, &repeated) || repeated.length > COAX_REPEAT_MAX ||
	    check_datagram(&packet) != GO_ON)
		return otherwise;
	if (!repeated.length)
		return record_unchanged(&repeated) ? OUTCOME(drop_duplicate) : otherwise;
	/* Header and token are replaced like the rest. */
	packet.request = packet.transport + sizeof(struct udphdr);
	outcome = make_way(ctx, &packet, packet.request + repeated.length, &hop);
	if (outcome != GO_ON)
		return outcome;
	if (!turn_to(&packet, &hop) ||
	    !write_message(ctx, &packet, repeated.record->reply, repeated.length, COAX_REPEAT_MAX,
			   repeated.sum) ||
	    !record_unchanged(&repeated))
		return OUTCOME(drop_raced);
	return OUTCOME(repeat);
}

/* That it was sent before says nothing of who is sent it: it counts like any other reply. */
__noinline int limit_repeat(struct xdp_md *ctx, __u64 place, __u64 duplicate, __u64 now)
{
	const struct coax_guard_config *guard = guard_config();
	struct repeated repeated;
	struct packet packet;

	find_place(ctx, place, &packet);
	if (!guard || !recall(duplicate, &repeated) ||
	    !coax_is_amplified(guard, message_length(&packet), repeated.length))
		return GO_ON;
	return limit_reply(ctx, place, repeated.length, now);
}

__noinline int refund_repeat(struct xdp_md *ctx, __u64 place, __u64 duplicate)
{
	const struct coax_guard_config *guard = guard_config();
	struct repeated repeated;
	struct packet packet;

	find_place(ctx, place, &packet);
	if (guard && recall(duplicate, &repeated) &&
	    coax_is_amplified(guard, message_length(&packet), repeated.length))
		refund_reply(ctx, place, repeated.length);
	return 0;
}

/* `otherwise`: what becomes of a packet that is no duplicate, one for which may_be_duplicate(). */
static __always_inline enum outcome repeat(struct xdp_md *ctx, __u64 place, __u64 now,
					   __u32 records, enum outcome otherwise)
{
	__u64 duplicate = records ? find_duplicate(ctx, place, now, records) : NO_DUPLICATE;
	enum outcome outcome;

	if (duplicate == NO_DUPLICATE)
		return otherwise;
	outcome = limit_repeat(ctx, place, duplicate, now + TICK_MAX);
	if (outcome != GO_ON)
		return outcome;
	outcome = send_repeat(ctx, place, duplicate, otherwise);
	if (action_of(outcome) == XDP_PASS)
		refund_repeat(ctx, place, duplicate);
	return outcome;
}

#endif
