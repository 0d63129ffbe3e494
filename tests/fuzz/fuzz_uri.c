// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any text is a URI, a path, an address, or an error; options made from a URI compose a URI that
 * gives the same options.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <coax/address.h>
#include <coax/message.h>
#include <coax/option.h>
#include <coax/uri.h>

static uint8_t first_bytes[70000], second_bytes[70000];
static char composed[200000];

static void start(struct coax_message *m, uint8_t *buffer, size_t size)
{
	assert(coax_message_start(m, buffer, size, COAX_TYPE_CON, COAX_GET, 1, NULL, 0) == 0);
}

static void check_same(const struct coax_message *a, const struct coax_message *b)
{
	assert(a->length == b->length);
	assert(memcmp(a->data, b->data, a->length) == 0);
}

/* RFC 7252 section 5.10.1, table 4. */
static void check_options(const struct coax_message *m)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		const struct coax_option_info *info = coax_option_info(option.number);

		assert(option.length >= info->min && option.length <= info->max);
		if (option.number != COAX_URI_PATH)
			continue;
		assert(!(option.length == 1 && option.value[0] == '.'));
		assert(!(option.length == 2 && memcmp(option.value, "..", 2) == 0));
	}
}

static void check_uri(const char *text)
{
	struct coax_message first, second, small;
	struct coax_uri uri, again;
	uint8_t few[32];
	const char *error;
	int result;

	result = coax_uri_parse(&uri, text, &error);
	assert((result != 0) == (error != NULL));
	if (result)
		return;
	assert(uri.host[0] && uri.port);
	start(&small, few, sizeof(few));
	result = coax_uri_add_options(&uri, &small, 7);
	assert(result == 0 || result == -EMSGSIZE);
	start(&first, first_bytes, sizeof(first_bytes));
	result = coax_uri_add_options(&uri, &first, 7);
	if (result) {
		assert(result == -EMSGSIZE);
		return;
	}
	check_options(&first);
	/* A name may decode to what a URI cannot say in any other way: "a%2fb". */
	if (coax_uri_compose(&first, uri.secure, uri.host, 7, composed, sizeof(composed)) < 0)
		return;
	assert(coax_uri_parse(&again, composed, &error) == 0);
	assert(again.secure == uri.secure && again.literal == uri.literal);
	assert(again.port == uri.port && strcmp(again.host, uri.host) == 0);
	start(&second, second_bytes, sizeof(second_bytes));
	assert(coax_uri_add_options(&again, &second, 7) == 0);
	check_same(&first, &second);
}

static void check_path(const char *text)
{
	struct coax_message first, second;

	start(&first, first_bytes, sizeof(first_bytes));
	if (coax_uri_path_add_options(text, &first) != 0)
		return;
	check_options(&first);
	assert(coax_uri_compose_path(&first, composed, sizeof(composed)) > 0);
	start(&second, second_bytes, sizeof(second_bytes));
	assert(coax_uri_path_add_options(composed, &second) == 0);
	check_same(&first, &second);
}

static void check_address(const char *text)
{
	union coax_address address, again;
	char formatted[COAX_ADDRESS_TEXT_MAX];

	if (coax_address_parse(&address, text, 5683) != 0)
		return;
	coax_address_format(&address, formatted);
	assert(coax_address_parse(&again, formatted, 1) == 0);
	assert(coax_address_equal(&address, &again));
	coax_address_is_multicast(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	check_uri(text);
	check_path(text);
	check_address(text);
	coax_option_by_name(text);
	coax_content_format_by_name(text);
	free(text);
	return 0;
}
