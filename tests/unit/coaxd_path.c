// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which paths coaxd takes, what it opens for them, and what their Content-Formats are.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "../harness.h"
#include "coaxd/beneath.c"
#include "coaxd/format.c"
#include "coaxd/path.c"

static uint8_t buffer[4096];

static void start(struct coax_message *m)
{
	ASSERT_EQ(
		coax_message_start(m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0),
		0);
}

static int take(struct coaxd_path *path, const char *uri_path)
{
	struct coax_message m;

	start(&m);
	ASSERT_EQ(coax_uri_path_add_options(uri_path, &m), 0);
	return coaxd_path_from_request(path, &m, 0);
}

static int take_segment(struct coaxd_path *path, const void *segment, size_t length)
{
	struct coax_message m;

	start(&m);
	ASSERT_EQ(coax_message_add(&m, COAX_URI_PATH, segment, length), 0);
	return coaxd_path_from_request(path, &m, 0);
}

TEST("a prefix is names, without what could be written in two ways")
{
	static const char *const good[] = {"", "a", "a/b", "a b/\xc3\xbc"};
	static const char *const bad[] = {"/a", "a/", "a//b", ".a", "a/.b", "a%20", "a?b"};
	struct coaxd_path path;
	struct coax_message m;
	unsigned int depth;
	char target[COAXD_TARGET_MAX];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		EXPECT_TRUE(coaxd_path_is_prefix(good[i], &depth));
		EXPECT_EQ(depth, i < 2 ? (unsigned int)i : 2U);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_FALSE(coaxd_path_is_prefix(bad[i], &depth));
	start(&m);
	ASSERT_EQ(coax_uri_path_add_options("a/b/c/d", &m), 0);
	EXPECT_EQ(coaxd_path_from_request(&path, &m, 2), 0);
	EXPECT_STREQ(path.text, "c/d");
	coaxd_path_target_below("a b", "c", "d", target);
	EXPECT_STREQ(target, "/a%20b/c/d");
}

TEST("the path of a request is its Uri-Path options, or is refused")
{
	static const struct {
		const char *uri;
		int err;
		const char *path;
		bool directory;
	} cases[] = {
		{"/", 0, "", true},
		{"/a.txt", 0, "a.txt", false},
		{"/a/b/c", 0, "a/b/c", false},
		{"/a/", 0, "a", true},
		{"/a/b/", 0, "a/b", true},
		{"/a%20b", 0, "a b", false},
		{"/a..b", 0, "a..b", false},
		{"/a.", 0, "a.", false},
		{"/%C3%BC", 0, "\xc3\xbc", false},
		{"/%FF", 0, "\xff", false},
		{"/a//b", -EINVAL, NULL, false},
		{"//a", -EINVAL, NULL, false},
		{"/a//", -EINVAL, NULL, false},
		{"/a%2Fb", -EINVAL, NULL, false},
		{"/%2F", -EINVAL, NULL, false},
		{"/%2Fetc/passwd", -EINVAL, NULL, false},
		{"/a%00b", -EINVAL, NULL, false},
		{"/%00", -EINVAL, NULL, false},
		{"/a/..%2F..%2Fetc", -EINVAL, NULL, false},
		{"/.hidden", -EACCES, NULL, false},
		{"/a/.hidden/b", -EACCES, NULL, false},
		{"/.../a", -EACCES, NULL, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coaxd_path path;

		if (take(&path, cases[i].uri) != cases[i].err)
			HARNESS_SAY("%s", cases[i].uri);
		EXPECT_EQ(take(&path, cases[i].uri), cases[i].err);
		if (cases[i].err)
			continue;
		EXPECT_STREQ(path.text, cases[i].path);
		EXPECT_EQ(path.length, strlen(cases[i].path));
		EXPECT_EQ(path.directory, cases[i].directory);
	}
}

TEST("dot segments that a client sends unresolved are refused")
{
	struct coaxd_path path;

	EXPECT_EQ(take_segment(&path, ".", 1), -EACCES);
	EXPECT_EQ(take_segment(&path, "..", 2), -EACCES);
	EXPECT_EQ(take_segment(&path, "../..", 5), -EINVAL);
	EXPECT_EQ(take_segment(&path, "/etc/passwd", 11), -EINVAL);
}

TEST("a name of 255 bytes is a name, and a path of more than 1024 bytes is none")
{
	struct coaxd_path path;
	struct coax_message m;
	char name[255];

	memset(name, 'x', sizeof(name));
	EXPECT_EQ(take_segment(&path, name, sizeof(name)), 0);
	EXPECT_EQ(path.length, 255U);

	start(&m);
	for (int i = 0; i < 4; i++)
		coax_message_add(&m, COAX_URI_PATH, name, sizeof(name));
	EXPECT_EQ(coaxd_path_from_request(&path, &m, 0), 0);
	EXPECT_EQ(path.length, 4U * 256 - 1);
	coax_message_add(&m, COAX_URI_PATH, "", 0);
	EXPECT_EQ(coaxd_path_from_request(&path, &m, 0), 0);
	EXPECT_TRUE(path.directory);

	coax_message_remove(&m, COAX_URI_PATH);
	for (int i = 0; i < 4; i++)
		coax_message_add(&m, COAX_URI_PATH, name, sizeof(name));
	coax_message_add(&m, COAX_URI_PATH, "y", 1);
	EXPECT_EQ(coaxd_path_from_request(&path, &m, 0), -ENAMETOOLONG);
}

TEST("a path's last name and its parent are told apart")
{
	size_t parent;

	EXPECT_STREQ(coaxd_path_name("a/b/c", 5, &parent), "c");
	EXPECT_EQ(parent, 3U);
	EXPECT_STREQ(coaxd_path_name("c", 1, &parent), "c");
	EXPECT_EQ(parent, 0U);
}

TEST("a link's target is percent-encoded")
{
	char target[COAXD_TARGET_MAX];

	EXPECT_EQ(coaxd_path_target("", NULL, target), 1U);
	EXPECT_STREQ(target, "/");
	coaxd_path_target("", "a.txt", target);
	EXPECT_STREQ(target, "/a.txt");
	coaxd_path_target("d e", "x>,\"\xc3\xbc~", target);
	EXPECT_STREQ(target, "/d%20e/x%3E%2C%22%C3%BC~");
}

TEST("the Content-Format of a file is by its extension, letter case ignored")
{
	static const struct {
		const char *name;
		uint16_t format;
	} cases[] = {
		{"a.txt", 0},	     {"a.TXT", 0},	{"a.md", 0},	  {"a.csv", 0},
		{"a.link", 40},	     {"a.wlnk", 40},	{"a.xml", 41},	  {"a.bin", 42},
		{"a.exi", 47},	     {"a.json", 50},	{"a.b.json", 50}, {"a.cbor", 60},
		{"a.senml", 110},    {"a.senmlc", 112}, {"a.html", 42},	  {"a", 42},
		{"json", 42},	     {"a.", 42},	{"a.json.", 42},  {"a.jsonx", 42},
		{"d.json/file", 42},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (coaxd_format_of(cases[i].name) != cases[i].format)
			HARNESS_SAY("%s", cases[i].name);
		EXPECT_EQ(coaxd_format_of(cases[i].name), cases[i].format);
	}
}

TEST("a new file's extension gives it the Content-Format that it was sent with")
{
	static const uint16_t known[] = {0, 40, 41, 42, 47, 50, 60, 110, 112};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char name[32];

		ASSERT_TRUE(coaxd_format_extension(known[i]) != NULL);
		snprintf(name, sizeof(name), "0%s", coaxd_format_extension(known[i]));
		EXPECT_EQ(coaxd_format_of(name), known[i]);
	}
	EXPECT_TRUE(coaxd_format_extension(11050) == NULL);
	EXPECT_TRUE(coaxd_format_extension(65536) == NULL);
}

static char outside[] = "/tmp/coaxd-path-XXXXXX";
static char inside[64];

static void write_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void remove_tree(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf %s", outside);
	if (system(command))
		HARNESS_SAY("could not remove %s", outside);
}

/* A directory to serve, in one with something that must not be. */
static int make_tree(void)
{
	int dir;

	ASSERT_TRUE(mkdtemp(outside) != NULL);
	atexit(remove_tree);
	snprintf(inside, sizeof(inside), "%s/served", outside);
	ASSERT_EQ(mkdir(inside, 0755), 0);
	dir = open(inside, O_PATH | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	write_file(dir, "../secret", "secret");
	write_file(dir, "file", "content");
	ASSERT_EQ(mkdirat(dir, "sub", 0755), 0);
	write_file(dir, "sub/file", "below");
	return dir;
}

TEST("regular files below the directory are read")
{
	struct coaxd_content content;
	int dir = make_tree();
	uint8_t etag[COAXD_ETAG_SIZE];

	EXPECT_EQ(coaxd_probe_file(dir, "file"), 0);
	ASSERT_EQ(coaxd_read_file(dir, "file", &content), 0);
	EXPECT_EQ(content.length, 7U);
	EXPECT_MEMEQ(content.bytes, "content", 7);
	memcpy(etag, content.etag, sizeof(etag));
	ASSERT_EQ(coaxd_read_file(dir, "sub/file", &content), 0);
	EXPECT_MEMEQ(content.bytes, "below", 5);
	EXPECT_NE(memcmp(etag, content.etag, sizeof(etag)), 0);
	close(dir);
}

TEST("no symbolic link is followed, wherever it leads")
{
	struct coaxd_content content;
	int dir = make_tree();

	ASSERT_EQ(symlinkat("../secret", dir, "out"), 0);
	ASSERT_EQ(symlinkat("/etc/passwd", dir, "absolute"), 0);
	ASSERT_EQ(symlinkat("file", dir, "in"), 0);
	ASSERT_EQ(symlinkat("..", dir, "up"), 0);
	ASSERT_EQ(symlinkat("sub", dir, "across"), 0);
	EXPECT_EQ(coaxd_probe_file(dir, "out"), -ENOTSUP);
	EXPECT_EQ(coaxd_probe_file(dir, "absolute"), -ENOTSUP);
	EXPECT_EQ(coaxd_probe_file(dir, "in"), -ENOTSUP);
	EXPECT_EQ(coaxd_probe_file(dir, "up/secret"), -ENOENT);
	EXPECT_EQ(coaxd_probe_file(dir, "across/file"), -ENOENT);
	EXPECT_EQ(coaxd_read_file(dir, "out", &content), -ENOENT);
	EXPECT_EQ(coaxd_read_file(dir, "up/secret", &content), -ENOENT);
	EXPECT_LT(coaxd_open_beneath(dir, "up", O_RDONLY | O_DIRECTORY), 0);
	close(dir);
}

TEST("what gets past the names is still not opened outside of the directory")
{
	int dir = make_tree();

	EXPECT_EQ(coaxd_open_beneath(dir, "../secret", O_RDONLY), -EXDEV);
	EXPECT_EQ(coaxd_open_beneath(dir, "sub/../../secret", O_RDONLY), -EXDEV);
	EXPECT_EQ(coaxd_open_beneath(dir, "/etc/passwd", O_RDONLY), -EXDEV);
	close(dir);
}

TEST("only regular files are files: no directory, FIFO, socket or device")
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct coaxd_content content;
	int dir = make_tree();
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	EXPECT_EQ(coaxd_probe_file(dir, "sub"), -EISDIR);
	EXPECT_EQ(coaxd_probe_file(dir, ""), -EISDIR);
	EXPECT_EQ(coaxd_probe_file(dir, "file/x"), -ENOENT);
	ASSERT_EQ(mkfifoat(dir, "fifo", 0644), 0);
	EXPECT_EQ(coaxd_probe_file(dir, "fifo"), -ENOTSUP);
	/* Even if it becomes one behind our back, nobody waits for its other end. */
	EXPECT_EQ(coaxd_read_file(dir, "fifo", &content), -ENOTSUP);
	EXPECT_EQ(coaxd_read_file(dir, "sub", &content), -EISDIR);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", inside);
	ASSERT_EQ(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	EXPECT_EQ(coaxd_probe_file(dir, "socket"), -ENOTSUP);
	close(s);
	if (mknodat(dir, "null", S_IFCHR | 0644, 0x103) == 0)
		EXPECT_EQ(coaxd_probe_file(dir, "null"), -ENOTSUP);
	close(dir);
}

TEST("a file of 1024 bytes is read, one of 1025 is too large, an empty one is empty")
{
	struct coaxd_content content;
	int dir = make_tree();
	char text[1026];

	memset(text, 'a', sizeof(text));
	text[1024] = '\0';
	write_file(dir, "fits", text);
	ASSERT_EQ(coaxd_read_file(dir, "fits", &content), 0);
	EXPECT_EQ(content.length, 1024U);
	text[1024] = 'a';
	text[1025] = '\0';
	write_file(dir, "large", text);
	EXPECT_EQ(coaxd_read_file(dir, "large", &content), -EFBIG);
	EXPECT_EQ(content.status.st_size, 1025);
	write_file(dir, "empty", "");
	ASSERT_EQ(coaxd_read_file(dir, "empty", &content), 0);
	EXPECT_EQ(content.length, 0U);
	close(dir);
}

TEST("names of 255 bytes and odd bytes are opened like others")
{
	struct coaxd_content content;
	int dir = make_tree();
	char name[258];

	memset(name, 'n', 255);
	name[255] = '\0';
	write_file(dir, name, "long");
	EXPECT_EQ(coaxd_read_file(dir, name, &content), 0);
	strcpy(name + 255, "n");
	EXPECT_EQ(coaxd_probe_file(dir, name), -ENOENT);
	write_file(dir, "\xff \n%2F", "odd");
	EXPECT_EQ(coaxd_read_file(dir, "\xff \n%2F", &content), 0);
	close(dir);
}

TEST_MAIN()
