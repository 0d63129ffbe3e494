/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies kept for repeating them: blocks of a few sizes out of a bounded memory. Chunks of it go
 * to a size when that needs one, and come back when their last block is dropped.
 */
#ifndef COAX_REPLIES_H
#define COAX_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#define COAX_REPLY_SIZES 4

struct coax_reply_chunk;

struct coax_replies {
	uint8_t *bytes;
	struct coax_reply_chunk *chunks;
	uint32_t max;	  /* chunks */
	uint32_t touched; /* chunks that have ever been in use */
	uint32_t unused;  /* a list of those that have come back; chunk number + 1 */
	uint32_t partial[COAX_REPLY_SIZES]; /* lists of chunks with free blocks; number + 1 */
};

/* At most `size` bytes of replies. Returns 0 or -ENOMEM. */
int coax_replies_create(struct coax_replies *replies, size_t size);
void coax_replies_destroy(struct coax_replies *replies);

/* Keep a copy. Returns what names it, or 0 when there is no room. */
uint32_t coax_replies_put(struct coax_replies *replies, const uint8_t *reply, size_t length);
const uint8_t *coax_replies_get(const struct coax_replies *replies, uint32_t name);
void coax_replies_drop(struct coax_replies *replies, uint32_t name);

#endif
