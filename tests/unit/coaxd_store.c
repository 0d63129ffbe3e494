// SPDX-License-Identifier: BSD-2-Clause
/*
 * Durable, atomic changes of files.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "../harness.h"
#include "coaxd/beneath.c"
#include "coaxd/store.c"

static char directory_name[] = "/tmp/coaxd-store-XXXXXX";

static void remove_tree(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf %s", directory_name);
	if (system(command))
		HARNESS_SAY("could not remove %s", directory_name);
}

static int make_directory(void)
{
	int dir;

	ASSERT_TRUE(mkdtemp(directory_name) != NULL);
	atexit(remove_tree);
	dir = open(directory_name, O_RDONLY | O_DIRECTORY);
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
