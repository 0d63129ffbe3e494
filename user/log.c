// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <coax/log.h>

#define LINE_MAX_BYTES 1024

const char *coax_log_level_name(enum coax_log_level level)
{
	static const char *const names[] = {
		[COAX_LOG_DEBUG] = "DEBUG",
		[COAX_LOG_INFO] = "INFO",
		[COAX_LOG_WARNING] = "WARNING",
		[COAX_LOG_ERROR] = "ERROR",
	};

	return (unsigned int)level < sizeof(names) / sizeof(names[0]) ? names[level] : "?";
}

void coax_log(const struct coax_logger *logger, enum coax_log_level level, const char *format, ...)
{
	const char *name;
	char line[LINE_MAX_BYTES];
	va_list args;

	if (!coax_log_wants(logger, level))
		return;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	name = logger->name ? logger->name : "coap";
	if (logger->write)
		logger->write(logger->arg, level, name, line);
	else
		fprintf(stderr, "%s: %s: %s\n", name, coax_log_level_name(level), line);
}
