// SPDX-License-Identifier: BSD-2-Clause
/*
 * PUT, POST and DELETE, on the writer's thread.
 *
 * Always in this order: the change becomes visible in the file system, what was rendered before is
 * withdrawn, and then the client is told.
 *
 * A body in one message is stored at once. A larger one goes to a temporary file part by part; what
 * speaks against storing it is looked for before the first part and again behind the last one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <coax/option.h>
#include "coaxd/files.h"
#include "coaxd/format.h"
#include "coaxd/path.h"
#include "coaxd/store.h"
#include "coaxd/upload.h"

/* How often a PUT starts again because somebody else made the file meanwhile. */
#define PUT_ATTEMPTS 4

/* A client that has to wait for others' uploads asks again after this many seconds. */
#define UPLOADS_MAX_AGE 10

/* A request being executed. */
struct change {
	struct coaxd_files *files;
	struct coax_responder *responder;
	const struct coax_message *request;
	const uint8_t *payload;
	size_t payload_length;
	struct coaxd_upload *upload; /* what is to be stored; NULL: the payload is */
	struct coaxd_path path;
	int directory; /* that the file is in; -1: not open */
	const char *name;
	int state; /* what coaxd_read_file() says of the file; -EFBIG: `content` has no bytes */
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
	bool there = exists(change);

	if (coax_responder_preconditions(change->responder, there,
					 there ? change->content.etag : NULL,
					 there ? COAXD_ETAG_SIZE : 0) &&
	    !(there && change->upload && change->upload->if_none_match))
		return false;
	coax_respond(change->responder, COAX_PRECONDITION_FAILED);
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

	coaxd_path_target_below(change->files->prefix, change->path.text, NULL, target);
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

/* RFC 7252 section 5.10.6.1: the tag of what the target is now. It is elective: no harm if lost. */
static void add_etag(const struct change *change, const uint8_t *etag)
{
	coax_message_add(coax_responder_response(change->responder), COAX_ETAG, etag,
			 COAXD_ETAG_SIZE);
}

static void add_etag_of_bytes(const struct change *change, const void *bytes, size_t length)
{
	uint8_t etag[COAXD_ETAG_SIZE];

	coaxd_etag(bytes, length, etag);
	add_etag(change, etag);
}

static void add_etag_of_file(const struct change *change, int fd)
{
	uint8_t etag[COAXD_ETAG_SIZE];

	if (coaxd_etag_of(fd, etag) == 0)
		add_etag(change, etag);
}

/*
 * Store what the request brought as the file `name`, `path` as a whole, and answer with the code;
 * `like` as for coaxd_store_replace(). Returns -EEXIST, unanswered, when there is a file by now
 * where there was none.
 */
static int store(const struct change *change, const char *path, size_t path_length,
		 const char *name, const struct stat *like)
{
	const struct coaxd_known known = coaxd_files_known(change->files, path, path_length);
	bool visible;
	int err;

	if (change->upload)
		err = coaxd_upload_place(change->upload, change->directory, name, like, &visible);
	else
		err = coaxd_store_replace(change->directory, name, change->payload,
					  change->payload_length, like, &visible);
	if (visible)
		coaxd_files_changed(change->files, path, path_length, !like, &known);
	if (err == -EEXIST)
		return err;
	if (err) {
		refuse_write(change, err);
		return 0;
	}
	if (change->upload)
		add_etag_of_file(change, change->upload->temporary.fd);
	else
		add_etag_of_bytes(change, change->payload, change->payload_length);
	coax_respond(change->responder, like ? COAX_CHANGED : COAX_CREATED);
	return 0;
}

static void close_directory(struct change *change)
{
	if (change->directory >= 0)
		close(change->directory);
	change->directory = -1;
}

/* Returns whether nothing speaks against putting a file here; otherwise it has been answered. */
static bool prepare_put(struct change *change)
{
	int err;

	close_directory(change);
	if (change->path.directory) {
		refuse(change, COAX_METHOD_NOT_ALLOWED, "a directory: PUT takes a file's path");
		return false;
	}
	if (refuse_format(change))
		return false;
	err = look(change);
	if (err) {
		refuse_directory(change, err);
		return false;
	}
	return !refuse_state(change) && !refuse_conditions(change);
}

static void put(struct change *change)
{
	int err = -EEXIST;

	for (int attempt = 0; err && attempt < PUT_ATTEMPTS; attempt++) {
		if (!prepare_put(change))
			return;
		err = store(change, change->path.text, change->path.length, change->name,
			    exists(change) ? &change->content.status : NULL);
	}
	if (err)
		refuse_write(change, err);
}

static void delete (struct change *change)
{
	struct coaxd_known known;
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
		known = coaxd_files_known(change->files, change->path.text, change->path.length);
		err = coaxd_store_remove(change->directory, change->name, &visible);
		if (visible)
			coaxd_files_changed(change->files, change->path.text, change->path.length,
					    true, &known);
		if (err && err != -ENOENT) {
			refuse_write(change, err);
			return;
		}
	}
	coax_respond(change->responder, COAX_DELETED);
}

/* The former content and what the request brought, in a file of their own. */
static int write_both(const struct change *change, struct coaxd_temporary *temporary)
{
	struct stat status;
	int former = coaxd_open_file(change->directory, change->name, &status);
	int err;

	if (former < 0)
		return former;
	err = coaxd_temporary_take_over(temporary, &change->content.status);
	if (!err)
		err = coaxd_temporary_copy(temporary, former);
	if (!err && change->upload)
		err = coaxd_temporary_copy(temporary, change->upload->temporary.fd);
	else if (!err)
		err = coaxd_temporary_write(temporary, change->payload, change->payload_length);
	close(former);
	return err;
}

/* So readers see the file as it was or with all of it, and a crash leaves one or the other. */
static int append_and_place(const struct change *change)
{
	const struct coaxd_known known =
		coaxd_files_known(change->files, change->path.text, change->path.length);
	struct coaxd_temporary temporary;
	bool visible = false;
	int err = coaxd_temporary_create(&temporary, change->directory, true);

	if (err)
		return err;
	err = write_both(change, &temporary);
	if (!err)
		err = coaxd_temporary_place(&temporary, change->directory, change->name, true,
					    &visible);
	if (visible)
		coaxd_files_changed(change->files, change->path.text, change->path.length, false,
				    &known);
	if (!err)
		add_etag_of_file(change, temporary.fd);
	coaxd_temporary_discard(&temporary);
	return err;
}

static bool refuse_length(const struct change *change)
{
	uint64_t max = __atomic_load_n(&change->files->size_max, __ATOMIC_RELAXED);
	uint64_t length = change->upload ? change->upload->length : change->payload_length;

	if (length <= max && (uint64_t)change->content.status.st_size <= max - length)
		return false;
	coax_respond_error(change->responder, COAX_REQUEST_ENTITY_TOO_LARGE,
			   "the file would be larger than %" PRIu64 " bytes", max);
	return true;
}

static void append(const struct change *change)
{
	int err = append_and_place(change);

	if (err)
		refuse_write(change, err);
	else
		coax_respond(change->responder, COAX_CHANGED);
}

static int add_segments(struct coax_message *response, const char *at)
{
	while (*at) {
		size_t length = strcspn(at, "/");
		int err = coax_message_add(response, COAX_LOCATION_PATH, at, length);

		if (err)
			return err;
		at += length + (at[length] == '/');
	}
	return 0;
}

/* RFC 7252 section 5.8.2: where the new resource is. Returns 0 or a negative errno. */
static int add_location(const struct change *change, const char *name)
{
	struct coax_message *response = coax_responder_response(change->responder);
	int err = add_segments(response, change->files->prefix);

	if (!err)
		err = add_segments(response, change->path.text);
	return err ? err : coax_message_add_string(response, COAX_LOCATION_PATH, name);
}

/* The extension for the payload's Content-Format; without one nothing is known of the bytes. */
static const char *extension(const struct change *change)
{
	uint32_t format = COAX_FORMAT_OCTET_STREAM;

	coax_message_find_uint(change->request, COAX_CONTENT_FORMAT, &format);
	return coaxd_format_extension(format);
}

static bool prepare_create(struct change *change)
{
	close_directory(change);
	if (!extension(change)) {
		refuse(change, COAX_UNSUPPORTED_CONTENT_FORMAT,
		       "no file name extension stands for this Content-Format");
		return false;
	}
	change->directory = coaxd_open_beneath(change->files->root, change->path.text,
					       O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (change->directory < 0) {
		refuse_directory(change, change->directory);
		return false;
	}
	change->state = -EISDIR;
	/* It exists, and has no ETag. */
	if (coax_responder_preconditions(change->responder, true, NULL, 0))
		return true;
	coax_respond(change->responder, COAX_PRECONDITION_FAILED);
	return false;
}

static void create(struct change *change)
{
	char random[COAXD_RANDOM_NAME_SIZE], name[COAXD_RANDOM_NAME_SIZE + 16];
	char path[COAXD_PATH_MAX + NAME_MAX + 2];
	size_t length;
	int err = coaxd_random_name(random);

	if (err) {
		refuse_write(change, err);
		return;
	}
	snprintf(name, sizeof(name), "%s%s", random, extension(change));
	if (add_location(change, name)) {
		refuse(change, COAX_INTERNAL_SERVER_ERROR, "the new path does not fit a message");
		return;
	}
	length = (size_t)snprintf(path, sizeof(path), "%s%s%s", change->path.text,
				  change->path.length ? "/" : "", name);
	err = store(change, path, length, name, NULL);
	if (err)
		refuse_write(change, err);
}

/* As prepare_put(): the state is that of a file then, to be appended to, or -EISDIR. */
static bool prepare_post(struct change *change)
{
	int err;

	if (change->path.directory)
		return prepare_create(change);
	close_directory(change);
	err = look(change);
	if (err) {
		refuse_directory(change, err);
		return false;
	}
	if (exists(change))
		return !refuse_format(change) && !refuse_conditions(change) &&
		       !refuse_length(change);
	if (change->state == -EISDIR)
		return prepare_create(change);
	if (change->state == -ENOENT)
		refuse(change, COAX_NOT_FOUND, "POST takes the path of a file or a directory");
	else
		refuse_state(change);
	return false;
}

static void post(struct change *change)
{
	if (!prepare_post(change))
		return;
	if (exists(change))
		append(change);
	else
		create(change);
}

static void change_file(struct change *change)
{
	if (coax_message_code(change->request) == COAX_PUT)
		put(change);
	else
		post(change);
}

/* The first part of what does not fit a message. Returns whether the request is to go on. */
static bool begin_upload(struct change *change, const struct coax_part *part)
{
	bool is_put = coax_message_code(change->request) == COAX_PUT;
	const struct stat *like = NULL;
	struct coax_option option;
	int err;

	if (!(is_put ? prepare_put(change) : prepare_post(change)))
		return false;
	if (is_put && exists(change))
		like = &change->content.status;
	err = coaxd_upload_begin(&change->upload, &change->files->uploads, change->directory, like);
	if (err == -EBUSY) {
		coax_message_add_uint(coax_responder_response(change->responder), COAX_MAX_AGE,
				      UPLOADS_MAX_AGE);
		coax_respond(change->responder, COAX_SERVICE_UNAVAILABLE);
		return false;
	}
	if (err) {
		refuse_write(change, err);
		return false;
	}
	change->upload->if_none_match =
		coax_message_find(change->request, COAX_IF_NONE_MATCH, &option);
	*part->transfer = change->upload;
	*part->release = coaxd_upload_release;
	return true;
}

static void take_part(struct change *change, const struct coax_part *part)
{
	int err;

	change->upload = *part->transfer;
	if (!change->upload && !begin_upload(change, part))
		return;
	err = coaxd_upload_write(change->upload, change->payload, change->payload_length);
	if (err)
		refuse_write(change, err);
	else if (part->more)
		coax_respond(change->responder, COAX_CONTINUE);
	else
		change_file(change);
}

static void execute(struct change *change)
{
	const struct coax_part *part = coax_responder_part(change->responder);

	if (coax_message_code(change->request) == COAX_DELETE)
		delete (change);
	else if (part &&
		 (part->more || *part->transfer || change->payload_length > COAX_PAYLOAD_MAX))
		take_part(change, part);
	else
		change_file(change);
}

void coaxd_files_execute(struct coax_responder *responder, void *arg)
{
	struct change change = {
		.files = arg,
		.responder = responder,
		.request = coax_responder_request(responder),
		.directory = -1,
	};
	int err = coaxd_path_from_request(&change.path, change.request, change.files->depth);

	change.payload = coax_message_payload(change.request, &change.payload_length);
	if (err == -EACCES)
		refuse(&change, COAX_FORBIDDEN, "no part of a path may begin with a dot");
	else if (err)
		refuse(&change, COAX_BAD_REQUEST, "no file can have this path");
	else
		execute(&change);
	close_directory(&change);
}
