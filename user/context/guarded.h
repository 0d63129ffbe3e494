/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the guard's verdict becomes an answer.
 */
#ifndef COAX_GUARDED_H
#define COAX_GUARDED_H

#include "worker.h"

/* Whether a request is to be handled. Otherwise it has been answered. */
bool coax_guarded_may_serve(struct coax_worker *worker, const struct coax_path *path,
			    struct coax_responder *responder);

/* The responder's response is about to leave. */
void coax_guarded_charge(const struct coax_worker *worker, const struct coax_path *path,
			 const struct coax_responder *responder);

/* coax_exchange_ops.may_repeat: a reply to a duplicate counts like any other. `arg`: a worker. */
bool coax_guarded_may_repeat(void *arg, const struct coax_path *path, size_t request, size_t reply);

#endif
