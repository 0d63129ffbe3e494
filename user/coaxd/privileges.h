/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon may do, and as whom. It has another user's identity from its beginning on; of the
 * capabilities it gives up all that only starting needs when it has started. Attaching to an
 * interface that comes back needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (without that the verifier
 * refuses the program): those stay permitted, and are not in effect.
 */
#ifndef COAXD_PRIVILEGES_H
#define COAXD_PRIVILEGES_H

#include <stdbool.h>
#include <coax/log.h>

/*
 * Become `user`; NULL: whoever this is, or if that is root COAXD_USER, or COAXD_USER_OTHERWISE.
 * All capabilities stay permitted, and none is in effect. The instance's directories become the
 * user's. Returns 0 or a negative errno, and has said why at ERROR.
 */
#define COAXD_USER	     "coax"
#define COAXD_USER_OTHERWISE "nobody"
int coaxd_privileges_become(const char *user, const char *instance,
			    const struct coax_logger *logger);

/* While the Context is made: for this thread all that is permitted is in effect. */
void coaxd_privileges_use(void);

/*
 * Whom that would be: 0, or -EINVAL, said at ERROR: there is no such user, or it is root.
 */
int coaxd_privileges_check(const char *user, const struct coax_logger *logger);

/*
 * Run a function on a thread that has no capabilities, nor have those that it starts. Returns what
 * that does, or a negative errno.
 */
int coaxd_privileges_without(int (*run)(void *arg), void *arg);

/*
 * Give up what is not needed any more. For this thread, and those that it starts. Returns 0 or
 * a negative errno: nobody is to serve then.
 */
int coaxd_privileges_drop(bool attaches);

#endif
