/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turn the request into its reply, in place. Nothing is touched before there is room for all of
 * it; once something is, the frame is sent or dropped, never passed.
 */
#ifndef COAX_BPF_REPLY_H
#define COAX_BPF_REPLY_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include "age.h"
#include "cache.h"
#include "checksum.h"
#include "packet.h"
#include "room.h"
#include "route.h"
#include "stats.h"

#define REPLY_TTL 64
/* Bodies of so many pieces are copied by words, which is faster than the call that takes others. */
#define PIECES		 4
#define SMALL_PIECE	 8
#define LARGE_PIECE	 32
#define IP_DONT_FRAGMENT 0x4000

/* By words of 4 and 2 bytes: both lie at odd multiples of two. */
static __always_inline void swap_macs(void *destination)
{
	void *source = destination + ETH_ALEN;
	__u32 first = *(__u32 *)destination;
	__u16 last = *(__u16 *)(destination + 4);

	*(__u32 *)destination = *(__u32 *)source;
	*(__u16 *)(destination + 4) = *(__u16 *)(source + 4);
	*(__u32 *)source = first;
	*(__u16 *)(source + 4) = last;
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct packet *packet, __u16 length)
{
	__be16 *words = (__be16 *)ip;
	__be32 source = ip->saddr;

	words[0] = bpf_htons(0x4500);
	words[1] = bpf_htons(length);
	*(__be32 *)(void *)(words + 2) = bpf_htonl(IP_DONT_FRAGMENT);
	words[4] = bpf_htons(REPLY_TTL << 8 | IPPROTO_UDP);
	words[5] = ~sum_fold(packet->address_sum + words[1] + bpf_htons(0x4500) +
			     bpf_htons(IP_DONT_FRAGMENT) + bpf_htons(REPLY_TTL << 8 | IPPROTO_UDP));
	ip->saddr = ip->daddr;
	ip->daddr = source;
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, __u16 length)
{
	__u32 *source = ip->saddr.in6_u.u6_addr32;
	__u32 *destination = ip->daddr.in6_u.u6_addr32;

	*(__be32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(length - sizeof(*ip));
	ip->hop_limit = REPLY_TTL;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u32 word = source[i];

		source[i] = destination[i];
		destination[i] = word;
	}
}

/* How the reply's message differs from the request's, apart from its length. */
struct change {
	__u8 type;
	__u8 code;
	__u16 request_sum; /* of the bytes after the token */
	__u16 sum;	   /* of those that replace them */
};

/* Type and code, which is what changes in the CoAP header. */
static __always_inline __u16 type_and_code(const struct packet *packet, const struct change *change)
{
	return bpf_htons((COAX_VERSION << 6 | change->type << 4 | packet->token_length) << 8 |
			 change->code);
}

static __always_inline bool sum_token(struct xdp_md *ctx, const struct packet *packet, __u64 *sum)
{
	__u16 words[COAX_TOKEN_MAX / 2] = {};

	if (!load_bytes(ctx, packet->request - packet->token_length, packet->token_length, words,
			COAX_TOKEN_MAX))
		return false;
	*sum += (__u64)words[0] + words[1] + words[2] + words[3];
	return true;
}

/*
 * The sum for the reply's UDP checksum, all from parts whose sums are known. Where the request's
 * checksum covers the request, it is brought up to date (RFC 1624) by what changes: the
 * lengths (one in the pseudo header), type and code, and the bytes after the token. A request
 * damaged on its way so gives a damaged reply.
 *
 * It covers nothing where IPv4 goes without, and where the sender has left it to a network card
 * that the frame never met (veth, virtio): then it is the folded sum of the pseudo header.
 */
static __always_inline bool sum_reply(struct xdp_md *ctx, const struct packet *packet,
				      const struct change *change, const struct udphdr *udp,
				      const struct coap_header *coap, __be16 length, __u64 *sum)
{
	__u64 pseudo = packet->address_sum + bpf_htons(IPPROTO_UDP);
	__u16 changed = type_and_code(packet, change);
	__u32 body = change->sum;

	if (udp->check && !sum_is_multiple(pseudo + udp->len + sum_without(udp->check))) {
		body += sum_without(change->request_sum);
		*sum = (__u64)sum_without(udp->check) +
		       2 * ((__u64)length + sum_without(udp->len)) + changed +
		       sum_without(*(const __u16 *)coap);
	} else {
		*sum = pseudo + 2 * (__u64)length + udp->source + udp->dest + changed +
		       coap->message_id;
		if (!sum_token(ctx, packet, sum))
			return false;
	}
	*sum += sum_at(packet->token_length, body);
	return true;
}

static __always_inline void write_udp(struct udphdr *udp, __be16 length, __u64 sum)
{
	__be16 port = udp->source;

	udp->source = udp->dest;
	udp->dest = port;
	udp->len = length;
	udp->check = sum_check(sum);
}

/* All that stands before the message; up to there, the caller has looked whether there is room. */
static __always_inline bool write_transport(const struct packet *packet, struct udphdr *udp,
					    __u32 length, __u64 sum)
{
	void *ip = packet->ip;

	if (packet->start + sizeof(struct ethernet_header) > packet->end)
		return false;
	swap_macs(packet->start);
	if (packet->ipv6)
		write_ipv6(ip, length - packet->network);
	else
		write_ipv4(ip, packet, length - packet->network);
	write_udp(udp, bpf_htons(length - packet->transport), sum);
	return true;
}

static __always_inline bool write_headers(struct xdp_md *ctx, const struct packet *packet,
					  const struct change *change, __u32 length)
{
	struct udphdr *udp = udp_header(packet);
	struct coap_header *coap = (void *)(udp + 1);
	__be16 udp_length = bpf_htons(length - packet->transport);
	__u64 sum;

	if ((void *)(coap + 1) > packet->end)
		return false;
	if (!sum_reply(ctx, packet, change, udp, coap, udp_length, &sum))
		return false;
	if (!write_transport(packet, udp, length, sum))
		return false;
	*(__u16 *)coap = type_and_code(packet, change);
	return true;
}

static __always_inline bool copy_piece(void *to, const void *end, const void *from, __u64 size)
{
	if (to + size > end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < size / 8; i++)
		((__u64 *)to)[i] = ((const __u64 *)from)[i];
	return true;
}

/* Pieces from the start, and the one that ends with the last byte. `size`, of each, is a constant.
 */
static __always_inline bool write_pieces(const struct packet *packet, const struct reply *reply,
					 __u64 size)
{
	const __u8 *from = reply->slot->reply;
	void *to = packet->start + packet->request;
	void *last = packet->start + packet->request;
	__u64 last_at = reply->length - size;
	__u64 whole = reply->length / size;

	OPAQUE(last_at);
	if (last_at > (PIECES - 1) * size)
		return false;
	last += last_at;
	OPAQUE(last);
	if (!copy_piece(last, packet->end, from + last_at, size))
		return false;
	OPAQUE(to);
#pragma unroll
	for (__u32 i = 0; i < PIECES - 1; i++) {
		if (i >= whole)
			break;
		if (!copy_piece(to + i * size, packet->end, from + i * size, size))
			return false;
	}
	return true;
}

static __always_inline bool write_body(struct xdp_md *ctx, const struct packet *packet,
				       const struct reply *reply)
{
	if (reply->length >= SMALL_PIECE && reply->length <= PIECES * SMALL_PIECE)
		return write_pieces(packet, reply, SMALL_PIECE);
	if (reply->length > PIECES * SMALL_PIECE && reply->length <= PIECES * LARGE_PIECE)
		return write_pieces(packet, reply, LARGE_PIECE);
	return store_bytes(ctx, packet->request, reply->slot->reply, reply->length, COAX_REPLY_MAX);
}

/* A message of its own, with its sum: nothing of the request's is left in it. */
static __always_inline bool write_message(struct xdp_md *ctx, const struct packet *packet,
					  const void *message, __u64 length, __u64 most, __u64 sum)
{
	struct udphdr *udp = udp_header(packet);
	__u64 at = packet->transport + sizeof(*udp);

	if ((void *)(udp + 1) > packet->end)
		return false;
	sum += packet->address_sum + bpf_htons(IPPROTO_UDP) +
	       2 * (__u64)bpf_htons(sizeof(*udp) + length) + udp->source + udp->dest;
	return write_transport(packet, udp, at + length, sum) &&
	       store_bytes(ctx, at, message, length, most);
}

/* Whether a reply of this length can leave, and room for it. Nothing is touched unless GO_ON. */
static __always_inline enum outcome make_way(struct xdp_md *ctx, struct packet *packet,
					     __u32 length, union next_hop *hop)
{
	enum outcome outcome;

	if (length - packet->network > coax_link.mtu)
		return OUTCOME(pass_no_room);
	outcome = find_route(ctx, packet, length - packet->network, hop);
	if (outcome != GO_ON)
		return outcome;
	return make_room(ctx, packet, length);
}

/* Separate, or piggybacked on the acknowledgement (RFC 7252 section 5.2). */
static __always_inline struct change change_to(const struct packet *packet,
					       const struct coax_slot *slot)
{
	return (struct change){
		.type = packet->type == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON,
		.code = slot->reply_code,
		.request_sum = slot->key_sum,
		.sum = slot->reply_sum,
	};
}

static __always_inline enum outcome send_reply(struct xdp_md *ctx, struct packet *packet,
					       const struct reply *reply)
{
	__u32 length = packet->request + reply->length;
	enum outcome outcome;
	struct change change;
	union next_hop hop;

	outcome = make_way(ctx, packet, length, &hop);
	if (outcome != GO_ON)
		return outcome;
	change = change_to(packet, reply->slot);
	if (!turn_to(packet, &hop) || !write_headers(ctx, packet, &change, length))
		return OUTCOME(drop_raced);
	if (!write_body(ctx, packet, reply))
		return OUTCOME(drop_raced);
	if (reply_ages(reply) && !write_max_age(ctx, packet, reply))
		return OUTCOME(drop_raced);
	if (!slot_unchanged(reply))
		return OUTCOME(drop_raced);
	slot_mark_used(reply->slot);
	return OUTCOME(reply);
}

#endif
