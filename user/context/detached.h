/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rendering without a client: a request that came by no network is put to the Site, and what is
 * answered, at once or later, comes back to the worker that asked.
 */
#ifndef COAX_DETACHED_H
#define COAX_DETACHED_H

#include "worker.h"

struct coax_detached;

/*
 * The response in `responder` is complete, and not cut. Takes its body over, if it has one, and
 * frees `detached`. On the worker; NULL: the Context is gone, nobody wants it any more.
 */
typedef void (*coax_detached_fn)(struct coax_worker *worker, struct coax_detached *detached,
				 struct coax_responder *responder);

struct coax_detached {
	coax_detached_fn done;
	void *arg;
	struct coax_worker *worker;
	struct coax_context *context;
	uint64_t needed_until; /* of a renewal: see coax_responder_needed_until() */
	bool awaited;	       /* once deferred, coax_context_shutdown() waits for the answer */

	struct coax_responder later;  /* once deferred */
	struct coax_subject *subject; /* a reference, while `later` may name it */
	struct coax_work work;
	void *transfer; /* a streaming resource's, of the one part that there is */
	void (*release_transfer)(void *transfer);
	uint8_t response[COAX_MESSAGE_MAX];
	size_t request_length;
	uint8_t request[];
};

/* With a copy of `request`, which is a whole message. NULL: no memory. */
struct coax_detached *coax_detached_create(struct coax_worker *worker, const uint8_t *request,
					   size_t length);
void coax_detached_free(struct coax_detached *detached);

/* Put it to the Site. On the worker; `done` has run on return, or runs later. */
void coax_detached_render(struct coax_detached *detached);

#endif
