/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From which port requests leave. A message ID must not be used again between two endpoints within
 * EXCHANGE_LIFETIME (RFC 7252 section 4.4), so one port is good for 2^16 messages to a remote in
 * 247 s. Where more is asked for, requests go by further ports, which are opened when they are
 * needed and stay.
 *
 * A body in blocks keeps the port that it began with, and so does an observation.
 */
#ifndef COAX_CONTEXT_PORTS_H
#define COAX_CONTEXT_PORTS_H

#include "worker.h"

/* The further ones of a worker, for each family: some 14 000 requests a second to one remote. */
#define COAX_PORTS_MAX 63

/*
 * Set the socket of a path that coax_worker_for() gave: on its worker, right before a request
 * leaves by it. Secure sessions keep theirs.
 */
void coax_ports_choose(struct coax_worker *worker, struct coax_path *path);

/* Forget what was used when; sockets are the transport's. NULL: nothing. */
void coax_ports_free(struct coax_ports *ports);

#endif
