// SPDX-License-Identifier: BSD-2-Clause
/* Sessions that go on where they were (RFC 5077, RFC 5246 section 7.3), and credentials that
 * change. */
#include "dtls_pki.h"
#include "transport/dtls_internal.h"

#define DAY (86400 * SECOND)

static struct identity authority, server_id, client_id;

static void hang_up(uint64_t session)
{
	coax_dtls_close(world.ends[CLIENT].dtls, world.now, session);
	pump();
}

static void issue_until(long until)
{
	const struct wish root = {.authority = true, .from = -1, .until = 1000};
	const struct wish server = {.name = "DNS:a.example,DNS:b.example",
				    .signer = &authority,
				    .from = -1,
				    .until = 1000};
	const struct wish client = {.signer = &authority, .from = -1, .until = until};

	authority = issue("Authority", &root);
	server_id = issue("Server", &server);
	client_id = issue("Client", &client);
}

static struct coax_credentials *serving_certificates(void)
{
	struct coax_credentials *set = new_set();
	struct coax_credential *entry = add_certificates(set, ":server", &server_id, &authority);

	entry->certificates.demands_peer = true;
	accept_entry(set, entry);
	return set;
}

static void open_certificates(long until)
{
	world.now = START;
	issue_until(until);
	end_open(SERVER, NULL, serving_certificates());
	client_set = new_set();
	add_certificates(client_set, "*", &client_id, &authority);
	end_open(CLIENT, client_set, NULL);
}

static void close_certificates(void)
{
	world_close();
	forget(&authority);
	forget(&server_id);
	forget(&client_id);
}

static void expect_resumed(int count)
{
	EXPECT_EQ(COUNTED(SERVER, handshakes_resumed), count);
	EXPECT_EQ(COUNTED(CLIENT, handshakes_resumed), count);
}

TEST("a client resumes its session by a ticket, in one round trip less, as who it was")
{
	int sent;

	open_pair();
	sent = world.ends[SERVER].sent;
	hang_up(connect_client("a.example"));
	EXPECT_EQ(world.ends[SERVER].sent - sent, 4);
	sent = world.ends[SERVER].sent;
	uint64_t session = connect_client("a.example");

	EXPECT_EQ(world.ends[SERVER].sent - sent, 2);
	ASSERT_EQ(world.ends[SERVER].established, 2);
	ASSERT_EQ(world.ends[CLIENT].established, 2);
	expect_resumed(1);
	EXPECT_STREQ(world.ends[SERVER].claims->label, ":device");
	EXPECT_MEMEQ(world.ends[SERVER].claims->identity, "sensor", 6);
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
	world_close();
}

TEST("a client resumes its session by its ID, where it takes no tickets")
{
	uint64_t session;

	open_pair();
	SSL_CTX_set_options(world.ends[CLIENT].dtls->client->base, SSL_OP_NO_TICKET);
	hang_up(connect_client(NULL));
	session = connect_client(NULL);
	ASSERT_EQ(world.ends[SERVER].established, 2);
	expect_resumed(1);
	EXPECT_STREQ(world.ends[SERVER].claims->label, ":device");
	hang_up(session);
	/* What the server has put an end to can be resumed as well. */
	connect_client(NULL);
	coax_dtls_close(world.ends[SERVER].dtls, world.now, world.ends[SERVER].path.session);
	pump();
	connect_client(NULL);
	expect_resumed(3);
	world_close();
}

static struct flying caught[32];
static unsigned int caught_count;

static bool catch_client(struct flying *datagram)
{
	if (datagram->from != CLIENT)
		return true;
	ASSERT_TRUE(caught_count < 32);
	caught[caught_count++] = *datagram;
	return false;
}

/* The first record of a datagram, which is left with the rest. */
static struct flying cut_first(struct flying *datagram)
{
	struct flying record = *datagram;

	record.length = COAX_RECORD_HEADER + (size_t)datagram->data[12];
	datagram->length -= record.length;
	memmove(datagram->data, datagram->data + record.length, datagram->length);
	return record;
}

TEST("what is said before the Finished that it overtook has arrived is heard, as far as there is room")
{
	uint64_t session;
	struct flying change;

	open_pair();
	hang_up(connect_client(NULL));
	/* The server's flight reaches the client, and nothing of the client's next one the server.
	 */
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), NULL, &session), 0);
	for (int i = 0; i < 3; i++) {
		struct flying datagram = world.queue[world.first++ % QUEUE];

		receive(datagram.to, &datagram, 1);
	}
	world.filter = catch_client;
	pump();
	ASSERT_EQ((int)caught_count, 1);
	ASSERT_EQ(caught[0].data[0], COAX_RECORD_CHANGE_CIPHER_SPEC);
	for (int i = 0; i < 20; i++) {
		char text[2048 - COAX_DTLS_OVERHEAD_MAX];

		memset(text, 'a' + i, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		ASSERT_EQ(say(CLIENT, session, text), 0);
	}
	world.filter = NULL;
	change = cut_first(&caught[0]);
	receive(SERVER, &change, 1);
	for (unsigned int i = 1; i < caught_count; i++)
		receive(SERVER, &caught[i], 1);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[SERVER].received, 0);
	receive(SERVER, &caught[0], 1);
	ASSERT_EQ(world.ends[SERVER].established, 2);
	ASSERT_GE(world.ends[SERVER].received, COAX_DTLS_WAITING_MAX);
	ASSERT_LT(world.ends[SERVER].received, 20);
	for (int i = 0; i < world.ends[SERVER].received; i++)
		EXPECT_EQ(world.ends[SERVER].messages[i].data[1000], 'a' + i);
	ASSERT_EQ(say(CLIENT, session, "in order"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "in order"));
	world_close();
}

TEST("a resumed session has the certificate's claims, on both sides")
{
	open_certificates(1000);
	hang_up(connect_client("a.example"));
	world.ends[SERVER].claims = world.ends[CLIENT].claims = NULL;
	connect_client("a.example");
	expect_resumed(1);
	ASSERT_TRUE(world.ends[SERVER].claims != NULL);
	EXPECT_EQ((int)world.ends[SERVER].claims->kind, COAX_CLAIMS_CERTIFICATE);
	EXPECT_STREQ(world.ends[SERVER].claims->subject, "CN=Client,O=coax");
	EXPECT_STREQ(world.ends[CLIENT].claims->subject, "CN=Server,O=coax");
	close_certificates();
}

TEST("a session is not resumed after its certificate's end, nor after a day")
{
	open_certificates(1);
	/* For half a day only. */
	world.now = START + DAY / 2;
	hang_up(connect_client("a.example"));
	world.now += DAY / 2 - 10 * SECOND;
	hang_up(connect_client("a.example"));
	expect_resumed(1);
	world.now += 20 * SECOND;
	connect_client("a.example");
	expect_resumed(1);
	EXPECT_EQ(world.ends[SERVER].established, 2);
	ASSERT_EQ(world.ends[SERVER].ended, 3);
	EXPECT_TRUE(strstr(world.ends[SERVER].reason, "expired") != NULL);
	close_certificates();
	memset(world.ends, 0, sizeof(world.ends));

	open_pair();
	hang_up(connect_client(NULL));
	world.now += DAY + 10 * SECOND;
	hang_up(connect_client(NULL));
	EXPECT_EQ(world.ends[SERVER].established, 2);
	expect_resumed(0);
	world_close();
}

TEST("a session is resumed under the name alone that it was begun with")
{
	uint64_t session;

	open_certificates(1000);
	hang_up(connect_client("a.example"));
	/* A client that offers it under another name. */
	struct coax_dtls *client = world.ends[CLIENT].dtls;

	session = connect_client("a.example");
	expect_resumed(1);
	struct coax_dtls_session *at = coax_dtls_named(client, session);

	free(at->host);
	at->host = strdup("b.example");
	coax_dtls_memory_keep(at);
	hang_up(session);
	connect_client("b.example");
	EXPECT_EQ(world.ends[SERVER].established, 3);
	expect_resumed(1);
	close_certificates();
}

TEST("a server that has lost its keys for tickets shakes hands in full")
{
	open_pair();
	hang_up(connect_client(NULL));
	end_close(SERVER);
	memset(&world.ends[SERVER], 0, sizeof(world.ends[SERVER]));
	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	connect_client(NULL);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	expect_resumed(0);
	world_close();
}

static void replace_server(struct coax_credentials *set)
{
	ASSERT_EQ(coax_dtls_set_server_credentials(world.ends[SERVER].shared, set), 0);
	coax_credentials_release(set);
	EXPECT_TRUE(coax_dtls_deadline(world.ends[SERVER].dtls) <= world.now);
	coax_dtls_tick(world.ends[SERVER].dtls, world.now);
	EXPECT_TRUE(coax_dtls_deadline(world.ends[SERVER].dtls) > world.now);
	pump();
}

TEST("sessions stay when the new credentials have their entry, and end when they have not")
{
	uint64_t session, former;

	open_pair();
	session = connect_client(NULL);
	former = world.ends[SERVER].path.session;
	/* It is not where it was. */
	struct coax_credentials *set = serving_key("other", "other");
	const struct coax_credential *other;

	ASSERT_EQ(coax_credentials_accept(set, add_psk(set, ":device", "sensor", "secret"), &other),
		  0);
	replace_server(set);
	EXPECT_EQ(world.ends[SERVER].ended, 0);
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));

	/* The same identity with another key. */
	replace_server(serving_key("sensor", "changed"));
	ASSERT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_TRUE(world.ends[SERVER].ended_session == former);
	/* What had been sent in it may have been done. */
	EXPECT_EQ(world.ends[SERVER].result, -ECONNRESET);
	EXPECT_STREQ(world.ends[SERVER].reason, COAX_REASON_CREDENTIALS);
	EXPECT_EQ(world.ends[CLIENT].ended, 1);

	/* What it had cannot be resumed. */
	connect_client(NULL);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[CLIENT].result, -ECONNREFUSED);
	expect_resumed(0);
	world_close();
}

TEST("sessions by certificates stay while authorities and CRLs do, and end when one is revoked")
{
	struct coax_credentials *set;
	struct coax_credential *entry;

	open_certificates(1000);
	connect_client("a.example");
	replace_server(serving_certificates());
	EXPECT_EQ(world.ends[SERVER].ended, 0);
	set = new_set();
	entry = add_certificates(set, ":server", &server_id, &authority);
	entry->certificates.demands_peer = true;
	entry->certificates.revoked = pem_of_revoked(&authority, &client_id);
	accept_entry(set, entry);
	replace_server(set);
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	connect_client("a.example");
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_TRUE(strstr(world.ends[SERVER].reason, "revoked") != NULL);
	close_certificates();
}

TEST("without credentials there is no server, and no session is left")
{
	open_pair();
	connect_client(NULL);
	replace_server(NULL);
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	connect_client(NULL);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 1);
	world_close();
}

TEST("a client's sessions follow its credentials, too")
{
	struct coax_credentials *again = with_key("sensor", "secret");
	uint64_t session, found;

	open_pair();
	session = connect_client(NULL);
	ASSERT_EQ(coax_dtls_set_client_credentials(world.ends[CLIENT].shared, again), 0);
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(again, 0), NULL, &found), 0);
	EXPECT_TRUE(found == session);
	coax_dtls_tick(world.ends[CLIENT].dtls, world.now);
	EXPECT_EQ(world.ends[CLIENT].ended, 0);
	ASSERT_EQ(coax_dtls_set_client_credentials(world.ends[CLIENT].shared, NULL), 0);
	coax_dtls_tick(world.ends[CLIENT].dtls, world.now);
	EXPECT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_EQ(begin_as(CLIENT, coax_credentials_at(again, 0), NULL, &found), -EINVAL);
	coax_credentials_release(again);
	world_close();
}

TEST("credentials that OpenSSL does not take change nothing")
{
	struct coax_credentials *bad;
	uint64_t session;

	open_pair();
	session = connect_client(NULL);
	bad = new_set();
	coax_credentials_add(bad, ":bad")->kind = COAX_CREDENTIAL_CERTIFICATES;
	accept_entry(bad, coax_credentials_at(bad, 0));
	EXPECT_EQ(coax_dtls_set_server_credentials(world.ends[SERVER].shared, bad), -EINVAL);
	coax_credentials_release(bad);
	coax_dtls_tick(world.ends[SERVER].dtls, world.now);
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
	world_close();
}

static void deliver(int count)
{
	for (int i = 0; i < count; i++) {
		struct flying datagram;

		ASSERT_TRUE(world.first != world.last);
		datagram = world.queue[world.first++ % QUEUE];
		receive(datagram.to, &datagram, 1);
	}
}

/* Two ClientHellos and what they are answered with. */
#define HALF 4

static uint64_t begin_handshake(void)
{
	uint64_t session;

	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), "a.example", &session), 0);
	deliver(HALF);
	return session;
}

static void expect_unwanted(void)
{
	EXPECT_EQ(world.ends[SERVER].established, 0);
	ASSERT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_EQ(world.ends[SERVER].result, -EACCES);
	EXPECT_STREQ(world.ends[SERVER].reason, COAX_REASON_CREDENTIALS);
	EXPECT_EQ(COUNTED(SERVER, sessions), 0);
	/* Its client was told. */
	EXPECT_EQ(world.ends[CLIENT].ended, 1);
}

TEST("a handshake that is under way when its key is dropped does not end well")
{
	open_pair();
	begin_handshake();
	replace_server(serving_key("other", "other"));
	expect_unwanted();
	world_close();
}

TEST("a handshake that is under way when its certificates are dropped does not end well")
{
	struct coax_credentials *set = new_set();
	struct coax_credential *entry;

	open_certificates(1000);
	entry = add_certificates(set, ":server", &server_id, &authority);
	entry->certificates.demands_peer = true;
	entry->certificates.revoked = pem_of_revoked(&authority, &client_id);
	accept_entry(set, entry);
	begin_handshake();
	replace_server(set);
	expect_unwanted();
	close_certificates();
}

TEST("a session is not resumed when its key is dropped meanwhile")
{
	uint64_t session;

	open_pair();
	hang_up(connect_client(NULL));
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), NULL, &session), 0);
	deliver(HALF);
	world.ends[SERVER].established = world.ends[SERVER].ended = world.ends[CLIENT].ended = 0;
	replace_server(serving_key("other", "other"));
	expect_unwanted();
	EXPECT_EQ(COUNTED(SERVER, handshakes_resumed), 0);
	world_close();
}

TEST("a handshake that is under way goes on when the new credentials have its entry")
{
	struct coax_credentials *again = with_key("sensor", "secret");

	open_pair();
	begin_handshake();
	ASSERT_EQ(coax_dtls_set_client_credentials(world.ends[CLIENT].shared, again), 0);
	coax_credentials_release(again);
	coax_dtls_tick(world.ends[CLIENT].dtls, world.now);
	replace_server(serving_key("sensor", "secret"));
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	EXPECT_EQ(world.ends[CLIENT].ended, 0);
	world_close();
}

static void drop_client_key(void)
{
	struct coax_credentials *other = with_key("other", "other");

	ASSERT_EQ(coax_dtls_set_client_credentials(world.ends[CLIENT].shared, other), 0);
	coax_credentials_release(other);
}

static void expect_given_up(uint64_t session)
{
	EXPECT_EQ(world.ends[CLIENT].established, 0);
	ASSERT_EQ(world.ends[CLIENT].ended, 1);
	EXPECT_TRUE(world.ends[CLIENT].ended_session == session);
	EXPECT_EQ(world.ends[CLIENT].result, -EACCES);
	EXPECT_STREQ(world.ends[CLIENT].reason, COAX_REASON_CREDENTIALS);
	EXPECT_EQ(COUNTED(CLIENT, handshakes_failed), 1);
}

TEST("a client gives up its handshake as soon as its key is dropped")
{
	uint64_t session;

	open_pair();
	session = begin_handshake();
	drop_client_key();
	EXPECT_TRUE(coax_dtls_deadline(world.ends[CLIENT].dtls) <= world.now);
	coax_dtls_tick(world.ends[CLIENT].dtls, world.now);
	expect_given_up(session);
	EXPECT_EQ((int)world.ends[CLIENT].shared->handshakes, 0);
	pump();
	EXPECT_EQ(world.ends[CLIENT].established, 0);
	world_close();
}

TEST("a client's handshake whose key is dropped is not established even before that is looked after")
{
	uint64_t session;

	open_pair();
	session = begin_handshake();
	drop_client_key();
	pump();
	expect_given_up(session);
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	world_close();
}

TEST_MAIN()
