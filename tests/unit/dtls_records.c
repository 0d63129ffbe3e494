// SPDX-License-Identifier: BSD-2-Clause
/* Hostile records against a session that is established (RFC 6347 sections 4.1.2.6 and 4.1.2.7). */
#include "dtls_world.h"
#include "transport/dtls_internal.h"

static struct flying caught[16];
static unsigned int caught_count;

static const char *const ciphers[] = {
	"PSK-AES128-CCM8",	 "PSK-AES128-CCM",	  "PSK-AES128-GCM-SHA256",
	"PSK-AES256-GCM-SHA384", "PSK-CHACHA20-POLY1305", "ECDHE-PSK-CHACHA20-POLY1305",
};
#define CIPHERS (sizeof(ciphers) / sizeof(ciphers[0]))

static bool catch_all(struct flying *datagram)
{
	if (caught_count < 16)
		caught[caught_count++] = *datagram;
	return false;
}

static uint64_t open_session(const char *cipher)
{
	uint64_t session;

	memset(world.ends, 0, sizeof(world.ends));
	world.filter = NULL;
	open_pair();
	ASSERT_EQ(SSL_CTX_set_cipher_list(world.ends[CLIENT].dtls->client->base, cipher), 1);
	session = connect_client(NULL);
	ASSERT_EQ(world.ends[SERVER].established, 1);
	caught_count = 0;
	return session;
}

/* The records of messages that a client says, which do not arrive by themselves. */
static void catch_messages(uint64_t session, unsigned int count)
{
	char text[16];

	world.filter = catch_all;
	caught_count = 0;
	for (unsigned int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		ASSERT_EQ(say(CLIENT, session, text), 0);
	}
	world.filter = NULL;
	ASSERT_EQ((int)caught_count, (int)count);
}

static void give_caught(unsigned int number)
{
	struct flying copy = caught[number];

	receive(SERVER, &copy, 1);
}

static void expect_talk(uint64_t session)
{
	struct end *server = &world.ends[SERVER];

	ASSERT_EQ(server->ended, 0);
	ASSERT_EQ(world.ends[CLIENT].ended, 0);
	ASSERT_EQ(say(CLIENT, session, "still there"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "still there"));
	ASSERT_EQ(say(SERVER, server->path.session, "yes"), 0);
	pump();
	EXPECT_TRUE(heard(CLIENT, "yes"));
}

TEST("each cipher of pre-shared keys serves a session")
{
	for (size_t i = 0; i < CIPHERS; i++) {
		uint64_t session = open_session(ciphers[i]);
		struct coax_dtls_session *at = coax_dtls_named(world.ends[CLIENT].dtls, session);

		expect_talk(session);
		EXPECT_STREQ(SSL_get_cipher_name(at->ssl), ciphers[i]);
		world_close();
	}
}

TEST("several records of one datagram are as many messages")
{
	uint64_t session = open_session(ciphers[0]);
	struct flying all;

	catch_messages(session, 5);
	all = caught[0];
	for (int i = 1; i < 5; i++) {
		memcpy(all.data + all.length, caught[i].data, caught[i].length);
		all.length += caught[i].length;
	}
	receive(SERVER, &all, 1);
	ASSERT_EQ(world.ends[SERVER].received, 5);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ((int)world.ends[SERVER].messages[i].length, 9);
		EXPECT_EQ(world.ends[SERVER].messages[i].data[8], '0' + i);
	}
	/* A good one before what is cut is heard. */
	catch_messages(session, 2);
	all = caught[0];
	memcpy(all.data + all.length, caught[1].data, caught[1].length - 1);
	all.length += caught[1].length - 1;
	receive(SERVER, &all, 1);
	EXPECT_EQ(world.ends[SERVER].received, 6);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	expect_talk(session);
	world_close();
}

TEST("more messages than there is room for are dropped, and nothing else")
{
	uint64_t session = open_session(ciphers[0]);
	struct flying datagrams[8] = {0};
	const unsigned int each = 40;

	world.filter = catch_all;
	for (unsigned int i = 0; i < 8; i++) {
		for (unsigned int j = 0; j < each; j++) {
			caught_count = 0;
			ASSERT_EQ(say(CLIENT, session, "ping"), 0);
			memcpy(datagrams[i].data + datagrams[i].length, caught[0].data,
			       caught[0].length);
			datagrams[i].length += caught[0].length;
		}
		datagrams[i].from = CLIENT;
	}
	world.filter = NULL;
	receive(SERVER, datagrams, 8);
	EXPECT_EQ(world.ends[SERVER].received, 2 * COAX_BATCH);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), (int)(8 * each) - 2 * COAX_BATCH);
	expect_talk(session);
	world_close();
}

TEST("a record that was heard is not heard again, and late ones are")
{
	uint64_t session = open_session(ciphers[0]);

	catch_messages(session, 3);
	give_caught(2);
	give_caught(0);
	EXPECT_EQ(world.ends[SERVER].received, 2);
	for (unsigned int i = 0; i < 3; i++)
		give_caught(i);
	EXPECT_EQ(world.ends[SERVER].received, 3);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 2);
	expect_talk(session);
	world_close();
}

TEST("records of other epochs are dropped")
{
	uint64_t session = open_session(ciphers[0]);
	static const uint16_t epochs[] = {0, 2, 3, 0xffff};

	for (unsigned int type = 20; type <= 24; type++) {
		for (size_t i = 0; i < 4; i++) {
			catch_messages(session, 1);
			caught[0].data[0] = (uint8_t)type;
			caught[0].data[3] = (uint8_t)(epochs[i] >> 8);
			caught[0].data[4] = (uint8_t)epochs[i];
			give_caught(0);
		}
	}
	EXPECT_EQ(world.ends[SERVER].received, 0);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 20);
	expect_talk(session);
	world_close();
}

TEST("no record that is cut, of any cipher, ends a session")
{
	for (size_t i = 0; i < CIPHERS; i++) {
		uint64_t session = open_session(ciphers[i]);

		catch_messages(session, 1);
		for (size_t length = 0; length < caught[0].length; length++) {
			struct flying copy = caught[0];

			copy.length = length;
			receive(SERVER, &copy, 1);
			if (length < COAX_RECORD_HEADER)
				continue;
			/* With a length that says so, and of each type. */
			for (uint8_t type = 20; type <= 24; type++) {
				copy.data[0] = type;
				copy.data[11] = 0;
				copy.data[12] = (uint8_t)(length - COAX_RECORD_HEADER);
				copy.length = length;
				receive(SERVER, &copy, 1);
				receive(CLIENT, &copy, 1);
			}
		}
		EXPECT_EQ(world.ends[SERVER].received, 0);
		expect_talk(session);
		world_close();
	}
}

TEST("no record with a bit that has changed, of any cipher, is heard or ends a session")
{
	for (size_t i = 0; i < CIPHERS; i++) {
		uint64_t session = open_session(ciphers[i]);

		catch_messages(session, 1);
		for (size_t bit = 0; bit < 8 * caught[0].length; bit++) {
			struct flying copy = caught[0];

			copy.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			receive(SERVER, &copy, 1);
		}
		/* The version's lower part, DTLS 1.0 for one, is all that is not looked at. */
		EXPECT_LE(world.ends[SERVER].received, 1);
		expect_talk(session);
		world_close();
	}
}

TEST("an alert in the clear does not end a session")
{
	uint64_t session = open_session(ciphers[0]);
	struct flying alert = {
		.from = CLIENT,
		.length = 15,
		.data = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40},
	};

	for (int i = 0; i < 256; i++) {
		struct flying copy = alert;

		copy.data[14] = (uint8_t)i;
		copy.data[13] = (uint8_t)(1 + i % 2);
		receive(SERVER, &copy, 1);
		copy.data[4] = 1;
		receive(SERVER, &copy, 1);
		copy.from = SERVER;
		receive(CLIENT, &copy, 1);
	}
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 512);
	expect_talk(session);
	world_close();
}

TEST("messages have to fit a datagram, and not to be empty")
{
	uint64_t session = open_session(ciphers[2]);
	uint8_t large[COAX_DATAGRAM_OUT_MAX + 1] = {0};
	struct coax_path path = {.session = session};
	struct coax_dtls *client = world.ends[CLIENT].dtls;
	size_t max = COAX_DATAGRAM_OUT_MAX;

	EXPECT_EQ(coax_dtls_send(client, world.now, &path, large, max + 1), -EMSGSIZE);
	EXPECT_EQ(coax_dtls_send(client, world.now, &path, large, 0), -EMSGSIZE);
	EXPECT_EQ(coax_dtls_send(client, world.now, &path, large, max), 0);
	pump();
	ASSERT_EQ(world.ends[SERVER].received, 1);
	EXPECT_EQ((int)world.ends[SERVER].messages[0].length, (int)max);
	world_close();
}

TEST("an empty datagram is nothing")
{
	uint64_t session = open_session(ciphers[0]);
	struct coax_datagram datagram = {0}, *messages;

	datagram.path.remote = world.ends[CLIENT].address;
	datagram.path.local = world.ends[SERVER].address;
	EXPECT_EQ(
		(int)coax_dtls_receive(world.ends[SERVER].dtls, world.now, &datagram, 1, &messages),
		0);
	expect_talk(session);
	world_close();
}

TEST("a datagram that arrived cut is dropped as a whole")
{
	uint64_t session = open_session(ciphers[0]);
	struct coax_datagram datagram = {0}, *messages;

	catch_messages(session, 1);
	datagram.path.remote = world.ends[CLIENT].address;
	datagram.path.local = world.ends[SERVER].address;
	datagram.data = caught[0].data;
	datagram.length = (uint32_t)caught[0].length;
	datagram.truncated = true;
	EXPECT_EQ(
		(int)coax_dtls_receive(world.ends[SERVER].dtls, world.now, &datagram, 1, &messages),
		0);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	world_close();
}

/* The asker, who would give up by itself when it is refused, does not hear of it. */
static int asker;

static bool hear_asker_alone(struct flying *datagram)
{
	return datagram->from == asker;
}

TEST("a peer that asks for renegotiation is refused, and the session goes on")
{
	for (asker = SERVER; asker <= CLIENT; asker++) {
		uint64_t session = open_session(ciphers[0]);
		struct coax_dtls_session *at;
		int sent = world.ends[1 - asker].sent;

		at = coax_dtls_named(world.ends[asker].dtls, world.ends[asker].path.session);
		ASSERT_TRUE(at != NULL);
		SSL_clear_options(at->ssl, SSL_OP_NO_RENEGOTIATION);
		ASSERT_EQ(SSL_renegotiate(at->ssl), 1);
		world.filter = hear_asker_alone;
		SSL_do_handshake(at->ssl);
		pump();
		world.filter = NULL;
		EXPECT_EQ(world.ends[1 - asker].sent, sent + 1);
		EXPECT_EQ(world.ends[1 - asker].ended, 0);
		EXPECT_EQ(world.ends[1 - asker].established, 1);
		if (asker == SERVER) {
			EXPECT_EQ(say(CLIENT, session, "still there"), 0);
		} else {
			EXPECT_EQ(say(SERVER, world.ends[SERVER].path.session, "still there"), 0);
		}
		world_close();
	}
}

TEST("a fatal alert that ends an established session is not taken for a handshake's")
{
	static const char *const peers[] = {[SERVER] = "the server", [CLIENT] = "the client"};

	for (asker = SERVER; asker <= CLIENT; asker++) {
		struct end *ender = &world.ends[asker], *other = &world.ends[1 - asker];
		struct coax_dtls_session *at;
		char expected[128];

		open_session(ciphers[0]);
		at = coax_dtls_named(ender->dtls, ender->path.session);
		SSL_clear_options(at->ssl, SSL_OP_NO_RENEGOTIATION);
		ASSERT_EQ(SSL_renegotiate(at->ssl), 1);
		SSL_do_handshake(at->ssl);
		pump();
		EXPECT_EQ(ender->ended, 1);
		EXPECT_EQ(ender->result, -EPROTO);
		EXPECT_STREQ(ender->reason, "we cannot go on with the session: no renegotiation "
					    "(alert: handshake_failure)");
		EXPECT_EQ(other->ended, 1);
		EXPECT_EQ(other->result, -ECONNRESET);
		snprintf(expected, sizeof(expected),
			 "%s has ended the session (alert: handshake_failure)", peers[asker]);
		EXPECT_STREQ(other->reason, expected);
		world_close();
	}
}

TEST_MAIN()
