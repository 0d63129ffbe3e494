/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the daemon's log lines go.
 */
#ifndef COAXD_LOG_H
#define COAXD_LOG_H

#include <stdbool.h>
#include <coax/log.h>

enum coaxd_log_format {
	COAXD_LOG_AUTO, /* for the journal if stderr leads there */
	COAXD_LOG_PLAIN,
	COAXD_LOG_JOURNAL, /* the priority before the line (sd-daemon(3)) */
};

struct coaxd_log_options {
	enum coax_log_level level;
	enum coaxd_log_format format;
};

/* A logger whose level coaxd_log_set_level() sets, whoever has a copy; WARNING until then. */
struct coax_logger coaxd_log_make(const struct coaxd_log_options *options);

void coaxd_log_set_level(enum coax_log_level level);

#endif
