// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "coaxd/beneath.h"

/* A rename on the way makes openat2() give up with EAGAIN; it rarely happens twice. */
#define OPEN_ATTEMPTS 8

int coaxd_open_beneath(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};

	for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
		long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

/* To a client, a name that leads elsewhere is a name that leads nowhere. */
static int open_error(int err)
{
	switch (err) {
	case -ENOTDIR:
	case -ELOOP:
	case -EXDEV:
	case -ENAMETOOLONG:
		return -ENOENT;
	default:
		return err;
	}
}

static int check_type(const struct stat *status)
{
	if (S_ISREG(status->st_mode))
		return 0;
	return S_ISDIR(status->st_mode) ? -EISDIR : -ENOTSUP;
}

int coaxd_probe_file(int root, const char *path)
{
	int fd = coaxd_open_beneath(root, path, O_PATH | O_NOFOLLOW);
	struct stat status;
	int err;

	if (fd < 0)
		return open_error(fd);
	err = fstat(fd, &status) ? -errno : check_type(&status);
	close(fd);
	return err;
}

static int read_all(int fd, struct coaxd_content *content)
{
	content->length = 0;
	while (content->length <= COAX_PAYLOAD_MAX) {
		ssize_t n = pread(fd, content->bytes + content->length,
				  sizeof(content->bytes) - content->length, (off_t)content->length);

		if (n == 0)
			return 0;
		if (n > 0)
			content->length += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return -EFBIG;
}

int coaxd_open_file(int root, const char *path, struct stat *status)
{
	int fd = coaxd_open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	int err;

	if (fd < 0)
		return open_error(fd);
	err = fstat(fd, status) ? -errno : check_type(status);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* All but content->status, which may be `status`. */
static int read_content(int fd, const struct stat *status, struct coaxd_content *content)
{
	int err = status->st_size > COAX_PAYLOAD_MAX ? -EFBIG : read_all(fd, content);

	if (err == -EFBIG)
		coaxd_etag_large(status, content->etag);
	else if (!err)
		coaxd_etag(content->bytes, content->length, content->etag);
	return err;
}

int coaxd_read_file(int root, const char *path, struct coaxd_content *content)
{
	int fd = coaxd_open_file(root, path, &content->status);
	int err;

	if (fd < 0)
		return fd;
	err = read_content(fd, &content->status, content);
	close(fd);
	return err;
}

void coaxd_etag(const void *bytes, size_t length, uint8_t etag[COAXD_ETAG_SIZE])
{
	uint8_t digest[crypto_generichash_BYTES_MIN];

	_Static_assert(sizeof(digest) >= COAXD_ETAG_SIZE, "an ETag is a cut digest");
	crypto_generichash(digest, sizeof(digest), bytes, length, NULL, 0);
	memcpy(etag, digest, COAXD_ETAG_SIZE);
}

/* The same each time that the daemon runs, so that transfers go on after it was restarted. */
void coaxd_etag_large(const struct stat *status, uint8_t etag[COAXD_ETAG_SIZE])
{
	const uint64_t identity[] = {
		(uint64_t)status->st_dev,	   (uint64_t)status->st_ino,
		(uint64_t)status->st_size,	   (uint64_t)status->st_mtim.tv_sec,
		(uint64_t)status->st_mtim.tv_nsec, (uint64_t)status->st_ctim.tv_sec,
		(uint64_t)status->st_ctim.tv_nsec,
	};

	coaxd_etag(identity, sizeof(identity), etag);
}

int coaxd_etag_of(int fd, uint8_t etag[COAXD_ETAG_SIZE])
{
	struct coaxd_content content;
	struct stat status;
	int err;

	if (fstat(fd, &status))
		return -errno;
	err = read_content(fd, &status, &content);
	if (err && err != -EFBIG)
		return err;
	memcpy(etag, content.etag, COAXD_ETAG_SIZE);
	return 0;
}
