// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include "proxy/internal.h"

struct coax_waiter *coax_waiter_create(const struct coax_proxy *proxy,
				       struct coax_responder *responder,
				       const struct coax_forwarding *forwarding)
{
	struct coax_waiter *waiter = malloc(sizeof(*waiter));

	if (!waiter)
		return NULL;
	*waiter = (struct coax_waiter){
		.responder = responder,
		.version = atomic_load(&proxy->version),
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
	struct coax_result alone = *result;

	alone.subject = NULL;
	waiters->first = NULL;
	while (waiter) {
		struct coax_waiter *next = waiter->next;
		bool current;

		/* What is given to others by the former setup is withdrawn after a grace period. */
		rcu_read_lock();
		current = waiter->version == atomic_load(&mapping->proxy->version);
		coax_proxy_answer(mapping, waiter->responder, current ? result : &alone);
		rcu_read_unlock();
		free(waiter);
		waiter = next;
	}
}
