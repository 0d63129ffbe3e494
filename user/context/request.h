/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of the application inside: from any thread to a worker, by way of the resolver when its
 * remote is a name, and back by a callback.
 */
#ifndef COAX_CONTEXT_REQUEST_H
#define COAX_CONTEXT_REQUEST_H

#include "resolver.h"
#include "secure.h"
#include "transfer.h"

struct coax_group;

/*
 * It belongs to the worker that `worker` names, whose thread alone touches all but the atomics.
 * That changes when another address is tried: `submit` takes it there.
 */
struct coax_request {
	_Atomic(struct coax_worker *) worker;
	atomic_uint references; /* its own, and a cancellation's */
	atomic_bool cancelled;	/* somebody wants it to end */
	atomic_bool finished;	/* the callback has been called the last time */
	bool moving;		/* `submit` is on its way */
	struct coax_work submit;
	struct coax_work cancel;

	coax_response_fn done;
	void *arg;
	struct coax_request_options options;
	struct coax_body body;
	uint64_t deadline;		  /* ns; 0: none */
	struct coax_lookup *lookup;	  /* NULL: none is under way */
	struct coax_addresses *addresses; /* that the name stands for; NULL: there is no name */
	unsigned int tried;		  /* how many of them */
	struct coax_secure_waiter waiter; /* for the session */
	uint64_t begun;			  /* when its first message left, ns */
	const char *reason;		  /* why it fails; NULL: as its result says */

	struct coax_path path;
	struct coax_transfer transfer;
	struct coax_group *group;    /* NULL: to one remote */
	struct coax_message message; /* code and options */
	uint8_t bytes[];	     /* of the message; then its payload */
};

static inline void coax_body_release(const struct coax_body *body)
{
	if (body && body->release)
		body->release(body->arg);
}

/* request.c */

/* What both kinds of requests are made of. `group` is taken over. */
int coax_request_submit(struct coax_context *context, const union coax_address *remote,
			const struct coax_message *message,
			const struct coax_request_options *options, coax_response_fn done,
			void *arg, struct coax_group *group, struct coax_request **request);

/* On its worker: it has ended. */
void coax_request_finish(struct coax_request *request, int result,
			 const struct coax_message *response);

/* results.c */

/* Call back in the fashion that was asked for. */
void coax_results_tell(struct coax_request *request, int result,
		       const struct coax_message *response);

/* multicast.c */

/* On the request's worker. */
void coax_group_begin(struct coax_request *request);
void coax_group_cancel(struct coax_request *request, int result);
/* The application's part of it. */
void coax_group_finish(struct coax_request *request, int result);
void coax_group_free(struct coax_group *group);

#endif
