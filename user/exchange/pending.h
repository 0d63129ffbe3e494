/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of ours, as request.c and answer.c share them.
 */
#ifndef COAX_PENDING_H
#define COAX_PENDING_H

#include "retransmit.h"
#include "window.h"

#define COAX_REQUEST_TOKEN_LENGTH 8

enum coax_pending_state {
	COAX_PENDING_WAITS,	   /* its message does, to be sent */
	COAX_PENDING_SENT,	   /* no sign of the remote yet */
	COAX_PENDING_ACKNOWLEDGED, /* the response will come in a message of its own */
	COAX_PENDING_OBSERVES,	   /* no message of ours is unanswered */
	COAX_PENDING_ENDED,	   /* nothing finds it any more */
};

struct coax_pending {
	struct cds_hlist_node by_token; /* while `listed` */
	struct cds_list_head waiting;	/* while `queued` */
	struct coax_timer patience;
	coax_answer_fn done;
	void *arg;
	/*
	 * Of ours, and not answered yet. Observations have none most of their time, so that is what
	 * is large.
	 */
	struct coax_transmission *message;
	struct coax_window *window; /* that it is in, while it lacks an ACK; NULL: none */
	struct coax_path path;
	uint64_t timeout; /* in all, ns; 0: not given */
	uint64_t token;
	enum coax_pending_state state;
	bool listed;
	bool queued;  /* its message has to wait for its turn to leave */
	bool calling; /* its callback is running */
	bool ping;
	bool confirmable;
	bool observe;
	bool multicast;
	bool proxying;
	bool answered;	  /* by a member of the group */
	bool deregisters; /* the message does, from observation */
};

/* Its message leaves. */
void coax_pending_start(struct coax_exchange *exchange, struct coax_pending *pending);

/* It has failed or is answered: the last call. */
void coax_pending_finish(struct coax_exchange *exchange, struct coax_pending *pending, int result,
			 const struct coax_message *response, const struct coax_path *from);

/* A response after which more may come. */
void coax_pending_deliver(struct coax_exchange *exchange, struct coax_pending *pending,
			  const struct coax_message *response, const struct coax_path *from);

/* The message is answered, and the request goes on without one. */
void coax_pending_settle(struct coax_exchange *exchange, struct coax_pending *pending);

/* The message is acknowledged, its answer is to follow. */
void coax_pending_acknowledged(struct coax_exchange *exchange, struct coax_pending *pending);

/* The request that has this token, if what came by `path` may answer it. Or NULL. */
struct coax_pending *coax_pending_find(struct coax_exchange *exchange, const uint8_t *token,
				       size_t token_length, const struct coax_path *path);

#endif
