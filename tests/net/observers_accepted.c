// SPDX-License-Identifier: BSD-2-Clause
/*
 * Observers that a handler accepts one by one.
 */
#include "../observed.h"

static struct coax_observer *_Atomic accepted;
static atomic_int ended;
static struct coax_responder *_Atomic put_off;

static void on_ended(void *arg)
{
	EXPECT_TRUE(arg == &ended);
	atomic_fetch_add(&ended, 1);
}

static void accepting_get(struct coax_responder *responder, void *arg)
{
	struct coax_observer *observer = coax_responder_accept(responder, on_ended, &ended);

	if (observer)
		atomic_store(&accepted, observer);
	observed_get(responder, arg);
}

static void start(coax_handler_fn get)
{
	const struct coax_resource_options options = {.path = "state", .get = get};

	observed_start_with(&options, &observed_patient, 1);
}

TEST("an accepted observer is triggered with a response, and with what the handler renders")
{
	struct coax_message m;
	uint8_t buffer[64];
	struct told told;
	int fd;

	start(accepting_get);
	fd = observed_open();
	ask_for(fd, 7, NO_OBSERVE, &told);
	EXPECT_TRUE(atomic_load(&accepted) == NULL);
	ask_for(fd, 7, 0, &told);
	EXPECT_TRUE(told.has_number);
	ASSERT_TRUE(atomic_load(&accepted) != NULL);

	observed_given(&m, buffer, sizeof(buffer), COAX_CONTENT, "for you");
	EXPECT_EQ(coax_observer_trigger(accepted, &m, false), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "for you");
	EXPECT_TRUE(told.has_number);

	atomic_store(&observed.value, 3);
	EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 3");
	EXPECT_EQ(atomic_load(&ended), 0);

	EXPECT_EQ(coax_observer_trigger(accepted, NULL, true), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_FALSE(told.has_number);
	WAIT_FOR(atomic_load(&ended) == 1);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
	EXPECT_EQ(atomic_load(&ended), 1);
}

TEST("each has an observation of its own, which deregistration, renewal and RST end once")
{
	struct coax_observer *first;
	struct told told;
	int fd;

	start(accepting_get);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	first = accepted;
	ask_for(fd, 2, 0, &told);
	EXPECT_TRUE(first != accepted);
	EXPECT_EQ(coax_observer_trigger(first, NULL, false), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(told_token(&told), 1);
	expect_silence(fd);

	ask_for(fd, 1, 1, &told);
	EXPECT_EQ(atomic_load(&ended), 1);
	ask_for(fd, 2, 0, &told);
	EXPECT_EQ(atomic_load(&ended), 2);
	EXPECT_EQ(COUNTED(observers), 1);
	EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
	ASSERT_TRUE(told_next(fd, &told));
	answer_empty(fd, &told, COAX_TYPE_RST);
	WAIT_FOR(atomic_load(&ended) == 3);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("deregistering from here tells the observer, with 5.03 unless another code is said")
{
	static const uint8_t codes[][2] = {{0, COAX_SERVICE_UNAVAILABLE},
					   {COAX_FORBIDDEN, COAX_FORBIDDEN}};
	struct told told;
	int fd;

	start(accepting_get);
	fd = observed_open();
	for (int i = 0; i < 2; i++) {
		ask_for(fd, 1, 0, &told);
		coax_observer_deregister(accepted, codes[i][0]);
		/* Nothing replaces it. */
		EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
		ASSERT_TRUE(told_acknowledged(fd, &told));
		EXPECT_EQ(coax_message_code(&told.m), codes[i][1]);
		EXPECT_FALSE(told.has_number);
		WAIT_FOR(atomic_load(&ended) == i + 1);
	}
	observed_end();
}

static void refusing_get(struct coax_responder *responder, void *arg)
{
	struct coax_observer *observer = coax_responder_accept(responder, on_ended, &ended);

	if (observer)
		coax_observer_deregister(observer, 0);
	observed_get(responder, arg);
}

TEST("who is deregistered before the first response gets it without Observe")
{
	struct told told;
	int fd;

	start(refusing_get);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(atomic_load(&ended), 1);
	EXPECT_EQ(COUNTED(observers), 0);
	expect_silence(fd);
	observed_end();
	EXPECT_EQ(atomic_load(&ended), 1);
}

TEST("an accepted observer ends when the response is unsuccessful")
{
	struct told told;
	int fd;

	start(accepting_get);
	atomic_store(&observed.code, COAX_FORBIDDEN);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_FORBIDDEN);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(atomic_load(&ended), 1);
	observed_end();
}

static void eager_get(struct coax_responder *responder, void *arg)
{
	struct coax_observer *observer = coax_responder_accept(responder, on_ended, &ended);
	struct coax_message m;
	uint8_t buffer[64];

	observed_given(&m, buffer, sizeof(buffer), COAX_CONTENT, "at once");
	if (observer)
		EXPECT_EQ(coax_observer_trigger(observer, &m, false), 0);
	observed_get(responder, arg);
}

TEST("a trigger before the first response is the notification behind it")
{
	struct told told;
	int fd;

	start(eager_get);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	EXPECT_STREQ(told.text, "value 0");
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "at once");
	ask_for(fd, 1, 1, &told);
	EXPECT_EQ(atomic_load(&ended), 1);
	observed_end();
}

static void deferring_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_store(&put_off, coax_responder_defer(responder));
}

static struct coax_responder *take_put_off(void)
{
	struct coax_responder *responder;

	WAIT_FOR((responder = atomic_exchange(&put_off, NULL)) != NULL);
	return responder;
}

static void send_get(int fd, uint8_t token)
{
	const uint8_t get[] = {0x41, 1, 0, token, token, 0x60, 0x55, 's', 't', 'a', 't', 'e'};

	ASSERT_EQ(send(fd, get, sizeof(get), 0), (ssize_t)sizeof(get));
}

/* One whose request was deferred, and who has the first response. */
static int register_late(struct told *told)
{
	int fd;

	start(deferring_get);
	fd = observed_open();
	send_get(fd, 9);
	accepting_get(take_put_off(), NULL);
	do
		ASSERT_TRUE(told_acknowledged(fd, told));
	while (coax_message_code(&told->m) == COAX_EMPTY);
	return fd;
}

static void deregister(int fd, struct told *told)
{
	coax_observer_deregister(accepted, 0);
	ASSERT_TRUE(told_acknowledged(fd, told));
	WAIT_FOR(atomic_load(&ended) == 1);
	observed_end();
}

TEST("a deferred request is accepted later, from another thread")
{
	struct told told;
	int fd = register_late(&told);

	EXPECT_TRUE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 1);

	EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
	atomic_store(&observed.value, 4);
	observed_get(take_put_off(), NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 4");
	deregister(fd, &told);
}

TEST("a trigger during a rendering that takes its time is rendered after it")
{
	struct coax_responder *responder;
	struct told told;
	int fd;

	fd = register_late(&told);

	EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
	responder = take_put_off();
	EXPECT_EQ(coax_observer_trigger(accepted, NULL, false), 0);
	expect_silence(fd);
	observed_get(responder, NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	atomic_store(&observed.value, 5);
	observed_get(take_put_off(), NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 5");
	deregister(fd, &told);
}

TEST("once the Context has shut down nobody is accepted any more")
{
	struct coax_responder *responder;
	int fd;

	start(deferring_get);
	fd = observed_open();
	send_get(fd, 9);
	responder = take_put_off();
	coax_context_shutdown(observed.context);
	EXPECT_TRUE(coax_responder_accept(responder, on_ended, &ended) == NULL);
	observed_get(responder, NULL);
	EXPECT_EQ(atomic_load(&ended), 0);
	coax_site_destroy(observed.site);
	close(fd);
}

TEST("observers that are left at shutdown end then, once")
{
	struct coax_responder *responder;
	struct told told;
	int fd;

	start(deferring_get);
	fd = observed_open();
	/* One that is registered, one that waits for its first response for ever. */
	send_get(fd, 1);
	accepting_get(take_put_off(), NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	send_get(fd, 2);
	responder = take_put_off();
	ASSERT_TRUE(coax_responder_accept(responder, on_ended, &ended) != NULL);
	coax_context_shutdown(observed.context);
	EXPECT_EQ(atomic_load(&ended), 1);
	observed_get(responder, NULL);
	EXPECT_EQ(atomic_load(&ended), 2);
	coax_site_destroy(observed.site);
}

TEST_MAIN()
