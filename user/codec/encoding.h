/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an option's delta and length (RFC 7252 section 3.1) and a token's length (RFC 8974 section
 * 2.1) are encoded: up to 12 in a nibble, more in one or two further bytes. Each number has exactly
 * one encoding, so a message that is taken apart and built again has the same bytes.
 */
#ifndef COAX_CODEC_ENCODING_H
#define COAX_CODEC_ENCODING_H

#include <coax/message.h>

#define NIBBLE_8BIT    13
#define NIBBLE_16BIT   14

#define EXTENDED_8BIT  13
#define EXTENDED_16BIT 269
#define EXTENDED_MAX   (EXTENDED_16BIT + UINT16_MAX)

/* One head byte, two extended deltas, two extended lengths. */
#define OPTION_HEAD_MAX 5

/* Read an extended delta or length of a message that is known to be whole. */
static inline uint32_t read_extended(const uint8_t **at, uint32_t nibble)
{
	const uint8_t *p = *at;

	if (nibble == NIBBLE_8BIT) {
		*at = p + 1;
		return p[0] + EXTENDED_8BIT;
	}
	*at = p + 2;
	return ((uint32_t)p[0] << 8 | p[1]) + EXTENDED_16BIT;
}

static inline uint32_t extended_size(uint32_t value)
{
	return value < EXTENDED_8BIT ? 0 : value < EXTENDED_16BIT ? 1 : 2;
}

/* Write one extended number, and return its nibble. */
static inline uint8_t write_extended(uint8_t **at, uint32_t value)
{
	uint8_t *p = *at;

	if (value < EXTENDED_8BIT)
		return (uint8_t)value;
	if (value < EXTENDED_16BIT) {
		p[0] = (uint8_t)(value - EXTENDED_8BIT);
		*at = p + 1;
		return NIBBLE_8BIT;
	}
	value -= EXTENDED_16BIT;
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	*at = p + 2;
	return NIBBLE_16BIT;
}

static inline uint32_t head_size(uint32_t delta, uint32_t length)
{
	return 1 + extended_size(delta) + extended_size(length);
}

/* Write an option's head, and return where its value goes. */
static inline uint8_t *write_head(uint8_t *head, uint32_t delta, uint32_t length)
{
	uint8_t *at = head + 1;
	uint8_t nibbles;

	nibbles = (uint8_t)(write_extended(&at, delta) << 4);
	nibbles |= write_extended(&at, length);
	*head = nibbles;
	return at;
}

/* Offset of the byte behind the last option: the payload marker or the message's end. */
static inline uint32_t options_end(const struct coax_message *m)
{
	return m->payload == m->length ? m->length : m->payload - 1;
}

#endif
