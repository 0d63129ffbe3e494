/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shapes of a Site's resources: how many segments their paths have, and which of them are
 * parameters. A request that no resource answers by its literal path is looked up once for each
 * shape that its path can have, so what that costs is up to who makes the Site, not to peers. Where
 * all paths are literal there is no shape but those of subtrees.
 */
#ifndef COAX_SITE_SHAPE_H
#define COAX_SITE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rcu.h"

struct coax_shape {
	uint64_t parameters; /* bit n: segment n is one */
	uint16_t depth;	     /* how many segments */
	bool subtree;	     /* a subtree has had it */
	unsigned long count; /* resources that have it; for writers */
};

/*
 * In the order in which they are tried: at the first segment where two differ, the one that names
 * it comes before the one with a parameter there, and that before the one that ends.
 */
struct coax_shapes {
	struct rcu_head rcu;
	size_t count;
	struct coax_shape shapes[];
};

/*
 * Count one more resource of a shape, or one less. *shapes (NULL: there are none) is replaced under
 * RCU. Writers take turns. Returns 0 or -ENOMEM.
 */
int coax_shapes_add(struct coax_shapes **shapes, uint64_t parameters, uint16_t depth, bool subtree);
void coax_shapes_remove(struct coax_shapes **shapes, uint64_t parameters, uint16_t depth);

/* For readers, within an RCU read section. */
static inline const struct coax_shapes *coax_shapes_read(struct coax_shapes *const *shapes)
{
	return __atomic_load_n(shapes, __ATOMIC_ACQUIRE);
}

#endif
