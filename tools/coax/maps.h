/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading maps while their owner writes them.
 */
#ifndef COAX_TOOL_MAPS_H
#define COAX_TOOL_MAPS_H

#include "instance.h"

/* An array map, mapped to be read. */
struct map_view {
	const void *at;
	size_t bytes;
	uint32_t count;
};

/* Returns TOOL_OK or, having said why, TOOL_LOCAL_ERROR. */
int map_view_open(struct map_view *view, const struct instance *instance, const char *map, int fd);
void map_view_close(struct map_view *view);

/*
 * A consistent copy under the sequence lock that `at` begins with. Returns false when it was being
 * written at each of many tries.
 */
bool map_copy(const void *at, void *copy, size_t size);

/*
 * The keys of a hash map: map_walk_next() sets `key`, which it takes back unchanged, as long as it
 * returns true. A walk begins anew when the key that it stands on is deleted: `most` bounds it, and
 * a key may come twice.
 */
struct map_walk {
	int map;
	size_t most;
	bool begun;
};

bool map_walk_next(struct map_walk *walk, void *key);

/*
 * Add a copy of `value` to an array that begins as NULL and grows. Returns 0 or -ENOMEM, with
 * the array as it was.
 */
int map_append(void *array, size_t *count, const void *value, size_t size);

#endif
