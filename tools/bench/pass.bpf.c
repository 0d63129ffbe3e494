// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Passes everything. What one end of a veth pair sends back from its XDP program arrives only when
 * the other end has a native program too: this is the least that such a program can be.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
