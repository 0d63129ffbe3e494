/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Observers of resources here (RFC 7641), the server's side. coax/observation.h is the client's.
 *
 * A resource that says `observable` has its observers kept by the Context: coax_resource_changed()
 * is all there is to do. Each change is rendered once for all observers that asked with the same
 * bytes, by the handler that answers GET (or FETCH); when changes come faster than an observer
 * takes notifications, the newest state wins. An unsuccessful rendering is the last notification.
 *
 * A handler that wants to deal with one observer by itself calls coax_responder_accept().
 */
#ifndef COAX_OBSERVER_H
#define COAX_OBSERVER_H

#include <stdbool.h>
#include <coax/responder.h>
#include <coax/site.h>

struct coax_observer;

/**
 * coax_observer_ended_fn - an observer is gone: it deregistered, answered RST, did not acknowledge,
 * got its last notification, or the Context shuts down. Exactly once, on a worker; the observer is
 * not to be used from then on.
 */
typedef void (*coax_observer_ended_fn)(void *arg);

/**
 * coax_responder_accept - accept the request's wish to observe (Observe 0), and keep the observer.
 *
 * To be called by the handler (or after coax_responder_defer()) before coax_respond(). The
 * registration holds once a 2.xx response is on its way; without that, or when there is no room,
 * `ended` runs soon. Returns NULL, and `ended` does not run, when the request does not ask for it,
 * or when the resource's observers are looked after already.
 */
struct coax_observer *coax_responder_accept(struct coax_responder *responder,
					    coax_observer_ended_fn ended, void *arg);

/**
 * coax_observer_trigger - notify one observer: with `response`'s code, options and payload
 * (copied), or with NULL, with what the handler renders now. `last`, or a code that is not 2.xx: it
 * is the last notification, which no later one replaces. Any thread, until `ended` has run. Returns
 * 0 or -ENOMEM.
 */
int coax_observer_trigger(struct coax_observer *observer, const struct coax_message *response,
			  bool last);

/**
 * coax_observer_deregister - end it from here: before its first response that simply has no Observe
 * option, later a last notification tells, with `code` (0.00: 5.03). Any thread, until `ended` has
 * run.
 */
void coax_observer_deregister(struct coax_observer *observer, uint8_t code);

/**
 * coax_resource_notify - coax_observer_trigger() for all observers of an `observable` resource.
 * Does not change what plain GETs give: call coax_resource_changed() first if that has changed.
 * Any thread. Returns 0, -EINVAL (not observable) or -ENOMEM.
 */
int coax_resource_notify(struct coax_resource *resource, const struct coax_message *response,
			 bool last);

#endif
