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
#include <coax/cookie.h>
#include <coax/digest.h>
#include <coax/log.h>
#include <coax/maps.h>
#include <coax/message.h>

#define COAX_ACCEL_SLOTS_MAX	 (1U << 22)
#define COAX_ACCEL_EXCHANGES_MAX (1U << 22)
#define COAX_ACCEL_SESSIONS_MAX	 (1U << 22)
#define COAX_ACCEL_INSTANCE_MAX	 63

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
 * The same of a socket that takes DTLS records and nothing else: nothing is answered there but
 * ClientHellos, by HelloVerifyRequest, until one comes with a cookie of coax_accel_cookie_key().
 */
int coax_accel_add_secure_endpoint(struct coax_accel *accel, const union coax_address *bound);

/*
 * With a lock that was handed over: do all that can be done for coax_accel_attach() while the
 * former owner still answers. Returns 0 or a negative errno, said through the logger.
 */
int coax_accel_prepare(struct coax_accel *accel);

/*
 * Attach to the interfaces, by the ladder, and begin the lease. Returns 0, or a negative errno when
 * not one could be attached, nor may be once it comes or is free; says through the logger why.
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
 *
 * Not from `until` on (ns of CLOCK_MONOTONIC; COAX_NEVER: until it is withdrawn), and until then
 * with what is left as the response's Max-Age, which it must have. What is published under the same
 * generation is replaced by what is fresh for longer.
 *
 * When all slots are taken, what the kernel uses stays. A subject that has more than a quarter of
 * them makes room among its own replies; errors (class 4) have an eighth, and make room among
 * themselves.
 */
bool coax_accel_publish_until(struct coax_accel *accel, struct coax_subject *subject,
			      uint64_t generation, const struct coax_message *request,
			      const struct coax_message *response, uint64_t until);

static inline bool coax_accel_publish(struct coax_accel *accel, struct coax_subject *subject,
				      uint64_t generation, const struct coax_message *request,
				      const struct coax_message *response)
{
	return coax_accel_publish_until(accel, subject, generation, request, response, COAX_NEVER);
}

/*
 * What is told of pairs that age. `due_sooner`: coax_accel_due() has become less; with locks held,
 * on any thread. `renew`: a pair that the kernel has used is about to expire; `request` is a
 * message with its bytes. A response to that which is fresh beyond `until` is to be published, and
 * takes its place without a gap.
 */
struct coax_accel_calls {
	void (*due_sooner)(void *arg);
	void (*renew)(void *arg, const uint8_t *request, size_t length, uint64_t until);
};

/* Before anything is published. */
void coax_accel_call(struct coax_accel *accel, const struct coax_accel_calls *calls, void *arg);

/* When coax_accel_age() is due (ns of CLOCK_MONOTONIC); UINT64_MAX: nothing ages. Any thread. */
uint64_t coax_accel_due(const struct coax_accel *accel);
/* Renew what is used, withdraw what has expired; some of it at a time. One thread. */
void coax_accel_age(struct coax_accel *accel, uint64_t now);

/*
 * Max-Age of what was fetched from another origin (RFC 7252 section 5.7.1): the seconds that are
 * left until a time (ns of CLOCK_MONOTONIC), in as many bytes as the origin's value takes, so that
 * both halves write the same.
 */

/* Until when what came at `fetched` is fresh. */
uint64_t coax_fresh_until(uint64_t fetched, uint32_t max_age);
/* Give the response such a Max-Age, zeros for now. Returns 0 or -EMSGSIZE. */
int coax_fresh_reserve(struct coax_message *response, uint32_t max_age);
/* Write what is left now. COAX_NEVER: leave it alone. */
void coax_fresh_write(struct coax_message *response, uint64_t until);

/*
 * Whether it is known to be published already, so that it need not be rendered to publish it: false
 * is said now and then of what is. Any thread.
 */
bool coax_accel_is_published(struct coax_accel *accel, const struct coax_subject *subject,
			     uint64_t generation, const struct coax_message *request,
			     uint64_t until);

/* How many replies at most are published before they have been asked for, for one client. */
uint32_t coax_accel_ahead_max(const struct coax_accel *accel);

/*
 * By which the kernel digests messages; as long as the instance's maps are there, it is the same.
 */
const struct coax_digest_secret *coax_accel_digest(const struct coax_accel *accel);

/* By which the kernel makes cookies; it stays as the digest's does. */
const struct coax_cookie_key *coax_accel_cookie_key(const struct coax_accel *accel);

/*
 * There is a session with a peer, or is going to be: to be said of a client once its cookie is
 * verified, of a server before the first record goes there, each time before anything is sent. And
 * it is over: once for each time that it was said. Without options.sessions, nothing. Any thread.
 *
 * What peers without a session send to secure endpoints is dropped, but for ClientHellos; unless
 * there are more sessions than options.sessions, then it passes.
 */
void coax_accel_session_add(struct coax_accel *accel, const union coax_address *remote);
void coax_accel_session_remove(struct coax_accel *accel, const union coax_address *remote);

/* What duplicates of a request get from the kernel. */
struct coax_accel_verdict {
	const union coax_address *remote;
	const union coax_address *local;
	uint32_t ifindex; /* that it came in by */
	uint16_t message_id;
	enum coax_exchange_verdict verdict; /* COAX_EXCHANGE_NONE: it goes to userspace */
	uint64_t digest;		    /* of the request */
	uint64_t expires;		    /* ns */
	const uint8_t *reply;		    /* a whole message; NULL: nothing */
	size_t reply_length;
};

#define COAX_ACCEL_VERDICTS_MAX 64

/* Verdicts that one thread has not written down yet. At first all zeros. */
struct coax_accel_verdicts {
	uint32_t count;
	struct {
		struct coax_exchange_record *set;
		struct coax_exchange_record record; /* to be; none with COAX_EXCHANGE_NONE */
	} at[COAX_ACCEL_VERDICTS_MAX];
};

/*
 * A verdict is to be written down: what is too long, or has no room, has none. That is done in
 * portions, while what is needed for one is fetched from memory for the others, by
 * coax_accel_settle(): to be called before anything is sent that tells of the decision. One thread
 * for one remote.
 */
void coax_accel_decide(struct coax_accel *accel, struct coax_accel_verdicts *verdicts,
		       const struct coax_accel_verdict *verdict);
void coax_accel_settle(struct coax_accel_verdicts *verdicts);

/* Detach, withdraw everything, unpin. NULL: nothing. */
void coax_accel_close(struct coax_accel *accel);

/* The instance's lock, for another owner: pass the descriptor on, and do not unlock it. */
int coax_accel_lock(const struct coax_accel *accel);
/* Another owner has taken over: closing leaves program and pins to it. */
void coax_accel_hand_over(struct coax_accel *accel);
/*
 * It has not, and may have got as far as to exchange program or pins: they are ours again. `pid` is
 * its process; 0: not known.
 */
void coax_accel_reclaim(struct coax_accel *accel, uint32_t pid);

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
/* Whether the kernel has answered from it since eviction last looked. */
bool coax_subject_is_used(struct coax_subject *subject);
/* Hand a response to all who watch. Returns 0 or the last error of theirs. */
int coax_subject_notify(struct coax_subject *subject, const struct coax_message *response,
			bool last);

/* Sum of its counters over all CPUs. Any thread. Returns 0 or a negative errno. */
int coax_accel_stats(const struct coax_accel *accel, struct coax_stats *stats);
/* Whether it answers: it is not switched off, and the lease holds at `now`. Any thread. */
bool coax_accel_answers(const struct coax_accel *accel, uint64_t now);

/*
 * Make the directory of all instances a user's, and all that is in one's, if they are there or can
 * be: for who begins as root and goes on as somebody else.
 */
void coax_accel_give(const char *instance, uid_t user, gid_t group);

/*
 * For tools: look into an instance's pinned maps.
 */

/* Open one of its maps ("stats", "config", "index", "slots", "endpoints", "exchanges"). An fd or
 * -errno. */
int coax_accel_open_map(const char *instance, const char *map);

/* Sum of the counters over all CPUs. Returns 0 or a negative errno. */
int coax_accel_read_stats(int stats_fd, struct coax_stats *stats);

#endif
