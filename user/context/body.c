// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "audience.h"

/* An Observe option may come in, and a payload marker. */
#define SPARE 8

static int read_body(const struct coax_body *body, uint8_t *at)
{
	uint64_t done = 0;

	if (body->data) {
		memcpy(at, body->data, body->length);
		return 0;
	}
	while (done < body->length) {
		ssize_t count = body->read(body->arg, done, at + done, body->length - done);

		if (count <= 0)
			return count ? (int)count : -EIO;
		done += (uint64_t)count;
	}
	return 0;
}

static int append_body(struct coax_message *m, const struct coax_body *body, uint8_t *buffer,
		       size_t capacity)
{
	int err = read_body(body, buffer + m->payload + 1);

	if (err)
		return err;
	memcpy(buffer, m->data, m->payload);
	buffer[m->payload++] = COAX_PAYLOAD_MARKER;
	m->data = buffer;
	m->capacity = (uint32_t)capacity;
	m->length = m->payload + (uint32_t)body->length;
	return 0;
}

static void fail(struct coax_responder *responder, int err)
{
	struct coax_message *response = &responder->response;
	const char *reason = strerror(-err);

	coax_log(responder->logger, COAX_LOG_ERROR, "a response's body cannot be had: %s", reason);
	/* It had more than this in it before. */
	(void)coax_message_start(response, response->data, response->capacity, COAX_TYPE_ACK,
				 COAX_INTERNAL_SERVER_ERROR, 0, NULL, 0);
	(void)coax_message_set_payload(response, reason, strlen(reason));
}

uint8_t *coax_responder_make_whole(struct coax_responder *responder, uint64_t max)
{
	struct coax_message *response = &responder->response;
	const struct coax_body *body = &responder->body;
	uint8_t *buffer = NULL;
	size_t capacity;
	int err = -EFBIG;

	if (!responder->has_body)
		return NULL;
	(void)coax_message_set_payload(response, NULL, 0);
	if (body->length == 0)
		goto out;
	if (body->length <= max && body->length <= COAX_BODY_LENGTH_MAX) {
		capacity = response->length + body->length + SPARE;
		buffer = malloc(capacity);
		err = buffer ? append_body(response, body, buffer, capacity) : -ENOMEM;
	}
	if (err) {
		free(buffer);
		buffer = NULL;
		fail(responder, err);
	}
out:
	coax_responder_drop_body(responder);
	return buffer;
}
