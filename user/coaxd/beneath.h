/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening what lies below a directory, and nothing else; reading a file as one message's body.
 */
#ifndef COAXD_BENEATH_H
#define COAXD_BENEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <coax/wire.h>

#define COAXD_ETAG_SIZE 8

/* A file as it was read. */
struct coaxd_content {
	struct stat status;
	size_t length;
	uint8_t etag[COAXD_ETAG_SIZE];
	uint8_t bytes[COAX_PAYLOAD_MAX + 1]; /* the last one only to see whether there is more */
};

/*
 * Open `path` ("" for the directory itself) below the directory `root`. Symbolic links are not
 * followed anywhere on the way: they lead out, or give one file two names of which only one
 * is seen to change. Mount points are not crossed: what is mounted over a directory comes and goes
 * without an event. Returns a file descriptor or a negative errno.
 */
int coaxd_open_beneath(int root, const char *path, int flags);

/*
 * Whether `path` is a regular file below `root`, found out without opening it: opening a device or
 * a FIFO can have effects. Returns 0; -ENOENT where there is nothing that may be served; -EISDIR
 * for a directory; -ENOTSUP for anything else; or another negative errno.
 */
int coaxd_probe_file(int root, const char *path);

/*
 * Open the file `path` below `root`, of which coaxd_probe_file() has said that it is one, for
 * reading. Returns a file descriptor with *status set, or the same errors.
 */
int coaxd_open_file(int root, const char *path, struct stat *status);

/*
 * Read such a file. Returns 0, the same errors, or -EFBIG when it is longer than the payload of one
 * message; content->status and content->etag are set then too.
 */
int coaxd_read_file(int root, const char *path, struct coaxd_content *content);

/*
 * The ETag of a representation: of what fits into one message over its content, of larger files
 * over what the file system says of them, so that they need not be read.
 */
void coaxd_etag(const void *bytes, size_t length, uint8_t etag[COAXD_ETAG_SIZE]);
void coaxd_etag_large(const struct stat *status, uint8_t etag[COAXD_ETAG_SIZE]);

/* That of an open file. Returns 0 or a negative errno. */
int coaxd_etag_of(int fd, uint8_t etag[COAXD_ETAG_SIZE]);

#endif
