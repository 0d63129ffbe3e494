// SPDX-License-Identifier: BSD-2-Clause
/*
 * How changes of files by others are noticed.
 */
#include "coaxd_fixture.h"

/* GET "/d/a", change something, and see the reply withdrawn. */
static void expect_noticed(void (*change)(void))
{
	struct exchange e;

	/* What was done before this is over. */
	coaxd_watch_catch_up(files->watch);
	ASSERT_EQ(get(&e, "/d/a"), COAX_CONTENT);
	ASSERT_TRUE(is_published(&e));
	change();
	EXPECT_TRUE(is_withdrawn(&e));
}

static void make_d(void)
{
	serve(true);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "one");
	write_file("other", "other");
}

static void overwrite(void)
{
	write_file("d/a", "two");
}

TEST("a file that somebody writes to is served as it is then")
{
	make_d();
	expect_noticed(overwrite);
	expect_get("/d/a", "two");
	stop();
}

static void rename_over(void)
{
	ASSERT_EQ(renameat(dir, "other", dir, "d/a"), 0);
}

TEST("a file that is replaced by renaming is served as it is then")
{
	make_d();
	expect_noticed(rename_over);
	expect_get("/d/a", "other");
	stop();
}

static void rename_away(void)
{
	ASSERT_EQ(renameat(dir, "d/a", dir, "b"), 0);
}

TEST("a file that is renamed is missing under its old name")
{
	struct exchange e;

	make_d();
	expect_noticed(rename_away);
	EXPECT_EQ(get(&e, "/d/a"), COAX_NOT_FOUND);
	expect_get("/b", "one");
	stop();
}

static void remove_file(void)
{
	ASSERT_EQ(unlinkat(dir, "d/a", 0), 0);
}

TEST("a file that is removed is missing")
{
	struct exchange e;

	make_d();
	expect_noticed(remove_file);
	EXPECT_EQ(get(&e, "/d/a"), COAX_NOT_FOUND);
	overwrite();
	expect_get("/d/a", "two");
	stop();
}

static void change_mode(void)
{
	ASSERT_EQ(fchmodat(dir, "d/a", 0600, 0), 0);
}

TEST("a file whose permissions change is looked at again")
{
	make_d();
	expect_noticed(change_mode);
	expect_get("/d/a", "one");
	stop();
}

static void swap_directory(void)
{
	ASSERT_EQ(mkdirat(dir, "e", 0755), 0);
	write_file("e/a", "another");
	ASSERT_EQ(renameat(dir, "d", dir, "f"), 0);
	ASSERT_EQ(renameat(dir, "e", dir, "d"), 0);
}

static void overwrite_in_f(void)
{
	write_file("f/a", "in f");
}

TEST("a directory that is replaced takes its files along")
{
	struct exchange e;

	make_d();
	expect_noticed(swap_directory);
	expect_get("/d/a", "another");
	/* Also what happens in it then is noticed. */
	expect_noticed(overwrite);
	expect_get("/d/a", "two");
	ASSERT_EQ(get(&e, "/f/a"), COAX_CONTENT);
	overwrite_in_f();
	EXPECT_TRUE(is_withdrawn(&e));
	expect_get("/f/a", "in f");
	stop();
}

static void remove_directory(void)
{
	ASSERT_EQ(unlinkat(dir, "d/a", 0), 0);
	ASSERT_EQ(unlinkat(dir, "d", AT_REMOVEDIR), 0);
}

TEST("a directory that is removed and made again is watched again")
{
	make_d();
	expect_noticed(remove_directory);
	ASSERT_EQ(mkdirat(dir, "d", 0755), 0);
	write_file("d/a", "new");
	expect_get("/d/a", "new");
	expect_noticed(overwrite);
	expect_get("/d/a", "two");
	stop();
}

TEST("when the kernel has lost events, everything is read again")
{
	static const struct inotify_event lost = {.wd = -1, .mask = IN_Q_OVERFLOW};
	struct exchange e;

	make_d();
	ASSERT_EQ(get(&e, "/d/a"), COAX_CONTENT);
	pthread_mutex_lock(&files->watch->lock);
	tell(files->watch, &lost);
	EXPECT_EQ(files->watch->count, 0U);
	pthread_mutex_unlock(&files->watch->lock);
	EXPECT_FALSE(is_published(&e));
	expect_noticed(overwrite);
	stop();
}

TEST("the directories watched are bounded, and each is watched once")
{
	serve(false);
	for (int i = 0; i < 20; i++) {
		char name[32], path[40];
		struct exchange e;

		snprintf(name, sizeof(name), "d%d", i % 10);
		mkdirat(dir, name, 0755);
		snprintf(path, sizeof(path), "%s/a", name);
		write_file(path, "x");
		EXPECT_EQ(get(&e, path), COAX_CONTENT);
	}
	EXPECT_EQ(files->watch->count, 11U);
	stop();
}

TEST_MAIN()
