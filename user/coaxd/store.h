/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing files so that a crash at any point leaves the old or the new one, never half, and what
 * was reported as done is on disk.
 *
 * The new content goes to a temporary file in the same directory, that is made durable, renamed
 * over the old one, and the directory made durable too.
 */
#ifndef COAXD_STORE_H
#define COAXD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * Put a file `name` with this content into the directory.
 *
 * `like`: the file that is replaced, whose owner and permissions the new one takes over; NULL: a
 * new one by the process's umask, and -EEXIST if there is one by now. *visible tells whether
 * readers see the new content: it can be true even if the return value is negative, when only
 * making the directory durable failed. Returns 0 or a negative errno.
 */
int coaxd_store_replace(int directory, const char *name, const void *bytes, size_t length,
			const struct stat *like, bool *visible);

/* Remove a file. `visible` as above. Returns 0 or a negative errno. */
int coaxd_store_remove(int directory, const char *name, bool *visible);

/*
 * Remove what a crash left below the directory `root`: temporary files of this daemon that no
 * process is writing. Returns how many.
 */
size_t coaxd_store_sweep(int root);

/* 16 hexadecimal digits that nobody can foresee. Returns 0 or a negative errno. */
#define COAXD_RANDOM_NAME_SIZE 17
int coaxd_random_name(char name[COAXD_RANDOM_NAME_SIZE]);

#endif
