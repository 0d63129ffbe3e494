// SPDX-License-Identifier: BSD-2-Clause
/*
 * How a proxy finds who is to be asked: by prefix, by the host's name, or because the client says
 * so (RFC 7252 sections 5.7.2 and 5.7.3), over loopback.
 */
#include "../hosts.h"
#include "../proxy.h"

static struct origin origins[2];

/* "p" is the first origin's, the host "b.example" the second's; `allowed` for forward-proxying. */
static void begin(const char *const *allowed, size_t count)
{
	const char *uris[2];
	const struct coax_proxy_mapping mappings[] = {
		{.prefix = "p", .origins = &uris[0], .origin_count = 1},
		{.host = "B.example", .origins = &uris[1], .origin_count = 1},
	};
	const struct coax_proxy_options options = {.mappings = mappings,
						   .mapping_count = 2,
						   .allowed = allowed,
						   .allowed_count = count};

	for (int i = 0; i < 2; i++) {
		origin_start(&origins[i]);
		atomic_store(&origins[i].version, i + 1);
		uris[i] = origins[i].uri;
	}
	between_start(&options);
}

static void end(void)
{
	between_end();
	origin_end(&origins[0]);
	origin_end(&origins[1]);
}

TEST("what is asked of a host by its name is its origin's, path and all, in any letter case")
{
	char uri[64];

	begin(NULL, 0);
	EXPECT_STREQ(get_with("p/x", COAX_URI_HOST, "b.example", 9)->text, "v2");
	ASSERT_GT(coax_uri_compose_path(&origins[1].seen, uri, sizeof(uri)), 0);
	EXPECT_STREQ(uri, "/p/x");
	EXPECT_STREQ(get_with("p/x", COAX_URI_HOST, "B.EXAMPLE", 9)->text, "v2");
	EXPECT_EQ(origins[1].requests, 1);
	EXPECT_STREQ(get("p/x")->text, "v1");
	EXPECT_STREQ(get_with("p/x", COAX_URI_HOST, "c.example", 9)->text, "v1");
	EXPECT_EQ(get_with("x", COAX_URI_HOST, "c.example", 9)->code, COAX_NOT_FOUND);
	EXPECT_EQ(origins[0].requests, 1);
	end();
}

static const struct said *get_uri(const char *uri)
{
	return get_with("", COAX_PROXY_URI, uri, strlen(uri));
}

/* "coap://127.0.0.1:PORT" and what follows. */
static const char *uri_of(const struct origin *origin, const char *path)
{
	static char uri[128];

	snprintf(uri, sizeof(uri), "%s%s", origin->uri, path);
	return uri;
}

TEST("a forward-proxy fetches what a Proxy-Uri names, and keeps it by that")
{
	static const char *const any[] = {"*:*"};
	char uri[64];

	begin(any, 1);
	EXPECT_STREQ(get_uri(uri_of(&origins[0], "/a%20b?c"))->text, "v1");
	ASSERT_GT(coax_uri_compose_path(&origins[0].seen, uri, sizeof(uri)), 0);
	EXPECT_STREQ(uri, "/a%20b?c");
	EXPECT_FALSE(origin_saw(&origins[0], COAX_PROXY_URI));
	EXPECT_FALSE(origin_saw(&origins[0], COAX_URI_HOST));
	EXPECT_STREQ(get_uri(uri_of(&origins[0], "/a%20b?c"))->text, "v1");
	EXPECT_EQ(origins[0].requests, 1);
	EXPECT_STREQ(get_uri(uri_of(&origins[1], "/a%20b?c"))->text, "v2");
	EXPECT_STREQ(get_uri(uri_of(&origins[0], "/a"))->text, "v1");
	EXPECT_EQ(origins[0].requests, 2);
	end();
}

TEST("a Proxy-Scheme with Uri-Host, Uri-Port and the rest names the same, and shares the response")
{
	static const char *const allowed[] = {"127.0.0.1:*"};
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "a?b");

	begin(allowed, 1);
	coax_message_add_string(&m, COAX_PROXY_SCHEME, "coap");
	coax_message_add_string(&m, COAX_URI_HOST, "127.0.0.1");
	coax_message_add_uint(&m, COAX_URI_PORT, coax_context_port(origins[1].context));
	EXPECT_STREQ(ask_message(&m)->text, "v2");
	EXPECT_FALSE(origin_saw(&origins[1], COAX_PROXY_SCHEME));
	EXPECT_FALSE(origin_saw(&origins[1], COAX_URI_PORT));
	EXPECT_STREQ(get_uri(uri_of(&origins[1], "/a?b"))->text, "v2");
	EXPECT_EQ(origins[1].requests, 1);
	end();
}

TEST("a change through the forward-proxy makes what is stored stale")
{
	static const char *const any[] = {"*:*"};
	uint8_t buffer[256];
	struct coax_message m;

	begin(any, 1);
	get_uri(uri_of(&origins[0], "/a"));
	get_uri(uri_of(&origins[1], "/a"));
	m = asking(buffer, sizeof(buffer), COAX_PUT, "");
	coax_message_add_string(&m, COAX_PROXY_URI, uri_of(&origins[0], "/a"));
	coax_message_set_payload(&m, "new", 3);
	atomic_store(&origins[0].code, COAX_CHANGED);
	EXPECT_EQ(ask_message(&m)->code, COAX_CHANGED);
	EXPECT_EQ(origins[0].seen.length - origins[0].seen.payload, 3U);
	atomic_store(&origins[0].code, COAX_CONTENT);
	get_uri(uri_of(&origins[0], "/a"));
	EXPECT_EQ(origins[0].requests, 3);
	get_uri(uri_of(&origins[1], "/a"));
	EXPECT_EQ(origins[1].requests, 1);
	end();
}

TEST("what is not allowed, of another scheme, or no URI, is not asked for")
{
	static const char *const allowed[] = {"*.example", "127.0.0.1:1", "[::1]:*"};
	static const struct {
		const char *uri;
		uint8_t code;
	} uris[] = {
		{"coap://127.0.0.1/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coap://127.0.0.1:2/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coap://example/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coap://xexample/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coap://a.example:1/a", COAX_PROXYING_NOT_SUPPORTED},
		{"http://a.example/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coaps://a.example/a", COAX_PROXYING_NOT_SUPPORTED},
		{"coap://127.0.0.1:1/a", COAX_BAD_GATEWAY},
		{"/a", COAX_BAD_OPTION},
		{"coap://", COAX_BAD_OPTION},
		{"coap://a.example/#f", COAX_BAD_OPTION},
	};

	begin(allowed, 3);
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
		EXPECT_EQ(get_uri(uris[i].uri)->code, uris[i].code);
	EXPECT_EQ(get_with("", COAX_PROXY_URI, "coap://a.exa\0mple/", 18)->code, COAX_BAD_OPTION);
	/* Scheme without a host: one is there only where the request came to. */
	EXPECT_EQ(get_with("a", COAX_PROXY_SCHEME, "coap", 4)->code, COAX_NOT_FOUND);
	EXPECT_EQ(get_with("a", COAX_PROXY_SCHEME, "x", 1)->code, COAX_BAD_OPTION);
	EXPECT_EQ(origins[0].requests + origins[1].requests, 0);
	end();
}

TEST("who is let in at a path is not let in to the forward-proxy by naming it besides")
{
	static const char *const any[] = {"*:*"};
	static const struct coax_access_rule rules[] = {
		{"/", "secure", COAX_ACCESS_ALL},
		{"/open", "*", COAX_ACCESS_ALL},
	};
	struct coax_access *access;
	uint8_t buffer[256];
	struct coax_message m;
	size_t bad;

	begin(any, 1);
	ASSERT_EQ(coax_access_create(&access, rules, 2, &bad), 0);
	ASSERT_EQ(coax_site_set_access(between.site, access), 0);
	EXPECT_EQ(get("open")->code, COAX_NOT_FOUND);
	m = asking(buffer, sizeof(buffer), COAX_GET, "open");
	coax_message_add_string(&m, COAX_PROXY_URI, uri_of(&origins[0], "/a"));
	EXPECT_EQ(ask_message(&m)->code, COAX_UNAUTHORIZED);
	m = asking(buffer, sizeof(buffer), COAX_GET, "open");
	coax_message_add_string(&m, COAX_PROXY_SCHEME, "coap");
	coax_message_add_string(&m, COAX_URI_HOST, "127.0.0.1");
	coax_message_add_uint(&m, COAX_URI_PORT, coax_context_port(origins[0].context));
	EXPECT_EQ(ask_message(&m)->code, COAX_UNAUTHORIZED);
	EXPECT_EQ(origins[0].requests, 0);
	end();
}

TEST("without an allow list it is no forward-proxy")
{
	begin(NULL, 0);
	EXPECT_EQ(get_uri(uri_of(&origins[0], "/a"))->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(origins[0].requests, 0);
	end();
}

TEST("a name that stands for nothing gets 5.02, one that does is looked up and asked by its name")
{
	static const char *const any[] = {"*:*"};
	struct coax_option host;
	char uri[64];

	set_hosts("127.0.0.1 localhost\n");
	begin(any, 1);
	EXPECT_EQ(get_uri("coap://nowhere.invalid/a")->code, COAX_BAD_GATEWAY);
	sprintf(uri, "coap://localhost:%u/a", coax_context_port(origins[0].context));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(get_uri(uri)->code, COAX_CONTENT);
		ASSERT_TRUE(coax_message_find(&origins[0].seen, COAX_URI_HOST, &host));
		EXPECT_MEMEQ(host.value, "localhost", 9);
		EXPECT_FALSE(origin_saw(&origins[0], COAX_URI_PORT));
		strcat(uri, "b");
	}
	end();
}

/* So the first origin is not among them any more. */
static void ask_more_targets_than_are_kept(void)
{
	char uri[64];

	EXPECT_STREQ(get_uri(uri_of(&origins[0], "/a"))->text, "v1");
	for (int i = 0; i < 1100; i++) {
		/* Nobody listens there: that is said at once. */
		sprintf(uri, "coap://127.0.%d.%d:9/a", 1 + i / 250, 1 + i % 250);
		EXPECT_EQ(COAX_CODE_CLASS(get_uri(uri)->code), 5);
	}
}

TEST("more targets than are kept are asked all the same, and what was stored of them is theirs")
{
	static const char *const any[] = {"*:*"};
	uint8_t buffer[256];
	struct coax_message m;

	begin(any, 1);
	ask_more_targets_than_are_kept();
	EXPECT_STREQ(get_uri(uri_of(&origins[0], "/a"))->text, "v1");
	EXPECT_EQ(origins[0].requests, 1);
	/* So a change finds it, wherever it has been published. */
	m = asking(buffer, sizeof(buffer), COAX_DELETE, "");
	coax_message_add_string(&m, COAX_PROXY_URI, uri_of(&origins[0], "/a"));
	atomic_store(&origins[0].code, COAX_DELETED);
	EXPECT_EQ(ask_message(&m)->code, COAX_DELETED);
	EXPECT_EQ(between_stats().invalidated, 1ULL);
	end();
}

TEST("of targets that are not allowed any more nothing is left, whether they were asked lately or not")
{
	static const char *const any[] = {"*:*"}, *const nowhere[] = {"nowhere.example"};
	const char *second = origins[1].uri + strlen("coap://");
	struct coax_proxy_options narrow = {
		.allowed = &second, .allowed_count = 1, .logger = {.write = requester_nobody_logs}};

	begin(any, 1);
	ask_more_targets_than_are_kept();
	EXPECT_STREQ(get_uri(uri_of(&origins[1], "/a"))->text, "v2");
	WAIT_FOR(between_stats().entries == 2);
	ASSERT_EQ(coax_proxy_set(between.proxy, &narrow), 0);
	EXPECT_EQ(between_stats().entries, 1ULL);
	EXPECT_STREQ(get_uri(uri_of(&origins[1], "/a"))->text, "v2");
	EXPECT_EQ(origins[1].requests, 1);
	narrow.allowed = nowhere;
	ASSERT_EQ(coax_proxy_set(between.proxy, &narrow), 0);
	EXPECT_EQ(between_stats().entries, 0ULL);
	end();
}

static int create_with(const struct coax_proxy_mapping *mapping)
{
	const struct coax_proxy_options options = {.mappings = mapping,
						   .mapping_count = 1,
						   .logger = {.write = requester_nobody_logs}};
	struct coax_proxy *proxy = NULL;
	struct coax_site *site;
	int err;

	ASSERT_EQ(coax_site_create(&site), 0);
	err = coax_proxy_create(&proxy, site, &options);
	coax_proxy_destroy(proxy);
	coax_site_destroy(site);
	return err;
}

TEST("mappings that make no sense are refused")
{
	static const char *const bad[] = {"coap://h/?q", "h", "coap://", "coap://h/#f", ""};
	const char *good = "coap://192.0.2.1", *origin;
	struct coax_proxy_mapping mapping = {.prefix = "p", .origins = &origin, .origin_count = 1};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		origin = bad[i];
		EXPECT_LT(create_with(&mapping), 0);
	}
	origin = "http://h/";
	EXPECT_EQ(create_with(&mapping), -EPROTONOSUPPORT);
	origin = good;
	EXPECT_EQ(create_with(&mapping), 0);
	mapping.host = "h";
	EXPECT_EQ(create_with(&mapping), -EINVAL);
	mapping.prefix = mapping.host = NULL;
	EXPECT_EQ(create_with(&mapping), -EINVAL);
	mapping.prefix = "p?q";
	EXPECT_LT(create_with(&mapping), 0);
	mapping.prefix = "p";
	mapping.origin_count = 0;
	EXPECT_EQ(create_with(&mapping), -EINVAL);
}

TEST_MAIN()
