// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <coax/block.h>
#include <coax/option.h>
#include "audience.h"

/* An Observe option: one byte of header, and 24 bits of value (RFC 7641 section 2). */
#define OBSERVE_SIZE 4

/* Where in `m` the empty Observe option that it has stands: behind those with smaller numbers. */
static size_t find_observe(const struct coax_message *m)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;

	while (coax_options_next(&it, &option) && option.number != COAX_OBSERVE)
		;
	/* Its value is empty, its delta small: its header is the one byte before the next one. */
	return (size_t)(option.value - m->data) - 1;
}

struct coax_notification *coax_notification_create(const struct coax_message *response, bool last)
{
	size_t capacity = response->length + OBSERVE_SIZE;
	uint8_t *buffer = malloc(capacity);
	struct coax_notification *notification = NULL;
	struct coax_option_iterator it = coax_options_begin(response);
	struct coax_option option;
	struct coax_block block = {.more = false};
	struct coax_message m;
	const uint8_t *rest, *payload;
	size_t length;

	if (!buffer)
		return NULL;
	last |= COAX_CODE_CLASS(coax_message_code(response)) != 2;

	/* All of this fits: it did before, with a token and perhaps an Observe option. */
	(void)coax_message_start(&m, buffer, capacity, COAX_TYPE_CON, coax_message_code(response),
				 0, NULL, 0);
	while (coax_options_next(&it, &option))
		if (option.number != COAX_OBSERVE)
			(void)coax_message_add(&m, option.number, option.value, option.length);
	if (!last)
		(void)coax_message_add(&m, COAX_OBSERVE, NULL, 0);
	payload = coax_message_payload(response, &length);
	(void)coax_message_set_payload(&m, payload, length);

	rest = coax_message_rest(&m, &length);
	notification = malloc(sizeof(*notification) + length);
	if (notification) {
		atomic_init(&notification->references, 1);
		notification->version = 0;
		notification->last = last;
		notification->fresh_until = COAX_NEVER;
		notification->in_blocks =
			coax_message_find_block(&m, COAX_BLOCK2, &block) > 0 && block.more;
		notification->code = coax_message_code(&m);
		notification->observe_at =
			last ? 0 : (uint16_t)(find_observe(&m) - COAX_HEADER_SIZE);
		notification->length = (uint32_t)length;
		memcpy(notification->bytes, rest, length);
	}
	free(buffer);
	return notification;
}

int64_t coax_response_format(const struct coax_message *response)
{
	uint32_t format;

	if (coax_message_code(response) != COAX_CONTENT)
		return COAX_FORMAT_UNKNOWN;
	if (!coax_message_find_uint(response, COAX_CONTENT_FORMAT, &format))
		return COAX_FORMAT_NONE;
	return format;
}

struct coax_notification *coax_notification_get(struct coax_notification *notification)
{
	atomic_fetch_add_explicit(&notification->references, 1, memory_order_relaxed);
	return notification;
}

void coax_notification_put(struct coax_notification *notification)
{
	if (notification && atomic_fetch_sub(&notification->references, 1) == 1)
		free(notification);
}

size_t coax_notification_size(const struct coax_notification *notification, size_t token_length)
{
	return COAX_HEADER_SIZE + token_length + OBSERVE_SIZE + notification->length;
}

/* `option` is an empty one; give it a value, in as few bytes as it takes. Returns behind it. */
static uint8_t *write_observe(uint8_t *at, uint8_t option, uint32_t number)
{
	uint8_t *header = at++;

	number &= COAX_OBSERVE_MASK;
	if (number > 0xffff)
		*at++ = (uint8_t)(number >> 16);
	if (number > 0xff)
		*at++ = (uint8_t)(number >> 8);
	if (number)
		*at++ = (uint8_t)number;
	*header = (uint8_t)(option | (at - header - 1));
	return at;
}

size_t coax_notification_write(const struct coax_notification *notification, const uint8_t *token,
			       size_t token_length, uint32_t number, uint8_t *buffer)
{
	size_t before = notification->observe_at;
	uint8_t *at = buffer;
	struct coax_message m;
	size_t length;

	*at++ = (uint8_t)(COAX_VERSION << 6 | token_length);
	*at++ = notification->code;
	*at++ = 0;
	*at++ = 0;
	memcpy(at, token, token_length);
	at += token_length;
	if (!notification->last) {
		memcpy(at, notification->bytes, before);
		at = write_observe(at + before, notification->bytes[before], number);
		before++;
	}
	memcpy(at, notification->bytes + before, notification->length - before);
	length = (size_t)(at - buffer) + notification->length - before;
	/* Built here, so it can be read. */
	if (notification->fresh_until != COAX_NEVER && !coax_message_parse(&m, buffer, length))
		coax_fresh_write(&m, notification->fresh_until);
	return length;
}
