// SPDX-License-Identifier: BSD-2-Clause
/* What becomes of an answer: validation, limits, errors, answers that come later. */
#include <pthread.h>
#include "../site.h"

/* What the handler of `make_site` does, and has seen. */
static void (*act)(struct coax_responder *responder);

static void handle(struct coax_responder *responder, void *arg)
{
	(void)arg;
	act(responder);
}

static struct coax_site *make_site(void (*handler)(struct coax_responder *responder))
{
	const struct coax_resource_options options = {
		.path = "r", .get = handle, .put = handle, .post = handle, .fetch = handle};
	struct coax_site *site;

	act = handler;
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

static void content_with_etag(struct coax_responder *responder)
{
	struct coax_message *response = coax_responder_response(responder);

	coax_message_add(response, COAX_ETAG, "v1", 2);
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	coax_message_add_uint(response, COAX_MAX_AGE, 5);
	coax_message_set_payload(response, "[1]", 3);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a 2.05 with an ETag that the request lists becomes 2.03 with ETag and Max-Age alone")
{
	struct coax_site *site = make_site(content_with_etag);
	const struct coax_message *response;
	struct coax_option option;
	struct asked asked;

	ask(&asked, COAX_GET, "r");
	ask_option(&asked, COAX_ETAG, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_VALID);
	response = &asked.responder.response;
	EXPECT_EQ(response->payload, response->length);
	EXPECT_FALSE(asked_has(&asked, COAX_CONTENT_FORMAT));
	EXPECT_TRUE(asked_has(&asked, COAX_MAX_AGE));
	ASSERT_TRUE(coax_message_find(response, COAX_ETAG, &option));
	ASSERT_EQ(option.length, 2u);
	EXPECT_MEMEQ(option.value, "v1", 2);
	coax_site_destroy(site);
}

TEST("any of several ETags validates")
{
	struct coax_site *site = make_site(content_with_etag);
	struct asked asked;

	ask(&asked, COAX_GET, "r");
	ask_option(&asked, COAX_ETAG, "v0", 2);
	ask_option(&asked, COAX_ETAG, "v1", 2);
	ask_option(&asked, COAX_ETAG, "v2", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_VALID);
	coax_site_destroy(site);
}

TEST("another ETag, a longer or shorter one, or none leaves 2.05 as it is")
{
	static const char *const others[] = {"v2", "v", "v11", NULL};
	struct coax_site *site = make_site(content_with_etag);
	struct asked asked;

	for (size_t i = 0; i < 4; i++) {
		ask(&asked, COAX_GET, "r");
		if (others[i])
			ask_option(&asked, COAX_ETAG, others[i], strlen(others[i]));
		EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
		EXPECT_STREQ(asked_payload(&asked), "[1]");
		EXPECT_TRUE(asked_has(&asked, COAX_CONTENT_FORMAT));
	}
	coax_site_destroy(site);
}

TEST("FETCH is validated like GET, POST is not")
{
	struct coax_site *site = make_site(content_with_etag);
	struct asked asked;

	ask(&asked, COAX_FETCH, "r");
	ask_option(&asked, COAX_ETAG, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_VALID);
	ask(&asked, COAX_POST, "r");
	ask_option(&asked, COAX_ETAG, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_site_destroy(site);
}

static size_t payload_length;

static void content_of_length(struct coax_responder *responder)
{
	struct coax_message *response = coax_responder_response(responder);
	static uint8_t bytes[2048];

	coax_message_add(response, COAX_ETAG, "v1", 2);
	ASSERT_EQ(coax_message_set_payload(response, bytes, payload_length), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a payload has up to 1024 bytes, a longer one becomes 5.00 with a diagnostic and a log line")
{
	struct coax_site *site = make_site(content_of_length);
	struct asked asked;
	size_t length;

	payload_length = 1024;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "r"), COAX_CONTENT);
	coax_message_payload(&asked.responder.response, &length);
	EXPECT_EQ(length, (size_t)1024);
	payload_length = 1025;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "r"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_STREQ(asked_payload(&asked), "1025 bytes are too large for one message of 1024");
	EXPECT_FALSE(asked_has(&asked, COAX_ETAG));
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 1);
	coax_site_destroy(site);
}

TEST("what is too large for one message can still be validated by its ETag")
{
	struct coax_site *site = make_site(content_of_length);
	struct asked asked;

	payload_length = 1025;
	ask(&asked, COAX_GET, "r");
	ask_option(&asked, COAX_ETAG, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_VALID);
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 0);
	coax_site_destroy(site);
}

static void many_options(struct coax_responder *responder)
{
	static uint8_t query[255];

	memset(query, 'q', sizeof(query));
	for (int i = 0; i < 5; i++)
		coax_message_add(coax_responder_response(responder), COAX_LOCATION_QUERY, query,
				 sizeof(query));
	coax_respond(responder, COAX_CREATED);
}

TEST("a response longer than a message may be becomes 5.00")
{
	struct coax_site *site = make_site(many_options);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_POST, "r"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 1);
	EXPECT_FALSE(asked_has(&asked, COAX_LOCATION_QUERY));
	coax_site_destroy(site);
}

static void answer_with_request_code(struct coax_responder *responder)
{
	coax_respond(responder, COAX_PUT);
}

TEST("a code that is no response code becomes 5.00 and a line at ERROR")
{
	struct coax_site *site = make_site(answer_with_request_code);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "r"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 1);
	coax_site_destroy(site);
}

static void answer_with_continue(struct coax_responder *responder)
{
	coax_respond(responder, COAX_CONTINUE);
}

TEST("2.31 is no response code but for a part of a body with more to come")
{
	struct coax_site *site = make_site(answer_with_continue);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 1);
	coax_site_destroy(site);
}

static void answer_twice(struct coax_responder *responder)
{
	coax_respond(responder, COAX_CHANGED);
	coax_respond(responder, COAX_DELETED);
	coax_respond_error(responder, COAX_BAD_REQUEST, "%s", "no");
}

TEST("a second answer is ignored with a line at ERROR")
{
	struct coax_site *site = make_site(answer_twice);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_CHANGED);
	EXPECT_EQ(asked.answers, 1);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 2);
	coax_site_destroy(site);
}

static void fail_halfway(struct coax_responder *responder)
{
	struct coax_message *response = coax_responder_response(responder);

	coax_message_add(response, COAX_ETAG, "v1", 2);
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	coax_message_set_payload(response, "[1,", 3);
	coax_respond_error(responder, COAX_CONFLICT, "%s is %d", "it", 7);
}

TEST("an error has a diagnostic payload and nothing else that was built, but its token")
{
	struct coax_site *site = make_site(fail_halfway);
	const struct coax_message *response;
	struct coax_option_iterator it;
	struct coax_option option;
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_CONFLICT);
	response = &asked.responder.response;
	it = coax_options_begin(response);
	EXPECT_FALSE(coax_options_next(&it, &option));
	EXPECT_STREQ(asked_payload(&asked), "it is 7");
	EXPECT_EQ(coax_message_token_length(response), 3u);
	EXPECT_MEMEQ(coax_message_token(response), "tok", 3);
	coax_site_destroy(site);
}

TEST("a token of 128 bytes reaches the site, and comes back with an error")
{
	struct coax_site *site = make_site(fail_halfway);
	struct asked asked;
	uint8_t token[COAX_TOKEN_TAKEN_MAX];

	memset(token, 0x5a, sizeof(token));
	ask(&asked, COAX_PUT, "r");
	asked_ready(&asked);
	ASSERT_EQ(coax_message_start(&asked.responder.response, asked.response_bytes,
				     sizeof(asked.response_bytes), COAX_TYPE_ACK, COAX_EMPTY, 1,
				     token, sizeof(token)),
		  0);
	rcu_read_lock();
	coax_site_render(site, &asked.responder);
	rcu_read_unlock();
	EXPECT_EQ(coax_message_code(&asked.responder.response), COAX_CONFLICT);
	EXPECT_STREQ(asked_payload(&asked), "it is 7");
	ASSERT_EQ(coax_message_token_length(&asked.responder.response), (uint32_t)sizeof(token));
	EXPECT_MEMEQ(coax_message_token(&asked.responder.response), token, sizeof(token));
	coax_site_destroy(site);
}

static const char *diagnostic;

static void fail_with_diagnostic(struct coax_responder *responder)
{
	coax_respond_error(responder, COAX_BAD_REQUEST, "%s", diagnostic);
}

TEST("a diagnostic payload is UTF-8 whatever went into it")
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{"plain", "plain"},
		{"", ""},
		{"gr\xc3\xb6\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x90\x9f",
		 "gr\xc3\xb6\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x90\x9f"},
		{"a\xff\x62", "a?b"},		     /* no such byte */
		{"a\x80z", "a?z"},		     /* a byte that follows nothing */
		{"\xc0\xaf.", "??."},		     /* too long a form */
		{"\xe0\x80\xaf.", "???."},	     /* the same */
		{"\xed\xa0\x80.", "???."},	     /* a surrogate */
		{"\xf4\x90\x80\x80.", "????."},	     /* behind the last character */
		{"\xf0\x8f\xbf\xbf.", "????."},	     /* too long a form */
		{"\xe2\x82z", "??z"},		     /* broken off */
		{"end \xe2\x82", "end "},	     /* cut off */
		{"bell\a tab\t\x7f", "bell? tab??"}, /* control characters */
	};
	struct coax_site *site = make_site(fail_with_diagnostic);
	struct asked asked;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		diagnostic = rows[i].in;
		EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_BAD_REQUEST);
		EXPECT_STREQ(asked_payload(&asked), rows[i].out);
	}
	coax_site_destroy(site);
}

TEST("a diagnostic payload is cut between characters")
{
	struct coax_site *site = make_site(fail_with_diagnostic);
	char text[1001];
	struct asked asked;
	size_t length;

	for (size_t i = 0; i < 1000; i += 2)
		memcpy(text + i, "\xc3\xb6", 2);
	text[1000] = 0;
	diagnostic = text;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_BAD_REQUEST);
	length = strlen(asked_payload(&asked));
	EXPECT_GT(length, (size_t)100);
	EXPECT_LE(length, (size_t)256);
	EXPECT_EQ(length % 2, (size_t)0);
	coax_site_destroy(site);
}

static void look_at_request(struct coax_responder *responder)
{
	const struct coax_message *request = coax_responder_request(responder);
	char text[COAX_ADDRESS_TEXT_MAX];

	EXPECT_EQ(coax_message_code(request), COAX_PUT);
	EXPECT_STREQ(coax_address_format(coax_responder_remote(responder), text),
		     "192.0.2.1:40000");
	EXPECT_EQ(coax_address_port(coax_responder_local(responder)), 5683);
	coax_respond(responder, COAX_CHANGED);
}

TEST("a handler sees the request and both its ends")
{
	struct coax_site *site = make_site(look_at_request);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_CHANGED);
	coax_site_destroy(site);
}

/* Deferring. */

static struct coax_responder *later;

static void defer(struct coax_responder *responder)
{
	coax_message_set_payload(coax_responder_response(responder), "dropped", 7);
	later = coax_responder_defer(responder);
	if (!later)
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "%s", "full");
}

static void *answer_later(void *arg)
{
	(void)arg;
	content_with_etag(later);
	return NULL;
}

TEST("a deferred request is answered from another thread, once, with all checks")
{
	struct coax_site *site = make_site(defer);
	struct asked asked;
	pthread_t thread;

	ask(&asked, COAX_GET, "r");
	ask_option(&asked, COAX_ETAG, "v1", 2);
	EXPECT_EQ(ask_site(&asked, site), COAX_EMPTY);
	EXPECT_EQ(asked.answers, 0);
	ASSERT_TRUE(later);
	EXPECT_EQ(coax_message_code(coax_responder_request(later)), COAX_GET);

	ASSERT_EQ(pthread_create(&thread, NULL, answer_later, NULL), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(asked.answers, 0);
	EXPECT_EQ(asked.later->answers, 1);
	EXPECT_EQ(coax_message_code(&later->response), COAX_VALID);

	answer_later(NULL);
	EXPECT_EQ(asked.later->answers, 1);
	EXPECT_EQ(asked.later->lines[COAX_LOG_ERROR], 1);
	free(asked.later);
	coax_site_destroy(site);
}

TEST("a handler that cannot defer answers at once")
{
	struct coax_site *site = make_site(defer);
	struct asked asked;

	ask(&asked, COAX_GET, "r");
	asked.no_room = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_SERVICE_UNAVAILABLE);
	EXPECT_EQ(asked.answers, 1);
	coax_site_destroy(site);
}

static void defer_and_answer(struct coax_responder *responder)
{
	later = coax_responder_defer(responder);
	ASSERT_TRUE(later);
	coax_respond(responder, COAX_CHANGED);
	EXPECT_FALSE(coax_responder_defer(responder));
	EXPECT_TRUE(coax_responder_defer(later) == later);
}

TEST("a responder that has been deferred cannot answer or defer any more")
{
	struct coax_site *site = make_site(defer_and_answer);
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "r"), COAX_EMPTY);
	EXPECT_EQ(asked.answers, 0);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 2);
	coax_respond(later, COAX_CHANGED);
	EXPECT_EQ(asked.later->answers, 1);
	free(asked.later);
	coax_site_destroy(site);
}

/* RFC 7967. */

/* Whether a response of this code is wanted by a request with this No-Response (NULL: none). */
static bool is_wanted(uint8_t code, const void *no_response, size_t length)
{
	struct asked asked;

	ask(&asked, COAX_PUT, "r");
	if (no_response)
		ask_option(&asked, COAX_NO_RESPONSE, no_response, length);
	asked_ready(&asked);
	coax_message_set_code(&asked.responder.response, code);
	return coax_responder_is_wanted(&asked.responder);
}

TEST("No-Response rules classes out: 2 the 2.xx, 8 the 4.xx, 16 the 5.xx, sums of them several")
{
	for (int value = 0; value < 256; value++) {
		uint8_t byte = (uint8_t)value;

		EXPECT_EQ(is_wanted(COAX_CHANGED, &byte, 1), !(value & 2));
		EXPECT_EQ(is_wanted(COAX_NOT_FOUND, &byte, 1), !(value & 8));
		EXPECT_EQ(is_wanted(COAX_SERVICE_UNAVAILABLE, &byte, 1), !(value & 16));
	}
}

TEST("without No-Response, or with one that is empty or too long, every response is wanted")
{
	EXPECT_TRUE(is_wanted(COAX_CHANGED, NULL, 0));
	EXPECT_TRUE(is_wanted(COAX_CHANGED, "", 0));
	EXPECT_TRUE(is_wanted(COAX_CHANGED, "\0\2", 2));
	EXPECT_TRUE(is_wanted(COAX_SERVICE_UNAVAILABLE, "\32\32", 2));
}

TEST_MAIN()
