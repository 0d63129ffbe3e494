// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who registers by a response that is not of the newest state any more, or comes too late; and what
 * has changed too much to be notified of.
 */
#include "../observed.h"

static atomic_bool defers;
static struct coax_responder *_Atomic put_off;

static void maybe_deferring_get(struct coax_responder *responder, void *arg)
{
	if (atomic_load(&defers))
		atomic_store(&put_off, coax_responder_defer(responder));
	else
		observed_get(responder, arg);
}

static void start(const struct coax_tuning *tuning)
{
	const struct coax_resource_options options = {
		.path = "state", .get = maybe_deferring_get, .observable = true};

	observed_start_with(&options, tuning, 1);
}

static struct coax_responder *take_put_off(void)
{
	struct coax_responder *responder;

	WAIT_FOR((responder = atomic_exchange(&put_off, NULL)) != NULL);
	return responder;
}

/* A registration whose request waits for its answer. */
static struct coax_responder *register_later(int fd, uint8_t token)
{
	static uint8_t id;
	const uint8_t get[] = {0x41, 1, 0xff, ++id, token, 0x60, 0x55, 's', 't', 'a', 't', 'e'};
	struct coax_responder *responder;

	atomic_store(&defers, true);
	EXPECT_EQ(send(fd, get, sizeof(get), 0), (ssize_t)sizeof(get));
	responder = take_put_off();
	atomic_store(&defers, false);
	return responder;
}

static void answer_old(struct coax_responder *responder)
{
	coax_responder_set_payload(responder, "old", 3);
	coax_respond(responder, COAX_CONTENT);
}

/* The next message with a code. */
static void next_response(int fd, struct told *told)
{
	do
		ASSERT_TRUE(told_acknowledged(fd, told));
	while (coax_message_code(&told->m) == COAX_EMPTY);
}

TEST("who is registered by a response that a change has overtaken is notified of that")
{
	struct coax_responder *responder;
	struct told told;
	int fd;

	start(&observed_patient);
	fd = observed_open();
	/* At first there is nobody else, then the change has been told to another before. */
	for (int others = 0; others < 2; others++) {
		char text[32];
		uint32_t number;

		if (others)
			ask_for(fd, 1, 0, &told);
		responder = register_later(fd, 9);
		observed_change();
		snprintf(text, sizeof(text), "value %d", others + 1);
		if (others) {
			next_response(fd, &told);
			EXPECT_EQ(told_token(&told), 1);
			EXPECT_STREQ(told.text, text);
		}
		answer_old(responder);
		next_response(fd, &told);
		EXPECT_EQ(told_token(&told), 9);
		EXPECT_STREQ(told.text, "old");
		ASSERT_TRUE(told.has_number);
		number = told.number;
		next_response(fd, &told);
		EXPECT_EQ(told_token(&told), 9);
		EXPECT_STREQ(told.text, text);
		EXPECT_TRUE(is_newer(told.number, number));
		expect_silence(fd);
		ask_for(fd, 9, 1, &told);
	}
	ask_for(fd, 1, 1, &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("who has been told 5.03 because the handler took too long is not registered by its answer")
{
	const struct coax_tuning tuning = {
		.empty_ack_delay_ms = 10, .handler_timeout_ms = 30, .ack_timeout_ms = 20000};
	struct coax_responder *responder;
	struct told told;
	int fd;

	start(&tuning);
	fd = observed_open();
	responder = register_later(fd, 9);
	next_response(fd, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_SERVICE_UNAVAILABLE);
	EXPECT_FALSE(told.has_number);
	answer_old(responder);
	/* Shutting down waits for nobody then, and tells nobody. */
	observed_end();
	EXPECT_EQ(recv(fd, told.bytes, sizeof(told.bytes), MSG_DONTWAIT), -1);
}

static atomic_int format;

static void formatted_get(struct coax_responder *responder, void *arg)
{
	coax_message_add_uint(coax_responder_response(responder), COAX_CONTENT_FORMAT,
			      (uint32_t)atomic_load(&format));
	observed_get(responder, arg);
}

TEST("a content format that is another one than at first ends the observation with 4.06")
{
	const struct coax_resource_options options = {
		.path = "state", .get = formatted_get, .observable = true};
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	atomic_store(&format, COAX_FORMAT_JSON);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	atomic_store(&format, COAX_FORMAT_CBOR);
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_NOT_ACCEPTABLE);
	EXPECT_FALSE(told.has_number);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_end();
}

TEST_MAIN()
