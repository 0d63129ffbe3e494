/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests from many sockets, so many unanswered at a time, and what became of them.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <coax/address.h>
#include "bench.h"
#include "histogram.h"

#define LOAD_WINDOW_MAX 64

struct load_options {
	union coax_address destination;
	struct bench_request request;
	bool mixed; /* of 100 requests one is a PUT, and four are what no cache knows */
	unsigned int sockets;
	unsigned int window;	 /* unanswered requests a socket */
	unsigned int in_flight;	 /* in all */
	double rate;		 /* open loop: requests a second; 0: as fast as replies come */
	unsigned int duplicates; /* percent of the requests that are sent twice */
};

/* Since the last load_reset(). */
struct load_counts {
	uint64_t sent;
	uint64_t replies;   /* 2.xx to a request that waited for it */
	uint64_t errors;    /* other codes, and RST */
	uint64_t lost;	    /* given up */
	uint64_t extra;	    /* replies that no request waited for: late ones, and to duplicates */
	uint64_t malformed; /* datagrams that are no CoAP reply to what was asked */
	uint64_t refused;   /* times that the network said that there is no server */
	uint64_t duplicated;
	uint64_t bytes; /* of the replies, as datagrams */
	uint64_t code[256];
	struct histogram latency;
};

struct load;

/* Open the sockets. Returns 0 or a negative errno. */
int load_open(struct load **load, const struct load_options *options);
void load_close(struct load *load);

/* Send and receive until `end`, or `packets` have been sent, or a signal. */
void load_run(struct load *load, uint64_t end, uint64_t packets);

/* Send nothing more; wait for what is on its way, for as long as a reply counts. */
void load_drain(struct load *load);

/* Whether each socket has sent a request. */
bool load_went_round(const struct load *load);

void load_reset(struct load *load);
const struct load_counts *load_counts(const struct load *load);

#endif
