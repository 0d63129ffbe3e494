/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that are larger than a message: read while their blocks leave.
 */
#ifndef COAXD_BODY_H
#define COAXD_BODY_H

#include <stdatomic.h>
#include <stdint.h>
#include <coax/body.h>
#include "coaxd/beneath.h"

/* How many files are held open for their readers; bounded, each is a file descriptor. */
struct coaxd_open_files {
	atomic_uint count;
	uint32_t max;
};

/*
 * Open the file `path` below `root` as a body. A file that is replaced meanwhile goes on as it was;
 * one that is rewritten in place ends the transfer. `open` outlives the body. Returns 0; what
 * coaxd_open_file() says; -EFBIG (larger than any body can be), -EMFILE (as many as may be are
 * open), -EAGAIN (it fits a message by now) or -ENOMEM.
 */
int coaxd_body_open(struct coax_body *body, struct coaxd_open_files *open, int root,
		    const char *path, struct stat *status);

#endif
