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

struct packet {
	__u32 network;	 /* where the IP header begins */
	__u32 transport; /* the UDP header */
	__u32 request;	 /* the bytes after the token */
	__u32 request_length;
	__u32 token_length;
	__u32 service;
	__u64 address_sum; /* one's-complement sum of both IP addresses, not folded */
	bool ipv6;
	bool unusual; /* a fragment, or IP options */
	__u8 type;
	__u8 code;
};

static __always_inline void *frame_start(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *frame_end(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

/*
 * Keeps the compiler from computing a value anew, or its bounds by other ways than the verifier's:
 * what that knows of a value, it knows of one register.
 */
#define OPAQUE(variable) asm volatile("" : "+r"(variable))

#endif
