/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block-wise transfers (RFC 7959) of one known body, side by side from many sockets, each of them
 * one block at a time, over and over.
 */
#ifndef BENCH_TRANSFER_H
#define BENCH_TRANSFER_H

#include "client.h"

struct transfer_options {
	union coax_address destination;
	const char *path;
	bool put; /* send the body; otherwise fetch it */
	unsigned int sockets;
	uint8_t exponent; /* SZX: of the blocks to use; a server may want smaller ones */
	const uint8_t *body;
	size_t size;
};

/* Since the last transfers_reset(). */
struct transfer_counts {
	uint64_t blocks; /* that arrived, in whichever direction */
	uint64_t bytes;	 /* of the body, in them */
	uint64_t completed;
	uint64_t failed; /* ended by an error, or because nothing came for too long */
	uint64_t wrong;	 /* of those, by bytes or block options that are not what they should be */
	uint64_t repeated;  /* messages sent again */
	uint64_t extra;	    /* replies that nothing waited for */
	uint64_t malformed; /* datagrams that are no CoAP message */
	uint64_t refused;   /* times that the network said that there is no server */
	uint8_t error_code; /* the last answer that ended a transfer, 0: none */
};

struct transfers;

/* Open the sockets. Returns 0 or a negative errno. */
int transfers_open(struct transfers **transfers, const struct transfer_options *options);
void transfers_close(struct transfers *transfers);

/*
 * Go on with what is under way, and begin up to `count` new transfers. Until `end`, a signal, or
 * there is nothing left to do; and no longer once something was wrong.
 */
void transfers_run(struct transfers *transfers, uint64_t end, uint64_t count);

void transfers_reset(struct transfers *transfers);
const struct transfer_counts *transfers_counts(const struct transfers *transfers);

#endif
