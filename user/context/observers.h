/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Observers of the Site's resources (RFC 7641 section 4).
 *
 * An audience are the observers of a Context that asked with the same bytes (the code and all after
 * the token, but for Observe and Echo): they get the same notifications, rendered once. It watches
 * the subject that its latest rendering came from. One worker, its home, renders; each worker keeps
 * and notifies the observers whose requests it received.
 *
 * Memory (64-bit): an observer 296 bytes, and 96 a peer that has some; an audience 320 bytes, its
 * request, its latest notification, and 88 bytes a worker that has members of it. At most
 * tuning.observers_max observers, so no more audiences than that. A change costs each observer
 * nothing but the message.
 */
#ifndef COAX_OBSERVERS_H
#define COAX_OBSERVERS_H

#include <coax/observer.h>
#include <coax/request.h>
#include "exchange/exchange.h"
#include "site/responder.h"

struct coax_context;
struct coax_worker;
struct coax_observers; /* of a Context */

int coax_observers_create(struct coax_observers **observers, struct coax_context *context);
/* Threads are gone. What is still there ends: `ended` runs, nothing is sent. NULL: nothing. */
void coax_observers_destroy(struct coax_observers *observers);

/*
 * A request that wants to register or deregister (responder->wish) has been answered, and the
 * response is whole, not cut yet. On the worker that received it. Registers, renews or removes the
 * observer with this remote and token, and sets the response's Observe option (section 4.1, 4.2).
 */
void coax_observers_answered(struct coax_worker *worker, const struct coax_path *path,
			     struct coax_responder *responder);

/*
 * The exchange layer does not take the response to a request that has been handed to
 * coax_observers_answered(): its client has got another one, and does not observe.
 */
void coax_observers_unanswered(struct coax_worker *worker, const struct coax_path *path,
			       const struct coax_message *request);

/*
 * The Site's `accept`: see site/responder.h. Any thread, also when the Context, which is referenced
 * by the caller, has ended: then it is NULL, and there is no worker any more.
 */
struct coax_observer *coax_observers_accept(struct coax_context *context,
					    struct coax_worker *worker,
					    struct coax_responder *responder,
					    coax_observer_ended_fn ended, void *arg);

/*
 * A responder that accepted `observer` (NULL: nothing to do) is dropped without having been
 * answered. Any thread, also when the Context has ended; it is referenced by the caller.
 */
void coax_observers_forget(struct coax_context *context, struct coax_observer *observer);

/* The exchange layer's `compose` and `notified`. `worker` is a struct coax_worker. */
size_t coax_observers_compose(void *worker, struct coax_notice *notice, uint8_t *buffer);
void coax_observers_notified(void *worker, struct coax_notice *notice, int result);

/* Render for all audiences anew: the Site is another one. Any thread. */
void coax_observers_look_again(struct coax_observers *observers);

/* Send everybody a last notification, 5.03: those who may observe ask again. Any thread. */
void coax_observers_turn_away(struct coax_observers *observers);

/*
 * Shutdown: send everybody a last notification, 5.03. Any thread; then coax_observers_are_gone()
 * tells when all have acknowledged it or are given up.
 */
void coax_observers_end(struct coax_observers *observers);
bool coax_observers_are_gone(struct coax_observers *observers);

#endif
