/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a responder is inside, and how a Site renders a request without knowing any network.
 */
#ifndef COAX_SITE_RESPONDER_H
#define COAX_SITE_RESPONDER_H

#include <urcu/wfcqueue.h>
#include <coax/claims.h>
#include <coax/log.h>
#include <coax/observer.h>
#include <coax/site.h>
#include "hash.h"

struct coax_responder_ops {
	/*
	 * responder->response is complete but for type and message ID. Called exactly once for
	 * a responder, on whatever thread coax_respond() was.
	 */
	void (*respond)(struct coax_responder *responder);
	/*
	 * Return a copy of the responder that outlives the handler, with a copy of its request, a
	 * response begun afresh and a reference to its subject until it has been answered; or NULL.
	 * The former one is marked `answered` by the caller. The operation is NULL in responders
	 * that have been deferred.
	 */
	struct coax_responder *(*defer)(struct coax_responder *responder);
	/*
	 * The request has a Block1 option (or the resource is streaming), and nothing else speaks
	 * against running a handler. Put it to what has come before. Returns true when a handler is
	 * to run: responder->request is the whole request then, or with `streaming`, this part of
	 * it, and responder->part says which. Otherwise the responder has been answered.
	 * `body_max`: the resource's limit, or 0. NULL: no body comes in blocks here; 4.02. In
	 * responders that have been deferred it only says that bodies may leave in blocks.
	 */
	bool (*gather)(struct coax_responder *responder, bool streaming, uint64_t body_max);
	/*
	 * coax_responder_accept(), once it is known that the request asks for observation and that
	 * nobody has accepted it. NULL: nobody observes here.
	 */
	struct coax_observer *(*accept)(struct coax_responder *responder,
					coax_observer_ended_fn ended, void *arg);
};

/* A request that is to be observed, or no longer (RFC 7641 section 2). */
enum coax_observe_wish {
	COAX_OBSERVE_NOTHING,
	COAX_OBSERVE_REGISTER,
	COAX_OBSERVE_DEREGISTER,
};

/* What is known of a representation that comes from another origin. */
struct coax_fetched {
	bool is_fetched;  /* else all of it is zero */
	uint32_t max_age; /* as the origin said */
	uint64_t until;	  /* it is fresh, ns of CLOCK_MONOTONIC */
};

/* What proves that a request is fresh: a keyed hash of when and to whom (RFC 9175 section 2). */
struct coax_echo {
	struct coax_hash_key key;
	uint64_t now; /* ms of CLOCK_MONOTONIC; written by the worker before it renders */
};

struct coax_responder {
	const struct coax_responder_ops *ops;
	const struct coax_logger *logger;
	struct coax_message request;
	/*
	 * Begun by the owner: token set (at most COAX_TOKEN_TAKEN_MAX bytes), code 0.00, no
	 * options.
	 */
	struct coax_message response;
	struct coax_body body; /* instead of the response's payload; released by who sends it */
	bool has_body;
	struct coax_part part; /* of a streaming resource's request */
	bool streaming;
	const struct coax_echo *echo; /* NULL: nothing can be asked to be fresh */
	/* Set while rendering, from the request and its resource. */
	enum coax_observe_wish wish; /* GET and FETCH with a sound Observe option */
	bool observable;	     /* the owner is to register the observer itself */
	enum coax_reliability notifications;
	struct coax_observer *observer; /* of coax_responder_accept() */
	/* While its handler runs, or the request waits in its queue. */
	const struct coax_resource *resource;
	struct cds_wfcq_node queued;
	union coax_address remote;
	union coax_address local;
	uint64_t session;	      /* the owner's: the secure one that it came in; 0: none */
	struct coax_subject *subject; /* NULL: the response is not for the kernel */
	uint64_t generation;
	/* Who asks, for as long as the responder; NULL: it came without security. */
	const struct coax_claims *claims;
	bool let_in; /* no client asks: it is for us, or for those who were let in before */
	struct coax_fetched fetched;
	uint64_t needed_until; /* 0: now is enough; else it is a renewal */
	uint64_t site_version; /* the owner's: which Site this is about */
	bool cacheable_queries;
	bool only_observable; /* the subject is for observers, not for the kernel */
	bool must_be_fresh;   /* so the answer is for this request alone */
	bool one_off;	      /* what it was made into was for this request alone */
	bool answered;
	bool *settled; /* while a handler runs: set when it has answered or deferred */
};

/*
 * Send the response as it stands, with `code`. The last that is done: a deferred responder may be
 * gone when this returns.
 */
void coax_responder_answer(struct coax_responder *responder, uint8_t code);

/*
 * Whether the response's ETag is one that the request brought: then a 2.05 is a 2.03 (RFC 7252
 * section 5.10.6.2).
 */
bool coax_responder_is_validated(const struct coax_responder *responder);

/*
 * Until when the response may be repeated unless its subject changes: COAX_NEVER for the Context's
 * own.
 */
uint64_t coax_responder_fresh_until(const struct coax_responder *responder);

/* Write what is left of the Max-Age of what was fetched, when it is sent or looked at. */
void coax_responder_write_max_age(struct coax_responder *responder);

/*
 * coax_respond_error() with a diagnostic that is ready: UTF-8 or not, "" for none (section 5.5.2).
 */
void coax_responder_refuse(struct coax_responder *responder, uint8_t code, const char *diagnostic);

/*
 * Run the handler of `resource` for the request. Unless it answers or defers, it has failed: 5.00.
 * A deferred responder may be gone when this returns.
 */
void coax_responder_run(struct coax_responder *responder, const struct coax_resource *resource);

/* Whether `call` comes when the responder has ended: says so in the log. */
bool coax_responder_is_over(const struct coax_responder *responder, const char *call);

/* Release the body that the response was to have, if any. */
void coax_responder_drop_body(struct coax_responder *responder);

/*
 * Make the payload of a response what can be sent with `code`: what is too large for one message
 * becomes the body, what the code does not carry goes. Returns 0, -EMSGSIZE (no bodies here) or
 * -ENOMEM.
 */
int coax_responder_fit_payload(struct coax_responder *responder, uint8_t code);

/*
 * Find the resource for responder->request and run its handler; where there is none, or the request
 * cannot be understood, answer with the error code that RFC 7252 names. On return the responder is
 * answered or deferred. `site` NULL: 4.04 "not a server". Call within an RCU read section.
 */
void coax_site_render(struct coax_site *site, struct coax_responder *responder);

/*
 * Whether the request is one to which a response may be repeated: a GET without payload or a FETCH,
 * of something with a subject, and no options but those whose meaning is fully in the key
 * (Uri-Host, Uri-Port, Uri-Path, Accept, ETag, Block2, Size2, Proxy-Uri, Proxy-Scheme, the
 * Content-Format of a FETCH, and
 * Uri-Query where the resource says so).
 */
bool coax_responder_is_repeatable(const struct coax_responder *responder);

/*
 * Whether the exchange that `responder` has been answered with may be published for the kernel:
 * such a request, a 2.05, a 2.03 or an error that is everybody's, and nothing in it that is for one
 * client alone. A body that has not been cut yet makes it unpublishable.
 */
bool coax_responder_publishable(const struct coax_responder *responder);

/*
 * Whether the client wants a response of this code's class: it may have ruled it out by
 * No-Response (RFC 7967 section 2).
 */
bool coax_responder_is_wanted(const struct coax_responder *responder);

#endif
