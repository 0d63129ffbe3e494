/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Responders. One stands for one request until it is answered. One thread at a time: the worker's
 * (or the queue's) while the handler runs, and once deferred, whichever answers.
 */
#ifndef COAX_RESPONDER_H
#define COAX_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/accel.h>
#include <coax/address.h>
#include <coax/body.h>
#include <coax/message.h>

struct coax_claims;
struct coax_responder;

/**
 * coax_handler_fn - answers one request.
 *
 * Runs on a worker, or where the resource's queue is processed. It builds the response and calls
 * coax_respond() before it returns, or it calls coax_responder_defer() and has somebody else do so
 * later. On a worker it must not block: all peers of the worker wait for it. A handler that does
 * neither has failed: 5.00, and a line at ERROR.
 */
typedef void (*coax_handler_fn)(struct coax_responder *responder, void *arg);

/**
 * coax_responder_request - the request. Valid until the handler returns, or once deferred, until
 * the request is answered.
 *
 * A body that came in blocks (RFC 7959) has been put together: it is the payload, whatever its
 * length, and there is no Block1 option. Not so with a streaming resource.
 */
const struct coax_message *coax_responder_request(const struct coax_responder *responder);

/**
 * coax_responder_remote, coax_responder_local - where the request came from and to. Valid for as
 * long as the request. AF_UNSPEC for requests that came by no network: see coax_render_to_pipe(),
 * and renderings for several observers.
 */
const union coax_address *coax_responder_remote(const struct coax_responder *responder);
const union coax_address *coax_responder_local(const struct coax_responder *responder);

/**
 * coax_responder_claims - who the client is, by its secure session. NULL: it came without security,
 * or by no network. Valid for as long as the request.
 */
const struct coax_claims *coax_responder_claims(const struct coax_responder *responder);

/**
 * coax_responder_parameter - what stands in the request's path for "{name}" in the resource's,
 * percent-decoded, or NULL. Not zero-terminated. Valid until the handler returns.
 */
const uint8_t *coax_responder_parameter(const struct coax_responder *responder, const char *name,
					size_t *length);

/**
 * coax_responder_response - the response being built. Add options and a payload; code, type,
 * message ID and token are not the handler's business.
 */
struct coax_message *coax_responder_response(struct coax_responder *responder);

/**
 * coax_responder_set_payload - give the response a payload of any length: what does not fit into
 * one message leaves in blocks (RFC 7959 section 2.4), from a copy that is kept for this client,
 * under one ETag. `payload` is copied.
 *
 * Returns 0, -EMSGSIZE (more than COAX_BODY_LENGTH_MAX), -ENOMEM, or -EINVAL (the request has been
 * answered).
 */
int coax_responder_set_payload(struct coax_responder *responder, const void *payload,
			       size_t length);

/**
 * coax_responder_set_body - the same without a copy. The body is taken over, and released once no
 * client is in the middle of it, also when this or coax_respond() fails. Give it an ETag when it is
 * read and can change. Returns 0, -EMSGSIZE or -EINVAL.
 */
int coax_responder_set_body(struct coax_responder *responder, const struct coax_body *body);

/* Of a streaming resource's request: which part of the body its payload is. */
struct coax_part {
	uint64_t offset;    /* of the payload in the body; parts come in order, without gaps */
	bool more;	    /* others follow */
	uint64_t size_hint; /* of the whole body, as the client estimates it (Size1); 0: unknown */
	/*
	 * For the handler's use, the same one for all parts of a transfer: NULL at first.
	 * `*release` (NULL at first) is called with it when the transfer is over: after the last
	 * part has been answered, when the client began anew, or when it stayed away for
	 * EXCHANGE_LIFETIME; on a worker.
	 */
	void **transfer;
	void (**release)(void *transfer);
};

/**
 * coax_responder_part - for requests to streaming resources, each of which is one part of a body;
 * a body in one message is one part. Answer with COAX_CONTINUE while `more` is set; anything else
 * ends the transfer. Valid until the request is answered. NULL: the resource is not streaming.
 */
const struct coax_part *coax_responder_part(const struct coax_responder *responder);

/**
 * coax_responder_subject - name what the response is rendered from, when that is not the resource
 * itself: what `cacheable` says of a resource holds for this response until `subject` leaves
 * `generation` (as read before rendering began): it becomes known to the kernel, and observers are
 * notified when it changes. Queries count as part of the request only with cacheable_queries.
 *
 * The caller sees to it that `subject` stays until coax_respond() has returned: by a reference, or
 * in a handler on a worker by RCU.
 *
 * NULL: nothing tells when it changes, so it is neither published nor observed. In a notification
 * it makes this the last one.
 */
void coax_responder_subject(struct coax_responder *responder, struct coax_subject *subject,
			    uint64_t generation);

/**
 * coax_responder_set_fetched - say that the representation comes from another origin, at `fetched`
 * (ns of CLOCK_MONOTONIC: when the request for it was sent, to be on the safe side) with this
 * Max-Age in seconds (60 when the origin said none).
 *
 * The response gets a Max-Age option, which says what is left when it is sent, in as many bytes as
 * `max_age` takes (RFC 7252 section 5.7.1); one that is there is replaced. It becomes known to the
 * kernel until then, and ages there likewise: see coax_responder_needed_until(). Without this call
 * a representation is the Context's own, and goes out as it is until its subject changes.
 *
 * Whether what is no longer fresh may be sent is for the caller to decide: its Max-Age is 0, and
 * the kernel does not get it.
 *
 * Returns 0, -EMSGSIZE (no room) or -EINVAL (the request has been answered).
 */
int coax_responder_set_fetched(struct coax_responder *responder, uint64_t fetched,
			       uint32_t max_age);

/**
 * coax_responder_needed_until - beyond when a fetched representation has to be fresh (ns of
 * CLOCK_MONOTONIC) to answer this request; one that is not is to be fetched anew. What came at
 * `fetched` is fresh until fetched + max_age * 1000000000.
 *
 * For a client's request that is now. Besides, shortly before what the kernel answers from expires,
 * and if the kernel has used it, the Context itself puts its request to the handler, once, with
 * coax_responder_remote() AF_UNSPEC: a tenth of the time that it was published for before the end,
 * at least 1 and at most 10 s, or half of it when that is less. Then it is the time of expiry, and
 * what is responded takes the place of what the kernel has, without a gap. Any other response
 * changes nothing.
 */
uint64_t coax_responder_needed_until(const struct coax_responder *responder);

/**
 * coax_responder_preconditions - If-Match and If-None-Match against the current state
 * (RFC 7252 section 5.10.8).
 *
 * `exists`: the target exists; `etag`, `length`: its ETag, or NULL. Returns true when the request
 * may be executed. Otherwise the caller answers 4.12.
 */
bool coax_responder_preconditions(const struct coax_responder *responder, bool exists,
				  const uint8_t *etag, size_t length);

/**
 * coax_respond - send the response that was built, with `code`. Ends the responder.
 *
 * A 2.05 with an ETag that the request lists becomes 2.03 without payload (section 5.10.6.2). What
 * the request's No-Response option rules out is not sent (RFC 7967). From the handler, or after
 * coax_responder_defer() from any thread.
 */
void coax_respond(struct coax_responder *responder, uint8_t code);

/**
 * coax_respond_error - forget what was built; answer `code` with a diagnostic payload
 * (section 5.5.2), printf style. Ends the responder. After coax_responder_set_fetched() the kernel
 * does not get it: an origin's error that may be repeated is sent by coax_respond().
 */
__attribute__((format(printf, 3, 4))) void
coax_respond_error(struct coax_responder *responder, uint8_t code, const char *format, ...);

/**
 * coax_responder_defer - keep the request beyond the handler.
 *
 * Returns the responder to answer later, from any thread, and exactly once; or NULL when there is
 * no room, and then the handler answers now (5.03). What the handler had built so far is dropped,
 * and pointers got from the former responder are no longer to be used. The client gets an empty
 * ACK if the answer takes longer than the Context's empty_ack_delay (section 5.2.2). A request that
 * is not answered within the Context's handler timeout is answered 5.03, and what comes later is
 * dropped.
 */
struct coax_responder *coax_responder_defer(struct coax_responder *responder);

#endif
