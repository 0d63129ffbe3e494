/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory of files as resources: the whole Site of the daemon is one subtree.
 */
#ifndef COAXD_FILES_H
#define COAXD_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <coax/log.h>
#include <coax/site.h>
#include "coaxd/body.h"
#include "coaxd/cache.h"
#include "coaxd/path.h"
#include "coaxd/upload.h"
#include "coaxd/watch.h"
#include "coaxd/writer.h"

/* Defaults. */
#define COAXD_MAX_AGE	  60
#define COAXD_SIZE_MAX	  (64 << 20)
#define COAXD_UPLOADS_MAX 64
#define COAXD_OPEN_MAX	  256

struct coaxd_files_options {
	const char *directory;
	const char *prefix; /* where: "rooms/attic"; NULL: at "/" */
	bool writable;
	uint32_t max_age;     /* seconds */
	uint32_t size_max;    /* of a file that requests make, in bytes; 0: the default */
	uint32_t uploads_max; /* larger than a message, under way at a time; 0: the default */
	uint32_t open_max;    /* files larger than a message that are being read; 0: the default */
	struct coax_logger logger;
	struct coax_subject *names; /* of those that are to be succeeded; NULL: none are */
};

/* What coaxd_files_set() changes is read and written atomically. */
struct coaxd_files {
	struct coaxd_files *next; /* for who has several */
	char *directory;
	int root;
	char prefix[COAXD_PREFIX_MAX + 1];
	unsigned int depth; /* segments of that */
	bool writable;
	uint32_t max_age;
	uint32_t size_max;
	struct coax_resource *resource; /* once they are in a Site */
	struct coaxd_files **place;	/* the same: to whom its requests go; RCU */
	struct coax_logger logger;
	struct coaxd_open_files open;
	struct coaxd_uploads uploads;
	struct coaxd_cache *cache;
	struct coax_subject *names; /* changes when files come or go: what there is, and is not */
	struct coaxd_watch *watch;
	struct coaxd_writer *writer; /* NULL: they have always been read only */
	bool said_too_large;
};

/* Returns 0 or a negative errno, and has logged why at ERROR. */
int coaxd_files_create(struct coaxd_files **files, const struct coaxd_files_options *options);

/* The Context that served them is gone, and so is the Site; or they are idle. NULL: nothing. */
void coaxd_files_destroy(struct coaxd_files *files);

/* Put the files into a Site. Returns 0 or a negative errno. */
int coaxd_files_add(struct coaxd_files *files, struct coax_site *site);

/*
 * Put them, made for the same prefix, where others are in a Site that is served. No request finds
 * nobody; those under way, a body in its middle among them, are still for the former ones, until
 * they are idle. What the kernel has of these is withdrawn, and observers look again.
 */
void coaxd_files_succeed(struct coaxd_files *files, struct coaxd_files *former);

/*
 * Take them out of it while it is served: on return the kernel does not answer for them. Requests
 * under way end as they would have; once coaxd_files_are_idle(), nobody needs the files any more.
 */
void coaxd_files_remove(struct coaxd_files *files, struct coax_site *site);
bool coaxd_files_are_idle(struct coaxd_files *files);

/*
 * Serve the same directory otherwise, from now on. Nothing is withdrawn: what the kernel has says
 * the former Max-Age. The caller's thread has no more capabilities than the files' own are to have;
 * one at a time. Returns 0 or a negative errno, and has logged why at ERROR: all is as it was.
 */
int coaxd_files_set(struct coaxd_files *files, const struct coaxd_files_options *options);

/*
 * Somebody else may answer for some of the paths now, or no longer: what the kernel has is
 * withdrawn, and observers look again.
 */
void coaxd_files_forget(struct coaxd_files *files);

/* GET: the file, or a directory's listing. */
void coaxd_files_get(struct coax_responder *responder, void *files);

/* PUT, POST, DELETE: hand the request to the writer. */
void coaxd_files_change(struct coax_responder *responder, void *files);

/* On the writer's thread: execute a PUT, POST or DELETE, and answer. */
void coaxd_files_execute(struct coax_responder *responder, void *files);

/* How often a file, its directory's listing and names have been told to have changed. */
struct coaxd_known {
	uint64_t file;
	uint64_t listing;
	uint64_t names;
};

/* Before a request changes a file. */
struct coaxd_known coaxd_files_known(const struct coaxd_files *files, const char *path,
				     size_t length);

/*
 * A request has changed the file; with `listed`, its name is new in its directory, or gone. On
 * return nobody is given the former state, and observers are being told, once: what inotify has to
 * tell of it, and has not since `before`, is told now, which also keeps it from taking back what
 * others render from the new state.
 */
void coaxd_files_changed(struct coaxd_files *files, const char *path, size_t length, bool listed,
			 const struct coaxd_known *before);

/* Answer that the file could not be read, as coaxd_read_file() says it. */
void coaxd_files_refuse(struct coaxd_files *files, struct coax_responder *responder,
			const char *path, int err);

#endif
