/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues, as seen by the Site that fills them. Workers add without a lock; who processes a queue
 * and who takes a resource out of it take turns.
 */
#ifndef COAX_SITE_QUEUE_H
#define COAX_SITE_QUEUE_H

#include <coax/queue.h>
#include "site/responder.h"

struct coax_site;

/*
 * Have the handler of responder->resource run when the queue is processed. `responder` has been
 * deferred. Any thread, within an RCU read section.
 */
void coax_queue_add(struct coax_queue *queue, struct coax_responder *responder);

/*
 * On return no handler of `resource` (NULL: of any resource of the Site) runs or will run: what is
 * queued has been answered `code`, and one that was running has been waited for. Nobody adds such
 * any more: a grace period ago they could still be found. Not from a handler.
 */
void coax_queue_leave(struct coax_queue *queue, const struct coax_site *site,
		      const struct coax_resource *resource, uint8_t code);

/*
 * The same for all queues that a Site's resources name, once the Site is not being served any more.
 * What is queued is answered 5.03.
 */
void coax_site_leave_queues(struct coax_site *site);

#endif
