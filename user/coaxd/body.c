// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "coaxd/body.h"

struct open_file {
	struct coaxd_open_files *open;
	int fd;
	struct stat status; /* when it was opened */
};

static bool is_unchanged(const struct open_file *file)
{
	const struct stat *then = &file->status;
	struct stat now;

	/* Not the time of its last change of state: that it lost its name is one. */
	return fstat(file->fd, &now) == 0 && now.st_size == then->st_size &&
	       now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

/* Looked at afterwards: what has been read is of the state that was opened. */
static ssize_t read_file(void *arg, uint64_t offset, void *buffer, size_t size)
{
	const struct open_file *file = arg;
	ssize_t length;

	do
		length = pread(file->fd, buffer, size, (off_t)offset);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	return is_unchanged(file) ? length : -ESTALE;
}

static void close_file(void *arg)
{
	struct open_file *file = arg;

	close(file->fd);
	atomic_fetch_sub(&file->open->count, 1);
	free(file);
}

static int check_size(const struct stat *status)
{
	if (status->st_size <= COAX_PAYLOAD_MAX)
		return -EAGAIN;
	return (uint64_t)status->st_size > COAX_BODY_LENGTH_MAX ? -EFBIG : 0;
}

static int open_file(struct open_file *file, int root, const char *path)
{
	int err;

	file->fd = coaxd_open_file(root, path, &file->status);
	if (file->fd < 0)
		return file->fd;
	err = check_size(&file->status);
	if (err)
		close(file->fd);
	return err;
}

int coaxd_body_open(struct coax_body *body, struct coaxd_open_files *open, int root,
		    const char *path, struct stat *status)
{
	struct open_file *file = malloc(sizeof(*file));
	int err = -EMFILE;

	if (!file)
		return -ENOMEM;
	file->open = open;
	if (atomic_fetch_add(&open->count, 1) < __atomic_load_n(&open->max, __ATOMIC_RELAXED))
		err = open_file(file, root, path);
	if (err) {
		atomic_fetch_sub(&open->count, 1);
		free(file);
		return err;
	}
	*status = file->status;
	*body = (struct coax_body){
		.length = (uint64_t)file->status.st_size,
		.read = read_file,
		.release = close_file,
		.arg = file,
	};
	return 0;
}
