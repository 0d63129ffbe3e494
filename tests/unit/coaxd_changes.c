// SPDX-License-Identifier: BSD-2-Clause
/*
 * What PUT, POST and DELETE do, and in which order.
 */
#include <stdatomic.h>
#include <sys/resource.h>
#include "coaxd_fixture.h"

TEST("without --writable PUT, POST and DELETE are 4.05 and change nothing")
{
	serve(false);
	write_file("a", "text");
	EXPECT_EQ(send_change(COAX_PUT, "/a", "new"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_POST, "/a", "new"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_DELETE, "/a", ""), COAX_METHOD_NOT_ALLOWED);
	expect_get("/a", "text");
	stop();
}

TEST("PUT creates and replaces, and its answer bears the new ETag")
{
	struct coax_option put, got;
	struct exchange e, f;

	serve(true);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a", -1, "one"), COAX_CREATED);
	expect_get("/a", "one");
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a", -1, "two"), COAX_CHANGED);
	ASSERT_EQ(get(&f, "/a"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&f, "two"));
	EXPECT_TRUE(coax_message_find(&e.responder.response, COAX_ETAG, &put));
	EXPECT_TRUE(coax_message_find(&f.responder.response, COAX_ETAG, &got));
	EXPECT_MEMEQ(put.value, got.value, 8);
	stop();
}

TEST("before a change is acknowledged the former replies are withdrawn, by no event's help")
{
	struct exchange before, e;

	serve(true);
	ASSERT_EQ(send_change(COAX_PUT, "/a.txt", "one"), COAX_CREATED);
	stop_watching();
	ASSERT_EQ(get(&before, "/a.txt"), COAX_CONTENT);
	ASSERT_TRUE(is_published(&before));
	ASSERT_EQ(send_change(COAX_PUT, "/a.txt", "two"), COAX_CHANGED);
	EXPECT_FALSE(is_published(&before));
	expect_get("/a.txt", "two");

	ASSERT_EQ(get(&before, "/a.txt"), COAX_CONTENT);
	ASSERT_EQ(send_change(COAX_POST, "/a.txt", "2"), COAX_CHANGED);
	EXPECT_FALSE(is_published(&before));
	expect_get("/a.txt", "two2");

	ASSERT_EQ(get(&before, "/a.txt"), COAX_CONTENT);
	ASSERT_EQ(send_change(COAX_DELETE, "/a.txt", ""), COAX_DELETED);
	EXPECT_FALSE(is_published(&before));
	EXPECT_EQ(get(&e, "/a.txt"), COAX_NOT_FOUND);
	stop();
}

TEST("what is rendered after a change by a request is not taken back when its events are told")
{
	struct exchange e;

	serve(true);
	ASSERT_EQ(send_change(COAX_PUT, "/a", "one"), COAX_CREATED);
	expect_get("/a", "one");
	stop_watching();
	ASSERT_EQ(send_change(COAX_PUT, "/a", "two"), COAX_CHANGED);
	ASSERT_EQ(get(&e, "/a"), COAX_CONTENT);
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_published(&e));
	stop();
}

static void tell_events(void)
{
	coaxd_watch_catch_up(files->watch);
}

static uint64_t listing_generation(void)
{
	return coaxd_cache_generation(files->cache, "/", 1);
}

TEST("a change by a request is told once, also when its event is told before it is acknowledged")
{
	struct exchange e;
	uint64_t listing, names;

	serve(true);
	ASSERT_EQ(send_change(COAX_PUT, "/a.txt", "one"), COAX_CREATED);
	ASSERT_EQ(get(&e, "/"), COAX_CONTENT);
	stop_watching();
	while_syncing = tell_events;
	ASSERT_EQ(get(&e, "/a.txt"), COAX_CONTENT);
	ASSERT_TRUE(is_published(&e));
	ASSERT_EQ(send_change(COAX_PUT, "/a.txt", "two"), COAX_CHANGED);
	EXPECT_EQ(coax_subject_generation(e.responder.subject), e.responder.generation + 1);
	ASSERT_EQ(send_change(COAX_POST, "/a.txt", "2"), COAX_CHANGED);
	EXPECT_EQ(coax_subject_generation(e.responder.subject), e.responder.generation + 2);
	listing = listing_generation();
	names = coax_subject_generation(files->names);
	ASSERT_EQ(send_change(COAX_DELETE, "/a.txt", ""), COAX_DELETED);
	EXPECT_EQ(coax_subject_generation(e.responder.subject), e.responder.generation + 3);
	EXPECT_EQ(listing_generation(), listing + 1);
	EXPECT_EQ(coax_subject_generation(files->names), names + 1);
	while_syncing = NULL;
	stop();
}

struct reader {
	pthread_t thread;
	atomic_int *acknowledged;
	atomic_bool *ending;
	bool stale;
};

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	while (!atomic_load(reader->ending)) {
		int least = atomic_load(reader->acknowledged);
		const uint8_t *payload;
		struct exchange e;
		char text[16] = "";
		size_t length;

		if (get(&e, "/a") != COAX_CONTENT)
			continue;
		payload = coax_message_payload(&e.responder.response, &length);
		memcpy(text, payload, length < sizeof(text) ? length : sizeof(text) - 1);
		if (atoi(text) < least)
			reader->stale = true;
	}
	return NULL;
}

TEST("no reader on another thread gets a state older than the last one acknowledged")
{
	atomic_int acknowledged = 0;
	atomic_bool ending = false;
	struct reader readers[2];

	serve(true);
	ASSERT_EQ(send_change(COAX_PUT, "/a", "0"), COAX_CREATED);
	for (int i = 0; i < 2; i++) {
		readers[i] = (struct reader){.acknowledged = &acknowledged, .ending = &ending};
		pthread_create(&readers[i].thread, NULL, read_on, &readers[i]);
	}
	for (int i = 1; i <= 300; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		ASSERT_EQ(send_change(COAX_PUT, "/a", text), COAX_CHANGED);
		atomic_store(&acknowledged, i);
	}
	atomic_store(&ending, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		EXPECT_FALSE(readers[i].stale);
	}
	stop();
}

TEST("PUT refuses paths that no file can have, and those of what is no file")
{
	serve(true);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("a", "text");
	ASSERT_EQ(symlinkat("a", dir, "link"), 0);
	ASSERT_EQ(mkfifoat(dir, "fifo", 0644), 0);
	EXPECT_EQ(send_change(COAX_PUT, "/.hidden", "x"), COAX_FORBIDDEN);
	EXPECT_EQ(send_change(COAX_PUT, "/a%2Fb", "x"), COAX_BAD_REQUEST);
	EXPECT_EQ(send_change(COAX_PUT, "/d//b", "x"), COAX_BAD_REQUEST);
	EXPECT_EQ(send_change(COAX_PUT, "/b%00", "x"), COAX_BAD_REQUEST);
	EXPECT_EQ(send_change(COAX_PUT, "/", "x"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_PUT, "/d", "x"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_PUT, "/d/", "x"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_PUT, "/none/b", "x"), COAX_NOT_FOUND);
	EXPECT_EQ(send_change(COAX_PUT, "/a/b", "x"), COAX_NOT_FOUND);
	EXPECT_EQ(send_change(COAX_PUT, "/link", "x"), COAX_FORBIDDEN);
	EXPECT_EQ(send_change(COAX_PUT, "/fifo", "x"), COAX_FORBIDDEN);
	expect_get("/a", "text");
	stop();
}

TEST("PUT with a Content-Format that the name contradicts is 4.15")
{
	struct exchange e;

	serve(true);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a.json", 0, "x"), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_EQ(get(&e, "/a.json"), COAX_NOT_FOUND);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a.json", 50, "{}"), COAX_CREATED);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a", 60, "x"), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a", 42, "x"), COAX_CREATED);
	stop();
}

static int put_if(const char *uri, uint16_t option, const void *value, size_t length)
{
	struct exchange e;

	begin(&e, COAX_PUT, uri);
	coax_message_add(&e.responder.request, option, value, length);
	coax_message_set_payload(&e.responder.request, "new", 3);
	return finish(&e);
}

TEST("PUT and DELETE heed If-Match and If-None-Match")
{
	uint8_t etag[8];
	struct exchange e;

	serve(true);
	write_file("a", "text");
	coaxd_etag("text", 4, etag);
	EXPECT_EQ(put_if("/a", COAX_IF_NONE_MATCH, NULL, 0), COAX_PRECONDITION_FAILED);
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, "x", 1), COAX_PRECONDITION_FAILED);
	EXPECT_EQ(put_if("/b", COAX_IF_MATCH, NULL, 0), COAX_PRECONDITION_FAILED);
	expect_get("/a", "text");
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, etag, 8), COAX_CHANGED);
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, etag, 8), COAX_PRECONDITION_FAILED);
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, NULL, 0), COAX_CHANGED);
	EXPECT_EQ(put_if("/b", COAX_IF_NONE_MATCH, NULL, 0), COAX_CREATED);

	begin(&e, COAX_DELETE, "/a");
	coax_message_add(&e.responder.request, COAX_IF_MATCH, etag, 8);
	EXPECT_EQ(finish(&e), COAX_PRECONDITION_FAILED);
	expect_get("/a", "new");
	stop();
}

struct contender {
	pthread_t thread;
	pthread_barrier_t *start;
	uint8_t etag[8];
	int code;
};

static void *put_matching(void *arg)
{
	struct contender *contender = arg;

	pthread_barrier_wait(contender->start);
	contender->code = put_if("/a", COAX_IF_MATCH, contender->etag, 8);
	return NULL;
}

TEST("of several PUT under the same If-Match at the same time exactly one is executed")
{
	struct contender contenders[4];
	pthread_barrier_t start;

	serve(true);
	pthread_barrier_init(&start, NULL, 4);
	for (int round = 0; round < 100; round++) {
		int changed = 0, failed = 0;

		write_file("a", "text");
		for (int i = 0; i < 4; i++) {
			contenders[i].start = &start;
			coaxd_etag("text", 4, contenders[i].etag);
			pthread_create(&contenders[i].thread, NULL, put_matching, &contenders[i]);
		}
		for (int i = 0; i < 4; i++) {
			pthread_join(contenders[i].thread, NULL);
			changed += contenders[i].code == COAX_CHANGED;
			failed += contenders[i].code == COAX_PRECONDITION_FAILED;
		}
		EXPECT_EQ(changed, 1);
		EXPECT_EQ(failed, 3);
	}
	stop();
}

TEST("a large file is replaced under its ETag, not under another one, and removed")
{
	struct coax_option etag;
	struct exchange e;
	char text[2000];

	serve(true);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file("a", text);
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, "x", 1), COAX_PRECONDITION_FAILED);
	ASSERT_EQ(get(&e, "/a"), COAX_CONTENT);
	coax_responder_drop_body(&e.responder);
	ASSERT_TRUE(coax_message_find(&e.responder.response, COAX_ETAG, &etag));
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, etag.value, etag.length), COAX_CHANGED);
	EXPECT_EQ(put_if("/a", COAX_IF_MATCH, NULL, 0), COAX_CHANGED);
	write_file("a", text);
	EXPECT_EQ(send_change(COAX_DELETE, "/a", ""), COAX_DELETED);
	EXPECT_NE(faccessat(dir, "a", F_OK, 0), 0);
	stop();
}

TEST("DELETE removes a file; of one that is missing it says the same; a directory stays")
{
	struct exchange e;

	serve(true);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("a", "text");
	expect_get("/a", "text");
	EXPECT_EQ(send_change(COAX_DELETE, "/a", ""), COAX_DELETED);
	EXPECT_EQ(get(&e, "/a"), COAX_NOT_FOUND);
	EXPECT_EQ(send_change(COAX_DELETE, "/a", ""), COAX_DELETED);
	EXPECT_EQ(send_change(COAX_DELETE, "/none/a", ""), COAX_DELETED);
	EXPECT_EQ(send_change(COAX_DELETE, "/d", ""), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_DELETE, "/d/", ""), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_DELETE, "/", ""), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_change(COAX_DELETE, "/.coaxd-0123456789abcdef", ""), COAX_FORBIDDEN);
	EXPECT_EQ(faccessat(dir, "d", F_OK, 0), 0);
	stop();
}

TEST("POST to a directory makes a file with a new name, and says where")
{
	static const struct {
		const char *uri;
		int format;
		const char *prefix;
		const char *ending;
	} cases[] = {
		{"/", -1, "/", ".bin"},
		{"/", 50, "/", ".json"},
		{"/d%20d", 0, "/d%20d/", ".txt"},
		{"/d%20d/", 60, "/d%20d/", ".cbor"},
	};
	char location[2][256];
	struct exchange e;

	serve(true);
	ASSERT_EQ(mkdirat(dir, "d d", 0755), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *at = location[i & 1];

		ASSERT_EQ(send_with(&e, COAX_POST, cases[i].uri, cases[i].format, "body"),
			  COAX_CREATED);
		ASSERT_GT(coax_uri_compose_location(&e.responder.response, at, 256), 0);
		EXPECT_EQ(strncmp(at, cases[i].prefix, strlen(cases[i].prefix)), 0);
		EXPECT_STREQ(at + strlen(at) - strlen(cases[i].ending), cases[i].ending);
		EXPECT_EQ(strlen(at), strlen(cases[i].prefix) + 16 + strlen(cases[i].ending));
		expect_get(at, "body");
	}
	EXPECT_NE(strcmp(location[0], location[1]), 0);
	EXPECT_EQ(send_with(&e, COAX_POST, "/", 11050, "x"), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_EQ(send_change(COAX_POST, "/none/", "x"), COAX_NOT_FOUND);
	stop();
}

TEST("POST to a file appends as long as it does not get too large; to nothing it is 4.04")
{
	struct exchange e;
	struct stat status;

	serve(true);
	write_file("a.txt", "one");
	expect_get("/a.txt", "one");
	EXPECT_EQ(send_change(COAX_POST, "/a.txt", ",two"), COAX_CHANGED);
	expect_get("/a.txt", "one,two");
	EXPECT_EQ(send_with(&e, COAX_POST, "/a.txt", 50, "x"), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_EQ(send_change(COAX_POST, "/none", "x"), COAX_NOT_FOUND);
	EXPECT_EQ(send_change(COAX_POST, "/a.txt/", "x"), COAX_NOT_FOUND);

	EXPECT_EQ(send_change(COAX_POST, "/a.txt", ""), COAX_CHANGED);
	expect_get("/a.txt", "one,two");
	ASSERT_EQ(fchmodat(dir, "a.txt", 0640, 0), 0);
	files->size_max = 8;
	EXPECT_EQ(send_change(COAX_POST, "/a.txt", "34"), COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(send_change(COAX_POST, "/a.txt", "3"), COAX_CHANGED);
	expect_get("/a.txt", "one,two3");
	ASSERT_EQ(fstatat(dir, "a.txt", &status, 0), 0);
	EXPECT_EQ(status.st_mode & 0777U, 0640U);
	stop();
}

TEST("a write that the disk refuses is 5.00 with the reason, and changes nothing")
{
	struct rlimit limit = {2, 2};
	struct exchange e;

	serve(true);
	write_file("a", "a");
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_EQ(send_with(&e, COAX_PUT, "/a", -1, "longer"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(e.responder.response.payload < e.responder.response.length);
	EXPECT_TRUE(strstr(last_log, "cannot write \"/a\"") != NULL);
	EXPECT_EQ(send_change(COAX_POST, "/", "longer"), COAX_INTERNAL_SERVER_ERROR);
	expect_get("/a", "a");
	expect_get("/", "</a>;ct=42;obs");
	EXPECT_EQ(coaxd_store_sweep(dir), 0U);
	stop();
}

TEST("a path in the log is percent-encoded: no peer writes lines of its own there")
{
	struct rlimit limit = {2, 2};
	struct exchange e;

	serve(true);
	signal(SIGXFSZ, SIG_IGN);
	write_file("a\n\033", "");
	ASSERT_EQ(truncate_at("a\n\033", (off_t)COAX_BODY_LENGTH_MAX + 1), 0);
	EXPECT_EQ(get(&e, "/a%0A%1B"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(strstr(last_log, "\"/a%0A%1B\"") != NULL);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_EQ(send_change(COAX_PUT, "/b%0Ac", "longer"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(strstr(last_log, "\"/b%0Ac\"") != NULL);
	stop();
}

TEST("temporary files of an earlier run are removed at the start, if files may be changed")
{
	make_directory();
	write_file(".coaxd-0123456789abcdef", "half");
	serve(false);
	coaxd_files_destroy(files);
	EXPECT_EQ(faccessat(dir, ".coaxd-0123456789abcdef", F_OK, 0), 0);
	serve(true);
	EXPECT_NE(faccessat(dir, ".coaxd-0123456789abcdef", F_OK, 0), 0);
	stop();
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct coax_responder *responder, void *arg)
{
	int *executed = arg;

	pthread_mutex_lock(&gate);
	++*executed;
	pthread_mutex_unlock(&gate);
	coax_respond(responder, COAX_CHANGED);
}

TEST("as many changes wait as the queue holds; further ones are 5.03 with Max-Age; all get their "
     "turn")
{
	static struct exchange e[12];
	unsigned int accepted = 0, busy = 0;
	int executed = 0;
	uint32_t value;

	serve(true);
	coaxd_writer_destroy(files->writer);
	ASSERT_EQ(coaxd_writer_create(&files->writer, 4, wait_at_gate, &executed), 0);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 12; i++) {
		begin(&e[i], COAX_PUT, "/a");
		coaxd_files_change(&e[i].responder, files);
		if (!e[i].done) {
			accepted++;
			continue;
		}
		busy++;
		EXPECT_EQ(coax_message_code(&e[i].responder.response), COAX_SERVICE_UNAVAILABLE);
		EXPECT_TRUE(coax_message_find_uint(&e[i].responder.response, COAX_MAX_AGE, &value));
	}
	pthread_mutex_unlock(&gate);
	/* One more than the queue holds may be in the thread's hands. */
	EXPECT_GE(accepted, 4U);
	EXPECT_LE(accepted, 5U + 4U);
	EXPECT_GE(busy, 3U);
	for (int i = 0; i < 12; i++)
		wait_done(&e[i]);
	EXPECT_EQ(executed, (int)accepted);
	stop();
}

TEST("what waits when the daemon ends is answered 5.03 and not executed")
{
	static struct exchange e[3];
	unsigned int refused = 0;
	int executed = 0;

	serve(true);
	coaxd_writer_destroy(files->writer);
	ASSERT_EQ(coaxd_writer_create(&files->writer, 4, wait_at_gate, &executed), 0);
	pthread_mutex_lock(&files->writer->lock);
	files->writer->stopping = true;
	pthread_mutex_unlock(&files->writer->lock);
	for (int i = 0; i < 3; i++) {
		begin(&e[i], COAX_PUT, "/a");
		coaxd_files_change(&e[i].responder, files);
	}
	coaxd_writer_destroy(files->writer);
	files->writer = NULL;
	for (int i = 0; i < 3; i++) {
		wait_done(&e[i]);
		refused += coax_message_code(&e[i].responder.response) == COAX_SERVICE_UNAVAILABLE;
	}
	EXPECT_EQ(refused, 3U);
	EXPECT_EQ(executed, 0);
	stop();
}

TEST("before PUT, POST and DELETE are answered, what was said of names is withdrawn")
{
	struct exchange e;
	uint64_t before;

	serve(true);
	EXPECT_EQ(get(&e, "/a"), COAX_NOT_FOUND);
	EXPECT_TRUE(is_published(&e));
	before = coax_subject_generation(files->names);
	EXPECT_EQ(send_change(COAX_PUT, "/a", "text"), COAX_CREATED);
	EXPECT_GT(coax_subject_generation(files->names), before);
	before = coax_subject_generation(files->names);
	EXPECT_EQ(send_change(COAX_DELETE, "/a", ""), COAX_DELETED);
	EXPECT_GT(coax_subject_generation(files->names), before);
	before = coax_subject_generation(files->names);
	EXPECT_EQ(send_change(COAX_POST, "/", "text"), COAX_CREATED);
	EXPECT_GT(coax_subject_generation(files->names), before);
	stop();
}

TEST_MAIN()
