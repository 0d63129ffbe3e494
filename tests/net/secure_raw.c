// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client that says what the test wants, in a session, to a Context over loopback: duplicates,
 * sessions that are lost.
 */
#define HARNESS_TIMEOUT 60

#include "../client.h"
#include "../secure.h"
#include "transport/dtls.h"

static struct raw {
	struct coax_dtls_shared *shared;
	struct coax_dtls *dtls;
	struct coax_credentials *credentials;
	struct coax_context_stats stats;
	struct coax_path path;
	int fd;
	bool established;
	bool ended;
	int datagrams; /* taken in */
} raw;

static uint64_t raw_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void raw_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	(void)arg;
	(void)path;
	ASSERT_EQ(send(raw.fd, data, length, 0), (ssize_t)length);
}

static void raw_established(void *arg, const struct coax_path *path,
			    const struct coax_claims *claims)
{
	(void)arg;
	(void)path;
	(void)claims;
	raw.established = true;
}

static void raw_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	(void)arg;
	(void)path;
	(void)result;
	(void)reason;
	raw.ended = true;
}

/* One datagram. Returns whether there was a message in it, which is copied to `message` then. */
static bool raw_receive(struct coax_message *message, int patience_ms)
{
	static uint8_t bytes[4096], copy[4096];
	struct coax_datagram datagram = {.path = raw.path, .data = bytes}, *messages;
	struct pollfd readable = {.fd = raw.fd, .events = POLLIN};
	ssize_t length;

	if (poll(&readable, 1, patience_ms) != 1)
		return false;
	length = recv(raw.fd, bytes, sizeof(bytes), 0);
	if (length < 0)
		return false;
	raw.datagrams++;
	datagram.length = (uint32_t)length;
	datagram.path.session = 0;
	if (coax_dtls_receive(raw.dtls, raw_now(), &datagram, 1, &messages) != 1)
		return false;
	ASSERT_LE(messages->length, sizeof(copy));
	memcpy(copy, messages->data, messages->length);
	return coax_message_parse(message, copy, messages->length) == 0;
}

static void raw_connect(void)
{
	struct coax_message message;

	raw.path.session = 0;
	raw.established = raw.ended = false;
	ASSERT_EQ(coax_dtls_connect(raw.dtls, raw_now(), &raw.path,
				    coax_credentials_for_uri(raw.credentials, "coaps://127.0.0.1/"),
				    NULL),
		  0);
	while (!raw.established)
		(void)raw_receive(&message, CLIENT_PATIENCE_MS);
}

static void raw_open(void)
{
	static const struct coax_dtls_ops ops = {
		.send = raw_send, .established = raw_established, .ended = raw_ended};
	struct coax_dtls_shared_options shared = {.logger = &logger};
	struct coax_dtls_options options = {.ops = &ops, .logger = &logger, .stats = &raw.stats};

	memset(&raw, 0, sizeof(raw));
	raw.credentials = client_credentials("me", KEY);
	shared.client = raw.credentials;
	ASSERT_EQ(coax_dtls_shared_create(&raw.shared, &shared), 0);
	options.shared = raw.shared;
	ASSERT_EQ(coax_dtls_create(&raw.dtls, &options), 0);
	raw.path.remote = server.remote;
	raw.fd = client_open("127.0.0.1", coax_address_port(&server.remote));
	ASSERT_GE(raw.fd, 0);
	raw_connect();
}

/* As if it had lost all that it knew. */
static void raw_forget(void)
{
	static const struct coax_dtls_ops ops = {
		.send = raw_send, .established = raw_established, .ended = raw_ended};
	struct coax_dtls_options options = {
		.shared = raw.shared, .ops = &ops, .logger = &logger, .stats = &raw.stats};

	/* What it knew of is not closed on the wire. */
	ASSERT_EQ(coax_dtls_create(&raw.dtls, &options), 0);
	raw_connect();
}

static void raw_say(enum coax_type type, uint8_t code, uint16_t id, const char *path, bool observes)
{
	uint8_t buffer[64];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), type, code, id, "t", code ? 1 : 0),
		  0);
	if (observes)
		coax_message_add_uint(&m, COAX_OBSERVE, 0);
	if (path)
		coax_message_add_string(&m, COAX_URI_PATH, path);
	ASSERT_EQ(coax_dtls_send(raw.dtls, raw_now(), &raw.path, m.data, m.length), 0);
}

static uint8_t raw_ask(uint8_t code, uint16_t id, const char *path)
{
	struct coax_message response;

	raw_say(COAX_TYPE_CON, code, id, path, false);
	if (!raw_receive(&response, CLIENT_PATIENCE_MS))
		return 0;
	EXPECT_EQ(coax_message_id(&response), id);
	EXPECT_EQ((int)coax_message_type(&response), COAX_TYPE_ACK);
	return coax_message_code(&response);
}

static void raw_close(void)
{
	coax_dtls_destroy(raw.dtls);
	coax_dtls_shared_destroy(raw.shared);
	coax_credentials_release(raw.credentials);
	close(raw.fd);
}

TEST("a duplicate in a session gets the reply to the first, and runs nothing")
{
	serve();
	raw_open();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 1);
	EXPECT_EQ(SERVER_COUNT(duplicates), 2U);
	raw_close();
	stop_serving();
}

TEST("a client that has lost its session begins another: no message of the former is a duplicate")
{
	struct coax_dtls *former;

	serve();
	raw_open();
	EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	former = raw.dtls;
	raw_forget();
	EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 2);
	EXPECT_EQ(SERVER_COUNT(duplicates), 0U);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_dtls_destroy(former);
	raw_close();
	stop_serving();
}

TEST("observations of the session that a client has lost end with it")
{
	struct coax_message response;
	struct coax_dtls *former;

	serve();
	raw_open();
	raw_say(COAX_TYPE_CON, COAX_GET, 1, "observed", true);
	EXPECT_TRUE(raw_receive(&response, CLIENT_PATIENCE_MS));
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	former = raw.dtls;
	raw_forget();
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	coax_dtls_destroy(former);
	raw_close();
	stop_serving();
}

TEST("a request whose session ends before it is answered gets nothing, and leaves nothing")
{
	serve();
	raw_open();
	raw_say(COAX_TYPE_CON, COAX_GET, 1, "late", true);
	ASSERT_TRUE(EVENTUALLY(atomic_load(&server.deferred)));
	coax_dtls_close(raw.dtls, raw_now(), raw.path.session);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	get_who(atomic_load(&server.deferred), NULL);
	raw_connect();
	EXPECT_EQ((int)raw_ask(COAX_GET, 1, "hello"), COAX_CONTENT);
	EXPECT_EQ(SERVER_COUNT(retransmissions), 0U);
	raw_close();
	stop_serving();
}

TEST_MAIN()
