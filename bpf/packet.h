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
	__u64 network;	 /* where the IP header begins */
	__u64 transport; /* the UDP header */
	__u64 request;	 /* the bytes after the token */
	__u64 request_length;
	__u64 token_length;
	__u64 ipv6;	   /* or IPv4 */
	__u64 unusual;	   /* a fragment, or IP options */
	__u64 address_sum; /* one's-complement sum of both IP addresses, not folded */
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

/* Up to `most` bytes, a constant, of the frame. Returns false, too, for more. */
static __always_inline bool load_bytes(struct xdp_md *ctx, __u32 at, __u64 length, void *to,
				       __u64 most)
{
	__u64 last = length - 1;

	if (!length)
		return true;
	OPAQUE(last);
	if (last >= most)
		return false;
	/* Linux 6.1 takes no length of which it does not know that it is not zero. */
	last += 1;
	OPAQUE(last);
	return !bpf_xdp_load_bytes(ctx, at, to, last);
}

/* Of its first buffer, which is nearly always all of it. */
static __always_inline __u64 frame_length(const struct xdp_md *ctx)
{
	__u64 length = frame_end(ctx) - frame_start(ctx);

	OPAQUE(length);
	return length;
}

#endif
