// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What others may have on an interface: one program that counts IPv4 packets, which come only when
 * a test sends them, and one that resizes frames.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

volatile __u64 beside_seen SEC(".data.seen");

SEC("xdp")
int beside_counts(struct xdp_md *ctx)
{
	const struct ethhdr *ethernet = (const void *)(long)ctx->data;

	if ((const void *)(ethernet + 1) <= (const void *)(long)ctx->data_end &&
	    ethernet->h_proto == bpf_htons(ETH_P_IP))
		__sync_fetch_and_add(&beside_seen, 1);
	return XDP_PASS;
}

SEC("xdp")
int beside_resizes(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_tail(ctx, 0) ? XDP_ABORTED : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
