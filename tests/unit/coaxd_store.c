// SPDX-License-Identifier: BSD-2-Clause
/*
 * Durable, atomic changes of files.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "../harness.h"
#include "coaxd/beneath.c"

/* The system calls of a change, one letter each, and at which of them the process is killed. */
static char calls[32];
static size_t call_count;
static size_t kill_at = SIZE_MAX;
static mode_t mode_at_first;

static void call(char letter)
{
	if (call_count == kill_at)
		kill(getpid(), SIGKILL);
	if (call_count < sizeof(calls) - 1)
		calls[call_count++] = letter;
}

/* Not all at once, so that there is a half to be seen. */
static ssize_t write_some(int fd, const void *bytes, size_t length)
{
	call('w');
	return write(fd, bytes, length > 1 ? length / 2 : length);
}

static int change_mode(int fd, mode_t mode)
{
	struct stat status;

	call('m');
	if (fstat(fd, &status) == 0)
		mode_at_first = status.st_mode & 0777;
	return fchmod(fd, mode);
}

#define write	       write_some
#define fchmod	       change_mode
#define fsync(fd)      (call('s'), fsync(fd))
#define renameat2(...) (call('r'), renameat2(__VA_ARGS__))
#define unlinkat(...)  (call('u'), unlinkat(__VA_ARGS__))
#include "coaxd/store.c"
#undef write
#undef fchmod
#undef fsync
#undef renameat2
#undef unlinkat

static int make_directory(void)
{
	int dir = open(harness_directory(), O_RDONLY | O_DIRECTORY);

	ASSERT_GE(dir, 0);
	return dir;
}

static size_t count_entries(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	size_t count = 0;

	ASSERT_TRUE(d != NULL);
	for (struct dirent *e; (e = readdir(d));)
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return count;
}

static void expect_content(int dir, const char *name, const char *text)
{
	struct coaxd_content content;

	ASSERT_EQ(coaxd_read_file(dir, name, &content), 0);
	EXPECT_EQ(content.length, strlen(text));
	EXPECT_MEMEQ(content.bytes, text, strlen(text));
}

TEST("a new file is made, with nothing else beside it")
{
	int dir = make_directory();
	bool visible;

	EXPECT_EQ(coaxd_store_replace(dir, "f", "one", 3, NULL, &visible), 0);
	EXPECT_TRUE(visible);
	expect_content(dir, "f", "one");
	EXPECT_EQ(count_entries(dir), 1U);
	close(dir);
}

TEST("a new file does not take the place of one that has appeared")
{
	int dir = make_directory();
	bool visible;

	ASSERT_EQ(coaxd_store_replace(dir, "f", "one", 3, NULL, &visible), 0);
	EXPECT_EQ(coaxd_store_replace(dir, "f", "two", 3, NULL, &visible), -EEXIST);
	EXPECT_FALSE(visible);
	expect_content(dir, "f", "one");
	EXPECT_EQ(count_entries(dir), 1U);
	close(dir);
}

TEST("a replaced file keeps its permissions, and its owner where that is allowed")
{
	struct stat before, after;
	int dir = make_directory();
	bool visible;

	ASSERT_EQ(coaxd_store_replace(dir, "f", "one", 3, NULL, &visible), 0);
	ASSERT_EQ(fchmodat(dir, "f", 0640, 0), 0);
	if (geteuid() == 0)
		ASSERT_EQ(fchownat(dir, "f", 12, 34, 0), 0);
	ASSERT_EQ(fstatat(dir, "f", &before, 0), 0);
	EXPECT_EQ(coaxd_store_replace(dir, "f", "other", 5, &before, &visible), 0);
	ASSERT_EQ(fstatat(dir, "f", &after, 0), 0);
	EXPECT_EQ(after.st_mode, before.st_mode);
	EXPECT_EQ(after.st_uid, before.st_uid);
	EXPECT_EQ(after.st_gid, before.st_gid);
	expect_content(dir, "f", "other");
	close(dir);
}

TEST("while a replaced file is written, only its owner can open what is not yet in its place")
{
	struct stat before;
	int dir = make_directory();
	bool visible;

	ASSERT_EQ(coaxd_store_replace(dir, "f", "one", 3, NULL, &visible), 0);
	ASSERT_EQ(fchmodat(dir, "f", 0600, 0), 0);
	ASSERT_EQ(fstatat(dir, "f", &before, 0), 0);
	umask(0);
	mode_at_first = 0777;
	EXPECT_EQ(coaxd_store_replace(dir, "f", "other", 5, &before, &visible), 0);
	EXPECT_EQ(mode_at_first, 0600U);
	close(dir);
}

TEST("the content is on disk before it gets its name, and the name before it is reported")
{
	struct stat before;
	int dir = make_directory();
	bool visible;

	EXPECT_EQ(coaxd_store_replace(dir, "f", "one", 3, NULL, &visible), 0);
	EXPECT_STREQ(calls, "wwwsrs");
	memset(calls, 0, sizeof(calls));
	call_count = 0;
	ASSERT_EQ(fstatat(dir, "f", &before, 0), 0);
	EXPECT_EQ(coaxd_store_replace(dir, "f", "two", 3, &before, &visible), 0);
	EXPECT_STREQ(calls, "mwwwsrs");
	memset(calls, 0, sizeof(calls));
	call_count = 0;
	EXPECT_EQ(coaxd_store_remove(dir, "f", &visible), 0);
	EXPECT_STREQ(calls, "us");
	close(dir);
}

/* Have a process replace the file and be killed at a call. Returns whether it ended unharmed. */
static bool replace_and_die(int dir, size_t at)
{
	struct stat before;
	bool visible;
	int status;
	pid_t pid;

	ASSERT_EQ(fstatat(dir, "f", &before, 0), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid == 0) {
		call_count = 0;
		kill_at = at;
		_exit(coaxd_store_replace(dir, "f", "the new", 7, &before, &visible) != 0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		EXPECT_EQ(WEXITSTATUS(status), 0);
	return WIFEXITED(status);
}

TEST("killed at any point, a change leaves the old file or the new one, whole, and no litter")
{
	bool is_new = false, ended = false;
	int dir = make_directory();
	size_t at;

	for (at = 0; !ended && at < 20; at++) {
		struct coaxd_content content;
		bool visible;

		if (!at)
			ASSERT_EQ(coaxd_store_replace(dir, "f", "old", 3, NULL, &visible), 0);
		ended = replace_and_die(dir, at);
		ASSERT_EQ(coaxd_read_file(dir, "f", &content), 0);
		/* Once the name is the new one's, it stays. */
		is_new = is_new || content.length == 7;
		expect_content(dir, "f", is_new ? "the new" : "old");
		coaxd_store_sweep(dir);
		EXPECT_EQ(count_entries(dir), 1U);
	}
	EXPECT_TRUE(ended);
	EXPECT_TRUE(is_new);
	EXPECT_GT(at, 5U);
	close(dir);
}

TEST("a write that the disk refuses leaves the old file and no temporary one")
{
	static char large[4096];
	struct rlimit limit = {2048, 2048};
	struct stat status;
	int dir = make_directory();
	bool visible;

	ASSERT_EQ(coaxd_store_replace(dir, "f", "old", 3, NULL, &visible), 0);
	ASSERT_EQ(fstatat(dir, "f", &status, 0), 0);
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_EQ(coaxd_store_replace(dir, "f", large, sizeof(large), &status, &visible), -EFBIG);
	EXPECT_FALSE(visible);
	EXPECT_EQ(count_entries(dir), 1U);
	limit.rlim_cur = 0;
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EXPECT_EQ(coaxd_store_replace(dir, "new", "x", 1, NULL, &visible), -EFBIG);
	EXPECT_EQ(count_entries(dir), 1U);
	expect_content(dir, "f", "old");
	close(dir);
}

TEST("a removed file is gone, and a missing one cannot be removed")
{
	int dir = make_directory();
	bool visible;

	ASSERT_EQ(coaxd_store_replace(dir, "f", "old", 3, NULL, &visible), 0);
	EXPECT_EQ(coaxd_store_remove(dir, "f", &visible), 0);
	EXPECT_TRUE(visible);
	EXPECT_EQ(count_entries(dir), 0U);
	EXPECT_EQ(coaxd_store_remove(dir, "f", &visible), -ENOENT);
	EXPECT_FALSE(visible);
	close(dir);
}

static void write_for_ever(int dir)
{
	static char content[2][1000];
	struct stat status;
	bool visible;

	memset(content[0], 'a', sizeof(content[0]));
	memset(content[1], 'b', sizeof(content[1]));
	for (unsigned int i = 0;; i++) {
		if (fstatat(dir, "f", &status, 0))
			_exit(1);
		if (coaxd_store_replace(dir, "f", content[i & 1], sizeof(content[0]), &status,
					&visible))
			_exit(1);
	}
}

TEST_TIMEOUT("a writer that is killed at any moment leaves the old or the new file whole", 60)
{
	int dir = make_directory();
	char whole[1000];
	bool visible;

	memset(whole, 'a', sizeof(whole));
	ASSERT_EQ(coaxd_store_replace(dir, "f", whole, sizeof(whole), NULL, &visible), 0);
	for (int i = 0; i < 100; i++) {
		struct coaxd_content content;
		pid_t child = fork();

		if (child == 0)
			write_for_ever(dir);
		usleep((useconds_t)(random() % 5000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		ASSERT_EQ(coaxd_read_file(dir, "f", &content), 0);
		ASSERT_EQ(content.length, sizeof(whole));
		memset(whole, content.bytes[0], sizeof(whole));
		ASSERT_TRUE(content.bytes[0] == 'a' || content.bytes[0] == 'b');
		ASSERT_MEMEQ(content.bytes, whole, sizeof(whole));
	}
	coaxd_store_sweep(dir);
	EXPECT_EQ(count_entries(dir), 1U);
	close(dir);
}

static void touch(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);

	ASSERT_GE(fd, 0);
	close(fd);
}

TEST("what a crash left is removed at every depth, and nothing else is")
{
	static const char *const kept[] = {
		"file",
		".hidden",
		".coaxd-",
		".coaxd-0123456789abcde",
		".coaxd-0123456789abcdef0",
		".coaxd-0123456789ABCDEF",
		"x.coaxd-0123456789abcdef",
		"sub/file",
		".coaxd-0123456789abcdef.txt",
	};
	int dir = make_directory();
	int busy;

	ASSERT_EQ(mkdirat(dir, "sub", 0755), 0);
	ASSERT_EQ(mkdirat(dir, "sub/sub", 0755), 0);
	ASSERT_EQ(mkdirat(dir, ".coaxd-aaaaaaaaaaaaaaaa", 0755), 0);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		touch(dir, kept[i]);
	touch(dir, ".coaxd-0123456789abcdef");
	touch(dir, "sub/.coaxd-ffffffffffffffff");
	touch(dir, "sub/sub/.coaxd-0000000000000000");
	touch(dir, ".coaxd-1111111111111111");
	busy = openat(dir, ".coaxd-1111111111111111", O_WRONLY);
	ASSERT_EQ(flock(busy, LOCK_EX), 0);

	EXPECT_EQ(coaxd_store_sweep(dir), 3U);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		EXPECT_EQ(faccessat(dir, kept[i], F_OK, 0), 0);
	EXPECT_EQ(faccessat(dir, ".coaxd-1111111111111111", F_OK, 0), 0);
	close(busy);
	EXPECT_EQ(coaxd_store_sweep(dir), 1U);
	close(dir);
}

TEST("no symbolic link leads the sweep out of the directory")
{
	int dir = make_directory();

	ASSERT_EQ(mkdirat(dir, "other", 0755), 0);
	ASSERT_EQ(mkdirat(dir, "served", 0755), 0);
	touch(dir, "other/.coaxd-0123456789abcdef");
	ASSERT_EQ(symlinkat("../other", openat(dir, "served", O_PATH), "link"), 0);
	EXPECT_EQ(coaxd_store_sweep(openat(dir, "served", O_PATH)), 0U);
	EXPECT_EQ(faccessat(dir, "other/.coaxd-0123456789abcdef", F_OK, 0), 0);
	close(dir);
}

TEST("random names differ and are 16 hexadecimal digits")
{
	char a[COAXD_RANDOM_NAME_SIZE], b[COAXD_RANDOM_NAME_SIZE];

	ASSERT_EQ(coaxd_random_name(a), 0);
	ASSERT_EQ(coaxd_random_name(b), 0);
	EXPECT_EQ(strlen(a), 16U);
	EXPECT_EQ(strspn(a, "0123456789abcdef"), 16U);
	EXPECT_NE(strcmp(a, b), 0);
}

TEST_MAIN()
