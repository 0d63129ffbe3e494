/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel half's keeper: loads and attaches the XDP program, tells it which endpoints are ours,
 * publishes and withdraws replies, extends the lease.
 */
#ifndef COAX_ACCEL_ACCEL_H
#define COAX_ACCEL_ACCEL_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include <sys/types.h>
#include <urcu/list.h>
#include <coax/accel.h>
#include <coax/address.h>
#include <coax/log.h>
#include <coax/maps.h>
#include <coax/message.h>

#define COAX_ACCEL_SLOTS_MAX	(1U << 22)
#define COAX_ACCEL_INSTANCE_MAX 63

struct coax_accel;

/* Whether a name can be an instance's: 1 to COAX_ACCEL_INSTANCE_MAX of A-Z a-z 0-9 _ - */
bool coax_accel_instance_is_valid(const char *instance);

/*
 * Load the program and create its maps below COAX_PIN_ROOT/<instance> (mounting a bpffs there if
 * none is), or take over the maps that a killed daemon left, detaching its program and dropping
 * what is in them, all but the counters. Nothing is attached yet. Returns 0 or a negative errno,
 * said through `logger` with what the user can do.
 */
int coax_accel_open(struct coax_accel **accel, const struct coax_accel_options *options,
		    const struct coax_logger *logger);

/*
 * A socket is bound to `bound`. A wildcard address stands for all addresses of its family on this
 * host, from now on and as they change. Before coax_accel_attach(). Returns 0 or -ENOMEM.
 */
int coax_accel_add_endpoint(struct coax_accel *accel, const union coax_address *bound);

/*
 * With a lock that was handed over: do all that can be done for coax_accel_attach() while the
 * former owner still answers. Returns 0 or a negative errno, said through the logger.
 */
int coax_accel_prepare(struct coax_accel *accel);

/*
 * Attach to the interfaces, by the ladder, and begin the lease. Returns 0, or a negative errno when
 * not one could be attached; says through the logger why.
 */
int coax_accel_attach(struct coax_accel *accel);

/* Readable when addresses or links have changed; coax_accel_process() then. One thread. */
int coax_accel_fd(const struct coax_accel *accel);
void coax_accel_process(struct coax_accel *accel);

/*
 * Extend the lease to its length from `since` on (ns of CLOCK_MONOTONIC), when all workers of the
 * Context were alive. Due every third of the lease. Any thread.
 */
void coax_accel_renew(struct coax_accel *accel, uint64_t since);
uint32_t coax_accel_lease_ms(const struct coax_accel *accel);

/*
 * Let the kernel answer requests with the bytes of `request` after its token with those of
 * `response`, unless `subject` has left `generation`. Cheap when that is already so. Any thread.
 * Returns whether something was published.
 */
bool coax_accel_publish(struct coax_accel *accel, struct coax_subject *subject, uint64_t generation,
			const struct coax_message *request, const struct coax_message *response);

/* Detach, withdraw everything, unpin. NULL: nothing. */
void coax_accel_close(struct coax_accel *accel);

/* The instance's lock, for another owner: pass the descriptor on, and do not unlock it. */
int coax_accel_lock(const struct coax_accel *accel);
/* Another owner has taken over: closing leaves program and pins to it. */
void coax_accel_hand_over(struct coax_accel *accel);
/* It has not, and may have got as far as to exchange program or pins: they are ours again. */
void coax_accel_reclaim(struct coax_accel *accel);

/*
 * Begin or end to attach to an interface by its name. Any thread. Returns 0, or a negative errno,
 * and has said why: -EALREADY, -ENODEV, -ENOSPC (COAX_ATTACHMENTS_MAX), -EBUSY...
 */
int coax_accel_attach_to(struct coax_accel *accel, const char *name);
int coax_accel_detach_from(struct coax_accel *accel, const char *name);

/*
 * Withdraw what answers requests for a path, whatever its query ("/a/b"; NULL: all). Any thread.
 * Returns how many replies that were.
 */
size_t coax_accel_flush(struct coax_accel *accel, const char *path);

/* Withdraw everything that is published, whatever it was rendered from. Any thread. */
void coax_accel_withdraw_all(struct coax_accel *accel);

/*
 * Who wants to know of a subject's changes. Both run with the subject's lock held, on any thread:
 * they leave word with somebody, and call nothing that could come back here.
 */
struct coax_subject_watch {
	struct cds_list_head node;
	struct coax_subject *subject; /* a reference; NULL: watches nothing */
	void (*changed)(struct coax_subject_watch *watch);
	/* Somebody has `response` for all observers (copied during the call). Returns 0 or -ENOMEM.
	 */
	int (*notify)(struct coax_subject_watch *watch, const struct coax_message *response,
		      bool last);
};

/*
 * Begin to watch, and stop. A change that comes after the subject's generation was read, and before
 * this, is not told of: compare afterwards. No call is under way when unwatch returns; not from
 * one.
 */
void coax_subject_watch(struct coax_subject *subject, struct coax_subject_watch *watch);
void coax_subject_unwatch(struct coax_subject_watch *watch);
/* Whether anybody watches it now. */
bool coax_subject_is_watched(struct coax_subject *subject);
/* Hand a response to all who watch. Returns 0 or the last error of theirs. */
int coax_subject_notify(struct coax_subject *subject, const struct coax_message *response,
			bool last);

/*
 * Make the directory of all instances a user's, and all that is in one's, if they are there or can
 * be: for who begins as root and goes on as somebody else.
 */
void coax_accel_give(const char *instance, uid_t user, gid_t group);

/*
 * For tools: look into an instance's pinned maps.
 */

/* Open one of its maps ("stats", "config", "index", "slots", "endpoints"). An fd or -errno. */
int coax_accel_open_map(const char *instance, const char *map);

/* Sum of the counters over all CPUs. Returns 0 or a negative errno. */
int coax_accel_read_stats(int stats_fd, struct coax_stats *stats);

#endif
