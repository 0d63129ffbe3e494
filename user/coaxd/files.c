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

/* No path of a file ends in a slash. Returns the length. */
static size_t listing_key(const char *path, size_t length, char key[COAXD_PATH_MAX + 2])
{
	memcpy(key, path, length);
	key[length] = '/';
	return length + 1;
}

/* What is sent, wherever it lies. */
struct representation {
	const uint8_t *etag;
	struct coax_body body;
	uint16_t format;
};

/* Fill in a 2.05, unless a condition or Accept is against it. Returns the code to respond with. */
static uint8_t build(const struct coaxd_files *files, struct coax_responder *responder,
		     const struct representation *what)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_message *response = coax_responder_response(responder);
	uint32_t accept;

	if (!coax_responder_preconditions(responder, true, what->etag, COAXD_ETAG_SIZE))
		return COAX_PRECONDITION_FAILED;
	if (coax_message_find_uint(request, COAX_ACCEPT, &accept) && accept != what->format)
		return COAX_NOT_ACCEPTABLE;
	if (coax_message_add(response, COAX_ETAG, what->etag, COAXD_ETAG_SIZE) ||
	    coax_message_add_uint(response, COAX_CONTENT_FORMAT, what->format) ||
	    coax_message_add_uint(response, COAX_MAX_AGE,
				  __atomic_load_n(&files->max_age, __ATOMIC_RELAXED)))
		return COAX_INTERNAL_SERVER_ERROR;
	return COAX_CONTENT;
}

/* Takes the body over. What is not the response's to release is copied. */
static uint8_t set_body(struct coax_responder *responder, const struct coax_body *body)
{
	int err = body->release
			  ? coax_responder_set_body(responder, body)
			  : coax_responder_set_payload(responder, body->data, (size_t)body->length);

	return err ? COAX_INTERNAL_SERVER_ERROR : COAX_CONTENT;
}

/* Takes the body over. */
static void send_representation(const struct coaxd_files *files, struct coax_responder *responder,
				const struct representation *what)
{
	uint8_t code = build(files, responder, what);

	if (code == COAX_CONTENT)
		code = set_body(responder, &what->body);
	else if (what->body.release)
		what->body.release(what->body.arg);
	switch (code) {
	case COAX_NOT_ACCEPTABLE:
		coax_respond_error(responder, code, "it has Content-Format %u only", what->format);
		break;
	case COAX_INTERNAL_SERVER_ERROR:
		coax_respond_error(responder, code, "the response does not fit a message");
		break;
	default:
		coax_respond(responder, code);
	}
}

static void refuse_for_now(struct coax_responder *responder)
{
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, BUSY_MAX_AGE);
	coax_respond(responder, COAX_SERVICE_UNAVAILABLE);
}

void coaxd_files_refuse(struct coaxd_files *files, struct coax_responder *responder,
			const char *path, int err)
{
	char target[COAXD_TARGET_MAX];
	bool said;

	coaxd_path_target_below(files->prefix, path, NULL, target);
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
			 "\"%s\" is larger than %llu bytes, more than can be sent", target,
			 COAX_BODY_LENGTH_MAX);
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR,
				   "larger than %llu bytes, more than can be sent",
				   COAX_BODY_LENGTH_MAX);
		break;
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
		refuse_for_now(responder);
		break;
	default:
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot read \"%s\": %s", target,
			 strerror(-err));
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "cannot be read: %s",
				   strerror(-err));
	}
}

/*
 * Whether it is noticed from now on when there is something at `path`: one of the directories on
 * the way, which are watched, has nothing by the next name. What is there without being served (a
 * link, another file system) may go without a word.
 */
static bool is_absence_noticed(const struct coaxd_files *files, const struct coaxd_path *path)
{
	char prefix[COAXD_PATH_MAX + 1];
	size_t end, parent = 0;
	int fd;

	for (end = 1; end <= path->length; end++) {
		if (end < path->length && path->text[end] != '/')
			continue;
		if (!coaxd_watch_directory(files->watch, path->text, parent))
			return false;
		memcpy(prefix, path->text, end);
		prefix[end] = '\0';
		fd = coaxd_open_beneath(files->root, prefix, O_PATH | O_NOFOLLOW);
		if (fd < 0)
			return fd == -ENOENT;
		close(fd);
		parent = end;
	}
	return false;
}

/* There was nothing at `path`: find out whether that is so until names change. */
static void refuse_missing(struct coaxd_files *files, struct coax_responder *responder,
			   const struct coaxd_path *path)
{
	uint64_t generation = coax_subject_generation(files->names);

	if (is_absence_noticed(files, path))
		coax_responder_subject(responder, files->names, generation);
	coaxd_files_refuse(files, responder, path->text, -ENOENT);
}

/* No file ever has this path. */
static void refuse_path(struct coaxd_files *files, struct coax_responder *responder)
{
	coax_responder_subject(responder, files->names, coax_subject_generation(files->names));
	coax_respond(responder, COAX_NOT_FOUND);
}

/* What a path's representation is to be known under. */
struct noticed {
	struct coaxd_entry *entry; /* NULL: changes are not noticed */
	uint64_t generation;
};

/*
 * Before a file is read: see to it that its changes are noticed from now on, and those of
 * `directory` with it. In an RCU read section.
 */
static struct noticed notice(struct coaxd_files *files, const char *key, size_t key_length,
			     const char *directory, size_t directory_length)
{
	struct noticed noticed = {0};
	struct coaxd_entry *entry = coaxd_cache_obtain(files->cache, key, key_length);

	if (entry && coaxd_entry_generation(entry, &noticed.generation) &&
	    coaxd_watch_directory(files->watch, directory, directory_length))
		noticed.entry = entry;
	return noticed;
}

static void name_subject(struct coax_responder *responder, const struct noticed *noticed)
{
	coax_responder_subject(responder, noticed->entry ? noticed->entry->subject : NULL,
			       noticed->generation);
}

/*
 * The text of a listing, allocated when it does not fit `text`. Returns 0, or what
 * coaxd_list_directory() does.
 */
static int write_listing(const struct coaxd_files *files, const char *path,
			 struct coax_link_writer *writer, char **allocated)
{
	int err = coaxd_list_directory(files->root, files->prefix, path, writer);

	/* Meanwhile it may have grown again. */
	while (!err && writer->length > writer->size) {
		size_t size = writer->length;

		free(*allocated);
		*allocated = malloc(size);
		if (!*allocated)
			return -ENOMEM;
		*writer = (struct coax_link_writer){.text = *allocated, .size = size};
		err = coaxd_list_directory(files->root, files->prefix, path, writer);
	}
	return err;
}

/* It was one a moment ago. */
static bool is_no_directory(int err)
{
	return err == -ENOTDIR || err == -ELOOP || err == -EXDEV;
}

static void send_listing(struct coaxd_files *files, struct coax_responder *responder,
			 const struct coaxd_path *path)
{
	char text[COAX_PAYLOAD_MAX];
	struct coax_link_writer writer = {.text = text, .size = sizeof(text)};
	uint8_t etag[COAXD_ETAG_SIZE];
	struct representation what = {.etag = etag, .format = COAX_FORMAT_LINK};
	char *allocated = NULL;
	int err = write_listing(files, path->text, &writer, &allocated);

	if (err) {
		free(allocated);
		if (err == -EFBIG)
			coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR,
					   "more entries than are listed");
		else
			coaxd_files_refuse(files, responder, path->text,
					   is_no_directory(err) ? -ENOENT : err);
		return;
	}
	coaxd_etag(writer.text, writer.length, etag);
	what.body = (struct coax_body){.length = writer.length, .data = writer.text};
	if (allocated) {
		what.body.release = free;
		what.body.arg = allocated;
	}
	send_representation(files, responder, &what);
}

static void get_directory(struct coaxd_files *files, struct coax_responder *responder,
			  const struct coaxd_path *path)
{
	struct noticed noticed;
	char key[COAXD_PATH_MAX + 2];
	int err = coaxd_probe_file(files->root, path->text);

	if (err == -ENOENT) {
		refuse_missing(files, responder, path);
		return;
	}
	/* What turns out to be no directory is as good as missing. */
	if (err != -EISDIR) {
		coaxd_files_refuse(files, responder, path->text,
				   err == 0 || err == -ENOTSUP ? -ENOENT : err);
		return;
	}
	rcu_read_lock();
	noticed = notice(files, key, listing_key(path->text, path->length, key), path->text,
			 path->length);
	name_subject(responder, &noticed);
	send_listing(files, responder, path);
	rcu_read_unlock();
}

static void send_content(struct coaxd_files *files, struct coax_responder *responder,
			 const struct coaxd_path *path, const struct noticed *noticed,
			 const struct coaxd_content *content)
{
	const struct representation what = {
		.etag = content->etag,
		.body = {.length = content->length, .data = content->bytes},
		.format = coaxd_format_of(path->text),
	};

	if (noticed->entry)
		coaxd_entry_keep(noticed->entry, noticed->generation, content, what.format);
	send_representation(files, responder, &what);
}

/* Returns 0, or why there was nothing to send. */
static int send_large(struct coaxd_files *files, struct coax_responder *responder,
		      const struct coaxd_path *path, struct noticed *noticed)
{
	uint8_t etag[COAXD_ETAG_SIZE];
	struct representation what = {.etag = etag, .format = coaxd_format_of(path->text)};
	struct stat status;
	int err = coaxd_body_open(&what.body, &files->open, files->root, path->text, &status);

	if (err)
		return err;
	if (status.st_nlink != 1)
		noticed->entry = NULL;
	name_subject(responder, noticed);
	coaxd_etag_large(&status, etag);
	send_representation(files, responder, &what);
	return 0;
}

/*
 * The file is not in memory, or not as it is now. A name that leads nowhere gets no entry, so that
 * those who ask for such names make nothing grow.
 */
static void get_from_disk(struct coaxd_files *files, struct coax_responder *responder,
			  const struct coaxd_path *path)
{
	struct coaxd_content content;
	struct noticed noticed;
	size_t parent_length;
	int err = coaxd_probe_file(files->root, path->text);

	if (err == -ENOENT) {
		refuse_missing(files, responder, path);
		return;
	}
	if (err) {
		coaxd_files_refuse(files, responder, path->text, err);
		return;
	}
	coaxd_path_name(path->text, path->length, &parent_length);
	noticed = notice(files, path->text, path->length, path->text, parent_length);
	err = coaxd_read_file(files->root, path->text, &content);
	if (err == -EFBIG)
		err = send_large(files, responder, path, &noticed);
	else if (!err) {
		/*
		 * A write through another of the file's names is told where that name is, which may
		 * be outside of what is watched: such a file is not to be remembered anywhere.
		 */
		if (content.status.st_nlink != 1)
			noticed.entry = NULL;
		name_subject(responder, &noticed);
		send_content(files, responder, path, &noticed, &content);
	}
	if (err)
		coaxd_files_refuse(files, responder, path->text, err);
}

void coaxd_files_get(struct coax_responder *responder, void *arg)
{
	const struct coaxd_representation *representation = NULL;
	struct coaxd_files *files = arg;
	struct representation what = {0};
	struct coaxd_entry *entry;
	struct coaxd_path path;

	if (coaxd_path_from_request(&path, coax_responder_request(responder), files->depth)) {
		refuse_path(files, responder);
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
		what.etag = representation->etag;
		what.body.data = representation->bytes;
		what.body.length = representation->length;
		what.format = representation->format;
		coax_responder_subject(responder, entry->subject, representation->generation);
		send_representation(files, responder, &what);
	} else {
		get_from_disk(files, responder, &path);
	}
	rcu_read_unlock();
}

void coaxd_files_change(struct coax_responder *responder, void *arg)
{
	struct coaxd_files *files = arg;

	if (!__atomic_load_n(&files->writable, __ATOMIC_ACQUIRE)) {
		coax_respond_error(responder, COAX_METHOD_NOT_ALLOWED, "the files are read only");
		return;
	}
	if (!coaxd_writer_submit(files->writer, responder))
		refuse_for_now(responder);
}

static size_t listing_key_of(const char *path, size_t length, char key[COAXD_PATH_MAX + 2])
{
	size_t parent_length;

	coaxd_path_name(path, length, &parent_length);
	return listing_key(path, parent_length, key);
}

static void changed(void *arg, const char *path, size_t length, bool listed)
{
	const struct coaxd_files *files = arg;
	char key[COAXD_PATH_MAX + 2];

	coaxd_cache_changed(files->cache, path, length);
	if (!listed)
		return;
	coaxd_cache_changed(files->cache, key, listing_key_of(path, length, key));
	coax_subject_changed(files->names);
}

struct coaxd_known coaxd_files_known(const struct coaxd_files *files, const char *path,
				     size_t length)
{
	char key[COAXD_PATH_MAX + 2];
	size_t key_length = listing_key_of(path, length, key);

	return (struct coaxd_known){
		.file = coaxd_cache_generation(files->cache, path, length),
		.listing = coaxd_cache_generation(files->cache, key, key_length),
		.names = coax_subject_generation(files->names),
	};
}

void coaxd_files_changed(struct coaxd_files *files, const char *path, size_t length, bool listed,
			 const struct coaxd_known *before)
{
	char key[COAXD_PATH_MAX + 2];
	struct coaxd_known now;

	coaxd_watch_catch_up(files->watch);
	now = coaxd_files_known(files, path, length);
	if (now.file == before->file)
		coaxd_cache_changed(files->cache, path, length);
	if (listed && now.listing == before->listing)
		coaxd_cache_changed(files->cache, key, listing_key_of(path, length, key));
	if (listed && now.names == before->names)
		coax_subject_changed(files->names);
}

static void changed_all(void *arg)
{
	struct coaxd_files *files = arg;

	coaxd_cache_changed_all(files->cache);
	coax_subject_changed(files->names);
}

void coaxd_files_forget(struct coaxd_files *files)
{
	changed_all(files);
}

bool coaxd_files_are_idle(struct coaxd_files *files)
{
	return !atomic_load(&files->open.count) &&
	       !__atomic_load_n(&files->uploads.count, __ATOMIC_ACQUIRE) &&
	       (!files->writer || coaxd_writer_is_idle(files->writer));
}

#define NOT_OURS "; it is served as another user than root (--user)"

static int open_root(struct coaxd_files *files, const char *directory)
{
	int fd, err;

	files->root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->root < 0) {
		err = -errno;
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot open the directory \"%s\": %s%s",
			 directory, strerror(-err), err == -EACCES ? NOT_OURS : "");
		return err;
	}
	fd = coaxd_open_beneath(files->root, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot read the directory \"%s\": %s%s",
			 directory, strerror(-fd),
			 fd == -ENOSYS	 ? "; openat2() must not be blocked by a sandbox"
			 : fd == -EACCES ? NOT_OURS
					 : "");
		return fd;
	}
	close(fd);
	return 0;
}

static void warn_of_read_only(const struct coaxd_files *files, const char *directory)
{
	if (faccessat(files->root, ".", W_OK | X_OK, AT_EACCESS) != 0)
		coax_log(&files->logger, COAX_LOG_WARNING,
			 "user ID %u cannot write to \"%s\": what requests would change there is "
			 "refused (4.03): %s",
			 geteuid(), directory, strerror(errno));
}

/* The writer stays when nothing is written any more: requests may be waiting there. */
static int make_writable(struct coaxd_files *files)
{
	size_t leftovers;
	int err;

	if (files->writer)
		return 0;
	leftovers = coaxd_store_sweep(files->root);
	if (leftovers)
		coax_log(&files->logger, COAX_LOG_INFO,
			 "removed %zu temporary files that an earlier run left", leftovers);
	err = coaxd_writer_create(&files->writer, WRITES_MAX, coaxd_files_execute, files);
	files->uploads.writer = files->writer;
	return err;
}

static void set_numbers(struct coaxd_files *files, const struct coaxd_files_options *options)
{
	__atomic_store_n(&files->max_age, options->max_age, __ATOMIC_RELAXED);
	__atomic_store_n(&files->size_max, options->size_max ? options->size_max : COAXD_SIZE_MAX,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&files->uploads.max,
			 options->uploads_max ? options->uploads_max : COAXD_UPLOADS_MAX,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&files->open.max, options->open_max ? options->open_max : COAXD_OPEN_MAX,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&files->writable, options->writable, __ATOMIC_RELEASE);
}

static int start(struct coaxd_files *files, const struct coaxd_files_options *options)
{
	static const struct coaxd_watch_ops ops = {changed, changed_all};
	int err;

	if (sodium_init() < 0)
		return -EIO;
	if (options->names)
		files->names = coax_subject_get(options->names);
	err = files->names ? 0 : coax_subject_create(&files->names);
	if (!err)
		err = coaxd_cache_create(&files->cache, ENTRIES_MAX);
	if (err)
		return err;
	err = coaxd_watch_create(&files->watch, files->root, DIRECTORIES_MAX, &ops, files,
				 &files->logger);
	return err || !options->writable ? err : make_writable(files);
}

int coaxd_files_set(struct coaxd_files *files, const struct coaxd_files_options *options)
{
	int err = options->writable ? make_writable(files) : 0;

	if (err) {
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot make \"%s\" writable: %s",
			 options->directory, strerror(-err));
		return err;
	}
	if (options->writable && !files->writable)
		warn_of_read_only(files, options->directory);
	set_numbers(files, options);
	if (files->resource)
		coax_resource_set_body_max(files->resource, files->size_max);
	return 0;
}

static int set_prefix(struct coaxd_files *files, const char *prefix)
{
	if (!coaxd_path_is_prefix(prefix, &files->depth))
		return -EINVAL;
	strcpy(files->prefix, prefix);
	return 0;
}

int coaxd_files_create(struct coaxd_files **result, const struct coaxd_files_options *options)
{
	struct coaxd_files *files = calloc(1, sizeof(*files));
	int err;

	if (!files)
		return -ENOMEM;
	files->root = -1;
	set_numbers(files, options);
	files->logger = options->logger;
	err = set_prefix(files, options->prefix ? options->prefix : "");
	if (!err) {
		files->directory = strdup(options->directory);
		err = files->directory ? 0 : -ENOMEM;
	}
	if (!err)
		err = open_root(files, options->directory);
	if (err)
		goto out;
	err = start(files, options);
	if (err) {
		coax_log(&files->logger, COAX_LOG_ERROR, "cannot prepare to serve \"%s\": %s",
			 options->directory, strerror(-err));
		goto out;
	}
	if (options->writable)
		warn_of_read_only(files, options->directory);
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
	coax_subject_put(files->names);
	if (files->root >= 0)
		close(files->root);
	free(files->directory);
	free(files->place);
	free(files);
}
