/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses and ports as the keys of maps have them (<coax/maps.h>), by words.
 */
#ifndef COAX_BPF_ADDRESS_H
#define COAX_BPF_ADDRESS_H

#include <linux/in6.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

#define ADDRESS_WORDS 4

/* ::ffff:a.b.c.d */
static __always_inline void map_ipv4(__u32 *words, __be32 address)
{
	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline void copy_ipv6(__u32 *words, const struct in6_addr *address)
{
#pragma unroll
	for (int i = 0; i < ADDRESS_WORDS; i++)
		words[i] = address->in6_u.u6_addr32[i];
}

/* A port and the zeros behind it. In one piece: what was written in two is slow to read back. */
static __always_inline __u32 port_word(__be16 port)
{
	return bpf_htonl((__u32)bpf_ntohs(port) << 16);
}

#endif
