// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "credentials/file.h"

#define SIZE_FIRST 4096

/* realloc(), but that it leaves nothing where the text was. */
static int grow(char **text, size_t *size, size_t length, size_t most)
{
	size_t larger = *size ? 2 * *size : SIZE_FIRST;
	char *grown;

	if (larger > most)
		larger = most;
	grown = malloc(larger);
	if (!grown)
		return -ENOMEM;
	if (*text)
		memcpy(grown, *text, length);
	coax_secret_file_free(*text, length);
	*text = grown;
	*size = larger;
	return 0;
}

/* One byte more than `max` is asked for, to see whether there is more. */
static int read_all(int fd, size_t max, char **text, size_t *length)
{
	size_t size = 0;
	ssize_t got;

	do {
		if (*length > max)
			return -EFBIG;
		if (*length + 1 >= size && grow(text, &size, *length, max + 2))
			return -ENOMEM;
		got = read(fd, *text + *length, size - 1 - *length);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			*length += (size_t)got;
	} while (got);
	(*text)[*length] = '\0';
	return 0;
}

int coax_secret_file_read(const char *name, size_t max, char **text, size_t *length)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	*text = NULL;
	*length = 0;
	err = read_all(fd, max, text, length);
	close(fd);
	if (err) {
		coax_secret_file_free(*text, *length);
		*text = NULL;
	}
	return err;
}

void coax_secret_file_free(char *text, size_t length)
{
	if (text)
		OPENSSL_cleanse(text, length);
	free(text);
}
