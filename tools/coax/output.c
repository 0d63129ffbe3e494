// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <coax/option.h>
#include "output.h"
#include "tool.h"

#define PRECISION JSON_REAL_PRECISION(6)

static int print(const struct tool *tool, json_t *json, size_t flags)
{
	int result = json ? json_dumpf(json, stdout, flags | PRECISION | JSON_ENCODE_ANY) : -1;

	json_decref(json);
	if (result)
		return tool_fail(tool, "cannot write JSON");
	putchar('\n');
	return TOOL_OK;
}

int output_json(const struct tool *tool, json_t *json, int status)
{
	return print(tool, json, JSON_INDENT(2)) ? TOOL_LOCAL_ERROR : status;
}

int output_json_line(const struct tool *tool, json_t *json)
{
	return print(tool, json, JSON_COMPACT);
}

json_t *output_json_text(const void *bytes, size_t length)
{
	return json_stringn(length ? bytes : "", length);
}

json_t *output_json_hex(const void *bytes, size_t length)
{
	size_t size = length * 2 + 1;
	char *text = malloc(size);
	json_t *json;

	if (!text)
		return NULL;
	json = json_string(output_hex(bytes, length, text, size));
	free(text);
	return json;
}

static json_t *option_value(const struct coax_option_info *info, const struct coax_option *option)
{
	json_t *text;

	if (!info)
		return output_json_hex(option->value, option->length);
	switch (info->format) {
	case COAX_OPTION_EMPTY:
		return option->length ? output_json_hex(option->value, option->length)
				      : json_null();
	case COAX_OPTION_UINT:
		return option->length <= 4 ? json_integer(coax_option_uint(option))
					   : output_json_hex(option->value, option->length);
	case COAX_OPTION_STRING:
		text = output_json_text(option->value, option->length);
		return text ? text : output_json_hex(option->value, option->length);
	case COAX_OPTION_OPAQUE:
		break;
	}
	return output_json_hex(option->value, option->length);
}

json_t *output_json_options(const struct coax_message *message)
{
	struct coax_option_iterator it = coax_options_begin(message);
	struct coax_option option;
	json_t *array = json_array();

	while (coax_options_next(&it, &option)) {
		const struct coax_option_info *info = coax_option_info(option.number);
		json_t *object = json_object();

		json_object_set_new(object, "number", json_integer(option.number));
		if (info)
			json_object_set_new(object, "name", json_string(info->name));
		json_object_set_new(object, "value", option_value(info, &option));
		json_array_append_new(array, object);
	}
	return array;
}

char *output_duration(uint64_t ns, char text[OUTPUT_DURATION_MAX])
{
	uint64_t ms = ns / 1000000, s = ms / 1000, m = s / 60, h = m / 60;

	if (ms < 1000)
		snprintf(text, OUTPUT_DURATION_MAX, "%" PRIu64 "ms", ms);
	else if (s < 60)
		snprintf(text, OUTPUT_DURATION_MAX, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
	else if (m < 60)
		snprintf(text, OUTPUT_DURATION_MAX, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
	else if (h < 48)
		snprintf(text, OUTPUT_DURATION_MAX, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
	else
		snprintf(text, OUTPUT_DURATION_MAX, "%" PRIu64 "d%02" PRIu64 "h", h / 24, h % 24);
	return text;
}
