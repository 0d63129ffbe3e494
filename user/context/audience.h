/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files that keep observers share.
 *
 * Lock order: a subject's lock or the Context's `observers->lock`, then an audience's. A subject is
 * watched and unwatched with none of them held.
 */
#ifndef COAX_AUDIENCE_H
#define COAX_AUDIENCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <urcu/hlist.h>
#include <urcu/list.h>
#include "accel/accel.h"
#include "detached.h"
#include "hash.h"
#include "observers.h"
#include "worker.h"

/* What of a number fits into the option (section 4.4). */
#define COAX_OBSERVE_MASK 0xffffffU

/* Instead of a content format: there is no such option, there has been no 2.05. */
#define COAX_FORMAT_NONE    (-1)
#define COAX_FORMAT_UNKNOWN (-2)

struct coax_audience;
struct coax_share;

/*
 * A rendering, as all observers of an audience get it: never changed once it is the latest. What is
 * an observer's own, the token and the number, is put in when it leaves.
 */
struct coax_notification {
	atomic_uint references;
	uint32_t version; /* of the audience, that it is */
	bool last;	  /* no Observe option, and none comes after it */
	bool in_blocks;	  /* it is the first of them */
	uint8_t code;
	uint16_t observe_at;  /* where an empty Observe option stands in `bytes` */
	uint64_t fresh_until; /* COAX_NEVER: its Max-Age stays as it is */
	uint32_t length;
	uint8_t bytes[]; /* what follows the token */
};

/* What something was rendered from, and for which trigger. */
struct coax_state {
	const struct coax_subject *subject; /* to compare with only */
	uint64_t generation;
	uint64_t order;
};

/* Somebody who is in an audience: who asked over the network, or a pipe. */
struct coax_member {
	struct coax_notice notice;
	struct coax_share *share;
	struct cds_list_head node; /* in its share's `ready` or `waiting` */
	uint32_t version;	   /* of what it was given latest */
	uint32_t number;	   /* the Observe option of that */
	struct cds_hlist_node by_token;
	struct coax_peer *peer; /* NULL: a pipe's */
	struct coax_pipe *pipe;
};

/* The members of an audience that are one worker's. They, and what they wait for, are its alone. */
struct coax_share {
	struct coax_work work; /* there is something to send */
	struct coax_audience *audience;
	struct coax_worker *worker;
	struct coax_share *next;	   /* of the audience; only added to */
	struct cds_list_head ready;	   /* to be sent to; those with the oldest version first */
	struct cds_list_head waiting;	   /* for an acknowledgement */
	struct coax_notification *current; /* a reference; NULL: there was none yet */
	uint32_t count;			   /* of members; audience->lock */
	bool posted;			   /* audience->lock */
};

/* coax_responder_accept()'s: the only one in an audience of its own. */
struct coax_observer {
	struct coax_audience *audience; /* a reference */
	coax_observer_ended_fn ended;
	void *arg;
	struct coax_work work; /* coax_observers_forget() */
};

struct coax_audience {
	/* Never changed. */
	struct coax_observers *observers;
	struct coax_worker *home;
	struct coax_observer *observer; /* NULL: whoever asks with these bytes joins */
	uint64_t hash;
	bool pipes; /* bodies are whole */
	enum coax_reliability how;
	int64_t format; /* of the first response; COAX_FORMAT_NONE, COAX_FORMAT_UNKNOWN */

	atomic_uint references;

	/* observers->lock */
	struct cds_list_head all;
	struct cds_hlist_node by_request;
	bool listed; /* in the table: may be joined */
	uint32_t members;

	/* The home's alone. */
	struct coax_subject_watch watch;
	struct coax_detached *rendering; /* under way; for longer when its handler has deferred */
	uint64_t rendering_since;	 /* ns */
	uint64_t rendering_order;	 /* of the trigger that it is for */
	bool rendering_last;
	bool again; /* the state has changed since that began */

	pthread_mutex_t lock; /* what is below */
	struct coax_work work;
	bool posted;
	bool dismissed;			 /* nobody is in it any more */
	bool stale;			 /* to be rendered */
	bool ending;			 /* the next rendering is the last */
	bool registered;		 /* an observer's own: it is a member */
	bool cancelled;			 /* ... and will be none */
	uint64_t order;			 /* of triggers; grows */
	struct coax_notification *given; /* to be sent instead of what a handler renders */
	struct coax_state given_state;
	struct coax_notification *latest;
	struct coax_state state; /* as `latest` tells it, or the first response did */
	uint32_t version;
	struct coax_share *shares;

	/* The request, without token, Observe and Echo. */
	uint32_t request_length;
	uint8_t request[]; /* as a whole message */
};

/* A peer with observers. One worker's. */
struct coax_peer {
	struct cds_hlist_node node;
	struct coax_path path;
	uint32_t count;
};

/* Of one worker. */
struct coax_members {
	struct cds_hlist_head *by_token; /* by peer, local address and token */
	struct cds_hlist_head *peers;
	uint32_t mask;
};

struct coax_observers {
	struct coax_context *context;
	struct coax_hash_key key;
	struct coax_members *members; /* one a worker */
	struct cds_list_head pipes;   /* worker 0's */
	atomic_uint count;	      /* of members */
	atomic_ulong refusal_said;    /* when (ns); 0: never */

	pthread_mutex_t lock; /* what is below */
	struct cds_list_head audiences;
	struct cds_hlist_head *by_request;
	uint32_t mask;
	bool ended; /* nobody joins any more */
};

/*
 * notification.c
 */

/*
 * Keep `response` (its code, options but Observe, and payload) for sending. A code that is not 2.xx
 * makes it the last. NULL: no memory.
 */
struct coax_notification *coax_notification_create(const struct coax_message *response, bool last);
struct coax_notification *coax_notification_get(struct coax_notification *notification);
/* NULL: nothing. */
void coax_notification_put(struct coax_notification *notification);
/* How long a message of it is at most, with a token of `token_length`. */
size_t coax_notification_size(const struct coax_notification *notification, size_t token_length);
/*
 * Write it as a message but for type and message ID into `buffer`, which has room for it. Returns
 * the length.
 */
size_t coax_notification_write(const struct coax_notification *notification, const uint8_t *token,
			       size_t token_length, uint32_t number, uint8_t *buffer);

/* Which content format a response has. */
int64_t coax_response_format(const struct coax_message *response);

/*
 * audience.c
 */

/*
 * The audience of those who asked as `responder` did, with one member more; made if there is none.
 * NULL: no memory, a request that is too long to be kept, or the Context ends.
 */
struct coax_audience *coax_audience_join(struct coax_worker *worker,
					 const struct coax_responder *responder, bool pipes);
/* One that is `observer`'s own, which is its member already. Any thread. */
struct coax_audience *coax_audience_create_own(struct coax_worker *worker,
					       const struct coax_responder *responder,
					       struct coax_observer *observer);
/* Nobody can join any more. */
void coax_audience_close(struct coax_audience *audience);
/*
 * One member less. The last one takes the audience with it, and if it is an observer's own, that
 * too: `ended` runs.
 */
void coax_audience_leave(struct coax_audience *audience);
/* Those that are left, once nobody works for them any more. */
void coax_audiences_dismiss(struct coax_observers *observers);
struct coax_audience *coax_audience_get(struct coax_audience *audience);
void coax_audience_put(struct coax_audience *audience);

/*
 * Watch what a response was rendered from. Whether that has changed since is to be looked at
 * afterwards. On the home.
 */
void coax_audience_watch(struct coax_audience *audience, struct coax_subject *subject);

/*
 * Triggers; any thread, also with a subject's lock held. What comes later replaces what came
 * before and has not been taken up, but nothing replaces the last.
 */
void coax_audience_render(struct coax_audience *audience, bool last);
/* Render, unless what has been given meanwhile is newer than what was found to be old. */
void coax_audience_outdated(struct coax_audience *audience);
/*
 * The same with a response that is given, or NULL. `state` NULL: what that was rendered from is not
 * known. Returns 0 or -ENOMEM.
 */
int coax_audience_trigger(struct coax_audience *audience, const struct coax_message *response,
			  bool last, const struct coax_state *state);

/* For all audiences there are. */
void coax_audiences_for_each(struct coax_observers *observers,
			     void (*act)(struct coax_audience *audience));

/*
 * rendering.c: the home's work.
 */

void coax_audience_attend(struct coax_worker *worker, struct coax_work *work);

/*
 * members.c: on their worker.
 */

int coax_members_create(struct coax_members *members, uint32_t max);
void coax_members_destroy(struct coax_members *members);
struct coax_member *coax_members_find(struct coax_worker *worker, const struct coax_path *path,
				      const struct coax_message *request);
/*
 * Somebody for `audience`, in whose name that was joined: who asked by `path` with the token of
 * `request`, or `pipe`. NULL: there is no room.
 */
struct coax_member *coax_member_create(struct coax_worker *worker, struct coax_audience *audience,
				       const struct coax_path *path, struct coax_pipe *pipe,
				       const struct coax_message *request);
/* It is gone, and leaves its audience. */
void coax_member_remove(struct coax_member *member);
/* Threads are gone: remove all of a worker's. */
void coax_members_remove_all(struct coax_worker *worker);

/*
 * share.c: sending, on the share's worker.
 */

/* The worker's; made if there is none. NULL: no memory. */
struct coax_share *coax_audience_share(struct coax_audience *audience, struct coax_worker *worker);
/*
 * A member, who may be new, is given what `responder` says: it has that state now. Sees to it that
 * it gets the newest one if that is another.
 */
void coax_share_answered(struct coax_member *member, const struct coax_responder *responder,
			 uint64_t now);
/* Have the latest sent to those who have not got it. Holding audience->lock. */
void coax_share_post(struct coax_share *share);

/*
 * observer.c
 */

/* Whether it may be registered still; then it is from now on. */
bool coax_observer_register(struct coax_observer *observer);
/* `ended` runs, here, and it is gone. */
void coax_observer_end(struct coax_observer *observer);

/*
 * observers.c
 */

/*
 * Register `path` or `pipe` as the answered request wishes, or no longer. The responder's observer
 * has been taken care of in either case. Returns the member, NULL: it is none now.
 */
struct coax_member *coax_observers_register(struct coax_worker *worker,
					    const struct coax_path *path, struct coax_pipe *pipe,
					    struct coax_responder *responder);

/*
 * body.c
 */

/*
 * Put the body, if `responder` has one, into its response's payload. When it is longer than `max`,
 * or cannot be read, the response is an error. Returns what the response lies in now, to be freed,
 * or NULL when it is where it was.
 */
uint8_t *coax_responder_make_whole(struct coax_responder *responder, uint64_t max);

/*
 * pipe.c: on worker 0.
 */

/* Give it `notification`; the last one ends it. */
void coax_pipe_deliver(struct coax_pipe *pipe, const struct coax_notification *notification,
		       uint32_t number);
/* The Context shuts down: those that are left end. Threads are gone. */
void coax_pipes_end(struct coax_observers *observers);

#endif
