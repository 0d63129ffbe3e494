/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names to addresses. getaddrinfo() blocks for as long as name servers please, so it has
 * threads of its own, some a Context, made as names turn up.
 */
#ifndef COAX_RESOLVER_H
#define COAX_RESOLVER_H

#include <coax/request.h>
#include <coax/uri.h>
#include "worker.h"

/* Names that wait for a thread, those that are looked up included. */
#define COAX_LOOKUPS_MAX 64
/* Addresses of a name that are kept. */
#define COAX_ADDRESSES_MAX 16

struct coax_addresses {
	unsigned int count;
	union coax_address at[COAX_ADDRESSES_MAX];
};

/*
 * What a name is looked up for. Whoever has submitted one frees it, in or after `done`, which runs
 * on worker 0.
 */
struct coax_lookup {
	struct coax_work work;
	struct cds_list_head node;
	struct coax_worker *worker;
	void (*done)(struct coax_lookup *lookup);
	void *arg;
	char host[256];
	in_port_t port; /* host order */
	int result;	/* as coax_found_fn has it */
	const char *error;
	struct coax_addresses addresses;
};

/* resolve.c */

/*
 * Where a message itself says that it goes (RFC 7252 section 5.10.1): take its Uri-Port away, which
 * is the datagram's own then (without, that of coap or coaps), and read its Uri-Host. Returns 0,
 * -EDESTADDRREQ (there is none) or -EINVAL.
 */
int coax_target_take(struct coax_message *message, bool secure, char host[256], in_port_t *port);

/* Whether it is worth trying another address of the same name: nothing could leave for this one. */
bool coax_is_out_of_reach(int result);

/*
 * The address that an IP literal stands for, with its scope ("fe80::1%eth0"). -ENOENT: it is
 * a name; -EINVAL: a literal that is wrong, or whose interface there is not.
 */
int coax_literal_address(const char *host, in_port_t port, union coax_address *address);

/* Fill in result, error and addresses. Blocks. */
void coax_lookup_run(const char *host, in_port_t port, struct coax_addresses *addresses,
		     int *result, const char **error);

/* resolver.c */

/* Any thread, in an RCU read section. Returns 0, or -ENOBUFS or -ESHUTDOWN: then `done` does not
 * run. */
int coax_resolver_submit(struct coax_context *context, struct coax_lookup *lookup);

/*
 * What is under way ends with -ESHUTDOWN, and the threads as soon as getaddrinfo() lets them. Once
 * `stopping` is set, and before the workers are destroyed.
 */
void coax_resolver_stop(struct coax_context *context);

#endif
