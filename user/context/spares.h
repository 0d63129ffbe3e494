/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that a body was put together in, kept for a moment for the next one: it is there, so that
 * it costs no page faults, and as large as bodies are here, so that nothing is copied as they grow.
 * Used last goes first; what nobody wanted for SPARE_TIME is given back.
 */
#ifndef COAX_SPARES_H
#define COAX_SPARES_H

#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>

/* Less is not worth it: malloc() does as well. */
#define COAX_SPARE_MIN 32768

struct coax_spares {
	struct cds_list_head list; /* in that memory itself */
	uint64_t bytes;
};

void coax_spares_create(struct coax_spares *spares);
void coax_spares_destroy(struct coax_spares *spares);

/* Keep or free what malloc() gave and was last used at `used` (ns). */
void coax_spares_put(struct coax_spares *spares, uint8_t *bytes, size_t size, uint64_t used);

/* One of `least` to `most` bytes, *size says of how many, or NULL. */
uint8_t *coax_spares_take(struct coax_spares *spares, size_t least, uint64_t most, size_t *size);

/* Free what is more than `max` bytes in all. */
void coax_spares_limit(struct coax_spares *spares, uint64_t max);

/* When coax_spares_tick() is due; UINT64_MAX: never. */
uint64_t coax_spares_deadline(const struct coax_spares *spares);
void coax_spares_tick(struct coax_spares *spares, uint64_t now);

#endif
