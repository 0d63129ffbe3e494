/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The directories that are served, each below a prefix, and how they change while they are.
 */
#ifndef COAXD_DIRECTORIES_H
#define COAXD_DIRECTORIES_H

#include "coaxd/files.h"

struct coaxd_directories {
	struct coaxd_files *first; /* in the Site, once they have been added */
	struct coaxd_files *made;  /* that are to be added */
	/* Out of the Site, and not idle when that was looked at last. */
	struct coaxd_files *retired;
};

/*
 * Make those that are not served so far, at their prefix. By threads without capabilities. Returns
 * 0, or a negative errno with *failed the one that cannot be served, and has logged why at ERROR:
 * nothing is made then.
 */
int coaxd_directories_make(struct coaxd_directories *directories,
			   const struct coaxd_files_options *options, size_t count,
			   const struct coaxd_files_options **failed);

/* Those that were made are not wanted after all. */
void coaxd_directories_unmake(struct coaxd_directories *directories);

/*
 * Add them to the Site, or put them where another directory is, have those that are there be as
 * `options` say, and take the others out. `added` is told of each prefix that is new. Returns 0, or
 * a negative errno: the Site does not take one.
 */
int coaxd_directories_use(struct coaxd_directories *directories, struct coax_site *site,
			  const struct coaxd_files_options *options, size_t count,
			  void (*added)(void *arg, const char *prefix), void *arg);

/* coaxd_files_forget() of all. */
void coaxd_directories_forget(const struct coaxd_directories *directories);

/* The Site is gone. */
void coaxd_directories_destroy(struct coaxd_directories *directories);

#endif
