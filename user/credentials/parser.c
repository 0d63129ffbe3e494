// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading strings and members, and saying what is wrong with them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "credentials/parser.h"

#define KEY_SHOWN_MAX  80
#define FILE_SHOWN_MAX 200

static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static void begin_error(struct coax_parser *parser, size_t place)
{
	unsigned int line = coax_string_line(&parser->text, place);
	char key[KEY_SHOWN_MAX + 8] = "";

	if (parser->key)
		snprintf(key, sizeof(key), "\"%.*s\": ", KEY_SHOWN_MAX, parser->key);
	snprintf(parser->error, COAX_CREDENTIALS_ERROR_MAX, "%.*s:%u: %s", FILE_SHOWN_MAX,
		 parser->file, line, key);
}

int coax_parser_fail(struct coax_parser *parser, size_t place, const char *format, ...)
{
	size_t begun;
	va_list args;

	begin_error(parser, place);
	begun = strlen(parser->error);
	va_start(args, format);
	vsnprintf(parser->error + begun, COAX_CREDENTIALS_ERROR_MAX - begun, format, args);
	va_end(args);
	make_printable(parser->error);
	return -EINVAL;
}

int coax_parser_fail_memory(struct coax_parser *parser)
{
	snprintf(parser->error, COAX_CREDENTIALS_ERROR_MAX, "%.*s: there is no memory for it",
		 FILE_SHOWN_MAX, parser->file);
	make_printable(parser->error);
	return -ENOMEM;
}

int coax_parser_read_string(struct coax_parser *parser, const char *hidden, char **string,
			    size_t *place)
{
	int err;

	*place = coax_string_place(hidden);
	err = coax_string_read(&parser->text, *place, string);
	if (err == -EINVAL)
		return coax_parser_fail(parser, *place,
					"a text has an escape that JSON does not know, or a zero "
					"character (write keys with such bytes as \"hex\")");
	return err ? coax_parser_fail_memory(parser) : 0;
}

int coax_parser_read_member(struct coax_parser *parser, json_t *object, const char *wanted,
			    char **name, json_t **value, size_t *place)
{
	void *member = json_object_iter(object);

	if (!json_is_object(object) || json_object_size(object) != 1)
		return coax_parser_fail(parser, *place,
					"here goes an object with exactly one of %s", wanted);
	*value = json_object_iter_value(member);
	return coax_parser_read_string(parser, json_object_iter_key(member), name, place);
}
