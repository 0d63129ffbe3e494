// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <coax/link.h>
#include <coax/option.h>
#include "coaxd/files.h"
#include "coaxd/format.h"
#include "coaxd/listing.h"
#include "coaxd/path.h"
#include "coaxd/store.h"

/* About 64 MiB of representations, and as much again for paths if all are as long as can be. */
#define ENTRIES_MAX	65536
#define DIRECTORIES_MAX 4096
#define WRITES_MAX	256

/* A client that was turned away for lack of room asks again after this many seconds. */
#define BUSY_MAX_AGE 2

/* What is sent, wherever it lies. */
struct body {
	const uint8_t *etag;
	const uint8_t *bytes;
	size_t length;
	uint16_t format;
};

/* Fill in a 2.05, unless a condition or Accept is against it. Returns the code to respond with. */
static uint8_t build(const struct coaxd_files *files, struct coax_responder *responder,
		     const struct body *body)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_message *response = coax_responder_response(responder);
	uint32_t accept;

	if (!coax_responder_preconditions(responder, true, body->etag, COAXD_ETAG_SIZE))
		return COAX_PRECONDITION_FAILED;
	if (coax_message_find_uint(request, COAX_ACCEPT, &accept) && accept != body->format)
		return COAX_NOT_ACCEPTABLE;
	if (coax_message_add(response, COAX_ETAG, body->etag, COAXD_ETAG_SIZE) ||
	    coax_message_add_uint(response, COAX_CONTENT_FORMAT, body->format) ||
	    coax_message_add_uint(response, COAX_MAX_AGE, files->max_age) ||
	    coax_message_set_payload(response, body->bytes, body->length))
		return COAX_INTERNAL_SERVER_ERROR;
	return COAX_CONTENT;
}

static void send_body(const struct coaxd_files *files, struct coax_responder *responder,
		      const struct body *body)
{
	uint8_t code = build(files, responder, body);

	switch (code) {
	case COAX_NOT_ACCEPTABLE:
		coax_respond_error(responder, code, "it has Content-Format %u only", body->format);
		break;
	case COAX_INTERNAL_SERVER_ERROR:
		coax_respond_error(responder, code, "the response does not fit a message");
		break;
	default:
		coax_respond(responder, code);
	}
}

void coaxd_files_refuse(struct coaxd_files *files, struct coax_responder *responder,
			const char *path, int err)
{
	char target[COAXD_TARGET_MAX];
	bool said;

	coaxd_path_target(path, NULL, target);
	switch (err) {
	case -ENOENT:
	case -ENOTSUP:
		coax_respond(responder, COAX_NOT_FOUND);
		break;
	case -EISDIR:
		coax_respond_error(
			responder, COAX_NOT_FOUND,
			"a directory: its listing is at the path with a slash behind it");
		break;
	case -EACCES:
	case -EPERM:
		coax_respond_error(responder, COAX_FORBIDDEN, "the server may not read it");
		break;
	case -EFBIG:
		/* Peers decide how often this is said; once is enough for who looks at warnings. */
		said = __atomic_exchange_n(&files->said_too_large, true, __ATOMIC_RELAXED);
		coax_log(&files->logger, said ? COAX_LOG_INFO : COAX_LOG_WARNING,
			 "\"%s\" is larger than %d bytes: it does not fit one message, and "
			 "block-wise transfer is not available in this version",
			 target, COAX_PAYLOAD_MAX);
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR,
				   "larger than %d bytes, too large for one message; block-wise "
				   "transfer is not available in this version",
				   COAX_PAYLOAD_MAX);
		break;
	default:
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot read \"%s\": %s", target,
			 strerror(-err));
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "cannot be read: %s",
				   strerror(-err));
	}
}

static void get_directory(struct coaxd_files *files, struct coax_responder *responder,
			  const struct coaxd_path *path)
{
	char text[COAX_PAYLOAD_MAX];
	struct coax_link_writer writer = {.text = text, .size = sizeof(text)};
	uint8_t etag[COAXD_ETAG_SIZE];
	struct body body = {
		.etag = etag, .bytes = (const uint8_t *)text, .format = COAX_FORMAT_LINK};
	int err = coaxd_list_directory(files->root, path->text, &writer);

	/* On the way to a directory, what turns out to be none is as good as missing. */
	if (err == -ENOTDIR || err == -ELOOP || err == -EXDEV)
		err = -ENOENT;
	if (!err && writer.length > sizeof(text))
		err = -EFBIG;
	if (err) {
		coaxd_files_refuse(files, responder, path->text, err);
		return;
	}
	body.length = writer.length;
	coaxd_etag(text, body.length, etag);
	send_body(files, responder, &body);
}

/*
 * The file is not in memory, or not as it is now. A name that leads nowhere gets no entry, so that
 * those who ask for such names make nothing grow.
 */
static void get_from_disk(struct coaxd_files *files, struct coax_responder *responder,
			  const struct coaxd_path *path)
{
	struct coaxd_content content;
	struct body body = {.etag = content.etag, .bytes = content.bytes};
	struct coaxd_entry *entry;
	size_t parent_length;
	uint64_t generation;
	bool noticed;
	int err = coaxd_probe_file(files->root, path->text);

	if (err) {
		coaxd_files_refuse(files, responder, path->text, err);
		return;
	}
	entry = coaxd_cache_obtain(files->cache, path->text, path->length);
	coaxd_path_name(path->text, path->length, &parent_length);
	noticed = entry && coaxd_entry_generation(entry, &generation) &&
		  coaxd_watch_directory(files->watch, path->text, parent_length);
	err = coaxd_read_file(files->root, path->text, &content);
	if (err) {
		coaxd_files_refuse(files, responder, path->text, err);
		return;
	}

	body.length = content.length;
	body.format = coaxd_format_of(path->text);
	/*
	 * A write through another of the file's names is told where that name is, which may be
	 * outside of what is watched: such a file is not to be remembered anywhere.
	 */
	if (noticed && content.status.st_nlink == 1) {
		coaxd_entry_keep(entry, generation, &content, body.format);
		coax_responder_subject(responder, entry->subject, generation);
	}
	send_body(files, responder, &body);
}

void coaxd_files_get(struct coax_responder *responder, void *arg)
{
	const struct coaxd_representation *representation = NULL;
	struct coaxd_files *files = arg;
	struct coaxd_entry *entry;
	struct coaxd_path path;
	struct body body;

	if (coaxd_path_from_request(&path, coax_responder_request(responder))) {
		coax_respond(responder, COAX_NOT_FOUND);
		return;
	}
	if (path.directory) {
		get_directory(files, responder, &path);
		return;
	}

	rcu_read_lock();
	entry = coaxd_cache_find(files->cache, path.text, path.length);
	if (entry)
		representation = coaxd_entry_current(entry);
	if (representation) {
		body.etag = representation->etag;
		body.bytes = representation->bytes;
		body.length = representation->length;
		body.format = representation->format;
		coax_responder_subject(responder, entry->subject, representation->generation);
		send_body(files, responder, &body);
	} else {
		get_from_disk(files, responder, &path);
	}
	rcu_read_unlock();
}

void coaxd_files_change(struct coax_responder *responder, void *arg)
{
	struct coaxd_files *files = arg;
	struct coax_message *response;

	if (!files->writer) {
		coax_respond_error(responder, COAX_METHOD_NOT_ALLOWED, "the files are read only");
		return;
	}
	if (coaxd_writer_submit(files->writer, responder))
		return;
	response = coax_responder_response(responder);
	coax_message_add_uint(response, COAX_MAX_AGE, BUSY_MAX_AGE);
	coax_respond(responder, COAX_SERVICE_UNAVAILABLE);
}

static void write_links(struct coax_link_writer *writer, void *arg)
{
	const struct coaxd_files *files = arg;

	coaxd_list_files(files->root, writer);
}

int coaxd_files_add(struct coaxd_files *files, struct coax_site *site)
{
	const struct coax_resource_options options = {
		.path = "",
		.get = coaxd_files_get,
		.put = coaxd_files_change,
		.post = coaxd_files_change,
		.delete = coaxd_files_change,
		.arg = files,
		.subtree = true,
		.links = write_links,
		/* No query changes what a file's representation is; only files have a subject. */
		.cacheable_queries = true,
		.conditional = true,
	};

	return coax_site_add(site, &options, NULL);
}

static void changed(void *arg, const char *path, size_t length)
{
	struct coaxd_files *files = arg;

	coaxd_cache_changed(files->cache, path, length);
}

static void changed_all(void *arg)
{
	struct coaxd_files *files = arg;

	coaxd_cache_changed_all(files->cache);
}

static int open_root(struct coaxd_files *files, const char *directory)
{
	int fd, err;

	files->root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->root < 0) {
		err = -errno;
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot open the directory \"%s\": %s",
			 directory, strerror(-err));
		return err;
	}
	fd = coaxd_open_beneath(files->root, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot read the directory \"%s\": %s%s",
			 directory, strerror(-fd),
			 fd == -ENOSYS ? "; openat2() must not be blocked by a sandbox" : "");
		return fd;
	}
	close(fd);
	return 0;
}

static int start(struct coaxd_files *files, bool writable)
{
	static const struct coaxd_watch_ops ops = {changed, changed_all};
	size_t leftovers;
	int err;

	if (sodium_init() < 0)
		return -EIO;
	err = coaxd_cache_create(&files->cache, ENTRIES_MAX);
	if (err)
		return err;
	err = coaxd_watch_create(&files->watch, files->root, DIRECTORIES_MAX, &ops, files,
				 &files->logger);
	if (err || !writable)
		return err;
	leftovers = coaxd_store_sweep(files->root);
	if (leftovers)
		coax_log(&files->logger, COAX_LOG_INFO,
			 "removed %zu temporary files that an earlier run left", leftovers);
	return coaxd_writer_create(&files->writer, WRITES_MAX, coaxd_files_execute, files);
}

int coaxd_files_create(struct coaxd_files **result, const struct coaxd_files_options *options)
{
	struct coaxd_files *files = calloc(1, sizeof(*files));
	int err;

	if (!files)
		return -ENOMEM;
	files->root = -1;
	files->max_age = options->max_age;
	files->logger = options->logger;
	err = open_root(files, options->directory);
	if (err)
		goto out;
	err = start(files, options->writable);
	if (err) {
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot prepare to serve \"%s\": %s",
			 options->directory, strerror(-err));
		goto out;
	}
	*result = files;
	return 0;
out:
	coaxd_files_destroy(files);
	return err;
}

void coaxd_files_destroy(struct coaxd_files *files)
{
	if (!files)
		return;
	coaxd_writer_destroy(files->writer);
	coaxd_watch_destroy(files->watch);
	coaxd_cache_destroy(files->cache);
	if (files->root >= 0)
		close(files->root);
	free(files);
}
