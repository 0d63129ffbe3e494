// SPDX-License-Identifier: BSD-2-Clause
/* Options and their values. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "output.h"
#include "tool.h"

#define SECONDS_MAX 86400

int tool_fail(const struct tool *tool, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	fflush(stdout);
	fprintf(stderr, "coax%s%s: ", *tool->command ? " " : "", tool->command);
	if (length >= 0) {
		output_safe(stderr, text, (size_t)length);
		free(text);
	}
	fputc('\n', stderr);
	return TOOL_LOCAL_ERROR;
}

/*
 * optopt is 0 for a long option that is not known, and what stands for it when it is known and
 * misused: one of TOOL_SHORT, or no letter. A letter that is not known need not be behind us in
 * argv: others may follow in the same argument.
 */
const char *tool_bad_option(char **argv, char letter[3])
{
	if (optopt <= 0 || optopt > UCHAR_MAX || strchr(TOOL_SHORT, optopt))
		return argv[optind - 1];
	snprintf(letter, 3, "-%c", optopt);
	return letter;
}

/* An option without its value is the last of its argument. */
static int missing_value(const struct tool *tool, char **argv)
{
	const char *problem = "a value is missing behind", *last = argv[optind - 1];

	if (strncmp(last, "--", 2) == 0)
		return tool_fail(tool, "%s %s (see coax %s --help)", problem, last, tool->command);
	return tool_fail(tool, "%s -%c (see coax %s --help)", problem, optopt, tool->command);
}

bool tool_option(struct tool *tool, const struct command *command, int option, char **argv,
		 int *status)
{
	char letter[3];

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
		*status = missing_value(tool, argv);
		return false;
	default:
		*status = tool_fail(tool,
				    "unknown, ambiguous or misused option %s (see coax %s --help)",
				    tool_bad_option(argv, letter), tool->command);
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
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
	size_t count = strlen(digits);

	if (count % 2 || count / 2 > max)
		goto bad;
	for (size_t i = 0; i < count; i += 2) {
		int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);

		if (high < 0 || low < 0)
			goto bad;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*length = count / 2;
	return 0;
bad:
	return tool_fail(tool, "%s \"%s\": give pairs of hex digits, for at most %zu bytes", option,
			 text, max);
}
