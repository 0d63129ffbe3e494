// SPDX-License-Identifier: BSD-2-Clause
/*
 * A firmware server: devices GET /firmware in blocks, and the image is never in memory; a new image
 * is PUT there, a part at a time.
 *
 *	firmware FILE [ADDRESS:PORT]
 */
#include <coax/coax.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *image;
static struct coax_resource *resource;

static ssize_t read_image(void *arg, uint64_t offset, void *buffer, size_t size)
{
	ssize_t length = pread(*(int *)arg, buffer, size, (off_t)offset);

	return length < 0 ? -errno : length;
}

static void close_image(void *arg)
{
	close(*(int *)arg);
	free(arg);
}

static void get(struct coax_responder *responder, void *arg)
{
	struct coax_body body = {.read = read_image, .release = close_image};
	int *fd = malloc(sizeof(*fd));
	struct stat status;
	uint64_t etag;

	(void)arg;
	if (fd)
		*fd = open(image, O_RDONLY | O_CLOEXEC);
	if (!fd || *fd < 0) {
		free(fd);
		coax_respond_error(responder, COAX_NOT_FOUND, "there is no image yet");
		return;
	}
	if (fstat(*fd, &status)) {
		close_image(fd);
		coax_respond(responder, COAX_INTERNAL_SERVER_ERROR);
		return;
	}
	/* An image that is replaced meanwhile goes on under its former ETag: the file stays open.
	 */
	etag = (uint64_t)status.st_mtim.tv_sec << 30 ^ (uint64_t)status.st_mtim.tv_nsec;
	coax_message_add(coax_responder_response(responder), COAX_ETAG, &etag, sizeof(etag));
	body.length = (uint64_t)status.st_size;
	body.arg = fd;
	coax_responder_set_body(responder, &body);
	coax_respond(responder, COAX_CONTENT);
}

/* An image on its way in. */
struct upload {
	int fd;
	bool complete;
	char path[PATH_MAX];
};

static void end_upload(void *transfer)
{
	struct upload *upload = transfer;

	close(upload->fd);
	if (!upload->complete)
		unlink(upload->path);
	free(upload);
}

static struct upload *begin_upload(void)
{
	struct upload *upload = calloc(1, sizeof(*upload));

	if (!upload)
		return NULL;
	snprintf(upload->path, sizeof(upload->path), "%s.XXXXXX", image);
	upload->fd = mkstemp(upload->path);
	if (upload->fd >= 0)
		return upload;
	free(upload);
	return NULL;
}

static void put(struct coax_responder *responder, void *arg)
{
	const struct coax_part *part = coax_responder_part(responder);
	struct upload *upload = *part->transfer;
	const uint8_t *payload;
	size_t length;

	(void)arg;
	if (!upload) {
		upload = begin_upload();
		if (!upload) {
			coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "no room");
			return;
		}
		*part->transfer = upload;
		*part->release = end_upload;
	}
	payload = coax_message_payload(coax_responder_request(responder), &length);
	if (length && pwrite(upload->fd, payload, length, (off_t)part->offset) != (ssize_t)length) {
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "no room");
		return;
	}
	if (part->more) {
		coax_respond(responder, COAX_CONTINUE);
		return;
	}
	upload->complete = rename(upload->path, image) == 0;
	coax_resource_changed(resource);
	coax_respond(responder, upload->complete ? COAX_CHANGED : COAX_INTERNAL_SERVER_ERROR);
}

int main(int argc, char **argv)
{
	const struct coax_resource_options firmware = {
		.path = "firmware",
		.get = get,
		.put = put,
		.streaming = true,
	};
	const char *bind = argc > 2 ? argv[2] : "*";
	struct coax_context_options options = {.bind = &bind, .bind_count = 1};
	struct coax_context *context;
	int signal_number;
	sigset_t stop;

	if (argc < 2)
		return 1;
	image = argv[1];
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	if (coax_site_create(&options.site) || coax_site_add(options.site, &firmware, &resource) ||
	    coax_context_create(&context, &options))
		return 1;
	sigwait(&stop, &signal_number);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
	return 0;
}
