/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets that a Context's workers open.
 */
#ifndef COAX_CONTEXT_BINDING_H
#define COAX_CONTEXT_BINDING_H

#include "worker.h"

struct coax_binding {
	struct coax_udp_socket sockets[COAX_SOCKETS_MAX];
	uint32_t shared; /* the first ones: the addresses asked for, which all workers share */
	uint32_t count;	 /* of each worker: the shared ones, and its own for its requests */
	uint32_t total;	 /* of worker 0: with those that only groups are listened to by */
	const struct coax_succession *succession;
};

/*
 * Open the workers' sockets, and let datagrams in. The threads are not started. Each returns 0 or
 * a negative errno, and has logged why.
 */
int coax_binding_open(struct coax_context *context, const struct coax_context_options *options);
int coax_binding_admit(struct coax_context *context);

/*
 * A socket of worker 0 for a group, with the port that the Context's first address of that family
 * has. One that is there already will do. *socket is its index. Returns 0 or -E2BIG.
 */
int coax_binding_add_group(struct coax_binding *binding, const union coax_address *group,
			   uint32_t *socket);

/* inherited.c: see whose sockets there are already: what arrives there is not to be lost. */
void coax_inherited_mark(struct coax_binding *binding);
/* Use those that are a worker's. Where there were more workers before, it has to do for others. */
void coax_inherited_assign(struct coax_binding *binding, const struct coax_context *context,
			   unsigned int worker);

/* Whether this host has IPv6 at all. */
bool coax_binding_has_ipv6(void);

#endif
