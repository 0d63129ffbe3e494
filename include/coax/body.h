/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A body: what a request or response carries, in one message or, when it is larger, in many
 * (RFC 7959). It lies in memory, or is read piece by piece while blocks of it leave.
 */
#ifndef COAX_BODY_H
#define COAX_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What block numbers can express, in blocks of 1024 bytes. */
#define COAX_BODY_LENGTH_MAX (1ULL << 30)

struct coax_body {
	uint64_t length;
	/* All of it; NULL: it is read. Must not change until it is released; without `release`:
	 * ever. */
	const void *data;
	/*
	 * Read up to `size` bytes from `offset` on, the same ones each time. Returns how many
	 * (fewer only at the end), or a negative errno, which ends the transfer. On a worker; must
	 * not block for long.
	 */
	ssize_t (*read)(void *arg, uint64_t offset, void *buffer, size_t size);
	/* Called once when nobody needs it any more, on any thread. NULL: nothing to do. */
	void (*release)(void *arg);
	void *arg;
};

#endif
