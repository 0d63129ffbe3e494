/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One generator and one sink on an interface: live frames out, replies counted as they come back,
 * all of it in softirq context on one CPU.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <net/ethernet.h>
#include <coax/address.h>
#include "bench.h"
#include "frame.h"
#include "hook.h"

struct generator_bpf;

struct run_options {
	const char *interface;
	struct ether_addr peer_mac;
	bool has_peer_mac;
	double seconds;
	const char *destination_text; /* what becomes `destination` with `port` */
	in_port_t port;
	union coax_address source;
	union coax_address destination;
	struct bench_request request;
	unsigned int batch; /* frames at a time */
	unsigned int cpu;   /* that the calling thread is pinned to */
};

/* The elements for getopt_long(). */
#define RUN_OPTIONS                                                                              \
	{"interface", required_argument, NULL, 'i'}, {"peer-mac", required_argument, NULL, 'm'}, \
		{"destination", required_argument, NULL, 'd'},                                   \
		{"port", required_argument, NULL, 'p'}, {"path", required_argument, NULL, 'u'},  \
	{                                                                                        \
		"seconds", required_argument, NULL, 's'                                          \
	}

/* Take the argument of one of them. Returns false for any other option. */
bool run_take_option(struct run_options *o, int option);

struct run {
	const char *name;
	bool reflected;			  /* the requests themselves are to come back */
	bool flood;			  /* from forged sources: with run_flood() */
	const union coax_address *spared; /* a flood's: frames to there pass */
	const struct run_options *options;
	struct bench_frame frame;
	struct generator_bpf *skel;
	struct bench_hook sink;
	struct bench_counts counts;
	uint64_t sent;
	double seconds;	    /* from the first to the last frame */
	double cpu_seconds; /* that the CPU was busy */
};

/* These complain themselves, and return 0 or 1. */

int run_open(struct run *run, const char *interface, const struct ether_addr *peer_mac);
void run_close(struct run *run);

/*
 * The first requests reach a server's userspace, which then lets the kernel answer. Goes on when
 * as many replies have come as requests went out.
 */
int run_warm_up(struct run *run);

/* Send for so long, `limit` frames in all calls together at most. */
int run_slice(struct run *run, double seconds, uint64_t limit);

/* Send so many frames from forged sources. */
int run_flood(struct run *run, uint64_t count);

/* Collect what came back. */
int run_collect(struct run *run);

/* The same, print a line, look at one of the replies. */
int run_report(struct run *run);

/* Replies a second. */
double run_rate(const struct run *run);

/* The MAC address of an interface. Returns 0 or a negative errno. */
int run_interface_mac(const char *interface, struct ether_addr *mac);

#endif
