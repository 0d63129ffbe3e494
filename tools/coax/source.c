// SPDX-License-Identifier: BSD-2-Clause
#include "source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int unreadable(const struct source *source, int error)
{
	return tool_fail(source->tool, "cannot read %s: %s", source->name, strerror(error));
}

static int too_long(const struct source *source)
{
	return tool_fail(source->tool,
			 "%s is longer than %llu bytes, which block numbers can count",
			 source->name, COAX_BODY_LENGTH_MAX);
}

static int grow(struct source *source, size_t *capacity)
{
	size_t wanted = *capacity ? *capacity * 2 : 4096;
	uint8_t *bytes = realloc(source->owned, wanted);

	if (!bytes)
		return unreadable(source, ENOMEM);
	source->owned = bytes;
	*capacity = wanted;
	return TOOL_OK;
}

static int read_all(struct source *source, int fd)
{
	size_t capacity = 0;
	ssize_t got;

	for (;;) {
		if (source->length == capacity && grow(source, &capacity))
			return TOOL_LOCAL_ERROR;
		got = read(fd, source->owned + source->length, capacity - source->length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return unreadable(source, errno);
		if (!got)
			break;
		source->length += (size_t)got;
		if (source->length > COAX_BODY_LENGTH_MAX)
			return too_long(source);
	}
	source->bytes = source->owned;
	return TOOL_OK;
}

/* From where a descriptor stands on. Takes it over unless it is standard input. */
static int open_descriptor(struct source *source, int fd)
{
	struct stat status;
	off_t at = lseek(fd, 0, SEEK_CUR);
	int result;

	/* Files without a size (/proc) are read to see what there is. */
	if (at == 0 && !fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_size > 0) {
		source->fd = fd;
		source->length = (uint64_t)status.st_size;
		return source->length > COAX_BODY_LENGTH_MAX ? too_long(source) : TOOL_OK;
	}
	result = read_all(source, fd);
	if (fd != STDIN_FILENO)
		close(fd);
	return result;
}

int source_failed(const struct source *source)
{
	if (source->error == ENODATA)
		return tool_fail(source->tool, "%s became shorter while it was sent", source->name);
	if (source->error == EMSGSIZE)
		return tool_fail(source->tool,
				 "%s is longer than one message holds, and --option asks for one "
				 "block by itself",
				 source->name);
	return unreadable(source, source->error);
}

int source_open(struct source *source, const struct tool *tool, const char *text, const char *file)
{
	int fd = STDIN_FILENO;

	*source = (struct source){.tool = tool, .name = file, .fd = -1};
	if (text) {
		source->name = "the payload";
		source->bytes = (const uint8_t *)text;
		source->length = strlen(text);
		return TOOL_OK;
	}
	if (!file)
		return TOOL_OK;
	if (strcmp(file, "-") == 0) {
		source->name = "standard input";
	} else {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return unreadable(source, errno);
	}
	return open_descriptor(source, fd);
}

void source_close(struct source *source)
{
	if (source->fd > STDIN_FILENO)
		close(source->fd);
	source->fd = -1;
	free(source->owned);
	source->owned = NULL;
}

static ssize_t read_at(void *arg, uint64_t offset, void *buffer, size_t size)
{
	struct source *source = arg;
	size_t done = 0;
	ssize_t got;

	if (size > source->length - offset)
		size = source->length - offset;
	while (done < size) {
		got = pread(source->fd, (uint8_t *)buffer + done, size - done,
			    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* 0: somebody has made it shorter. */
			source->error = got ? errno : ENODATA;
			return -source->error;
		}
		done += (size_t)got;
	}
	return (ssize_t)done;
}

struct coax_body source_body(struct source *source)
{
	struct coax_body body = {.length = source->length, .data = source->bytes};

	if (source->fd >= 0) {
		body.read = read_at;
		body.arg = source;
	}
	return body;
}

ssize_t source_read(struct source *source, void *buffer, size_t size)
{
	if (source->length > size) {
		source->error = EMSGSIZE;
		return -EMSGSIZE;
	}
	if (source->fd >= 0)
		return read_at(source, 0, buffer, (size_t)source->length);
	if (source->length)
		memcpy(buffer, source->bytes, (size_t)source->length);
	return (ssize_t)source->length;
}
