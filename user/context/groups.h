/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The groups that a Context listens to (RFC 7252 section 8, 12.8). Worker 0 alone takes in what is
 * sent to many, so that each request is taken once. It has sockets of its own for that, bound to
 * the groups: joined on one of several sockets that share an address, a group's datagrams reach any
 * of those (Linux 6.18: early demultiplexing finds the one that joined, and then deals them out).
 */
#ifndef COAX_CONTEXT_GROUPS_H
#define COAX_CONTEXT_GROUPS_H

#include "binding.h"

/*
 * Read what is asked for. *groups is NULL when that is nothing. Returns 0, -EINVAL, -ENODEV or
 * -ENOMEM, and has logged why.
 */
int coax_groups_create(struct coax_groups **groups, const struct coax_context *context,
		       const struct coax_context_options *options);
/* NULL: nothing. */
void coax_groups_destroy(struct coax_groups *groups);

/*
 * Add the sockets that hear the groups. Those that an interface's name stands for are only heard
 * where an address of their family is bound. Returns 0 or -E2BIG.
 */
int coax_groups_bind(struct coax_groups *groups, struct coax_binding *binding);

/*
 * Join, now that worker 0 is there, and from now on whenever an interface comes (again): its thread
 * calls coax_groups_process() when the descriptor is readable. Returns 0 or a negative errno, and
 * has logged why; a group that cannot be joined yet is only a warning.
 */
int coax_groups_join(struct coax_groups *groups, struct coax_worker *worker);
int coax_groups_fd(const struct coax_groups *groups);
void coax_groups_process(struct coax_groups *groups);

/*
 * Whether what came to many, to a group or a broadcast address, is for us: a socket hears a group
 * on other interfaces than its own too. NULL: no group is.
 */
bool coax_groups_have(const struct coax_groups *groups, const struct coax_path *path);

#endif
