// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a response carries: a payload in its message, or a body that leaves in blocks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "site/responder.h"

static void release(const struct coax_body *body)
{
	if (body->release)
		body->release(body->arg);
}

void coax_responder_drop_body(struct coax_responder *responder)
{
	if (!responder->has_body)
		return;
	responder->has_body = false;
	release(&responder->body);
}

/* Instead of all that the response carried before. */
static void take_body(struct coax_responder *responder, const struct coax_body *body)
{
	coax_responder_drop_body(responder);
	coax_message_set_payload(&responder->response, NULL, 0);
	responder->body = *body;
	responder->has_body = true;
}

static int copy_to_body(struct coax_responder *responder, const void *payload, size_t length)
{
	struct coax_body body = {.length = length, .release = free};

	body.arg = malloc(length);
	if (!body.arg)
		return -ENOMEM;
	memcpy(body.arg, payload, length);
	body.data = body.arg;
	take_body(responder, &body);
	return 0;
}

/* Returns whether it went into the message. */
static bool put_into_message(struct coax_responder *responder, const void *payload, size_t length)
{
	if (length > COAX_PAYLOAD_MAX ||
	    coax_message_set_payload(&responder->response, payload, length) < 0)
		return false;
	coax_responder_drop_body(responder);
	return true;
}

int coax_responder_set_payload(struct coax_responder *responder, const void *payload, size_t length)
{
	if (coax_responder_is_over(responder, "coax_responder_set_payload"))
		return -EINVAL;
	if (length > COAX_BODY_LENGTH_MAX)
		return -EMSGSIZE;
	if (put_into_message(responder, payload, length))
		return 0;
	return copy_to_body(responder, payload, length);
}

int coax_responder_set_body(struct coax_responder *responder, const struct coax_body *body)
{
	bool is_small = (body->data || body->length == 0) && body->length <= COAX_PAYLOAD_MAX;
	int err = 0;

	if (coax_responder_is_over(responder, "coax_responder_set_body"))
		err = -EINVAL;
	else if (body->length > COAX_BODY_LENGTH_MAX)
		err = -EMSGSIZE;
	if (err || (is_small && put_into_message(responder, body->data, (size_t)body->length)))
		release(body);
	else
		take_body(responder, body);
	return err;
}

int coax_responder_fit_payload(struct coax_responder *responder, uint8_t code)
{
	struct coax_message *response = &responder->response;
	uint32_t length = response->length - response->payload;

	/* RFC 7252 section 5.9.1.3, RFC 7959 section 2.9.1. */
	if (code == COAX_VALID || code == COAX_CONTINUE) {
		coax_responder_drop_body(responder);
		return coax_message_set_payload(response, NULL, 0);
	}
	if (!responder->has_body &&
	    (length > COAX_PAYLOAD_MAX || (length && response->length > COAX_MESSAGE_MAX))) {
		const uint8_t *payload = response->data + response->payload;
		int err = responder->ops->gather ? copy_to_body(responder, payload, length)
						 : -EMSGSIZE;

		if (err)
			return err;
	}
	if (responder->has_body) {
		coax_message_set_payload(response, NULL, 0);
		if (!responder->ops->gather)
			return -EMSGSIZE;
	}
	return response->length > COAX_MESSAGE_MAX ? -EMSGSIZE : 0;
}

const struct coax_part *coax_responder_part(const struct coax_responder *responder)
{
	return responder->streaming ? &responder->part : NULL;
}
