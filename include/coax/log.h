/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines leave the library through a callback; nothing in it prints.
 */
#ifndef COAX_LOG_H
#define COAX_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum coax_log_level {
	COAX_LOG_DEBUG = 1, /* happens even under perfect conditions */
	COAX_LOG_INFO,	  /* expected; of interest when testing a network: retransmissions, pings */
	COAX_LOG_WARNING, /* a peer misbehaves, or something here works less well than it could */
	COAX_LOG_ERROR,	  /* something clearly went wrong here */
};

/**
 * coax_log_fn - takes one log line, without a newline.
 *
 * Called from any thread, more than one at once. `line` is valid during the call. Must not call
 * back into the Context.
 */
typedef void (*coax_log_fn)(void *arg, enum coax_log_level level, const char *name,
			    const char *line);

/* Where a Context's lines go. With write NULL they go to stderr as "name: level: line". */
struct coax_logger {
	coax_log_fn write; /* NULL: stderr */
	void *arg;
	const char *name;	  /* NULL: "coap", of a server's Context "coap-server" */
	enum coax_log_level from; /* lines below it are not formatted; 0: WARNING */
	/* Not NULL: looked up each time instead of `from`, so that it may change meanwhile. */
	const enum coax_log_level *level;
};

/**
 * coax_log_wants - whether a line at `level` would be written: before work that only a line needs.
 *
 * `logger` NULL: false. Any thread.
 */
static inline bool coax_log_wants(const struct coax_logger *logger, enum coax_log_level level)
{
	enum coax_log_level from;

	if (!logger)
		return false;
	from = logger->level ? __atomic_load_n(logger->level, __ATOMIC_RELAXED) : logger->from;
	return level >= (from ? from : COAX_LOG_WARNING);
}

/**
 * coax_log - write one line, printf style, when `level` is at or above the logger's.
 *
 * `logger` NULL: nothing happens. Any thread.
 */
__attribute__((format(printf, 3, 4))) void
coax_log(const struct coax_logger *logger, enum coax_log_level level, const char *format, ...);

/**
 * coax_log_level_name - "DEBUG", "INFO", "WARNING", "ERROR".
 */
const char *coax_log_level_name(enum coax_log_level level);

#endif
