/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of userspace's guard share. Addresses are of 16 bytes here, IPv4 mapped.
 */
#ifndef COAX_ACCEL_GUARD_INTERNAL_H
#define COAX_ACCEL_GUARD_INTERNAL_H

#include "accel/guard.h"
#include "hash.h"

#define GUARD_VERIFIED	    16384
#define GUARD_VERIFIED_WAYS 4

/* Both change one after the other; who reads between takes one source for another's heir. */
struct guard_verified {
	uint64_t name; /* a keyed hash of the address */
	uint64_t until;
};

struct guard_prefix {
	struct coax_prefix_key key;
	struct coax_prefix_value value;
};

struct coax_guard {
	const struct coax_logger *logger;
	struct coax_guard_config *config; /* its own, or the kernel half's */
	struct coax_limit *limits;	  /* likewise */
	struct coax_guard_config own_config;
	struct coax_limit *own_limits;
	struct coax_hash_key key;
	struct guard_verified *verified;
	const struct coax_config *kernel;		 /* NULL: there is no kernel half */
	int verified_fd;				 /* the map; -1: none */
	struct guard_prefix prefixes[COAX_PREFIXES_MAX]; /* the longest first */
	uint32_t prefix_count;
};

/* guard_sources.c */
int guard_prefixes_read(struct coax_guard *guard, const struct coax_guard_options *options);
enum coax_prefix_verdict guard_prefix_verdict(const struct coax_guard *guard,
					      const uint8_t address[16]);

bool guard_is_verified(const struct coax_guard *guard, const uint8_t address[16], uint64_t now);
void guard_set_verified(struct coax_guard *guard, const uint8_t address[16], uint64_t until);

#endif
