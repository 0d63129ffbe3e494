// SPDX-License-Identifier: BSD-2-Clause
/*
 * Renewals of what the kernel answers from and will soon be stale: the request is rendered once
 * more, without a client, and what comes takes the former one's place.
 */
#include "accel/accel.h"
#include "blocks.h"
#include "detached.h"

static void renewed(struct coax_worker *worker, struct coax_detached *detached,
		    struct coax_responder *responder)
{
	if (worker) {
		coax_responder_write_max_age(responder);
		coax_blocks_cut(worker->blocks, worker->now, responder, NULL);
		coax_worker_publish(worker, responder);
	}
	coax_responder_drop_body(responder);
	coax_detached_free(detached);
}

/* If there is no memory, what is there expires, and clients' requests come up. */
static void renew(void *arg, const uint8_t *request, size_t length, uint64_t until)
{
	struct coax_context *context = arg;
	struct coax_detached *detached;

	if (atomic_load(&context->stopping))
		return;
	detached = coax_detached_create(context->workers[0], request, length);
	if (!detached)
		return;
	detached->done = renewed;
	detached->needed_until = until;
	coax_detached_render(detached);
}

/* Who renews may be asleep until later. */
static void due_sooner(void *arg)
{
	struct coax_context *context = arg;

	coax_worker_wake(context->workers[0]);
}

void coax_renewals_begin(struct coax_context *context)
{
	static const struct coax_accel_calls calls = {
		.due_sooner = due_sooner,
		.renew = renew,
	};

	coax_accel_call(context->accel, &calls, context);
}
