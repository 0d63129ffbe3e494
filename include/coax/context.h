/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Context: sockets, worker threads, the message layer, requests; a server and a client in one.
 */
#ifndef COAX_CONTEXT_H
#define COAX_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/accel.h>
#include <coax/address.h>
#include <coax/log.h>
#include <coax/message.h>
#include <coax/site.h>

struct coax_context;
struct coax_request;
struct coax_uri;

/* RFC 7252 section 4.8, and limits of our own. A zeroed field is the default named behind it. */
struct coax_tuning {
	uint32_t ack_timeout_ms;     /* 2000 */
	uint32_t ack_random_percent; /* 150: ACK_RANDOM_FACTOR 1.5 */
	uint32_t max_retransmit;     /* 4 */
	uint32_t empty_ack_delay_ms; /* 100: a handler that takes longer gets an empty ACK out */
	uint32_t handler_timeout_ms; /* 60000: a deferred request gets 5.03 then */
	uint32_t exchanges_max;	     /* 262144 remembered requests, over all workers */
	uint32_t deferred_max;	     /* 4096 requests being handled, over all workers */
};

/* A zeroed one: a client on a random port of all addresses, without threads of its own but one. */
struct coax_context_options {
	struct coax_site *site;	 /* served; not owned; NULL: each request gets 4.04 */
	const char *const *bind; /* addresses for coax_address_parse() */
	size_t bind_count;	 /* 0: with a site "*:5683", without "*:0" */
	unsigned int workers;	 /* at most 256; 0: with a site one a usable CPU, without one */
	struct coax_logger logger;
	struct coax_tuning tuning;
	struct coax_accel_options accel;
};

/* What a Context has seen, summed over its workers. */
struct coax_context_stats {
	uint64_t datagrams_in;
	uint64_t datagrams_out;
	uint64_t requests;	  /* handed to the site */
	uint64_t responses;	  /* sent */
	uint64_t duplicates;	  /* requests that came again */
	uint64_t retransmissions; /* of our own confirmable messages */
	uint64_t timeouts;	  /* confirmable messages that nobody acknowledged */
	uint64_t malformed;	  /* datagrams that are no CoAP message */
	uint64_t ignored;	  /* other versions, unmatched responses and acknowledgements */
	uint64_t resets_in;
	uint64_t resets_out; /* pings among them */
	uint64_t pings;
	uint64_t published; /* replies given to the kernel */
	uint64_t refused;   /* requests not run because a limit was reached */
};

/**
 * coax_context_create - open the sockets, load the kernel half if asked to, start the workers.
 *
 * What `options` points to is needed only during the call, but for the site and the logger's `arg`
 * and `name`, which stay until the Context is gone.
 *
 * If the kernel half cannot be had, it says so at WARNING and goes on without. Returns 0 or
 * a negative errno, and has logged why at ERROR: -EINVAL (an option), -EADDRINUSE, -EADDRNOTAVAIL,
 * -EACCES, -ENOMEM, ...
 */
int coax_context_create(struct coax_context **context, const struct coax_context_options *options);

/**
 * coax_context_shutdown - answer new requests 5.03, let running handlers finish and deferred ones
 * be answered for up to 3 s, end pending requests with -ESHUTDOWN, detach the kernel half, free
 * all. Deferred responders answered later than that are dropped. Not from a handler or a callback.
 * NULL: nothing.
 */
void coax_context_shutdown(struct coax_context *context);

/**
 * coax_context_port - the port that the Context's first socket is bound to. Any thread.
 */
in_port_t coax_context_port(const struct coax_context *context);

/**
 * coax_context_stats_read - sum up the counters. Any thread.
 */
void coax_context_stats_read(const struct coax_context *context, struct coax_context_stats *stats);

/*
 * Requests.
 */

/**
 * coax_response_fn - takes the result of a request, exactly once.
 *
 * `result` 0: `response` is a message of any response code, valid during the call. Else a negative
 * errno, `response` NULL: -ETIMEDOUT (nobody answered), -ECONNRESET (the peer answered RST),
 * -ECONNREFUSED, -EHOSTUNREACH, ... (the network said so), -ECANCELED, -ESHUTDOWN,
 * -EPROTO (a response with a critical option that is not understood), -ENOBUFS (too many pending
 * requests). Runs on a worker, or at the end of coax_context_shutdown() on its caller's thread.
 */
typedef void (*coax_response_fn)(void *arg, int result, const struct coax_message *response,
				 const union coax_address *remote);

/* How a request is sent. A zeroed one: confirmable. */
struct coax_request_options {
	bool non_confirmable;
	uint32_t timeout_ms; /* in all; 0: MAX_TRANSMIT_WAIT for the first sign, then 247 s */
};

/**
 * coax_resolve - the address that a URI's host stands for, through getaddrinfo(). Blocks.
 *
 * Any thread. Returns 0, or -EHOSTUNREACH with *error (static text) saying what getaddrinfo said.
 */
int coax_resolve(const struct coax_uri *uri, union coax_address *address, const char **error);

/**
 * coax_request - send `message`'s code, options and payload to `remote` as a request. Type, message
 * ID and token are chosen here. A code of 0.00 is a ping, and its result 0 (with response NULL)
 * when the RST comes back.
 *
 * `message` is copied. *request (may be NULL) can be cancelled until the callback has run. Any
 * thread, until coax_context_shutdown() has returned. Returns 0, -EINVAL (no request, or no address
 * of one host and a port), -EMSGSIZE, -EAFNOSUPPORT (no socket for IPv4 or IPv6), -ENOBUFS or
 * -ESHUTDOWN; then the callback does not run.
 */
int coax_request(struct coax_context *context, const union coax_address *remote,
		 const struct coax_message *message, const struct coax_request_options *options,
		 coax_response_fn done, void *arg, struct coax_request **request);

/**
 * coax_request_cancel - the callback runs with -ECANCELED unless it is running or has run. Any
 * thread, also from the callback. Only while the callback has not returned.
 */
void coax_request_cancel(struct coax_request *request);

/**
 * coax_request_wait - the same, blocking: the response is copied into `buffer` and parsed to
 * *response. Not from a handler or a callback.
 *
 * Returns 0 (with a response of any code) or what coax_response_fn gets, or -EMSGSIZE if
 * `size` bytes do not hold the response.
 */
int coax_request_wait(struct coax_context *context, const union coax_address *remote,
		      const struct coax_message *message,
		      const struct coax_request_options *options, void *buffer, size_t size,
		      struct coax_message *response);

#endif
