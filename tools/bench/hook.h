/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An XDP program of ours on an interface, for a while.
 */
#ifndef BENCH_HOOK_H
#define BENCH_HOOK_H

struct bench_hook {
	int ifindex;
	int former; /* descriptor of the program that was there, -1: none */
};

#define BENCH_HOOK_NONE                    \
	{                                  \
		.ifindex = 0, .former = -1 \
	}

/* Attach in native mode, in the place of what is there. Returns 0 or a negative errno. */
int bench_hook_attach(struct bench_hook *hook, int ifindex, int program);

/* Put back what was there. Harmless when nothing is attached. */
void bench_hook_detach(struct bench_hook *hook);

#endif
