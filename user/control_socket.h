/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket by which a daemon is told what to do: a Unix socket of packets, each a line of text
 * with descriptors beside it. A connection is for one errand, and begins with what is wanted:
 *
 *	attach NAME, detach NAME, flush [PATH]
 *		answered by "ok COUNT" or "error WHY"
 *	figures
 *		answered by "ok BYTES" with a descriptor to read as many from: a JSON object
 *	replace
 *		answered by "hand-over SOCKETS", with the kernel half's lock if there is one, and
 *		by packets "sockets" with these. "ready" from the one side, "go" from the other,
 *		"serving kernel" or "serving" from the first: and it is done. Whoever closes
 *		before has given up, or has ended.
 */
#ifndef COAX_CONTROL_SOCKET_H
#define COAX_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define COAX_CONTROL_DIRECTORY "/run/coax"
#define COAX_CONTROL_LINE_MAX  1200
/* In one packet; the kernel takes 253. */
#define COAX_CONTROL_FDS_MAX 64

/*
 * As root: see to it that this user can listen. -EBUSY: a daemon of another user listens, whose
 * the directory stays.
 */
int coax_control_give(uid_t user, gid_t group);

/*
 * Connect to an instance's daemon. A descriptor, or -ENOENT or -ECONNREFUSED: there is none,
 * -ETIMEDOUT: for 5 s it has let nobody in, ...
 */
int coax_control_connect(const char *instance);

/*
 * Listen as an instance's daemon; with `replace`, in the place of one that listens, else that is
 * -EADDRINUSE. A descriptor or a negative errno.
 */
int coax_control_listen(const char *instance, bool replace);
/* Whether somebody listens as an instance's daemon. */
bool coax_control_is_taken(const char *instance);
/* Nobody is to find it any more. */
void coax_control_unlink(const char *instance);

/* A connection from root or this user; others are turned away. A descriptor or a negative errno. */
int coax_control_accept(int listener);

/* Returns 0 or a negative errno: -ETIMEDOUT after 5 s without room, where it was connected. */
int coax_control_send(int connection, const char *line, const int *fds, size_t count);

/*
 * Wait for a line: at most so long, and not longer than until there is input at `other` (-1: none).
 * *count is the room for descriptors and then how many came, which are the caller's. Returns 0, or
 * -ETIMEDOUT, -EINTR (`other`), -EPIPE (closed), -EPROTO.
 */
int coax_control_receive(int connection, char line[COAX_CONTROL_LINE_MAX], int *fds, size_t *count,
			 int timeout_ms, int other);

#endif
