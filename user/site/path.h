/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path in the form in which resources are found: its segments one after the other, each behind a
 * byte with its length. A segment may hold any byte, '/' included (RFC 7252 section 5.10.1), so no
 * separator could stand between them.
 */
#ifndef COAX_SITE_PATH_H
#define COAX_SITE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <coax/message.h>

/* A Uri-Path option takes at least as many bytes as its segment here: no longer path can arrive. */
#define COAX_SITE_PATH_MAX COAX_MESSAGE_MAX

struct coax_site_path {
	bool whole; /* false: too long to be a resource's; this is the beginning of it */
	uint16_t length;
	uint16_t depth;			       /* how many segments */
	uint16_t ends[COAX_SITE_PATH_MAX + 1]; /* ends[n]: length of the first n segments */
	uint8_t bytes[COAX_SITE_PATH_MAX];
};

/*
 * Write the first `depth` segments to `key` as the resource is found by that has parameters where
 * `parameters` says (bit n: segment n): those count as empty. Returns the length.
 */
uint16_t coax_site_path_key(const struct coax_site_path *path, unsigned int depth,
			    uint64_t parameters, uint8_t key[COAX_SITE_PATH_MAX]);

/* Gather the Uri-Path options of a message. */
void coax_site_path_read(struct coax_site_path *path, const struct coax_message *m);

#endif
