// SPDX-License-Identifier: BSD-2-Clause
/* Access rules of a Site that is served, over loopback. */
#include "../observed.h"

static struct coax_access *only(const char *who)
{
	const struct coax_access_rule rule = {"/", who, COAX_ACCESS_ALL};
	struct coax_access *access;
	size_t bad;

	ASSERT_EQ(coax_access_create(&access, &rule, 1, &bad), 0);
	return access;
}

TEST("plain coap gets 4.01 while rules ask for security, and no diagnostic")
{
	struct told told;
	int fd;

	fd = observed_begin();
	ask_for(fd, 1, NO_OBSERVE, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	ASSERT_EQ(coax_site_set_access(observed.site, only("secure")), 0);
	ask_for(fd, 1, NO_OBSERVE, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_UNAUTHORIZED);
	EXPECT_STREQ(told.text, "");
	ASSERT_EQ(coax_site_set_access(observed.site, only("*")), 0);
	ask_for(fd, 1, NO_OBSERVE, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	observed_end();
}

TEST("with other rules observers have to ask again, and who may not is told so")
{
	struct told told;
	int fd;

	fd = observed_begin();
	ASSERT_EQ(coax_site_set_access(observed.site, only("*")), 0);
	ask_for(fd, 7, 0, &told);
	EXPECT_TRUE(told.has_number);
	ASSERT_EQ(coax_site_set_access(observed.site, only("secure")), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_SERVICE_UNAVAILABLE);
	WAIT_FOR(COUNTED(observers) == 0);
	ask_for(fd, 7, 0, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_UNAUTHORIZED);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("an observer who was let in is told of changes")
{
	struct told told;
	int fd;

	fd = observed_begin();
	ASSERT_EQ(coax_site_set_access(observed.site, only("*")), 0);
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_STREQ(told.text, "value 1");
	observed_end();
}

static void put(void *arg, const struct coax_message *response, bool last)
{
	(void)last;
	__atomic_store_n((int *)arg, response ? coax_message_code(response) : -1, __ATOMIC_RELEASE);
}

TEST("what the application asks for itself is not checked")
{
	struct coax_message m;
	uint8_t buffer[64];
	int code = 0;

	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(coax_site_set_access(observed.site, only("secure")), 0);
	ASSERT_EQ(
		coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0),
		0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "state"), 0);
	ASSERT_EQ(coax_render_to_pipe(observed.context, &m, put, &code, NULL), 0);
	WAIT_FOR(__atomic_load_n(&code, __ATOMIC_ACQUIRE));
	EXPECT_EQ(code, (int)COAX_CONTENT);
	observed_end();
}

TEST_MAIN()
