// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the application sees of an observation: callbacks, the latest notification, the end.
 *
 * Callbacks run on the worker. What other threads want of an observation goes there as work, which
 * holds a reference; a lock guards what coax_observation_next() and _cancel() look at from outside.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <coax/option.h>
#include "clock.h"
#include "observation.h"
#include "rcu.h"
#include "request.h"

/* A message that came from elsewhere, on its way to the worker. */
struct delivery {
	struct coax_work work;
	struct coax_observation *observation;
	int error; /* 0: a notification */
	struct coax_message message;
};

static int copy_message(struct coax_message *copy, const struct coax_message *message)
{
	uint8_t *bytes = malloc(message->length);

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, message->data, message->length);
	free(copy->data);
	*copy = *message;
	copy->data = bytes;
	copy->capacity = 0;
	return 0;
}

static void destroy(struct coax_observation *observation)
{
	struct coax_listener *listener, *next;

	for (int kind = 0; kind < COAX_LISTENER_KINDS; kind++)
		cds_list_for_each_entry_safe (listener, next, &observation->listeners[kind], node)
			free(listener);
	coax_download_free(&observation->download);
	free(observation->addresses);
	free(observation->latest.data);
	free(observation->failure.data);
	pthread_cond_destroy(&observation->changed);
	pthread_mutex_destroy(&observation->lock);
	coax_context_unreference(observation->context);
	free(observation);
}

void coax_observation_reference(struct coax_observation *observation)
{
	atomic_fetch_add(&observation->references, 1);
}

void coax_observation_unreference(struct coax_observation *observation)
{
	if (atomic_fetch_sub(&observation->references, 1) == 1)
		destroy(observation);
}

/* The worker is there until a grace period after the Context has closed. */
static int post(struct coax_observation *observation, struct coax_work *work)
{
	int err = 0;

	rcu_read_lock();
	if (atomic_load(&observation->context->closed)) {
		err = -ESHUTDOWN;
	} else {
		coax_observation_reference(observation);
		coax_worker_post(observation->worker, work);
	}
	rcu_read_unlock();
	return err;
}

/* Callbacks run between these two; nobody who has cancelled is called any more. */
static bool begin_calling(struct coax_observation *observation, bool also_when_over)
{
	bool wanted;

	pthread_mutex_lock(&observation->lock);
	wanted = also_when_over || (!observation->cancelled && !observation->ended);
	observation->calling = wanted;
	observation->caller = pthread_self();
	pthread_mutex_unlock(&observation->lock);
	return wanted;
}

static void end_calling(struct coax_observation *observation)
{
	pthread_mutex_lock(&observation->lock);
	observation->calling = false;
	atomic_store(&observation->news, true);
	pthread_cond_broadcast(&observation->changed);
	pthread_mutex_unlock(&observation->lock);
}

static bool is_cancelled(struct coax_observation *observation)
{
	bool cancelled;

	pthread_mutex_lock(&observation->lock);
	cancelled = observation->cancelled;
	pthread_mutex_unlock(&observation->lock);
	return cancelled;
}

static int keep_latest(struct coax_observation *observation,
		       const struct coax_message *notification)
{
	int err;

	pthread_mutex_lock(&observation->lock);
	err = copy_message(&observation->latest, notification);
	if (!err)
		observation->serial++;
	pthread_mutex_unlock(&observation->lock);
	return err;
}

void coax_observation_give(struct coax_observation *observation,
			   const struct coax_message *notification)
{
	struct coax_listener *listener, *next;

	if (!begin_calling(observation, false))
		return;
	if (keep_latest(observation, notification))
		coax_log(&observation->context->logger, COAX_LOG_ERROR,
			 "no memory to keep a notification in");
	cds_list_for_each_entry_safe (listener, next,
				      &observation->listeners[COAX_LISTENS_TO_NOTIFICATIONS], node)
		if (!is_cancelled(observation))
			listener->notification(listener->arg, notification);
	end_calling(observation);
}

void coax_observation_end(struct coax_observation *observation, int error,
			  const struct coax_message *response)
{
	struct coax_listener *listener, *next;

	if (!begin_calling(observation, false))
		return;
	pthread_mutex_lock(&observation->lock);
	observation->ended = true;
	observation->error = error;
	if (response)
		(void)copy_message(&observation->failure, response);
	pthread_mutex_unlock(&observation->lock);
	cds_list_for_each_entry_safe (listener, next,
				      &observation->listeners[COAX_LISTENS_TO_ERROR], node)
		if (!is_cancelled(observation))
			listener->error(listener->arg, error, response);
	end_calling(observation);
}

/*
 * From here on it is on the network, with the reference that came with this work. `error`: its name
 * could not be looked up.
 */
static void enter(struct coax_observation *observation, int error)
{
	struct coax_worker *worker = observation->worker;

	observation->entered = true;
	cds_list_add_tail(&observation->node, &worker->observations);
	atomic_fetch_add(&worker->context->observing, 1);
	if (atomic_load(&worker->context->stopping))
		coax_observation_end(observation, -ESHUTDOWN, NULL);
	else if (error)
		coax_observation_end(observation, error, NULL);
	if (observation->ended || is_cancelled(observation))
		coax_observe_leave(observation);
	else if (observation->addresses)
		coax_observe_elsewhere(observation, -EAFNOSUPPORT);
	else
		coax_observe_begin(observation);
}

static void run_submit(struct coax_worker *worker, struct coax_work *work)
{
	(void)worker;
	enter(caa_container_of(work, struct coax_observation, submit), 0);
}

static void looked_up(struct coax_lookup *lookup)
{
	struct coax_observation *observation = lookup->arg;
	/* The name server's silence is the remote's, to who asks it. */
	int error = lookup->result == -EAGAIN ? -EHOSTUNREACH : lookup->result;

	observation->addresses = malloc(sizeof(*observation->addresses));
	if (observation->addresses)
		*observation->addresses = lookup->addresses;
	else
		error = -ENOMEM;
	free(lookup);
	enter(observation, error);
}

static void run_cancel(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_observation *observation =
		caa_container_of(work, struct coax_observation, cancel);
	struct coax_listener *listener, *next;

	(void)worker;
	observation->cancel_told = true;
	begin_calling(observation, true);
	cds_list_for_each_entry_safe (listener, next,
				      &observation->listeners[COAX_LISTENS_TO_CANCEL], node)
		listener->cancelled(listener->arg);
	end_calling(observation);
	if (!observation->ended)
		coax_observe_leave(observation);
	coax_observation_unreference(observation);
}

static int check(const struct coax_message *message)
{
	uint8_t code = coax_message_code(message);

	if (code != COAX_GET && code != COAX_FETCH)
		return -EINVAL;
	return message->length > COAX_DATAGRAM_OUT_MAX ? -EMSGSIZE : 0;
}

static int set_request(struct coax_observation *observation, const struct coax_message *message)
{
	struct coax_message *request = &observation->request;

	*request = *message;
	request->data = observation->request_bytes;
	request->capacity = sizeof(observation->request_bytes);
	memcpy(request->data, message->data, message->length);
	coax_message_remove(request, COAX_OBSERVE);
	return coax_message_add_uint(request, COAX_OBSERVE, 0);
}

static struct coax_observation *allocate(struct coax_context *context,
					 const struct coax_request_options *options)
{
	struct coax_observation *observation = calloc(1, sizeof(*observation));
	pthread_condattr_t attributes;

	if (!observation)
		return NULL;
	observation->context = context;
	if (options)
		observation->options = *options;
	if (!observation->options.body_max)
		observation->options.body_max = context->tuning.body_max;
	coax_download_init(&observation->download, observation->options.body_max,
			   observation->options.sink, observation->options.sink_arg);
	atomic_init(&observation->references, 1);
	atomic_fetch_add(&context->references, 1);
	for (int kind = 0; kind < COAX_LISTENER_KINDS; kind++)
		CDS_INIT_LIST_HEAD(&observation->listeners[kind]);
	pthread_mutex_init(&observation->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&observation->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	observation->submit.run = run_submit;
	observation->cancel.run = run_cancel;
	return observation;
}

/* Where to, and then go there; or find out first. */
static int set_out(struct coax_observation *observation, const union coax_address *remote)
{
	struct coax_worker *worker = coax_worker_for(
		observation->context, remote, observation->options.secure, &observation->path);

	if (!worker)
		return -EAFNOSUPPORT;
	observation->worker = worker;
	return post(observation, &observation->submit);
}

static int look_up(struct coax_observation *observation, const char *host, in_port_t port)
{
	struct coax_context *context = observation->context;
	struct coax_lookup *lookup = calloc(1, sizeof(*lookup));
	int err;

	if (!lookup)
		return -ENOBUFS;
	strcpy(lookup->host, host);
	lookup->port = port;
	lookup->done = looked_up;
	lookup->arg = observation;
	observation->worker = context->workers[0];
	coax_observation_reference(observation);
	rcu_read_lock();
	err = coax_resolver_submit(context, lookup);
	rcu_read_unlock();
	if (err) {
		coax_observation_unreference(observation);
		free(lookup);
	}
	return err;
}

static int aim(struct coax_observation *observation, const union coax_address *remote)
{
	union coax_address literal;
	char host[256];
	in_port_t port;
	int err;

	if (remote)
		return set_out(observation, remote);
	err = coax_target_take(&observation->request, observation->options.secure, host, &port);
	if (err)
		return err;
	err = coax_literal_address(host, port, &literal);
	if (err == -ENOENT)
		return look_up(observation, host, port);
	if (err)
		return err;
	coax_message_remove(&observation->request, COAX_URI_HOST);
	return set_out(observation, &literal);
}

int coax_observe(struct coax_context *context, const union coax_address *remote,
		 const struct coax_message *message, const struct coax_request_options *options,
		 struct coax_observation **result)
{
	const struct coax_body *body = options ? options->body : NULL;
	struct coax_observation *observation;
	int err = body ? -EINVAL : check(message);

	if (!err && options && options->secure && !context->dtls)
		err = -EPROTONOSUPPORT;
	coax_body_release(body);
	if (err)
		return err;
	observation = allocate(context, options);
	if (!observation)
		return -ENOBUFS;
	/* Shutdown waits for those who have seen that it has not begun: there are workers still. */
	rcu_read_lock();
	err = atomic_load(&context->stopping) ? -ESHUTDOWN : set_request(observation, message);
	if (!err)
		err = aim(observation, remote);
	rcu_read_unlock();
	if (err)
		coax_observation_unreference(observation);
	else
		*result = observation;
	return err;
}

/* One that comes late is told what it has missed. */
static void catch_up(struct coax_observation *observation, struct coax_listener *listener)
{
	begin_calling(observation, true);
	if (listener->kind == COAX_LISTENS_TO_NOTIFICATIONS && observation->latest.data &&
	    !is_cancelled(observation))
		listener->notification(listener->arg, &observation->latest);
	else if (listener->kind == COAX_LISTENS_TO_ERROR && observation->ended &&
		 !is_cancelled(observation))
		listener->error(listener->arg, observation->error,
				observation->failure.data ? &observation->failure : NULL);
	else if (listener->kind == COAX_LISTENS_TO_CANCEL && observation->cancel_told)
		listener->cancelled(listener->arg);
	end_calling(observation);
}

static void run_listen(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_listener *listener = caa_container_of(work, struct coax_listener, work);
	struct coax_observation *observation = listener->observation;

	(void)worker;
	cds_list_add_tail(&listener->node, &observation->listeners[listener->kind]);
	catch_up(observation, listener);
	coax_observation_unreference(observation);
}

static int listen_to(struct coax_observation *observation, const struct coax_listener *wanted)
{
	struct coax_listener *listener = malloc(sizeof(*listener));
	int err;

	if (!listener)
		return -ENOMEM;
	*listener = *wanted;
	listener->observation = observation;
	listener->work.run = run_listen;
	err = post(observation, &listener->work);
	if (err)
		free(listener);
	return err;
}

int coax_observation_on_notification(struct coax_observation *observation, coax_notification_fn fn,
				     void *arg)
{
	return listen_to(observation, &(struct coax_listener){.kind = COAX_LISTENS_TO_NOTIFICATIONS,
							      .notification = fn,
							      .arg = arg});
}

int coax_observation_on_error(struct coax_observation *observation, coax_observation_error_fn fn,
			      void *arg)
{
	return listen_to(
		observation,
		&(struct coax_listener){.kind = COAX_LISTENS_TO_ERROR, .error = fn, .arg = arg});
}

int coax_observation_on_cancel(struct coax_observation *observation,
			       coax_observation_cancelled_fn fn, void *arg)
{
	return listen_to(observation, &(struct coax_listener){.kind = COAX_LISTENS_TO_CANCEL,
							      .cancelled = fn,
							      .arg = arg});
}

static void run_delivery(struct coax_worker *worker, struct coax_work *work)
{
	struct delivery *delivery = caa_container_of(work, struct delivery, work);
	struct coax_observation *observation = delivery->observation;

	(void)worker;
	if (!delivery->error) {
		coax_observation_give(observation, &delivery->message);
	} else {
		coax_observation_end(observation, delivery->error, NULL);
		coax_observe_leave(observation);
	}
	free(delivery->message.data);
	free(delivery);
	coax_observation_unreference(observation);
}

static int deliver(struct coax_observation *observation, const struct coax_message *message,
		   int error)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	int err = delivery ? 0 : -ENOMEM;

	if (!err && message)
		err = copy_message(&delivery->message, message);
	if (!err) {
		delivery->work.run = run_delivery;
		delivery->observation = observation;
		delivery->error = error;
		err = post(observation, &delivery->work);
	}
	if (err && delivery) {
		free(delivery->message.data);
		free(delivery);
	}
	return err;
}

int coax_observation_deliver(struct coax_observation *observation,
			     const struct coax_message *notification)
{
	return deliver(observation, notification, 0);
}

int coax_observation_fail(struct coax_observation *observation, int error)
{
	return error < 0 ? deliver(observation, NULL, error) : -EINVAL;
}

static int copy_out(const struct coax_message *message, void *buffer, size_t size,
		    struct coax_message *copy)
{
	if (message->length > size)
		return -EMSGSIZE;
	memcpy(buffer, message->data, message->length);
	*copy = *message;
	copy->data = buffer;
	return 0;
}

/* With the lock held. Returns what coax_observation_next() does, or -EAGAIN: nothing new. */
static int take(struct coax_observation *observation, void *buffer, size_t size,
		struct coax_message *notification)
{
	int err;

	if (observation->cancelled)
		return -ECANCELED;
	if (observation->serial != observation->given) {
		err = copy_out(&observation->latest, buffer, size, notification);
		if (!err)
			observation->given = observation->serial;
		return err;
	}
	if (!observation->ended)
		return -EAGAIN;
	if (observation->failure.data &&
	    copy_out(&observation->failure, buffer, size, notification))
		return -EMSGSIZE;
	return observation->error;
}

/* Until something has changed. The lock is held, but not while the Context is processed. */
static int wait_for_news(struct coax_observation *observation, uint64_t deadline)
{
	const struct timespec until = {.tv_sec = (time_t)(deadline / NS_PER_SEC),
				       .tv_nsec = (long)(deadline % NS_PER_SEC)};

	if (coax_now() >= deadline)
		return -ETIMEDOUT;
	if (observation->context->own_loop) {
		atomic_store(&observation->news, false);
		pthread_mutex_unlock(&observation->lock);
		coax_context_process_until(observation->context, &observation->news, deadline);
		pthread_mutex_lock(&observation->lock);
	} else if (deadline == UINT64_MAX) {
		pthread_cond_wait(&observation->changed, &observation->lock);
	} else {
		pthread_cond_timedwait(&observation->changed, &observation->lock, &until);
	}
	return 0;
}

int coax_observation_next(struct coax_observation *observation, int timeout_ms, void *buffer,
			  size_t size, struct coax_message *notification)
{
	uint64_t deadline =
		timeout_ms < 0 ? UINT64_MAX : coax_now() + (uint64_t)timeout_ms * NS_PER_MS;
	int result;

	pthread_mutex_lock(&observation->lock);
	while ((result = take(observation, buffer, size, notification)) == -EAGAIN) {
		result = wait_for_news(observation, deadline);
		if (result)
			break;
	}
	pthread_mutex_unlock(&observation->lock);
	return result;
}

/* Callbacks that are running on another thread have returned when this does. */
static void wait_for_callbacks(struct coax_observation *observation)
{
	while (observation->calling && !pthread_equal(observation->caller, pthread_self()))
		pthread_cond_wait(&observation->changed, &observation->lock);
}

void coax_observation_cancel(struct coax_observation *observation)
{
	bool first;

	pthread_mutex_lock(&observation->lock);
	first = !observation->cancelled;
	observation->cancelled = true;
	wait_for_callbacks(observation);
	pthread_mutex_unlock(&observation->lock);
	if (first)
		(void)post(observation, &observation->cancel);
}

void coax_observation_free(struct coax_observation *observation)
{
	if (!observation)
		return;
	coax_observation_cancel(observation);
	coax_observation_unreference(observation);
}
