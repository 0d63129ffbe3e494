// SPDX-License-Identifier: BSD-2-Clause
/*
 * Observers of a Context's resources (RFC 7641 section 4), over loopback.
 */
#include "../observed.h"

TEST("a client that registers is told of each change, in order")
{
	struct told told;
	uint32_t number;
	int fd;

	fd = observed_begin();
	ask_for(fd, 0x51, 0, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_STREQ(told.text, "value 0");
	ASSERT_TRUE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 1);

	for (int i = 1; i <= 5; i++) {
		char text[32];

		number = told.number;
		observed_change();
		ASSERT_TRUE(told_acknowledged(fd, &told));
		EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
		EXPECT_EQ(told_token(&told), 0x51);
		snprintf(text, sizeof(text), "value %d", i);
		EXPECT_STREQ(told.text, text);
		EXPECT_TRUE(told.has_number);
		EXPECT_TRUE(is_newer(told.number, number));
		if (i == 1)
			EXPECT_EQ(told_type(&told), COAX_TYPE_CON);
		WAIT_FOR(COUNTED(notifications) == i);
	}
	EXPECT_EQ(atomic_load(&observed.renderings), 6);
	request(fd, COAX_GET, 0x51, 1, "state", NULL, &told);
	observed_end();
}

TEST("who rules the response out by No-Response does not observe (RFC 7967 section 2)")
{
	/* CON GET, token 05, Observe 0, Uri-Path state, No-Response 2: no 2.xx. */
	const uint8_t get[] = {0x41, 1,	  0x12, 0x34, 5,    0x60, 0x55, 's',
			       't',  'a', 't',	'e',  0xd1, 0xea, 2};
	struct told told;
	int fd;

	fd = observed_begin();
	ASSERT_EQ(send(fd, get, sizeof(get), 0), (ssize_t)sizeof(get));
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_EMPTY);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("Observe 1 ends an observation, a GET without Observe does not")
{
	struct told told;
	int fd;

	fd = observed_begin();
	ask_for(fd, 1, 0, &told);
	ask_for(fd, 2, 0, &told);
	ask_for(fd, 1, NO_OBSERVE, &told);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 2);

	ask_for(fd, 1, 1, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 1);

	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(told_token(&told), 2);
	expect_silence(fd);
	ask_for(fd, 2, 1, &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("who registers again with the same token is renewed, not doubled, and the numbers go on")
{
	struct told told;
	uint32_t number;
	int fd;

	fd = observed_begin();
	ask_for(fd, 7, 0, &told);
	for (int i = 0; i < 10; i++) {
		number = told.number;
		ask_for(fd, 7, 0, &told);
		ASSERT_TRUE(told.has_number);
		EXPECT_TRUE(is_newer(told.number, number));
	}
	EXPECT_EQ(COUNTED(observers), 1);
	number = told.number;
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_TRUE(is_newer(told.number, number));
	expect_silence(fd);
	ask_for(fd, 7, 1, &told);
	observed_end();
}

TEST("the same token with another request observes what that asks for, and only that")
{
	const struct coax_resource_options other = {
		.path = "other", .get = observed_get, .observable = true};
	struct coax_resource *resource;
	struct told told;
	int fd;

	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(coax_site_add(observed.site, &other, &resource), 0);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	request(fd, COAX_GET, 7, 0, "other", NULL, &told);
	EXPECT_EQ(COUNTED(observers), 1);
	observed_change();
	coax_resource_changed(resource);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	expect_silence(fd);
	request(fd, COAX_GET, 7, 1, "other", NULL, &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("RST to a confirmable notification ends the observation")
{
	struct told told;
	int fd;

	observed_start(&observed_patient, 1, COAX_RELIABLE);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_EQ(told_type(&told), COAX_TYPE_CON);
	answer_empty(fd, &told, COAX_TYPE_RST);
	WAIT_FOR(COUNTED(observers) == 0);
	EXPECT_EQ(COUNTED(observers_lost), 1);
	observed_end();
}

TEST("RST to a non-confirmable notification ends the observation")
{
	struct told told;
	int fd;

	observed_start(&observed_patient, 1, COAX_UNRELIABLE);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	observed_change();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_EQ(told_type(&told), COAX_TYPE_NON);
	answer_empty(fd, &told, COAX_TYPE_RST);
	WAIT_FOR(COUNTED(observers) == 0);
	EXPECT_EQ(COUNTED(observers_lost), 1);
	observed_end();
}

TEST("who acknowledges nothing is an observer no more")
{
	struct told told;
	int fd;

	observed_start(&observed_hasty, 1, COAX_RELIABILITY_DEFAULT);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_change();
	/* It is repeated, but for what a worker that was kept from running is too late for. */
	ASSERT_TRUE(told_next(fd, &told));
	WAIT_FOR(COUNTED(observers) == 0);
	EXPECT_EQ(COUNTED(observers_lost), 1);
	observed_end();
}

TEST("while one notification is unacknowledged there is no other, then the newest state follows")
{
	struct told told;
	int fd, witness;

	fd = observed_begin();
	witness = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_STREQ(told.text, "value 1");

	/* Nobody else waits for it. */
	ask_for(witness, 8, 0, &told);
	for (int i = 2; i <= 4; i++) {
		struct told seen;
		char text[32];

		observed_change();
		ASSERT_TRUE(told_acknowledged(witness, &seen));
		snprintf(text, sizeof(text), "value %d", i);
		EXPECT_STREQ(seen.text, text);
	}
	expect_silence(fd);
	EXPECT_EQ(COUNTED(notifications), 4);
	observed_end();
}

TEST("an acknowledgement of what is not the newest state brings that")
{
	struct told first, told;
	int fd;

	fd = observed_begin();
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_next(fd, &first));
	for (int i = 0; i < 3; i++) {
		int before = atomic_load(&observed.renderings);

		observed_change();
		WAIT_FOR(atomic_load(&observed.renderings) == before + 1);
	}
	expect_silence(fd);
	answer_empty(fd, &first, COAX_TYPE_ACK);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 4");
	EXPECT_TRUE(is_newer(told.number, first.number));
	expect_silence(fd);
	ask_for(fd, 7, 1, &told);
	observed_end();
}

TEST("what is retransmitted is the newest state")
{
	struct coax_tuning tuning = {.ack_timeout_ms = 100, .max_retransmit = 4};
	struct told told;
	int fd;

	observed_start(&tuning, 1, COAX_RELIABILITY_DEFAULT);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_change();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_STREQ(told.text, "value 1");
	observed_change();
	WAIT_FOR(atomic_load(&observed.renderings) == 3);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 2");
	ask_for(fd, 7, 1, &told);
	observed_end();
}

#define CROWD_SOCKETS 20
#define CROWD_TOKENS  50

TEST("a change is rendered once for a thousand observers of two workers")
{
	static int fds[CROWD_SOCKETS];
	struct told told;
	int before;

	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	for (int i = 0; i < CROWD_SOCKETS; i++) {
		fds[i] = observed_open();
		for (int token = 1; token <= CROWD_TOKENS; token++)
			ask_for(fds[i], (uint8_t)token, 0, &told);
	}
	ASSERT_EQ(COUNTED(observers), CROWD_SOCKETS * CROWD_TOKENS);
	for (int change = 1; change <= 3; change++) {
		char text[32];

		before = atomic_load(&observed.renderings);
		snprintf(text, sizeof(text), "value %d", change);
		observed_change();
		for (int i = 0; i < CROWD_SOCKETS; i++) {
			uint64_t seen = 0;

			for (int n = 0; n < CROWD_TOKENS; n++) {
				ASSERT_TRUE(told_acknowledged(fds[i], &told));
				EXPECT_STREQ(told.text, text);
				seen |= 1ULL << told_token(&told);
			}
			EXPECT_EQ(__builtin_popcountll(seen), CROWD_TOKENS);
		}
		EXPECT_EQ(atomic_load(&observed.renderings), before + 1);
	}
	for (int i = 0; i < CROWD_SOCKETS; i++)
		for (int token = 1; token <= CROWD_TOKENS; token++)
			ask_for(fds[i], (uint8_t)token, 1, &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("an unsuccessful rendering is the last that all are told")
{
	struct told told;
	int fd;

	observed_start(&observed_patient, 1, COAX_UNRELIABLE);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	ask_for(fd, 2, 0, &told);
	atomic_store(&observed.code, COAX_FORBIDDEN);
	observed_change();
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(told_acknowledged(fd, &told));
		EXPECT_EQ(told_type(&told), COAX_TYPE_CON);
		EXPECT_EQ(coax_message_code(&told.m), COAX_FORBIDDEN);
		EXPECT_FALSE(told.has_number);
	}
	WAIT_FOR(COUNTED(observers) == 0);
	EXPECT_EQ(COUNTED(observers_lost), 0);

	/* Who asks anew begins anew. */
	atomic_store(&observed.code, 0);
	ask_for(fd, 1, 0, &told);
	EXPECT_TRUE(told.has_number);
	ask_for(fd, 1, 1, &told);
	observed_end();
}

TEST("nothing that comes later replaces the last notification")
{
	struct coax_message m;
	uint8_t buffer[64];
	struct told told;
	int fd;

	fd = observed_begin();
	ask_for(fd, 7, 0, &told);
	observed_given(&m, buffer, sizeof(buffer), COAX_NOT_ACCEPTABLE, "over");
	EXPECT_EQ(coax_resource_notify(observed.resource, &m, true), 0);
	observed_change();
	observed_given(&m, buffer, sizeof(buffer), COAX_CONTENT, "not over");
	EXPECT_EQ(coax_resource_notify(observed.resource, &m, false), 0);
	observed_change();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_NOT_ACCEPTABLE);
	EXPECT_STREQ(told.text, "over");
	observed_change();
	answer_empty(fd, &told, COAX_TYPE_ACK);
	WAIT_FOR(COUNTED(observers) == 0);
	expect_silence(fd);
	observed_end();
}

TEST("a response that is given is the next notification, and is rendered by nobody")
{
	struct coax_message m;
	uint8_t buffer[64];
	struct told told;
	int fd;

	fd = observed_begin();
	ask_for(fd, 7, 0, &told);
	observed_given(&m, buffer, sizeof(buffer), COAX_CONTENT, "given");
	EXPECT_EQ(coax_resource_notify(observed.resource, &m, false), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "given");
	EXPECT_TRUE(told.has_number);
	EXPECT_EQ(atomic_load(&observed.renderings), 1);

	observed_given(&m, buffer, sizeof(buffer), COAX_CONTENT, "the end");
	EXPECT_EQ(coax_resource_notify(observed.resource, &m, true), 0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "the end");
	EXPECT_FALSE(told.has_number);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_end();
}

TEST("a resource that is removed tells its observers 4.04, and so does a Site that is replaced")
{
	struct coax_site *empty;
	struct told told;
	int fd;

	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(coax_site_create(&empty), 0);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	coax_context_set_site(observed.context, empty);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_NOT_FOUND);
	WAIT_FOR(COUNTED(observers) == 0);

	coax_context_set_site(observed.context, observed.site);
	ask_for(fd, 7, 0, &told);
	EXPECT_TRUE(told.has_number);
	coax_site_remove(observed.site, observed.resource);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_NOT_FOUND);
	WAIT_FOR(COUNTED(observers) == 0);
	observed_end();
	coax_site_destroy(empty);
}

TEST("one peer has only so many observers, and all together only so many")
{
	struct coax_tuning tuning = observed_patient;
	struct told told;
	int fds[3];

	tuning.observers_per_peer = 3;
	tuning.observers_max = 5;
	observed_start(&tuning, 1, COAX_RELIABILITY_DEFAULT);
	for (int i = 0; i < 3; i++)
		fds[i] = observed_open();
	for (uint8_t token = 1; token <= 4; token++) {
		ask_for(fds[0], token, 0, &told);
		EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
		EXPECT_EQ(told.has_number, token <= 3);
	}
	EXPECT_EQ(COUNTED(refused), 1);
	for (uint8_t token = 1; token <= 3; token++) {
		ask_for(fds[1], token, 0, &told);
		EXPECT_EQ(told.has_number, token <= 2);
	}
	EXPECT_EQ(COUNTED(observers), 5);
	EXPECT_EQ(COUNTED(refused), 2);

	/* Renewal needs no room, and what is given back can be had. */
	ask_for(fds[0], 1, 0, &told);
	EXPECT_TRUE(told.has_number);
	ask_for(fds[0], 1, 1, &told);
	ask_for(fds[2], 1, 0, &told);
	EXPECT_TRUE(told.has_number);
	for (uint8_t token = 1; token <= 3; token++)
		for (int i = 0; i < 3; i++)
			ask_for(fds[i], token, 1, &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("a token of more than eight bytes gets its response, but is not registered")
{
	const uint8_t message[] = {0x49, 1, 9, 9,    1,	   2,	3,   4,	  5,   6,
				   7,	 8, 9, 0x60, 0x55, 's', 't', 'a', 't', 'e'};
	struct told told;
	int fd;

	fd = observed_begin();
	ASSERT_TRUE(told_parse(
		&told, client_ask(fd, message, sizeof(message), told.bytes, sizeof(told.bytes))));
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("FETCH is observed by its payload")
{
	const struct coax_resource_options options = {
		.path = "state", .fetch = observed_get, .observable = true};
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	fd = observed_open();
	request(fd, COAX_FETCH, 1, 0, "state", "a", &told);
	EXPECT_TRUE(told.has_number);
	request(fd, COAX_FETCH, 2, 0, "state", "a", &told);
	request(fd, COAX_FETCH, 3, 0, "state", "b", &told);
	EXPECT_EQ(atomic_load(&observed.renderings), 3);
	observed_change();
	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(told_acknowledged(fd, &told));
	/* One for each payload. */
	EXPECT_EQ(atomic_load(&observed.renderings), 5);
	for (uint8_t token = 1; token <= 3; token++)
		request(fd, COAX_FETCH, token, 1, "state", token == 3 ? "b" : "a", &told);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

/* A FETCH with Observe 0 and Block1, 16 bytes of its body. */
static void fetch_block(int fd, uint16_t id, uint32_t number, bool more, struct told *told)
{
	const struct coax_block block = {.number = number, .more = more};
	const uint8_t token = (uint8_t)(number + 1);
	uint8_t buffer[128];
	struct coax_message m;
	ssize_t length;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_FETCH, id, &token, 1);
	coax_message_add_uint(&m, COAX_OBSERVE, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "state");
	coax_message_add_block(&m, COAX_BLOCK1, &block);
	coax_message_set_payload(&m, "0123456789abcdef", 16);
	length = client_ask(fd, m.data, m.length, told->bytes, sizeof(told->bytes));
	ASSERT_TRUE(told_parse(told, length));
}

TEST("a FETCH whose payload comes in blocks is observed once it is whole")
{
	const struct coax_resource_options options = {
		.path = "state", .fetch = observed_get, .observable = true};
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	fd = observed_open();
	fetch_block(fd, 0x100, 0, true, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTINUE);
	EXPECT_FALSE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 0);
	fetch_block(fd, 0x101, 1, false, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
	EXPECT_TRUE(told.has_number);
	EXPECT_EQ(COUNTED(observers), 1);

	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 1");
	EXPECT_EQ(told_token(&told), 2);
	expect_silence(fd);
	observed_end();
}

TEST("the last block of a FETCH that comes again is answered as before (RFC 7252 section 4.5)")
{
	const struct coax_resource_options options = {.path = "state", .fetch = observed_get};
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	fd = observed_open();
	fetch_block(fd, 0x100, 0, true, &told);
	for (int i = 0; i < 2; i++) {
		fetch_block(fd, 0x101, 1, false, &told);
		EXPECT_EQ(coax_message_code(&told.m), COAX_CONTENT);
		EXPECT_STREQ(told.text, "value 0");
	}
	observed_end();
}

static ssize_t cannot_read(void *arg, uint64_t offset, void *buffer, size_t size)
{
	(void)arg;
	(void)offset;
	(void)buffer;
	(void)size;
	return -EIO;
}

static void get_unreadable(struct coax_responder *responder, void *arg)
{
	const struct coax_body body = {.length = 5000, .read = cannot_read};

	(void)arg;
	coax_responder_set_body(responder, &body);
	coax_respond(responder, COAX_CONTENT);
}

TEST("who is told that the representation cannot be read is not registered")
{
	const struct coax_resource_options options = {
		.path = "state", .get = get_unreadable, .observable = true};
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	EXPECT_EQ(coax_message_code(&told.m), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(COUNTED(observers), 0);
	observed_end();
}

TEST("of a large notification the first block leaves")
{
	struct coax_block block;
	struct coax_option etag;
	struct told told;
	size_t length;
	int fd;

	fd = observed_begin();
	ask_for(fd, 7, 0, &told);
	atomic_store(&observed.body_size, 3000);
	observed_change();
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_TRUE(told.has_number);
	ASSERT_EQ(coax_message_find_block(&told.m, COAX_BLOCK2, &block), 1);
	EXPECT_EQ(block.number, 0U);
	EXPECT_TRUE(block.more);
	EXPECT_TRUE(coax_message_find(&told.m, COAX_ETAG, &etag));
	coax_message_payload(&told.m, &length);
	EXPECT_EQ(length, 1024U);
	EXPECT_STREQ(told.text, "value 1");
	atomic_store(&observed.body_size, 0);
	ask_for(fd, 7, 1, &told);
	observed_end();
}

TEST("shutting down tells observers 5.03, and does not wait for those who acknowledge")
{
	struct told told;
	pthread_t thread;
	int fd;

	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	ASSERT_EQ(pthread_create(&thread, NULL,
				 (void *(*)(void *))(void (*)(void))coax_context_shutdown,
				 observed.context),
		  0);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_SERVICE_UNAVAILABLE);
	EXPECT_EQ(told_type(&told), COAX_TYPE_CON);
	EXPECT_FALSE(told.has_number);
	pthread_join(thread, NULL);
	coax_site_destroy(observed.site);
}

TEST("shutting down does not wait for long for observers who are silent")
{
	struct told told;
	int fd;

	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	observed_end();
	ASSERT_TRUE(told_next(fd, &told));
	EXPECT_EQ(coax_message_code(&told.m), COAX_SERVICE_UNAVAILABLE);
}

static struct coax_responder *_Atomic put_off;

static void defer_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	if (atomic_fetch_add(&observed.renderings, 1) == 0)
		observed_get(responder, NULL);
	else
		atomic_store(&put_off, coax_responder_defer(responder));
}

static struct coax_responder *take_put_off(void)
{
	struct coax_responder *responder;

	WAIT_FOR((responder = atomic_exchange(&put_off, NULL)) != NULL);
	return responder;
}

TEST("a change during a rendering that takes its time is rendered after it")
{
	const struct coax_resource_options options = {
		.path = "state", .get = defer_get, .observable = true};
	struct coax_responder *responder;
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 1);
	fd = observed_open();
	ask_for(fd, 7, 0, &told);
	EXPECT_TRUE(told.has_number);
	observed_change();
	responder = take_put_off();
	observed_change();
	observed_change();
	expect_silence(fd);
	observed_get(responder, NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	observed_get(take_put_off(), NULL);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 3");
	expect_silence(fd);
	EXPECT_EQ(atomic_load(&put_off) == NULL, 1);
	observed_end();
}

TEST("who is registered by a responder of a Site that has been replaced looks again")
{
	const struct coax_resource_options deferring = {
		.path = "state", .get = defer_get, .observable = true};
	const struct coax_resource_options options = {
		.path = "state", .get = observed_get, .observable = true};
	const uint8_t get[] = {0x41, 1, 0, 1, 1, 0x60, 0x55, 's', 't', 'a', 't', 'e'};
	struct coax_responder *responder;
	struct coax_site *next;
	struct told told;
	int fd;

	observed_start_with(&deferring, &observed_patient, 1);
	/* All but the first one are put off. */
	atomic_store(&observed.renderings, 1);
	ASSERT_EQ(coax_site_create(&next), 0);
	ASSERT_EQ(coax_site_add(next, &options, NULL), 0);
	fd = observed_open();
	ASSERT_EQ(send(fd, get, sizeof(get), 0), (ssize_t)sizeof(get));
	responder = take_put_off();
	coax_context_set_site(observed.context, next);
	coax_responder_set_payload(responder, "former", 6);
	coax_respond(responder, COAX_CONTENT);
	do
		ASSERT_TRUE(told_acknowledged(fd, &told));
	while (coax_message_code(&told.m) == COAX_EMPTY);
	EXPECT_STREQ(told.text, "former");
	EXPECT_TRUE(told.has_number);
	ASSERT_TRUE(told_acknowledged(fd, &told));
	EXPECT_STREQ(told.text, "value 0");
	observed_end();
	coax_site_destroy(next);
}

TEST_MAIN()
