// SPDX-License-Identifier: BSD-2-Clause
/*
 * What GET answers, under which generation, and what is kept in memory.
 */
#include "coaxd_fixture.h"

TEST("GET gives the file with ETag, Content-Format and Max-Age, under its subject")
{
	struct coax_option etag;
	uint32_t value;
	struct exchange e;

	serve(false);
	write_file("a.json", "{}");
	ASSERT_EQ(get(&e, "/a.json"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, "{}"));
	EXPECT_TRUE(coax_message_find(&e.responder.response, COAX_ETAG, &etag));
	EXPECT_EQ(etag.length, 8U);
	EXPECT_TRUE(coax_message_find_uint(&e.responder.response, COAX_CONTENT_FORMAT, &value));
	EXPECT_EQ(value, 50U);
	EXPECT_TRUE(coax_message_find_uint(&e.responder.response, COAX_MAX_AGE, &value));
	EXPECT_EQ(value, 77U);
	EXPECT_TRUE(is_published(&e));
	stop();
}

TEST("a second GET is answered from memory, without looking at the file")
{
	struct exchange first, second;

	serve(false);
	write_file("a", "text");
	ASSERT_EQ(get(&first, "/a"), COAX_CONTENT);
	/* The directory that the file would be read from is not there any more. */
	ASSERT_EQ(close(files->root), 0);
	files->root = -1;
	ASSERT_EQ(get(&second, "/a"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&second, "text"));
	EXPECT_TRUE(second.responder.subject == first.responder.subject);
	EXPECT_EQ(second.responder.generation, first.responder.generation);
	EXPECT_EQ(second.responder.response.length, first.responder.response.length);
	EXPECT_MEMEQ(second.response, first.response, first.responder.response.length);
	stop();
}

TEST("GET with the current ETag is 2.03, with If-Match of another 4.12, with If-None-Match 4.12")
{
	struct coax_option etag;
	struct exchange first, e;

	serve(false);
	write_file("a", "text");
	get(&first, "/a");
	ASSERT_TRUE(coax_message_find(&first.responder.response, COAX_ETAG, &etag));
	begin(&e, COAX_GET, "/a");
	coax_message_add(&e.responder.request, COAX_ETAG, etag.value, etag.length);
	EXPECT_EQ(finish(&e), COAX_VALID);
	EXPECT_TRUE(has_payload(&e, ""));
	EXPECT_TRUE(is_published(&e));
	begin(&e, COAX_GET, "/a");
	coax_message_add(&e.responder.request, COAX_IF_MATCH, etag.value, etag.length);
	EXPECT_EQ(finish(&e), COAX_CONTENT);
	begin(&e, COAX_GET, "/a");
	coax_message_add(&e.responder.request, COAX_IF_MATCH, "other", 5);
	EXPECT_EQ(finish(&e), COAX_PRECONDITION_FAILED);
	begin(&e, COAX_GET, "/a");
	coax_message_add(&e.responder.request, COAX_IF_NONE_MATCH, NULL, 0);
	EXPECT_EQ(finish(&e), COAX_PRECONDITION_FAILED);
	stop();
}

TEST("GET with Accept of another format is 4.06, from disk and from memory")
{
	struct exchange e;

	serve(false);
	write_file("a.txt", "text");
	for (int i = 0; i < 2; i++) {
		begin(&e, COAX_GET, "/a.txt");
		coax_message_add_uint(&e.responder.request, COAX_ACCEPT, 50);
		EXPECT_EQ(finish(&e), COAX_NOT_ACCEPTABLE);
		begin(&e, COAX_GET, "/a.txt");
		coax_message_add_uint(&e.responder.request, COAX_ACCEPT, 0);
		EXPECT_EQ(finish(&e), COAX_CONTENT);
	}
	stop();
}

TEST("what is missing, hidden, a link or no file is 4.04")
{
	static const char *const uris[] = {
		"/none", "/none/x", "/.hidden", "/link", "/out",  "/fifo", "/d",
		"/a/",	 "/a/x",    "/none/",	"/a%2F", "/d//a", "/%00",  "/linked/a",
	};
	struct exchange e;

	serve(false);
	write_file("a", "text");
	write_file(".hidden", "text");
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "text");
	ASSERT_EQ(symlinkat("a", dir, "link"), 0);
	ASSERT_EQ(symlinkat("d", dir, "linked"), 0);
	ASSERT_EQ(symlinkat("/etc/passwd", dir, "out"), 0);
	ASSERT_EQ(mkfifoat(dir, "fifo", 0644), 0);
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		if (get(&e, uris[i]) == COAX_NOT_FOUND)
			continue;
		HARNESS_SAY("%s is not 4.04", uris[i]);
		harness_failed = 1;
	}
	EXPECT_EQ(files->cache->count, 0U);
	stop();
}

TEST("an empty file has an empty representation")
{
	struct exchange e;

	serve(false);
	write_file("empty", "");
	EXPECT_EQ(get(&e, "/empty"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, ""));
	EXPECT_EQ(get(&e, "/empty"), COAX_CONTENT);
	stop();
}

static char large_text[5001];

static void write_large(const char *name, char what)
{
	memset(large_text, what, sizeof(large_text) - 1);
	write_file(name, large_text);
}

/* What is left of the response's body at an offset, read by one call. */
static ssize_t read_body(const struct exchange *e, uint64_t offset, char *buffer, size_t size)
{
	ASSERT_TRUE(e->responder.has_body);
	return e->responder.body.read(e->responder.body.arg, offset, buffer, size);
}

static void get_etag(const struct exchange *e, uint8_t etag[8])
{
	struct coax_option option;

	ASSERT_TRUE(coax_message_find(&e->responder.response, COAX_ETAG, &option));
	ASSERT_EQ(option.length, 8U);
	memcpy(etag, option.value, 8);
}

TEST("a file larger than a message is a body that is read piece by piece, under its subject")
{
	uint8_t etag[8], again[8];
	char buffer[5000];
	struct exchange e, f;

	serve(false);
	write_large("large", 'x');
	ASSERT_EQ(get(&e, "/large"), COAX_CONTENT);
	EXPECT_EQ(e.responder.body.length, 5000U);
	EXPECT_EQ(read_body(&e, 4000, buffer, sizeof(buffer)), 1000);
	EXPECT_MEMEQ(buffer, large_text, 1000);
	EXPECT_TRUE(is_published(&e));
	get_etag(&e, etag);

	begin(&f, COAX_GET, "/large");
	coax_message_add(&f.responder.request, COAX_ETAG, etag, sizeof(etag));
	EXPECT_EQ(finish(&f), COAX_VALID);
	EXPECT_FALSE(f.responder.has_body);
	begin(&f, COAX_GET, "/large");
	coax_message_add(&f.responder.request, COAX_IF_MATCH, "other", 5);
	EXPECT_EQ(finish(&f), COAX_PRECONDITION_FAILED);
	EXPECT_FALSE(f.responder.has_body);
	EXPECT_EQ(atomic_load(&files->open.count), 1U);

	write_large("large", 'y');
	EXPECT_TRUE(is_withdrawn(&e));
	ASSERT_EQ(get(&f, "/large"), COAX_CONTENT);
	get_etag(&f, again);
	EXPECT_NE(memcmp(etag, again, 8), 0);
	coax_responder_drop_body(&e.responder);
	coax_responder_drop_body(&f.responder);
	EXPECT_EQ(atomic_load(&files->open.count), 0U);
	large_text[1024] = '\0';
	write_file("large", large_text);
	expect_get("/large", large_text);
	stop();
}

TEST("a file that is replaced while it is read goes on as it was; one that is rewritten ends")
{
	char buffer[16];
	struct exchange e;

	serve(false);
	write_large("large", 'x');
	ASSERT_EQ(get(&e, "/large"), COAX_CONTENT);
	write_large("other", 'y');
	ASSERT_EQ(renameat(dir, "other", dir, "large"), 0);
	ASSERT_EQ(read_body(&e, 2000, buffer, 1), 1);
	EXPECT_EQ(buffer[0], 'x');
	coax_responder_drop_body(&e.responder);

	ASSERT_EQ(get(&e, "/large"), COAX_CONTENT);
	ASSERT_EQ(read_body(&e, 2000, buffer, 1), 1);
	EXPECT_EQ(buffer[0], 'y');
	usleep(20000); /* file systems tell times by the clock's tick */
	write_large("large", 'z');
	EXPECT_EQ(read_body(&e, 2000, buffer, 1), -ESTALE);
	coax_responder_drop_body(&e.responder);
	stop();
}

TEST("as many large files are open as may be; further ones are 5.03 with Max-Age")
{
	struct exchange e[2], f;
	uint32_t value;

	serve(false);
	files->open.max = 2;
	write_large("large", 'x');
	write_file("small", "text");
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(get(&e[i], "/large"), COAX_CONTENT);
	EXPECT_EQ(get(&f, "/large"), COAX_SERVICE_UNAVAILABLE);
	EXPECT_TRUE(coax_message_find_uint(&f.responder.response, COAX_MAX_AGE, &value));
	expect_get("/small", "text");
	coax_responder_drop_body(&e[0].responder);
	ASSERT_EQ(get(&f, "/large"), COAX_CONTENT);
	coax_responder_drop_body(&f.responder);
	coax_responder_drop_body(&e[1].responder);
	stop();
}

TEST("a file larger than any body can be is 5.00 with the reason, and logged")
{
	struct exchange e;
	const uint8_t *payload;
	size_t length;

	serve(false);
	write_file("huge", "");
	ASSERT_EQ(truncate_at("huge", (off_t)COAX_BODY_LENGTH_MAX + 1), 0);
	EXPECT_EQ(get(&e, "/huge"), COAX_INTERNAL_SERVER_ERROR);
	payload = coax_message_payload(&e.responder.response, &length);
	EXPECT_TRUE(memmem(payload, length, "1073741824", 10) != NULL);
	EXPECT_TRUE(strstr(last_log, "/huge") != NULL);
	EXPECT_EQ(atomic_load(&files->open.count), 0U);
	ASSERT_EQ(truncate_at("huge", (off_t)COAX_BODY_LENGTH_MAX), 0);
	ASSERT_EQ(get(&e, "/huge"), COAX_CONTENT);
	EXPECT_EQ(e.responder.body.length, COAX_BODY_LENGTH_MAX);
	coax_responder_drop_body(&e.responder);
	stop();
}

/* A GET as it comes through the Site that coaxd builds. Returns the answer's code. */
static int get_through(struct coax_site *site, struct exchange *e, const char *uri)
{
	begin(e, COAX_GET, uri);
	rcu_read_lock();
	coax_site_render(site, &e->responder);
	rcu_read_unlock();
	wait_done(e);
	return coax_message_code(&e->responder.response);
}

TEST("a GET of a file or a listing may be repeated by the kernel, with a query as without")
{
	struct coax_site *site;
	struct exchange e;

	serve(false);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "text");
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coaxd_files_add(files, site), 0);
	/* From disk, and then from memory. */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(get_through(site, &e, "/d/a?x=1&y"), COAX_CONTENT);
		EXPECT_TRUE(has_payload(&e, "text"));
		EXPECT_TRUE(coax_responder_publishable(&e.responder));
		EXPECT_EQ(get_through(site, &e, "/d/a"), COAX_CONTENT);
		EXPECT_TRUE(coax_responder_publishable(&e.responder));
	}
	EXPECT_EQ(get_through(site, &e, "/d/?x=1"), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&e.responder));
	EXPECT_EQ(get_through(site, &e, "/.well-known/core?href=/d/*"), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&e.responder));
	coax_site_destroy(site);
	stop();
}

static bool is_outdated(const struct exchange *e)
{
	return coax_subject_generation(e->responder.subject) != e->responder.generation;
}

TEST("that there is no file may be repeated by the kernel, until names come or go")
{
	static const char *const missing[] = {"/a", "/d/a", "/d/sub/a", "/none/sub/a", "/none/"};
	struct exchange e;

	serve(false);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	ASSERT_EQ(mkdirat(dir, "d/sub", 0755), 0);
	stop_watching();
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		EXPECT_EQ(get(&e, missing[i]), COAX_NOT_FOUND);
		EXPECT_TRUE(is_published(&e));
	}
	/* What others make is told by inotify, wherever it was looked for. */
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(get(&e, missing[i]), COAX_NOT_FOUND);
		write_file(missing[i] + 1, "here");
		coaxd_watch_catch_up(files->watch);
		EXPECT_TRUE(is_outdated(&e));
		expect_get(missing[i], "here");
	}
	EXPECT_EQ(get(&e, missing[3]), COAX_NOT_FOUND);
	ASSERT_EQ(mkdirat(dir, "none", 0755), 0);
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_outdated(&e));
	EXPECT_EQ(get(&e, missing[3]), COAX_NOT_FOUND);
	ASSERT_EQ(mkdirat(dir, "none/sub", 0755), 0);
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_outdated(&e));
	stop();
}

TEST("a name that is never served may be repeated by the kernel, one that leads elsewhere not")
{
	struct exchange e;

	serve(false);
	ASSERT_EQ(symlinkat("/etc/passwd", dir, "link"), 0);
	write_file("file", "text");
	EXPECT_EQ(get(&e, "/.git/config"), COAX_NOT_FOUND);
	EXPECT_TRUE(is_published(&e));
	EXPECT_EQ(get(&e, "/link"), COAX_NOT_FOUND);
	EXPECT_FALSE(is_published(&e));
	EXPECT_EQ(get(&e, "/file/a"), COAX_NOT_FOUND);
	EXPECT_FALSE(is_published(&e));
	stop();
}

TEST("where changes are not noticed, that there is no file is not repeated by the kernel")
{
	struct exchange e;

	serve(false);
	files->watch->max = 1; /* the root */
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	EXPECT_EQ(get(&e, "/d/a"), COAX_NOT_FOUND);
	EXPECT_FALSE(is_published(&e));
	EXPECT_EQ(get(&e, "/a"), COAX_NOT_FOUND);
	EXPECT_TRUE(is_published(&e));
	stop();
}

TEST("the links for discovery may be repeated by the kernel until names come or go anywhere")
{
	struct coax_site *site;
	struct exchange e;

	serve(false);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "text");
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coaxd_files_add(files, site), 0);
	stop_watching();
	EXPECT_EQ(get_through(site, &e, "/.well-known/core"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, "</d/a>;ct=42;obs"));
	write_file("d/a", "other");
	coaxd_watch_catch_up(files->watch);
	EXPECT_FALSE(is_outdated(&e));
	write_file("d/b", "text");
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_outdated(&e));
	EXPECT_EQ(get_through(site, &e, "/.well-known/core"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, "</d/a>;ct=42;obs,</d/b>;ct=42;obs"));
	EXPECT_FALSE(is_outdated(&e));
	files->watch->max = 2;
	ASSERT_EQ(mkdirat(dir, "d/unwatched", 0755), 0);
	coaxd_watch_catch_up(files->watch);
	EXPECT_EQ(get_through(site, &e, "/.well-known/core"), COAX_CONTENT);
	EXPECT_TRUE(is_outdated(&e));
	coax_site_destroy(site);
	stop();
}

TEST("a file with more than one hard link is served, but kept nowhere")
{
	struct exchange e;

	serve(false);
	write_file("a", "one");
	ASSERT_EQ(linkat(dir, "a", dir, ".other", 0), 0);
	EXPECT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_TRUE(e.responder.subject == NULL);
	write_file(".other", "two");
	expect_get("/a", "two");
	ASSERT_EQ(unlinkat(dir, ".other", 0), 0);
	EXPECT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_TRUE(e.responder.subject != NULL);
	stop();
}

TEST("what cannot be watched is served, but kept nowhere, and that is said once")
{
	struct exchange e;

	serve(false);
	files->watch->max = 1; /* the root */
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "one");
	write_file("a", "root");
	EXPECT_EQ(get(&e, "/d/a"), COAX_CONTENT);
	EXPECT_TRUE(e.responder.subject == NULL);
	EXPECT_TRUE(strstr(last_log, "cannot watch \"/d\"") != NULL);
	write_file("d/a", "two");
	last_log[0] = '\0';
	expect_get("/d/a", "two");
	EXPECT_STREQ(last_log, "");
	EXPECT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_TRUE(is_published(&e));
	stop();
}

TEST("a directory's listing is at its path with a slash, in link-format, sorted")
{
	uint32_t value;
	struct exchange e;

	serve(false);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	ASSERT_EQ(mkdirat(dir, "d/sub", 0755), 0);
	write_file("d/b c.json", "1");
	write_file("d/a.txt", "1");
	write_file("d/.hidden", "1");
	ASSERT_EQ(symlinkat("a.txt", dir, "d/link"), 0);
	ASSERT_EQ(get(&e, "/d/"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(
		&e, "</d/a.txt>;ct=0;obs,</d/b%20c.json>;ct=50;obs,</d/sub/>;ct=40;obs"));
	EXPECT_TRUE(coax_message_find_uint(&e.responder.response, COAX_CONTENT_FORMAT, &value));
	EXPECT_EQ(value, 40U);
	EXPECT_TRUE(is_published(&e));
	expect_get("/", "</d/>;ct=40;obs");
	begin(&e, COAX_GET, "/d/");
	coax_message_add_uint(&e.responder.request, COAX_ACCEPT, 0);
	EXPECT_EQ(finish(&e), COAX_NOT_ACCEPTABLE);
	stop();
}

TEST("a listing of any length is sent; that of a directory with more than 512 entries is 5.00")
{
	struct exchange e;
	char name[32];

	serve(false);
	for (int i = 0; i < 513; i++) {
		snprintf(name, sizeof(name), "file-%03d", i);
		write_file(name, "");
		if (i != 99)
			continue;
		ASSERT_EQ(get(&e, "/"), COAX_CONTENT);
		ASSERT_TRUE(e.responder.has_body);
		EXPECT_EQ(e.responder.body.length, 100 * strlen("</file-000>;ct=42;obs,") - 1);
		EXPECT_MEMEQ(e.responder.body.data, "</file-000>;ct=42;obs,</file-001>;ct=42;obs,",
			     44);
		coax_responder_drop_body(&e.responder);
	}
	EXPECT_EQ(get(&e, "/"), COAX_INTERNAL_SERVER_ERROR);
	stop();
}

TEST("a listing is withdrawn when names come and go, not when files change")
{
	struct exchange e;

	serve(true);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "one");
	expect_get("/d/", "</d/a>;ct=42;obs");
	stop_watching();
	coaxd_watch_catch_up(files->watch);

	ASSERT_EQ(get(&e, "/d/"), COAX_CONTENT);
	write_file("d/a", "two");
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_published(&e));
	write_file("d/.hidden", "two");
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_published(&e));
	write_file("d/b", "one");
	coaxd_watch_catch_up(files->watch);
	EXPECT_FALSE(is_published(&e));

	ASSERT_EQ(get(&e, "/d/"), COAX_CONTENT);
	ASSERT_EQ(send_change(COAX_PUT, "/d/a", "three"), COAX_CHANGED);
	EXPECT_FALSE(is_published(&e)); /* the name is another file's now */
	ASSERT_EQ(get(&e, "/d/"), COAX_CONTENT);
	ASSERT_EQ(send_change(COAX_DELETE, "/d/b", ""), COAX_DELETED);
	EXPECT_FALSE(is_published(&e));
	expect_get("/d/", "</d/a>;ct=42;obs");
	ASSERT_EQ(get(&e, "/d/"), COAX_CONTENT);
	ASSERT_EQ(unlinkat(dir, "d/a", 0), 0);
	ASSERT_EQ(unlinkat(dir, "d/.hidden", 0), 0);
	ASSERT_EQ(unlinkat(dir, "d", AT_REMOVEDIR), 0);
	coaxd_watch_catch_up(files->watch);
	EXPECT_FALSE(is_published(&e));
	EXPECT_EQ(get(&e, "/d/"), COAX_NOT_FOUND);
	stop();
}

static size_t list(char *text, size_t size)
{
	struct coax_link_writer writer = {.text = text, .size = size - 1};

	write_links(&writer, &files);
	text[writer.length < size ? writer.length : size - 1] = '\0';
	return writer.length;
}

TEST("the links for discovery are those of all files, to a bounded depth and number")
{
	static char text[65536];
	char path[64] = "d";
	unsigned int links = 0;

	serve(false);
	write_file("a.cbor", "");
	write_file(".hidden", "");
	for (int i = 0; i < 9; i++) {
		char name[80];

		ASSERT_EQ(mkdirat(dir, path, 0755), 0);
		snprintf(name, sizeof(name), "%s/f", path);
		write_file(name, "");
		strcat(path, "/d");
	}
	list(text, sizeof(text));
	EXPECT_TRUE(strstr(text, "</a.cbor>;ct=60;obs,</d/d/") == text);
	EXPECT_TRUE(strstr(text, "</d/d/d/d/d/d/d/f>;ct=42;obs") != NULL);
	EXPECT_TRUE(strstr(text, "</d/d/d/d/d/d/d/d/f>") == NULL);
	EXPECT_TRUE(strstr(text, "hidden") == NULL);

	for (int i = 0; i < 600; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file-%d", i);
		write_file(name, "");
	}
	list(text, sizeof(text));
	for (const char *at = text; (at = strchr(at, '<')); at++)
		links++;
	EXPECT_LE(links, 512U);
	EXPECT_GT(links, 400U);
	stop();
}

static void change_meanwhile(void)
{
	before_reading = after_reading = NULL;
	write_file("a", "two");
	coaxd_cache_changed(files->cache, "a", 1);
}

TEST("what a change has overtaken while it was read is sent once, and kept nowhere")
{
	struct exchange e;

	serve(false);
	write_file("a", "one");
	stop_watching();
	after_reading = change_meanwhile;
	ASSERT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&e, "one"));
	EXPECT_FALSE(is_published(&e));
	expect_get("/a", "two");

	write_file("a", "one");
	coaxd_cache_changed(files->cache, "a", 1);
	before_reading = change_meanwhile;
	ASSERT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_FALSE(is_published(&e));
	expect_get("/a", "two");
	stop();
}

static void evict_meanwhile(void)
{
	before_reading = after_reading = NULL;
	pthread_mutex_lock(&files->cache->lock);
	evict_one(files->cache);
	pthread_mutex_unlock(&files->cache->lock);
}

TEST("what is rendered from an entry that is evicted meanwhile is kept nowhere")
{
	struct exchange e;

	serve(false);
	write_file("a", "one");
	after_reading = evict_meanwhile;
	rcu_read_lock();
	ASSERT_EQ(get(&e, "/a"), COAX_CONTENT);
	EXPECT_FALSE(is_published(&e));
	rcu_read_unlock();
	EXPECT_EQ(files->cache->count, 0U);
	expect_get("/a", "one");
	EXPECT_EQ(files->cache->count, 1U);
	stop();
}

TEST("the entries in memory are bounded, and one that goes takes its replies along")
{
	struct coaxd_cache *cache;
	struct coaxd_entry *first, *second;
	struct coax_subject *subject;
	uint64_t generation, now;
	char path[16];

	ASSERT_EQ(coaxd_cache_create(&cache, 4), 0);
	rcu_read_lock();
	first = coaxd_cache_obtain(cache, "first", 5);
	second = coaxd_cache_obtain(cache, "second", 6);
	ASSERT_TRUE(coaxd_entry_generation(first, &generation));
	subject = coax_subject_get(first->subject);
	CMM_STORE_SHARED(second->used, true);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%d", i);
		coaxd_cache_obtain(cache, path, strlen(path));
		if (i == 2)
			EXPECT_TRUE(coaxd_cache_find(cache, "second", 6) == second);
	}
	EXPECT_EQ(cache->count, 4U);
	EXPECT_TRUE(coaxd_cache_find(cache, "first", 5) == NULL);
	EXPECT_FALSE(coaxd_entry_generation(first, &now));
	EXPECT_NE(coax_subject_generation(subject), generation);
	rcu_read_unlock();
	coax_subject_put(subject);
	coaxd_cache_destroy(cache);
}

static void ignore_change(struct coax_subject_watch *watch)
{
	(void)watch;
}

TEST("an entry that is observed is not evicted, and those beside it are")
{
	struct coax_subject_watch watch = {.changed = ignore_change};
	struct coaxd_entry *observed;
	struct coaxd_cache *cache;
	char path[16];

	ASSERT_EQ(coaxd_cache_create(&cache, 4), 0);
	rcu_read_lock();
	observed = coaxd_cache_obtain(cache, "observed", 8);
	coax_subject_watch(observed->subject, &watch);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "%d", i);
		coaxd_cache_obtain(cache, path, strlen(path));
	}
	EXPECT_EQ(cache->count, 4U);
	EXPECT_TRUE(coaxd_cache_find(cache, "observed", 8) == observed);
	coax_subject_unwatch(&watch);
	rcu_read_unlock();
	coaxd_cache_destroy(cache);
}

TEST("a directory that is not there is an error with a reason")
{
	const struct coaxd_files_options options = {
		.directory = "/nonexistent/directory",
		.logger = {.write = take_log},
	};

	EXPECT_EQ(coaxd_files_create(&files, &options), -ENOENT);
	EXPECT_TRUE(strstr(last_log, "/nonexistent/directory") != NULL);
}

TEST_MAIN()
