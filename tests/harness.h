/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small test harness in the manner of kselftest: each test runs in a process of its own, with
 * a time limit, and the program prints KTAP.
 *
 *	TEST("an empty CON is answered with RST")
 *	{
 *		ASSERT_EQ(coax_thing(), 0);
 *		EXPECT_MEMEQ(got, wanted, length);
 *	}
 *
 *	TEST_MAIN()
 *
 * ASSERT_ ends the test, EXPECT_ goes on. SKIP("reason") ends it too. Exit status: 0 passed,
 * 1 failed, 4 all skipped. Arguments: -l lists the tests, a word runs those that contain it.
 * COAX_TEST_PATIENCE multiplies the time limits. harness_directory() is a directory of the test's
 * own, which goes with it, whichever way it ends; harness_write() makes a file there.
 */
#ifndef COAX_HARNESS_H
#define COAX_HARNESS_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HARNESS_PASS 0
#define HARNESS_FAIL 1
#define HARNESS_SKIP 4

#ifndef HARNESS_TIMEOUT
#define HARNESS_TIMEOUT 30 /* seconds a test */
#endif

struct harness_test {
	const char *name;
	void (*run)(void);
	unsigned int timeout;
	struct harness_test *next;
};

static struct harness_test *harness_first;
static struct harness_test **harness_last = &harness_first;
static int harness_failed;
static volatile pid_t harness_child;
static volatile sig_atomic_t harness_ended_by; /* signal, if any */
/* In memory that the test shares with who runs it: its directory, or "". */
static char *harness_made;

static inline void harness_register(struct harness_test *test)
{
	*harness_last = test;
	harness_last = &test->next;
}

#define HARNESS_JOIN2(a, b)		a##b
#define HARNESS_JOIN(a, b)		HARNESS_JOIN2(a, b)

#define TEST_TIMEOUT(sentence, seconds) HARNESS_TEST(sentence, seconds, __COUNTER__)
#define TEST(sentence)			HARNESS_TEST(sentence, HARNESS_TIMEOUT, __COUNTER__)
#define HARNESS_TEST(sentence, seconds, id)                                                  \
	static void HARNESS_JOIN(harness_run_, id)(void);                                    \
	HARNESS_TEST_DEFINE(sentence, seconds, HARNESS_JOIN(harness_run_, id),               \
			    HARNESS_JOIN(harness_test_, id), HARNESS_JOIN(harness_add_, id)) \
	static void HARNESS_JOIN(harness_run_, id)(void)
#define HARNESS_TEST_DEFINE(sentence, seconds, run_fn, test_name, add_fn)         \
	static struct harness_test test_name = {sentence, run_fn, seconds, NULL}; \
	__attribute__((constructor)) static void add_fn(void)                     \
	{                                                                         \
		harness_register(&test_name);                                     \
	}

#define HARNESS_SAY(...)                                 \
	do {                                             \
		printf("# %s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__);                     \
		printf("\n");                            \
		fflush(stdout);                          \
	} while (0)

#define HARNESS_STOP() _exit(HARNESS_FAIL)

#define SKIP(reason)                            \
	do {                                    \
		printf("# SKIP: %s\n", reason); \
		fflush(stdout);                 \
		_exit(HARNESS_SKIP);            \
	} while (0)

#define HARNESS_COMPARE(a, op, b, on_failure)                                            \
	do {                                                                             \
		__typeof__(a) harness_a = (a);                                           \
		__typeof__(b) harness_b = (b);                                           \
		if (!(harness_a op harness_b)) {                                         \
			HARNESS_SAY("expected %s %s %s, got %lld and %lld", #a, #op, #b, \
				    (long long)harness_a, (long long)harness_b);         \
			harness_failed = 1;                                              \
			on_failure;                                                      \
		}                                                                        \
	} while (0)

#define HARNESS_TRUE(condition, on_failure)                     \
	do {                                                    \
		if (!(condition)) {                             \
			HARNESS_SAY("expected %s", #condition); \
			harness_failed = 1;                     \
			on_failure;                             \
		}                                               \
	} while (0)

static inline void harness_hex(const char *label, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	printf("#   %s (%zu):", label, length);
	for (size_t i = 0; i < length && i < 256; i++)
		printf(" %02x", bytes[i]);
	printf("%s\n", length > 256 ? " ..." : "");
	fflush(stdout);
}

#define HARNESS_MEMEQ(a, b, length, on_failure)                      \
	do {                                                         \
		const void *harness_a = (a);                         \
		const void *harness_b = (b);                         \
		size_t harness_n = (length);                         \
		if (memcmp(harness_a, harness_b, harness_n) != 0) {  \
			HARNESS_SAY("%s differs from %s", #a, #b);   \
			harness_hex("got", harness_a, harness_n);    \
			harness_hex("wanted", harness_b, harness_n); \
			harness_failed = 1;                          \
			on_failure;                                  \
		}                                                    \
	} while (0)

#define HARNESS_STREQ(a, b, on_failure)                                              \
	do {                                                                         \
		const char *harness_a = (a);                                         \
		const char *harness_b = (b);                                         \
		if (!harness_a || !harness_b || strcmp(harness_a, harness_b) != 0) { \
			HARNESS_SAY("%s: got \"%s\", wanted \"%s\"", #a,             \
				    harness_a ? harness_a : "(null)",                \
				    harness_b ? harness_b : "(null)");               \
			harness_failed = 1;                                          \
			on_failure;                                                  \
		}                                                                    \
	} while (0)

#define ASSERT_EQ(a, b)	      HARNESS_COMPARE(a, ==, b, HARNESS_STOP())
#define ASSERT_NE(a, b)	      HARNESS_COMPARE(a, !=, b, HARNESS_STOP())
#define ASSERT_LT(a, b)	      HARNESS_COMPARE(a, <, b, HARNESS_STOP())
#define ASSERT_LE(a, b)	      HARNESS_COMPARE(a, <=, b, HARNESS_STOP())
#define ASSERT_GT(a, b)	      HARNESS_COMPARE(a, >, b, HARNESS_STOP())
#define ASSERT_GE(a, b)	      HARNESS_COMPARE(a, >=, b, HARNESS_STOP())
#define ASSERT_TRUE(c)	      HARNESS_TRUE(c, HARNESS_STOP())
#define ASSERT_FALSE(c)	      HARNESS_TRUE(!(c), HARNESS_STOP())
#define ASSERT_STREQ(a, b)    HARNESS_STREQ(a, b, HARNESS_STOP())
#define ASSERT_MEMEQ(a, b, n) HARNESS_MEMEQ(a, b, n, HARNESS_STOP())

#define EXPECT_EQ(a, b)	      HARNESS_COMPARE(a, ==, b, (void)0)
#define EXPECT_NE(a, b)	      HARNESS_COMPARE(a, !=, b, (void)0)
#define EXPECT_LT(a, b)	      HARNESS_COMPARE(a, <, b, (void)0)
#define EXPECT_LE(a, b)	      HARNESS_COMPARE(a, <=, b, (void)0)
#define EXPECT_GT(a, b)	      HARNESS_COMPARE(a, >, b, (void)0)
#define EXPECT_GE(a, b)	      HARNESS_COMPARE(a, >=, b, (void)0)
#define EXPECT_TRUE(c)	      HARNESS_TRUE(c, (void)0)
#define EXPECT_FALSE(c)	      HARNESS_TRUE(!(c), (void)0)
#define EXPECT_STREQ(a, b)    HARNESS_STREQ(a, b, (void)0)
#define EXPECT_MEMEQ(a, b, n) HARNESS_MEMEQ(a, b, n, (void)0)

static inline const char *harness_directory(void)
{
	const char *beneath = getenv("TMPDIR");

	if (*harness_made)
		return harness_made;
	snprintf(harness_made, PATH_MAX, "%s/coax-test-XXXXXX", beneath ? beneath : "/tmp");
	ASSERT_TRUE(mkdtemp(harness_made));
	return harness_made;
}

static inline void harness_write(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", harness_directory(), name);
	file = fopen(path, "w");
	ASSERT_TRUE(file != NULL);
	fputs(text, file);
	fclose(file);
}

static inline int harness_remove(const char *path, const struct stat *status, int type,
				 struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void harness_remove_directory(void)
{
	if (*harness_made &&
	    nftw(harness_made, harness_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		HARNESS_SAY("cannot remove %s: %s", harness_made, strerror(errno));
	*harness_made = '\0';
}

static inline void harness_on_alarm(int signal_number)
{
	(void)signal_number;
	kill(-harness_child, SIGKILL);
}

static inline void harness_on_end(int signal_number)
{
	harness_ended_by = signal_number;
	if (harness_child > 0)
		kill(-harness_child, SIGKILL);
}

static inline unsigned int harness_patience(void)
{
	const char *factor = getenv("COAX_TEST_PATIENCE");

	return factor && atoi(factor) > 0 ? (unsigned int)atoi(factor) : 1;
}

/* Run one test in its own process group. Returns the wait status. */
static inline int harness_fork(const struct harness_test *test)
{
	struct sigaction action = {.sa_handler = harness_on_alarm};
	int status;

	fflush(stdout);
	harness_child = fork();
	if (harness_child == 0) {
		setpgid(0, 0);
		/* Not left behind when this program itself is killed. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		test->run();
		fflush(stdout);
		/* exit(), so that leak checkers get their turn. */
		exit(harness_failed ? HARNESS_FAIL : HARNESS_PASS);
	}
	setpgid(harness_child, harness_child);
	if (harness_ended_by)
		kill(-harness_child, SIGKILL);
	sigaction(SIGALRM, &action, NULL);
	alarm(test->timeout * harness_patience());
	while (waitpid(harness_child, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	kill(-harness_child, SIGKILL); /* what the test left running */
	harness_child = 0;
	harness_remove_directory();
	return status;
}

static inline int harness_main(int argc, char **argv)
{
	const char *wanted = NULL;
	int total = 0, number = 0, failed = 0, skipped = 0;

	if (argc > 1 && strcmp(argv[1], "-l") == 0) {
		for (struct harness_test *t = harness_first; t; t = t->next)
			puts(t->name);
		return 0;
	}
	if (argc > 1)
		wanted = argv[1];
	for (struct harness_test *t = harness_first; t; t = t->next)
		total += !wanted || strstr(t->name, wanted);

	harness_made =
		mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (harness_made == MAP_FAILED)
		return HARNESS_FAIL;
	signal(SIGINT, harness_on_end);
	signal(SIGTERM, harness_on_end);
	printf("KTAP version 1\n1..%d\n", total);
	for (struct harness_test *t = harness_first; t && !harness_ended_by; t = t->next) {
		int status;

		if (wanted && !strstr(t->name, wanted))
			continue;
		status = harness_fork(t);
		number++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_PASS) {
			printf("ok %d %s\n", number, t->name);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_SKIP) {
			printf("ok %d %s # SKIP\n", number, t->name);
			skipped++;
		} else {
			if (WIFSIGNALED(status))
				printf("# killed by signal %d%s\n", WTERMSIG(status),
				       WTERMSIG(status) == SIGKILL ? " (time limit?)" : "");
			printf("not ok %d %s\n", number, t->name);
			failed++;
		}
		fflush(stdout);
	}
	if (harness_ended_by) {
		signal(harness_ended_by, SIG_DFL);
		raise(harness_ended_by);
	}
	printf("# Totals: pass:%d fail:%d skip:%d\n", total - failed - skipped, failed, skipped);
	if (failed)
		return HARNESS_FAIL;
	return total && skipped == total ? HARNESS_SKIP : HARNESS_PASS;
}

#define TEST_MAIN()                              \
	int main(int argc, char **argv)          \
	{                                        \
		return harness_main(argc, argv); \
	}

#endif
