// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/journal.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

static int priority(enum coax_log_level level)
{
	switch (level) {
	case COAX_LOG_DEBUG:
		return LOG_DEBUG;
	case COAX_LOG_INFO:
		return LOG_INFO;
	case COAX_LOG_WARNING:
		return LOG_WARNING;
	case COAX_LOG_ERROR:
		break;
	}
	return LOG_ERR;
}

/* The journal knows whose it is. A line that has another in it would begin one of any level. */
static void write_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	(void)arg;
	(void)name;
	fprintf(stderr, "<%d>%.*s\n", priority(level), (int)strcspn(line, "\n"), line);
}

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

void coaxd_journal_use(struct coax_logger *logger)
{
	if (leads_to_journal(STDERR_FILENO))
		logger->write = write_line;
}
