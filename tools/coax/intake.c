// SPDX-License-Identifier: BSD-2-Clause
#include "intake.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_NEW 0666

static int cannot_create(const struct intake *intake)
{
	return tool_fail(intake->tool, "cannot create %s: %m", intake->name);
}

/* What is neither a file nor to become one (a FIFO, a device) is written to as it stands. */
static int open_directly(struct intake *intake)
{
	intake->fd = open(intake->name, O_WRONLY | O_CLOEXEC);
	return intake->fd < 0 ? cannot_create(intake) : TOOL_OK;
}

static mode_t mode_of(const struct stat *present)
{
	mode_t mask;

	if (present)
		return present->st_mode & 0777;
	mask = umask(0);
	umask(mask);
	return MODE_NEW & ~mask;
}

/* In the same directory, so that renaming it is all there is to do. */
static int open_temporary(struct intake *intake, const struct stat *present)
{
	const char *slash = strrchr(intake->target, '/');
	int directory = slash ? (int)(slash - intake->target + 1) : 0;
	int length = snprintf(intake->temporary, sizeof(intake->temporary), "%.*s.coax-XXXXXX",
			      directory, intake->target);

	if ((size_t)length >= sizeof(intake->temporary)) {
		intake->temporary[0] = '\0';
		errno = ENAMETOOLONG;
		return cannot_create(intake);
	}
	intake->fd = mkostemp(intake->temporary, O_CLOEXEC);
	if (intake->fd < 0) {
		intake->temporary[0] = '\0';
		return cannot_create(intake);
	}
	if (fchmod(intake->fd, mode_of(present)))
		return cannot_create(intake);
	return TOOL_OK;
}

static int open_file(struct intake *intake)
{
	struct stat present;

	if (stat(intake->name, &present)) {
		/* A link that leads nowhere is not replaced by a file. */
		if (errno != ENOENT || !lstat(intake->name, &present))
			return cannot_create(intake);
		if (snprintf(intake->target, sizeof(intake->target), "%s", intake->name) >=
		    (int)sizeof(intake->target)) {
			errno = ENAMETOOLONG;
			return cannot_create(intake);
		}
		return open_temporary(intake, NULL);
	}
	if (S_ISDIR(present.st_mode)) {
		errno = EISDIR;
		return cannot_create(intake);
	}
	/* A link stays, and what it leads to is replaced. */
	if (S_ISREG(present.st_mode) && realpath(intake->name, intake->target))
		return open_temporary(intake, &present);
	return open_directly(intake);
}

int intake_open(struct intake *intake, const struct tool *tool, enum intake_kind kind,
		const char *file, struct progress *progress)
{
	*intake = (struct intake){
		.tool = tool, .progress = progress, .kind = kind, .name = file, .fd = -1};
	return kind == INTAKE_FILE ? open_file(intake) : TOOL_OK;
}

static int keep(struct intake *intake, const void *data, size_t length)
{
	size_t wanted = intake->capacity ? intake->capacity : 4096;
	uint8_t *bytes;

	if (length > INTAKE_MEMORY_MAX - intake->length)
		return -EFBIG;
	while (wanted < intake->length + length)
		wanted *= 2;
	if (wanted != intake->capacity) {
		bytes = realloc(intake->bytes, wanted);
		if (!bytes)
			return -ENOMEM;
		intake->bytes = bytes;
		intake->capacity = wanted;
	}
	if (length)
		memcpy(intake->bytes + intake->length, data, length);
	intake->length += length;
	return 0;
}

static int write_out(struct intake *intake, const void *data, size_t length)
{
	size_t done = 0;
	ssize_t written;

	while (done < length) {
		written = write(intake->fd, (const uint8_t *)data + done, length - done);
		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0)
			done += (size_t)written;
	}
	intake->length += length;
	return 0;
}

static int print_out(struct intake *intake, const void *data, size_t length)
{
	if (length && fwrite(data, 1, length, stdout) != length)
		return -errno;
	intake->length += length;
	return 0;
}

/* The body has changed while it came. */
static int begin_anew(struct intake *intake)
{
	if (intake->length && intake->kind == INTAKE_STANDARD)
		return -ESTALE; /* what was printed cannot be taken back */
	if (intake->length && intake->kind == INTAKE_FILE &&
	    (ftruncate(intake->fd, 0) || lseek(intake->fd, 0, SEEK_SET) < 0))
		return -errno;
	intake->length = 0;
	return 0;
}

static int take(struct intake *intake, const void *data, size_t length)
{
	switch (intake->kind) {
	case INTAKE_STANDARD:
		return print_out(intake, data, length);
	case INTAKE_FILE:
		return write_out(intake, data, length);
	case INTAKE_MEMORY:
		break;
	}
	return keep(intake, data, length);
}

int intake_sink(void *arg, const struct coax_message *first, uint64_t offset, const void *data,
		size_t length, uint64_t total)
{
	struct intake *intake = arg;
	int err = 0;

	(void)first;
	if (!offset)
		err = begin_anew(intake);
	if (!err)
		err = take(intake, data, length);
	if (err != -ESTALE)
		intake->error = -err;
	if (!err)
		progress_step(intake->progress, offset + length, total);
	return err;
}

int intake_failed(const struct intake *intake)
{
	/* Of standard output main() says it, for all commands. */
	if (intake->kind == INTAKE_STANDARD)
		return TOOL_LOCAL_ERROR;
	if (intake->kind == INTAKE_FILE)
		return tool_fail(intake->tool, "cannot write %s: %s", intake->name,
				 strerror(intake->error));
	if (intake->error == EFBIG)
		return tool_fail(intake->tool,
				 "the answer is longer than %u bytes (use --output FILE)",
				 INTAKE_MEMORY_MAX);
	return tool_fail(intake->tool, "the answer cannot be kept: %s", strerror(intake->error));
}

int intake_finish(struct intake *intake)
{
	int fd = intake->fd;

	if (intake->kind != INTAKE_FILE)
		return TOOL_OK;
	intake->fd = -1;
	if (close(fd))
		return tool_fail(intake->tool, "cannot write %s: %m", intake->name);
	if (!*intake->temporary)
		return TOOL_OK;
	if (rename(intake->temporary, intake->target))
		return cannot_create(intake);
	intake->temporary[0] = '\0';
	return TOOL_OK;
}

void intake_close(struct intake *intake)
{
	if (intake->fd >= 0)
		close(intake->fd);
	intake->fd = -1;
	if (*intake->temporary)
		unlink(intake->temporary);
	intake->temporary[0] = '\0';
	free(intake->bytes);
	intake->bytes = NULL;
}
