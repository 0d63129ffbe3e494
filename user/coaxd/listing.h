/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in the served directory, as links (RFC 6690).
 */
#ifndef COAXD_LISTING_H
#define COAXD_LISTING_H

#include <stddef.h>
#include <coax/link.h>
#include "coaxd/watch.h"

/*
 * Write the entries of the directory `path` below `root`, which is served below `prefix` ("": at
 * "/"), sorted by name. Hidden ones and those
 * that are neither a file nor a directory are left out. Returns 0; -ENOENT or -ENOTDIR; -EFBIG when
 * there are more than could be listed in any case; or another negative errno. That the text fits is
 * for the caller to see by writer->length.
 */
int coaxd_list_directory(int root, const char *prefix, const char *path,
			 struct coax_link_writer *writer);

/*
 * Write links to the files below `root`, to a depth and number that bound the work that a request
 * for them makes. What lies beyond is served but not listed. Returns whether `watch`, which is
 * about the same root, will tell when there are others.
 */
bool coaxd_list_files(int root, const char *prefix, struct coaxd_watch *watch,
		      struct coax_link_writer *writer);

#endif
