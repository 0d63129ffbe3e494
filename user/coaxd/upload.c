// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu/compiler.h>
#include "coaxd/upload.h"

static void end(struct coaxd_chore *chore)
{
	struct coaxd_upload *upload = caa_container_of(chore, struct coaxd_upload, end);

	coaxd_temporary_discard(&upload->temporary);
	close(upload->directory);
	__atomic_fetch_sub(&upload->uploads->count, 1, __ATOMIC_RELEASE);
	free(upload);
}

int coaxd_upload_begin(struct coaxd_upload **result, struct coaxd_uploads *uploads, int directory,
		       const struct stat *like)
{
	struct coaxd_upload *upload;
	int err;

	if (uploads->count >= __atomic_load_n(&uploads->max, __ATOMIC_RELAXED))
		return -EBUSY;
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return -ENOMEM;
	upload->end.run = end;
	upload->uploads = uploads;
	upload->replaces = like != NULL;
	if (like)
		upload->like = *like;
	upload->directory = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	if (upload->directory < 0) {
		err = -errno;
		goto out;
	}
	err = coaxd_temporary_create(&upload->temporary, upload->directory, upload->replaces);
	if (err) {
		close(upload->directory);
		goto out;
	}
	__atomic_fetch_add(&uploads->count, 1, __ATOMIC_RELAXED);
	*result = upload;
	return 0;
out:
	free(upload);
	return err;
}

int coaxd_upload_write(struct coaxd_upload *upload, const void *bytes, size_t length)
{
	int err = coaxd_temporary_write(&upload->temporary, bytes, length);

	if (!err)
		upload->length += length;
	return err;
}

int coaxd_upload_place(struct coaxd_upload *upload, int directory, const char *name,
		       const struct stat *like, bool *visible)
{
	/* Of one that was removed meanwhile the permissions are kept as they were. */
	const struct stat *model = like ? like : upload->replaces ? &upload->like : NULL;
	int err = model ? coaxd_temporary_take_over(&upload->temporary, model) : 0;

	*visible = false;
	if (err)
		return err;
	return coaxd_temporary_place(&upload->temporary, directory, name, like != NULL, visible);
}

void coaxd_upload_release(void *transfer)
{
	struct coaxd_upload *upload = transfer;

	coaxd_writer_add(upload->uploads->writer, &upload->end);
}
