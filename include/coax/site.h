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
#include <coax/responder.h>

struct coax_site;
struct coax_resource;
struct coax_queue;
struct coax_link_writer;

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

/* How messages of ours leave. */
enum coax_reliability {
	COAX_RELIABILITY_DEFAULT, /* as the exchange suggests */
	COAX_RELIABLE,		  /* confirmable */
	COAX_UNRELIABLE,	  /* non-confirmable */
};

#define COAX_RESOURCE_FORMATS_MAX    8
#define COAX_RESOURCE_ATTRIBUTES_MAX 8

/* What a resource is. The strings and arrays are copied; a zeroed field is the default. */
struct coax_resource_options {
	/*
	 * "sensors/temperature", percent-encoded as in a URI. A segment "{name}" stands for any one
	 * segment (coax_responder_parameter()), and is not listed in /.well-known/core; braces that
	 * mean themselves are percent-encoded. Where several resources fit, the one whose path
	 * names more of the first segments literally answers.
	 */
	const char *path;
	coax_handler_fn get; /* a method without a handler: 4.05 */
	coax_handler_fn put;
	coax_handler_fn post;
	coax_handler_fn delete;
	coax_handler_fn fetch;
	coax_handler_fn patch;
	coax_handler_fn ipatch;
	void *arg;		  /* for the handlers */
	struct coax_queue *queue; /* where they run; NULL: on a worker */

	bool subtree;	     /* answers for all paths below too */
	coax_links_fn links; /* of a subtree; NULL: only the resource itself is listed */
	/*
	 * Changes whenever what `links` writes does: coax_subject_changed(). NULL: nothing tells,
	 * so that the kernel does not answer for /.well-known/core. A reference is taken.
	 */
	struct coax_subject *links_subject;
	bool hidden; /* not listed in /.well-known/core */
	/*
	 * GET and FETCH render the same for everybody until coax_resource_changed(): so do 4.00,
	 * 4.04, 4.05 and 4.06. To an ETag in the request they answer what coax_respond() does.
	 */
	bool cacheable;
	bool cacheable_queries; /* ... with each query too; without: not cached with a query */
	bool conditional;	/* handlers see to If-Match and If-None-Match; without: 4.02 */
	/*
	 * Handlers pass requests on to somebody else: they see to all options themselves, as RFC
	 * 7252 section 5.7.1 wants it of a proxy.
	 */
	bool proxying;

	/*
	 * GET and FETCH can be observed (RFC 7641): coax_resource_changed() notifies. Shows as
	 * `obs` in /.well-known/core. A notification is rendered once for all who asked with the
	 * same bytes, so it must not depend on who they are.
	 */
	bool observable;
	enum coax_reliability notifications; /* how those leave */
	bool streaming;	   /* handlers get bodies in parts: coax_responder_part() */
	uint64_t body_max; /* of requests, in bytes; larger ones: 4.13; 0: the Context's */
	/*
	 * Asks for DTLS: requests by plain coap get 4.01, and do not see its link, and nothing of
	 * it is given to the kernel.
	 */
	bool secure;
	uint32_t fresh_ms; /* a request must be proven this fresh (RFC 9175 section 2.3); 0: not */

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
 * own subject is withdrawn (not what it answered from others: see coax_responder_subject()). So is
 * what it said of names that were not there, and /.well-known/core.
 *
 * Any thread, also from a handler. Returns 0, -EEXIST (also where only names of parameters differ),
 * -EINVAL (a path that is malformed or does not fit into a message, a parameter that has no name,
 * the name of another one or more than 63 segments before it, an attribute that cannot be written,
 * no handler at all) or -ENOMEM.
 */
int coax_site_add(struct coax_site *site, const struct coax_resource_options *options,
		  struct coax_resource **resource);

/**
 * coax_site_remove - take a resource out. Its observers get 4.04 as the last notification. On
 * return no handler of it runs or will run, and the kernel does not answer for it. Waits for an RCU
 * grace period: not from a handler, nor from a callback of a Context.
 */
void coax_site_remove(struct coax_site *site, struct coax_resource *resource);

/**
 * coax_resource_changed - the resource's state has changed: what the kernel knew of it is
 * withdrawn, and its observers are notified (coax_subject_changed() for its own subject; without
 * one, neither cacheable nor observable, nothing). To be called before the change is acknowledged
 * to anybody. Any thread, also from a handler.
 */
void coax_resource_changed(struct coax_resource *resource);

/**
 * coax_resource_set_body_max - another limit for bodies of requests that begin from now on; 0: the
 * Context's alone. Any thread.
 */
void coax_resource_set_body_max(struct coax_resource *resource, uint64_t body_max);

#endif
