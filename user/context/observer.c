// SPDX-License-Identifier: BSD-2-Clause
/*
 * Observers that a handler deals with one by one.
 */
#include <stdlib.h>
#include "audience.h"
#include "rcu.h"

struct coax_observer *coax_observers_accept(struct coax_context *context,
					    struct coax_worker *worker,
					    struct coax_responder *responder,
					    coax_observer_ended_fn ended, void *arg)
{
	struct coax_observer *observer = calloc(1, sizeof(*observer));
	struct coax_audience *audience = NULL;

	if (!observer)
		return NULL;
	rcu_read_lock();
	if (!atomic_load(&context->closed))
		audience = coax_audience_create_own(worker, responder, observer);
	rcu_read_unlock();
	if (!audience) {
		free(observer);
		return NULL;
	}
	observer->audience = coax_audience_get(audience);
	observer->ended = ended;
	observer->arg = arg;
	return observer;
}

bool coax_observer_register(struct coax_observer *observer)
{
	struct coax_audience *audience = observer->audience;
	bool cancelled;

	pthread_mutex_lock(&audience->lock);
	cancelled = audience->cancelled;
	audience->registered = !cancelled;
	pthread_mutex_unlock(&audience->lock);
	return !cancelled;
}

void coax_observer_end(struct coax_observer *observer)
{
	struct coax_audience *audience = observer->audience;

	if (observer->ended)
		observer->ended(observer->arg);
	free(observer);
	coax_audience_put(audience);
}

static void end_forgotten(struct coax_observer *observer)
{
	struct coax_audience *audience = observer->audience;
	bool dismissed;

	pthread_mutex_lock(&audience->lock);
	dismissed = audience->dismissed;
	pthread_mutex_unlock(&audience->lock);
	/* Dismissed with nobody in it: the Context has ended meanwhile. */
	if (dismissed)
		coax_observer_end(observer);
	else
		coax_audience_leave(audience);
}

static void run_forgotten(struct coax_worker *worker, struct coax_work *work)
{
	(void)worker;
	end_forgotten(caa_container_of(work, struct coax_observer, work));
}

void coax_observers_forget(struct coax_context *context, struct coax_observer *observer)
{
	if (!observer)
		return;
	rcu_read_lock();
	if (!atomic_load(&context->closed)) {
		observer->work.run = run_forgotten;
		coax_worker_post(observer->audience->home, &observer->work);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();
	end_forgotten(observer);
}

int coax_observer_trigger(struct coax_observer *observer, const struct coax_message *response,
			  bool last)
{
	return coax_audience_trigger(observer->audience, response, last, NULL);
}

void coax_observer_deregister(struct coax_observer *observer, uint8_t code)
{
	struct coax_audience *audience = observer->audience;
	uint8_t buffer[COAX_HEADER_SIZE];
	struct coax_message m;
	bool registered;

	pthread_mutex_lock(&audience->lock);
	registered = audience->registered;
	audience->cancelled |= !registered;
	pthread_mutex_unlock(&audience->lock);
	if (!registered)
		return;
	/* There is room for a header. */
	(void)coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON,
				 code ? code : COAX_SERVICE_UNAVAILABLE, 0, NULL, 0);
	if (coax_audience_trigger(audience, &m, true, NULL))
		coax_audience_render(audience, true);
}
