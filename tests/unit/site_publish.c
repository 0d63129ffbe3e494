// SPDX-License-Identifier: BSD-2-Clause
/* Which exchanges the kernel may be given to repeat. */
#include "accel/accel.h"
#include "../site.h"

static struct {
	uint8_t code;
	uint16_t option;
	const char *value;
	size_t length;
} answer;

static void handle(struct coax_responder *responder, void *arg)
{
	struct coax_message *response = coax_responder_response(responder);

	(void)arg;
	if (answer.option)
		coax_message_add(response, answer.option, answer.value, answer.length);
	coax_message_set_payload(response, "x", 1);
	coax_respond(responder, answer.code);
}

static struct coax_site *make_site(bool cacheable, bool queries)
{
	const struct coax_resource_options options = {
		.path = "r",
		.get = handle,
		.put = handle,
		.post = handle,
		.fetch = handle,
		.delete = handle,
		.conditional = true,
		.cacheable = cacheable,
		.cacheable_queries = queries,
	};
	struct coax_site *site;

	answer.code = COAX_CONTENT;
	answer.option = 0;
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

/* Whether the answer to a request for `path` with one more option (0: none) is publishable. */
static bool publishable(struct coax_site *site, uint8_t method, const char *path, uint16_t option,
			const void *value, size_t length)
{
	struct asked asked;

	ask(&asked, method, path);
	asked.blocks = true;
	if (option)
		ask_option(&asked, option, value, length);
	ask_site(&asked, site);
	return coax_responder_publishable(&asked.responder);
}

static bool plain_publishable(struct coax_site *site)
{
	return publishable(site, COAX_GET, "r", 0, NULL, 0);
}

TEST("a plain GET of a cacheable resource is publishable")
{
	struct coax_site *site = make_site(true, false);

	EXPECT_TRUE(plain_publishable(site));
	coax_site_destroy(site);
}

TEST("a GET of a resource that is not cacheable is not publishable")
{
	struct coax_site *site = make_site(false, false);

	EXPECT_FALSE(plain_publishable(site));
	coax_site_destroy(site);
}

static void no_links(struct coax_link_writer *writer, void *arg)
{
	(void)writer;
	(void)arg;
}

TEST("/.well-known/core is publishable with each filter, until resources come or go")
{
	const struct coax_resource_options options = {.path = "new", .get = handle};
	struct coax_site *site = make_site(true, false);
	struct coax_resource *resource;
	struct coax_subject *subject;
	struct asked asked;
	uint64_t generation;

	EXPECT_TRUE(publishable(site, COAX_GET, ".well-known/core", 0, NULL, 0));
	EXPECT_TRUE(publishable(site, COAX_GET, ".well-known/core?rt=a*", 0, NULL, 0));
	EXPECT_FALSE(publishable(site, COAX_GET, ".well-known/core", COAX_OBSERVE, "", 0));
	ask_plainly(&asked, site, COAX_GET, ".well-known/core");
	subject = asked.responder.subject;
	generation = asked.responder.generation;
	EXPECT_EQ(coax_subject_generation(subject), generation);
	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	EXPECT_GT(coax_subject_generation(subject), generation);
	generation = coax_subject_generation(subject);
	coax_site_remove(site, resource);
	EXPECT_GT(coax_subject_generation(subject), generation);
	coax_site_destroy(site);
}

TEST("links that are written without a word of change keep /.well-known/core from being published")
{
	struct coax_resource_options options = {
		.path = "files", .get = handle, .subtree = true, .links = no_links};
	struct coax_site *site = make_site(true, false);
	struct coax_resource *resource;
	struct coax_subject *subject;
	struct asked asked;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	EXPECT_FALSE(publishable(site, COAX_GET, ".well-known/core", 0, NULL, 0));
	coax_site_remove(site, resource);
	options.links_subject = subject;
	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	EXPECT_TRUE(publishable(site, COAX_GET, ".well-known/core", 0, NULL, 0));
	ask_plainly(&asked, site, COAX_GET, ".well-known/core");
	coax_subject_changed(subject);
	EXPECT_GT(coax_subject_generation(asked.responder.subject), asked.responder.generation);
	coax_site_remove(site, resource);
	EXPECT_FALSE(coax_subject_is_watched(subject));
	coax_site_destroy(site);
	coax_subject_put(subject);
}

TEST("Uri-Host, Uri-Port, Accept and ETag leave a GET publishable")
{
	struct coax_site *site = make_site(true, false);

	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_URI_HOST, "h", 1));
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_URI_PORT, "\x16\x33", 2));
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_ACCEPT, "\x32", 1));
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_ETAG, "v1", 2));
	coax_site_destroy(site);
}

TEST("a 2.03 is publishable")
{
	struct coax_site *site = make_site(true, false);

	answer.option = COAX_ETAG;
	answer.value = "v1";
	answer.length = 2;
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_ETAG, "v1", 2));
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_ETAG, "v2", 2));
	coax_site_destroy(site);
}

TEST("a GET with a query is publishable where the resource says so")
{
	struct coax_site *without = make_site(true, false);
	struct coax_site *with = make_site(true, true);

	EXPECT_FALSE(publishable(without, COAX_GET, "r?a=1", 0, NULL, 0));
	EXPECT_TRUE(publishable(with, COAX_GET, "r?a=1&b", 0, NULL, 0));
	coax_site_destroy(without);
	coax_site_destroy(with);
}

TEST("only GET and FETCH are publishable")
{
	struct coax_site *site = make_site(true, true);

	EXPECT_FALSE(publishable(site, COAX_PUT, "r", 0, NULL, 0));
	EXPECT_FALSE(publishable(site, COAX_POST, "r", 0, NULL, 0));
	EXPECT_FALSE(publishable(site, COAX_DELETE, "r", 0, NULL, 0));
	EXPECT_TRUE(publishable(site, COAX_FETCH, "r", 0, NULL, 0));
	EXPECT_TRUE(publishable(site, COAX_FETCH, "r?q", COAX_CONTENT_FORMAT, "\x32", 1));
	EXPECT_FALSE(publishable(site, COAX_FETCH, "r", COAX_OBSERVE, "", 0));
	coax_site_destroy(site);
}

TEST("a FETCH with a payload is publishable, a GET is not")
{
	struct coax_site *site = make_site(true, true);
	struct asked asked;

	ask(&asked, COAX_GET, "r");
	ask_payload(&asked, "x");
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	ask(&asked, COAX_FETCH, "r");
	ask_payload(&asked, "x");
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

TEST("Block2 and Size2 leave a GET publishable, a long token does not")
{
	struct coax_site *site = make_site(true, true);
	struct asked asked;
	uint8_t token[9] = {0};

	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_BLOCK2, "\x16", 1));
	EXPECT_TRUE(publishable(site, COAX_GET, "r", COAX_SIZE2, "", 0));
	ask(&asked, COAX_GET, "r");
	ASSERT_EQ(coax_message_start(&asked.draft, asked.draft_bytes, sizeof(asked.draft_bytes),
				     COAX_TYPE_CON, COAX_GET, 1, token, sizeof(token)),
		  0);
	ASSERT_EQ(coax_uri_path_add_options("r", &asked.draft), 0);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

static bool fetch_publishable(struct coax_site *site, const char *block, const char *payload)
{
	struct asked asked;

	answer.option = COAX_BLOCK2;
	answer.value = block;
	answer.length = 1;
	ask(&asked, COAX_FETCH, "r");
	ask_payload(&asked, payload);
	ask_site(&asked, site);
	return coax_responder_publishable(&asked.responder);
}

TEST("of what a FETCH gives in blocks, those are publishable that are asked for with its payload")
{
	struct coax_site *site = make_site(true, true);

	/* The first of several goes to userspace, which is asked for others without a payload. */
	EXPECT_TRUE(fetch_publishable(site, "\x06", "x"));
	EXPECT_FALSE(fetch_publishable(site, "\x0e", "x"));
	EXPECT_TRUE(fetch_publishable(site, "\x1e", "x"));
	EXPECT_TRUE(fetch_publishable(site, "\x16", "x"));
	EXPECT_FALSE(fetch_publishable(site, "\x16", ""));
	coax_site_destroy(site);
}

TEST("no other option in the request lets it be published, understood or not")
{
	static const uint16_t numbers[] = {
		COAX_IF_MATCH,
		COAX_IF_NONE_MATCH,
		COAX_OBSERVE,
		COAX_LOCATION_PATH,
		COAX_CONTENT_FORMAT,
		COAX_MAX_AGE,
		COAX_HOP_LIMIT,
		COAX_LOCATION_QUERY,
		COAX_BLOCK1,
		COAX_PROXY_URI,
		COAX_PROXY_SCHEME,
		COAX_SIZE1,
		COAX_ECHO,
		COAX_NO_RESPONSE,
		COAX_REQUEST_TAG,
		9 /* OSCORE */,
		2 /* unknown */,
		10 /* unsafe */,
		0xfc /* no cache key */,
		0x85c /* the same, unknown */,
		65000,
		65001,
	};
	struct coax_site *site = make_site(true, true);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t length = numbers[i] == COAX_IF_NONE_MATCH ? 0 : 1;

		if (publishable(site, COAX_GET, "r", numbers[i], "\1", length))
			HARNESS_SAY("published with option %u", numbers[i]);
		EXPECT_FALSE(publishable(site, COAX_GET, "r", numbers[i], "\1", length));
	}
	coax_site_destroy(site);
}

TEST("only 2.05, 2.03, and errors that everybody gets are publishable")
{
	struct coax_site *site = make_site(true, true);

	for (int code = 0; code < 256; code++) {
		answer.code = (uint8_t)code;
		EXPECT_EQ(plain_publishable(site),
			  code == COAX_CONTENT || code == COAX_VALID || code == COAX_BAD_REQUEST ||
				  code == COAX_NOT_FOUND || code == COAX_METHOD_NOT_ALLOWED ||
				  code == COAX_NOT_ACCEPTABLE);
	}
	coax_site_destroy(site);
}

TEST("a response is publishable with ETag, Content-Format, Block2, Size2, and a Max-Age that is not 0")
{
	static const struct {
		uint16_t option;
		const char *value;
		size_t length;
		bool publishable;
	} rows[] = {
		{COAX_ETAG, "v1", 2, true},
		{COAX_CONTENT_FORMAT, "\x32", 1, true},
		{COAX_CONTENT_FORMAT, "", 0, true},
		{COAX_SIZE2, "\1", 1, true},
		{COAX_MAX_AGE, "\1", 1, true},
		{COAX_MAX_AGE, "\1\0", 2, true},
		{COAX_MAX_AGE, "", 0, false},
		{COAX_MAX_AGE, "\0", 1, false},
		{COAX_OBSERVE, "\5", 1, false},
		{COAX_BLOCK2, "\x0e", 1, true},
		{COAX_ECHO, "nonce", 5, false},
		{COAX_LOCATION_PATH, "a", 1, false},
		{65002, "x", 1, false},
		{65000, "x", 1, false},
	};
	struct coax_site *site = make_site(true, true);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		answer.option = rows[i].option;
		answer.value = rows[i].value;
		answer.length = rows[i].length;
		EXPECT_EQ(plain_publishable(site), rows[i].publishable);
	}
	coax_site_destroy(site);
}

TEST("what the Site refuses is publishable until resources come or go")
{
	static const struct {
		uint8_t method;
		const char *path;
		uint16_t option;
		uint8_t code;
		bool publishable;
	} rows[] = {
		{COAX_GET, "nowhere", 0, COAX_NOT_FOUND, true},
		{COAX_GET, "nowhere?q", COAX_ACCEPT, COAX_NOT_FOUND, true},
		{COAX_FETCH, "nowhere", 0, COAX_NOT_FOUND, true},
		{COAX_PUT, "nowhere", 0, COAX_NOT_FOUND, false},
		{COAX_GET, "nowhere", COAX_OBSERVE, COAX_NOT_FOUND, false},
		{COAX_GET, "put", 0, COAX_METHOD_NOT_ALLOWED, true},
		{COAX_GET, "put", COAX_ACCEPT, COAX_METHOD_NOT_ALLOWED, true},
		{COAX_GET, "text", COAX_ACCEPT, COAX_NOT_ACCEPTABLE, true},
		{COAX_GET, "nowhere", COAX_PROXY_SCHEME, COAX_PROXYING_NOT_SUPPORTED, false},
		{COAX_GET, "nowhere", 9 /* OSCORE */, COAX_BAD_OPTION, false},
	};
	struct coax_resource_options put = {.path = "put", .put = handle};
	struct coax_resource_options text = {
		.path = "text", .get = handle, .formats = {50}, .format_count = 1};
	struct coax_site *site = make_site(true, true);
	struct coax_subject *subject = NULL;
	struct asked asked;

	ASSERT_EQ(coax_site_add(site, &put, NULL), 0);
	ASSERT_EQ(coax_site_add(site, &text, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&asked, rows[i].method, rows[i].path);
		if (rows[i].option)
			ask_option(&asked, rows[i].option, "\1", 1);
		EXPECT_EQ(ask_site(&asked, site), rows[i].code);
		EXPECT_EQ(coax_responder_publishable(&asked.responder), rows[i].publishable);
		if (!rows[i].publishable)
			continue;
		subject = asked.responder.subject;
		EXPECT_EQ(coax_subject_generation(subject), asked.responder.generation);
		put.path = (char[]){'n', (char)('0' + i), 0};
		ASSERT_EQ(coax_site_add(site, &put, NULL), 0);
		EXPECT_GT(coax_subject_generation(subject), asked.responder.generation);
	}
	coax_site_destroy(site);
}

TEST("what has not been answered is not publishable, nor anything where there is no Site")
{
	struct coax_site *site = make_site(true, true);
	struct asked asked;

	ask(&asked, COAX_GET, "r");
	asked_ready(&asked);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_plainly(&asked, NULL, COAX_GET, "r"), COAX_NOT_FOUND);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

static struct coax_site *make_observable(bool cacheable)
{
	const struct coax_resource_options options = {.path = "o",
						      .get = handle,
						      .fetch = handle,
						      .put = handle,
						      .observable = true,
						      .cacheable = cacheable,
						      .notifications = COAX_RELIABLE};
	struct coax_site *site = make_site(true, true);

	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

TEST("observable and cacheable resources have a subject for GET and FETCH")
{
	struct coax_site *site = make_observable(false);
	struct asked asked;

	ask_plainly(&asked, site, COAX_GET, "o");
	EXPECT_TRUE(asked.responder.subject);
	ask_plainly(&asked, site, COAX_FETCH, "o");
	EXPECT_TRUE(asked.responder.subject);
	ask_plainly(&asked, site, COAX_PUT, "o");
	EXPECT_FALSE(asked.responder.subject);
	ask_plainly(&asked, site, COAX_GET, "r");
	EXPECT_TRUE(asked.responder.subject);
	ask_plainly(&asked, site, COAX_FETCH, "r");
	EXPECT_TRUE(asked.responder.subject);
	coax_site_destroy(site);
}

TEST("a resource that is observable and not cacheable is not publishable, one that is both is")
{
	struct coax_site *merely = make_observable(false);
	struct coax_site *both = make_observable(true);

	EXPECT_FALSE(publishable(merely, COAX_GET, "o", 0, NULL, 0));
	EXPECT_TRUE(publishable(both, COAX_GET, "o", 0, NULL, 0));
	EXPECT_FALSE(publishable(both, COAX_GET, "o", COAX_OBSERVE, "", 0));
	EXPECT_FALSE(publishable(both, COAX_GET, "o", COAX_OBSERVE, "\1", 1));
	EXPECT_FALSE(publishable(both, COAX_GET, "o", COAX_OBSERVE, "\7", 1));
	answer.option = COAX_OBSERVE;
	answer.value = "\7";
	answer.length = 1;
	EXPECT_FALSE(publishable(both, COAX_GET, "o", 0, NULL, 0));
	coax_site_destroy(merely);
	coax_site_destroy(both);
}

static void name_subject(struct coax_responder *responder, void *arg)
{
	coax_responder_subject(responder, arg, coax_subject_generation(arg));
	coax_respond(responder, COAX_CONTENT);
}

TEST("a subject that the handler names is publishable, whatever its resource is")
{
	struct coax_resource_options options = {
		.path = "n", .get = name_subject, .observable = true};
	struct coax_subject *subject;
	struct coax_site *site;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	ASSERT_EQ(coax_site_create(&site), 0);
	options.arg = subject;
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	EXPECT_TRUE(publishable(site, COAX_GET, "n", 0, NULL, 0));
	coax_site_destroy(site);
	coax_subject_put(subject);
}

static void give_body(struct coax_responder *responder, void *arg)
{
	static const uint8_t bytes[2000];

	(void)arg;
	ASSERT_EQ(coax_responder_set_payload(responder, bytes, sizeof(bytes)), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a response whose body is still to be cut is not publishable")
{
	const struct coax_resource_options options = {
		.path = "b", .get = give_body, .cacheable = true};
	struct coax_site *site;
	struct asked asked;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	ask(&asked, COAX_GET, "b");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_responder_drop_body(&asked.responder);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

/* Subjects and generations. */

static struct coax_resource *changing;
static uint64_t seen;

static void change_while_rendering(struct coax_responder *responder, void *arg)
{
	(void)arg;
	seen = responder->generation;
	coax_resource_changed(changing);
	coax_respond(responder, COAX_CONTENT);
}

TEST("the generation is the one from before the handler ran, so a change during rendering shows")
{
	const struct coax_resource_options options = {
		.path = "c", .get = change_while_rendering, .cacheable = true};
	struct coax_site *site;
	struct asked asked;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, &changing), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "c"), COAX_CONTENT);
	ASSERT_TRUE(asked.responder.subject);
	EXPECT_EQ(asked.responder.generation, seen);
	EXPECT_NE(coax_subject_generation(asked.responder.subject), asked.responder.generation);
	coax_site_destroy(site);
}

static struct coax_subject *other;

static void name_other_subject(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_subject(responder, other, 42);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a PUT is not rendered from its resource's subject, and not publishable from another one")
{
	const struct coax_resource_options options = {.path = "o", .put = name_other_subject};
	struct coax_site *site = make_site(true, true);
	struct asked asked;

	ASSERT_EQ(coax_subject_create(&other), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_CONTENT);
	EXPECT_FALSE(asked.responder.subject);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "o"), COAX_CONTENT);
	EXPECT_TRUE(asked.responder.subject == other);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
	coax_subject_put(other);
}

TEST("a handler may name another subject, also for a resource that has none")
{
	struct coax_resource_options options = {.path = "o", .get = name_other_subject};
	struct coax_resource *resource;
	struct coax_site *site;
	struct asked asked;

	ASSERT_EQ(coax_subject_create(&other), 0);
	ASSERT_EQ(coax_site_create(&site), 0);
	for (int cacheable = 0; cacheable < 2; cacheable++) {
		options.cacheable = cacheable;
		ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
		EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "o"), COAX_CONTENT);
		EXPECT_TRUE(asked.responder.subject == other);
		EXPECT_EQ(asked.responder.generation, (uint64_t)42);
		EXPECT_TRUE(coax_responder_publishable(&asked.responder));
		EXPECT_FALSE(publishable(site, COAX_GET, "o?q", 0, NULL, 0));
		coax_site_remove(site, resource);
	}
	coax_site_destroy(site);
	coax_subject_put(other);
}

/* What a subtree's subject has come to after something was done to the Site. */
static uint64_t generation_of_subtree(struct coax_site *site)
{
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "t"), COAX_CONTENT);
	ASSERT_TRUE(asked.responder.subject);
	return coax_subject_generation(asked.responder.subject);
}

TEST("a resource that takes a path over from a subtree withdraws what the subtree published")
{
	struct coax_resource_options options = {
		.path = "t", .get = handle, .subtree = true, .cacheable = true};
	struct coax_site *site = make_site(true, true);
	uint64_t before;

	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	before = generation_of_subtree(site);
	options.subtree = false;
	options.path = "elsewhere";
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	EXPECT_EQ(generation_of_subtree(site), before);
	options.path = "t/a/b";
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	EXPECT_NE(generation_of_subtree(site), before);
	coax_site_destroy(site);
}

TEST("a resource that is removed withdraws what was published, deferred requests or not")
{
	struct coax_resource_options options = {.path = "d", .get = handle, .cacheable = true};
	struct coax_site *site = make_site(true, true);
	struct coax_resource *resource;
	struct coax_subject *subject;
	struct asked asked;
	uint64_t before;

	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "d"), COAX_CONTENT);
	subject = coax_subject_get(asked.responder.subject);
	before = coax_subject_generation(subject);
	coax_site_remove(site, resource);
	EXPECT_NE(coax_subject_generation(subject), before);
	coax_subject_put(subject);
	coax_site_destroy(site);
}

TEST_MAIN()
