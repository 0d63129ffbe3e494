/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Observing resources elsewhere (RFC 7641), the client's side. coax/observer.h is the server's.
 *
 * Notifications come in order: older ones that arrive late are dropped (section 3.4), large ones
 * are completed by block-wise transfer, and the registration is renewed before the representation's
 * freshness runs out (section 3.3.1).
 */
#ifndef COAX_OBSERVATION_H
#define COAX_OBSERVATION_H

#include <coax/request.h>

struct coax_observation;

/**
 * coax_notification_fn - takes a representation: the first response, then each notification. Valid
 * during the call. On a worker.
 */
typedef void (*coax_notification_fn)(void *arg, const struct coax_message *notification);

/**
 * coax_observation_error_fn - the observation has ended otherwise than by
 * coax_observation_cancel(). Once, and no notification comes after it. On a worker.
 *
 * `error`: -EREMOTEIO with the unsuccessful response; -EOPNOTSUPP with a response that was
 * successful but without Observe (the server keeps no observers here; it has been given to the
 * callbacks before); or what coax_response_fn gets, with NULL.
 */
typedef void (*coax_observation_error_fn)(void *arg, int error,
					  const struct coax_message *response);

/* Once, when coax_observation_cancel() has taken effect. On a worker. */
typedef void (*coax_observation_cancelled_fn)(void *arg);

/**
 * coax_observe - begin to observe: `message` is a GET or FETCH, sent with Observe 0 to `remote` (or
 * where the message says, as in coax_request()).
 *
 * The observation belongs to the caller, who frees it by coax_observation_free(), also after it has
 * ended. `options` as for requests; `sink`, `single` and `timeout_ms` (which is a registration's)
 * included, but without `body`: a FETCH's payload is the message's. Any thread. Returns what
 * coax_request() does, or -EINVAL for another method or a body.
 */
int coax_observe(struct coax_context *context, const union coax_address *remote,
		 const struct coax_message *message, const struct coax_request_options *options,
		 struct coax_observation **observation);

/**
 * coax_observation_on_notification, _on_error, _on_cancel - have `fn` called. Several may be; one
 * that comes late is given the latest notification, or the end, that it has missed. Any thread.
 * Returns 0 or -ENOMEM.
 */
int coax_observation_on_notification(struct coax_observation *observation, coax_notification_fn fn,
				     void *arg);
int coax_observation_on_error(struct coax_observation *observation, coax_observation_error_fn fn,
			      void *arg);
int coax_observation_on_cancel(struct coax_observation *observation,
			       coax_observation_cancelled_fn fn, void *arg);

/**
 * coax_observation_next - wait for a notification newer than the last one that this gave (several
 * that came meanwhile: the newest), for at most `timeout_ms` (-1: for ever). It is copied into
 * `buffer` and parsed to *notification. Not from a callback; one thread at a time. With own_loop it
 * processes the Context meanwhile.
 *
 * Returns 0, -ETIMEDOUT (none came in time), -EMSGSIZE, -ECANCELED, or the error that ended the
 * observation, once all notifications have been given; -EREMOTEIO comes with the response.
 */
int coax_observation_next(struct coax_observation *observation, int timeout_ms, void *buffer,
			  size_t size, struct coax_message *notification);

/**
 * coax_observation_deliver, coax_observation_fail - what a notification or an error from the
 * network does: for proxies and tests that have one from elsewhere. Any thread.
 */
int coax_observation_deliver(struct coax_observation *observation,
			     const struct coax_message *notification);
int coax_observation_fail(struct coax_observation *observation, int error);

/**
 * coax_observation_cancel - lose interest: no notification is given any more once this has returned
 * (unless it is called from a callback, then after that one). The server is told by a GET with
 * Observe 1 (section 3.6), and by RST should it notify all the same. Any thread, also from
 * a callback (but callbacks of two observations must not wait for each other by this); a second
 * time does nothing.
 */
void coax_observation_cancel(struct coax_observation *observation);

/**
 * coax_observation_free - cancel if need be, and give it back. Any thread, also from a callback of
 * it; before coax_context_shutdown() has returned or after. NULL: nothing.
 */
void coax_observation_free(struct coax_observation *observation);

#endif
