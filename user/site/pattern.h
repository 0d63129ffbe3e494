/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a resource's path says: segments to be found as they stand, and "{name}" for any one.
 */
#ifndef COAX_SITE_PATTERN_H
#define COAX_SITE_PATTERN_H

#include "site/path.h"

/* A path's URI needs at most three characters a byte. */
#define COAX_SITE_TARGET_MAX (3 * COAX_SITE_PATH_MAX + 2)

struct coax_pattern {
	/* Its segments, names of parameters with their braces. */
	struct coax_site_path path;
	uint64_t parameters;		   /* bit n: segment n is one */
	char target[COAX_SITE_TARGET_MAX]; /* as a URI, in the one normal encoding */
};

/*
 * Read what stands in coax_resource_options. Returns 0, -EINVAL (a path that cannot be requested;
 * a brace anywhere but around the name of a parameter, an empty name, the same one twice, a
 * parameter behind the first 64 segments, or beside "." and "..") or -ENOMEM.
 */
int coax_pattern_read(struct coax_pattern *pattern, const char *text);

#endif
