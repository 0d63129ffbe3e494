// SPDX-License-Identifier: BSD-2-Clause
/* Who may do what: access rules, and resources that ask for DTLS. */
#include "../site.h"
#include <coax/access.h>
#include <coax/claims.h>
#include <sodium.h>

static const char *const gateway_names[] = {"URI:coaps://gw", "DNS:Gateway.Example"};
static const uint8_t public_key[] = {0x30, 0x59, 0x30, 0x13};

static const struct coax_claims unknown = {.kind = COAX_CLAIMS_ANONYMOUS, .label = ":a"},
				sensor = {.kind = COAX_CLAIMS_PSK,
					  .label = ":sensors",
					  .identity = (const uint8_t *)"sensor-17",
					  .identity_length = 9},
				zero = {.kind = COAX_CLAIMS_PSK,
					.identity = (const uint8_t *)"sensor\0evil",
					.identity_length = 11},
				gateway = {.kind = COAX_CLAIMS_CERTIFICATE,
					   .subject = "CN=gateway,O=Example",
					   .names = gateway_names,
					   .name_count = 2,
					   .public_key = public_key,
					   .public_key_length = sizeof(public_key)};

static void content(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CONTENT);
}

static void changed(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CHANGED);
}

static void add(struct coax_site *site, const char *path, bool secure)
{
	const struct coax_resource_options options = {
		.path = path,
		.get = content,
		.put = changed,
		.cacheable = true,
		.secure = secure,
		.subtree = true,
	};

	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
}

static struct coax_site *make_site(const struct coax_access_rule *rules, size_t count)
{
	static const char *const paths[] = {"a", "a/b", "ab", "public", "private", ""};
	struct coax_access *access;
	struct coax_site *site;
	size_t bad;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		add(site, paths[i], false);
	ASSERT_EQ(coax_access_create(&access, rules, count, &bad), 0);
	ASSERT_EQ(coax_site_set_access(site, access), 0);
	return site;
}

static uint8_t ask_as(struct asked *asked, struct coax_site *site, const struct coax_claims *claims,
		      uint8_t code, const char *path)
{
	ask(asked, code, path);
	asked->responder.claims = claims;
	return ask_site(asked, site);
}

static uint8_t get_as(struct coax_site *site, const struct coax_claims *claims, const char *path)
{
	struct asked asked;

	return ask_as(&asked, site, claims, COAX_GET, path);
}

TEST("who a rule is for: everybody, who is secure, or whoever has shown this")
{
	static const struct {
		const char *who;
		bool plain, unknown, sensor, zero, gateway;
	} cases[] = {
		{"*", true, true, true, true, true},
		{"secure", false, true, true, true, true},
		{":sensors", false, false, true, false, false},
		{":sensor", false, false, false, false, false},
		{":a", false, false, false, false, false},
		{"psk:sensor-17", false, false, true, false, false},
		{"psk:Sensor-17", false, false, false, false, false},
		{"psk:sensor-1", false, false, false, false, false},
		{"psk:sensor*", false, false, true, true, false},
		{"psk:sensor", false, false, false, false, false},
		{"psk:*17", false, false, true, false, false},
		{"psk:*", false, false, true, true, false},
		{"subject:CN=gateway,*", false, false, false, false, true},
		{"subject:CN=gateway", false, false, false, false, false},
		{"subject:*", false, false, false, false, true},
		{"name:DNS:*.example", false, false, false, false, true},
		{"name:DNS:gateway.EXAMPLE", false, false, false, false, true},
		{"name:DNS:example", false, false, false, false, false},
		{"name:URI:coaps://gw", false, false, false, false, true},
		{"name:URI:coaps://GW", false, false, false, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct coax_access_rule rule = {"/", cases[i].who, COAX_ACCESS_ALL};
		struct coax_site *site = make_site(&rule, 1);

		if (harness_failed)
			HARNESS_SAY("before %s", cases[i].who);
		EXPECT_EQ(get_as(site, NULL, "a"),
			  cases[i].plain ? COAX_CONTENT : COAX_UNAUTHORIZED);
		EXPECT_EQ(get_as(site, &unknown, "a"),
			  cases[i].unknown ? COAX_CONTENT : COAX_FORBIDDEN);
		EXPECT_EQ(get_as(site, &sensor, "a"),
			  cases[i].sensor ? COAX_CONTENT : COAX_FORBIDDEN);
		EXPECT_EQ(get_as(site, &zero, "a"), cases[i].zero ? COAX_CONTENT : COAX_FORBIDDEN);
		EXPECT_EQ(get_as(site, &gateway, "a"),
			  cases[i].gateway ? COAX_CONTENT : COAX_FORBIDDEN);
		coax_site_destroy(site);
	}
}

TEST("a public key is named by its SHA-256")
{
	char who[4 + 2 * crypto_hash_sha256_BYTES + 1] = "key:";
	struct coax_access_rule rule = {"/", who, COAX_ACCESS_ALL};
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct coax_site *site;

	crypto_hash_sha256(hash, public_key, sizeof(public_key));
	sodium_bin2hex(who + 4, sizeof(who) - 4, hash, sizeof(hash));
	site = make_site(&rule, 1);
	EXPECT_EQ(get_as(site, &gateway, "a"), COAX_CONTENT);
	EXPECT_EQ(get_as(site, &sensor, "a"), COAX_FORBIDDEN);
	coax_site_destroy(site);
	who[4] = who[4] == '0' ? '1' : '0';
	site = make_site(&rule, 1);
	EXPECT_EQ(get_as(site, &gateway, "a"), COAX_FORBIDDEN);
	coax_site_destroy(site);
}

TEST("a rule is for its path and what is below it, by whole segments, and the longest path counts")
{
	static const struct coax_access_rule rules[] = {
		{"/", "*", COAX_ACCESS_ALL},
		{"/a", ":sensors", COAX_ACCESS_ALL},
		{"/a/%62/c/", "*", COAX_ACCESS_ALL},
		{"/a/b/..%2F", ":nobody", COAX_ACCESS_ALL},
	};
	static const struct {
		const char *path;
		bool open;
	} cases[] = {
		{"", true},	      {"ab", true},	{"A", true},	   {"a", false},
		{"a/", false},	      {"a/b", false},	{"%61", false},	   {"%61/x", false},
		{"a/b/c", true},      {"a/b/c/", true}, {"a/b/c/d", true}, {"a/b/cd", false},
		{"a//b", false},      {"/a", false},	{"//a", true},	   {"a%2fb", true},
		{"a%2Fb/c", true},    {"a?x", false},	{"ab?/a", true},   {"a/b/C", false},
		{"a/b/..%2f", false},
	};
	struct coax_site *site = make_site(rules, sizeof(rules) / sizeof(rules[0]));

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t code = get_as(site, NULL, cases[i].path);

		if ((code == COAX_UNAUTHORIZED) == cases[i].open)
			HARNESS_SAY("%s gives %u", cases[i].path, code);
		EXPECT_EQ(code != COAX_UNAUTHORIZED, cases[i].open);
	}
	coax_site_destroy(site);
}

TEST("of the rules with the longest path one has to allow the method")
{
	static const struct coax_access_rule rules[] = {
		{"/a", "psk:*", COAX_ACCESS_METHOD(COAX_PUT)},
		{"/", "*", COAX_ACCESS_ALL},
		{"/a", "*", COAX_ACCESS_READ},
		{"/a/b", ":sensors", COAX_ACCESS_METHOD(COAX_PUT)},
	};
	struct coax_site *site = make_site(rules, sizeof(rules) / sizeof(rules[0]));
	struct asked asked;

	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_PUT, "ab"), COAX_CHANGED);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_GET, "a"), COAX_CONTENT);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_PUT, "a"), COAX_UNAUTHORIZED);
	EXPECT_EQ(ask_as(&asked, site, &gateway, COAX_PUT, "a"), COAX_FORBIDDEN);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_PUT, "a"), COAX_CHANGED);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_GET, "a"), COAX_CONTENT);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_GET, "a/b"), COAX_FORBIDDEN);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_PUT, "a/b/x"), COAX_CHANGED);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_FETCH, "a"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(ask_as(&asked, site, NULL, 31, "ab"), COAX_METHOD_NOT_ALLOWED);
	coax_site_destroy(site);
}

TEST("what no rule is for nobody may use, and nobody learns whether it is there")
{
	static const struct coax_access_rule rule = {"/public", "*", COAX_ACCESS_READ};
	struct coax_site *site = make_site(&rule, 1), *empty;
	struct asked asked;

	EXPECT_EQ(get_as(site, NULL, "public"), COAX_CONTENT);
	EXPECT_EQ(get_as(site, NULL, "private"), COAX_UNAUTHORIZED);
	EXPECT_EQ(get_as(site, &sensor, "private"), COAX_FORBIDDEN);
	EXPECT_EQ(get_as(site, NULL, ".well-known/core"), COAX_UNAUTHORIZED);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_POST, "private"), COAX_UNAUTHORIZED);
	EXPECT_EQ(asked.responder.response.payload, asked.responder.response.length);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);

	ASSERT_EQ(coax_site_create(&empty), 0);
	{
		struct coax_access *access;
		size_t bad;

		ASSERT_EQ(coax_access_create(&access, &rule, 1, &bad), 0);
		ASSERT_EQ(coax_site_set_access(empty, access), 0);
	}
	EXPECT_EQ(get_as(empty, NULL, "private"), COAX_UNAUTHORIZED);
	EXPECT_EQ(get_as(empty, NULL, "public"), COAX_NOT_FOUND);
	coax_site_destroy(empty);
}

TEST("segments . and .., which no path has (RFC 7252 section 5.10.1), lead nowhere")
{
	static const struct coax_access_rule rule = {"/", "*", COAX_ACCESS_ALL};
	struct coax_site *site = make_site(&rule, 1);
	struct asked asked;

	ask(&asked, COAX_GET, "public");
	ask_option(&asked, COAX_URI_PATH, "..", 2);
	ask_option(&asked, COAX_URI_PATH, "private", 7);
	EXPECT_EQ(ask_site(&asked, site), COAX_UNAUTHORIZED);
	ask(&asked, COAX_GET, "public");
	ask_option(&asked, COAX_URI_PATH, ".", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_UNAUTHORIZED);
	ask(&asked, COAX_GET, "public");
	ask_option(&asked, COAX_URI_PATH, "...", 3);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("rules come and go while the Site is served")
{
	static const struct coax_access_rule rule = {"/", "secure", COAX_ACCESS_ALL};
	struct coax_site *site = make_site(&rule, 1);

	EXPECT_EQ(get_as(site, NULL, "a"), COAX_UNAUTHORIZED);
	ASSERT_EQ(coax_site_set_access(site, NULL), 0);
	EXPECT_EQ(get_as(site, NULL, "a"), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("what one of two sets of rules does not allow is refused")
{
	const struct coax_access_rule rules[] = {{"/", "*", COAX_ACCESS_ALL}};
	const struct coax_access_rule others[] = {{"/", "*", COAX_ACCESS_READ},
						  {"/a", "secure", COAX_ACCESS_ALL}};
	struct coax_access *access, *also;
	struct asked asked;
	struct coax_site *site = make_site(rules, 1);
	size_t bad;

	ASSERT_EQ(coax_access_create(&access, rules, 1, &bad), 0);
	ASSERT_EQ(coax_access_create(&also, others, 2, &bad), 0);
	coax_access_narrow(access, also);
	ASSERT_EQ(coax_site_set_access(site, access), 0);
	EXPECT_EQ(get_as(site, NULL, "public"), COAX_CONTENT);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_PUT, "public"), COAX_UNAUTHORIZED);
	EXPECT_EQ(get_as(site, NULL, "a"), COAX_UNAUTHORIZED);
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_PUT, "a"), COAX_CHANGED);
	coax_site_destroy(site);
}

TEST("a rule that makes no sense is named")
{
	static const struct coax_access_rule rules[] = {
		{"a", "*", COAX_ACCESS_ALL},
		{"/a?x", "*", COAX_ACCESS_ALL},
		{"/{a}", "*", COAX_ACCESS_ALL},
		{"/%4", "*", COAX_ACCESS_ALL},
		{"/a", "", COAX_ACCESS_ALL},
		{"/a", ":", COAX_ACCESS_ALL},
		{"/a", "anybody", COAX_ACCESS_ALL},
		{"/a", "psk:", COAX_ACCESS_ALL},
		{"/a", "key:00", COAX_ACCESS_ALL},
		{"/a", "key:zz", COAX_ACCESS_ALL},
		{"/a", "*", 0},
		{NULL, "*", COAX_ACCESS_ALL},
		{"/a", NULL, COAX_ACCESS_ALL},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct coax_access_rule both[] = {{"/", "*", COAX_ACCESS_ALL}, rules[i]};
		struct coax_access *access;
		size_t bad = 0;

		EXPECT_EQ(coax_access_create(&access, both, 2, &bad), -EINVAL);
		EXPECT_EQ(bad, 1u);
	}
}

TEST("a resource that asks for DTLS is not for plain coap, nor for the kernel")
{
	struct coax_site *site;
	struct asked asked;

	ASSERT_EQ(coax_site_create(&site), 0);
	add(site, "open", false);
	add(site, "closed", true);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_GET, "open"), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_GET, "closed"), COAX_UNAUTHORIZED);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_POST, "closed/x"), COAX_UNAUTHORIZED);
	EXPECT_EQ(ask_as(&asked, site, &unknown, COAX_GET, "closed"), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

TEST("what a secure session is told is never published, whoever else may read it")
{
	static const struct coax_access_rule rule = {"/", "*", COAX_ACCESS_ALL};
	struct coax_site *site = make_site(&rule, 1);
	struct asked asked;

	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_GET, "a"), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_GET, "a"), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	EXPECT_TRUE(coax_responder_claims(&asked.responder) == &sensor);
	coax_site_destroy(site);
}

static void write_links(struct coax_link_writer *writer, void *arg)
{
	(void)arg;
	coax_link_begin(writer, "/public/open", strlen("/public/open"));
	coax_link_begin(writer, "/public/shut%20", strlen("/public/shut%20"));
	coax_link_begin(writer, "coap://elsewhere/private", strlen("coap://elsewhere/private"));
}

TEST("/.well-known/core lists to each client what it may read")
{
	static const struct coax_access_rule rules[] = {
		{"/", "*", COAX_ACCESS_READ},
		{"/private", ":sensors", COAX_ACCESS_ALL},
		{"/public/shut ", ":sensors", COAX_ACCESS_METHOD(COAX_PUT)},
		{"/ab", "*", COAX_ACCESS_METHOD(COAX_PUT)},
	};
	const struct coax_access_rule percent[] = {
		rules[0], rules[1], {"/public/shut%20", ":sensors", COAX_ACCESS_READ}, rules[3]};
	const struct coax_resource_options links = {
		.path = "links", .get = content, .subtree = true, .links = write_links};
	struct coax_site *site = make_site(percent, 4);
	struct asked asked;

	add(site, "dtls", true);
	ASSERT_EQ(coax_site_add(site, &links, NULL), 0);
	EXPECT_EQ(ask_as(&asked, site, NULL, COAX_GET, ".well-known/core"), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked),
		     "</>,</a>,</a/b>,</public>,</public/open>,<coap://elsewhere/private>");
	EXPECT_EQ(ask_as(&asked, site, &sensor, COAX_GET, ".well-known/core"), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked),
		     "</>,</a>,</a/b>,</dtls>,</private>,</public>,</public/open>,"
		     "</public/shut%20>,<coap://elsewhere/private>");
	coax_site_destroy(site);
}

TEST_MAIN()
