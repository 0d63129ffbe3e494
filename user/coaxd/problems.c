// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/problems.h"
#include <stdarg.h>
#include <stdio.h>

void coaxd_problem(struct coaxd_problems *problems, const char *format, ...)
{
	char text[sizeof(problems->first)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	coax_log(problems->logger, COAX_LOG_ERROR, "%s", text);
	if (!problems->count++)
		snprintf(problems->first, sizeof(problems->first), "%s", text);
}
