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

/* 16 hexadecimal digits that nobody can foresee. Returns 0 or a negative errno. */
#define COAXD_RANDOM_NAME_SIZE 17
int coaxd_random_name(char name[COAXD_RANDOM_NAME_SIZE]);

/* A dot at the start keeps a temporary file from being served; the rest tells whose it is. */
#define COAXD_TEMPORARY_PREFIX ".coaxd-"
#define COAXD_TEMPORARY_SIZE   (sizeof(COAXD_TEMPORARY_PREFIX) - 1 + COAXD_RANDOM_NAME_SIZE)

/* A file that is being written, before it gets its name. */
struct coaxd_temporary {
	int directory; /* the caller's */
	int fd;	       /* to read; locked, which tells a sweeper that somebody is at it */
	/*
	 * -1 from before it is placed on: that a file was closed which could be written to is told
	 * to all who watch the directory.
	 */
	int writable;
	bool placed;
	char name[COAXD_TEMPORARY_SIZE];
};

/*
 * Make one in the directory, empty. `owner_only`: nobody else may open it, until
 * coaxd_temporary_take_over() says who may. Returns 0 or a negative errno.
 */
int coaxd_temporary_create(struct coaxd_temporary *temporary, int directory, bool owner_only);

/* Owner and permissions are to be those of `like`. Returns 0 or a negative errno. */
int coaxd_temporary_take_over(struct coaxd_temporary *temporary, const struct stat *like);

/* Add to its end. Returns 0 or a negative errno. */
int coaxd_temporary_write(struct coaxd_temporary *temporary, const void *bytes, size_t length);
/* The same with all that is in the file `fd`, from its beginning. */
int coaxd_temporary_copy(struct coaxd_temporary *temporary, int fd);

/*
 * Make it durable, and give it its name in `directory`, which may be another one of the same file
 * system. Without `replace` -EEXIST if there is such a file. `visible` as below. Returns 0 or
 * a negative errno.
 */
int coaxd_temporary_place(struct coaxd_temporary *temporary, int directory, const char *name,
			  bool replace, bool *visible);

/* The end of it: it is removed, unless it has been placed. */
void coaxd_temporary_discard(struct coaxd_temporary *temporary);

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

#endif
