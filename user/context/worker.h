/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: one thread with its sockets, its exchange layer and its queue of work from others.
 */
#ifndef COAX_WORKER_H
#define COAX_WORKER_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <urcu/wfcqueue.h>
#include <coax/context.h>
#include "accel/accel.h"
#include "exchange/exchange.h"
#include "site/access.h"
#include "site/responder.h"
#include "transport/dtls.h"
#include "transport/transport.h"

#define COAX_NO_SOCKET UINT32_MAX

/* What input is about: a socket's index, or one of these. */
#define COAX_EVENT_WAKE	  (COAX_SOCKETS_MAX + 0U)
#define COAX_EVENT_LINKS  (COAX_SOCKETS_MAX + 1U) /* the kernel half's */
#define COAX_EVENT_GROUPS (COAX_SOCKETS_MAX + 2U)
#define COAX_EVENTS_MAX	  (COAX_SOCKETS_MAX + 3U)

struct coax_blocks;
struct coax_deferred;
struct coax_groups;
struct coax_guard;
struct coax_observers;
struct coax_ports;
struct coax_resolver;
struct coax_responder;
struct coax_secure;
struct coax_worker;

/* Something that another thread wants done on the worker's. */
struct coax_work {
	struct cds_wfcq_node node;
	void (*run)(struct coax_worker *worker, struct coax_work *work);
};

struct coax_worker {
	struct coax_context *context;
	unsigned int index;
	pthread_t thread;
	int epoll; /* with own_loop: readable when anything of what follows is; else -1 */
	uint32_t watched_count;
	struct pollfd watched[COAX_EVENTS_MAX];
	uint32_t watched_about[COAX_EVENTS_MAX];
	int wake; /* eventfd: the queue is no longer empty, or a heartbeat is asked for */
	uint64_t now;
	struct coax_transport *transport;
	/* The sockets that requests of ours leave by: [secure][IPv6]. */
	uint32_t client[2][2];
	bool socket_is_secure[COAX_SOCKETS_MAX];
	bool socket_is_further[COAX_SOCKETS_MAX]; /* of those that requests of ours leave by */
	struct coax_ports *ports;		  /* NULL: none is known to be in use */
	struct coax_exchange *exchange;
	struct coax_secure *secure; /* NULL: no secure sockets */
	atomic_bool reloaded;	    /* there are other credentials */
	struct coax_blocks *blocks;
	struct coax_echo echo;
	struct coax_context_stats stats;
	struct coax_deferred *deferred_free;
	struct cds_list_head observations; /* of ours: context/observe.c */
	struct coax_timers renewals;	   /* of those */
	struct coax_work leave;		   /* at shutdown: they are to end */
	uint64_t ahead_paid; /* until when its time for publishing ahead is spent: ahead.c */

	struct coax_accel_verdicts verdicts;

	unsigned int refused_count; /* by the network, to be looked at when nothing is under way */
	unsigned int out_count;
	struct coax_datagram out[COAX_BATCH];
	uint8_t out_buffers[COAX_BATCH][COAX_DTLS_OUT_MAX];
	struct coax_refused {
		struct coax_path path;
		int error;
	} refused[COAX_BATCH];

	_Alignas(64) atomic_uint beat_asked; /* by worker 0 */
	atomic_uint beat_seen;
	struct __cds_wfcq_head queue_head; /* one consumer: without the lock */
	struct cds_wfcq_tail queue_tail;
};

struct coax_context {
	atomic_uint references; /* the application's, and one for each deferred responder */
	atomic_uint deferred;	/* responders that somebody still has to answer */
	atomic_uint observing;	/* observations of ours that are on the network */
	atomic_bool stopping;	/* no new requests are handed to the site */
	atomic_bool stopped;	/* threads end */
	atomic_bool closed;	/* workers are gone */
	struct coax_site *site; /* replaced under RCU */
	struct coax_site_user site_user;
	pthread_mutex_t site_lock; /* held by who replaces it */
	uint64_t site_version;	   /* grows right after it was replaced, or has other rules */
	struct coax_logger logger;
	struct coax_tuning tuning;
	struct coax_accel *accel;
	struct coax_guard *guard;	   /* NULL: no server */
	struct coax_digest_secret *digest; /* the kernel half's; NULL: none was asked for */
	struct coax_groups *groups;	   /* NULL: none to listen to */
	struct coax_observers *observers;  /* here */
	struct coax_resolver *resolver;	   /* NULL: nothing has been looked up yet */
	pthread_mutex_t resolver_lock;
	struct coax_dtls_shared *dtls;		     /* NULL: no secure sessions */
	struct coax_cookie_key cookie_key;	     /* the kernel half's, once that attaches */
	struct coax_credentials *client_credentials; /* the lock's; held; NULL: none */
	pthread_mutex_t credentials_lock;
	bool own_loop;
	bool plain;		  /* coap is spoken */
	bool secure_client;	  /* coaps is, in requests of ours */
	bool secure_server;	  /* and in those of others */
	uint64_t lease_interval;  /* ns */
	uint64_t lease_due;	  /* worker 0's */
	uint64_t lease_asked;	  /* worker 0's: when it last asked for signs of life */
	uint32_t shared_sockets;  /* the first ones of each worker: where requests come in */
	uint32_t own_sockets_end; /* then its own; then those of groups, and more inherited ones */
	unsigned int worker_count;
	unsigned int thread_count;
	struct coax_worker **workers;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t coax_now(void);

/*
 * Open a worker's sockets and structures; its thread is not started. *failed_socket is the socket
 * that an error is about, or COAX_NO_SOCKET.
 */
int coax_worker_create(struct coax_worker **worker, struct coax_context *context,
		       unsigned int index, const struct coax_udp_socket *sockets, uint32_t count,
		       uint32_t *failed_socket);
/* With own_loop there is no thread to start. */
int coax_worker_start(struct coax_worker *worker);

/* What is still queued is run; pending requests end. The thread has ended or was never started. */
void coax_worker_destroy(struct coax_worker *worker);

/* Any thread; the worker outlives the call. */
void coax_worker_post(struct coax_worker *worker, struct coax_work *work);
void coax_worker_wake(struct coax_worker *worker);

/*
 * Whether requests come in by a socket of a worker. With one worker, so do responses to its own.
 */
static inline bool coax_is_serving_socket(const struct coax_worker *worker, uint32_t socket)
{
	const struct coax_context *context = worker->context;

	return socket < context->shared_sockets ||
	       (socket >= context->own_sockets_end && !worker->socket_is_further[socket]);
}

/* Have input on a descriptor looked after. Before the thread is there, or on it. */
int coax_worker_watch(struct coax_worker *worker, int fd, uint32_t about);

/* A worker's thread: the event loop until the Context is stopped. */
void *coax_worker_main(void *worker);

/* Do what was posted until now. */
void coax_worker_run_queue(struct coax_worker *worker);

/* Send what was queued. */
void coax_worker_flush(struct coax_worker *worker);

/* One round of the event loop: what there is to do, without waiting. */
void coax_worker_process(struct coax_worker *worker);
/* When there is something to do without any input (ns); UINT64_MAX: never. */
uint64_t coax_worker_deadline(const struct coax_worker *worker);

/*
 * One worker for all requests to a remote, so that it sees to NSTART (RFC 7252 section 4.7), and
 * the path by which they leave; its session, if it is to be `secure`, is not known yet. NULL: no
 * socket for this kind of address.
 */
struct coax_worker *coax_worker_for(const struct coax_context *context,
				    const union coax_address *remote, bool secure,
				    struct coax_path *path);

/* Have a datagram leave with the next ones. `data` is copied. */
void coax_worker_send(struct coax_worker *worker, const struct coax_path *path, const uint8_t *data,
		      size_t length);
/* One could not leave: looked at when nothing is under way. */
void coax_worker_note_refused(struct coax_worker *worker, const struct coax_path *path, int error);

/* The buffer that the next datagram may be built in: COAX_DTLS_OUT_MAX bytes. */
uint8_t *coax_worker_buffer(struct coax_worker *worker);

/* A Context with own_loop is waited for by processing it: until *done, or `deadline` (ns). */
void coax_context_process_until(struct coax_context *context, const atomic_bool *done,
				uint64_t deadline);

/* The exchange layer's `request`: have the site answer. */
void coax_worker_render(void *worker, const struct coax_path *path,
			const struct coax_message *request, struct coax_ticket ticket);

/* Its `verdict`: the kernel half is to know. */
void coax_worker_decide(void *worker, const struct coax_path *path,
			const struct coax_verdict *verdict);

/*
 * Publish what `responder` has been answered with, and what is likely to be asked for next, if it
 * can be: what a former Site said is no longer for the kernel. In an RCU read section, whose end
 * coax_context_set_site() waits for before it withdraws.
 */
void coax_worker_publish(struct coax_worker *worker, const struct coax_responder *responder);

/*
 * `responder` has been answered with something that has just been published: publish what its
 * remote is likely to ask for next. In the same RCU read section.
 */
void coax_worker_publish_ahead(struct coax_worker *worker, const struct coax_responder *responder);

/* renewal.c: have the kernel half say what is due. Before the workers start. */
void coax_renewals_begin(struct coax_context *context);

void coax_deferred_free_all(struct coax_worker *worker);
void coax_context_unreference(struct coax_context *context);

#endif
