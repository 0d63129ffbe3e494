// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "accel/accel.h"
#include "codec/encoding.h"
#include "proxy/forwarding.h"
#include "proxy/stored.h"

static bool is_storable_error(uint8_t code)
{
	switch (code) {
	case COAX_REQUEST_ENTITY_INCOMPLETE:
	case COAX_REQUEST_ENTITY_TOO_LARGE:
	case COAX_HOP_LIMIT_REACHED:
		return false;
	default:
		return true;
	}
}

bool coax_response_is_storable(uint8_t method, const struct coax_message *response)
{
	uint8_t code = coax_message_code(response);
	struct coax_option option;

	/* Responses to other methods are not cacheable (section 5.8, RFC 8132). */
	if (method != COAX_GET && method != COAX_FETCH)
		return false;
	switch (COAX_CODE_CLASS(code)) {
	case 2:
		return code == COAX_CONTENT;
	case 4:
		return is_storable_error(code) && !coax_message_find(response, COAX_ECHO, &option);
	case 5:
		return is_storable_error(code) &&
		       coax_message_find(response, COAX_MAX_AGE, &option);
	default:
		return false;
	}
}

/* What each hop says anew: how much is left, in which blocks, to whom. */
static bool is_kept(uint16_t number)
{
	switch (number) {
	case COAX_OBSERVE:
	case COAX_MAX_AGE:
	case COAX_BLOCK1:
	case COAX_BLOCK2:
	case COAX_SIZE1:
	case COAX_SIZE2:
	case COAX_ECHO:
		return false;
	default:
		return true;
	}
}

static bool is_about_block(uint16_t number)
{
	return number == COAX_BLOCK2 || number == COAX_SIZE2;
}

static size_t measure(struct coax_option_iterator it)
{
	struct coax_option option;
	size_t size = 0;

	while (coax_options_next(&it, &option))
		size += OPTION_HEAD_MAX + option.length;
	return size;
}

static struct coax_stored *allocate(size_t options_max, size_t payload_length)
{
	struct coax_stored *stored = malloc(sizeof(*stored) + options_max + payload_length);

	if (!stored)
		return NULL;
	memset(stored, 0, sizeof(*stored));
	atomic_init(&stored->references, 1);
	return stored;
}

static void add_option(struct coax_stored *stored, const struct coax_option *option)
{
	uint32_t delta = (uint32_t)(option->number - stored->last_option);
	uint8_t *at = write_head(stored->bytes + stored->options_length, delta, option->length);

	if (option->length)
		memcpy(at, option->value, option->length);
	stored->options_length = (uint32_t)(at - stored->bytes) + option->length;
	stored->last_option = option->number;
	/* The first one counts: ETag is not repeatable in a response. */
	if (option->number != COAX_ETAG || stored->etag_length || option->length == 0 ||
	    option->length > COAX_STORED_ETAG_MAX)
		return;
	stored->etag_length = (uint8_t)option->length;
	memcpy(stored->etag, option->value, option->length);
}

static void set_age(struct coax_stored *stored, const struct coax_message *response,
		    uint64_t fetched)
{
	stored->fetched = fetched;
	stored->max_age = COAX_STORED_MAX_AGE;
	coax_message_find_uint(response, COAX_MAX_AGE, &stored->max_age);
}

/* The memory that was set aside for longer option heads goes back. */
static struct coax_stored *finish(struct coax_stored *stored, const uint8_t *payload, size_t length)
{
	struct coax_stored *fitted;

	stored->payload_length = (uint32_t)length;
	if (length)
		memcpy(stored->bytes + stored->options_length, payload, length);
	fitted = realloc(stored, coax_stored_size(stored));
	if (fitted)
		stored = fitted;
	return stored;
}

struct coax_stored *coax_stored_create(const struct coax_message *response, uint64_t fetched,
				       uint8_t origin)
{
	struct coax_option_iterator it = coax_options_begin(response);
	bool is_block = coax_forwarding_is_block(response);
	struct coax_option option;
	struct coax_stored *stored;
	const uint8_t *payload;
	size_t length;

	payload = coax_message_payload(response, &length);
	stored = allocate(measure(it), length);
	if (!stored)
		return NULL;
	stored->code = coax_message_code(response);
	stored->origin = origin;
	set_age(stored, response, fetched);
	while (coax_options_next(&it, &option))
		if (is_kept(option.number) || (is_block && is_about_block(option.number)))
			add_option(stored, &option);
	/* Section 5.9.2: errors cannot be validated. */
	if (stored->code != COAX_CONTENT)
		stored->etag_length = 0;
	return finish(stored, payload, length);
}

static struct coax_option_iterator options_of(const struct coax_stored *stored)
{
	return (struct coax_option_iterator){
		.at = stored->bytes,
		.end = stored->bytes + stored->options_length,
	};
}

/* Options of `valid` that are to take the place of stored ones. */
static bool next_replacement(struct coax_option_iterator *it, struct coax_option *option)
{
	while (coax_options_next(it, option))
		if (is_kept(option->number) && !coax_option_is_unsafe(option->number))
			return true;
	return false;
}

/* Options of the former that `valid` says nothing of. */
static bool next_remaining(struct coax_option_iterator *it, const struct coax_message *valid,
			   struct coax_option *option)
{
	struct coax_option replacement;

	while (coax_options_next(it, option))
		if (coax_option_is_unsafe(option->number) ||
		    !coax_message_find(valid, option->number, &replacement))
			return true;
	return false;
}

struct coax_stored *coax_stored_validated(const struct coax_stored *former,
					  const struct coax_message *valid, uint64_t fetched)
{
	struct coax_option_iterator old_it = options_of(former), new_it = coax_options_begin(valid);
	struct coax_option old_option, new_option;
	bool has_old, has_new;
	struct coax_stored *stored =
		allocate(measure(old_it) + measure(new_it), former->payload_length);

	if (!stored)
		return NULL;
	stored->code = former->code;
	stored->origin = former->origin;
	set_age(stored, valid, fetched);
	has_old = next_remaining(&old_it, valid, &old_option);
	has_new = next_replacement(&new_it, &new_option);
	while (has_old || has_new) {
		if (has_old && (!has_new || old_option.number < new_option.number)) {
			add_option(stored, &old_option);
			has_old = next_remaining(&old_it, valid, &old_option);
		} else {
			add_option(stored, &new_option);
			has_new = next_replacement(&new_it, &new_option);
		}
	}
	return finish(stored, coax_stored_payload(former), former->payload_length);
}

bool coax_stored_is_named(const struct coax_stored *stored, const struct coax_message *valid)
{
	struct coax_option etag;

	return stored->etag_length && coax_message_find(valid, COAX_ETAG, &etag) &&
	       etag.length == stored->etag_length &&
	       memcmp(etag.value, stored->etag, etag.length) == 0;
}

bool coax_stored_is_same(const struct coax_stored *a, const struct coax_stored *b)
{
	return a->code == b->code && a->options_length == b->options_length &&
	       a->payload_length == b->payload_length &&
	       memcmp(a->bytes, b->bytes, a->options_length + a->payload_length) == 0;
}

uint64_t coax_stored_fresh_until(const struct coax_stored *stored)
{
	return coax_fresh_until(stored->fetched, stored->max_age);
}

bool coax_stored_get(struct coax_stored *stored)
{
	unsigned int references = atomic_load(&stored->references);

	while (references)
		if (atomic_compare_exchange_weak(&stored->references, &references, references + 1))
			return true;
	return false;
}

static void free_stored(struct rcu_head *head)
{
	struct coax_stored *stored = caa_container_of(head, struct coax_stored, rcu);

	coax_taken_over(stored);
	coax_readers_are_gone();
	free(stored);
}

void coax_stored_put(struct coax_stored *stored)
{
	if (!stored || atomic_fetch_sub(&stored->references, 1) != 1)
		return;
	coax_handing_over(stored);
	call_rcu(&stored->rcu, free_stored);
}
