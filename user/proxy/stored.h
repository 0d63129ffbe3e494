/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A response as a proxy keeps it: what may be kept, for how long, and what becomes of it when it is
 * validated (RFC 7252 sections 5.6 and 5.9). No clock, no network.
 */
#ifndef COAX_PROXY_STORED_H
#define COAX_PROXY_STORED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <coax/message.h>
#include "rcu.h"

#define COAX_STORED_ETAG_MAX 8
#define COAX_STORED_MAX_AGE  60 /* where the origin says none: section 5.10.5 */

/* Immutable but for `revoked`, which is only ever set. */
struct coax_stored {
	struct rcu_head rcu;
	atomic_uint references;
	atomic_bool revoked; /* a change through here has made it stale: to be validated only */
	uint64_t fetched;    /* when its request was sent, ns */
	uint32_t max_age;
	uint8_t code;
	uint8_t origin;	     /* which of the mapping's it came from */
	uint8_t etag_length; /* 0: it cannot be validated */
	uint8_t etag[COAX_STORED_ETAG_MAX];
	uint16_t last_option;
	uint32_t options_length;
	uint32_t payload_length;
	uint8_t bytes[]; /* options as in a message, and behind them the payload */
};

/*
 * Whether a response to a request with this method may serve others, too. Codes that mean success
 * and are not known are not cached (section 5.6); neither is what is about how the request came
 * here: its blocks, its size, its hops. A 5.xx is only kept if the origin says for how long: the
 * minute of section 5.10.5 would be added to each short failure.
 */
bool coax_response_is_storable(uint8_t method, const struct coax_message *response);

/*
 * Keep `response`, whole, the request for which was sent at `fetched`. Options that are about this
 * hop alone are left out. NULL: no memory. One reference.
 */
struct coax_stored *coax_stored_create(const struct coax_message *response, uint64_t fetched,
				       uint8_t origin);

/*
 * `former`, validated by the 2.03 `valid` (section 5.9.1.3): its payload, its options but for those
 * that `valid` has, and the Max-Age of `valid`. NULL: no memory. One reference.
 */
struct coax_stored *coax_stored_validated(const struct coax_stored *former,
					  const struct coax_message *valid, uint64_t fetched);

/* Whether `valid` names the representation. */
bool coax_stored_is_named(const struct coax_stored *stored, const struct coax_message *valid);

/* Whether they say the same: code, options and payload. */
bool coax_stored_is_same(const struct coax_stored *a, const struct coax_stored *b);

/* ns; it is fresh before that. */
uint64_t coax_stored_fresh_until(const struct coax_stored *stored);

static inline const uint8_t *coax_stored_payload(const struct coax_stored *stored)
{
	return stored->bytes + stored->options_length;
}

static inline size_t coax_stored_size(const struct coax_stored *stored)
{
	return sizeof(*stored) + stored->options_length + stored->payload_length;
}

/*
 * A reference for who found it in an RCU read section. Returns false when the last one has gone
 * meanwhile: it can be looked at until the section ends.
 */
bool coax_stored_get(struct coax_stored *stored);
/* Freed after a grace period. NULL: nothing. */
void coax_stored_put(struct coax_stored *stored);

#endif
