// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/config_text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_TEXT (1 << 20)

static int read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got = 1;

	while (got > 0) {
		got = read(fd, text + length, size - length);
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? (size_t)got : 0;
		if (length == size)
			return -EFBIG;
	}
	text[length] = '\0';
	return strlen(text) == length ? 0 : -EILSEQ;
}

/* No pipe: nobody waits for its end. */
static int open_regular(const char *file)
{
	struct stat status;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		err = -errno;
	else if (!S_ISREG(status.st_mode))
		err = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int read_file(const char *file, char **result)
{
	int fd = open_regular(file);
	char *text;
	int err;

	if (fd < 0)
		return fd;
	text = malloc(SIZE_MAX_TEXT);
	err = text ? read_all(fd, text, SIZE_MAX_TEXT) : -ENOMEM;
	close(fd);
	if (err)
		free(text);
	else
		*result = text;
	return err;
}

struct scan {
	char *at;
	unsigned int line;
	unsigned int depth;  /* of braces */
	unsigned int opened; /* the line of the outermost one */
};

/* At a quote. Returns false when there is no other one on its line. */
static bool skip_string(struct scan *scan)
{
	char quote = *scan->at++;

	while (*scan->at && *scan->at != '\n' && *scan->at != quote)
		scan->at += scan->at[0] == '\\' && scan->at[1] && scan->at[1] != '\n' ? 2 : 1;
	if (*scan->at != quote)
		return false;
	scan->at++;
	return true;
}

static void blank_comment(struct scan *scan)
{
	while (*scan->at && *scan->at != '\n')
		*scan->at++ = ' ';
}

/* Returns what is wrong here, or NULL having gone on. */
static const char *step(struct scan *scan)
{
	switch (*scan->at) {
	case '"':
	case '\'':
		return skip_string(scan) ? NULL : "a string does not end on its line";
	case '#':
		blank_comment(scan);
		return NULL;
	case '/':
		if (scan->at[1] == '/' || scan->at[1] == '*')
			return "comments begin with '#', and what has \"//\" or \"/*\" in it "
			       "wants quotes";
		break;
	case '{':
		if (!scan->depth++)
			scan->opened = scan->line;
		break;
	case '}':
		if (!scan->depth--)
			return "'}' closes nothing";
		break;
	case '\n':
		scan->line++;
		break;
	}
	scan->at++;
	return NULL;
}

/* Returns whether it is fit. */
static bool prepare(char *text, const char *file, struct coaxd_problems *problems)
{
	struct scan scan = {.at = text, .line = 1};
	const char *complaint = NULL;

	while (*scan.at && !complaint)
		complaint = step(&scan);
	if (!complaint && scan.depth) {
		complaint = "'{' is not closed";
		scan.line = scan.opened;
	}
	if (complaint)
		coaxd_problem(problems, "%s:%u: %s", file, scan.line, complaint);
	return !complaint;
}

char *coaxd_config_text(const char *file, struct coaxd_problems *problems)
{
	char *text = NULL;
	int err = read_file(file, &text);

	if (err) {
		coaxd_problem(problems, "cannot read \"%s\": %s%s", file,
			      err == -EILSEQ ? "it is no text" : strerror(-err),
			      err == -EACCES ? "; the user that the daemon serves as has to have "
					       "access, too"
					     : "");
		return NULL;
	}
	if (prepare(text, file, problems))
		return text;
	free(text);
	return NULL;
}
