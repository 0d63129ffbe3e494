/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an option's delta and length are encoded (RFC 7252 section 3.1): up to 12 in a nibble, more
 * in one or two further bytes. Each number has exactly one encoding, so a message that is taken
 * apart and built again has the same bytes.
 */
#ifndef COAX_CODEC_ENCODING_H
#define COAX_CODEC_ENCODING_H

#include <coax/message.h>

#define NIBBLE_8BIT    13
#define NIBBLE_16BIT   14

#define EXTENDED_8BIT  13
#define EXTENDED_16BIT 269

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

/* Offset of the byte behind the last option: the payload marker or the message's end. */
static inline uint32_t options_end(const struct coax_message *m)
{
	return m->payload == m->length ? m->length : m->payload - 1;
}

#endif
