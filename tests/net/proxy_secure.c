// SPDX-License-Identifier: BSD-2-Clause
/*
 * A proxy and coaps, over loopback: origins that are asked securely, clients that ask so, and what
 * is cached for one of them and must not be had by another.
 */
#include <coax/access.h>
#include <coax/credentials.h>
#include "../proxy.h"

#define KEY "a key of 16 byte"

static struct origin origin;
static char secure_uri[64];
static struct coax_context *secure_client;
static union coax_address secure_address; /* of the proxy */

static struct coax_credentials *client_credentials(const char *key)
{
	struct coax_credentials *credentials;

	ASSERT_EQ(coax_credentials_for_psk(&credentials, "me", 2, key, strlen(key)), 0);
	return credentials;
}

static struct coax_credentials *for_server(void)
{
	static const char text[] = "{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"" KEY
				   "\"}, \"client-identity\": {\"ascii\": \"me\"}}}}";
	char error[COAX_CREDENTIALS_ERROR_MAX] = "";
	struct coax_credentials *credentials = NULL;

	coax_credentials_parse(&credentials, text, strlen(text), "test.json", error);
	ASSERT_TRUE(credentials);
	return credentials;
}

/* "p" is fetched by coaps, with `key`; "*:*" may be asked for. */
static void begin(const char *key)
{
	static const char *const any[] = {"*:*"};
	const char *uri = secure_uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = &uri, .origin_count = 1};
	const struct coax_proxy_options options = {
		.mappings = &mapping, .mapping_count = 1, .allowed = any, .allowed_count = 1};
	const char *bind = "127.0.0.1:0";
	struct coax_context_options client = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 1,
		.logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG}};

	server_credentials = for_server();
	between_credentials = client_credentials(key);
	origin_start(&origin);
	sprintf(secure_uri, "coaps://127.0.0.1:%u", coax_context_secure_port(origin.context));
	between_start(&options);
	client.client_credentials = client_credentials(KEY);
	ASSERT_EQ(coax_context_create(&secure_client, &client), 0);
	coax_credentials_release(client.client_credentials);
	ASSERT_EQ(coax_address_parse(&secure_address, "127.0.0.1",
				     coax_context_secure_port(between.context)),
		  0);
}

static void end(void)
{
	coax_context_shutdown(secure_client);
	between_end();
	origin_end(&origin);
	coax_credentials_release(server_credentials);
	coax_credentials_release(between_credentials);
}

/* The same by coaps. */
static const struct said *ask_securely(const struct coax_message *m)
{
	const struct coax_request_options options = {.secure = true};
	static struct said said;

	ASSERT_EQ(coax_request_wait(secure_client, &secure_address, m, &options, said.bytes,
				    sizeof(said.bytes), &said.m),
		  0);
	say(&said, &said.m);
	return &said;
}

static const struct said *get_securely(const char *path)
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	return ask_securely(&m);
}

TEST("an origin is asked by coaps, and its responses are kept")
{
	begin(KEY);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	end();
}

TEST("an origin that does not know the key gets 5.02")
{
	begin("another 16 bytes");
	EXPECT_EQ(get("p/a")->code, COAX_BAD_GATEWAY);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("an origin is observed by coaps")
{
	uint8_t buffer[256], reply[512];
	struct coax_observation *observation;
	struct coax_message m, notification;

	begin(KEY);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	ASSERT_EQ(coax_observe(between.client, &between.address, &m, NULL, &observation), 0);
	ASSERT_EQ(coax_observation_next(observation, 5000, reply, sizeof(reply), &notification), 0);
	atomic_store(&origin.version, 2);
	coax_resource_changed(origin.resource);
	ASSERT_EQ(coax_observation_next(observation, 5000, reply, sizeof(reply), &notification), 0);
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	coax_observation_free(observation);
	end();
}

TEST("what is cached for a secure client is refused to who may not read it, and so is a change")
{
	const struct coax_access_rule rules[] = {
		{.path = "/", .who = "secure", .methods = COAX_ACCESS_ALL},
		{.path = "/p/open", .who = "*", .methods = COAX_ACCESS_READ},
	};
	struct coax_access *access;
	size_t bad;

	begin(KEY);
	ASSERT_EQ(coax_access_create(&access, rules, 2, &bad), 0);
	ASSERT_EQ(coax_site_set_access(between.site, access), 0);
	EXPECT_STREQ(get_securely("p/a")->text, "v1");
	EXPECT_EQ(get("p/a")->code, COAX_UNAUTHORIZED);
	EXPECT_STREQ(get_securely("p/a")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	EXPECT_STREQ(get("p/open")->text, "v1");
	EXPECT_EQ(ask(COAX_PUT, "p/open")->code, COAX_UNAUTHORIZED);
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("a forward-proxy asks by coaps for those only who come by it")
{
	uint8_t buffer[256];
	struct coax_message m;
	char uri[80];

	begin(KEY);
	sprintf(uri, "%s/a", secure_uri);
	EXPECT_EQ(get_with("", COAX_PROXY_URI, uri, strlen(uri))->code,
		  COAX_PROXYING_NOT_SUPPORTED);
	m = asking(buffer, sizeof(buffer), COAX_GET, "");
	coax_message_add_string(&m, COAX_PROXY_URI, uri);
	EXPECT_STREQ(ask_securely(&m)->text, "v1");
	EXPECT_STREQ(ask_securely(&m)->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	/* And what they got is not for the others. */
	EXPECT_EQ(get_with("", COAX_PROXY_URI, uri, strlen(uri))->code,
		  COAX_PROXYING_NOT_SUPPORTED);
	end();
}

static void hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, "hello", 5);
	coax_respond(responder, COAX_CONTENT);
}

static const struct said *get_own(uint16_t port, bool securely)
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "");
	char uri[80];

	sprintf(uri, "coaps://127.0.0.1:%u/own", port);
	coax_message_add_string(&m, COAX_PROXY_URI, uri);
	return securely ? ask_securely(&m) : ask_message(&m);
}

TEST("what is here by coaps is so for those who come by it")
{
	const struct coax_resource_options own = {.path = "own", .get = hello};
	uint16_t port;

	begin(KEY);
	port = coax_context_secure_port(between.context);
	ASSERT_EQ(coax_site_add(between.site, &own, NULL), 0);
	EXPECT_STREQ(get_own(port, true)->text, "hello");
	EXPECT_EQ(get_own(port, false)->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(between_stats().forwarded, 0ULL);
	end();
}

TEST_MAIN()
