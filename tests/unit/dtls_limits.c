// SPDX-License-Identifier: BSD-2-Clause
/* What peers can make grow is limited: sessions, handshakes, their memory and their time. */
#include <malloc.h>
#include "dtls_world.h"
#include "transport/dtls_internal.h"

static void open_ends(const struct coax_dtls_limits *limits)
{
	ASSERT_EQ(end_open_limited(SERVER, NULL, serving_key("sensor", "secret"), limits), 0);
	open_sensor();
}

static int begin_session(uint64_t *session)
{
	return begin_as(CLIENT, coax_credentials_at(client_set, 0), NULL, session);
}

/* The client as if it were at another port, with no session there. */
static uint64_t connect_from(in_port_t port)
{
	struct coax_path path;

	world.ends[CLIENT].address.in.sin_port = htons(port);
	/* To the client each is another server socket's; the server sees the port. */
	memset(&path, 0, sizeof(path));
	path.remote = world.ends[SERVER].address;
	path.socket = port;
	ASSERT_EQ(coax_dtls_connect(world.ends[CLIENT].dtls, world.now, &path,
				    coax_credentials_at(client_set, 0), NULL),
		  0);
	return path.session;
}

/* What has come to either side, on the sockets that connect_from() used. */
static void pump_from(in_port_t port)
{
	while (world.first != world.last) {
		struct flying datagram = world.queue[world.first++ % QUEUE];
		struct coax_datagram in = {.path.remote = world.ends[datagram.from].address,
					   .path.local = world.ends[1 - datagram.from].address,
					   .data = datagram.data,
					   .length = (uint32_t)datagram.length};
		struct coax_datagram *messages;

		if (datagram.from == SERVER)
			in.path.socket = port;
		coax_dtls_receive(world.ends[1 - datagram.from].dtls, world.now, &in, 1, &messages);
	}
}

TEST("a session that is not used ends after its time, one that is goes on")
{
	const struct coax_dtls_limits limits = {.idle_ms = 60000};
	uint64_t session;

	open_ends(&limits);
	ASSERT_EQ(begin_session(&session), 0);
	pump();
	for (int i = 0; i < 5; i++) {
		pass(50 * SECOND);
		ASSERT_EQ(say(CLIENT, session, "hello"), 0);
		pump();
	}
	EXPECT_EQ(world.ends[SERVER].received, 5);
	EXPECT_EQ(world.ends[SERVER].ended, 0);
	pass(59 * SECOND);
	EXPECT_EQ(world.ends[SERVER].ended, 0);
	pass(2 * SECOND);
	ASSERT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_EQ(world.ends[SERVER].result, 0);
	/* The other side was told. */
	EXPECT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[CLIENT].result, 0);
	world_close();
}

TEST("what nobody has authenticated does not keep a session from being idle")
{
	const struct coax_dtls_limits limits = {.idle_ms = 60000};
	struct flying noise = {.from = CLIENT, .length = 13 + 40};
	uint64_t session;

	open_ends(&limits);
	ASSERT_EQ(begin_session(&session), 0);
	pump();
	for (int i = 0; i < 61; i++) {
		struct flying copy = noise;

		memcpy(copy.data, (uint8_t[]){23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, 0, 0, 40}, 13);
		copy.data[10] = (uint8_t)i;
		receive(SERVER, &copy, 1);
		pass(SECOND);
	}
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	world_close();
}

TEST("a session that is idle has no buffers, and gets them back")
{
	struct coax_dtls_session *at;
	uint64_t session;

	open_ends(NULL);
	ASSERT_EQ(begin_session(&session), 0);
	pump();
	at = coax_dtls_named(world.ends[SERVER].dtls, world.ends[SERVER].path.session);
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(at->slim);
		pass(11 * SECOND);
		EXPECT_TRUE(at->slim);
		ASSERT_EQ(say(i % 2 ? SERVER : CLIENT,
			      world.ends[i % 2 ? SERVER : CLIENT].path.session, "hello"),
			  0);
		pump();
		EXPECT_TRUE(heard(i % 2 ? CLIENT : SERVER, "hello"));
	}
	world_close();
}

TEST("the session that was idle longest makes room for a new one")
{
	const struct coax_dtls_limits limits = {.sessions_max = 4};
	struct end *server = &world.ends[SERVER];

	open_ends(&limits);
	for (in_port_t i = 0; i < 6; i++) {
		connect_from(50000 + i);
		pump_from(50000 + i);
		EXPECT_EQ(server->established, i + 1);
		world.now += SECOND;
	}
	EXPECT_EQ(COUNTED(SERVER, sessions), 4);
	EXPECT_EQ(server->ended, 2);
	EXPECT_EQ(server->result, 0);
	EXPECT_TRUE(server->ended_session == 2);
	EXPECT_TRUE(coax_dtls_claims(server->dtls, 1) == NULL);
	EXPECT_TRUE(coax_dtls_claims(server->dtls, 3) != NULL);
	world_close();
}

TEST("the handshake that is oldest makes room for a new one, and no session does")
{
	const struct coax_dtls_limits limits = {.handshakes_max = 3};
	struct end *server = &world.ends[SERVER];
	uint64_t session;

	open_ends(&limits);
	ASSERT_EQ(begin_session(&session), 0);
	pump();
	for (in_port_t i = 0; i < 5; i++) {
		struct flying datagram;

		connect_from(50000 + i);
		/* ClientHello, HelloVerifyRequest, ClientHello: and no more. */
		for (int j = 0; j < 3; j++) {
			struct coax_datagram in = {0}, *messages;

			ASSERT_TRUE(world.first != world.last);
			datagram = world.queue[world.first++ % QUEUE];
			in.path.remote = world.ends[datagram.from].address;
			in.path.local = world.ends[1 - datagram.from].address;
			in.path.socket = datagram.from == SERVER ? 50000 + i : 0;
			in.data = datagram.data;
			in.length = (uint32_t)datagram.length;
			coax_dtls_receive(world.ends[1 - datagram.from].dtls, world.now, &in, 1,
					  &messages);
		}
		world.first = world.last;
	}
	EXPECT_EQ(server->ended, 2);
	EXPECT_EQ(server->result, -ESHUTDOWN);
	EXPECT_TRUE(server->ended_session == 3);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);
	EXPECT_EQ((int)server->shared->handshakes, 3);
	world_close();
}

TEST("two workers share one budget, and each makes room of its own")
{
	const struct coax_dtls_limits limits = {.sessions_max = 3};
	struct end *worker = &world.ends[SERVER], first, second;

	open_ends(&limits);
	for (in_port_t i = 0; i < 2; i++) {
		connect_from(50000 + i);
		pump_from(50000 + i);
	}
	/* Another worker of the same server is at its address now. */
	first = *worker;
	memset(worker, 0, sizeof(*worker));
	end_open_worker(SERVER, first.shared);
	for (in_port_t i = 2; i < 5; i++) {
		connect_from(50000 + i);
		pump_from(50000 + i);
		EXPECT_EQ(worker->established, i - 1);
	}
	EXPECT_EQ((int)first.shared->sessions, 3);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);
	EXPECT_EQ(worker->ended, 2);
	second = *worker;
	*worker = first;
	EXPECT_EQ(COUNTED(SERVER, sessions), 2);
	EXPECT_EQ(worker->ended, 0);
	*worker = second;
	coax_dtls_destroy(worker->dtls);
	*worker = first;
	EXPECT_EQ((int)first.shared->sessions, 2);
	world_close();
}

TEST("a worker that has nothing to end takes no session beyond the budget")
{
	const struct coax_dtls_limits limits = {.sessions_max = 2};
	struct end *worker = &world.ends[SERVER], first;

	open_ends(&limits);
	for (in_port_t i = 0; i < 2; i++) {
		connect_from(50000 + i);
		pump_from(50000 + i);
	}
	first = *worker;
	memset(worker, 0, sizeof(*worker));
	end_open_worker(SERVER, first.shared);
	connect_from(50002);
	pump_from(50002);
	EXPECT_EQ(worker->established, 0);
	EXPECT_EQ((int)first.shared->sessions, 2);
	EXPECT_EQ((int)first.shared->handshakes, 0);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	coax_dtls_destroy(worker->dtls);
	*worker = first;
	world_close();
}

TEST_TIMEOUT("ten thousand sessions come and go, and leave nothing behind", 120)
{
	const char *chosen = getenv("COAX_DTLS_SESSIONS");
	int count = chosen ? atoi(chosen) : 10000;

	open_ends(NULL);
	world.ends[SERVER].shared->limits.sessions_max = 64;
	world.ends[CLIENT].shared->limits.sessions_max = 64;
	for (int i = 0; i < count; i++) {
		in_port_t port = (in_port_t)(10000 + i);
		uint64_t session = connect_from(port);

		pump_from(port);
		ASSERT_EQ(world.ends[SERVER].established, i + 1);
		/* Some say goodbye, some are forgotten. */
		if (i % 2)
			coax_dtls_close(world.ends[CLIENT].dtls, world.now, session);
		pump_from(port);
		world.now += SECOND / 100;
		if (i % 100 == 0) {
			coax_dtls_tick(world.ends[SERVER].dtls, world.now);
			coax_dtls_tick(world.ends[CLIENT].dtls, world.now);
		}
	}
	EXPECT_LE(COUNTED(SERVER, sessions), 64);
	EXPECT_LE(COUNTED(CLIENT, sessions), 64);
	world_close();
}

static size_t memory_of(unsigned int sessions)
{
	struct mallinfo2 before = mallinfo2(), after;

	for (unsigned int i = 0; i < sessions; i++) {
		connect_from((in_port_t)(20000 + i));
		pump_from((in_port_t)(20000 + i));
	}
	after = mallinfo2();
	/* Both sides of each. */
	return (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / sessions / 2;
}

/*
 * Nearly all of it is OpenSSL's: two buffers while a session is in use, and 16 KiB that it keeps of
 * each handshake for messages that come again.
 */
TEST("a session takes less than 40 KiB, and one in use less than 56 KiB")
{
	struct mallinfo2 before, after;
	size_t busy, slim;

#ifdef __SANITIZE_ADDRESS__
	SKIP("the sanitizer has memory of its own");
#endif
	open_ends(NULL);
	memory_of(10);
	busy = memory_of(200);
	before = mallinfo2();
	pass(15 * SECOND);
	after = mallinfo2();
	slim = busy - (before.uordblks - after.uordblks) / 210 / 2;
	HARNESS_SAY("a session takes %zu bytes in use, %zu idle; of them ours: %zu", busy, slim,
		    sizeof(struct coax_dtls_session));
	EXPECT_TRUE(busy < 56 * 1024);
	EXPECT_TRUE(slim < 40 * 1024);
	world_close();
}

TEST_MAIN()
