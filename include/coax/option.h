/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of RFC 7252, 7641, 7959, 7967, 8768 and 9175: numbers, names, formats, properties,
 * and the content formats that go with them. What is returned is static. Any thread.
 */
#ifndef COAX_OPTION_H
#define COAX_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coax_message;

enum coax_option_number {
	COAX_IF_MATCH = 1,
	COAX_URI_HOST = 3,
	COAX_ETAG = 4,
	COAX_IF_NONE_MATCH = 5,
	COAX_OBSERVE = 6,
	COAX_URI_PORT = 7,
	COAX_LOCATION_PATH = 8,
	COAX_URI_PATH = 11,
	COAX_CONTENT_FORMAT = 12,
	COAX_MAX_AGE = 14,
	COAX_URI_QUERY = 15,
	COAX_HOP_LIMIT = 16,
	COAX_ACCEPT = 17,
	COAX_LOCATION_QUERY = 20,
	COAX_BLOCK2 = 23,
	COAX_BLOCK1 = 27,
	COAX_SIZE2 = 28,
	COAX_PROXY_URI = 35,
	COAX_PROXY_SCHEME = 39,
	COAX_SIZE1 = 60,
	COAX_ECHO = 252,
	COAX_NO_RESPONSE = 258,
	COAX_REQUEST_TAG = 292,
};

/* RFC 7252 section 3.2. */
enum coax_option_format {
	COAX_OPTION_EMPTY,
	COAX_OPTION_OPAQUE,
	COAX_OPTION_UINT,
	COAX_OPTION_STRING,
};

struct coax_option_info {
	uint16_t number;
	const char *name; /* as in the registry: "Uri-Path" */
	enum coax_option_format format;
	uint16_t min; /* length in bytes */
	uint16_t max;
	bool repeatable;
};

/* RFC 7252 section 5.4.6: the properties are bits of the number. */

static inline bool coax_option_is_critical(uint16_t number)
{
	return number & 1;
}

static inline bool coax_option_is_unsafe(uint16_t number)
{
	return number & 2;
}

static inline bool coax_option_is_no_cache_key(uint16_t number)
{
	return (number & 0x1e) == 0x1c;
}

/**
 * coax_option_info - what is known of an option number, or NULL.
 */
const struct coax_option_info *coax_option_info(uint16_t number);

/**
 * coax_option_by_name - the same by name, letter case ignored, or NULL.
 */
const struct coax_option_info *coax_option_by_name(const char *name);

/**
 * coax_message_bad_option - the first critical option of `m` that must not be ignored and cannot be
 * understood (RFC 7252 section 5.4.1, 5.4.3, 5.4.5): its number is not among `understood`, its
 * length is outside of what its definition allows, or it is a repetition of an option that is not
 * repeatable. Elective ones with such faults are to be treated as absent.
 *
 * `understood` has `count` numbers. Returns the option's number, or 0 when there is none.
 */
uint16_t coax_message_bad_option(const struct coax_message *m, const uint16_t *understood,
				 size_t count);

/**
 * coax_message_bad_option_proxying - the same for who passes the message on: an option that is not
 * known here and safe to forward is for others to understand (RFC 7252 section 5.7.1).
 */
uint16_t coax_message_bad_option_proxying(const struct coax_message *m, const uint16_t *understood,
					  size_t count);

/**
 * coax_message_cache_key - write a request's cache key (RFC 7252 section 5.6) to `key`: its method
 * and, in order, the options that are part of it. Requests that agree in those get the same bytes,
 * others never do.
 *
 * Left out are NoCacheKey options, Observe (RFC 7641 section 2) and the `count` numbers in
 * `without`: COAX_BLOCK1 and COAX_BLOCK2, to match the requests of one block-wise transfer
 * (RFC 7959 section 2). Request-Tag is part of the key. The payload is not; that of a FETCH belongs
 * to it (RFC 8132 section 2) and is for the caller to compare. An option in uint format counts by
 * its value, however many zero bytes lead it.
 *
 * Returns the length, never more than m->length, or -EMSGSIZE when `size` is too small.
 */
int coax_message_cache_key(const struct coax_message *m, const uint16_t *without, size_t count,
			   uint8_t *key, size_t size);

/* CoAP Content-Formats (RFC 7252 section 12.3 and the registry that it made). */
enum coax_content_format {
	COAX_FORMAT_TEXT_PLAIN = 0,
	COAX_FORMAT_LINK = 40,
	COAX_FORMAT_XML = 41,
	COAX_FORMAT_OCTET_STREAM = 42,
	COAX_FORMAT_EXI = 47,
	COAX_FORMAT_JSON = 50,
	COAX_FORMAT_JSON_PATCH = 51,
	COAX_FORMAT_MERGE_PATCH = 52,
	COAX_FORMAT_CBOR = 60,
	COAX_FORMAT_CBOR_SEQ = 63,
	COAX_FORMAT_SENML_JSON = 110,
	COAX_FORMAT_SENML_CBOR = 112,
	COAX_FORMAT_SENML_ETCH_JSON = 320,
	COAX_FORMAT_SENML_ETCH_CBOR = 322,
};

/**
 * coax_content_format_name - "application/json", or NULL when the number is not known here.
 */
const char *coax_content_format_name(uint16_t format);

/**
 * coax_content_format_by_name - a number by media type ("application/json", "text/plain") or
 * by decimal digits. Returns the number or -ENOENT.
 */
int coax_content_format_by_name(const char *name);

#endif
