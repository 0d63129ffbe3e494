/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coaxd's files in a directory of their own, and requests for them without any network.
 */
#ifndef COAXD_FIXTURE_H
#define COAXD_FIXTURE_H

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "../harness.h"
#include "site/responder.h"

#include "coaxd/beneath.c"
#include "coaxd/body.c"
#include "coaxd/cache.c"
#include "coaxd/changes.c"

/* What happens to a file while it is being read, for the tests to say. */
static void (*before_reading)(void);
static void (*after_reading)(void);

static inline int read_and_tell(int root, const char *path, struct coaxd_content *content)
{
	int err;

	if (before_reading)
		before_reading();
	err = coaxd_read_file(root, path, content);
	if (after_reading)
		after_reading();
	return err;
}

#define coaxd_read_file read_and_tell
#include "coaxd/files.c"
#undef coaxd_read_file
#include "coaxd/format.c"
#include "coaxd/listing.c"
#include "coaxd/path.c"
#include "coaxd/place.c"

/* What happens while the disk is waited for, for the tests to say. */
static void (*while_syncing)(void);

static inline int sync_and_tell(int fd)
{
	if (while_syncing)
		while_syncing();
	return fsync(fd);
}

#define fsync sync_and_tell
#include "coaxd/store.c"
#undef fsync
#include "coaxd/upload.c"
#include "coaxd/watch.c"
#include "coaxd/writer.c"

#define DEADLINE_MS 10000

static int dir = -1;
static struct coaxd_files *files;
static char last_log[1024];

static inline void take_log(void *arg, enum coax_log_level level, const char *name,
			    const char *line)
{
	(void)arg;
	(void)name;
	if (level >= COAX_LOG_WARNING)
		snprintf(last_log, sizeof(last_log), "%s", line);
}

static inline void make_directory(void)
{
	dir = open(harness_directory(), O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
}

static inline void serve(bool writable)
{
	const struct coaxd_files_options options = {
		.directory = harness_directory(),
		.writable = writable,
		.max_age = 77,
		.logger = {.write = take_log, .from = COAX_LOG_INFO},
	};

	if (dir < 0)
		make_directory();
	ASSERT_EQ(coaxd_files_create(&files, &options), 0);
}

static inline void stop(void)
{
	coaxd_files_destroy(files);
	files = NULL;
	close(dir);
}

/* From now on changes by others are told only when somebody catches up. */
static inline void stop_watching(void)
{
	ASSERT_EQ(eventfd_write(files->watch->stop, 1), 0);
	pthread_join(files->watch->thread, NULL);
	/* One that ends at once, for whom destroys the watch. */
	ASSERT_EQ(pthread_create(&files->watch->thread, NULL, tell_on, files->watch), 0);
}

static inline void write_file(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline int truncate_at(const char *name, off_t length)
{
	int fd = openat(dir, name, O_WRONLY);
	int result = ftruncate(fd, length);

	close(fd);
	return result;
}

/* A request, its responder, and what came of it. */
struct exchange {
	struct coax_responder responder;
	struct coax_responder *deferred;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
	void *transfer;
	void (*release)(void *transfer);
	uint8_t request[4096];
	uint8_t response[COAX_MESSAGE_MAX];
};

static inline void on_respond(struct coax_responder *responder)
{
	struct exchange *e = caa_container_of(responder, struct exchange, responder);

	pthread_mutex_lock(&e->lock);
	ASSERT_FALSE(e->done);
	e->done = true;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

/* The same responder stands for the deferred one: the test outlives both. */
struct later {
	struct coax_responder responder;
	struct exchange *exchange;
};

static inline void on_respond_later(struct coax_responder *responder)
{
	struct later *later = caa_container_of(responder, struct later, responder);
	struct exchange *e = later->exchange;

	pthread_mutex_lock(&e->lock);
	ASSERT_FALSE(e->done);
	e->responder.response = responder->response;
	e->responder.body = responder->body;
	e->responder.has_body = responder->has_body;
	e->done = true;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
	free(later);
}

static inline struct coax_responder *on_defer(struct coax_responder *responder)
{
	static const struct coax_responder_ops ops = {.respond = on_respond_later};
	struct exchange *e = caa_container_of(responder, struct exchange, responder);
	struct later *later = calloc(1, sizeof(*later));

	ASSERT_TRUE(later != NULL);
	later->responder = *responder;
	later->responder.ops = &ops;
	later->exchange = e;
	return &later->responder;
}

/* That there are bodies here is all that a handler sees of it. */
static inline bool on_gather(struct coax_responder *responder, bool streaming, uint64_t body_max)
{
	(void)responder;
	(void)streaming;
	(void)body_max;
	return true;
}

static const struct coax_responder_ops ops = {
	.respond = on_respond,
	.defer = on_defer,
	.gather = on_gather,
};

static inline void begin(struct exchange *e, uint8_t code, const char *uri)
{
	memset(e, 0, sizeof(*e));
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wake, NULL);
	e->responder.ops = &ops;
	e->responder.streaming = true;
	e->responder.part = (struct coax_part){.transfer = &e->transfer, .release = &e->release};
	ASSERT_EQ(coax_message_start(&e->responder.request, e->request, sizeof(e->request),
				     COAX_TYPE_CON, code, 1, "tk", 2),
		  0);
	ASSERT_EQ(coax_message_start(&e->responder.response, e->response, sizeof(e->response),
				     COAX_TYPE_ACK, 0, 1, "tk", 2),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(uri, &e->responder.request), 0);
}

static inline void wait_done(struct exchange *e)
{
	pthread_mutex_lock(&e->lock);
	while (!e->done)
		pthread_cond_wait(&e->wake, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

/* Have the handler run, and wait for the answer. Returns its code. */
static inline int finish(struct exchange *e)
{
	rcu_read_lock();
	if (coax_message_code(&e->responder.request) == COAX_GET)
		coaxd_files_get(&e->responder, files);
	else
		coaxd_files_change(&e->responder, files);
	rcu_read_unlock();
	wait_done(e);
	return coax_message_code(&e->responder.response);
}

static inline int get(struct exchange *e, const char *uri)
{
	begin(e, COAX_GET, uri);
	return finish(e);
}

static inline int send_with(struct exchange *e, uint8_t code, const char *uri, int format,
			    const char *payload)
{
	begin(e, code, uri);
	if (format >= 0)
		coax_message_add_uint(&e->responder.request, COAX_CONTENT_FORMAT, (uint32_t)format);
	coax_message_set_payload(&e->responder.request, payload, strlen(payload));
	return finish(e);
}

static inline int send_change(uint8_t code, const char *uri, const char *payload)
{
	struct exchange e;

	return send_with(&e, code, uri, -1, payload);
}

static inline bool has_payload(const struct exchange *e, const char *text)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(&e->responder.response, &length);

	return length == strlen(text) && (length == 0 || memcmp(payload, text, length) == 0);
}

static inline void expect_get(const char *uri, const char *text)
{
	struct exchange e;

	EXPECT_EQ(get(&e, uri), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, text));
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether what was rendered for `e` is withdrawn before the deadline. */
static inline bool is_withdrawn(const struct exchange *e)
{
	for (long end = now_ms() + DEADLINE_MS; now_ms() < end; usleep(500))
		if (coax_subject_generation(e->responder.subject) != e->responder.generation)
			return true;
	return false;
}

static inline bool is_published(const struct exchange *e)
{
	return e->responder.subject &&
	       coax_subject_generation(e->responder.subject) == e->responder.generation;
}

#endif
