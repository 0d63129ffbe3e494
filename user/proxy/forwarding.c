// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "proxy/forwarding.h"

/* RFC 8613: what it protects is one client's. */
#define OSCORE 9

/* Critical ones, that this hop has to understand. */
static const uint16_t known[] = {
	COAX_IF_MATCH, COAX_URI_HOST,  COAX_IF_NONE_MATCH, COAX_URI_PORT,
	COAX_URI_PATH, COAX_URI_QUERY, COAX_ACCEPT,	   COAX_BLOCK2,
	COAX_BLOCK1,   COAX_PROXY_URI, COAX_PROXY_SCHEME,
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static void refuse(struct coax_forwarding *forwarding, uint8_t code, const char *diagnostic)
{
	forwarding->refusal = code;
	snprintf(forwarding->diagnostic, sizeof(forwarding->diagnostic), "%s", diagnostic);
}

static void refuse_option(struct coax_forwarding *forwarding, uint16_t number)
{
	const struct coax_option_info *info = coax_option_info(number);

	forwarding->refusal = COAX_BAD_OPTION;
	if (info)
		snprintf(forwarding->diagnostic, sizeof(forwarding->diagnostic),
			 "option %s cannot be forwarded", info->name);
	else
		snprintf(forwarding->diagnostic, sizeof(forwarding->diagnostic),
			 "option %u cannot be forwarded", number);
}

static bool is_dot_segment(const struct coax_option *option)
{
	return (option->length == 1 && option->value[0] == '.') ||
	       (option->length == 2 && memcmp(option->value, "..", 2) == 0);
}

static bool is_foreign(uint16_t number)
{
	return !coax_option_info(number);
}

/* What one option means for the request as a whole. */
static void read_option(struct coax_forwarding *forwarding, const struct coax_option *option)
{
	switch (option->number) {
	case COAX_PROXY_URI:
	case COAX_PROXY_SCHEME:
		forwarding->proxied = true;
		break;
	case COAX_IF_MATCH:
	case COAX_IF_NONE_MATCH:
	case OSCORE:
		forwarding->shared = false;
		break;
	case COAX_URI_PATH:
		if (is_dot_segment(option))
			refuse(forwarding, COAX_BAD_REQUEST, "a path with dot segments");
		break;
	default:
		if (!is_foreign(option->number))
			break;
		if (coax_option_is_unsafe(option->number))
			refuse_option(forwarding, option->number);
		/* Its meaning would not show in the key. */
		if (coax_option_is_no_cache_key(option->number))
			forwarding->shared = false;
		break;
	}
}

static bool is_shareable(const struct coax_message *request)
{
	uint8_t method = coax_message_code(request);

	return method == COAX_FETCH || (method == COAX_GET && request->payload == request->length);
}

/* RFC 8768 section 3. */
static void take_hop(struct coax_forwarding *forwarding, const struct coax_message *request,
		     uint8_t otherwise)
{
	uint32_t hops;

	if (!coax_message_find_uint(request, COAX_HOP_LIMIT, &hops)) {
		forwarding->hop_limit = otherwise;
		forwarding->hops = COAX_HOPS_UNLIMITED;
		return;
	}
	forwarding->hops = (uint16_t)hops;
	forwarding->hop_limit = (uint8_t)(hops - 1);
	if (hops <= 1 && !forwarding->refusal)
		forwarding->refusal = COAX_HOP_LIMIT_REACHED;
}

void coax_forwarding_read(struct coax_forwarding *forwarding, const struct coax_message *request,
			  uint8_t hop_limit)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	uint16_t bad;

	*forwarding = (struct coax_forwarding){.shared = is_shareable(request)};
	while (!forwarding->refusal && coax_options_next(&it, &option))
		read_option(forwarding, &option);
	bad = forwarding->refusal ? 0 : coax_message_bad_option_proxying(request, known, KNOWN);
	if (bad)
		refuse_option(forwarding, bad);
	take_hop(forwarding, request, hop_limit);
}

/* This hop's, or said anew for the next one. */
static bool stays_behind(const struct coax_forwarding *forwarding, uint16_t number)
{
	switch (number) {
	case COAX_URI_HOST:
	case COAX_URI_PORT:
	case COAX_PROXY_URI:
	case COAX_PROXY_SCHEME:
	case COAX_OBSERVE:
	case COAX_MAX_AGE:
	case COAX_HOP_LIMIT:
	case COAX_BLOCK1:
	case COAX_BLOCK2:
	case COAX_SIZE1:
	case COAX_SIZE2:
	case COAX_REQUEST_TAG:
	/* RFC 9175 section 2.3: who asks the next hop answers its challenges. */
	case COAX_ECHO:
	case COAX_NO_RESPONSE:
		return true;
	case COAX_ETAG:
		return forwarding->shared;
	default:
		return false;
	}
}

int coax_forwarding_translate(const struct coax_forwarding *forwarding, struct coax_message *to,
			      const struct coax_message *request, unsigned int skipped)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	int err = 0;

	while (!err && coax_options_next(&it, &option)) {
		if (stays_behind(forwarding, option.number))
			continue;
		if (option.number == COAX_URI_PATH && skipped) {
			skipped--;
			continue;
		}
		err = coax_message_add(to, option.number, option.value, option.length);
	}
	if (!err)
		err = coax_message_add_uint(to, COAX_HOP_LIMIT, forwarding->hop_limit);
	if (!err && forwarding->blockwise && forwarding->has_block)
		err = coax_message_add_block(to, COAX_BLOCK2, &forwarding->block);
	return err;
}

bool coax_forwarding_is_block(const struct coax_message *response)
{
	struct coax_block block;

	return coax_message_code(response) == COAX_CONTENT &&
	       coax_message_find_block(response, COAX_BLOCK2, &block) > 0;
}

bool coax_forwarding_may_return(const struct coax_message *response)
{
	struct coax_option_iterator it = coax_options_begin(response);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		if (is_foreign(option.number) && coax_option_is_unsafe(option.number))
			return false;
		if (option.number == COAX_LOCATION_PATH && is_dot_segment(&option))
			return false;
	}
	return true;
}

static bool next_of(struct coax_option_iterator *it, uint16_t number, struct coax_option *option)
{
	while (coax_options_next(it, option))
		if (option->number == number)
			return true;
	return false;
}

/* How many segments of the location are to go, and whether it lies where it can be found here. */
static bool is_within(const struct coax_message *response, const struct coax_message *base,
		      unsigned int *depth)
{
	struct coax_option_iterator location = coax_options_begin(response);
	struct coax_option_iterator path = coax_options_begin(base);
	struct coax_option a, b;

	*depth = 0;
	while (next_of(&path, COAX_URI_PATH, &a)) {
		if (!next_of(&location, COAX_LOCATION_PATH, &b) || a.length != b.length ||
		    memcmp(a.value, b.value, a.length) != 0)
			return false;
		++*depth;
	}
	return true;
}

/* Returns whether the location was moved; then its path is in `to` already. */
static int relocate(struct coax_message *to, const struct coax_message *response,
		    const struct coax_relocation *relocation)
{
	struct coax_option_iterator it = coax_options_begin(response);
	struct coax_option option;
	unsigned int depth;
	int err = 0;

	if (!relocation || !coax_message_find(response, COAX_LOCATION_PATH, &option) ||
	    !is_within(response, relocation->from, &depth))
		return 0;
	while (depth-- > 0)
		(void)next_of(&it, COAX_LOCATION_PATH, &option);
	for (struct coax_option_iterator path = coax_options_begin(relocation->to);
	     !err && next_of(&path, COAX_URI_PATH, &option);)
		err = coax_message_add(to, COAX_LOCATION_PATH, option.value, option.length);
	while (!err && next_of(&it, COAX_LOCATION_PATH, &option))
		err = coax_message_add(to, COAX_LOCATION_PATH, option.value, option.length);
	return err ? err : 1;
}

/* Who asks for one block is given it with what the origin says of it. */
static bool returns(const struct coax_message *response, uint16_t number)
{
	switch (number) {
	case COAX_BLOCK2:
	case COAX_SIZE2:
		return coax_forwarding_is_block(response);
	case COAX_OBSERVE:
	case COAX_BLOCK1:
	case COAX_ECHO:
		return false;
	default:
		return true;
	}
}

int coax_forwarding_return(struct coax_message *to, const struct coax_message *response,
			   const struct coax_relocation *relocation)
{
	struct coax_option_iterator it = coax_options_begin(response);
	int moved = relocate(to, response, relocation), err = 0;
	struct coax_option option;

	if (moved < 0)
		return moved;
	while (!err && coax_options_next(&it, &option))
		if (returns(response, option.number) &&
		    !(moved && option.number == COAX_LOCATION_PATH))
			err = coax_message_add(to, option.number, option.value, option.length);
	return err;
}

int coax_forwarding_path(const struct coax_message *m, uint16_t number, uint64_t space,
			 uint8_t *path, size_t size)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	size_t at = sizeof(space);
	uint16_t length;

	if (size < sizeof(space))
		return -EMSGSIZE;
	memcpy(path, &space, sizeof(space));
	while (next_of(&it, number, &option)) {
		if (option.length > UINT16_MAX || size - at < sizeof(length) + option.length)
			return -EMSGSIZE;
		length = (uint16_t)option.length;
		memcpy(path + at, &length, sizeof(length));
		at += sizeof(length);
		if (length)
			memcpy(path + at, option.value, length);
		at += length;
	}
	return (int)at;
}

/*
 * Section 5.9.1 names the successes. A server's error, or none that is known, may have come after
 * the change; 4.xx says that the request was not executed.
 */
bool coax_forwarding_changes(uint8_t method, uint8_t code)
{
	return method != COAX_GET && method != COAX_FETCH && COAX_CODE_CLASS(code) != 4;
}
