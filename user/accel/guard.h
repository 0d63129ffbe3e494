/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Userspace's half of the guard. It has the limits for itself, or, with a kernel half, in the maps.
 * Times are nanoseconds of CLOCK_MONOTONIC. But for creation and end, any thread; where
 * coax_guard_set() may be called meanwhile, in an RCU read section.
 */
#ifndef COAX_ACCEL_GUARD_H
#define COAX_ACCEL_GUARD_H

#include <coax/address.h>
#include <coax/guard.h>
#include "accel/accel.h"

struct coax_guard;

/* Returns 0, -EINVAL (said at ERROR) or -ENOMEM. */
int coax_guard_create(struct coax_guard **guard, const struct coax_guard_options *options,
		      const struct coax_logger *logger);
void coax_guard_destroy(struct coax_guard *guard);

/*
 * Set it otherwise, from now on; who is familiar or verified stays so. One thread at a time; waits
 * for an RCU grace period. Returns 0; -EINVAL (said at ERROR) or -ENOMEM: all is as it was.
 */
int coax_guard_set(struct coax_guard *guard, const struct coax_guard_options *options);

/* Whether that is one for `allow` and `deny`. */
bool coax_guard_is_prefix(const char *text);

/*
 * Tell the kernel half how the guard is set, and keep the limits with it: between
 * coax_accel_open() and coax_accel_attach(). Returns 0 or a negative errno. unshare() before
 * the kernel half is closed; after it, none of the others until the workers are gone.
 */
int coax_guard_share(struct coax_guard *guard, struct coax_accel *accel);
void coax_guard_unshare(struct coax_guard *guard);

/* A datagram has come by an interface. */
enum coax_guard_admission {
	COAX_GUARD_IGNORE,
	COAX_GUARD_ADMIT,
	COAX_GUARD_CROWDED, /* from a stranger, while there are many: judge() is to know */
};

enum coax_guard_admission coax_guard_admit(struct coax_guard *guard,
					   const union coax_address *remote, uint32_t ifindex,
					   uint64_t now);

enum coax_guard_verdict {
	COAX_GUARD_SERVE,
	COAX_GUARD_TOO_MANY,  /* 4.29: coax_guard_wait() tells for how long */
	COAX_GUARD_CHALLENGE, /* 4.01 with an Echo, unless it has brought one: then verify() */
};

/* A request is to be handled: it counts for the limits when it is. */
enum coax_guard_verdict coax_guard_judge(struct coax_guard *guard, const union coax_address *remote,
					 bool crowded, uint64_t now);
/* Seconds until the remote's prefix may make a request again, at least 1. */
uint32_t coax_guard_wait(const struct coax_guard *guard, const union coax_address *remote,
			 uint64_t now);

/*
 * A request of so many bytes is answered by a response of so many. Returns whether it may be, where
 * judge() was not asked.
 */
bool coax_guard_charge(struct coax_guard *guard, const union coax_address *remote, uint64_t now,
		       size_t request, size_t response);

/* The remote is where it says it is. */
void coax_guard_verify(struct coax_guard *guard, const union coax_address *remote, uint64_t now);

#define COAX_GUARD_VERIFIED_NS (300 * 1000000000ULL)

#endif
