// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions with raw public keys (RFC 7250, RFC 7252 section 9.1.3.2), by an OpenSSL that has them;
 * by another one, that it is said why not.
 */
#include "../pem.h"
#include "dtls_pki.h"
#include "transport/dtls_internal.h"

static char log_text[4096];

static void take_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	size_t length = strlen(log_text);

	(void)arg;
	(void)level;
	(void)name;
	snprintf(log_text + length, sizeof(log_text) - length, "%s\n", line);
}

static void take_log(void)
{
	log_text[0] = '\0';
	world.logger.write = take_line;
	world.logger.from = COAX_LOG_WARNING;
}

static EVP_PKEY *gateway, *device, *stranger;

static void make_keys(void)
{
	gateway = EVP_EC_gen("P-256");
	device = EVP_EC_gen("P-256");
	stranger = EVP_EC_gen("P-384");
}

static void close_all(void)
{
	world_close();
	EVP_PKEY_free(gateway);
	EVP_PKEY_free(device);
	EVP_PKEY_free(stranger);
}

/* Who has one key, and knows who has the other by it. */
static struct coax_credential *add_keys(struct coax_credentials *set, const char *label,
					EVP_PKEY *own, EVP_PKEY *peer)
{
	struct coax_credential *entry = coax_credentials_add(set, label);
	char text[PEM_TEXT_MAX];

	ASSERT_TRUE(entry != NULL);
	entry->kind = COAX_CREDENTIAL_PUBLIC_KEY;
	pem_private_key(own, text);
	entry->certificates.key = strdup(text);
	pem_public_key(peer, text);
	entry->certificates.peer_key = strdup(text);
	return entry;
}

static struct coax_credentials *serving(EVP_PKEY *own, EVP_PKEY *peer)
{
	struct coax_credentials *set = new_set();

	accept_entry(set, add_keys(set, ":device", own, peer));
	return set;
}

static struct coax_credentials *calling(EVP_PKEY *own, EVP_PKEY *peer)
{
	client_set = new_set();
	add_keys(client_set, "coaps://*", own, peer);
	return client_set;
}

#if COAX_RAW_PUBLIC_KEYS

static void open_keys(void)
{
	make_keys();
	end_open(SERVER, NULL, serving(gateway, device));
	end_open(CLIENT, calling(device, gateway), NULL);
}

static void expect_talk(int count)
{
	ASSERT_EQ(world.ends[CLIENT].established, count);
	ASSERT_EQ(world.ends[SERVER].established, count);
	ASSERT_EQ(say(CLIENT, world.ends[CLIENT].path.session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));
}

static void expect_peer(int end, const char *label, EVP_PKEY *key)
{
	const struct coax_claims *claims = world.ends[end].claims;
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);

	ASSERT_TRUE(claims != NULL);
	EXPECT_EQ((int)claims->kind, COAX_CLAIMS_PUBLIC_KEY);
	EXPECT_STREQ(claims->label, label);
	ASSERT_EQ((int)claims->public_key_length, length);
	EXPECT_MEMEQ(claims->public_key, der, (size_t)length);
	OPENSSL_free(der);
}

static void expect_refused(int refuser, const char *why_here, const char *why_there)
{
	const struct end *here = &world.ends[refuser], *there = &world.ends[1 - refuser];

	expect_refusal(refuser);
	EXPECT_STREQ(here->reason, why_here);
	EXPECT_STREQ(there->reason, why_there);
}

TEST("each side is known by its raw public key, by the mandatory cipher")
{
	struct coax_dtls_session *session;

	open_keys();
	connect_client("gateway.example");
	expect_talk(1);
	expect_peer(SERVER, ":device", device);
	expect_peer(CLIENT, "coaps://*", gateway);
	session = coax_dtls_named(world.ends[SERVER].dtls, world.ends[SERVER].path.session);
	EXPECT_STREQ(SSL_get_cipher_name(session->ssl), "ECDHE-ECDSA-AES128-CCM8");
	close_all();
}

TEST("a client whose key nobody knows is refused")
{
	make_keys();
	end_open(SERVER, NULL, serving(gateway, device));
	end_open(CLIENT, calling(stranger, gateway), NULL);
	connect_client(NULL);
	expect_refused(SERVER,
		       "the client's public key is not one that we know (alert: bad_certificate)",
		       "the server does not accept our public key (alert: bad_certificate)");
	close_all();
}

TEST("a server that has another key than it should is refused")
{
	make_keys();
	end_open(SERVER, NULL, serving(stranger, device));
	end_open(CLIENT, calling(device, gateway), NULL);
	connect_client(NULL);
	expect_refused(CLIENT,
		       "the server's public key is not one that we know (alert: bad_certificate)",
		       "the client does not accept our public key (alert: bad_certificate)");
	close_all();
}

TEST("a client is none of the others that the server knows")
{
	struct coax_credentials *set;

	make_keys();
	set = serving(gateway, stranger);
	accept_entry(set, add_keys(set, ":second", gateway, device));
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, gateway), NULL);
	connect_client(NULL);
	expect_talk(1);
	expect_peer(SERVER, ":second", device);
	close_all();
}

TEST("the server shows the key of the name that it is asked for, and knows that one's clients")
{
	struct coax_credentials *set;

	make_keys();
	set = serving(stranger, stranger);
	struct coax_credential *entry = add_keys(set, ":named", gateway, device);

	entry->server_name = strdup("gateway.example");
	accept_entry(set, entry);
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, gateway), NULL);
	connect_client("gateway.example");
	expect_talk(1);
	expect_peer(SERVER, ":named", device);
	close_all();
	memset(world.ends, 0, sizeof(world.ends));

	/* A client of that name alone is nobody under others. */
	make_keys();
	set = serving(gateway, stranger);
	entry = add_keys(set, ":named", gateway, device);
	entry->server_name = strdup("gateway.example");
	accept_entry(set, entry);
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, gateway), NULL);
	connect_client("other.example");
	expect_refused(SERVER,
		       "the client's public key is not one that we know (alert: bad_certificate)",
		       "the server does not accept our public key (alert: bad_certificate)");
	close_all();
}

static struct identity authority, server_id;

static void make_certificates(void)
{
	const struct wish root = {.authority = true};
	const struct wish server = {.name = "DNS:gateway.example", .signer = &authority};

	authority = issue("Authority", &root);
	server_id = issue("Server", &server);
}

static void forget_certificates(void)
{
	forget(&authority);
	forget(&server_id);
}

TEST("keys, certificates and pre-shared keys are served side by side")
{
	const struct coax_credential *other;
	struct coax_credentials *set;
	uint64_t session;

	world.now = START;
	make_keys();
	make_certificates();
	set = new_set();
	accept_entry(set, add_certificates(set, ":server", &server_id, NULL));
	accept_entry(set, add_keys(set, ":device", gateway, device));
	ASSERT_EQ(coax_credentials_accept(set, add_psk(set, ":sensor", "sensor", "secret"), &other),
		  0);
	end_open(SERVER, NULL, set);
	calling(device, gateway);
	add_certificates(client_set, "coaps://c", NULL, &authority);
	add_psk(client_set, "coaps://p", "sensor", "secret");
	end_open(CLIENT, client_set, NULL);
	connect_client("gateway.example");
	expect_talk(1);
	expect_peer(SERVER, ":device", device);
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 1), "gateway.example", &session),
		  0);
	pump();
	expect_talk(2);
	EXPECT_EQ((int)world.ends[SERVER].claims->kind, COAX_CLAIMS_ANONYMOUS);
	EXPECT_EQ((int)world.ends[CLIENT].claims->kind, COAX_CLAIMS_CERTIFICATE);
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 2), NULL, &session), 0);
	pump();
	expect_talk(3);
	EXPECT_EQ((int)world.ends[SERVER].claims->kind, COAX_CLAIMS_PSK);
	EXPECT_STREQ(world.ends[SERVER].claims->label, ":sensor");
	forget_certificates();
	close_all();
}

TEST("who knows the other by a raw public key alone is refused by who has certificates, and says so")
{
	struct coax_credentials *set;

	world.now = START;
	make_keys();
	make_certificates();
	set = new_set();
	accept_entry(set, add_certificates(set, ":server", &server_id, NULL));
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, server_id.key), NULL);
	connect_client("gateway.example");
	expect_refused(SERVER,
		       "the client wants a raw public key, and we have none (alert: "
		       "handshake_failure)",
		       "the server found no cipher in common, or misses credentials (alert: "
		       "handshake_failure)");
	close_all();
	memset(world.ends, 0, sizeof(world.ends));

	make_keys();
	end_open(SERVER, NULL, serving(gateway, device));
	client_set = new_set();
	add_certificates(client_set, "*", NULL, &authority);
	end_open(CLIENT, client_set, NULL);
	connect_client("gateway.example");
	expect_refused(SERVER,
		       "we have no cipher in common with the client, or no credentials for one "
		       "(alert: handshake_failure)",
		       "the server found no cipher in common, or misses credentials (alert: "
		       "handshake_failure)");
	forget_certificates();
	close_all();
}

/* A server that does not know the extension: it shows its certificate (RFC 7250 section 4.2). */
TEST("a certificate is not taken for the raw public key that it has")
{
	struct coax_credentials *set;
	struct coax_dtls *client;

	world.now = START;
	make_keys();
	make_certificates();
	set = new_set();
	accept_entry(set, add_certificates(set, ":server", &server_id, NULL));
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, server_id.key), NULL);
	client = world.ends[CLIENT].dtls;
	ASSERT_EQ(SSL_CTX_set1_server_cert_type(client->client->entries[0], NULL, 0), 1);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(client->client->entries[0]),
			    authority.certificate);
	connect_client("gateway.example");
	expect_refused(CLIENT,
		       "the server has a certificate, and we know it by a raw public key (alert: "
		       "bad_certificate)",
		       "the client found the certificate to be bad (alert: bad_certificate)");
	forget_certificates();
	close_all();
}

static void hang_up(uint64_t session)
{
	coax_dtls_close(world.ends[CLIENT].dtls, world.now, session);
	pump();
}

static void expect_resumed(int count)
{
	EXPECT_EQ(COUNTED(SERVER, handshakes_resumed), count);
	EXPECT_EQ(COUNTED(CLIENT, handshakes_resumed), count);
}

TEST("a resumed session has the same keys, by a ticket and by its ID")
{
	for (int by_id = 0; by_id < 2; by_id++) {
		open_keys();
		if (by_id)
			SSL_CTX_set_options(world.ends[CLIENT].dtls->client->entries[0],
					    SSL_OP_NO_TICKET);
		hang_up(connect_client("gateway.example"));
		world.ends[SERVER].claims = world.ends[CLIENT].claims = NULL;
		connect_client("gateway.example");
		expect_talk(2);
		expect_resumed(1);
		expect_peer(SERVER, ":device", device);
		expect_peer(CLIENT, "coaps://*", gateway);
		close_all();
		memset(world.ends, 0, sizeof(world.ends));
	}
}

static void replace_server(struct coax_credentials *set)
{
	ASSERT_EQ(coax_dtls_set_server_credentials(world.ends[SERVER].shared, set), 0);
	coax_credentials_release(set);
	coax_dtls_tick(world.ends[SERVER].dtls, world.now);
	pump();
}

TEST("sessions stay while the client's entry does, and end, not to be resumed, when it goes")
{
	struct coax_credentials *set;
	uint64_t session;

	make_keys();
	set = new_set();
	accept_entry(set, add_keys(set, ":other", gateway, stranger));
	accept_entry(set, add_keys(set, ":device", gateway, device));
	end_open(SERVER, NULL, set);
	end_open(CLIENT, calling(device, gateway), NULL);
	session = connect_client(NULL);
	replace_server(serving(gateway, device));
	ASSERT_EQ(world.ends[SERVER].ended, 0);
	ASSERT_EQ(say(CLIENT, session, "hello"), 0);
	pump();
	EXPECT_TRUE(heard(SERVER, "hello"));

	replace_server(serving(gateway, stranger));
	ASSERT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_EQ(world.ends[SERVER].result, -ECONNRESET);
	EXPECT_STREQ(world.ends[SERVER].reason, COAX_REASON_CREDENTIALS);
	connect_client(NULL);
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_STREQ(world.ends[SERVER].reason,
		     "the client's public key is not one that we know (alert: bad_certificate)");
	expect_resumed(0);
	close_all();
}

/* Have the client offer what it began by its first entry as if it had been the second one's. */
static void offer_as_second(uint64_t session)
{
	struct coax_dtls_session *at = coax_dtls_named(world.ends[CLIENT].dtls, session);

	at->credential = coax_credentials_at(client_set, 1);
	coax_dtls_memory_keep(at);
	hang_up(session);
	world.ends[SERVER].ended = 0;
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 1), "gateway.example", &session),
		  0);
	pump();
}

static void open_both_kinds(void)
{
	struct coax_credentials *set = new_set();

	world.now = START;
	make_keys();
	make_certificates();
	accept_entry(set, add_certificates(set, ":server", &server_id, NULL));
	accept_entry(set, add_keys(set, ":device", gateway, device));
	end_open(SERVER, NULL, set);
	client_set = new_set();
}

TEST("a session is resumed by an entry of the same kind alone")
{
	/* Who has shown nothing becomes nobody by it. */
	open_both_kinds();
	add_certificates(client_set, "*", NULL, &authority);
	add_keys(client_set, "coaps://k", stranger, gateway);
	end_open(CLIENT, client_set, NULL);
	offer_as_second(connect_client("gateway.example"));
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[SERVER].ended, 1);
	EXPECT_STREQ(world.ends[SERVER].reason,
		     "the client's public key is not one that we know (alert: bad_certificate)");
	expect_resumed(0);
	forget_certificates();
	close_all();
	memset(world.ends, 0, sizeof(world.ends));

	/* Nor does who was known go on as somebody who has shown nothing. */
	open_both_kinds();
	add_keys(client_set, "*", device, gateway);
	add_certificates(client_set, "coaps://c", NULL, &authority);
	end_open(CLIENT, client_set, NULL);
	offer_as_second(connect_client("gateway.example"));
	expect_talk(2);
	expect_resumed(0);
	forget_certificates();
	close_all();
}

TEST("keys come from files beside the credentials, and as PEM in them")
{
	char key[PEM_TEXT_MAX], peer[PEM_TEXT_MAX], quoted[2][2 * PEM_TEXT_MAX];
	char text[5 * PEM_TEXT_MAX], name[128], error[COAX_CREDENTIALS_ERROR_MAX];
	struct coax_credentials *server;

	make_keys();
	pem_private_key(gateway, key);
	pem_public_key(device, peer);
	harness_write("key.pem", key);
	harness_write("peer.pem", peer);
	snprintf(name, sizeof(name), "%s/c.json", harness_directory());
	snprintf(text, sizeof(text),
		 "{\":device\": {\"raw-public-key\": {\"key\": {\"file\": \"key.pem\"},"
		 "\"peer-key\": {\"file\": \"peer.pem\"}}}}");
	ASSERT_EQ(coax_credentials_parse(&server, text, strlen(text), name, error), 0);
	pem_private_key(device, key);
	pem_public_key(gateway, peer);
	pem_escape(key, quoted[0]);
	pem_escape(peer, quoted[1]);
	snprintf(text, sizeof(text),
		 "{\"coaps://*\": {\"any-of\": [{\"raw-public-key\": {\"key\": {\"pem\": \"%s\"},"
		 "\"peer-key\": {\"pem\": \"%s\"}}}, {\"certificate\": {\"authorities\": "
		 "\"system\"}}]}}",
		 quoted[0], quoted[1]);
	ASSERT_EQ(coax_credentials_parse(&client_set, text, strlen(text), name, error), 0);
	EXPECT_EQ((int)coax_credentials_for_uri(client_set, "coaps://a/")->kind,
		  COAX_CREDENTIAL_PUBLIC_KEY);
	end_open(SERVER, NULL, server);
	end_open(CLIENT, client_set, NULL);
	connect_client(NULL);
	expect_talk(1);
	expect_peer(SERVER, ":device", device);
	close_all();
}

TEST("what is no key to OpenSSL is refused before it is used, and said")
{
	struct coax_credentials *set;
	struct coax_credential *entry;

	make_keys();
	take_log();
	set = serving(gateway, device);
	entry = (struct coax_credential *)coax_credentials_own(set, 0);
	free(entry->certificates.peer_key);
	entry->certificates.peer_key = strdup("nothing");
	EXPECT_EQ(end_open_limited(SERVER, NULL, set, NULL), -EINVAL);
	EXPECT_STREQ(log_text, "Credentials \":device\": the peer's key is not a public key in "
			       "PEM\n");
	set = serving(gateway, device);
	entry = (struct coax_credential *)coax_credentials_own(set, 0);
	free(entry->certificates.key);
	entry->certificates.key = strdup("nothing");
	EXPECT_EQ(end_open_limited(SERVER, NULL, set, NULL), -EINVAL);
	EXPECT_TRUE(strstr(log_text, "the private key is not one for ECDSA") != NULL);
	close_all();
}

#else

TEST("without OpenSSL 3.2 raw public keys are not used, which is said, and other entries are")
{
	const struct coax_credential *other;
	struct coax_credentials *set;
	uint64_t session;

	make_keys();
	take_log();
	set = serving(gateway, device);
	ASSERT_EQ(coax_credentials_accept(set, add_psk(set, ":sensor", "sensor", "secret"), &other),
		  0);
	end_open(SERVER, NULL, set);
	EXPECT_STREQ(log_text,
		     "Credentials \":device\" are not used: raw public keys want OpenSSL 3.2 or "
		     "later, and this was built with " OPENSSL_VERSION_STR "\n");
	calling(device, gateway);
	add_psk(client_set, "coaps://p", "sensor", "secret");
	end_open(CLIENT, client_set, NULL);
	EXPECT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), NULL, &session), -EINVAL);
	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 1), NULL, &session), 0);
	pump();
	EXPECT_EQ(world.ends[SERVER].established, 1);
	close_all();
}

#endif

TEST_MAIN()
