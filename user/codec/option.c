// SPDX-License-Identifier: BSD-2-Clause
/* The options that are known: RFC 7252 table 4, RFC 7641, 7959, 7967, 8768 and 9175. */
#include <coax/option.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <coax/message.h>

#include "codec/encoding.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OPTION(number, name, format, min, max)                      \
	{                                                           \
		number, name, COAX_OPTION_##format, min, max, false \
	}
#define REPEATABLE(number, name, format, min, max)                 \
	{                                                          \
		number, name, COAX_OPTION_##format, min, max, true \
	}

/* By number, so that what a request usually carries is found without a search. */
static const struct coax_option_info low[] = {
	[COAX_IF_MATCH] = REPEATABLE(COAX_IF_MATCH, "If-Match", OPAQUE, 0, 8),
	[COAX_URI_HOST] = OPTION(COAX_URI_HOST, "Uri-Host", STRING, 1, 255),
	[COAX_ETAG] = REPEATABLE(COAX_ETAG, "ETag", OPAQUE, 1, 8),
	[COAX_IF_NONE_MATCH] = OPTION(COAX_IF_NONE_MATCH, "If-None-Match", EMPTY, 0, 0),
	[COAX_OBSERVE] = OPTION(COAX_OBSERVE, "Observe", UINT, 0, 3),
	[COAX_URI_PORT] = OPTION(COAX_URI_PORT, "Uri-Port", UINT, 0, 2),
	[COAX_LOCATION_PATH] = REPEATABLE(COAX_LOCATION_PATH, "Location-Path", STRING, 0, 255),
	[COAX_URI_PATH] = REPEATABLE(COAX_URI_PATH, "Uri-Path", STRING, 0, 255),
	[COAX_CONTENT_FORMAT] = OPTION(COAX_CONTENT_FORMAT, "Content-Format", UINT, 0, 2),
	[COAX_MAX_AGE] = OPTION(COAX_MAX_AGE, "Max-Age", UINT, 0, 4),
	[COAX_URI_QUERY] = REPEATABLE(COAX_URI_QUERY, "Uri-Query", STRING, 0, 255),
	[COAX_HOP_LIMIT] = OPTION(COAX_HOP_LIMIT, "Hop-Limit", UINT, 1, 1),
	[COAX_ACCEPT] = OPTION(COAX_ACCEPT, "Accept", UINT, 0, 2),
	[COAX_LOCATION_QUERY] = REPEATABLE(COAX_LOCATION_QUERY, "Location-Query", STRING, 0, 255),
	[COAX_BLOCK2] = OPTION(COAX_BLOCK2, "Block2", UINT, 0, 3),
	[COAX_BLOCK1] = OPTION(COAX_BLOCK1, "Block1", UINT, 0, 3),
	[COAX_SIZE2] = OPTION(COAX_SIZE2, "Size2", UINT, 0, 4),
	[COAX_PROXY_URI] = OPTION(COAX_PROXY_URI, "Proxy-Uri", STRING, 1, 1034),
	[COAX_PROXY_SCHEME] = OPTION(COAX_PROXY_SCHEME, "Proxy-Scheme", STRING, 1, 255),
	[COAX_SIZE1] = OPTION(COAX_SIZE1, "Size1", UINT, 0, 4),
};

static const struct coax_option_info high[] = {
	OPTION(COAX_ECHO, "Echo", OPAQUE, 1, 40),
	OPTION(COAX_NO_RESPONSE, "No-Response", UINT, 0, 1),
	REPEATABLE(COAX_REQUEST_TAG, "Request-Tag", OPAQUE, 0, 8),
};

const struct coax_option_info *coax_option_info(uint16_t number)
{
	if (number < COUNT(low))
		return low[number].name ? &low[number] : NULL;
	for (size_t i = 0; i < COUNT(high); i++) {
		if (high[i].number == number)
			return &high[i];
	}
	return NULL;
}

const struct coax_option_info *coax_option_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(low); i++) {
		if (low[i].name && strcasecmp(low[i].name, name) == 0)
			return &low[i];
	}
	for (size_t i = 0; i < COUNT(high); i++) {
		if (strcasecmp(high[i].name, name) == 0)
			return &high[i];
	}
	return NULL;
}

static bool is_among(uint16_t number, const uint16_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] == number)
			return true;
	}
	return false;
}

static bool is_acceptable(const struct coax_option *option, bool repeated)
{
	const struct coax_option_info *info = coax_option_info(option->number);

	if (!info)
		return true;
	return option->length >= info->min && option->length <= info->max &&
	       (!repeated || info->repeatable);
}

/* Somebody else understands it, or does not (RFC 7252 section 5.7.1). */
static bool is_passed_on(uint16_t number)
{
	return !coax_option_is_unsafe(number) && !coax_option_info(number);
}

static uint16_t find_bad_option(const struct coax_message *m, const uint16_t *understood,
				size_t count, bool proxying)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	uint16_t previous = 0;

	while (coax_options_next(&it, &option)) {
		bool repeated = option.number == previous;

		previous = option.number;
		if (!coax_option_is_critical(option.number) ||
		    (proxying && is_passed_on(option.number)))
			continue;
		if (!repeated && !is_among(option.number, understood, count))
			return option.number;
		if (!is_acceptable(&option, repeated))
			return option.number;
	}
	return 0;
}

uint16_t coax_message_bad_option(const struct coax_message *m, const uint16_t *understood,
				 size_t count)
{
	return find_bad_option(m, understood, count, false);
}

uint16_t coax_message_bad_option_proxying(const struct coax_message *m, const uint16_t *understood,
					  size_t count)
{
	return find_bad_option(m, understood, count, true);
}

/* Leading zero bytes say nothing (RFC 7252 section 3.2), but those that make a length a wrong one.
 */
static void strip_zeros(struct coax_option *option)
{
	const struct coax_option_info *info = coax_option_info(option->number);

	if (!info || info->format != COAX_OPTION_UINT || option->length > info->max)
		return;
	while (option->length > info->min && *option->value == 0) {
		option->value++;
		option->length--;
	}
}

int coax_message_cache_key(const struct coax_message *m, const uint16_t *without, size_t count,
			   uint8_t *key, size_t size)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	uint16_t previous = 0;
	uint8_t *at = key, *end = key + size;

	if (size == 0)
		return -EMSGSIZE;
	*at++ = coax_message_code(m);
	while (coax_options_next(&it, &option)) {
		uint32_t delta = (uint32_t)(option.number - previous);

		if (coax_option_is_no_cache_key(option.number) || option.number == COAX_OBSERVE ||
		    is_among(option.number, without, count))
			continue;
		strip_zeros(&option);
		if ((size_t)(end - at) < head_size(delta, option.length) + (size_t)option.length)
			return -EMSGSIZE;
		at = write_head(at, delta, option.length);
		if (option.length)
			memcpy(at, option.value, option.length);
		at += option.length;
		previous = option.number;
	}
	return (int)(at - key);
}
