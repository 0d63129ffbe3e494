// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The least that a program can do to answer: swap addresses and ports, send the frame back. What
 * a path costs beyond this is the answer itself.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define swap(a, b)                          \
	do {                                \
		__typeof__(a) swap_a = (a); \
		(a) = (b);                  \
		(b) = swap_a;               \
	} while (0)

/* Word by word: the address starts at an odd multiple of two. */
static __always_inline void swap_ethernet(struct ethhdr *eth)
{
	__u16 *destination = (__u16 *)eth->h_dest;
	__u16 *source = (__u16 *)eth->h_source;

	for (int i = 0; i < ETH_ALEN / 2; i++)
		swap(destination[i], source[i]);
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct udphdr *udp;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return XDP_PASS;
		swap(ip->saddr, ip->daddr);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return XDP_PASS;
		swap(ip->saddr, ip->daddr);
	} else {
		return XDP_PASS;
	}
	swap(udp->source, udp->dest);
	swap_ethernet(eth);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
