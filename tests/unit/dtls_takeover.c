// SPDX-License-Identifier: BSD-2-Clause
/* How sessions end, and one takes another's place (RFC 6347 section 4.2.8). */
#include "dtls_world.h"
#include "transport/dtls_internal.h"

static struct flying caught[32];
static unsigned int caught_count;

static bool catch_client(struct flying *datagram)
{
	if (datagram->from == CLIENT && caught_count < 32)
		caught[caught_count++] = *datagram;
	return true;
}

/* The server's, but for its cookies. */
static bool lose_flights(struct flying *datagram)
{
	return datagram->from != SERVER || datagram->length == COAX_HELLO_VERIFY;
}

/* It is gone without a word, and comes again from the same address and port. */
static void lose_client(void)
{
	struct end *client = &world.ends[CLIENT];

	world.filter = NULL;
	end_close(CLIENT);
	/* What it said at its end was not heard. */
	world.first = world.last;
	memset(client, 0, sizeof(*client));
	open_sensor();
}

TEST("a client that has lost its session gets another from the same port, and the old one ends")
{
	struct end *server = &world.ends[SERVER];
	uint64_t old, session;

	open_pair();
	connect_client(NULL);
	old = server->path.session;
	lose_client();
	session = connect_client(NULL);
	ASSERT_EQ(world.ends[CLIENT].established, 1);
	ASSERT_EQ(server->established, 2);
	ASSERT_EQ(server->ended, 1);
	EXPECT_TRUE(server->ended_session == old);
	EXPECT_TRUE(server->path.session != old);
	EXPECT_EQ(server->result, 0);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);
	EXPECT_EQ(say(SERVER, old, "hello"), -ENOTCONN);
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
	world_close();
}

TEST("the old session goes on until the new handshake is proven")
{
	struct end *server = &world.ends[SERVER];
	struct flying hello;
	uint64_t session, old;

	open_pair();
	session = connect_client(NULL);
	old = server->path.session;

	/* Someone else's ClientHello from its address, with a cookie that was overheard. */
	hello = (struct flying){.from = CLIENT,
				.length = 13 + 12 + 2 + 32 + 2 + 9 + 4 + 2 + 0,
				.data = {22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0,  0,	12 + 51, 1,
					 0,  0,	   51,	 0, 0, 0, 0, 0, 0, 0, 51, 0xfe, 0xfd}};
	hello.data[27] = 0xaa;
	hello.data[13 + 12 + 35] = 9;
	memcpy(hello.data + 13 + 12 + 36 + 9, "\0\2\xc0\xa8\1\0", 6);
	receive(SERVER, &hello, 1);
	ASSERT_EQ((int)(world.last - world.first), 1);
	memcpy(hello.data + 13 + 12 + 36,
	       world.queue[world.first % QUEUE].data + COAX_HELLO_VERIFY - 9, 9);
	world.first = world.last;
	hello.data[10] = 1;
	hello.data[18] = 1;
	receive(SERVER, &hello, 1);
	/* The server answers, and nobody goes on with it. */
	EXPECT_TRUE(coax_dtls_handshake_at(server->dtls, &server->path) != NULL);
	world.first = world.last;

	for (int i = 0; i < 70; i++) {
		ASSERT_EQ(say(CLIENT, session, "hello"), 0);
		pump();
		ASSERT_EQ(say(SERVER, old, "you"), 0);
		pump();
		pass(SECOND);
	}
	EXPECT_EQ(server->received, 70);
	EXPECT_EQ(world.ends[CLIENT].received, 70);
	EXPECT_EQ(server->established, 1);
	ASSERT_EQ(server->ended, 1);
	EXPECT_EQ(server->result, -ETIMEDOUT);
	EXPECT_TRUE(server->ended_session != old);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);
	world_close();
}

TEST("one with another key does not take a session over")
{
	struct end *server = &world.ends[SERVER];
	uint64_t session;
	struct coax_dtls *kept_dtls;
	struct coax_dtls_shared *kept_shared;

	open_pair();
	session = connect_client(NULL);
	kept_dtls = world.ends[CLIENT].dtls;
	kept_shared = world.ends[CLIENT].shared;

	/* An intruder at the same address. */
	client_set = with_key("sensor", "guessed");
	end_open(CLIENT, client_set, NULL);
	connect_client(NULL);
	pass(61 * SECOND);
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	EXPECT_EQ(server->established, 1);
	EXPECT_EQ(COUNTED(CLIENT, handshakes_failed), 1);
	end_close(CLIENT);

	world.ends[CLIENT].dtls = kept_dtls;
	world.ends[CLIENT].shared = kept_shared;
	ASSERT_EQ(say(CLIENT, session, "still me"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "still me"));
	world_close();
}

TEST("a handshake that is heard again after its end changes nothing")
{
	struct end *server = &world.ends[SERVER];
	uint64_t session;
	unsigned int count;
	int sent;

	open_pair();
	world.filter = catch_client;
	session = connect_client(NULL);
	count = caught_count;
	world.filter = NULL;
	ASSERT_GE((int)count, 3);
	sent = server->sent;
	for (unsigned int i = 0; i < count; i++) {
		struct flying copy = caught[i];

		receive(SERVER, &copy, 1);
	}
	/* The first ClientHello has no cookie; the others are not answered. */
	EXPECT_EQ(server->sent, sent + 1);
	EXPECT_TRUE(coax_dtls_handshake_at(server->dtls, &server->path) == NULL);
	world.first = world.last;
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
	world_close();
}

TEST("a client that begins anew in the middle of a handshake has its way")
{
	struct end *server = &world.ends[SERVER];

	open_pair();
	world.filter = lose_flights;
	connect_client(NULL);
	ASSERT_TRUE(coax_dtls_named(server->dtls, 1) != NULL);
	lose_client();
	connect_client(NULL);
	EXPECT_EQ(server->established, 1);
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	ASSERT_EQ(server->ended, 1);
	EXPECT_TRUE(server->ended_session == 1);
	EXPECT_EQ(server->result, -ESHUTDOWN);
	world_close();
}

TEST("a session that one side closes ends on the other with close_notify, and is answered")
{
	for (int closer = SERVER; closer <= CLIENT; closer++) {
		struct end *here = &world.ends[closer], *there = &world.ends[1 - closer];
		int sent;

		memset(world.ends, 0, sizeof(world.ends));
		open_pair();
		connect_client(NULL);
		sent = there->sent;
		coax_dtls_close(here->dtls, world.now, here->path.session);
		pump();
		EXPECT_EQ(here->ended, 0);
		ASSERT_EQ(there->ended, 1);
		EXPECT_EQ(there->result, 0);
		EXPECT_STREQ(there->reason, "the peer has closed the session");
		EXPECT_EQ(there->sent, sent + 1);
		EXPECT_EQ(COUNTED(SERVER, sessions), 0);
		EXPECT_EQ(COUNTED(CLIENT, sessions), 0);
		EXPECT_EQ(say(closer, here->path.session, "hello"), -ENOTCONN);
		/* Both can begin again. */
		connect_client(NULL);
		EXPECT_EQ(world.ends[SERVER].established, 2);
		world_close();
	}
}

TEST("a shutdown closes all sessions")
{
	open_pair();
	connect_client(NULL);
	end_close(SERVER);
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_EQ(world.ends[SERVER].result, -ESHUTDOWN);
	pump();
	EXPECT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[CLIENT].result, 0);
	world_close();
}

TEST("two that begin at the same moment come together in one session")
{
	struct end *first = &world.ends[SERVER], *second = &world.ends[CLIENT];
	struct coax_credentials *sets[2];
	uint64_t sessions[2];

	for (int i = 0; i < 2; i++) {
		sets[i] = with_key("sensor", "secret");
		end_open(i, sets[i], serving_key("sensor", "secret"));
	}
	for (int i = 0; i < 2; i++) {
		struct coax_path path;

		memset(&path, 0, sizeof(path));
		path.remote = world.ends[1 - i].address;
		ASSERT_EQ(coax_dtls_connect(world.ends[i].dtls, world.now, &path,
					    coax_credentials_at(sets[i], 0), NULL),
			  0);
		sessions[i] = path.session;
	}
	pump();
	EXPECT_EQ(first->established, 1);
	EXPECT_EQ(second->established, 1);
	EXPECT_EQ(first->ended + second->ended, 1);
	EXPECT_EQ(first->ended ? first->result : second->result, -ESHUTDOWN);
	for (int i = 0; i < 2; i++) {
		if (!world.ends[i].ended)
			EXPECT_TRUE(world.ends[i].path.session == sessions[i]);
	}
	ASSERT_EQ(say(0, first->path.session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(1, "hello"));
	world_close();
}

TEST("a request for a session finds the one that there is")
{
	uint64_t session, again;

	open_pair();
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), "a.example", &session), 0);
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), "a.example", &again), 0);
	EXPECT_TRUE(again == session);
	pump();
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), "A.example", &again), 0);
	EXPECT_TRUE(again == session);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	/* For another name it is another. */
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), "b.example", &again), 0);
	EXPECT_TRUE(again != session);
	pump();
	EXPECT_EQ(world.ends[CLIENT].established, 2);
	EXPECT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_TRUE(world.ends[CLIENT].ended_session == session);
	world_close();
}

TEST_MAIN()
