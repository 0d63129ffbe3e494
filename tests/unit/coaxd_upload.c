// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies that come in parts: what becomes of them, and what is left of those that end early.
 */
#include <dirent.h>
#include <sys/resource.h>
#include "coaxd_fixture.h"

/* What the library keeps for a handler from part to part. */
struct transfer {
	void *state;
	void (*release)(void *state);
	uint64_t offset;
};

static int send_part_with(struct transfer *transfer, struct exchange *e, const char *text,
			  bool more)
{
	int code;

	e->responder.part = (struct coax_part){
		.offset = transfer->offset,
		.more = more,
		.transfer = &transfer->state,
		.release = &transfer->release,
	};
	coax_message_set_payload(&e->responder.request, text, strlen(text));
	code = finish(e);
	transfer->offset += strlen(text);
	return code;
}

static int send_part(struct transfer *transfer, uint8_t code, const char *uri, const char *text,
		     bool more)
{
	struct exchange e;

	begin(&e, code, uri);
	return send_part_with(transfer, &e, text, more);
}

/* The transfer is over. The writer has done what there is to do before it executes the DELETE. */
static void end_transfer(struct transfer *transfer)
{
	if (transfer->release)
		transfer->release(transfer->state);
	*transfer = (struct transfer){0};
	ASSERT_EQ(send_change(COAX_DELETE, "/none", ""), COAX_DELETED);
}

static size_t count_temporary(void)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	size_t count = 0;

	ASSERT_TRUE(d != NULL);
	for (struct dirent *entry; (entry = readdir(d));)
		count += strncmp(entry->d_name, ".coaxd-", 7) == 0;
	closedir(d);
	return count;
}

static void expect_no_trace(void)
{
	EXPECT_EQ(files->uploads.count, 0U);
	EXPECT_EQ(count_temporary(), 0U);
}

TEST("a body in parts becomes the file with its last one, and nothing is seen of it before")
{
	struct transfer transfer = {0};
	struct coax_option put, got;
	struct exchange e, f;
	struct stat status;

	serve(true);
	write_file("a", "old");
	ASSERT_EQ(fchmodat(dir, "a", 0640, 0), 0);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/a", "one,", true), COAX_CONTINUE);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/a", "two,", true), COAX_CONTINUE);
	expect_get("/a", "old");
	expect_get("/", "</a>;ct=42;obs");
	EXPECT_EQ(count_temporary(), 1U);
	begin(&e, COAX_PUT, "/a");
	EXPECT_EQ(send_part_with(&transfer, &e, "three", false), COAX_CHANGED);
	ASSERT_EQ(get(&f, "/a"), COAX_CONTENT);
	EXPECT_TRUE(has_payload(&f, "one,two,three"));
	ASSERT_TRUE(coax_message_find(&e.responder.response, COAX_ETAG, &put));
	ASSERT_TRUE(coax_message_find(&f.responder.response, COAX_ETAG, &got));
	EXPECT_MEMEQ(put.value, got.value, 8);
	ASSERT_EQ(fstatat(dir, "a", &status, 0), 0);
	EXPECT_EQ(status.st_mode & 0777U, 0640U);
	/* What is rendered now is not taken back when the upload's end is told. */
	end_transfer(&transfer);
	expect_no_trace();
	coaxd_watch_catch_up(files->watch);
	EXPECT_TRUE(is_published(&f));
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/new", "1", true), COAX_CONTINUE);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/new", "2", false), COAX_CREATED);
	expect_get("/new", "12");
	end_transfer(&transfer);
	stop();
}

TEST("the ETag in the answer to a large PUT is the one that GET gives then")
{
	struct transfer transfer = {0};
	struct coax_option put, got;
	struct exchange e, f;
	char text[3001];

	serve(true);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin(&e, COAX_PUT, "/a");
	ASSERT_EQ(send_part_with(&transfer, &e, text, false), COAX_CREATED);
	end_transfer(&transfer);
	ASSERT_EQ(get(&f, "/a"), COAX_CONTENT);
	EXPECT_EQ(f.responder.body.length, 3000U);
	coax_responder_drop_body(&f.responder);
	ASSERT_TRUE(coax_message_find(&e.responder.response, COAX_ETAG, &put));
	ASSERT_TRUE(coax_message_find(&f.responder.response, COAX_ETAG, &got));
	EXPECT_MEMEQ(put.value, got.value, 8);
	expect_no_trace();
	stop();
}

TEST("a transfer that ends early leaves no file")
{
	struct transfer transfer = {0};
	struct exchange e;

	serve(true);
	ASSERT_EQ(send_part(&transfer, COAX_PUT, "/a", "one", true), COAX_CONTINUE);
	EXPECT_EQ(count_temporary(), 1U);
	end_transfer(&transfer);
	expect_no_trace();
	EXPECT_EQ(get(&e, "/a"), COAX_NOT_FOUND);
	/* Also when the daemon ends meanwhile. */
	ASSERT_EQ(send_part(&transfer, COAX_PUT, "/a", "one", true), COAX_CONTINUE);
	transfer.release(transfer.state);
	coaxd_files_destroy(files);
	EXPECT_EQ(count_temporary(), 0U);
	close(dir);
}

TEST("what speaks against storing a body is told with its first part, and looked for again at the "
     "end")
{
	struct transfer transfer = {0};
	struct exchange e;
	uint8_t etag[8];

	serve(true);
	write_file("a", "old");
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/d", "x", true), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/d/", "x", true), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/.x", "x", true), COAX_FORBIDDEN);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/none/x", "x", true), COAX_NOT_FOUND);
	EXPECT_EQ(send_part(&transfer, COAX_POST, "/none", "x", true), COAX_NOT_FOUND);
	begin(&e, COAX_PUT, "/a");
	coax_message_add(&e.responder.request, COAX_IF_NONE_MATCH, NULL, 0);
	EXPECT_EQ(send_part_with(&transfer, &e, "x", true), COAX_PRECONDITION_FAILED);
	EXPECT_TRUE(transfer.state == NULL);
	expect_no_trace();

	/* If-None-Match comes with the first part alone. */
	transfer.offset = 0;
	begin(&e, COAX_PUT, "/b");
	coax_message_add(&e.responder.request, COAX_IF_NONE_MATCH, NULL, 0);
	EXPECT_EQ(send_part_with(&transfer, &e, "x", true), COAX_CONTINUE);
	write_file("b", "other");
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/b", "y", false), COAX_PRECONDITION_FAILED);
	end_transfer(&transfer);
	expect_get("/b", "other");

	coaxd_etag("old", 3, etag);
	for (int i = 0; i < 2; i++) {
		begin(&e, COAX_PUT, "/a");
		coax_message_add(&e.responder.request, COAX_IF_MATCH, etag, 8);
		EXPECT_EQ(send_part_with(&transfer, &e, "x", i == 0),
			  i == 0 ? COAX_CONTINUE : COAX_PRECONDITION_FAILED);
		write_file("a", "newer");
	}
	end_transfer(&transfer);
	expect_get("/a", "newer");
	expect_no_trace();
	stop();
}

TEST("POST of a body in parts makes a file in a directory, or appends all of it at once")
{
	struct transfer transfer = {0};
	char location[256];
	struct exchange e;
	struct stat status;

	serve(true);
	ASSERT_EQ(send_part(&transfer, COAX_POST, "/", "one,", true), COAX_CONTINUE);
	begin(&e, COAX_POST, "/");
	ASSERT_EQ(send_part_with(&transfer, &e, "two", false), COAX_CREATED);
	ASSERT_GT(coax_uri_compose_location(&e.responder.response, location, sizeof(location)), 0);
	expect_get(location, "one,two");
	end_transfer(&transfer);

	write_file("log", "0,");
	ASSERT_EQ(fchmodat(dir, "log", 0600, 0), 0);
	ASSERT_EQ(send_part(&transfer, COAX_POST, "/log", "1,", true), COAX_CONTINUE);
	ASSERT_EQ(send_change(COAX_POST, "/log", "x,"), COAX_CHANGED);
	ASSERT_EQ(send_part(&transfer, COAX_POST, "/log", "2,", false), COAX_CHANGED);
	expect_get("/log", "0,x,1,2,");
	ASSERT_EQ(fstatat(dir, "log", &status, 0), 0);
	EXPECT_EQ(status.st_mode & 0777U, 0600U);
	end_transfer(&transfer);
	expect_no_trace();
	stop();
}

TEST("as many uploads are under way as may be; further ones are 5.03, bodies in one message not")
{
	struct transfer transfers[2] = {0}, other = {0};
	uint32_t value;
	struct exchange e;

	serve(true);
	files->uploads.max = 2;
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(send_part(&transfers[i], COAX_PUT, "/a", "x", true), COAX_CONTINUE);
	begin(&e, COAX_PUT, "/b");
	EXPECT_EQ(send_part_with(&other, &e, "x", true), COAX_SERVICE_UNAVAILABLE);
	EXPECT_TRUE(coax_message_find_uint(&e.responder.response, COAX_MAX_AGE, &value));
	EXPECT_EQ(send_change(COAX_PUT, "/b", "x"), COAX_CREATED);
	end_transfer(&transfers[0]);
	other = (struct transfer){0};
	EXPECT_EQ(send_part(&other, COAX_PUT, "/c", "x", true), COAX_CONTINUE);
	end_transfer(&other);
	end_transfer(&transfers[1]);
	expect_no_trace();
	stop();
}

TEST("an upload that the disk does not take is 5.00 and leaves the former file")
{
	struct transfer transfer = {0};
	struct rlimit limit = {6, 6};

	serve(true);
	write_file("a", "old");
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/a", "four", true), COAX_CONTINUE);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/a", "more", true), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(strstr(last_log, "cannot write \"/a\"") != NULL);
	end_transfer(&transfer);
	expect_get("/a", "old");
	expect_no_trace();
	stop();
}

TEST("when the directory of an upload is gone at its end, that is told and nothing is stored")
{
	struct transfer transfer = {0};
	struct exchange e;

	serve(true);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	ASSERT_EQ(send_part(&transfer, COAX_PUT, "/d/a", "x", true), COAX_CONTINUE);
	ASSERT_EQ(renameat(dir, "d", dir, ".e"), 0);
	EXPECT_EQ(send_part(&transfer, COAX_PUT, "/d/a", "y", false), COAX_NOT_FOUND);
	end_transfer(&transfer);
	EXPECT_EQ(get(&e, "/d/a"), COAX_NOT_FOUND);
	ASSERT_EQ(unlinkat(dir, ".e", AT_REMOVEDIR), 0);
	stop();
}

TEST_MAIN()
