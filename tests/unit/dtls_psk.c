// SPDX-License-Identifier: BSD-2-Clause
/* Sessions with pre-shared keys (RFC 4279, RFC 7252 section 9.1.3.1). */
#include "dtls_world.h"

static struct coax_credentials *client_set;
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

TEST_MAIN()
