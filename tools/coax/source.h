/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the body of a request comes from: the command line, a file, standard input.
 */
#ifndef COAX_SOURCE_H
#define COAX_SOURCE_H

#include <coax/body.h>
#include "tool.h"

struct source {
	const struct tool *tool;
	const char *name;
	int fd; /* read while it is sent; -1: all of it is in memory */
	const uint8_t *bytes;
	uint8_t *owned;
	uint64_t length;
	int error; /* why it could not be read on; 0: it could */
};

/*
 * Both NULL: an empty body. What can be read at any place is not read now. Returns TOOL_OK or,
 * having said why, TOOL_LOCAL_ERROR; source_close() in any case.
 */
int source_open(struct source *source, const struct tool *tool, const char *text, const char *file);
void source_close(struct source *source);

/* Not after source_close(). It may be given away again and again. */
struct coax_body source_body(struct source *source);

/*
 * All of it at once. Returns the length, or a negative errno: -EMSGSIZE (more than `size` bytes),
 * or it cannot be read.
 */
ssize_t source_read(struct source *source, void *buffer, size_t size);

/* Say why it could not be read on. Returns TOOL_LOCAL_ERROR. */
int source_failed(const struct source *source);

#endif
