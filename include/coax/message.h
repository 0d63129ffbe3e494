/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CoAP message as the bytes of its datagram (RFC 7252 section 3), to read and to write.
 *
 * The bytes are the only copy of everything but the three offsets, so a message can be looked at
 * while it is being built and sent without a separate encoding step. Nothing here allocates, and
 * a message holds no resources: it may be copied and forgotten. One thread at a time.
 */
#ifndef COAX_MESSAGE_H
#define COAX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/wire.h>

/* What a parse found wrong. */
enum coax_flaw {
	COAX_FLAW_NONE,
	COAX_FLAW_SHORT,   /* than a header */
	COAX_FLAW_VERSION, /* not 1 */
	COAX_FLAW_TOKEN,   /* a reserved length, or one that the message does not have */
	COAX_FLAW_EMPTY,   /* code 0.00, but more than a header */
	COAX_FLAW_OPTIONS, /* cut short, reserved, or a number above 65535 */
	COAX_FLAW_MARKER,  /* a payload marker without a payload */
};

struct coax_message {
	uint8_t *data;	      /* the datagram; belongs to the caller */
	uint32_t length;      /* bytes of it in use */
	uint32_t capacity;    /* bytes that it may grow to; 0: read only */
	uint32_t payload;     /* offset of the first payload byte; equal to length: no payload */
	uint16_t last_option; /* number of the last option, 0: none */
	uint8_t flaw;	      /* enum coax_flaw */
	const char *error;    /* after a failed parse: what is wrong, as text for a log */
};

/* The longest value that section 3.1 can express. */
#define COAX_OPTION_LENGTH_MAX (269 + UINT16_MAX)

struct coax_option {
	uint16_t number;
	uint32_t length;
	const uint8_t *value;
};

struct coax_option_iterator {
	const uint8_t *at;
	uint32_t number;
	const uint8_t *end;
};

/* Header fields (RFC 7252 section 3). */

static inline enum coax_type coax_message_type(const struct coax_message *m)
{
	return (enum coax_type)((m->data[0] >> 4) & 3);
}

static inline uint8_t coax_message_code(const struct coax_message *m)
{
	return m->data[1];
}

static inline uint16_t coax_message_id(const struct coax_message *m)
{
	return (uint16_t)(m->data[2] << 8 | m->data[3]);
}

/* What the token length field says, and the bytes that RFC 8974 puts between header and token. */
static inline uint8_t coax_message_token_field(const struct coax_message *m)
{
	return m->data[0] & 0x0f;
}

static inline uint32_t coax_message_token_extension(const struct coax_message *m)
{
	uint8_t field = coax_message_token_field(m);

	return field < 13 ? 0 : field - 12u;
}

static inline uint32_t coax_message_token_length(const struct coax_message *m)
{
	const uint8_t *extension = m->data + COAX_HEADER_SIZE;
	uint8_t field = coax_message_token_field(m);

	switch (field) {
	case 13:
		return 13u + extension[0];
	case 14:
		return 269u + (uint32_t)(extension[0] << 8 | extension[1]);
	default:
		return field;
	}
}

static inline const uint8_t *coax_message_token(const struct coax_message *m)
{
	return m->data + COAX_HEADER_SIZE + coax_message_token_extension(m);
}

static inline void coax_message_set_type(struct coax_message *m, enum coax_type type)
{
	m->data[0] = (uint8_t)((m->data[0] & ~0x30) | type << 4);
}

static inline void coax_message_set_code(struct coax_message *m, uint8_t code)
{
	m->data[1] = code;
}

static inline void coax_message_set_id(struct coax_message *m, uint16_t id)
{
	m->data[2] = (uint8_t)(id >> 8);
	m->data[3] = (uint8_t)id;
}

/* What follows the token: options and payload as they stand. */
static inline const uint8_t *coax_message_rest(const struct coax_message *m, size_t *length)
{
	size_t at = COAX_HEADER_SIZE + (size_t)coax_message_token_extension(m) +
		    coax_message_token_length(m);

	*length = m->length - at;
	return m->data + at;
}

/**
 * coax_message_parse - see `data` as a message, checking all of RFC 7252 section 3: version, token
 * length (RFC 8974 section 2.1: up to 65804 bytes), each option's delta and length, the option
 * numbers' range, the payload marker, and an empty message being four bytes.
 *
 * `m` then points into `data`, read only, for as long as that stays.
 *
 * Returns 0, or with m->flaw and m->error set -ENODATA (shorter than a header), -EPROTONOSUPPORT
 * (another version: to be ignored silently), -EBADMSG (a message format error; type and message ID
 * can still be read, section 4.2 and 4.3 say what to do).
 */
int coax_message_parse(struct coax_message *m, const void *data, size_t length);

/**
 * coax_message_start - begin a message in `buffer`.
 *
 * A token longer than 12 bytes is written as RFC 8974 section 2.1 says; not every peer takes more
 * than 8. Returns 0, -EINVAL (a token longer than 65804 bytes) or -EMSGSIZE (no room in
 * `capacity`).
 */
int coax_message_start(struct coax_message *m, void *buffer, size_t capacity, enum coax_type type,
		       uint8_t code, uint16_t id, const void *token, size_t token_length);

/**
 * coax_message_add - insert an option, in any order: each goes behind those with the same or
 * a smaller number.
 *
 * `value` is not part of this message. Returns 0, -EMSGSIZE (no room, or longer than
 * COAX_OPTION_LENGTH_MAX) or -EROFS (a parsed message). The message is unchanged on error.
 */
int coax_message_add(struct coax_message *m, uint16_t number, const void *value, size_t length);

/**
 * coax_message_add_uint - the same for an option in uint format (RFC 7252 section 3.2), in as few
 * bytes as it takes.
 */
int coax_message_add_uint(struct coax_message *m, uint16_t number, uint32_t value);

/**
 * coax_message_add_string - the same for a zero-terminated string.
 */
int coax_message_add_string(struct coax_message *m, uint16_t number, const char *value);

/**
 * coax_message_remove - take all options with this number out. Returns how many, or -EROFS.
 */
int coax_message_remove(struct coax_message *m, uint16_t number);

/**
 * coax_message_set_payload - replace the payload. A length of 0 removes it, and its marker.
 * `payload` may be a part of the present one.
 *
 * Returns 0, -EMSGSIZE or -EROFS. The message is unchanged on error.
 */
int coax_message_set_payload(struct coax_message *m, const void *payload, size_t length);

/**
 * coax_message_payload - the payload, or NULL and *length 0.
 */
const uint8_t *coax_message_payload(const struct coax_message *m, size_t *length);

/**
 * coax_options_begin, coax_options_next - the options in order.
 *
 * For messages that were parsed or built here: no errors can turn up. next returns false at the
 * end and leaves *option alone then. A message that failed to parse shows no options.
 */
struct coax_option_iterator coax_options_begin(const struct coax_message *m);
bool coax_options_next(struct coax_option_iterator *it, struct coax_option *option);

/**
 * coax_message_find - the first option with this number. Returns whether there is one.
 */
bool coax_message_find(const struct coax_message *m, uint16_t number, struct coax_option *option);

/**
 * coax_message_find_uint - the first option with this number, as uint.
 *
 * Returns whether there is one of at most four bytes.
 */
bool coax_message_find_uint(const struct coax_message *m, uint16_t number, uint32_t *value);

/**
 * coax_option_uint - an option's value in uint format. Longer than four bytes: the last four.
 */
uint32_t coax_option_uint(const struct coax_option *option);

/* For coax_message_describe(). */
#define COAX_DESCRIPTION_MAX 512

/**
 * coax_message_describe - "CON GET mid=0x1234 token=ab Uri-Path:time Accept:0 payload=5" for logs,
 * cut with "..." to `size`. Of a token longer than 12 bytes the first 12 and the length are shown:
 * "token=000102030405060708090a0b...(128)". Bytes that are no printable ASCII are escaped. Returns
 * `text`.
 */
char *coax_message_describe(const struct coax_message *m, char *text, size_t size);

/**
 * coax_code_name - "GET", "2.05 Content", "0.00 Empty"; an unassigned one as "7.31". The result is
 * static or in `text`.
 */
const char *coax_code_name(uint8_t code, char text[8]);

#endif
