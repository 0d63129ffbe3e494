// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes are a message or an error; a message taken apart and built again, in whatever order,
 * has the same bytes; and the path of a request survives being written as text.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	assert(strlen(coax_message_describe(&m, text, 1 + size % sizeof(text))) < sizeof(text));
	if (result)
		return 0;

	assert(m.data == data && m.length == size && m.capacity == 0);
	check_rebuilt(&m, any, NULL);
	check_rebuilt(&m, coax_option_is_critical, is_elective);
	check_rebuilt(&m, is_elective, coax_option_is_critical);
	check_removal(&m);
	check_path(&m);
	coax_message_bad_option(&m, understood, 3);
	coax_uri_compose(&m, size & 1, "::1", 5683, text, sizeof(text));
	coax_uri_compose_location(&m, text, sizeof(text));
	return 0;
}
