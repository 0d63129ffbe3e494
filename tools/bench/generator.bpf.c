// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The load generator's kernel half, both ends of it: generate() makes each live frame a new request
 * and sends it out of the interface; sink() sits on the same interface and counts what comes back.
 * flood() gives each a source of its own, and flood_sink() takes what comes back for those alone.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <coax/wire.h>
#include "generator.h"

/* Set before loading. */
const volatile __u32 interface;
const volatile __u32 frame_length;
const volatile __u32 udp_offset;
const volatile __u32 token_length;
const volatile __u32 names; /* 0: the frame's */
const volatile __u32 name_offset;
const volatile __u32 checksum_base; /* sum of what does not vary, pseudo-header included */
const volatile __u16 server_port;   /* host order */
const volatile __be32 spared;	    /* flood_sink() passes what goes to this address */

/*
 * The request with its varying fields zero. Not const: older kernels take the source of
 * bpf_xdp_store_bytes() for memory that may be written to.
 */
__u8 frame[BENCH_FRAME_MAX];

__u64 sent;
__u64 first_time; /* of the first frame since it was zero; nanoseconds */
__u64 last_time;  /* of the last one, or one shortly before it */

__u8 sample[BENCH_SAMPLE_MAX];
__u32 sample_length;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_counts);
} counts SEC(".maps");

/* A clock that is read for few frames only, so that it does not count among their costs. */
#define CLOCK_EVERY 64

/* A UDP header and the CoAP header behind it. */
struct datagram {
	struct udphdr udp;
	__u8 first;
	__u8 code;
	__be16 id;
	__u8 token[];
};

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* One of the names, in random order. Returns what it adds to the sum over that of zeros. */
static __always_inline __u32 write_name(struct xdp_md *ctx, __u64 number)
{
	static const char zeros[] = "00000000";
	__u32 name = ((number * 0x9e3779b97f4a7c15ULL >> 32) * names) >> 32;
	union {
		__u8 bytes[8];
		__u16 words[4];
	} digits;
	__u32 sum = 0;

#pragma unroll
	for (int i = 7; i >= 0; i--, name >>= 4)
		digits.bytes[i] = (name & 15) < 10 ? '0' + (name & 15) : 'a' - 10 + (name & 15);
	if (bpf_xdp_store_bytes(ctx, name_offset, &digits, sizeof(digits)) < 0)
		return 0;
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += digits.words[i] + (__u16) ~*(const __u16 *)(zeros + 2 * i);
	sum = fold(sum);
	return (name_offset - udp_offset) & 1 ? __builtin_bswap16(sum) : sum;
}

static __always_inline void read_clock(__u64 number)
{
	if (first_time && number % CLOCK_EVERY)
		return;
	last_time = bpf_ktime_get_ns();
	if (!first_time)
		first_time = last_time;
}

/* `sum`: of what else does not vary. */
static __always_inline int write_request(struct xdp_md *ctx, __u16 port, __u16 id, __u32 sum)
{
	__u64 bits = bench_token(port, id);
	union {
		__u8 bytes[COAX_TOKEN_MAX];
		__u16 words[COAX_TOKEN_MAX / 2];
	} token = {};
	struct datagram *datagram;
	__u16 check;

	datagram = (void *)(long)ctx->data + udp_offset;
	if ((void *)(datagram->token + token_length) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;

	datagram->udp.source = bpf_htons(port);
	datagram->id = bpf_htons(id);
	for (__u32 i = 0; i < COAX_TOKEN_MAX; i++) {
		if (i >= token_length)
			break;
		token.bytes[i] = (__u8)(bits >> 8 * i);
		datagram->token[i] = token.bytes[i];
	}
	sum += datagram->udp.source;
	sum += datagram->id;
	for (__u32 i = 0; i < COAX_TOKEN_MAX / 2; i++)
		sum += token.words[i];
	check = (__u16)~fold(sum);
	datagram->udp.check = check ? check : 0xffff; /* RFC 768 */
	return (int)bpf_redirect(interface, 0);
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u64 number = sent++;
	__u16 port = BENCH_PORT_FIRST + (number & (BENCH_PORT_COUNT - 1));
	__u32 sum = checksum_base;

	read_clock(number);
	/* The pages are used again with whatever the receiver left in them. */
	if (bpf_xdp_store_bytes(ctx, 0, frame, frame_length) < 0)
		return XDP_ABORTED;
	if (names)
		sum += write_name(ctx, number);
	return write_request(ctx, port, (__u16)(number >> BENCH_PORT_BITS), sum);
}

/* Of 1.0.0.0 to 126.255.255.255. The frame has been built with a source of zeros. */
static __always_inline __be32 any_source(void)
{
	__u32 random = bpf_get_prandom_u32();

	return bpf_htonl((random & 0xffffff) | ((random >> 24) % 126 + 1) << 24);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	__be32 source = any_source();
	__u32 sum = (source & 0xffff) + (source >> 16);
	__u32 random = bpf_get_prandom_u32();
	struct iphdr *ip;

	read_clock(sent++);
	if (bpf_xdp_store_bytes(ctx, 0, frame, frame_length) < 0)
		return XDP_ABORTED;
	ip = (void *)(long)ctx->data + sizeof(struct ethhdr);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = source;
	ip->check = (__u16)~fold((__u16)~ip->check + sum);
	return write_request(ctx, BENCH_PORT_FIRST + (random & (BENCH_PORT_COUNT - 1)),
			     (__u16)(random >> 16), checksum_base + sum);
}

/* The datagram in a frame, or NULL: not UDP over IP without options or extension headers. */
static __always_inline struct datagram *find_datagram(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct datagram *datagram;

	if ((void *)(eth + 1) > end)
		return NULL;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
			return NULL;
		datagram = (void *)(ip + 1);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return NULL;
		datagram = (void *)(ip + 1);
	} else {
		return NULL;
	}
	return (void *)(datagram + 1) > end ? NULL : datagram;
}

static __always_inline bool is_ours(const struct datagram *datagram)
{
	__u16 port = bpf_ntohs(datagram->udp.dest) - BENCH_PORT_FIRST;

	return datagram->udp.source == bpf_htons(server_port) && port < BENCH_PORT_COUNT &&
	       datagram->first >> 6 == COAX_VERSION;
}

static __always_inline void keep_sample(struct xdp_md *ctx, __u64 length)
{
	if (length < sizeof(struct ethhdr) || length > BENCH_SAMPLE_MAX)
		return;
	if (bpf_xdp_load_bytes(ctx, 0, sample, (__u32)length) == 0)
		sample_length = (__u32)length;
}

static __always_inline bool is_spared(const struct xdp_md *ctx)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (const void *)(eth + 1);

	if ((const void *)(ip + 1) > (const void *)(long)ctx->data_end)
		return true;
	return eth->h_proto != bpf_htons(ETH_P_IP) || ip->daddr == spared;
}

static __always_inline int count_reply(struct xdp_md *ctx)
{
	__u64 length = ctx->data_end - ctx->data;
	struct datagram *datagram = find_datagram(ctx);
	struct bench_counts *count;
	__u32 key = 0;

	count = bpf_map_lookup_elem(&counts, &key);
	if (!count)
		return XDP_ABORTED;
	if (!datagram || !is_ours(datagram)) {
		count->other++;
		return XDP_PASS;
	}
	if (count->code[datagram->code]++ % BENCH_SAMPLE_EVERY == 0)
		keep_sample(ctx, length);
	count->bytes += length;
	return XDP_DROP;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	return count_reply(ctx);
}

SEC("xdp")
int flood_sink(struct xdp_md *ctx)
{
	return is_spared(ctx) ? XDP_PASS : count_reply(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
