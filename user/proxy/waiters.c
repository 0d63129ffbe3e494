// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include "proxy/internal.h"

struct coax_waiter *coax_waiter_create(struct coax_responder *responder,
				       const struct coax_forwarding *forwarding)
{
	struct coax_waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter)
		return NULL;
	*waiter = (struct coax_waiter){
		.responder = responder,
		.hops = forwarding->hops,
		.hop_limit = forwarding->hop_limit,
	};
	return waiter;
}

void coax_waiters_add(struct coax_waiters *waiters, struct coax_waiter *waiter)
{
	waiter->next = NULL;
	if (!waiters->first)
		waiters->end = &waiters->first;
	*waiters->end = waiter;
	waiters->end = &waiter->next;
}

void coax_waiters_move(struct coax_waiters *to, struct coax_waiters *from)
{
	if (!from->first)
		return;
	if (!to->first)
		to->end = &to->first;
	*to->end = from->first;
	to->end = from->end;
	from->first = NULL;
}

void coax_waiters_answer(struct coax_mapping *mapping, struct coax_waiters *waiters,
			 const struct coax_result *result)
{
	struct coax_waiter *waiter = waiters->first;

	waiters->first = NULL;
	while (waiter) {
		struct coax_waiter *next = waiter->next;

		coax_proxy_answer(mapping, waiter->responder, result);
		free(waiter);
		waiter = next;
	}
}
