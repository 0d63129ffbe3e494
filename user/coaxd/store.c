// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "coaxd/beneath.h"
#include "coaxd/store.h"

#ifndef RENAME_NOREPLACE /* musl before 1.2.6 has neither */
#include <linux/fs.h>

static int renameat2(int from, const char *name, int to, const char *new_name, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from, name, to, new_name, flags);
}
#endif

#define SWEEP_DEPTH_MAX 32
#define COPY_SIZE	16384

int coaxd_random_name(char name[COAXD_RANDOM_NAME_SIZE])
{
	unsigned char bytes[(COAXD_RANDOM_NAME_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -errno;
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(name + 2 * i, "%02x", bytes[i]);
	return 0;
}

static bool is_temporary(const char *name)
{
	const size_t prefix = sizeof(COAXD_TEMPORARY_PREFIX) - 1;

	return strncmp(name, COAXD_TEMPORARY_PREFIX, prefix) == 0 &&
	       strlen(name) == COAXD_TEMPORARY_SIZE - 1 &&
	       strspn(name + prefix, "0123456789abcdef") == COAXD_RANDOM_NAME_SIZE - 1;
}

static int open_locked(struct coaxd_temporary *temporary)
{
	temporary->fd =
		openat(temporary->directory, temporary->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (temporary->fd < 0)
		return -errno;
	return flock(temporary->fd, LOCK_EX | LOCK_NB) ? -errno : 0;
}

int coaxd_temporary_create(struct coaxd_temporary *temporary, int directory, bool owner_only)
{
	char random[COAXD_RANDOM_NAME_SIZE];
	int err = coaxd_random_name(random);

	if (err)
		return err;
	temporary->directory = directory;
	temporary->placed = false;
	snprintf(temporary->name, sizeof(temporary->name), COAXD_TEMPORARY_PREFIX "%s", random);
	temporary->writable = openat(directory, temporary->name,
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				     owner_only ? 0600 : 0666);
	if (temporary->writable < 0)
		return -errno;
	err = open_locked(temporary);
	if (err)
		coaxd_temporary_discard(temporary);
	return err;
}

/*
 * The owner only where that is allowed. Without it the permissions are kept all the same: they are
 * what the file's readers rely on.
 */
int coaxd_temporary_take_over(struct coaxd_temporary *temporary, const struct stat *like)
{
	int fd = temporary->fd;
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if ((status.st_uid != like->st_uid || status.st_gid != like->st_gid) &&
	    fchown(fd, like->st_uid, like->st_gid) && errno != EPERM)
		return -errno;
	return fchmod(fd, like->st_mode & 0777) ? -errno : 0;
}

int coaxd_temporary_write(struct coaxd_temporary *temporary, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t n = write(temporary->writable, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

int coaxd_temporary_copy(struct coaxd_temporary *temporary, int fd)
{
	char bytes[COPY_SIZE];
	off_t offset = 0;

	for (;;) {
		ssize_t n = pread(fd, bytes, sizeof(bytes), offset);
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		err = coaxd_temporary_write(temporary, bytes, (size_t)n);
		if (err)
			return err;
		offset += n;
	}
}

static void close_writable(struct coaxd_temporary *temporary)
{
	if (temporary->writable >= 0)
		close(temporary->writable);
	temporary->writable = -1;
}

int coaxd_temporary_place(struct coaxd_temporary *temporary, int directory, const char *name,
			  bool replace, bool *visible)
{
	*visible = false;
	if (fsync(temporary->fd))
		return -errno;
	close_writable(temporary);
	if (renameat2(temporary->directory, temporary->name, directory, name,
		      replace ? 0 : RENAME_NOREPLACE))
		return -errno;
	temporary->placed = true;
	*visible = true;
	return fsync(directory) ? -errno : 0;
}

void coaxd_temporary_discard(struct coaxd_temporary *temporary)
{
	close_writable(temporary);
	if (!temporary->placed)
		unlinkat(temporary->directory, temporary->name, 0);
	if (temporary->fd >= 0)
		close(temporary->fd);
}

int coaxd_store_replace(int directory, const char *name, const void *bytes, size_t length,
			const struct stat *like, bool *visible)
{
	struct coaxd_temporary temporary;
	int err;

	*visible = false;
	/* Nobody may open it meanwhile whom the file's own permissions keep out. */
	err = coaxd_temporary_create(&temporary, directory, like != NULL);
	if (err)
		return err;
	if (like)
		err = coaxd_temporary_take_over(&temporary, like);
	if (!err)
		err = coaxd_temporary_write(&temporary, bytes, length);
	if (!err)
		err = coaxd_temporary_place(&temporary, directory, name, like != NULL, visible);
	coaxd_temporary_discard(&temporary);
	return err;
}

int coaxd_store_remove(int directory, const char *name, bool *visible)
{
	*visible = false;
	if (unlinkat(directory, name, 0))
		return -errno;
	*visible = true;
	return fsync(directory) ? -errno : 0;
}

static size_t remove_leftover(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	size_t removed = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		removed = unlinkat(directory, name, 0) == 0;
	close(fd);
	return removed;
}

/* Takes `fd` over. */
static size_t sweep_directory(int fd, unsigned int depth)
{
	DIR *directory = fdopendir(fd);
	struct dirent *found;
	size_t removed = 0;

	if (!directory) {
		close(fd);
		return 0;
	}
	while ((found = readdir(directory))) {
		int below;

		if (is_temporary(found->d_name)) {
			removed += remove_leftover(fd, found->d_name);
			continue;
		}
		/* Nothing is ever written below a hidden directory. */
		if (found->d_name[0] == '.' || depth == SWEEP_DEPTH_MAX ||
		    (found->d_type != DT_DIR && found->d_type != DT_UNKNOWN))
			continue;
		below = coaxd_open_beneath(fd, found->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
		if (below >= 0)
			removed += sweep_directory(below, depth + 1);
	}
	closedir(directory);
	return removed;
}

size_t coaxd_store_sweep(int root)
{
	int fd = coaxd_open_beneath(root, "", O_RDONLY | O_DIRECTORY);

	return fd < 0 ? 0 : sweep_directory(fd, 0);
}
