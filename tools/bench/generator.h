/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the generator's kernel half and coax-bench agree on. Include <linux/types.h> before it.
 *
 * The n-th frame's source port, message ID and token are functions of n, so that each reply can be
 * checked against the request that it must belong to without remembering any request.
 */
#ifndef BENCH_GENERATOR_H
#define BENCH_GENERATOR_H

#define BENCH_FRAME_MAX	 512  /* longest request frame */
#define BENCH_SAMPLE_MAX 2048 /* longest reply frame that is kept for a look */

/* 2^14 source ports, then the next message ID: 2^30 requests before a pair comes again. */
#define BENCH_PORT_BITS	 14
#define BENCH_PORT_COUNT (1 << BENCH_PORT_BITS)
#define BENCH_PORT_FIRST 32768

/* One frame in this many is kept, the first one for sure. */
#define BENCH_SAMPLE_EVERY 65536

/* What came back, on one CPU. */
struct bench_counts {
	__u64 code[256]; /* CoAP messages for the generator's ports, by their code */
	__u64 bytes;	 /* length of their frames, together */
	__u64 other;	 /* anything else: passed on */
};

static inline __u64 bench_token(__u16 port, __u16 id)
{
	__u64 x = ((__u64)id << 16 | port) * 0x9e3779b97f4a7c15ULL;

	return x ^ x >> 32;
}

#endif
