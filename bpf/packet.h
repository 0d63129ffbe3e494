/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the steps know of a packet. Offsets count from the first byte of the frame, so that they
 * stay right when it is resized; packet pointers do not.
 */
#ifndef COAX_BPF_PACKET_H
#define COAX_BPF_PACKET_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <coax/wire.h>

/* Like struct ethhdr, but with the alignment that it has: no access byte by byte. */
struct ethernet_header {
	__u16 destination[3];
	__u16 source[3];
	__be16 protocol;
};

struct vlan_tag {
	__be16 control;
	__be16 protocol; /* of what follows */
};

struct coap_header {
	__u8 first; /* version, type, token length */
	__u8 code;
	__be16 message_id;
};

/* Two tags, IPv6, UDP, CoAP header and token. */
#define HEADERS_MAX                                                                              \
	(sizeof(struct ethernet_header) + 2 * sizeof(struct vlan_tag) + sizeof(struct ipv6hdr) + \
	 sizeof(struct udphdr) + sizeof(struct coap_header) + COAX_TOKEN_MAX)

/* Words, because the verifier of Linux 6.1 forgets what it knew of less when that is spilled. */
struct packet {
	void *start;	 /* of its first buffer, which is nearly always all of it */
	void *end;	 /* of that */
	void *ip;	 /* the IP header */
	__u64 network;	 /* where that begins */
	__u64 transport; /* the UDP header */
	__u64 request;	 /* the bytes after the token */
	__u64 request_length;
	__u64 token_length;
	__u64 ipv6;	   /* or IPv4 */
	__u64 address_sum; /* one's-complement sum of both IP addresses, in 18 bits */
	__u64 source_port; /* host order */
	__u64 source_end;  /* the last four bytes of the source address, as they lie there */
	__u32 service;
	__u32 reset; /* the outcome when RST is what answers it; 0: it is not */
	__u8 type;
	__u8 code;
};

/*
 * Keeps the compiler from computing a value anew, or its bounds by other ways than the verifier's:
 * what that knows of a value, it knows of one register.
 */
#define OPAQUE(variable) asm volatile("" : "+r"(variable))

static __always_inline void *frame_start(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *frame_end(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

/*
 * Whether a length of one at least is no more than `most`, a constant, so that the verifier knows
 * it. Linux 6.1 takes no length of which it does not know that it is not zero.
 */
static __always_inline bool bound_length(__u64 *length, __u64 most)
{
	__u64 last = *length - 1;

	OPAQUE(last);
	if (last >= most)
		return false;
	last += 1;
	OPAQUE(last);
	*length = last;
	return true;
}

/* Up to `most` bytes, a constant, of the frame. Returns false, too, for more. */
static __always_inline bool load_bytes(struct xdp_md *ctx, __u32 at, __u64 length, void *to,
				       __u64 most)
{
	if (!length)
		return true;
	return bound_length(&length, most) && !bpf_xdp_load_bytes(ctx, at, to, length);
}

/* Likewise into the frame. */
static __always_inline bool store_bytes(struct xdp_md *ctx, __u32 at, const void *from,
					__u64 length, __u64 most)
{
	if (!length)
		return true;
	return bound_length(&length, most) && !bpf_xdp_store_bytes(ctx, at, (void *)from, length);
}

/* At the beginning, and whenever it has been resized. */
static __always_inline void find_frame(const struct xdp_md *ctx, struct packet *packet)
{
	packet->start = frame_start(ctx);
	packet->end = frame_end(ctx);
}

/* Sets what follows from `network` and `ipv6`, in a frame that has been found. */
static __always_inline void find_headers(struct packet *packet)
{
	packet->ip = packet->start + packet->network;
	packet->transport =
		packet->network + (packet->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/* Relative to the IP header, whose distance from the frame's start the verifier need not know. */
static __always_inline void *udp_header(const struct packet *packet)
{
	return packet->ip + (packet->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/* What functions of their own are told of a packet. The verifier looks at each of them once. */
static __always_inline __u64 address_place(const struct packet *packet)
{
	return packet->network << 1 | packet->ipv6;
}

/* The other way round. */
static __always_inline void find_place(const struct xdp_md *ctx, __u64 place, struct packet *packet)
{
	__u64 network = place >> 1;

	OPAQUE(network);
	find_frame(ctx, packet);
	packet->network = network & 0x1f;
	packet->ipv6 = place & 1;
	OPAQUE(packet->ipv6);
	find_headers(packet);
	OPAQUE(packet->ip);
}

static __always_inline __u64 frame_length(const struct packet *packet)
{
	__u64 length = packet->end - packet->start;

	OPAQUE(length);
	return length;
}

static __always_inline bool is_one_buffer(struct xdp_md *ctx, const struct packet *packet)
{
	return bpf_xdp_get_buff_len(ctx) == frame_length(packet);
}

#endif
