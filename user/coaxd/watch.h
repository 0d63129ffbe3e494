/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Noticing, by inotify, what others change below the served directory.
 *
 * A directory is watched from before the first file in it is read, and so are those above it; what
 * cannot be watched must not be remembered. What inotify does not tell is a write through
 * a memory mapping, until it is unmapped, and one through a hard link made later elsewhere.
 */
#ifndef COAXD_WATCH_H
#define COAXD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <coax/log.h>

struct coaxd_watch;

/* Called with the watch's lock held. They must not call back. */
struct coaxd_watch_ops {
	/*
	 * Something has happened to the name `path`; with `listed`, it may have come to its
	 * directory or gone.
	 */
	void (*changed)(void *arg, const char *path, size_t length, bool listed);
	/* Anything may have changed. */
	void (*changed_all)(void *arg);
};

/*
 * Watch below the directory `root`, which stays open meanwhile; a thread tells what happens. At
 * most `directories_max` are watched at a time. `logger` stays the caller's. Returns 0 or a
 * negative errno.
 */
int coaxd_watch_create(struct coaxd_watch **watch, int root, size_t directories_max,
		       const struct coaxd_watch_ops *ops, void *arg,
		       const struct coax_logger *logger);

/* NULL: nothing. */
void coaxd_watch_destroy(struct coaxd_watch *watch);

/*
 * See to it that the directory `path` of `length` bytes ("" for the root) and those above it are
 * watched: what happens in them from now on is told. Returns false when it cannot be had.
 * Any thread.
 */
bool coaxd_watch_directory(struct coaxd_watch *watch, const char *path, size_t length);

/*
 * Tell now what has happened so far, so that what the caller itself did is not told later. Any
 * thread.
 */
void coaxd_watch_catch_up(struct coaxd_watch *watch);

#endif
