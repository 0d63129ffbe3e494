// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>
#include "coaxd/beneath.h"
#include "coaxd/store.h"

/* A dot at the start keeps a temporary file from being served; the rest tells whose it is. */
#define TEMPORARY_PREFIX ".coaxd-"
#define TEMPORARY_SIZE	 (sizeof(TEMPORARY_PREFIX) - 1 + COAXD_RANDOM_NAME_SIZE)

#define SWEEP_DEPTH_MAX	 32

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
	const size_t prefix = sizeof(TEMPORARY_PREFIX) - 1;

	return strncmp(name, TEMPORARY_PREFIX, prefix) == 0 && strlen(name) == TEMPORARY_SIZE - 1 &&
	       strspn(name + prefix, "0123456789abcdef") == COAXD_RANDOM_NAME_SIZE - 1;
}

/* Open and locked: the lock tells a sweeper that somebody is at it. */
static int open_temporary(int directory, char name[TEMPORARY_SIZE], mode_t mode)
{
	char random[COAXD_RANDOM_NAME_SIZE];
	int err = coaxd_random_name(random);
	int fd;

	if (err)
		return err;
	snprintf(name, TEMPORARY_SIZE, TEMPORARY_PREFIX "%s", random);
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		unlinkat(directory, name, 0);
		close(fd);
		return err;
	}
	return fd;
}

/*
 * The owner only where that is allowed. Without it the permissions are kept all the same: they are
 * what the file's readers rely on.
 */
static int take_over(int fd, const struct stat *like)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if ((status.st_uid != like->st_uid || status.st_gid != like->st_gid) &&
	    fchown(fd, like->st_uid, like->st_gid) && errno != EPERM)
		return -errno;
	return fchmod(fd, like->st_mode & 0777) ? -errno : 0;
}

static int write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static int fill(int fd, const void *bytes, size_t length, const struct stat *like)
{
	int err = like ? take_over(fd, like) : 0;

	if (!err)
		err = write_all(fd, bytes, length);
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

int coaxd_store_replace(int directory, const char *name, const void *bytes, size_t length,
			const struct stat *like, bool *visible)
{
	char temporary[TEMPORARY_SIZE];
	int fd, err;

	*visible = false;
	/* Nobody may open it meanwhile whom the file's own permissions keep out. */
	fd = open_temporary(directory, temporary, like ? 0600 : 0666);
	if (fd < 0)
		return fd;
	err = fill(fd, bytes, length, like);
	if (err)
		goto out;
	if (renameat2(directory, temporary, directory, name, like ? 0 : RENAME_NOREPLACE)) {
		err = -errno;
		goto out;
	}
	*visible = true;
	err = fsync(directory) ? -errno : 0;
out:
	if (!*visible)
		unlinkat(directory, temporary, 0);
	close(fd);
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
