// SPDX-License-Identifier: BSD-2-Clause
/* --option N=V */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "wish.h"

#define VALUE_MAX 1034 /* the longest that an option of RFC 7252 may be */

static int explain(const struct tool *tool, const char *text, const char *problem)
{
	return tool_fail(tool,
			 "--option \"%s\": %s (give NAME=VALUE or NUMBER=VALUE, the value as text, "
			 "as 0x and hex digits, or as a number where the option has one)",
			 text, problem);
}

/* The number or name in front of the '='. Returns the option's number, or -1. */
static int parse_number(const char *text, size_t length)
{
	char name[32], *end;
	const struct coax_option_info *info;
	unsigned long number;

	if (!length || length >= sizeof(name))
		return -1;
	memcpy(name, text, length);
	name[length] = '\0';
	info = coax_option_by_name(name);
	if (info)
		return info->number;
	if (*name < '0' || *name > '9')
		return -1;
	number = strtoul(name, &end, 10);
	return *end || number > UINT16_MAX ? -1 : (int)number;
}

static int add_uint(const struct tool *tool, const char *text, const char *value, uint16_t number,
		    struct coax_message *options)
{
	unsigned long long parsed;
	char *end;

	errno = 0;
	parsed = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || parsed > UINT32_MAX)
		return explain(tool, text, "no number from 0 to 4294967295");
	return coax_message_add_uint(options, number, (uint32_t)parsed);
}

int wish_parse_option(const struct tool *tool, const char *text, struct coax_message *options)
{
	const char *equals = strchrnul(text, '='), *value = *equals ? equals + 1 : "";
	int number = parse_number(text, (size_t)(equals - text)), result;
	const struct coax_option_info *info;
	uint8_t bytes[VALUE_MAX];
	size_t length;

	if (number < 0)
		return explain(tool, text, "no option is called so");
	info = coax_option_info((uint16_t)number);
	if (strncmp(value, "0x", 2) == 0) {
		if (tool_parse_hex(tool, "--option", value, bytes, sizeof(bytes), &length))
			return TOOL_LOCAL_ERROR;
		result = coax_message_add(options, (uint16_t)number, bytes, length);
	} else if (info && info->format == COAX_OPTION_UINT) {
		result = add_uint(tool, text, value, (uint16_t)number, options);
	} else if (info && info->format == COAX_OPTION_EMPTY && *value) {
		return explain(tool, text, "it has no value");
	} else {
		result = coax_message_add_string(options, (uint16_t)number, value);
	}
	if (result < 0)
		return tool_fail(tool, "the options given are longer than a message of %d bytes",
				 COAX_MESSAGE_MAX);
	return result;
}
