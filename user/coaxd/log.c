// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/log.h"
#include <stdio.h>
#include <syslog.h>

static enum coax_log_level current_level = COAX_LOG_WARNING;

/* Only priorities and text: when, who and which process journald knows. */
static void write_for_journal(void *arg, enum coax_log_level level, const char *name,
			      const char *line)
{
	static const int priorities[] = {
		[COAX_LOG_DEBUG] = LOG_DEBUG,
		[COAX_LOG_INFO] = LOG_INFO,
		[COAX_LOG_WARNING] = LOG_WARNING,
		[COAX_LOG_ERROR] = LOG_ERR,
	};

	(void)arg;
	(void)name;
	fprintf(stderr, "<%d>%s\n", priorities[level], line);
}

struct coax_logger coaxd_log_make(const struct coaxd_log_options *options)
{
	return (struct coax_logger){
		.write = options->journal ? write_for_journal : NULL,
		.name = "coaxd",
		.level = &current_level,
	};
}

void coaxd_log_set_level(enum coax_log_level level)
{
	__atomic_store_n(&current_level, level, __ATOMIC_RELAXED);
}
