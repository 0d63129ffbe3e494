// SPDX-License-Identifier: BSD-2-Clause
/* Options and their values. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tool.h"

#define SECONDS_MAX 86400

int tool_fail(const struct tool *tool, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "coax%s%s: ", *tool->command ? " " : "", tool->command);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return TOOL_LOCAL_ERROR;
}

/* getopt_long() leaves a long option in optopt only when it is known. */
static int bad_option(const struct tool *tool, const char *problem, char **argv)
{
	const char *last = argv[optind - 1];

	if (strncmp(last, "--", 2) == 0)
		return tool_fail(tool, "%s %s (see coax %s --help)", problem, last, tool->command);
	return tool_fail(tool, "%s -%c (see coax %s --help)", problem, optopt, tool->command);
}

bool tool_option(struct tool *tool, const struct command *command, int option, char **argv,
		 int *status)
{
	switch (option) {
	case 'h':
		fputs(command->help, stdout);
		*status = TOOL_OK;
		return false;
	case 'j':
		tool->json = true;
		return true;
	case 'v':
		tool->verbose = true;
		return true;
	case ':':
		*status = bad_option(tool, "a value is missing behind", argv);
		return false;
	default:
		*status = bad_option(tool, "unknown, ambiguous or misused option", argv);
		return false;
	}
}

int tool_parse_seconds(const struct tool *tool, const char *option, const char *text, bool zero,
		       uint32_t *ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !isfinite(seconds) || seconds > SECONDS_MAX ||
	    seconds < (zero ? 0 : 0.001))
		return tool_fail(tool, "%s \"%s\": give seconds, from %s to %d", option, text,
				 zero ? "0" : "0.001", SECONDS_MAX);
	*ms = (uint32_t)(seconds * 1000 + 0.5);
	return 0;
}

int tool_parse_count(const struct tool *tool, const char *option, const char *text, uint32_t max,
		     uint32_t *count)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < 1 || value > max)
		return tool_fail(tool, "%s \"%s\": give a number from 1 to %u", option, text, max);
	*count = (uint32_t)value;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int tool_parse_hex(const struct tool *tool, const char *option, const char *text, uint8_t *bytes,
		   size_t max, size_t *length)
{
	size_t digits;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	digits = strlen(text);
	if (digits % 2 || digits / 2 > max)
		goto bad;
	for (size_t i = 0; i < digits; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			goto bad;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*length = digits / 2;
	return 0;
bad:
	return tool_fail(tool, "%s \"%s\": give pairs of hex digits, for at most %zu bytes", option,
			 text, max);
}
