// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

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
	/* A line within it would begin one of any priority. */
	fprintf(stderr, "<%d>%.*s\n", priorities[level], (int)strcspn(line, "\n"), line);
}

/* $JOURNAL_STREAM says which file stderr is then (systemd.exec(5)). */
static bool leads_to_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat status;
	int end = 0;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64 "%n", &device, &inode, &end) == 2 &&
	       !stream[end] && fstat(fd, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

struct coax_logger coaxd_log_make(const struct coaxd_log_options *options)
{
	bool journal = options->format == COAXD_LOG_JOURNAL ||
		       (options->format == COAXD_LOG_AUTO && leads_to_journal(STDERR_FILENO));

	return (struct coax_logger){
		.write = journal ? write_for_journal : NULL,
		.name = "coaxd",
		.level = &current_level,
	};
}

void coaxd_log_set_level(enum coax_log_level level)
{
	__atomic_store_n(&current_level, level, __ATOMIC_RELAXED);
}
