/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an operator does to a running Context, and how another process takes its place without a
 * lost request: it is given the sockets and the kernel half's lock as descriptors, gets ready, and
 * is let in; meanwhile the former one answers, in userspace and in the kernel. Secure sessions stay
 * behind: when the former one shuts down it closes them, and clients begin new ones.
 */
#ifndef COAX_CONTROL_H
#define COAX_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct coax_context;

/**
 * coax_context_attach, coax_context_detach - have the kernel half answer on an interface, or no
 * longer. Any thread.
 *
 * Returns 0 or a negative errno: -EOPNOTSUPP (the Context has no kernel half), -ENODEV, -EALREADY,
 * ... The logger is told more.
 */
int coax_context_attach(struct coax_context *context, const char *interface);
int coax_context_detach(struct coax_context *context, const char *interface);

/**
 * coax_context_flush - withdraw what the kernel half has of a path ("/a/b", whatever its query), or
 * of all (NULL): userspace renders them anew. Any thread. Returns how many replies that were.
 */
size_t coax_context_flush(struct coax_context *context, const char *path);

/**
 * coax_context_probe - wait for a sign of life of each worker, as the kernel half's lease does:
 * that it does what others leave for it. Any thread but a worker's. Returns 0, -ETIMEDOUT, -ENOMEM
 * or -EOPNOTSUPP (the application's own loop).
 */
int coax_context_probe(struct coax_context *context, uint32_t timeout_ms);

/* For a Context that is to take another's place; what it points to is needed during the call. */
struct coax_succession {
	/*
	 * The former one's, all of them. Those bound to what is to be served are used (copies are:
	 * the caller closes its own), worker by worker, so that each peer meets the worker of the
	 * same number.
	 */
	const int *sockets;
	size_t socket_count;
	int lock; /* 0: it had no kernel half */
	/*
	 * All is there, and only has to begin. Returns when the former one has stopped to receive,
	 * with 0; or with a negative errno, with which creating the Context ends.
	 */
	int (*ready)(void *arg);
	void *arg;
};

/**
 * coax_context_lock - the kernel half's lock, to be passed on. Returns a descriptor that stays the
 * Context's, or 0: there is no kernel half.
 */
int coax_context_lock(const struct coax_context *context);

/**
 * coax_context_sockets - those that requests come in by. Not with an own loop.
 *
 * Writes up to `max` descriptors, which stay the Context's. Returns how many there are.
 */
size_t coax_context_sockets(const struct coax_context *context, int *sockets, size_t max);

/**
 * coax_context_pause - receive nothing from these sockets any more; what arrives waits there.
 *
 * On return all requests that were received have been answered; or, at the latest after
 * `timeout_ms`, -ETIMEDOUT: some handler still works on one. Not from a handler or a callback, nor
 * with an own loop.
 */
int coax_context_pause(struct coax_context *context, uint32_t timeout_ms);

/**
 * coax_context_resume - go on after coax_context_pause(): nobody has taken over. `successor`: the
 * process that was to, 0 when it is not known; a program that it left in a dispatcher is taken off.
 */
void coax_context_resume(struct coax_context *context, pid_t successor);

/**
 * coax_context_hand_over - another has taken the kernel half over, and receives from the sockets:
 * coax_context_shutdown() leaves both alone then.
 */
void coax_context_hand_over(struct coax_context *context);

#endif
