// SPDX-License-Identifier: BSD-2-Clause
/*
 * PUT, POST and DELETE, on the writer's thread.
 *
 * Always in this order: the change becomes visible in the file system, what was rendered before is
 * withdrawn, and then the client is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <coax/option.h>
#include "coaxd/files.h"
#include "coaxd/format.h"
#include "coaxd/path.h"
#include "coaxd/store.h"

/* How often a PUT starts again because somebody else made the file meanwhile. */
#define PUT_ATTEMPTS 4

/* A request being executed. */
struct change {
	struct coaxd_files *files;
	struct coax_responder *responder;
	const struct coax_message *request;
	const uint8_t *payload;
	size_t payload_length;
	struct coaxd_path path;
	int directory; /* that the file is in; -1: not open */
	const char *name;
	int state; /* what coaxd_read_file() says of the file; `content` is what it had */
	struct coaxd_content content;
};

static void refuse(const struct change *change, uint8_t code, const char *why)
{
	coax_respond_error(change->responder, code, "%s", why);
}

static bool exists(const struct change *change)
{
	return change->state == 0 || change->state == -EFBIG;
}

/* Find the file's directory and its present state. Returns 0 or why there is no such directory. */
static int look(struct change *change)
{
	size_t parent_length;
	char parent[COAXD_PATH_MAX + 1];

	change->name = coaxd_path_name(change->path.text, change->path.length, &parent_length);
	memcpy(parent, change->path.text, parent_length);
	parent[parent_length] = '\0';
	change->directory = coaxd_open_beneath(change->files->root, parent,
					       O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (change->directory < 0)
		return change->directory;
	change->state = coaxd_probe_file(change->directory, change->name);
	if (!change->state)
		change->state = coaxd_read_file(change->directory, change->name, &change->content);
	return 0;
}

/* Answer for what can be neither replaced nor removed. Returns whether it did. */
static bool refuse_state(const struct change *change)
{
	switch (change->state) {
	case 0:
	case -EFBIG:
	case -ENOENT:
		return false;
	case -EISDIR:
		refuse(change, COAX_METHOD_NOT_ALLOWED, "a directory");
		return true;
	case -ENOTSUP:
		refuse(change, COAX_FORBIDDEN, "not a regular file");
		return true;
	default:
		coaxd_files_refuse(change->files, change->responder, change->path.text,
				   change->state);
		return true;
	}
}

static bool refuse_conditions(const struct change *change)
{
	const uint8_t *etag = change->state == 0 ? change->content.etag : NULL;

	if (coax_responder_preconditions(change->responder, exists(change), etag,
					 etag ? COAXD_ETAG_SIZE : 0))
		return false;
	coax_respond(change->responder, COAX_PRECONDITION_FAILED);
	return true;
}

/* What GET could not give back is not stored. Peers decide how often this is said, as for GET. */
static bool refuse_length(const struct change *change)
{
	struct coaxd_files *files = change->files;
	char target[COAXD_TARGET_MAX];
	bool said;

	if (change->payload_length <= COAX_PAYLOAD_MAX)
		return false;
	said = __atomic_exchange_n(&files->said_body_too_large, true, __ATOMIC_RELAXED);
	coaxd_path_target(change->path.text, NULL, target);
	coax_log(&files->logger, said ? COAX_LOG_INFO : COAX_LOG_WARNING,
		 "a body of %zu bytes for \"%s\" is refused: larger ones than %d bytes need "
		 "block-wise transfer, which is not available in this version",
		 change->payload_length, target, COAX_PAYLOAD_MAX);
	coax_respond_error(change->responder, COAX_INTERNAL_SERVER_ERROR,
			   "bodies larger than %d bytes need block-wise transfer, which is not "
			   "available in this version",
			   COAX_PAYLOAD_MAX);
	return true;
}

/* The payload must be what the file's name says, or GET would call it something else. */
static bool refuse_format(const struct change *change)
{
	uint16_t format = coaxd_format_of(change->path.text);
	uint32_t given;

	if (!coax_message_find_uint(change->request, COAX_CONTENT_FORMAT, &given) ||
	    given == format)
		return false;
	coax_respond_error(change->responder, COAX_UNSUPPORTED_CONTENT_FORMAT,
			   "a file of this name has Content-Format %u", format);
	return true;
}

static void refuse_directory(const struct change *change, int err)
{
	if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EXDEV)
		refuse(change, COAX_NOT_FOUND, "there is no such directory");
	else
		coaxd_files_refuse(change->files, change->responder, change->path.text, err);
}

static void refuse_write(const struct change *change, int err)
{
	char target[COAXD_TARGET_MAX];

	coaxd_path_target(change->path.text, NULL, target);
	switch (err) {
	case -ENOENT:
		refuse(change, COAX_NOT_FOUND, "the directory is being removed");
		break;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		coax_log(&change->files->logger, COAX_LOG_WARNING, "may not write \"%s\": %s",
			 target, strerror(-err));
		refuse(change, COAX_FORBIDDEN, "the server may not write there");
		break;
	default:
		coax_log(&change->files->logger, COAX_LOG_ERROR, "cannot write \"%s\": %s", target,
			 strerror(-err));
		coax_respond_error(change->responder, COAX_INTERNAL_SERVER_ERROR,
				   "the file could not be written: %s", strerror(-err));
	}
}

/*
 * The file has changed. What inotify has to tell of it is told now, so that it does not take back
 * what others render from the new state.
 */
static void withdraw(const struct change *change, const char *path, size_t length)
{
	coaxd_cache_changed(change->files->cache, path, length);
	coaxd_watch_catch_up(change->files->watch);
}

static int replace(const struct change *change, const void *bytes, size_t length)
{
	const struct stat *like = exists(change) ? &change->content.status : NULL;
	bool visible;
	int err =
		coaxd_store_replace(change->directory, change->name, bytes, length, like, &visible);

	if (visible)
		withdraw(change, change->path.text, change->path.length);
	return err;
}

/* RFC 7252 section 5.10.6.1: the tag of what the target is now. It is elective: no harm if lost. */
static void add_etag(const struct change *change, const void *bytes, size_t length)
{
	uint8_t etag[COAXD_ETAG_SIZE];

	coaxd_etag(bytes, length, etag);
	coax_message_add(coax_responder_response(change->responder), COAX_ETAG, etag, sizeof(etag));
}

/* Returns -EEXIST, unanswered, when there is a file by now where there was none. */
static int put_once(struct change *change)
{
	int err = look(change);

	if (err) {
		refuse_directory(change, err);
		return 0;
	}
	if (refuse_state(change) || refuse_conditions(change))
		return 0;
	err = replace(change, change->payload, change->payload_length);
	if (err == -EEXIST)
		return err;
	if (err) {
		refuse_write(change, err);
		return 0;
	}
	add_etag(change, change->payload, change->payload_length);
	coax_respond(change->responder, exists(change) ? COAX_CHANGED : COAX_CREATED);
	return 0;
}

static void close_directory(struct change *change)
{
	if (change->directory >= 0)
		close(change->directory);
	change->directory = -1;
}

static void put(struct change *change)
{
	int err = -EEXIST;

	if (change->path.directory) {
		refuse(change, COAX_METHOD_NOT_ALLOWED, "a directory: PUT takes a file's path");
		return;
	}
	if (refuse_format(change))
		return;
	for (int attempt = 0; err && attempt < PUT_ATTEMPTS; attempt++) {
		close_directory(change);
		err = put_once(change);
	}
	if (err)
		refuse_write(change, err);
}

static void delete (struct change *change)
{
	bool visible;
	int err;

	if (change->path.directory) {
		refuse(change, COAX_METHOD_NOT_ALLOWED, "a directory: DELETE takes a file's path");
		return;
	}
	err = look(change);
	if (err == -ENOENT || err == -ENOTDIR)
		change->state = -ENOENT;
	else if (err) {
		refuse_directory(change, err);
		return;
	}
	if (refuse_state(change) || refuse_conditions(change))
		return;

	/* RFC 7252 section 5.8.4: it is deleted, even if it was not there. */
	if (exists(change)) {
		err = coaxd_store_remove(change->directory, change->name, &visible);
		if (visible)
			withdraw(change, change->path.text, change->path.length);
		if (err && err != -ENOENT) {
			refuse_write(change, err);
			return;
		}
	}
	coax_respond(change->responder, COAX_DELETED);
}

static void append(struct change *change)
{
	uint8_t bytes[COAX_PAYLOAD_MAX];
	size_t length = change->content.length;
	int err;

	if (refuse_format(change) || refuse_conditions(change))
		return;
	if (change->state == -EFBIG || change->payload_length > sizeof(bytes) - length) {
		coax_respond_error(change->responder, COAX_REQUEST_ENTITY_TOO_LARGE,
				   "the file would be larger than %d bytes", COAX_PAYLOAD_MAX);
		return;
	}
	memcpy(bytes, change->content.bytes, length);
	if (change->payload_length)
		memcpy(bytes + length, change->payload, change->payload_length);
	length += change->payload_length;

	err = replace(change, bytes, length);
	if (err) {
		refuse_write(change, err);
		return;
	}
	add_etag(change, bytes, length);
	coax_respond(change->responder, COAX_CHANGED);
}

/* RFC 7252 section 5.8.2: where the new resource is. Returns 0 or a negative errno. */
static int add_location(const struct change *change, const char *name)
{
	struct coax_message *response = coax_responder_response(change->responder);
	const char *at = change->path.text;

	while (*at) {
		size_t length = strcspn(at, "/");
		int err = coax_message_add(response, COAX_LOCATION_PATH, at, length);

		if (err)
			return err;
		at += length + (at[length] == '/');
	}
	return coax_message_add_string(response, COAX_LOCATION_PATH, name);
}

/* The extension for the payload's Content-Format; without one nothing is known of the bytes. */
static const char *extension(const struct change *change)
{
	uint32_t format = COAX_FORMAT_OCTET_STREAM;

	coax_message_find_uint(change->request, COAX_CONTENT_FORMAT, &format);
	return coaxd_format_extension(format);
}

static void store_new(struct change *change, const char *name)
{
	char path[COAXD_PATH_MAX + NAME_MAX + 2];
	size_t length = (size_t)snprintf(path, sizeof(path), "%s%s%s", change->path.text,
					 change->path.length ? "/" : "", name);
	bool visible;
	int err = coaxd_store_replace(change->directory, name, change->payload,
				      change->payload_length, NULL, &visible);

	if (visible)
		withdraw(change, path, length);
	if (err) {
		refuse_write(change, err);
		return;
	}
	add_etag(change, change->payload, change->payload_length);
	coax_respond(change->responder, COAX_CREATED);
}

static void create(struct change *change)
{
	char random[COAXD_RANDOM_NAME_SIZE], name[COAXD_RANDOM_NAME_SIZE + 16];
	const char *ending = extension(change);
	int err;

	if (!ending) {
		refuse(change, COAX_UNSUPPORTED_CONTENT_FORMAT,
		       "no file name extension stands for this Content-Format");
		return;
	}
	change->directory = coaxd_open_beneath(change->files->root, change->path.text,
					       O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (change->directory < 0) {
		refuse_directory(change, change->directory);
		return;
	}
	change->state = -EFBIG; /* it exists, and has no ETag */
	if (refuse_conditions(change))
		return;
	err = coaxd_random_name(random);
	if (err) {
		refuse_write(change, err);
		return;
	}
	snprintf(name, sizeof(name), "%s%s", random, ending);
	if (add_location(change, name))
		refuse(change, COAX_INTERNAL_SERVER_ERROR, "the new path does not fit a message");
	else
		store_new(change, name);
}

static void post(struct change *change)
{
	int err;

	if (change->path.directory) {
		create(change);
		return;
	}
	err = look(change);
	if (err) {
		refuse_directory(change, err);
	} else if (exists(change)) {
		append(change);
	} else if (change->state == -EISDIR) {
		close_directory(change);
		create(change);
	} else if (change->state == -ENOENT) {
		refuse(change, COAX_NOT_FOUND, "POST takes the path of a file or a directory");
	} else {
		refuse_state(change);
	}
}

static void execute(struct change *change)
{
	uint8_t code = coax_message_code(change->request);

	if (code == COAX_DELETE)
		delete (change);
	else if (refuse_length(change))
		return;
	else if (code == COAX_PUT)
		put(change);
	else
		post(change);
}

void coaxd_files_execute(struct coax_responder *responder, void *arg)
{
	struct change change = {
		.files = arg,
		.responder = responder,
		.request = coax_responder_request(responder),
		.directory = -1,
	};
	int err = coaxd_path_from_request(&change.path, change.request);

	change.payload = coax_message_payload(change.request, &change.payload_length);
	if (err == -EACCES)
		refuse(&change, COAX_FORBIDDEN, "no part of a path may begin with a dot");
	else if (err)
		refuse(&change, COAX_BAD_REQUEST, "no file can have this path");
	else
		execute(&change);
	close_directory(&change);
}
