/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turn the request into its reply, in place. Nothing is touched before there is room for all of
 * it; once something is, the frame is sent or dropped, never passed.
 */
#ifndef COAX_BPF_REPLY_H
#define COAX_BPF_REPLY_H

#include <linux/in.h>
#include "age.h"
#include "cache.h"
#include "checksum.h"
#include "packet.h"
#include "room.h"
#include "route.h"
#include "stats.h"

#define REPLY_TTL 64
/* Bodies up to here are copied by words, which is faster than the call that takes longer ones. */
#define SHORT_BODY	 96
#define IP_DONT_FRAGMENT 0x4000

static __always_inline void swap_macs(struct ethernet_header *ethernet)
{
#pragma unroll
	for (int i = 0; i < 3; i++) {
		__u16 word = ethernet->destination[i];

		ethernet->destination[i] = ethernet->source[i];
		ethernet->source[i] = word;
	}
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct packet *packet, __u16 length)
{
	__be16 *words = (__be16 *)ip;
	__be32 source = ip->saddr;

	words[0] = bpf_htons(0x4500);
	words[1] = bpf_htons(length);
	words[2] = 0;
	words[3] = bpf_htons(IP_DONT_FRAGMENT);
	words[4] = bpf_htons(REPLY_TTL << 8 | IPPROTO_UDP);
	words[5] = ~sum_fold(packet->address_sum + words[0] + words[1] + words[3] + words[4]);
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

/* Type and code, which is what changes in the CoAP header. */
static __always_inline __u16 type_and_code(const struct packet *packet, const struct reply *reply)
{
	return bpf_htons((COAX_VERSION << 6 | reply->type << 4 | packet->token_length) << 8 |
			 reply->code);
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
				      const struct reply *reply, const struct udphdr *udp,
				      const struct coap_header *coap, __be16 length, __u64 *sum)
{
	__u64 pseudo = packet->address_sum + bpf_htons(IPPROTO_UDP);
	__u16 changed = type_and_code(packet, reply);
	__u16 body = reply->sum;

	if (udp->check && udp->check != sum_fold(pseudo + udp->len)) {
		body = sum_fold((__u64)body + sum_without(reply->request_sum));
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
	__u16 check = ~sum_fold(sum);

	udp->source = udp->dest;
	udp->dest = port;
	udp->len = length;
	/* Zero would mean that there is none (RFC 768). */
	udp->check = check ? check : 0xffff;
}

/* All that stands before the message. The frame has room for it. */
static __always_inline void write_transport(void *frame, const struct packet *packet,
					    struct udphdr *udp, __u32 length, __u64 sum)
{
	void *ip = frame + packet->network;

	swap_macs(frame);
	if (packet->ipv6)
		write_ipv6(ip, length - packet->network);
	else
		write_ipv4(ip, packet, length - packet->network);
	write_udp(udp, bpf_htons(length - packet->transport), sum);
}

static __always_inline bool write_headers(struct xdp_md *ctx, const struct packet *packet,
					  const struct reply *reply, __u32 length)
{
	void *frame = frame_start(ctx);
	struct udphdr *udp = frame + packet->transport;
	struct coap_header *coap = (void *)(udp + 1);
	__be16 udp_length = bpf_htons(length - packet->transport);
	__u64 sum;

	if ((void *)(coap + 1) > frame_end(ctx))
		return false;
	if (!sum_reply(ctx, packet, reply, udp, coap, udp_length, &sum))
		return false;
	write_transport(frame, packet, udp, length, sum);
	*(__u16 *)coap = type_and_code(packet, reply);
	return true;
}

/* Words from the start, and the one that ends with the last byte. */
static __always_inline bool write_short_body(struct xdp_md *ctx, const struct packet *packet,
					     const struct reply *reply)
{
	const __u8 *from = reply->slot->reply;
	const void *end = frame_end(ctx);
	void *word = frame_start(ctx) + packet->request;
	void *last = frame_start(ctx) + packet->request;
	__u64 last_at = reply->length - sizeof(__u64);

	OPAQUE(last_at);
	if (last_at > SHORT_BODY - sizeof(__u64))
		return false;
	last += last_at;
	OPAQUE(last);
	if (last + sizeof(__u64) > end)
		return false;
	*(__u64 *)last = *(const __u64 *)(from + last_at);

	OPAQUE(word);
#pragma unroll
	for (__u32 i = 0; i < SHORT_BODY / 8; i++, word += sizeof(__u64)) {
		if (8 * i + 8 > reply->length)
			break;
		if (word + sizeof(__u64) > end)
			return false;
		*(__u64 *)word = ((const __u64 *)from)[i];
	}
	return true;
}

static __always_inline bool write_body(struct xdp_md *ctx, const struct packet *packet,
				       const struct reply *reply)
{
	__u64 last = reply->length - 1;

	if (!reply->length)
		return true;
	if (reply->length >= sizeof(__u64) && reply->length <= SHORT_BODY)
		return write_short_body(ctx, packet, reply);
	OPAQUE(last);
	if (last >= COAX_REPLY_MAX)
		return false;
	last += 1;
	OPAQUE(last);
	return !bpf_xdp_store_bytes(ctx, packet->request, reply->slot->reply, last);
}

/* Whether a reply of this length can leave, and room for it. Nothing is touched unless GO_ON. */
static __always_inline enum outcome make_way(struct xdp_md *ctx, const struct packet *packet,
					     __u32 length, struct next_hop *hop)
{
	enum outcome outcome;

	if (length - packet->network > coax_link.mtu)
		return OUTCOME(pass_no_room);
	outcome = find_route(ctx, packet, length - packet->network, hop);
	if (outcome != GO_ON)
		return outcome;
	return make_room(ctx, packet, length);
}

static __always_inline enum outcome send_reply(struct xdp_md *ctx, const struct packet *packet,
					       const struct reply *reply)
{
	__u32 length = packet->request + reply->length;
	struct next_hop hop;
	enum outcome outcome;

	outcome = make_way(ctx, packet, length, &hop);
	if (outcome != GO_ON)
		return outcome;
	if (!turn_to(ctx, &hop) || !write_headers(ctx, packet, reply, length))
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
