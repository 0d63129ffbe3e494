/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Observers of one resource (RFC 7641), each on a socket of its own, and somebody who changes it.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "client.h"
#include "histogram.h"

/* A payload is at least so long: it begins with the number of the change. */
#define WATCH_PAYLOAD_MIN 10

struct watch_options {
	union coax_address destination;
	union coax_address origin; /* where the state is changed; AF_UNSPEC: at the destination */
	union coax_address source; /* the observers' first one; AF_UNSPEC: any */
	unsigned int sources;	   /* so many of them, one after another, IPv4 */
	const char *path;
	unsigned int observers;
	size_t payload_size; /* of the PUTs, and so of the notifications */
};

/* Since the last watch_reset(). */
struct watch_counts {
	uint64_t changes;
	uint64_t completed; /* of those, all observers were told in time */
	uint64_t notifications;
	uint64_t confirmable; /* of those */
	uint64_t missed;      /* notifications that did not come within CLIENT_TIMEOUT */
	uint64_t stale;	      /* of an older state, or come again; not among the others */
	uint64_t ended;	      /* not 2.xx: the observation is over */
	uint64_t extra;	      /* other messages that nothing waited for */
	uint64_t malformed;
	uint64_t refused;
	struct histogram to_last; /* from the change to the last notification, ns */
};

struct watch;

/* Open the sockets. Returns 0 or a negative errno. */
int watch_open(struct watch **watch, const struct watch_options *options);
void watch_close(struct watch *watch);

/* PUT a first state there. Returns whether the server took it. */
bool watch_prepare(struct watch *watch);

/*
 * Have all observers register, or deregister. Returns how many did: got a 2.xx, with an Observe
 * option if they registered.
 */
unsigned int watch_register(struct watch *watch, bool wish);

/*
 * Change the state, wait until all observers have heard of it (or have not, within CLIENT_TIMEOUT),
 * change it again; until `end`, or `changes` have been made, or a signal.
 */
void watch_run(struct watch *watch, uint64_t end, uint64_t changes);

void watch_reset(struct watch *watch);
const struct watch_counts *watch_counts(const struct watch *watch);

#endif
