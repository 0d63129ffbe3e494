/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams in and out, a batch at a time, behind one table of operations. A transport belongs to
 * one worker: one thread at a time.
 */
#ifndef COAX_TRANSPORT_H
#define COAX_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <coax/address.h>
#include <coax/log.h>

#define COAX_BATCH 64
/* Longest datagram that is taken in; a longer one arrives cut and marked. */
#define COAX_DATAGRAM_IN_MAX 4096
/* Longest datagram that is sent. */
#define COAX_DATAGRAM_OUT_MAX 2048

/* The two ends of a datagram. An answer to it leaves by the same path. */
struct coax_path {
	union coax_address remote;
	union coax_address local; /* our address; AF_UNSPEC: the network stack chooses */
	uint32_t ifindex;	  /* that it came in by; 0: the network stack chooses */
	uint32_t socket;	  /* which of the transport's sockets */
};

struct coax_datagram {
	struct coax_path path;
	uint8_t *data;
	uint32_t length;
	bool truncated;
};

struct coax_transport;

struct coax_transport_ops {
	/* Up to `max` datagrams that have arrived, without waiting. Their data stays valid until the
	 * next call. Returns the count or a negative errno. */
	int (*receive)(struct coax_transport *transport, struct coax_datagram **batch);
	/* Send `count` datagrams; those that the network does not take are lost, as datagrams may be.
	 * Returns how many went out. */
	unsigned int (*send)(struct coax_transport *transport, struct coax_datagram *batch,
			     unsigned int count);
	/* One network error that has been reported for a datagram sent before: its destination.
	 * Returns the positive errno, 0: none. */
	int (*error)(struct coax_transport *transport, struct coax_path *path);
	/* Readable when there is something to receive (an epoll descriptor). */
	int (*fd)(const struct coax_transport *transport);
	void (*close)(struct coax_transport *transport);
};

struct coax_transport {
	const struct coax_transport_ops *ops;
};

/*
 * Open UDP sockets on `count` addresses, each with SO_REUSEPORT so that each worker has its own.
 * A port of 0 is replaced in `addresses` by the one that was found; AF_UNSPEC means IPv4 and IPv6 alike and has
 * been expanded to both by the caller. Returns 0 or a negative errno, said through `logger`.
 */
int coax_udp_open(struct coax_transport **transport, union coax_address *addresses, size_t count,
		  bool reuse_port, const struct coax_logger *logger);

#endif
