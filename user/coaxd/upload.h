/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bodies on their way in that are larger than a message: parts are gathered in a temporary file.
 * All of it happens on the writer's thread but for coaxd_upload_release().
 */
#ifndef COAXD_UPLOAD_H
#define COAXD_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "coaxd/store.h"
#include "coaxd/writer.h"

/* How many there are at a time; bounded, each is two file descriptors and a part of the disk. */
struct coaxd_uploads {
	struct coaxd_writer *writer;
	uint32_t count;
	uint32_t max;
};

struct coaxd_upload {
	struct coaxd_chore end;
	struct coaxd_uploads *uploads;
	int directory;
	struct coaxd_temporary temporary;
	uint64_t length;
	bool if_none_match; /* what only the first part says (RFC 7959 section 2.10) */
	bool replaces;
	struct stat like; /* the file that it replaces, when it began */
};

/*
 * Begin one for a file in the directory; `like` as for coaxd_store_replace(). Returns 0, -EBUSY (as
 * many as may be are under way) or another negative errno.
 */
int coaxd_upload_begin(struct coaxd_upload **upload, struct coaxd_uploads *uploads, int directory,
		       const struct stat *like);

int coaxd_upload_write(struct coaxd_upload *upload, const void *bytes, size_t length);

/* What coaxd_store_replace() does, with all that was written. */
int coaxd_upload_place(struct coaxd_upload *upload, int directory, const char *name,
		       const struct stat *like, bool *visible);

/* The end of a transfer, any thread: its file is removed, if it has not been placed. */
void coaxd_upload_release(void *upload);

#endif
