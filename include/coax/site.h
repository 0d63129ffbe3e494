/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Site: the tree of resources that a Context serves, and the responders that answer for them.
 *
 * Resources may be added and removed while the Site is being served, from any thread.
 */
#ifndef COAX_SITE_H
#define COAX_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/accel.h>
#include <coax/address.h>
#include <coax/message.h>

struct coax_site;
struct coax_resource;
struct coax_responder;
struct coax_link_writer;

/**
 * coax_handler_fn - answers one request.
 *
 * Runs on a worker. It builds the response and calls coax_respond() before it returns, or it calls
 * coax_responder_defer() and has somebody else do so later. It must not block: all peers of the
 * worker wait for it. A handler that does neither has failed: 5.00, and a line at ERROR.
 */
typedef void (*coax_handler_fn)(struct coax_responder *responder, void *arg);

/**
 * coax_links_fn - writes the links below a subtree for /.well-known/core, with coax_link_begin()
 * and coax_link_add(). Runs on a worker.
 */
typedef void (*coax_links_fn)(struct coax_link_writer *writer, void *arg);

/* One attribute of a link in /.well-known/core (RFC 6690 section 3). */
struct coax_attribute {
	const char *name;  /* "rt" */
	const char *value; /* "temperature-c"; NULL: the name alone */
};

#define COAX_RESOURCE_FORMATS_MAX    8
#define COAX_RESOURCE_ATTRIBUTES_MAX 8

/* What a resource is. The strings and arrays are copied; a zeroed field is the default. */
struct coax_resource_options {
	const char *path;    /* "sensors/temperature", percent-encoded as in a URI */
	coax_handler_fn get; /* a method without a handler: 4.05 */
	coax_handler_fn put;
	coax_handler_fn post;
	coax_handler_fn delete;
	coax_handler_fn fetch;
	coax_handler_fn patch;
	coax_handler_fn ipatch;
	void *arg; /* for the handlers */

	bool subtree;	     /* answers for all paths below too */
	coax_links_fn links; /* of a subtree; NULL: only the resource itself is listed */
	bool hidden;	     /* not listed in /.well-known/core */
	bool cacheable;	     /* GET renders the same for everybody until coax_resource_changed() */
	bool cacheable_queries; /* ... with each query too; without: not cached with a query */
	bool conditional;	/* handlers see to If-Match and If-None-Match; without: 4.02 */

	/* Content formats that GET can give; none: not checked. Other ones in Accept: 4.06. */
	uint16_t formats[COAX_RESOURCE_FORMATS_MAX];
	size_t format_count;
	/* Content formats taken in requests; none: not checked. Others: 4.15. */
	uint16_t accepts[COAX_RESOURCE_FORMATS_MAX];
	size_t accept_count;

	/* Of its link; up to the first NULL name. */
	struct coax_attribute attributes[COAX_RESOURCE_ATTRIBUTES_MAX];
};

/**
 * coax_site_create - an empty Site. `/.well-known/core` is there from the start.
 *
 * Returns 0 or -ENOMEM.
 */
int coax_site_create(struct coax_site **site);

/**
 * coax_site_destroy - free the Site and its resources. No Context may be serving it. NULL: nothing.
 */
void coax_site_destroy(struct coax_site *site);

/**
 * coax_site_add - add a resource.
 *
 * *resource (may be NULL) names it until it is removed or the Site destroyed. A subtree that has
 * answered for the path until now does so no more, and what the kernel answered from that subtree's
 * own subject is withdrawn (not what it answered from others: see coax_responder_subject()).
 *
 * Any thread, also from a handler. Returns 0, -EEXIST, -EINVAL (a path that is malformed or does
 * not fit into a message, an attribute that cannot be written, no handler at all) or -ENOMEM.
 */
int coax_site_add(struct coax_site *site, const struct coax_resource_options *options,
		  struct coax_resource **resource);

/**
 * coax_site_remove - take a resource out. On return no handler of it runs or will run, and the
 * kernel does not answer for it. Waits for an RCU grace period: not from a handler, nor from
 * a callback of a Context.
 */
void coax_site_remove(struct coax_site *site, struct coax_resource *resource);

/**
 * coax_resource_changed - the resource's state has changed: coax_subject_changed() for its own
 * subject; without one (not cacheable) nothing. To be called before the change is acknowledged to
 * anybody. Any thread, also from a handler.
 */
void coax_resource_changed(struct coax_resource *resource);

/*
 * Responders. One stands for one request until it is answered. One thread at a time: the worker's
 * while the handler runs, and once deferred, whichever answers.
 */

/**
 * coax_responder_request - the request. Valid until the handler returns, or once deferred, until
 * the request is answered.
 */
const struct coax_message *coax_responder_request(const struct coax_responder *responder);

/**
 * coax_responder_remote, coax_responder_local - where the request came from and to. Valid for as
 * long as the request.
 */
const union coax_address *coax_responder_remote(const struct coax_responder *responder);
const union coax_address *coax_responder_local(const struct coax_responder *responder);

/**
 * coax_responder_response - the response being built. Add options and a payload; code, type,
 * message ID and token are not the handler's business.
 */
struct coax_message *coax_responder_response(struct coax_responder *responder);

/**
 * coax_responder_subject - name what the response is rendered from, when that is not the resource
 * itself: a 2.05 becomes known to the kernel under `subject` and `generation` (as read before
 * rendering began). Queries count as part of the request only with cacheable_queries.
 *
 * The caller sees to it that `subject` stays until coax_respond() has returned: by a reference, or
 * in a handler by RCU.
 */
void coax_responder_subject(struct coax_responder *responder, struct coax_subject *subject,
			    uint64_t generation);

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
 * A 2.05 with an ETag that the request lists becomes 2.03 without payload (section 5.10.6.2). From
 * the handler, or after coax_responder_defer() from any thread.
 */
void coax_respond(struct coax_responder *responder, uint8_t code);

/**
 * coax_respond_error - forget what was built; answer `code` with a diagnostic payload
 * (section 5.5.2), printf style. Ends the responder.
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
