// SPDX-License-Identifier: BSD-2-Clause
/* Handshakes through networks that lose, repeat and reorder (RFC 6347 section 4.2.4). */
#include "dtls_pki.h"

static int target, target_from; /* the datagram that something happens to, and its sender */
static int counted[ENDS];
static struct flying held;
static bool holding;

static struct identity authority, server_id, client_id;

enum kind {
	PSK,
	CERTIFICATES,
	RESUMED,
	KINDS
};

static bool is_target(const struct flying *datagram)
{
	return counted[datagram->from]++ == target && datagram->from == target_from;
}

static bool lose_it(struct flying *datagram)
{
	return !is_target(datagram);
}

static bool lose_from_it(struct flying *datagram)
{
	return !(counted[datagram->from]++ >= target && datagram->from == target_from &&
		 counted[datagram->from] <= target + 3);
}

static bool repeat_it(struct flying *datagram)
{
	if (is_target(datagram))
		launch(datagram);
	return true;
}

/* It comes behind the next one. */
static bool delay_it(struct flying *datagram)
{
	if (holding && datagram->from == held.from) {
		launch(datagram);
		launch(&held);
		holding = false;
		return false;
	}
	if (!is_target(datagram))
		return true;
	held = *datagram;
	holding = true;
	return false;
}

static void open_ends(enum kind kind)
{
	/* Small, so that flights are several datagrams. */
	const struct coax_dtls_limits limits = {.mtu = 300};
	struct coax_credentials *set;

	memset(world.ends, 0, sizeof(world.ends));
	if (kind != CERTIFICATES) {
		set = serving_key("sensor", "secret");
		client_set = with_key("sensor", "secret");
	} else {
		struct coax_credential *entry;

		set = new_set();
		entry = add_certificates(set, ":server", &server_id, &authority);
		entry->certificates.demands_peer = true;
		accept_entry(set, entry);
		client_set = new_set();
		add_certificates(client_set, "*", &client_id, &authority);
	}
	ASSERT_EQ(end_open_limited(SERVER, NULL, set, &limits), 0);
	ASSERT_EQ(end_open_limited(CLIENT, client_set, NULL, &limits), 0);
}

/* Something has happened to one datagram: both sides come together all the same. */
static bool converges(enum kind kind, bool (*filter)(struct flying *))
{
	struct end *server = &world.ends[SERVER], *client = &world.ends[CLIENT];
	int wanted = kind == RESUMED ? 2 : 1;
	uint64_t session;

	open_ends(kind);
	if (kind == RESUMED) {
		session = connect_client("server.example");
		coax_dtls_close(client->dtls, world.now, session);
		pump();
	}
	memset(counted, 0, sizeof(counted));
	holding = false;
	world.filter = filter;
	session = connect_client("server.example");
	pass(50 * SECOND);
	world.filter = NULL;
	if (client->established == wanted && server->established == wanted &&
	    say(CLIENT, session, "hello") == 0)
		pump();
	if (!heard(SERVER, "hello")) {
		HARNESS_SAY("kind %d, datagram %d of %d: established %d and %d: %s, %s", kind,
			    target, target_from, client->established, server->established,
			    client->reason, server->reason);
		return false;
	}
	say(SERVER, server->path.session, "you");
	pump();
	EXPECT_EQ(COUNTED(CLIENT, handshakes_resumed), kind == RESUMED);
	EXPECT_EQ(COUNTED(SERVER, sessions), 1);
	return heard(CLIENT, "you");
}

static void each_datagram(bool (*filter)(struct flying *))
{
	const struct wish root = {.authority = true};
	const struct wish server = {.name = "DNS:server.example", .signer = &authority};
	const struct wish client = {.signer = &authority};

	authority = issue("Authority", &root);
	server_id = issue("Server", &server);
	client_id = issue("Client", &client);
	for (enum kind kind = PSK; kind < KINDS; kind++) {
		for (target_from = SERVER; target_from <= CLIENT; target_from++) {
			target = 0;
			do {
				EXPECT_TRUE(converges(kind, filter));
				world_close();
				target++;
			} while (target < counted[target_from]);
			/* A handshake has at least so many of each side. */
			EXPECT_GE(target, 2);
		}
	}
	forget(&authority);
	forget(&server_id);
	forget(&client_id);
}

TEST("a handshake survives the loss of any one datagram")
{
	each_datagram(lose_it);
}

TEST("a handshake survives the loss of any three datagrams in a row")
{
	each_datagram(lose_from_it);
}

TEST("a handshake does not mind any datagram that comes twice")
{
	each_datagram(repeat_it);
}

TEST("a handshake survives any two datagrams that change places")
{
	each_datagram(delay_it);
}

TEST("a server that does not answer is given up after a minute")
{
	uint64_t session;

	open_ends(PSK);
	target_from = SERVER;
	target = 0;
	end_close(SERVER);
	session = connect_client("server.example");
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pass(59 * SECOND);
	EXPECT_EQ(world.ends[CLIENT].ended, 0);
	EXPECT_GE(world.ends[CLIENT].sent, 5);
	EXPECT_LE(world.ends[CLIENT].sent, 7);
	pass(2 * SECOND);
	ASSERT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[CLIENT].result, -ETIMEDOUT);
	EXPECT_STREQ(world.ends[CLIENT].reason, "the server does not answer the handshake");
	EXPECT_EQ(say(CLIENT, session, "hello"), -ENOTCONN);
	world_close();
}

TEST("a network error ends the handshakes to where it happened, and no session")
{
	struct coax_path path;
	uint64_t session;

	open_ends(PSK);
	session = connect_client("server.example");
	memset(&path, 0, sizeof(path));
	path.remote = world.ends[SERVER].address;
	coax_dtls_network_error(world.ends[CLIENT].dtls, world.now, &path, ECONNREFUSED);
	EXPECT_EQ(world.ends[CLIENT].ended, 0);
	coax_dtls_close(world.ends[CLIENT].dtls, world.now, session);
	end_close(SERVER);

	connect_client("server.example");
	coax_dtls_network_error(world.ends[CLIENT].dtls, world.now, &path, ECONNREFUSED);
	ASSERT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(world.ends[CLIENT].result, -ECONNREFUSED);
	world_close();
}

TEST_MAIN()
