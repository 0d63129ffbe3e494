// SPDX-License-Identifier: BSD-2-Clause
/* What is checked before a handler runs (RFC 7252 section 5). */
#include "../site.h"

static int runs;

static void change(struct coax_responder *responder, void *arg)
{
	(void)arg;
	runs++;
	coax_respond(responder, COAX_CHANGED);
}

static void content(struct coax_responder *responder, void *arg)
{
	(void)arg;
	runs++;
	coax_message_set_payload(coax_responder_response(responder), "23.5", 4);
	coax_respond(responder, COAX_CONTENT);
}

static void fail(struct coax_responder *responder, void *arg)
{
	(void)responder;
	(void)arg;
	runs++;
}

static void store_if_conditions_hold(struct coax_responder *responder, void *arg)
{
	const char *etag = arg;

	runs++;
	if (coax_responder_preconditions(responder, etag != NULL, (const uint8_t *)etag,
					 etag ? strlen(etag) : 0))
		coax_respond(responder, COAX_CHANGED);
	else
		coax_respond_error(responder, COAX_PRECONDITION_FAILED, "%s", "no");
}

/*
 * sensor: GET in formats 0 and 60, PUT in 60; plain: all methods, nothing checked; bad: its handler
 * fails; here: conditional, exists with ETag "v1"; absent: conditional, does not exist.
 */
static struct coax_site *make_site(void)
{
	const struct coax_resource_options resources[] = {
		{.path = "sensor",
		 .get = content,
		 .put = change,
		 .formats = {0, 60},
		 .format_count = 2,
		 .accepts = {60},
		 .accept_count = 1},
		{.path = "plain",
		 .get = content,
		 .put = change,
		 .post = change,
		 .delete = change,
		 .fetch = content,
		 .patch = change,
		 .ipatch = change},
		{.path = "bad", .get = fail},
		{.path = "here", .put = store_if_conditions_hold, .arg = "v1", .conditional = true},
		{.path = "absent", .put = store_if_conditions_hold, .conditional = true},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		ASSERT_EQ(coax_site_add(site, &resources[i], NULL), 0);
	runs = 0;
	return site;
}

TEST("a GET is given to the resource's handler, which answers")
{
	struct coax_site *site = make_site();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "plain"), COAX_CONTENT);
	EXPECT_EQ(asked.answers, 1);
	EXPECT_STREQ(asked_payload(&asked), "23.5");
	EXPECT_EQ(coax_message_token_length(&asked.responder.response), 3u);
	EXPECT_MEMEQ(coax_message_token(&asked.responder.response), "tok", 3);
	coax_site_destroy(site);
}

TEST("each method of RFC 7252 and RFC 8132 reaches its own handler")
{
	struct coax_site *site = make_site();
	struct asked asked;

	for (uint8_t code = COAX_GET; code <= COAX_IPATCH; code++) {
		bool reads = code == COAX_GET || code == COAX_FETCH;

		EXPECT_EQ(ask_plainly(&asked, site, code, "plain"),
			  reads ? COAX_CONTENT : COAX_CHANGED);
	}
	EXPECT_EQ(runs, 7);
	coax_site_destroy(site);
}

TEST("an unknown critical option on PUT does not run its handler: 4.02 that names it")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, 65001, "x", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_STREQ(asked_payload(&asked), "option 65001 is not understood here");
	EXPECT_FALSE(asked_has(&asked, COAX_CONTENT_FORMAT));
	EXPECT_EQ(runs, 0);
	EXPECT_EQ(asked.lines[COAX_LOG_INFO], 1);
	coax_site_destroy(site);
}

TEST("OSCORE, Block1, Block2 and other critical options that nobody sees to get 4.02")
{
	static const uint16_t numbers[] = {9, COAX_BLOCK2, COAX_BLOCK1, 19, 31, 2049, 65535};
	struct coax_site *site = make_site();
	struct asked asked;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		ask(&asked, COAX_PUT, "plain");
		ask_option(&asked, numbers[i], "\1", 1);
		EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	}
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("unknown elective options are ignored")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, 65000, "x", 1);
	ask_option(&asked, 2048, "", 0);
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	coax_site_destroy(site);
}

TEST("two Accept options are a repeated critical option: 4.02")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "sensor");
	ask_uint(&asked, COAX_ACCEPT, 0);
	ask_uint(&asked, COAX_ACCEPT, 60);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_STREQ(asked_payload(&asked), "option Accept has a bad length or is repeated");
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("a critical option of a bad length gets 4.02: Accept, Uri-Port, Uri-Host, Uri-Path")
{
	static const struct {
		uint16_t number;
		uint16_t length;
	} bad[] = {{COAX_ACCEPT, 3},	 {COAX_URI_PORT, 3},   {COAX_URI_HOST, 0},
		   {COAX_URI_HOST, 256}, {COAX_URI_PATH, 256}, {COAX_URI_QUERY, 256}};
	struct coax_site *site = make_site();
	uint8_t value[256];
	struct asked asked;

	memset(value, 'a', sizeof(value));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask(&asked, COAX_GET, "plain");
		ask_option(&asked, bad[i].number, value, bad[i].length);
		EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	}
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("a critical option that is not understood comes before 4.04 and 4.05")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "nowhere");
	ask_option(&asked, 65001, "x", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	ask(&asked, COAX_POST, "sensor");
	ask_option(&asked, 65001, "x", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	coax_site_destroy(site);
}

TEST("Proxy-Uri and Proxy-Scheme get 5.05")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "");
	ask_option(&asked, COAX_PROXY_URI, "coap://example.org/a", 20);
	EXPECT_EQ(ask_site(&asked, site), COAX_PROXYING_NOT_SUPPORTED);
	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_PROXY_SCHEME, "http", 4);
	EXPECT_EQ(ask_site(&asked, site), COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_STREQ(asked_payload(&asked), "");
	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_IF_MATCH, "v1", 2);
	ask_option(&asked, COAX_PROXY_SCHEME, "http", 4);
	EXPECT_EQ(ask_site(&asked, site), COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("a Proxy-Uri is taken up to 1034 bytes, a longer one or an unknown option beside it get 4.02")
{
	struct coax_site *site = make_site();
	uint8_t uri[1035];
	struct asked asked;

	memset(uri, 'a', sizeof(uri));
	ask(&asked, COAX_GET, "");
	ask_option(&asked, COAX_PROXY_URI, uri, 1034);
	EXPECT_EQ(ask_site(&asked, site), COAX_PROXYING_NOT_SUPPORTED);
	ask(&asked, COAX_GET, "");
	ask_option(&asked, COAX_PROXY_URI, uri, 1035);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	ask(&asked, COAX_GET, "");
	ask_option(&asked, COAX_PROXY_URI, uri, 10);
	ask_option(&asked, 65001, "x", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_STREQ(asked_payload(&asked), "option 65001 is not understood here");
	coax_site_destroy(site);
}

TEST("a path without a resource gets 4.04, without a diagnostic that adds nothing")
{
	struct coax_site *site = make_site();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "nowhere"), COAX_NOT_FOUND);
	EXPECT_STREQ(asked_payload(&asked), "");
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ""), COAX_NOT_FOUND);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "plain/below"), COAX_NOT_FOUND);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("without a Site each request gets 4.04")
{
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, NULL, COAX_GET, "a"), COAX_NOT_FOUND);
	EXPECT_STREQ(asked_payload(&asked), "not a server");
}

TEST("a method without a handler gets 4.05")
{
	struct coax_site *site = make_site();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_POST, "sensor"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_DELETE, "sensor"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_IPATCH, "sensor"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("methods 0.08 to 0.31 get 4.05, on any path")
{
	struct coax_site *site = make_site();
	struct asked asked;

	for (uint8_t code = 8; code < 32; code++) {
		EXPECT_EQ(ask_plainly(&asked, site, code, "plain"), COAX_METHOD_NOT_ALLOWED);
		EXPECT_EQ(ask_plainly(&asked, site, code, "nowhere"), COAX_METHOD_NOT_ALLOWED);
	}
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("an Accept that GET cannot give gets 4.06")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "sensor");
	ask_uint(&asked, COAX_ACCEPT, COAX_FORMAT_JSON);
	EXPECT_EQ(ask_site(&asked, site), COAX_NOT_ACCEPTABLE);
	EXPECT_STREQ(asked_payload(&asked), "formats here: 0 60");
	EXPECT_EQ(runs, 0);
	ask(&asked, COAX_GET, "sensor");
	ask_uint(&asked, COAX_ACCEPT, 60);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	ask(&asked, COAX_GET, "sensor");
	ask_uint(&asked, COAX_ACCEPT, 0);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("an Accept is not checked where a resource names no formats")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "plain");
	ask_uint(&asked, COAX_ACCEPT, COAX_FORMAT_JSON);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("a payload in a Content-Format that is not taken gets 4.15")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "sensor");
	ask_uint(&asked, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	ask_payload(&asked, "{}");
	EXPECT_EQ(ask_site(&asked, site), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_STREQ(asked_payload(&asked), "formats taken here: 60");
	EXPECT_EQ(runs, 0);
	ask(&asked, COAX_PUT, "sensor");
	ask_uint(&asked, COAX_CONTENT_FORMAT, 60);
	ask_payload(&asked, "{}");
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	coax_site_destroy(site);
}

TEST("a Content-Format without a payload, none, and one that is too long are no reason for 4.15")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "sensor");
	ask_uint(&asked, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	ask(&asked, COAX_PUT, "sensor");
	ask_payload(&asked, "{}");
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	ask(&asked, COAX_PUT, "sensor");
	ask_option(&asked, COAX_CONTENT_FORMAT, "\0\0\62", 3);
	ask_payload(&asked, "{}");
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	ask(&asked, COAX_GET, "sensor");
	ask_uint(&asked, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	ask_payload(&asked, "{}");
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("If-Match and If-None-Match get 4.02 from a resource that does not see to them")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_IF_MATCH, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_STREQ(asked_payload(&asked), "option If-Match is not understood here");
	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_IF_NONE_MATCH, "", 0);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("If-Match on a path without a resource gets 4.04")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "nowhere");
	ask_option(&asked, COAX_IF_MATCH, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_NOT_FOUND);
	coax_site_destroy(site);
}

/* One row of section 5.10.8: which conditions a PUT brings, and what it gets. */
struct conditions {
	const char *path;
	const char *if_match[3]; /* up to the first NULL */
	bool if_none_match;
	uint8_t code;
};

static void expect_conditions(const struct conditions *rows, size_t count)
{
	struct coax_site *site = make_site();
	struct asked asked;

	for (size_t i = 0; i < count; i++) {
		ask(&asked, COAX_PUT, rows[i].path);
		for (size_t n = 0; n < 3 && rows[i].if_match[n]; n++)
			ask_option(&asked, COAX_IF_MATCH, rows[i].if_match[n],
				   strlen(rows[i].if_match[n]));
		if (rows[i].if_none_match)
			ask_option(&asked, COAX_IF_NONE_MATCH, "", 0);
		EXPECT_EQ(ask_site(&asked, site), rows[i].code);
	}
	coax_site_destroy(site);
}

TEST("If-Match is fulfilled by the current ETag, by any of several, and if empty by existence")
{
	const struct conditions rows[] = {
		{.path = "here", .code = COAX_CHANGED},
		{.path = "here", .if_match = {"v1"}, .code = COAX_CHANGED},
		{.path = "here", .if_match = {"v2"}, .code = COAX_PRECONDITION_FAILED},
		{.path = "here", .if_match = {"v"}, .code = COAX_PRECONDITION_FAILED},
		{.path = "here", .if_match = {"v11"}, .code = COAX_PRECONDITION_FAILED},
		{.path = "here", .if_match = {"v2", "v1"}, .code = COAX_CHANGED},
		{.path = "here", .if_match = {"v1", "v2"}, .code = COAX_CHANGED},
		{.path = "here", .if_match = {"v2", "v3"}, .code = COAX_PRECONDITION_FAILED},
		{.path = "here", .if_match = {""}, .code = COAX_CHANGED},
		{.path = "here", .if_match = {"v2", "", "v3"}, .code = COAX_CHANGED},
		{.path = "absent", .if_match = {""}, .code = COAX_PRECONDITION_FAILED},
		{.path = "absent", .if_match = {"v1"}, .code = COAX_PRECONDITION_FAILED},
	};

	expect_conditions(rows, sizeof(rows) / sizeof(rows[0]));
}

TEST("If-None-Match is fulfilled where nothing exists, and never beside an If-Match")
{
	const struct conditions rows[] = {
		{.path = "here", .if_none_match = true, .code = COAX_PRECONDITION_FAILED},
		{.path = "absent", .if_none_match = true, .code = COAX_CHANGED},
		{.path = "here",
		 .if_match = {"v1"},
		 .if_none_match = true,
		 .code = COAX_PRECONDITION_FAILED},
		{.path = "absent",
		 .if_match = {"v1"},
		 .if_none_match = true,
		 .code = COAX_PRECONDITION_FAILED},
		{.path = "absent",
		 .if_match = {""},
		 .if_none_match = true,
		 .code = COAX_PRECONDITION_FAILED},
	};

	expect_conditions(rows, sizeof(rows) / sizeof(rows[0]));
}

TEST("an If-Match longer than an ETag, and an If-None-Match with a value, get 4.02")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "here");
	ask_option(&asked, COAX_IF_MATCH, "123456789", 9);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	ask(&asked, COAX_PUT, "absent");
	ask_option(&asked, COAX_IF_NONE_MATCH, "x", 1);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

/* Bodies in blocks, where somebody gathers them. */

TEST("a request with Block1 is gathered before its handler runs, one without is not")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_BLOCK1, "\0", 1);
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	EXPECT_EQ(asked.gathered, 1);
	EXPECT_FALSE(asked.gathered_streaming);
	EXPECT_EQ(asked.gathered_body_max, (uint64_t)0);
	EXPECT_FALSE(coax_responder_part(&asked.responder));
	ask(&asked, COAX_PUT, "plain");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CHANGED);
	EXPECT_EQ(asked.gathered, 0);
	coax_site_destroy(site);
}

TEST("a handler does not run while blocks are missing")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_BLOCK1, "\10", 1);
	asked.blocks = asked.incomplete = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTINUE);
	EXPECT_EQ(asked.answers, 1);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("nothing is gathered of a request that a check refuses")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "sensor");
	ask_option(&asked, COAX_BLOCK1, "\10", 1);
	ask_uint(&asked, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	ask_payload(&asked, "{}");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_UNSUPPORTED_CONTENT_FORMAT);
	EXPECT_EQ(asked.gathered, 0);
	ask(&asked, COAX_POST, "sensor");
	ask_option(&asked, COAX_BLOCK1, "\10", 1);
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(asked.gathered, 0);
	coax_site_destroy(site);
}

TEST("Block2 is understood where bodies leave in blocks; a bad length and repetition get 4.02")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_GET, "plain");
	ask_option(&asked, COAX_BLOCK2, "\2", 1);
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_EQ(asked.gathered, 0);
	for (uint16_t number = COAX_BLOCK2; number <= COAX_BLOCK1; number += 4) {
		ask(&asked, COAX_PUT, "plain");
		ask_option(&asked, number, "\0\0\0\2", 4);
		asked.blocks = true;
		EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
		ask(&asked, COAX_PUT, "plain");
		ask_option(&asked, number, "\2", 1);
		ask_option(&asked, number, "\2", 1);
		asked.blocks = true;
		EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
		EXPECT_TRUE(strstr(asked_payload(&asked), "has a bad length or is repeated"));
	}
	coax_site_destroy(site);
}

TEST("a block size that is reserved gets 4.00, and no handler runs")
{
	struct coax_site *site = make_site();
	struct asked asked;

	for (uint16_t number = COAX_BLOCK2; number <= COAX_BLOCK1; number += 4) {
		ask(&asked, COAX_PUT, "plain");
		ask_option(&asked, number, "\27", 1);
		asked.blocks = true;
		EXPECT_EQ(ask_site(&asked, site), COAX_BAD_REQUEST);
	}
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("blocks beside Proxy-Uri get 5.05, and beside If-Match 4.02 where no conditions are kept")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_BLOCK1, "\2", 1);
	ask_option(&asked, COAX_PROXY_SCHEME, "http", 4);
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_PROXYING_NOT_SUPPORTED);
	ask(&asked, COAX_PUT, "plain");
	ask_option(&asked, COAX_BLOCK1, "\2", 1);
	ask_option(&asked, COAX_IF_MATCH, "v1", 2);
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_OPTION);
	EXPECT_STREQ(asked_payload(&asked), "option If-Match is not understood here");
	coax_site_destroy(site);
}

static const struct coax_part *part;

static void take_part(struct coax_responder *responder, void *arg)
{
	(void)arg;
	part = coax_responder_part(responder);
	coax_respond(responder, COAX_CONTINUE);
}

TEST("each request to a streaming resource is gathered as a part, and answered 2.31 before the last")
{
	const struct coax_resource_options options = {
		.path = "stream", .put = take_part, .streaming = true, .body_max = 5000};
	struct coax_site *site = make_site();
	struct asked asked;

	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	ask(&asked, COAX_PUT, "stream");
	asked.blocks = true;
	asked.responder.part = (struct coax_part){.offset = 64, .more = true};
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTINUE);
	EXPECT_TRUE(asked.gathered_streaming);
	EXPECT_EQ(asked.gathered_body_max, (uint64_t)5000);
	EXPECT_TRUE(part == &asked.responder.part);

	ask(&asked, COAX_PUT, "stream");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_STREQ(asked_payload(&asked), "2.31 is no response code here");
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 1);
	part = NULL;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "stream"), COAX_BAD_OPTION);
	EXPECT_FALSE(part);
	coax_site_destroy(site);
}

/* RFC 8768. */

TEST("a Hop-Limit of 0 or of another length than one byte gets 4.00, any other is ignored")
{
	static const struct {
		const char *value;
		size_t length;
		uint8_t code;
	} rows[] = {
		{"\1", 1, COAX_CONTENT},       {"\377", 1, COAX_CONTENT},
		{"\0", 1, COAX_BAD_REQUEST},   {"", 0, COAX_BAD_REQUEST},
		{"\0\1", 2, COAX_BAD_REQUEST},
	};
	struct coax_site *site = make_site();
	struct asked asked;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&asked, COAX_GET, "plain");
		ask_option(&asked, COAX_HOP_LIMIT, rows[i].value, rows[i].length);
		EXPECT_EQ(ask_site(&asked, site), rows[i].code);
	}
	EXPECT_EQ(runs, 2);
	coax_site_destroy(site);
}

TEST("a handler that neither answers nor defers gives 5.00 and a line at ERROR")
{
	struct coax_site *site = make_site();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "bad"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(runs, 1);
	EXPECT_EQ(asked.answers, 1);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 1);
	coax_site_destroy(site);
}

TEST_MAIN()
