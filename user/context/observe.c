// SPDX-License-Identifier: BSD-2-Clause
/*
 * An observation on the network (RFC 7641 section 3): registered, kept in order, completed by
 * further blocks, renewed, deregistered.
 */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "clock.h"
#include "observation.h"
#include "ports.h"

/* RFC 7641 section 3.4: a notification that comes so much later is newer whatever its number. */
#define REORDER_NS	(128 * NS_PER_SEC)
#define HALF_RANGE	(1U << 23)
#define NUMBER_MASK	0xffffffU

#define MAX_AGE_DEFAULT 60
/* A server that says "already stale" is not asked more often than so, in seconds. */
#define RENEWAL_OF_STALE 5

static void answered(void *arg, int result, const struct coax_message *response,
		     const struct coax_path *from, bool last);

/* The registration's message, with another Observe option, or none (-1). */
static struct coax_message copy_request(const struct coax_observation *observation, int observe,
					uint8_t buffer[COAX_DATAGRAM_OUT_MAX])
{
	struct coax_message copy = observation->request;

	memcpy(buffer, observation->request_bytes, copy.length);
	copy.data = buffer;
	copy.capacity = COAX_DATAGRAM_OUT_MAX;
	coax_message_remove(&copy, COAX_OBSERVE);
	if (observe >= 0)
		coax_message_add_uint(&copy, COAX_OBSERVE, (uint32_t)observe);
	return copy;
}

static void stop_fetching(struct coax_observation *observation)
{
	struct coax_pending *fetching = observation->fetching;

	observation->fetching = NULL;
	if (fetching)
		coax_exchange_cancel(observation->worker->exchange, fetching, -ECANCELED);
	coax_download_reset(&observation->download);
}

/* It has left the network. */
static void gone(struct coax_observation *observation)
{
	struct coax_worker *worker = observation->worker;

	stop_fetching(observation);
	coax_timer_stop(&worker->renewals, &observation->renewal);
	cds_list_del(&observation->node);
	atomic_fetch_sub(&worker->context->observing, 1);
	coax_observation_unreference(observation);
}

static void fail(struct coax_observation *observation, int error,
		 const struct coax_message *response)
{
	coax_observation_end(observation, error, response);
	coax_observe_leave(observation);
}

static void fail_because(struct coax_observation *observation, int error, const char *reason)
{
	if (reason && observation->options.failed)
		observation->options.failed(observation->options.failed_arg, reason);
	fail(observation, error, NULL);
}

/* RFC 7641 section 3.3.1: before the representation is stale, so that there is no gap. */
static void start_renewal(struct coax_observation *observation, const struct coax_message *message)
{
	struct coax_worker *worker = observation->worker;
	uint32_t max_age = MAX_AGE_DEFAULT;
	uint64_t delay;

	coax_message_find_uint(message, COAX_MAX_AGE, &max_age);
	delay = max_age ? max_age * NS_PER_SEC / 10 * 9 : RENEWAL_OF_STALE * NS_PER_SEC;
	coax_timer_start(&worker->renewals, &observation->renewal, worker->now + delay);
}

static void renew(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_observation *observation =
		caa_container_of(timer, struct coax_observation, renewal);
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message message = copy_request(observation, 0, buffer);

	observation->renewing = true;
	observation->begun = observation->worker->now;
	/* Whatever answers this, or the one that is still on its way, starts the timer again. */
	if (coax_exchange_request_again(exchange, observation->worker->now, observation->pending,
					&message) == -ENOBUFS)
		coax_timer_start(&observation->worker->renewals, timer,
				 observation->worker->now + RENEWAL_OF_STALE * NS_PER_SEC);
}

/* Section 3.4. */
static bool is_newer(struct coax_observation *observation, uint32_t number)
{
	uint64_t now = observation->worker->now;
	uint32_t ahead = (number - observation->number) & NUMBER_MASK;
	bool newer = !observation->numbered || observation->renewing ||
		     (ahead != 0 && ahead < HALF_RANGE) ||
		     now > observation->numbered_at + REORDER_NS;

	if (!newer)
		return false;
	observation->numbered = true;
	observation->renewing = false;
	observation->number = number;
	observation->numbered_at = now;
	return true;
}

static void complete(struct coax_observation *observation, const struct coax_message *whole)
{
	coax_observation_give(observation, whole);
	if (observation->unobserved)
		fail(observation, -EOPNOTSUPP, whole);
}

static void take_block(struct coax_observation *observation, const struct coax_message *response);

static void block_answered(void *arg, int result, const struct coax_message *response,
			   const struct coax_path *from, bool last)
{
	struct coax_observation *observation = arg;

	(void)from;
	(void)last;
	/* Given up for a newer notification, or because nobody is interested. */
	if (!observation->fetching)
		return;
	coax_observation_reference(observation);
	observation->fetching = NULL;
	if (result)
		fail(observation, result, NULL);
	else if (COAX_CODE_CLASS(coax_message_code(response)) != 2)
		fail(observation, -EREMOTEIO, response);
	else
		take_block(observation, response);
	coax_observation_unreference(observation);
}

static void fetch(struct coax_observation *observation, const struct coax_block *block)
{
	const struct coax_ask ask = {.non_confirmable = observation->options.non_confirmable,
				     .proxying = observation->options.proxying,
				     .timeout_ms = observation->options.timeout_ms};
	struct coax_worker *worker = observation->worker;
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message message = copy_request(observation, -1, buffer);
	int err;

	coax_message_remove(&message, COAX_BLOCK2);
	err = coax_message_add_block(&message, COAX_BLOCK2, block);
	if (!err)
		err = coax_exchange_request(worker->exchange, worker->now, &observation->path,
					    &message, &ask, block_answered, observation,
					    &observation->fetching);
	if (err)
		fail(observation, err, NULL);
}

/* A response, or a further block of one: give it once it is whole (section 2.2 of RFC 7959). */
static void take_block(struct coax_observation *observation, const struct coax_message *response)
{
	struct coax_block next;
	int result;

	if (observation->options.single) {
		complete(observation, response);
		return;
	}
	result = coax_download_take(&observation->download, response, &next);
	if (result < 0) {
		fail(observation, result, NULL);
	} else if (result) {
		fetch(observation, &next);
	} else {
		complete(observation, coax_download_result(&observation->download));
		coax_download_reset(&observation->download);
	}
}

/* RFC 9175 section 2.3: prove that the request is fresh. Returns whether that is under way. */
static bool answer_challenge(struct coax_observation *observation,
			     const struct coax_message *response)
{
	struct coax_option echo;

	if (observation->challenged || coax_message_code(response) != COAX_UNAUTHORIZED ||
	    !coax_message_find(response, COAX_ECHO, &echo))
		return false;
	observation->challenged = true;
	coax_message_remove(&observation->request, COAX_ECHO);
	if (coax_message_add(&observation->request, COAX_ECHO, echo.value, echo.length))
		return false;
	coax_observe_begin(observation);
	return true;
}

static void take_last(struct coax_observation *observation, int result,
		      const struct coax_message *response)
{
	observation->pending = NULL;
	if (result == -ETIMEDOUT)
		coax_secure_unanswered(observation->worker, &observation->path, observation->begun);
	if (observation->leaving) {
		gone(observation);
	} else if (coax_is_out_of_reach(result) && !observation->numbered) {
		coax_observe_elsewhere(observation, result);
	} else if (result) {
		fail_because(observation, result,
			     coax_secure_reason(observation->worker, &observation->path));
	} else if (answer_challenge(observation, response)) {
		return;
	} else if (COAX_CODE_CLASS(coax_message_code(response)) != 2) {
		fail(observation, -EREMOTEIO, response);
	} else {
		observation->unobserved = true;
		stop_fetching(observation);
		take_block(observation, response);
	}
}

static void take_notification(struct coax_observation *observation,
			      const struct coax_message *notification)
{
	uint32_t number = 0;

	coax_message_find_uint(notification, COAX_OBSERVE, &number);
	if (observation->leaving || !is_newer(observation, number))
		return;
	observation->challenged = false;
	start_renewal(observation, notification);
	stop_fetching(observation);
	take_block(observation, notification);
}

/* What is called here may be the end of it. */
static void answered(void *arg, int result, const struct coax_message *response,
		     const struct coax_path *from, bool last)
{
	struct coax_observation *observation = arg;

	(void)from;
	coax_observation_reference(observation);
	if (last)
		take_last(observation, result, response);
	else
		take_notification(observation, response);
	coax_observation_unreference(observation);
}

static void register_now(struct coax_observation *observation)
{
	const struct coax_ask ask = {.non_confirmable = observation->options.non_confirmable,
				     .proxying = observation->options.proxying,
				     .timeout_ms = observation->options.timeout_ms,
				     .observe = true};
	struct coax_worker *worker = observation->worker;
	int err;

	observation->renewal.fire = renew;
	observation->begun = worker->now;
	coax_ports_choose(worker, &observation->path);
	err = coax_exchange_request(worker->exchange, worker->now, &observation->path,
				    &observation->request, &ask, answered, observation,
				    &observation->pending);
	if (err)
		fail(observation, err, NULL);
}

/* The session is there, or is not to be had. */
static void session_ready(struct coax_secure_waiter *waiter, int result, const char *reason)
{
	struct coax_observation *observation =
		caa_container_of(waiter, struct coax_observation, waiter);

	if (!result)
		register_now(observation);
	else if (coax_is_out_of_reach(result))
		coax_observe_elsewhere(observation, result);
	else
		fail_because(observation, result, reason);
}

void coax_observe_begin(struct coax_observation *observation)
{
	const char *reason;
	int result;

	if (!observation->options.secure) {
		register_now(observation);
		return;
	}
	observation->waiter.ready = session_ready;
	result = coax_secure_begin(observation->worker, &observation->path, &observation->request,
				   0, &observation->waiter, &reason);
	if (result <= 0)
		session_ready(&observation->waiter, result, reason);
}

void coax_observe_elsewhere(struct coax_observation *observation, int error)
{
	const struct coax_addresses *addresses = observation->addresses;
	const struct coax_context *context = observation->context;
	bool found = false;

	while (!found && addresses && observation->tried < addresses->count)
		found = coax_worker_for(context, &addresses->at[observation->tried++],
					observation->options.secure, &observation->path);
	if (found)
		coax_observe_begin(observation);
	else
		fail(observation, error, NULL);
}

/* Section 3.6: a server that has not answered yet learns of it by RST. */
void coax_observe_leave(struct coax_observation *observation)
{
	struct coax_worker *worker = observation->worker;
	struct coax_pending *pending = observation->pending;
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message message;

	if (observation->leaving || !observation->entered)
		return;
	observation->leaving = true;
	stop_fetching(observation);
	coax_timer_stop(&worker->renewals, &observation->renewal);
	coax_secure_leave(&observation->waiter);
	if (!pending) {
		gone(observation);
		return;
	}
	message = copy_request(observation, 1, buffer);
	if (!coax_exchange_request_again(worker->exchange, worker->now, pending, &message))
		return;
	coax_exchange_cancel(worker->exchange, pending, -ECANCELED);
	/* In its own callback it is not called back again. */
	if (observation->pending) {
		observation->pending = NULL;
		gone(observation);
	}
}

uint64_t coax_observations_deadline(const struct coax_worker *worker)
{
	const struct coax_timer *first = coax_timers_first(&worker->renewals);

	return first ? first->due : UINT64_MAX;
}

void coax_observations_tick(struct coax_worker *worker)
{
	struct coax_timer *timer;

	while ((timer = coax_timers_first(&worker->renewals)) && timer->due <= worker->now) {
		coax_timer_stop(&worker->renewals, timer);
		timer->fire(worker->exchange, timer);
	}
}

static void run_leave(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_observation *observation, *next;

	(void)work;
	cds_list_for_each_entry_safe (observation, next, &worker->observations, node) {
		coax_observation_reference(observation);
		fail(observation, -ESHUTDOWN, NULL);
		coax_observation_unreference(observation);
	}
}

void coax_observations_leave(struct coax_context *context)
{
	for (unsigned int i = 0; i < context->worker_count; i++) {
		struct coax_worker *worker = context->workers[i];

		worker->leave.run = run_leave;
		coax_worker_post(worker, &worker->leave);
	}
}
