// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes are a message or an error; a message taken apart and built again, in whatever order,
 * has the same bytes; it can be given a token of any length; its blocks and its cache key are those
 * of the message that is built from them; and the path of a request survives being written as text.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <coax/block.h>
#include <coax/message.h>
#include <coax/option.h>
#include <coax/uri.h>

static bool any(uint16_t number)
{
	(void)number;
	return true;
}

static bool is_elective(uint16_t number)
{
	return !coax_option_is_critical(number);
}

static void copy_options(struct coax_message *to, const struct coax_message *from,
			 bool (*wanted)(uint16_t number))
{
	struct coax_option_iterator it = coax_options_begin(from);
	const uint8_t *end = from->data + from->length;
	struct coax_option option;
	uint16_t previous = 0;

	while (coax_options_next(&it, &option)) {
		assert(option.number >= previous);
		assert(option.value <= end && option.length <= (size_t)(end - option.value));
		previous = option.number;
		if (wanted(option.number))
			assert(coax_message_add(to, option.number, option.value, option.length) ==
			       0);
	}
	assert(previous == from->last_option);
}

/* No spare byte in the buffer: what it takes to build a message never exceeds its result. */
static void check_rebuilt(const struct coax_message *m, bool (*first)(uint16_t number),
			  bool (*second)(uint16_t number))
{
	struct coax_message built;
	const uint8_t *payload;
	uint8_t *buffer = malloc(m->length);
	size_t length;

	assert(coax_message_start(&built, buffer, m->length, coax_message_type(m),
				  coax_message_code(m), coax_message_id(m), coax_message_token(m),
				  coax_message_token_length(m)) == 0);
	payload = coax_message_payload(m, &length);
	assert(coax_message_set_payload(&built, payload, length) == 0);
	copy_options(&built, m, first);
	if (second)
		copy_options(&built, m, second);
	assert(built.length == m->length);
	assert(built.payload == m->payload);
	assert(built.last_option == m->last_option);
	assert(memcmp(buffer, m->data, m->length) == 0);
	free(buffer);
}

/* Take out one number after the other. */
static void check_removal(const struct coax_message *m)
{
	uint8_t *buffer = malloc(m->length);
	struct coax_message left = *m, parsed;
	struct coax_option_iterator it;
	struct coax_option option;

	memcpy(buffer, m->data, m->length);
	left.data = buffer;
	left.capacity = m->length;
	for (;;) {
		it = coax_options_begin(&left);
		if (!coax_options_next(&it, &option))
			break;
		/* Not always the first. */
		for (uint32_t skip = left.length % 3; skip > 0; skip--)
			coax_options_next(&it, &option);
		assert(coax_message_remove(&left, option.number) > 0);
		assert(!coax_message_find(&left, option.number, &option));
		assert(coax_message_parse(&parsed, buffer, left.length) == 0);
		assert(parsed.payload == left.payload);
		assert(parsed.last_option == left.last_option);
	}
	assert(left.last_option == 0);
	free(buffer);
}

/* Around the lengths at which the token's length takes another byte. */
static void check_other_token(const struct coax_message *m)
{
	static const uint32_t lengths[] = {0, 8, 9, 12, 13, 14, 268, 269, 270, 1000, 65804};
	uint32_t token_length = lengths[m->length % (sizeof(lengths) / sizeof(lengths[0]))];
	uint32_t header = COAX_HEADER_SIZE +
			  (token_length < 13	? 0u
			   : token_length < 269 ? 1u
						: 2u) +
			  token_length;
	const uint8_t *rest, *rebuilt_rest;
	struct coax_message built, parsed;
	size_t length, rebuilt_length;
	uint8_t *token = malloc(token_length + 1), *buffer;

	if (coax_message_code(m) == COAX_EMPTY) {
		free(token);
		return;
	}
	memset(token, m->data[3], token_length);
	rest = coax_message_rest(m, &length);
	buffer = malloc(header + length);
	assert(coax_message_start(&built, buffer, header + length, coax_message_type(m),
				  coax_message_code(m), coax_message_id(m), token,
				  token_length) == 0);
	assert(built.length == header);
	memcpy(buffer + header, rest, length);
	assert(coax_message_parse(&parsed, buffer, header + length) == 0);
	assert(coax_message_type(&parsed) == coax_message_type(m));
	assert(coax_message_token_length(&parsed) == token_length);
	assert(memcmp(coax_message_token(&parsed), token, token_length) == 0);
	rebuilt_rest = coax_message_rest(&parsed, &rebuilt_length);
	assert(rebuilt_length == length && memcmp(rebuilt_rest, rest, length) == 0);
	assert(parsed.length - parsed.payload == m->length - m->payload);
	assert(parsed.last_option == m->last_option);
	free(buffer);
	free(token);
}

static void check_block(const struct coax_message *m, uint16_t number)
{
	struct coax_block block, again;
	struct coax_option option;
	struct coax_message built;
	uint8_t buffer[16];
	int result = coax_message_find_block(m, number, &block);

	if (result <= 0) {
		assert(result == 0 || result == -EBADMSG);
		assert(coax_message_find(m, number, &option) == (result != 0));
		return;
	}
	assert(block.exponent <= COAX_BLOCK_EXPONENT_MAX && block.number <= COAX_BLOCK_NUMBER_MAX);
	assert(coax_block_exponent(coax_block_size(&block)) == block.exponent);
	assert(coax_block_offset(&block) == (uint64_t)block.number * coax_block_size(&block));
	coax_message_start(&built, buffer, sizeof(buffer), 0, 1, 0, NULL, 0);
	assert(coax_message_add_block(&built, number, &block) == 0);
	assert(coax_message_find_block(&built, number, &again) == 1);
	assert(again.number == block.number && again.more == block.more &&
	       again.exponent == block.exponent);
}

static bool is_of_cache_key(uint16_t number)
{
	return !coax_option_is_no_cache_key(number) && number != COAX_OBSERVE &&
	       number != COAX_BLOCK2;
}

/* The key of a message with just the key's options is the same; and no byte less will do. */
static void check_cache_key(const struct coax_message *m)
{
	static const uint16_t block2 = COAX_BLOCK2;
	uint8_t *buffer = malloc(m->length), *key = malloc(m->length), *again;
	struct coax_message built;
	int length = coax_message_cache_key(m, &block2, 1, key, m->length);

	assert(length > 0);
	again = malloc((size_t)length);
	assert(coax_message_start(&built, buffer, m->length, 0, coax_message_code(m), 0, NULL, 0) ==
	       0);
	copy_options(&built, m, is_of_cache_key);
	assert(coax_message_cache_key(&built, NULL, 0, again, (size_t)length - 1) == -EMSGSIZE);
	assert(coax_message_cache_key(&built, NULL, 0, again, (size_t)length) == length);
	assert(memcmp(key, again, (size_t)length) == 0);
	free(again);
	free(key);
	free(buffer);
}

static bool is_path_or_query(uint16_t number)
{
	return number == COAX_URI_PATH || number == COAX_URI_QUERY;
}

/* A URI says all but one thing: a single empty segment is no path (RFC 7252 section 6.4 step 8). */
static bool has_single_empty_segment(const struct coax_message *m)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	int segments = 0, bytes = 0;

	while (coax_options_next(&it, &option)) {
		if (option.number == COAX_URI_PATH) {
			segments++;
			bytes += option.length > 0;
		}
	}
	return segments == 1 && bytes == 0;
}

static bool has_long_component(const struct coax_message *m)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		if (is_path_or_query(option.number) && option.length > 255)
			return true;
	}
	return false;
}

static void check_path(const struct coax_message *m)
{
	size_t size = 4 * (size_t)m->length + 8;
	char *text = malloc(size);
	uint8_t *wanted_bytes = malloc(m->length + 8), *got_bytes = malloc(m->length + 8);
	struct coax_message wanted, got;
	int length = coax_uri_compose_path(m, text, size);

	assert(length != -EMSGSIZE);
	if (length > 0 && length < 65536 && !has_single_empty_segment(m) &&
	    !has_long_component(m)) {
		coax_message_start(&wanted, wanted_bytes, m->length + 8, 0, 1, 0, NULL, 0);
		copy_options(&wanted, m, is_path_or_query);
		coax_message_start(&got, got_bytes, m->length + 8, 0, 1, 0, NULL, 0);
		assert(coax_uri_path_add_options(text, &got) == 0);
		assert(got.length == wanted.length);
		assert(memcmp(got_bytes, wanted_bytes, got.length) == 0);
	}
	free(got_bytes);
	free(wanted_bytes);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t understood[] = {COAX_URI_HOST, COAX_URI_PATH, COAX_ACCEPT};
	char text[COAX_DESCRIPTION_MAX];
	struct coax_message m;
	int result;

	result = coax_message_parse(&m, data, size);
	assert((result != 0) == (m.error != NULL));
	assert((m.flaw == COAX_FLAW_NONE) == (m.error == NULL));
	assert(strlen(coax_message_describe(&m, text, 1 + size % sizeof(text))) < sizeof(text));
	if (result)
		return 0;

	assert(m.data == data && m.length == size && m.capacity == 0);
	check_rebuilt(&m, any, NULL);
	check_rebuilt(&m, coax_option_is_critical, is_elective);
	check_rebuilt(&m, is_elective, coax_option_is_critical);
	check_removal(&m);
	check_other_token(&m);
	check_block(&m, COAX_BLOCK1);
	check_block(&m, COAX_BLOCK2);
	check_cache_key(&m);
	check_path(&m);
	coax_message_bad_option(&m, understood, 3);
	coax_uri_compose(&m, size & 1, "::1", 5683, text, sizeof(text));
	coax_uri_compose_location(&m, text, sizeof(text));
	return 0;
}
