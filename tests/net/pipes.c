// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to a Context that come by no network.
 */
#include "../observed.h"

/* What a pipe was given. */
static struct given {
	struct coax_pipe *pipe;
	atomic_int count;
	int lasts;
	bool ended;  /* without a response */
	bool closes; /* when it is given something */
	uint8_t code;
	bool has_number;
	uint32_t number;
	size_t length;
	char text[64];
} given;

static void put(void *arg, const struct coax_message *response, bool last)
{
	struct given *to = arg;

	to->lasts += last;
	to->ended = !response;
	if (response) {
		const uint8_t *payload = coax_message_payload(response, &to->length);

		to->code = coax_message_code(response);
		to->has_number = coax_message_find_uint(response, COAX_OBSERVE, &to->number);
		snprintf(to->text, sizeof(to->text), "%.*s", (int)to->length,
			 payload ? (const char *)payload : "");
		to->text[strcspn(to->text, ".")] = 0;
	}
	if (to->closes)
		coax_pipe_close(to->pipe);
	atomic_fetch_add(&to->count, 1);
}

static int ask_pipe(uint8_t code, int observe, const char *path)
{
	uint8_t buffer[128];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, code, 0, NULL, 0);
	if (observe >= 0)
		coax_message_add_uint(&m, COAX_OBSERVE, (uint32_t)observe);
	coax_message_add_string(&m, COAX_URI_PATH, path);
	return coax_render_to_pipe(observed.context, &m, put, &given, &given.pipe);
}

TEST("a pipe is filled with the Site's one response")
{
	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(ask_pipe(COAX_GET, NO_OBSERVE, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	EXPECT_EQ(given.code, COAX_CONTENT);
	EXPECT_STREQ(given.text, "value 0");
	EXPECT_FALSE(given.has_number);
	EXPECT_EQ(given.lasts, 1);
	ASSERT_EQ(ask_pipe(COAX_GET, NO_OBSERVE, "nothing"), 0);
	WAIT_FOR(atomic_load(&given.count) == 2);
	EXPECT_EQ(given.code, COAX_NOT_FOUND);
	EXPECT_EQ(given.lasts, 2);
	EXPECT_EQ(ask_pipe(COAX_CONTENT, NO_OBSERVE, "state"), -EINVAL);
	EXPECT_EQ(ask_pipe(COAX_EMPTY, NO_OBSERVE, "state"), -EINVAL);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 2);
}

static void failing_get(struct coax_responder *responder, void *arg)
{
	(void)responder;
	(void)arg;
}

TEST("a handler's failure comes out of a pipe as 5.00")
{
	const struct coax_resource_options options = {.path = "state", .get = failing_get};

	observed_start_with(&options, &observed_patient, 1);
	ASSERT_EQ(ask_pipe(COAX_GET, NO_OBSERVE, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	EXPECT_EQ(given.code, COAX_INTERNAL_SERVER_ERROR);
	observed_end();
}

TEST("bodies come out of a pipe whole, also those of notifications")
{
	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	atomic_store(&observed.body_size, 5000);
	ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	EXPECT_EQ(given.length, 5000U);
	EXPECT_TRUE(given.has_number);
	observed_change();
	WAIT_FOR(atomic_load(&given.count) == 2);
	EXPECT_EQ(given.length, 5000U);
	EXPECT_STREQ(given.text, "value 1");
	EXPECT_EQ(given.lasts, 0);
	coax_pipe_close(given.pipe);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 2);
}

TEST("a body that is larger than the Context takes is an error in a pipe")
{
	struct coax_tuning tuning = {.body_max = 4000};

	observed_start(&tuning, 1, COAX_RELIABILITY_DEFAULT);
	atomic_store(&observed.body_size, 5000);
	ASSERT_EQ(ask_pipe(COAX_GET, NO_OBSERVE, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	EXPECT_EQ(given.code, COAX_INTERNAL_SERVER_ERROR);
	observed_end();
}

TEST("a pipe that observes gets notifications until the last")
{
	uint32_t number;

	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	EXPECT_TRUE(given.has_number);
	WAIT_FOR(COUNTED(observers) == 1);
	for (int i = 1; i <= 3; i++) {
		char text[32];

		number = given.number;
		observed_change();
		WAIT_FOR(atomic_load(&given.count) == 1 + i);
		snprintf(text, sizeof(text), "value %d", i);
		EXPECT_STREQ(given.text, text);
		EXPECT_TRUE(is_newer(given.number, number));
		EXPECT_EQ(given.lasts, 0);
	}
	atomic_store(&observed.code, COAX_GATEWAY_TIMEOUT);
	observed_change();
	WAIT_FOR(atomic_load(&given.count) == 5);
	EXPECT_EQ(given.code, COAX_GATEWAY_TIMEOUT);
	EXPECT_FALSE(given.has_number);
	EXPECT_EQ(given.lasts, 1);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 5);
}

TEST("a pipe can be closed from where it is put into")
{
	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	given.closes = true;
	ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_change();
	ASSERT_EQ(ask_pipe(COAX_GET, NO_OBSERVE, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 2);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 2);
}

static atomic_bool changing;

static void *change_often(void *arg)
{
	(void)arg;
	while (atomic_load(&changing))
		observed_change();
	return NULL;
}

TEST("nothing is put into a pipe once closing it has returned")
{
	pthread_t thread;

	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	atomic_store(&changing, true);
	ASSERT_EQ(pthread_create(&thread, NULL, change_often, NULL), 0);
	for (int i = 0; i < 100; i++) {
		int count = atomic_load(&given.count);

		ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
		WAIT_FOR(atomic_load(&given.count) >= count + 1 + i % 3);
		coax_pipe_close(given.pipe);
		/* The harness's thread may look at all of it: nobody else does. */
		count = atomic_load(&given.count);
		memset(given.text, 0, sizeof(given.text));
		ASSERT_EQ(atomic_load(&given.count), count);
	}
	atomic_store(&changing, false);
	pthread_join(thread, NULL);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_end();
}

static struct coax_responder *_Atomic put_off;

static void deferring_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_store(&put_off, coax_responder_defer(responder));
}

TEST("what is answered later comes out of the pipe later, or not when that was closed")
{
	const struct coax_resource_options options = {
		.path = "state", .get = deferring_get, .observable = true};
	struct coax_responder *responder;

	observed_start_with(&options, &observed_patient, 1);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
		WAIT_FOR((responder = atomic_exchange(&put_off, NULL)) != NULL);
		EXPECT_EQ(atomic_load(&given.count), i);
		if (i == 1)
			coax_pipe_close(given.pipe);
		observed_get(responder, NULL);
		if (i == 0)
			WAIT_FOR(atomic_load(&given.count) == 1);
	}
	EXPECT_EQ(COUNTED(observers), 1);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 2);
	EXPECT_TRUE(given.ended);
	EXPECT_EQ(given.lasts, 1);
}

TEST("shutting down ends pipes without a response, and none begins afterwards")
{
	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(ask_pipe(COAX_GET, 0, "state"), 0);
	WAIT_FOR(atomic_load(&given.count) == 1);
	observed_end();
	EXPECT_EQ(atomic_load(&given.count), 2);
	EXPECT_TRUE(given.ended);
	EXPECT_EQ(given.lasts, 1);
}

TEST_MAIN()
