// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to a forward-proxy for what is its own are local requests (RFC 7252 section 5.7.2); what
 * comes back by a name all the same ends by its hops (RFC 8768), over loopback.
 */
#include "../hosts.h"
#include "../proxy.h"

static struct origin origin;

/* Nothing else may be asked for. */
static const char *const allowed[] = {"nowhere.example"};

static void hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, "hello", 5);
	coax_respond(responder, COAX_CONTENT);
}

static void large(struct coax_responder *responder, void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	ASSERT_EQ(coax_responder_set_payload(responder, numbered_bytes(), 5000), 0);
	coax_respond(responder, COAX_CONTENT);
}

static atomic_int rendered;

/* "p" and the host "b.example" are the origin's; "own" and "large" are the Site's. */
static void begin_with(const char *const *forward, size_t count)
{
	const char *uri = origin.uri;
	const struct coax_proxy_mapping mappings[] = {
		{.prefix = "p", .origins = &uri, .origin_count = 1},
		{.host = "b.example", .origins = &uri, .origin_count = 1},
	};
	const struct coax_proxy_options options = {.mappings = mappings,
						   .mapping_count = 2,
						   .allowed = forward,
						   .allowed_count = count};
	const struct coax_resource_options own = {.path = "own", .get = hello};
	const struct coax_resource_options body = {.path = "large", .get = large, .arg = &rendered};

	origin_start(&origin);
	between_start(&options);
	atomic_store(&rendered, 0);
	ASSERT_EQ(coax_site_add(between.site, &own, NULL), 0);
	ASSERT_EQ(coax_site_add(between.site, &body, NULL), 0);
}

static void begin(void)
{
	begin_with(allowed, 1);
}

static void end(void)
{
	between_end();
	origin_end(&origin);
}

static const struct said *get_uri(const char *uri)
{
	return get_with("", COAX_PROXY_URI, uri, strlen(uri));
}

/* "coap://HOST:PORT" of the proxy, and what follows. */
static const char *own_uri(const char *host, const char *path)
{
	static char uri[128];

	snprintf(uri, sizeof(uri), "coap://%s:%u%s", host, between.port, path);
	return uri;
}

TEST("a Proxy-Uri with the address and port that it came to is a request for what is here")
{
	begin();
	EXPECT_STREQ(get_uri(own_uri("127.0.0.1", "/own"))->text, "hello");
	EXPECT_EQ(get_uri(own_uri("127.0.0.1", "/none"))->code, COAX_NOT_FOUND);
	EXPECT_EQ(get_uri(own_uri("127.0.0.2", "/own"))->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(get_uri("coap://127.0.0.1:1/own")->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(get_uri("coaps://127.0.0.1/own")->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(between_stats().forwarded, 0ULL);
	end();
}

TEST("who is no forward-proxy does not take what is here so, either")
{
	begin_with(NULL, 0);
	EXPECT_EQ(get_uri(own_uri("127.0.0.1", "/own"))->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(get_uri(own_uri("b.example", "/x"))->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("what a mapping serves is asked for once, under its own key")
{
	char uri[64];

	begin();
	EXPECT_STREQ(get_uri(own_uri("127.0.0.1", "/p/a%20b?c"))->text, "v1");
	ASSERT_GT(coax_uri_compose_path(&origin.seen, uri, sizeof(uri)), 0);
	EXPECT_STREQ(uri, "/a%20b?c");
	EXPECT_STREQ(get("p/a%20b?c")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	end();
}

TEST("a host that a mapping stands for is ours with our port, in any letter case")
{
	begin();
	EXPECT_STREQ(get_uri(own_uri("B.Example", "/x"))->text, "v1");
	EXPECT_STREQ(get_with("x", COAX_URI_HOST, "b.example", 9)->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	EXPECT_EQ(get_uri("coap://b.example/x")->code, COAX_PROXYING_NOT_SUPPORTED);
	end();
}

TEST("a Proxy-Scheme says the same; without Uri-Host it is the address that the request came to")
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "own");

	begin();
	coax_message_add_string(&m, COAX_PROXY_SCHEME, "coap");
	EXPECT_STREQ(ask_message(&m)->text, "hello");
	coax_message_add_uint(&m, COAX_URI_PORT, between.port);
	EXPECT_STREQ(ask_message(&m)->text, "hello");
	coax_message_add_string(&m, COAX_URI_HOST, "127.0.0.1");
	EXPECT_STREQ(ask_message(&m)->text, "hello");
	coax_message_remove(&m, COAX_URI_HOST);
	coax_message_remove(&m, COAX_URI_PORT);
	coax_message_add_uint(&m, COAX_URI_PORT, 1);
	EXPECT_EQ(ask_message(&m)->code, COAX_BAD_OPTION);
	end();
}

TEST("access rules are about the path that is asked for")
{
	static const struct coax_access_rule rules[] = {
		{"/", "secure", COAX_ACCESS_ALL},
		{"/own", "*", COAX_ACCESS_ALL},
	};
	struct coax_access *access;
	size_t bad;

	begin();
	ASSERT_EQ(coax_access_create(&access, rules, 2, &bad), 0);
	ASSERT_EQ(coax_site_set_access(between.site, access), 0);
	EXPECT_STREQ(get_uri(own_uri("127.0.0.1", "/own"))->text, "hello");
	EXPECT_EQ(get_uri(own_uri("127.0.0.1", "/p/a"))->code, COAX_UNAUTHORIZED);
	EXPECT_EQ(get_uri(own_uri("127.0.0.1", "/own/../p/a"))->code, COAX_UNAUTHORIZED);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("a body in blocks is rendered once, and comes whole")
{
	const struct said *said;
	const uint8_t *payload;
	size_t length;

	begin();
	said = get_uri(own_uri("127.0.0.1", "/large"));
	payload = coax_message_payload(&said->m, &length);
	ASSERT_EQ(length, 5000U);
	EXPECT_MEMEQ(payload, numbered_bytes(), 5000);
	EXPECT_EQ(rendered, 1);
	end();
}

TEST("a change by a Proxy-Uri of our own makes what is stored stale")
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_PUT, "");

	begin();
	get("p/a");
	coax_message_add_string(&m, COAX_PROXY_URI, own_uri("127.0.0.1", "/p/a"));
	coax_message_set_payload(&m, "new", 3);
	atomic_store(&origin.code, COAX_CHANGED);
	EXPECT_EQ(ask_message(&m)->code, COAX_CHANGED);
	EXPECT_EQ(origin.seen.length - origin.seen.payload, 3U);
	atomic_store(&origin.code, COAX_CONTENT);
	get("p/a");
	EXPECT_EQ(origin.requests, 3);
	end();
}

static void count_notification(void *arg, const struct coax_message *notification)
{
	(void)notification;
	atomic_fetch_add((atomic_int *)arg, 1);
}

TEST("who observes by a Proxy-Uri of our own is told of changes")
{
	struct coax_observation *observation;
	atomic_int notifications = 0;
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "");

	begin();
	coax_message_add_string(&m, COAX_PROXY_URI, own_uri("127.0.0.1", "/p/a"));
	ASSERT_EQ(coax_observe(between.client, &between.address, &m, NULL, &observation), 0);
	coax_observation_on_notification(observation, count_notification, &notifications);
	WAIT_FOR(notifications == 1);
	coax_resource_changed(origin.resource);
	WAIT_FOR(notifications == 2);
	EXPECT_EQ(between_stats().watches, 1ULL);
	coax_observation_free(observation);
	end();
}

TEST("at any address, all that this host has is ours")
{
	const struct coax_proxy_options options = {
		.allowed = allowed, .allowed_count = 1, .logger = {.write = requester_nobody_logs}};
	const struct coax_resource_options own = {.path = "own", .get = hello};
	const char *bind = "*:0";
	struct coax_context_options context = {
		.bind = &bind, .bind_count = 1, .workers = 1, .logger = options.logger};
	const char *hosts[] = {"127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"};

	ASSERT_EQ(coax_site_create(&between.site), 0);
	ASSERT_EQ(coax_site_add(between.site, &own, NULL), 0);
	ASSERT_EQ(coax_proxy_create(&between.proxy, between.site, &options), 0);
	context.site = between.site;
	ASSERT_EQ(coax_context_create(&between.context, &context), 0);
	ASSERT_EQ(coax_proxy_start(between.proxy, between.context), 0);
	between.port = coax_context_port(between.context);
	ASSERT_EQ(coax_address_parse(&between.address, "127.0.0.1", between.port), 0);
	between.client = requester_start(1);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		EXPECT_STREQ(get_uri(own_uri(hosts[i], "/own"))->text, "hello");
	EXPECT_EQ(get_uri(own_uri("192.0.2.1", "/own"))->code, COAX_PROXYING_NOT_SUPPORTED);
	between_end();
}

/* Whoever follows the path comes back to it. */
static void begin_loop(const char *host)
{
	static const char *const any[] = {"*:*"};
	static char uri[64];
	const char *origins = uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "loop", .origins = &origins, .origin_count = 1};
	const struct coax_proxy_options options = {
		.mappings = &mapping, .mapping_count = 1, .allowed = any, .allowed_count = 1};
	struct peer peer;

	/* A port that is free. */
	peer_open(&peer);
	close(peer.fd);
	snprintf(uri, sizeof(uri), "coap://%s:%u/loop", host, ntohs(peer.address.in.sin_port));
	between_start_at(ntohs(peer.address.in.sin_port), &options);
}

/* So few hops take no time to use up. */
static const struct said *get_in_three_hops(const char *path, const char *proxy_uri)
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	if (proxy_uri)
		coax_message_add_string(&m, COAX_PROXY_URI, proxy_uri);
	coax_message_add_uint(&m, COAX_HOP_LIMIT, 3);
	return ask_message(&m);
}

TEST("a loop by a name of our own that nobody has told us ends with 5.08")
{
	const struct said *said;

	set_hosts("127.0.0.1 own-name.test\n");
	begin_loop("own-name.test");
	said = get_in_three_hops("", own_uri("own-name.test", "/loop/a"));
	EXPECT_EQ(said->code, COAX_HOP_LIMIT_REACHED);
	EXPECT_STREQ(said->text, "between between between");
	EXPECT_EQ(between_stats().forwarded, 2ULL);
	between_end();
}

TEST("a mapping whose origin is ourselves ends with 5.08 too")
{
	begin_loop("127.0.0.1");
	EXPECT_EQ(get_in_three_hops("loop/a", NULL)->code, COAX_HOP_LIMIT_REACHED);
	EXPECT_EQ(get_in_three_hops("", own_uri("127.0.0.1", "/loop/b"))->code,
		  COAX_HOP_LIMIT_REACHED);
	EXPECT_EQ(between_stats().forwarded, 4ULL);
	between_end();
}

TEST_MAIN()
