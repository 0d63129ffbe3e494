// SPDX-License-Identifier: BSD-2-Clause
#include <coax/option.h>
#include "accel/guard.h"
#include "guarded.h"
#include "site/echo.h"

/* Between a challenge and the request that brings it back: a few round trips to a slow device. */
#define ECHO_FRESH_MS 60000

static void refuse(struct coax_worker *worker, const struct coax_path *path,
		   struct coax_responder *responder)
{
	struct coax_guard *guard = worker->context->guard;

	coax_count(&worker->stats, limited);
	/* RFC 8516: when to come again. */
	coax_message_add_uint(&responder->response, COAX_MAX_AGE,
			      coax_guard_wait(guard, &path->remote, worker->now));
	coax_responder_answer(responder, COAX_TOO_MANY_REQUESTS);
}

bool coax_guarded_may_serve(struct coax_worker *worker, const struct coax_path *path,
			    struct coax_responder *responder)
{
	struct coax_guard *guard = worker->context->guard;

	if (!guard)
		return true;
	switch (coax_guard_judge(guard, &path->remote, path->crowded, worker->now)) {
	case COAX_GUARD_SERVE:
		return true;
	case COAX_GUARD_TOO_MANY:
		refuse(worker, path, responder);
		return false;
	case COAX_GUARD_CHALLENGE:
		if (path->session || coax_echo_is_proven(responder, ECHO_FRESH_MS)) {
			coax_guard_verify(guard, &path->remote, worker->now);
			return true;
		}
		coax_count(&worker->stats, challenged);
		coax_echo_challenge(responder);
		return false;
	}
	return true;
}

void coax_guarded_charge(const struct coax_worker *worker, const struct coax_path *path,
			 const struct coax_responder *responder)
{
	if (worker->context->guard)
		(void)coax_guard_charge(worker->context->guard, &path->remote, worker->now,
					responder->request.length, responder->response.length);
}

bool coax_guarded_may_repeat(void *arg, const struct coax_path *path, size_t request, size_t reply)
{
	const struct coax_worker *worker = arg;
	struct coax_guard *guard = worker->context->guard;

	return !guard || coax_guard_charge(guard, &path->remote, worker->now, request, reply);
}
