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
/* Sockets of one transport: two of its own, one an address, one a group. */
#define COAX_SOCKETS_MAX 128

/* The two ends of a datagram. An answer to it leaves by the same path. */
struct coax_path {
	union coax_address remote;
	union coax_address local; /* our address; AF_UNSPEC: the network stack chooses */
	/*
	 * The secure session that it is part of (dtls.h), which is as much a part of who the remote
	 * is as its address: RFC 7252 section 9.1.1. 0: none.
	 */
	uint64_t session;
	/*
	 * The interface that it came in by; 0: the network stack chooses. Out it goes by that one
	 * when `local` is not said, or a group (a group's IPv6 scope ID says more than this).
	 */
	uint32_t ifindex;
	uint16_t socket; /* which of the transport's sockets */
	/* Which of our ports that are open for more message IDs, context/ports.h; 0: none. */
	uint8_t further;
	bool crowded; /* from a stranger among many: the guard's word for who serves it */
};

/* Whether two paths lead to one peer, whose messages can be about each other's. */
static inline bool coax_path_same_peer(const struct coax_path *a, const struct coax_path *b)
{
	return a->session == b->session && coax_address_equal(&a->remote, &b->remote);
}

/* What its session adds to a hash of who a peer is: nothing where there is none. */
static inline uint64_t coax_path_session_hash(const struct coax_path *path)
{
	return path->session * UINT64_C(0x9e3779b97f4a7c15);
}

struct coax_datagram {
	struct coax_path path;
	uint8_t *data;
	uint32_t length;
	bool truncated;
	int error; /* once sent: why the network refused it (a positive errno), or 0 */
};

struct coax_transport;
struct coax_udp_socket;

struct coax_transport_ops {
	/*
	 * Begin to take datagrams in. Until then what arrives at sockets with reuse_port is lost:
	 * each one that joins an address makes the network stack deal senders out anew, and what
	 * a sender repeats has to reach the transport that its first datagram reached. Returns 0 or
	 * a negative errno.
	 */
	int (*admit)(struct coax_transport *transport);
	/*
	 * Take in up to COAX_BATCH datagrams that have arrived at one socket, without waiting. They
	 * stay valid until the next call. Returns the count, 0 when there are none.
	 */
	unsigned int (*receive)(struct coax_transport *transport, uint32_t socket,
				struct coax_datagram **batch);
	/*
	 * Send up to COAX_BATCH datagrams; those that the network does not take are lost, as
	 * datagrams may be. Returns how many went out. A full queue is not an `error` of theirs.
	 */
	unsigned int (*send)(struct coax_transport *transport, struct coax_datagram *batch,
			     unsigned int count);
	/*
	 * The next network error that was reported to a socket for a datagram sent before.
	 * path->remote is where that was going. Returns a positive errno, 0 when there is none.
	 */
	int (*error)(struct coax_transport *transport, uint32_t socket, struct coax_path *path);
	/*
	 * Have a socket hear a group on an interface, and no longer. Only groups that were joined
	 * are heard. Returns 0 or a negative errno.
	 */
	int (*join)(struct coax_transport *transport, uint32_t socket,
		    const union coax_address *group, uint32_t ifindex);
	void (*leave)(struct coax_transport *transport, uint32_t socket,
		      const union coax_address *group, uint32_t ifindex);
	/*
	 * Open a socket anew at another address, and the same port if it says so. The descriptor
	 * keeps its number, but who polls it has to say so again. Returns 0, or a negative errno
	 * and nothing has changed.
	 */
	int (*rebind)(struct coax_transport *transport, uint32_t socket,
		      const union coax_address *address);
	/*
	 * Open one more socket, which takes datagrams in at once. Returns its index, -E2BIG or
	 * another negative errno.
	 */
	int (*open)(struct coax_transport *transport, const struct coax_udp_socket *wanted);
	/* The descriptor of a socket, -1 behind the last one. */
	int (*fd)(const struct coax_transport *transport, uint32_t socket);
	/* The address that a socket is bound to. */
	const union coax_address *(*bound)(const struct coax_transport *transport, uint32_t socket);
	void (*close)(struct coax_transport *transport);
};

struct coax_transport {
	const struct coax_transport_ops *ops;
};

/*
 * A socket to open: several transports share one address when it has reuse_port. A group's address
 * hears the group alone (once it is joined).
 */
struct coax_udp_socket {
	union coax_address address; /* port 0: any */
	bool reuse_port;
	bool secure; /* what comes and goes is not CoAP, but records: whoever opens it sees to it */
	bool late;   /* bound by admit(): others that share its address miss nothing until then */
	int inherited; /* one that is bound to it, used instead of a new one; 0: none */
};

/*
 * Open UDP sockets. Returns 0 or a negative errno, with *failed the socket that it was about.
 */
int coax_udp_open(struct coax_transport **transport, const struct coax_udp_socket *sockets,
		  uint32_t count, uint32_t *failed);

/* Whether an address stands for all of its family. */
bool coax_udp_is_wildcard(const union coax_address *address);

/* Whether nobody else is bound to an address. Returns 0, -EADDRINUSE or another negative errno. */
int coax_udp_probe(const union coax_address *address);

#endif
