/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which names of the file system a request may speak of, and how they are written.
 */
#ifndef COAXD_PATH_H
#define COAXD_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <coax/message.h>

#define COAXD_PATH_MAX 1024

/* Of where a directory is served: "rooms/attic". */
#define COAXD_PREFIX_MAX 255

/* Enough for "/", a prefix, a path and another name, percent-encoded, with the terminating zero. */
#define COAXD_TARGET_MAX (3 * (COAXD_PREFIX_MAX + 1 + COAXD_PATH_MAX + 257) + 2)

/* "a/b.txt", below the served directory; "" is that directory itself. */
struct coaxd_path {
	size_t length;
	bool directory; /* written with a slash at its end, or empty */
	char text[COAXD_PATH_MAX + 1];
};

/*
 * Whether a name may be served: not empty, no dot at its start (so neither "." nor ".." nor the
 * daemon's own temporary files), no slash and no zero byte in it. Returns 0, -EACCES for a dot
 * at its start, -EINVAL for the rest.
 */
int coaxd_name_check(const char *name, size_t length);

/*
 * The path that a request's Uri-Path options spell behind the first `skipped`. Each option is one
 * name: nothing is decoded, so no encoding can smuggle a separator in. An empty last one stands for
 * the slash behind a directory. Returns 0, what coaxd_name_check() says, or -ENAMETOOLONG.
 */
int coaxd_path_from_request(struct coaxd_path *path, const struct coax_message *request,
			    unsigned int skipped);

/*
 * Whether a directory can be served there: "a/b", names as above. *depth is how many they are; of
 * "" none.
 */
bool coaxd_path_is_prefix(const char *prefix, unsigned int *depth);

/*
 * Where the last name of a path of `length` bytes begins; the parent's path is what is before it,
 * without the slash: *parent_length bytes.
 */
const char *coaxd_path_name(const char *path, size_t length, size_t *parent_length);

/*
 * "/a/b%20c" for a path below the served directory and, unless it is NULL, a name in it: the form
 * in which links name their targets (RFC 3986 section 3.3), and in which a peer's text is fit for a
 * log. Returns the length. The second one is for what is served below a prefix.
 */
size_t coaxd_path_target(const char *path, const char *name, char target[COAXD_TARGET_MAX]);
size_t coaxd_path_target_below(const char *prefix, const char *path, const char *name,
			       char target[COAXD_TARGET_MAX]);

#endif
