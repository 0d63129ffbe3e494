/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the body of a response goes as it comes: into a file, to standard output, into memory.
 */
#ifndef COAX_INTAKE_H
#define COAX_INTAKE_H

#include <limits.h>
#include <coax/request.h>
#include "progress.h"
#include "tool.h"

/* More is not kept in memory; a file takes any length. */
#define INTAKE_MEMORY_MAX (256U << 20)

enum intake_kind {
	INTAKE_MEMORY,
	INTAKE_STANDARD, /* as it comes */
	INTAKE_FILE,	 /* a temporary one first, which becomes the one that was asked for */
};

struct intake {
	const struct tool *tool;
	struct progress *progress;
	enum intake_kind kind;
	const char *name;	  /* of the file */
	char target[PATH_MAX];	  /* where it really is, and */
	char temporary[PATH_MAX]; /* what is to become it; "": is written to directly */
	int fd;
	uint8_t *bytes;
	size_t length;
	size_t capacity;
	int error; /* why it could not be kept; 0: it could */
};

/*
 * `file` is for INTAKE_FILE. Returns TOOL_OK or, having said why, TOOL_LOCAL_ERROR; intake_close()
 * in any case.
 */
int intake_open(struct intake *intake, const struct tool *tool, enum intake_kind kind,
		const char *file, struct progress *progress);

/* A coax_sink_fn. */
int intake_sink(void *arg, const struct coax_message *first, uint64_t offset, const void *data,
		size_t length, uint64_t total);

/* All is there: the file gets its name. Returns as intake_open(). */
int intake_finish(struct intake *intake);

/* Say why it could not be kept. Returns TOOL_LOCAL_ERROR. */
int intake_failed(const struct intake *intake);

/* Without intake_finish() before it, nothing is left. */
void intake_close(struct intake *intake);

#endif
