// SPDX-License-Identifier: BSD-2-Clause
/* Sessions with pre-shared keys (RFC 4279, RFC 7252 section 9.1.3.1). */
#include "dtls_world.h"

static const struct coax_credential *client_entry;

/* A client with a key, which is kept to connect by. */
static void open_client(int number, const char *identity, const char *key)
{
	client_set = with_key(identity, key);
	client_entry = coax_credentials_at(client_set, 0);
	end_open(number, client_set, NULL);
}

TEST("two that have the same key talk to each other")
{
	struct end *server = &world.ends[SERVER], *client = &world.ends[CLIENT];
	uint64_t session;

	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "sensor", "secret");
	ASSERT_EQ(begin_as(CLIENT, client_entry, NULL, &session), 0);
	ASSERT_TRUE(session != 0);
	pump();
	ASSERT_EQ(client->established, 1);
	ASSERT_EQ(server->established, 1);
	EXPECT_TRUE(client->path.session == session);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 1);
	EXPECT_EQ(COUNTED(SERVER, handshakes), 1);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);

	ASSERT_EQ((int)server->claims->kind, COAX_CLAIMS_PSK);
	EXPECT_STREQ(server->claims->label, ":device");
	ASSERT_EQ((int)server->claims->identity_length, 6);
	EXPECT_MEMEQ(server->claims->identity, "sensor", 6);

	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	ASSERT_TRUE(heard(SERVER, "hello"));
	EXPECT_TRUE(server->path.session == server->messages[0].session);
	ASSERT_EQ(say(SERVER, server->path.session, "and to you"), 0);
	pump();
	EXPECT_TRUE(heard(CLIENT, "and to you"));
	EXPECT_TRUE(client->path.session == session);
	world_close();
	EXPECT_EQ(server->result, -ESHUTDOWN);
}

/* Shake hands as far as it goes. */
static uint64_t shake(const char *host)
{
	uint64_t session;

	ASSERT_EQ(begin_as(CLIENT, client_entry, host, &session), 0);
	pump();
	return session;
}

static void expect_refused(const char *here, const char *there)
{
	EXPECT_EQ(world.ends[SERVER].established, 0);
	EXPECT_EQ(world.ends[CLIENT].established, 0);
	ASSERT_EQ(world.ends[SERVER].ended, 1);
	ASSERT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[SERVER].result, -EACCES);
	EXPECT_STREQ(world.ends[SERVER].reason, here);
	EXPECT_EQ(world.ends[CLIENT].result, -ECONNREFUSED);
	EXPECT_STREQ(world.ends[CLIENT].reason, there);
	EXPECT_EQ(COUNTED(SERVER, handshakes_failed), 1);
	EXPECT_EQ(COUNTED(CLIENT, handshakes_failed), 1);
	EXPECT_EQ(COUNTED(SERVER, sessions), 0);
}

TEST("both sides are told that the identity is unknown")
{
	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "stranger", "secret");
	shake(NULL);
	expect_refused("we do not know the client's identity (alert: unknown_psk_identity)",
		       "the server does not know the identity (alert: unknown_psk_identity)");
	world_close();
}

TEST("both sides are told that the keys differ")
{
	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "sensor", "guessed");
	shake(NULL);
	expect_refused("the client's key is not the one that we have for its identity "
		       "(alert: decrypt_error)",
		       "the server found that the keys differ (alert: decrypt_error)");
	world_close();
}

/* A server's refusal gets lost, as that of one which says nothing. */
static bool lose_alerts(struct flying *datagram)
{
	return datagram->from == CLIENT || datagram->data[0] != 21;
}

TEST("a client suspects its key when a server that knows its identity falls silent")
{
	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "sensor", "guessed");
	world.filter = lose_alerts;
	shake(NULL);
	pass(61 * SECOND);
	ASSERT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[CLIENT].result, -ETIMEDOUT);
	EXPECT_TRUE(strstr(world.ends[CLIENT].reason, "another key") != NULL);
	world_close();
}

TEST("a server does not accept the keys that it has as a client")
{
	end_open(SERVER, with_key("sensor", "secret"), serving_key("other", "other"));
	open_client(CLIENT, "sensor", "secret");
	shake(NULL);
	expect_refused("we do not know the client's identity (alert: unknown_psk_identity)",
		       "the server does not know the identity (alert: unknown_psk_identity)");
	world_close();
}

TEST("a server that has only keys has no cipher for a client that has only certificates")
{
	struct coax_credential *entry;

	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	ASSERT_EQ(coax_credentials_create(&client_set), 0);
	entry = coax_credentials_add(client_set, "*");
	entry->kind = COAX_CREDENTIAL_CERTIFICATES;
	client_entry = entry;
	end_open(CLIENT, client_set, NULL);
	shake("server.example");
	expect_refused("we have no cipher in common with the client, or no credentials for one "
		       "(alert: handshake_failure)",
		       "the server found no cipher in common, or misses credentials "
		       "(alert: handshake_failure)");
	world_close();
}

TEST("a key is found under the name that the client asks for, before one for any")
{
	const struct coax_credential *other;
	struct coax_credentials *set;
	struct coax_credential *entry;

	ASSERT_EQ(coax_credentials_create(&set), 0);
	ASSERT_EQ(coax_credentials_accept(set, add_psk(set, ":any", "sensor", "first"), &other), 0);
	entry = add_psk(set, ":named", "sensor", "second");
	entry->server_name = strdup("b.example");
	ASSERT_EQ(coax_credentials_accept(set, entry, &other), 0);
	end_open(SERVER, NULL, set);
	open_client(CLIENT, "sensor", "second");
	uint64_t session = shake("B.Example");

	ASSERT_EQ(world.ends[SERVER].established, 1);
	EXPECT_STREQ(world.ends[SERVER].claims->label, ":named");
	coax_dtls_close(world.ends[CLIENT].dtls, world.now, session);
	pump();
	shake("a.example");
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[CLIENT].result, -ECONNREFUSED);
	world_close();
}

TEST("an identity and a key may be as long as RFC 4279 asks for")
{
	char identity[COAX_PSK_IDENTITY_MAX + 1], key[COAX_PSK_KEY_MAX + 1];

	memset(identity, 'i', sizeof(identity) - 1);
	memset(key, 'k', sizeof(key) - 1);
	identity[sizeof(identity) - 1] = '\0';
	key[sizeof(key) - 1] = '\0';
	end_open(SERVER, NULL, serving_key(identity, key));
	open_client(CLIENT, identity, key);
	shake(NULL);
	ASSERT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ((int)world.ends[SERVER].claims->identity_length, COAX_PSK_IDENTITY_MAX);
	world_close();
}

TEST("an identity with a zero in it, which OpenSSL would cut, is refused before it is used")
{
	struct coax_credential *entry;
	uint64_t session;

	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	ASSERT_EQ(coax_credentials_create(&client_set), 0);
	entry = add_psk(client_set, "*", "sensor", "secret");
	memcpy(entry->psk.identity + 6, "\0x", 2);
	entry->psk.identity_length += 2;
	end_open(CLIENT, client_set, NULL);
	EXPECT_EQ(begin_as(CLIENT, entry, NULL, &session), -EINVAL);
	world_close();
}

TEST("what is said before the handshake has ended waits for it, the last of it in order")
{
	char text[16];
	uint64_t session;

	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "sensor", "secret");
	ASSERT_EQ(begin_as(CLIENT, client_entry, NULL, &session), 0);
	for (int i = 0; i < COAX_DTLS_WAITING_MAX + 3; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		EXPECT_EQ(say(CLIENT, session, text), 0);
	}
	pump();
	ASSERT_EQ(world.ends[SERVER].received, COAX_DTLS_WAITING_MAX);
	for (int i = 0; i < COAX_DTLS_WAITING_MAX; i++) {
		snprintf(text, sizeof(text), "message %d", i + 3);
		EXPECT_EQ((int)world.ends[SERVER].messages[i].length, (int)strlen(text));
		EXPECT_MEMEQ(world.ends[SERVER].messages[i].data, text, strlen(text));
	}
	world_close();
}

TEST("sessions of two clients, and of two addresses of the server, are apart")
{
	struct end *server = &world.ends[SERVER];
	struct flying datagram = {.from = CLIENT};
	uint64_t session, first;

	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_client(CLIENT, "sensor", "secret");
	session = shake(NULL);
	first = server->path.session;
	open_client(OTHER, "sensor", "secret");
	ASSERT_EQ(begin_as(OTHER, client_entry, NULL, &session), 0);
	pump();
	ASSERT_EQ(server->established, 2);
	EXPECT_TRUE(server->path.session != first);
	/* The first client's record, but to another address of ours: of no session. */
	ASSERT_EQ(coax_address_parse(&server->address, "192.0.2.99:5684", 0), 0);
	world.first = world.last;
	ASSERT_EQ(say(CLIENT, world.ends[CLIENT].path.session, "hello"), 0);
	ASSERT_EQ((int)(world.last - world.first), 1);
	datagram = world.queue[world.first % QUEUE];
	world.first = world.last;
	receive(SERVER, &datagram, 1);
	EXPECT_EQ(server->received, 0);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	world_close();
}

TEST_MAIN()
