// SPDX-License-Identifier: BSD-2-Clause
/* Reading messages: RFC 7252 section 3, RFC 8974 section 2.1. */
#include <coax/message.h>

#include <errno.h>

#include "codec/encoding.h"

static int malformed(struct coax_message *m, enum coax_flaw flaw, const char *why)
{
	m->flaw = (uint8_t)flaw;
	m->error = why;
	return -EBADMSG;
}

/*
 * Take an extended delta or length off *at. Returns the value, or -1 where the bytes end too early
 * or the nibble is the reserved 15.
 */
static int32_t take_extended(const uint8_t **at, const uint8_t *end, unsigned int nibble)
{
	const uint8_t *p = *at;

	if (nibble < NIBBLE_8BIT)
		return (int32_t)nibble;
	if (nibble == NIBBLE_8BIT && end - p >= 1) {
		*at = p + 1;
		return p[0] + EXTENDED_8BIT;
	}
	if (nibble == NIBBLE_16BIT && end - p >= 2) {
		*at = p + 2;
		return (p[0] << 8 | p[1]) + EXTENDED_16BIT;
	}
	return -1;
}

/* Everything behind the token. */
static int parse_options(struct coax_message *m, const uint8_t *at)
{
	const uint8_t *end = m->data + m->length;
	uint32_t number = 0;

	while (at < end) {
		uint8_t head = *at++;
		int32_t delta = head >> 4;
		int32_t length = head & 0x0f;

		if (delta >= NIBBLE_8BIT || length >= NIBBLE_8BIT) {
			if (head == COAX_PAYLOAD_MARKER) {
				if (at == end)
					return malformed(m, COAX_FLAW_MARKER,
							 "a payload marker without a payload");
				m->payload = (uint32_t)(at - m->data);
				break;
			}
			delta = take_extended(&at, end, (unsigned int)delta);
			if (delta < 0)
				return malformed(m, COAX_FLAW_OPTIONS, "a bad option delta");
			length = take_extended(&at, end, (unsigned int)length);
			if (length < 0)
				return malformed(m, COAX_FLAW_OPTIONS, "a bad option length");
		}
		number += (uint32_t)delta;
		if (number > UINT16_MAX)
			return malformed(m, COAX_FLAW_OPTIONS, "an option number above 65535");
		if (length > end - at)
			return malformed(m, COAX_FLAW_OPTIONS, "an option longer than the message");
		at += length;
	}
	m->last_option = (uint16_t)number;
	return 0;
}

int coax_message_parse(struct coax_message *m, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	const uint8_t *at;
	int32_t token_length;

	m->data = (uint8_t *)data;
	m->length = m->payload = (uint32_t)length;
	m->capacity = 0;
	m->last_option = 0;
	m->flaw = COAX_FLAW_NONE;
	m->error = NULL;

	if (length < COAX_HEADER_SIZE) {
		m->flaw = COAX_FLAW_SHORT;
		m->error = "shorter than a header";
		return -ENODATA;
	}
	if (bytes[0] >> 6 != COAX_VERSION) {
		m->flaw = COAX_FLAW_VERSION;
		m->error = "not version 1";
		return -EPROTONOSUPPORT;
	}
	if (bytes[1] == COAX_EMPTY) {
		/* RFC 7252 section 4.1: a token or anything else here is a format error. */
		if (length != COAX_HEADER_SIZE || coax_message_token_field(m) != 0)
			return malformed(m, COAX_FLAW_EMPTY,
					 "an empty message with more than a header");
		return 0;
	}
	if (length > UINT32_MAX)
		return malformed(m, COAX_FLAW_OPTIONS, "longer than any transport can carry");
	at = bytes + COAX_HEADER_SIZE;
	token_length = take_extended(&at, bytes + length, coax_message_token_field(m));
	if (token_length < 0)
		return malformed(m, COAX_FLAW_TOKEN, "a bad token length");
	if (token_length > bytes + length - at)
		return malformed(m, COAX_FLAW_TOKEN, "a token longer than the message");
	return parse_options(m, at + token_length);
}

const uint8_t *coax_message_payload(const struct coax_message *m, size_t *length)
{
	*length = m->length - m->payload;
	return *length ? m->data + m->payload : NULL;
}

/*
 * `at` and `end` are not neighbours in what this returns: both would be made at once then, of
 * neighbours in *m that are read at once, which waits until all stores before have reached the
 * cache. That was a twentieth of the time that a small message takes.
 */
struct coax_option_iterator coax_options_begin(const struct coax_message *m)
{
	/* A message that failed to parse has no options that could be walked. */
	if (m->error)
		return (struct coax_option_iterator){.at = m->data, .end = m->data};
	return (struct coax_option_iterator){
		.at = coax_message_token(m) + coax_message_token_length(m),
		.end = m->data + options_end(m),
	};
}

bool coax_options_next(struct coax_option_iterator *it, struct coax_option *option)
{
	const uint8_t *at = it->at;
	uint32_t delta, length;

	if (at >= it->end)
		return false;
	delta = *at >> 4;
	length = *at & 0x0f;
	at++;
	if (delta >= NIBBLE_8BIT)
		delta = read_extended(&at, delta);
	if (length >= NIBBLE_8BIT)
		length = read_extended(&at, length);
	it->number += delta;
	option->number = (uint16_t)it->number;
	option->length = length;
	option->value = at;
	it->at = at + length;
	return true;
}

bool coax_message_find(const struct coax_message *m, uint16_t number, struct coax_option *option)
{
	struct coax_option found;

	if (number > m->last_option)
		return false;
	for (struct coax_option_iterator it = coax_options_begin(m);
	     coax_options_next(&it, &found);) {
		if (found.number < number)
			continue;
		if (found.number > number)
			return false;
		option->number = number;
		option->length = found.length;
		option->value = found.value;
		return true;
	}
	return false;
}

bool coax_message_find_uint(const struct coax_message *m, uint16_t number, uint32_t *value)
{
	struct coax_option option;

	if (!coax_message_find(m, number, &option) || option.length > sizeof(*value))
		return false;
	*value = coax_option_uint(&option);
	return true;
}

uint32_t coax_option_uint(const struct coax_option *option)
{
	uint32_t value = 0;

	for (uint32_t i = option->length > 4 ? option->length - 4u : 0; i < option->length; i++)
		value = value << 8 | option->value[i];
	return value;
}
