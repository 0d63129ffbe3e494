// SPDX-License-Identifier: BSD-2-Clause
/*
 * JSON indented. jansson says whether it is JSON (RFC 8259); then only white space is changed, so
 * that numbers, escapes and repeated names are shown as they were sent.
 */
#include <jansson.h>
#include <string.h>
#include "output.h"
#include "show.h"

#define INDENT 2

static bool is_json(const void *data, size_t length)
{
	json_t *json = json_loadb(data, length,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);

	json_decref(json);
	return json != NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Length of the string that begins here, quotes included. */
static size_t string_length(const char *text, size_t length)
{
	size_t at = 1;

	while (at < length && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < length ? at + 1 : length;
}

static void new_line(FILE *to, int depth)
{
	fprintf(to, "\n%*s", depth * INDENT, "");
}

static size_t skip_spaces(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && is_space(text[at]))
		at++;
	return at;
}

/* One token of well-formed JSON. Returns its length. */
static size_t put_token(FILE *to, const char *text, size_t length, int *depth)
{
	size_t taken = 1;

	switch (*text) {
	case '"':
		taken = string_length(text, length);
		output_safe(to, text, taken);
		break;
	case '{':
	case '[':
		fputc(*text, to);
		taken += skip_spaces(text + 1, length - 1);
		if (taken < length && (text[taken] == '}' || text[taken] == ']'))
			fputc(text[taken++], to);
		else
			new_line(to, ++*depth);
		break;
	case '}':
	case ']':
		new_line(to, --*depth);
		fputc(*text, to);
		break;
	case ',':
		fputc(',', to);
		new_line(to, *depth);
		break;
	case ':':
		fputs(": ", to);
		break;
	default:
		fputc(*text, to);
		break;
	}
	return taken;
}

bool show_json(FILE *to, const void *data, size_t length)
{
	const char *text = data;
	int depth = 0;

	if (!is_json(data, length))
		return false;
	for (size_t at = skip_spaces(text, length); at < length;
	     at += skip_spaces(text + at, length - at))
		at += put_token(to, text + at, length - at, &depth);
	return true;
}
