/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: one call each. Responses are matched and acknowledged, bodies cut and put together
 * (RFC 7959), names looked up, an Echo challenge answered (RFC 9175), all without the application.
 */
#ifndef COAX_REQUEST_H
#define COAX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/address.h>
#include <coax/body.h>
#include <coax/context.h>
#include <coax/message.h>

struct coax_request;
struct coax_uri;

/* In which fashion a result is told. */
enum coax_results {
	COAX_RESULTS_DEFAULT, /* 0 and a response of any code, or an errno without one */
	/* An unsuccessful response is an error too: -EREMOTEIO, and the response with it. */
	COAX_RESULTS_RAISING,
	/*
	 * Always 0 and a response: 5.04 for a time-out, 5.05 for a transport that there is
	 * not, 5.02 for other failures of the network, 5.00 for ours; with a diagnostic payload.
	 */
	COAX_RESULTS_RESPONSES,
};

/**
 * coax_response_fn - takes the result of a request, exactly once.
 *
 * `result` 0: `response` is a message of any response code, its body whole, valid during the call.
 * Else a negative errno, `response` NULL: -ETIMEDOUT (nobody answered), -ECONNRESET (the peer
 * answered RST, or the secure session that it went out in has ended: it may have been executed),
 * -ECONNREFUSED, -EHOSTUNREACH, ... (the network said so), -ENOENT (the name is not known), -ENOKEY
 * (no credentials for this URI), -EACCES (we refused the peer's), -ECANCELED, -ESHUTDOWN, -EPROTO
 * (a response that does not follow the protocol), -EFBIG (a body larger than body_max), -ESTALE
 * (the representation changed while its blocks were fetched, each time anew), -ENOBUFS (too many
 * pending requests), or what the body's `read` or the sink returned. Runs on a worker, or at the
 * end of coax_context_shutdown() on its caller's thread.
 */
typedef void (*coax_response_fn)(void *arg, int result, const struct coax_message *response,
				 const union coax_address *remote);

/**
 * coax_sink_fn - takes a response's body as it comes: `data` belongs at `offset`. `total` is its
 * length as far as the server tells (Size2), 0: unknown. Parts come in order; an offset of 0 again
 * means that the body changed and starts anew. `first` is the first block's response. Returns 0, or
 * a negative errno to end the request. On a worker.
 */
typedef int (*coax_sink_fn)(void *arg, const struct coax_message *first, uint64_t offset,
			    const void *data, size_t length, uint64_t total);

/* How a request is sent. A zeroed one: confirmable, bodies in blocks where they need it. */
struct coax_request_options {
	bool non_confirmable;
	bool single;	     /* no block-wise transfer: one message, and one response as it is */
	uint32_t timeout_ms; /* in all; 0: MAX_TRANSMIT_WAIT for the first sign, then 247 s (a
				block) */
	uint32_t block_size; /* the largest; 16 to 1024; 0: the Context's */
	uint64_t body_max;   /* of the response; 0: the Context's; not for a sink */
	enum coax_results results;
	const struct coax_body *body; /* instead of the message's payload; taken over */
	coax_sink_fn sink;	      /* of successful responses; they come without payload then */
	void *sink_arg;
	/* How much of the request's body has been acknowledged. NULL: not told. On a worker. */
	void (*progress)(void *arg, uint64_t sent, uint64_t total);
	void *progress_arg;
	/*
	 * Over DTLS: coaps (RFC 7252 section 6.2), the port without a Uri-Port being 5684, with the
	 * Context's client credentials for the request's URI. A session is there for all requests
	 * to an address; when nothing comes back in it any more, the next request begins a new one.
	 */
	bool secure;
	/*
	 * The response is passed on: critical options that are not known here and safe to forward
	 * are for somebody else to understand (RFC 7252 section 5.7.1). A challenge (4.01 with
	 * an Echo, RFC 9175) is not, and answered also with `single`.
	 */
	bool proxying;
	/*
	 * Why a request fails, for people, where there is more to say than its result does: "the
	 * server does not know the identity". Before the callback with the result; the text is
	 * valid during the call. NULL: not told. On a worker.
	 */
	void (*failed)(void *arg, const char *reason);
	void *failed_arg;
};

/**
 * coax_request - send `message`'s code, options and payload to `remote` as a request. Type, message
 * ID and token are chosen here. A code of 0.00 is a ping, and its result 0 (with response NULL)
 * when the RST comes back.
 *
 * `remote` NULL: the message says where to, by its Uri-Host (a name is looked up as
 * coax_find_remote() does, an IP literal is taken as it is and not sent) and Uri-Port.
 *
 * A message with Block1, or with Block2 for a block other than the first, is about a single block
 * and goes as with `single`; a Block2 for the first one is a wish for its size.
 *
 * `message` is copied. Not necessarily sent before this returns. *request (may be NULL) can be
 * cancelled until the callback has run. Any thread, until coax_context_shutdown() has returned.
 * Returns 0, -EINVAL (no request, no address of one host and a port, a block_size that there is
 * not), -EDESTADDRREQ (no remote and no Uri-Host), -EMSGSIZE (options, or with `single` the
 * payload, that no message holds, or a body that no block numbers express), -EAFNOSUPPORT (no
 * socket for IPv4 or IPv6), -EPROTONOSUPPORT (`secure`, and the Context has no DTLS), -ENOBUFS or
 * -ESHUTDOWN; then the callback does not run, and a body given is released.
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
 * *response. Not from a handler or a callback. With own_loop it processes the Context meanwhile.
 *
 * Returns 0 (with a response of any code) or what coax_response_fn gets, or -EMSGSIZE if
 * `size` bytes do not hold the response. With -EREMOTEIO *response is there too.
 */
int coax_request_wait(struct coax_context *context, const union coax_address *remote,
		      const struct coax_message *message,
		      const struct coax_request_options *options, void *buffer, size_t size,
		      struct coax_message *response);

/*
 * To groups.
 */

/**
 * coax_multicast_fn - takes what comes back from a group: for each responder its response, once
 * (`result` 0); at the end, exactly once, `response` NULL with `result` -ETIMEDOUT (the time is up,
 * as it should be), -ECANCELED, -ESHUTDOWN or another errno. On a worker.
 */
typedef void (*coax_multicast_fn)(void *arg, int result, const struct coax_message *response,
				  const union coax_address *remote);

/**
 * coax_request_multicast - send a request to a group, non-confirmable, and collect responses until
 * options->timeout_ms is over (0: MAX_TRANSMIT_WAIT... see RFC 7252 section 8.2: 5 s leisure, and
 * as long as messages take; 10 s here). `group` may name an interface as its scope. Bodies that
 * come in blocks are fetched from their responders, each by itself.
 *
 * As coax_request() otherwise. -EINVAL also for an address that is no group's, and for a sink;
 * -EMSGSIZE for a body larger than a block. Up to 1024 responders are told apart. `results` is not
 * looked at: a response of any code is given.
 */
int coax_request_multicast(struct coax_context *context, const union coax_address *group,
			   const struct coax_message *message,
			   const struct coax_request_options *options, coax_multicast_fn done,
			   void *arg, struct coax_request **request);

/**
 * coax_request_multicast_wait - the same, blocking: `each` runs on a worker for each response, and
 * has run for all of them on return. Returns how many there were, or a negative errno.
 */
int coax_request_multicast_wait(struct coax_context *context, const union coax_address *group,
				const struct coax_message *message,
				const struct coax_request_options *options, coax_multicast_fn each,
				void *arg);

/*
 * Names.
 */

/**
 * coax_resolve - the address that a URI's host stands for, through getaddrinfo(). Blocks.
 *
 * Any thread. Returns 0, or -EHOSTUNREACH with *error (static text) saying what getaddrinfo said.
 */
int coax_resolve(const struct coax_uri *uri, union coax_address *address, const char **error);

/* By what a remote is reached. */
struct coax_found {
	const char *transport;		   /* "udp", "dtls"; static */
	const union coax_address *remotes; /* in the order in which to try them */
	size_t count;
	const char *error; /* what was missing, as text; NULL: nothing */
};

/**
 * coax_found_fn - takes what was found: `result` 0, -ENOENT (no such name), -EAGAIN (the name
 * server did not answer), -EAFNOSUPPORT (addresses that no socket reaches), -ESHUTDOWN. On a
 * worker.
 */
typedef void (*coax_found_fn)(void *arg, int result, const struct coax_found *found);

/**
 * coax_find_remote - find the transport and the addresses for a URI, without blocking: names are
 * looked up by a thread of the Context's that does only this.
 *
 * Any thread. Returns 0, -EINVAL (no URI that can be asked; *error, if not NULL, says why, until
 * this thread asks again), -EPROTONOSUPPORT (no transport for its scheme, which *error names),
 * -ENOBUFS (too many lookups under way) or -ESHUTDOWN; then `found` does not run.
 */
int coax_find_remote(struct coax_context *context, const char *uri, coax_found_fn found, void *arg,
		     const char **error);

/*
 * Without a network.
 */

struct coax_pipe;

/**
 * coax_pipe_fn - takes what the Site answers: one response with `last` set; or, when the request
 * observes and is accepted, first a response with Observe and then notifications, until one is
 * `last`. `response` NULL: the Context shuts down. On a worker.
 */
typedef void (*coax_pipe_fn)(void *arg, const struct coax_message *response, bool last);

/**
 * coax_render_to_pipe - have the Context's Site answer a request that came by no network: bodies
 * are whole both ways, failures are error responses, a handler's failure 5.00.
 *
 * `message` is copied. *pipe (may be NULL) can be closed until `last` was given. Any thread.
 * Returns 0, -EINVAL (no request), -ENOMEM or -ESHUTDOWN.
 */
int coax_render_to_pipe(struct coax_context *context, const struct coax_message *message,
			coax_pipe_fn put, void *arg, struct coax_pipe **pipe);

/**
 * coax_pipe_close - nobody is interested any more: `put` does not run once this has returned,
 * unless it is called from there. Not while holding what `put` waits for.
 */
void coax_pipe_close(struct coax_pipe *pipe);

#endif
