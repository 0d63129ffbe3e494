// SPDX-License-Identifier: BSD-2-Clause
/* Text as it is, but for what a terminal would obey. */
#include <string.h>
#include "output.h"
#include "show.h"

static bool is_text(const char *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		uint32_t code;
		size_t taken = output_character(text + at, length - at, &code);

		if (!taken || !code)
			return false;
		at += taken;
	}
	return true;
}

static size_t line_length(const char *text, size_t length)
{
	const char *end = memchr(text, '\n', length);

	return end ? (size_t)(end - text) : length;
}

/* Tabs are harmless, and so is what some put before a newline. */
static void put_line(FILE *to, const char *line, size_t length, bool ended)
{
	const char *tab;

	if (ended && length && line[length - 1] == '\r')
		length--;
	while ((tab = memchr(line, '\t', length))) {
		size_t before = (size_t)(tab - line);

		output_safe(to, line, before);
		fputc('\t', to);
		line += before + 1;
		length -= before + 1;
	}
	output_safe(to, line, length);
	if (ended)
		fputc('\n', to);
}

bool show_text(FILE *to, const void *data, size_t length)
{
	const char *text = data;

	if (!is_text(text, length))
		return false;
	while (length) {
		size_t line = line_length(text, length);
		bool ended = line < length;

		put_line(to, text, line, ended);
		text += line + ended;
		length -= line + ended;
	}
	return true;
}
