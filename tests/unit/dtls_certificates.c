// SPDX-License-Identifier: BSD-2-Clause
/* Sessions with X.509 certificates (RFC 7252 section 9.1.3.3, RFC 7925 section 4.4). */
#include "dtls_pki.h"
#include "transport/dtls_internal.h"

static struct identity authority, foreign, server_id, client_id;
static struct coax_credentials *server_set;

static void make_identities(void)
{
	const struct wish root = {.authority = true};
	const struct wish server = {.name = "DNS:server.example,IP:192.0.2.1",
				    .signer = &authority};
	const struct wish client = {.name = "DNS:client.example,URI:coap://client.example/",
				    .signer = &authority};

	authority = issue("Authority", &root);
	foreign = issue("Foreign Authority", &root);
	server_id = issue("The Server", &server);
	client_id = issue("The Client", &client);
}

static void forget_identities(void)
{
	forget(&authority);
	forget(&foreign);
	forget(&server_id);
	forget(&client_id);
}

/* A server with a certificate, which trusts (NULL: nobody), and perhaps demands to see one. */
static struct coax_credential *serve(const struct identity *own, const struct identity *trusted,
				     bool demands)
{
	struct coax_credential *entry;

	server_set = new_set();
	entry = add_certificates(server_set, ":server", own, trusted);
	entry->certificates.demands_peer = demands;
	accept_entry(server_set, entry);
	return entry;
}

static struct coax_credential *call(const struct identity *own, const struct identity *trusted)
{
	client_set = new_set();
	return add_certificates(client_set, "coaps://*", own, trusted);
}

static void open_both(void)
{
	memset(world.ends, 0, sizeof(world.ends));
	end_open(SERVER, NULL, server_set);
	end_open(CLIENT, client_set, NULL);
}

static void meet(const char *host)
{
	open_both();
	connect_client(host);
}

static void expect_talk(void)
{
	ASSERT_EQ(world.ends[CLIENT].established, 1);
	ASSERT_EQ(world.ends[SERVER].established, 1);
	ASSERT_EQ(say(CLIENT, world.ends[CLIENT].path.session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
}

static void expect_refused(int refuser, const char *why_here, const char *why_there)
{
	const struct end *here = &world.ends[refuser], *there = &world.ends[1 - refuser];

	expect_refusal(refuser);
	if (!strstr(here->reason, why_here) || !strstr(there->reason, why_there)) {
		HARNESS_SAY("reasons: \"%s\", \"%s\"", here->reason, there->reason);
		harness_failed = 1;
	}
}

TEST("a client knows a server by its certificate, and stays anonymous itself")
{
	make_identities();
	serve(&server_id, NULL, false);
	call(NULL, &authority);
	meet("server.example");
	expect_talk();
	EXPECT_EQ((int)world.ends[SERVER].claims->kind, COAX_CLAIMS_ANONYMOUS);
	EXPECT_EQ((int)world.ends[CLIENT].claims->kind, COAX_CLAIMS_CERTIFICATE);
	EXPECT_STREQ(world.ends[CLIENT].claims->subject, "CN=The Server,O=coax");
	world_close();
	forget_identities();
}

TEST("a server that asks for it knows who the client is")
{
	const struct coax_claims *claims;

	make_identities();
	serve(&server_id, &authority, true);
	call(&client_id, &authority);
	meet("server.example");
	expect_talk();
	claims = world.ends[SERVER].claims;
	ASSERT_EQ((int)claims->kind, COAX_CLAIMS_CERTIFICATE);
	EXPECT_TRUE(claims->label == NULL);
	EXPECT_STREQ(claims->subject, "CN=The Client,O=coax");
	ASSERT_EQ((int)claims->name_count, 2);
	EXPECT_STREQ(claims->names[0], "DNS:client.example");
	EXPECT_STREQ(claims->names[1], "URI:coap://client.example/");
	EXPECT_TRUE(claims->public_key_length > 64);
	world_close();
	forget_identities();
}

TEST("a server may be known by its address")
{
	make_identities();
	serve(&server_id, NULL, false);
	call(NULL, &authority);
	meet(NULL);
	expect_talk();
	world_close();
	forget_identities();
}

TEST("a certificate of another name is refused, unless any name will do")
{
	uint64_t session;

	make_identities();
	serve(&server_id, NULL, false);
	call(NULL, &authority);
	add_certificates(client_set, "coaps://any", NULL, &authority)->certificates.any_name = true;
	meet("other.example");
	expect_refused(CLIENT, "server's certificate: hostname mismatch", "client");
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 1), "other.example", &session),
		  0);
	pump();
	expect_talk();
	world_close();
	forget_identities();
}

TEST("a server's certificate that has expired is refused")
{
	struct identity expired;

	make_identities();
	const struct wish wish = {
		.name = "DNS:server.example", .signer = &authority, .from = -20, .until = -10};

	expired = issue("Expired", &wish);
	serve(&expired, NULL, false);
	call(NULL, &authority);
	meet("server.example");
	expect_refused(CLIENT, "certificate has expired",
		       "the client found the certificate expired");
	world_close();
	forget(&expired);
	forget_identities();
}

TEST("a client's certificate that has expired is refused")
{
	struct identity expired;

	make_identities();
	const struct wish wish = {.signer = &authority, .from = -20, .until = -10};

	expired = issue("Expired", &wish);
	serve(&server_id, &authority, true);
	call(&expired, &authority);
	meet("server.example");
	expect_refused(SERVER, "certificate has expired",
		       "the server found the certificate expired");
	world_close();
	forget(&expired);
	forget_identities();
}

TEST("nobody trusts a foreign authority's certificate")
{
	make_identities();
	serve(&server_id, &foreign, true);
	call(&client_id, &authority);
	meet("server.example");
	expect_refused(SERVER, "unable to get local issuer certificate",
		       "the server does not trust the authority");
	world_close();

	serve(&server_id, NULL, false);
	call(NULL, &foreign);
	meet("server.example");
	expect_refused(CLIENT, "unable to get local issuer certificate",
		       "the client does not trust the authority");
	world_close();
	forget_identities();
}

TEST("a client without a certificate is refused where one is demanded, and not where it is asked for")
{
	make_identities();
	serve(&server_id, &authority, true);
	call(NULL, &authority);
	meet("server.example");
	expect_refused(SERVER, "the client has no certificate, which we demand", "the server");
	world_close();

	serve(&server_id, &authority, false);
	call(NULL, &authority);
	meet("server.example");
	expect_talk();
	EXPECT_EQ((int)world.ends[SERVER].claims->kind, COAX_CLAIMS_ANONYMOUS);
	world_close();
	forget_identities();
}

TEST("a certificate that its authority has revoked is refused")
{
	make_identities();
	serve(&server_id, &authority, true)->certificates.revoked =
		pem_of_revoked(&authority, &client_id);
	call(&client_id, &authority);
	meet("server.example");
	expect_refused(SERVER, "certificate revoked", "knows that the certificate is revoked");
	world_close();

	serve(&server_id, &authority, true)->certificates.revoked =
		pem_of_revoked(&authority, NULL);
	call(&client_id, &authority);
	meet("server.example");
	expect_talk();
	world_close();
	forget_identities();
}

TEST("the server shows the certificate of the name that it is asked for")
{
	struct identity second;

	make_identities();
	const struct wish wish = {.name = "DNS:second.example", .signer = &authority};

	second = issue("Second", &wish);
	serve(&server_id, NULL, false);
	struct coax_credential *entry = add_certificates(server_set, ":second", &second, NULL);

	entry->server_name = strdup("second.example");
	accept_entry(server_set, entry);
	call(NULL, &authority);
	meet("Second.example.");
	expect_talk();
	EXPECT_STREQ(world.ends[CLIENT].claims->subject, "CN=Second,O=coax");
	world_close();
	forget(&second);
	forget_identities();
}

TEST("each cipher of RFC 7925 and of TLS with AEAD serves a session with certificates")
{
	static const char *const ciphers[] = {
		"ECDHE-ECDSA-AES128-CCM8",	 "ECDHE-ECDSA-AES128-CCM",
		"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
		"ECDHE-ECDSA-CHACHA20-POLY1305",
	};
	make_identities();
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct coax_dtls_session *session;

		serve(&server_id, NULL, false);
		call(NULL, &authority);
		open_both();
		ASSERT_EQ(SSL_CTX_set_cipher_list(world.ends[CLIENT].dtls->client->entries[0],
						  ciphers[i]),
			  1);
		connect_client("server.example");
		expect_talk();
		session = coax_dtls_named(world.ends[SERVER].dtls, world.ends[SERVER].path.session);
		ASSERT_TRUE(session != NULL);
		EXPECT_STREQ(SSL_get_cipher_name(session->ssl), ciphers[i]);
		world_close();
	}
	forget_identities();
}

TEST("keys of P-384 serve as well")
{
	struct identity large;

	make_identities();
	const struct wish wish = {
		.name = "DNS:server.example", .signer = &authority, .curve = "P-384"};

	large = issue("Large", &wish);
	serve(&large, NULL, false);
	call(NULL, &authority);
	meet("server.example");
	expect_talk();
	world_close();
	forget(&large);
	forget_identities();
}

TEST("what is no credential to OpenSSL is refused before it is used, and said")
{
	struct coax_credential *entry;

	make_identities();
	entry = serve(&server_id, NULL, false);
	free(entry->certificates.key);
	entry->certificates.key = pem_of_key(&client_id);
	EXPECT_EQ(end_open_limited(SERVER, NULL, server_set, NULL), -EINVAL);

	entry = serve(&server_id, NULL, false);
	free(entry->certificates.chain);
	entry->certificates.chain = strdup("nothing");
	EXPECT_EQ(end_open_limited(SERVER, NULL, server_set, NULL), -EINVAL);

	entry = serve(&server_id, NULL, false);
	entry->certificates.authorities = strdup("-----BEGIN CERTIFICATE-----\nxyz\n");
	EXPECT_EQ(end_open_limited(SERVER, NULL, server_set, NULL), -EINVAL);
	forget_identities();
}

TEST_MAIN()
