/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Observations of others' resources inside: what the application sees of one (observation.c), and
 * how it goes over the network (observe.c). All but what says otherwise belongs to the worker.
 */
#ifndef COAX_CONTEXT_OBSERVATION_H
#define COAX_CONTEXT_OBSERVATION_H

#include <coax/observation.h>
#include "download.h"
#include "resolver.h"
#include "secure.h"

/* What the application wants to be told. */
enum coax_listener_kind {
	COAX_LISTENS_TO_NOTIFICATIONS,
	COAX_LISTENS_TO_ERROR,
	COAX_LISTENS_TO_CANCEL,
	COAX_LISTENER_KINDS,
};

struct coax_listener {
	struct coax_work work;
	struct cds_list_head node;
	struct coax_observation *observation;
	enum coax_listener_kind kind;
	coax_notification_fn notification;
	coax_observation_error_fn error;
	coax_observation_cancelled_fn cancelled;
	void *arg;
};

struct coax_observation {
	struct cds_list_head node; /* in worker->observations until it is off the network */
	struct coax_context *context;
	struct coax_worker *worker;
	atomic_uint references; /* the application's, the network's, and each queued work's */
	struct coax_work submit;
	struct coax_work cancel;

	/* The network's part. */
	struct coax_path path;
	struct coax_request_options options;
	struct coax_addresses *addresses; /* that its name stands for; NULL: there is no name */
	unsigned int tried;		  /* how many of them */
	struct coax_pending *pending;	  /* the registration; NULL: none */
	struct coax_pending *fetching;	  /* a further block of a notification; NULL: none */
	struct coax_download download;
	struct coax_timer renewal;
	struct coax_secure_waiter waiter; /* for the session */
	uint64_t begun;			  /* when the latest registration left, ns */
	bool entered;	 /* it is on the network, or was: its name is no longer looked up */
	bool challenged; /* an Echo has been answered */
	bool renewing;	 /* the next response is the newest, whatever its number is */
	bool unobserved; /* the response that is being fetched had no Observe */
	bool leaving;	 /* a deregistration is on its way */
	bool numbered;	 /* there has been a notification: `number` came at `numbered_at` */
	uint32_t number;
	uint64_t numbered_at; /* ns */
	struct coax_message request;
	uint8_t request_bytes[COAX_DATAGRAM_OUT_MAX];

	/* The application's part. */
	struct cds_list_head listeners[COAX_LISTENER_KINDS];
	bool cancel_told;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	atomic_bool news; /* something has changed that coax_observation_next() waits for */
	bool cancelled;
	bool ended;
	bool calling; /* callbacks are running, on `caller` */
	pthread_t caller;
	int error;
	struct coax_message latest;  /* a copy; data NULL: none yet */
	struct coax_message failure; /* the response that ended it; data NULL: none */
	uint64_t serial;	     /* of the latest */
	uint64_t given;		     /* the one that coax_observation_next() gave last */
};

/* observation.c: on the worker. */

void coax_observation_reference(struct coax_observation *observation);
void coax_observation_unreference(struct coax_observation *observation);
/* A representation, complete. */
void coax_observation_give(struct coax_observation *observation,
			   const struct coax_message *notification);
/* The end, unless it has ended or been cancelled before. */
void coax_observation_end(struct coax_observation *observation, int error,
			  const struct coax_message *response);

/* observe.c: on the worker. */

/* Register. Takes the network's reference over. */
void coax_observe_begin(struct coax_observation *observation);
/* Register at the next address of its name; `error` is the end of it when there is none. */
void coax_observe_elsewhere(struct coax_observation *observation, int error);
/*
 * Leave the network: tell the server if it has registered us. One that has not entered it yet finds
 * that it is over when it does.
 */
void coax_observe_leave(struct coax_observation *observation);

/* Timers of renewals. */
uint64_t coax_observations_deadline(const struct coax_worker *worker);
void coax_observations_tick(struct coax_worker *worker);
/* Shutdown: all end with -ESHUTDOWN and leave. Any thread. */
void coax_observations_leave(struct coax_context *context);

#endif
