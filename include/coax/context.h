/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Context: sockets, worker threads (or the application's own loop), the message layer; a server
 * and a client in one. Requests are in coax/request.h, observation in coax/observation.h.
 */
#ifndef COAX_CONTEXT_H
#define COAX_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/accel.h>
#include <coax/address.h>
#include <coax/guard.h>
#include <coax/log.h>
#include <coax/message.h>
#include <coax/site.h>

struct coax_context;
struct coax_credentials;
struct coax_stats; /* <coax/maps.h> */
struct coax_succession;

/*
 * RFC 7252 section 4.8, and limits of our own, which bound what peers can make grow; those of
 * memory are over all workers. A zeroed field is the default named behind it.
 */
struct coax_tuning {
	uint32_t ack_timeout_ms;     /* 2000 */
	uint32_t ack_random_percent; /* 150: ACK_RANDOM_FACTOR 1.5 */
	uint32_t max_retransmit;     /* 4 */
	uint32_t empty_ack_delay_ms; /* 100: a handler that takes longer gets an empty ACK out */
	uint32_t handler_timeout_ms; /* 60000: a deferred request gets 5.03 then */
	uint32_t exchanges_max;	     /* 262144 remembered requests, over all workers */
	uint32_t deferred_max;	     /* 4096 requests being handled, over all workers */
	uint32_t leisure_ms;	     /* 5000: responses to multicast are spread over it (8.2) */
	uint32_t nstart;	     /* 1 request without an ACK to one remote at a time (4.7) */
	uint32_t nstart_max;	     /* nstart; more: so many, growing with what is acknowledged at
				      * the first try, and back to nstart with what is not */
	uint32_t probing_rate;	     /* 1 byte a second to who does not respond (4.7) */

	uint32_t block_size;	   /* 1024: the largest blocks to use; 16 to 1024 (RFC 7959) */
	uint64_t body_max;	   /* 1 MiB: of a request or response that is put together */
	uint64_t bodies_max;	   /* 64 MiB of all bodies held for transfers that are under way,
				    * and for a second of their memory, for the next ones */
	uint32_t bodies_per_peer;  /* 8 bodies that one peer is in the middle of sending */
	uint32_t block_timeout_ms; /* 247000 between two blocks of a transfer */

	uint32_t observers_max;	     /* 131072 observers here, about 300 bytes each */
	uint32_t observers_per_peer; /* 256 of them; those beyond get a response without Observe */
	uint32_t notify_confirm_ms; /* 3600000: a notification at least this often is confirmable */
	uint32_t observations_max;  /* 4096 observations of others' resources */

	uint32_t sessions_max;	  /* 16384 secure ones, over all workers; the one idle longest ends
				   * for a new one */
	uint32_t handshakes_max;  /* 1024 of them that are not established yet */
	uint32_t session_idle_ms; /* 86400000: one that is not used for so long ends */
};

/* A zeroed one: a client on a random port of all addresses, with one thread. */
struct coax_context_options {
	struct coax_site *site;	 /* served; not owned; NULL: each request gets 4.04 */
	bool server;		 /* a server also without a site, which may be given later */
	const char *const *bind; /* addresses for coax_address_parse() */
	size_t bind_count;	 /* 0: a server "*:5683", a client "*:0" */
	/*
	 * Where a server speaks DTLS. 0 with server_credentials: at the port behind that of each
	 * `bind` (5684), or any where that is any.
	 */
	const char *const *bind_secure;
	size_t bind_secure_count;
	/*
	 * Whom and what to believe, held; NULL: none. The client's are for requests with `secure`,
	 * which leave by sockets of their own at all addresses; the server's for sessions that
	 * others begin. Neither is ever used for the other.
	 */
	struct coax_credentials *client_credentials;
	struct coax_credentials *server_credentials;
	/*
	 * Groups to listen to: "ff05::fd%eth0", "224.0.1.187%eth0", or an interface's name alone
	 * for All CoAP Nodes of IPv4 and IPv6 (link-local and site-local; RFC 7252 section 12.8)
	 * and the all-nodes groups on it. On the port of the first address of their family. Joined
	 * again when the interface comes back.
	 */
	const char *const *groups;
	size_t group_count;
	/*
	 * By name: "udp" is plain coap, "dtls" is coaps. 0: all that there are, DTLS with
	 * credentials of either kind. With "dtls" alone nothing is received or sent without
	 * security; named, it is there before there are credentials.
	 */
	const char *const *transports;
	size_t transport_count;
	unsigned int workers; /* at most 256; 0: a server one a usable CPU, a client one */
	bool own_loop;	      /* no threads: the application calls coax_context_process() */
	struct coax_logger logger;
	struct coax_tuning tuning;
	struct coax_accel_options accel;
	struct coax_guard_options guard; /* of a server */
	/* To take another Context's place (<coax/control.h>); NULL: there is none. */
	const struct coax_succession *succession;
};

/*
 * How long datagrams were in a worker's hands: from when it took them from a socket until what was
 * to be said to them at once had left. Bounds in microseconds; beyond the last there is one more.
 */
#define COAX_TURNAROUNDS(X)   X(50) X(100) X(250) X(500) X(1000) X(2500) X(10000) X(100000) X(1000000)
#define COAX_TURNAROUND_COUNT 10

/* What a Context has seen, summed over its workers. */
struct coax_context_stats {
	uint64_t datagrams_in;
	uint64_t datagrams_out;
	uint64_t datagrams_dropped; /* not sent, for want of room in the network stack */
	uint64_t requests;	    /* handed to the site */
	uint64_t responses;	    /* sent */
	uint64_t duplicates;	    /* requests that came again */
	uint64_t retransmissions;   /* of our own confirmable messages */
	uint64_t timeouts;	    /* confirmable messages that nobody acknowledged */
	uint64_t malformed;	    /* datagrams that are no CoAP message, each of these kinds: */
	uint64_t malformed_short;   /* shorter than a header */
	uint64_t malformed_token;   /* a reserved token length, or a token cut short */
	uint64_t malformed_empty;   /* Empty, but more than a header */
	uint64_t malformed_options; /* options cut short or reserved */
	uint64_t malformed_marker;  /* a payload marker without payload */
	uint64_t ignored;	    /* unmatched responses and acknowledgements, and these: */
	uint64_t ignored_version;   /* other versions than 1 */
	uint64_t ignored_code;	    /* codes of the reserved classes, rejected if confirmable */
	uint64_t resets_in;
	uint64_t resets_out; /* pings among them */
	uint64_t pings;
	uint64_t published;	 /* replies given to the kernel */
	uint64_t refused;	 /* requests not run because a limit was reached */
	uint64_t observers;	 /* registered now */
	uint64_t notifications;	 /* sent */
	uint64_t observers_lost; /* RST, no acknowledgement, or a network error ended them */
	uint64_t blocks_in;	 /* of bodies of requests */
	uint64_t blocks_out;	 /* of bodies of responses */
	uint64_t bodies;	 /* bytes of bodies held now */
	uint64_t denied;	 /* datagrams ignored for where they came from */
	uint64_t limited;	 /* requests answered 4.29: too many of their prefix */
	uint64_t challenged;	 /* requests answered 4.01 with an Echo: not verified */
	uint64_t sessions;	 /* secure ones that are established now */
	uint64_t handshakes;	 /* that ended well, and of these: */
	uint64_t handshakes_resumed;
	uint64_t handshakes_failed;
	uint64_t hellos_verified; /* ClientHellos answered with a HelloVerifyRequest */
	uint64_t records_dropped; /* of no session, damaged, or replayed */
	uint64_t turnaround_ns;	  /* of all datagrams together, and how many of them took */
	uint64_t
		turnarounds[COAX_TURNAROUND_COUNT]; /* up to each bound, and more than the former */
};

/**
 * coax_context_create - open the sockets, load the kernel half if asked to, start the workers.
 *
 * What `options` points to is needed only during the call, but for the site and the logger's `arg`
 * and `name`, which stay until the Context is gone.
 *
 * If the kernel half cannot be had, it says so at WARNING and goes on without. Returns 0 or
 * a negative errno, and has logged why at ERROR: -EINVAL (an option, or credentials that OpenSSL
 * does not take), -EPROTONOSUPPORT (a transport that is not known), -ENODEV (a group's interface),
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOMEM,
 * ...
 */
int coax_context_create(struct coax_context **context, const struct coax_context_options *options);

/**
 * coax_context_shutdown - end it all within 3 s (SHUTDOWN_TIMEOUT): new requests are answered 5.03,
 * running handlers finish and deferred requests are answered, observers get a last notification,
 * observations are cancelled on the wire and end with -ESHUTDOWN, and so do pending requests;
 * secure sessions are closed on the wire; then the kernel half is detached and all is freed.
 * Deferred responders answered later are dropped. Not from a handler or a callback. NULL: nothing.
 */
void coax_context_shutdown(struct coax_context *context);

/**
 * coax_context_set_site - serve another Site, or none (NULL), from now on.
 *
 * On return the kernel answers nothing from the former Site, its handlers do not run any more, and
 * observers have been told to look again: it can be destroyed. Deferred responders of it may still
 * be answered. Waits for an RCU grace period: not from a handler or a callback.
 */
void coax_context_set_site(struct coax_context *context, struct coax_site *site);

/**
 * coax_context_set_client_credentials, coax_context_set_server_credentials - use other credentials
 * from now on; held; NULL: none. Sessions by an entry that is in the new set unchanged remain, the
 * others end soon, and so do requests and observations in them. Any thread.
 *
 * Returns 0; or -EOPNOTSUPP (the Context was made without DTLS for this role), -EINVAL (credentials
 * that OpenSSL does not take; the logger is told more) or -ENOMEM: nothing has changed then.
 */
int coax_context_set_client_credentials(struct coax_context *context,
					struct coax_credentials *credentials);
int coax_context_set_server_credentials(struct coax_context *context,
					struct coax_credentials *credentials);

/**
 * coax_context_set_guard - set the guard of a server otherwise, in userspace and in the kernel:
 * limits and lists count from now on, and who is verified stays so. Waits for an RCU grace period:
 * not from a handler or a callback; one thread at a time.
 *
 * Returns 0; or -EOPNOTSUPP (no server), -EINVAL (said at ERROR) or -ENOMEM: nothing has changed.
 */
int coax_context_set_guard(struct coax_context *context, const struct coax_guard_options *options);

/*
 * The application's own loop: with own_loop, all of the Context's work is done by, and all of its
 * handlers and callbacks run in, coax_context_process(). Poll the descriptor for reading, for at
 * most the timeout, and call it; or whenever it suits. One thread at a time; the others may use
 * everything else that says "any thread".
 */

/**
 * coax_context_fd - the descriptor to poll. -EINVAL: the Context has threads.
 */
int coax_context_fd(const struct coax_context *context);

/**
 * coax_context_timeout - milliseconds until there is something to do without any input, rounded up;
 * -1: nothing is due.
 */
int coax_context_timeout(const struct coax_context *context);

/**
 * coax_context_process - do what there is to do, without waiting.
 */
void coax_context_process(struct coax_context *context);

/**
 * coax_context_port - the port that the Context's first socket is bound to. Any thread.
 */
in_port_t coax_context_port(const struct coax_context *context);

/**
 * coax_context_secure_port - the port of the first socket that a server takes sessions at; 0: there
 * is none. Any thread.
 */
in_port_t coax_context_secure_port(const struct coax_context *context);

/**
 * coax_context_stats_read - sum up the counters. Any thread.
 */
void coax_context_stats_read(const struct coax_context *context, struct coax_context_stats *stats);

/**
 * coax_context_worker_stats_read - the counters of one worker; they are numbered from 0 on. Any
 * thread. Returns 0, or -ENOENT: there are not so many.
 */
int coax_context_worker_stats_read(const struct coax_context *context, unsigned int worker,
				   struct coax_context_stats *stats);

/**
 * coax_context_kernel_stats_read - sum up the kernel half's counters over all CPUs. Any thread.
 * Returns 0 or a negative errno: -EOPNOTSUPP (there is no kernel half), -ENOMEM.
 */
int coax_context_kernel_stats_read(const struct coax_context *context, struct coax_stats *stats);

/**
 * coax_context_kernel_answers - whether the kernel half answers now: there is one, it is not
 * switched off, and its lease has not run out. Any thread.
 */
bool coax_context_kernel_answers(const struct coax_context *context);

#endif
