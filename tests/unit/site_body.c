// SPDX-License-Identifier: BSD-2-Clause
/* Responses of any length: payloads that become bodies, and bodies that are released once. */
#include "../site.h"

static uint8_t bytes[5000];
static int released;

static void count_release(void *arg)
{
	(void)arg;
	released++;
}

static ssize_t read_bytes(void *arg, uint64_t offset, void *buffer, size_t size)
{
	(void)arg;
	memcpy(buffer, bytes + offset, size);
	return (ssize_t)size;
}

static const struct coax_body large = {
	.length = sizeof(bytes), .read = read_bytes, .release = count_release};

static void (*act)(struct coax_responder *responder);

static void handle(struct coax_responder *responder, void *arg)
{
	(void)arg;
	act(responder);
}

/* The answer of a resource that does `handler`, to a GET with this ETag (NULL: none). */
static uint8_t answer_of(struct asked *asked, void (*handler)(struct coax_responder *),
			 const char *etag, bool blocks)
{
	const struct coax_resource_options options = {
		.path = "r", .get = handle, .put = handle, .streaming = false};
	struct coax_site *site;
	uint8_t code;

	act = handler;
	released = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	ask(asked, COAX_GET, "r");
	if (etag)
		ask_option(asked, COAX_ETAG, etag, strlen(etag));
	asked->blocks = blocks;
	code = ask_site(asked, site);
	coax_site_destroy(site);
	return code;
}

static size_t length;

static void set_payload(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_payload(responder, bytes, length), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a payload that fits into one block of 1024 bytes is the message's")
{
	struct asked asked;
	size_t got;

	length = 1024;
	EXPECT_EQ(answer_of(&asked, set_payload, NULL, true), COAX_CONTENT);
	EXPECT_FALSE(asked.responder.has_body);
	EXPECT_MEMEQ(coax_message_payload(&asked.responder.response, &got), bytes, 1024);
	EXPECT_EQ(got, length);
}

TEST("a larger payload becomes a body that is a copy")
{
	struct asked asked;
	uint8_t wanted[5000];
	size_t got;

	length = 1025;
	EXPECT_EQ(answer_of(&asked, set_payload, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)1025);
	EXPECT_FALSE(coax_message_payload(&asked.responder.response, &got));
	memcpy(wanted, bytes, sizeof(wanted));
	memset(bytes, 0, sizeof(bytes));
	EXPECT_MEMEQ(asked.responder.body.data, wanted, 1025);
	coax_responder_drop_body(&asked.responder);
}

static void set_too_much(struct coax_responder *responder)
{
	struct coax_body body = large;

	body.length = COAX_BODY_LENGTH_MAX + 1;
	EXPECT_EQ(coax_responder_set_payload(responder, bytes, COAX_BODY_LENGTH_MAX + 1),
		  -EMSGSIZE);
	EXPECT_EQ(coax_responder_set_body(responder, &body), -EMSGSIZE);
	EXPECT_EQ(released, 1);
	body.length = COAX_BODY_LENGTH_MAX;
	EXPECT_EQ(coax_responder_set_body(responder, &body), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a body has up to 2^30 bytes, a longer one is released at once")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_too_much, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)COAX_BODY_LENGTH_MAX);
	EXPECT_EQ(released, 1);
}

static void set_message_payload(struct coax_responder *responder)
{
	struct coax_message *response = coax_responder_response(responder);

	coax_message_add(response, COAX_ETAG, "v1", 2);
	ASSERT_EQ(coax_message_set_payload(response, bytes, length), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a payload above 1024 bytes that was put into the message is moved into a body")
{
	struct asked asked;
	size_t got;

	length = 1025;
	EXPECT_EQ(answer_of(&asked, set_message_payload, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)1025);
	EXPECT_MEMEQ(asked.responder.body.data, bytes, 1025);
	EXPECT_FALSE(coax_message_payload(&asked.responder.response, &got));
	EXPECT_TRUE(asked_has(&asked, COAX_ETAG));
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 0);
	coax_responder_drop_body(&asked.responder);
}

static void set_payload_beside_options(struct coax_responder *responder)
{
	coax_message_add(coax_responder_response(responder), COAX_LOCATION_QUERY, bytes, 200);
	ASSERT_EQ(coax_responder_set_payload(responder, bytes, 1000), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a payload that makes the message too long is moved into a body too")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_payload_beside_options, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)1000);
	coax_responder_drop_body(&asked.responder);
	EXPECT_EQ(answer_of(&asked, set_payload_beside_options, NULL, false),
		  COAX_INTERNAL_SERVER_ERROR);
}

static void set_body(struct coax_responder *responder)
{
	coax_message_add(coax_responder_response(responder), COAX_ETAG, "v1", 2);
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a body is handed on as it is, and belongs to who sends it")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_body, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)5000);
	EXPECT_TRUE(asked.responder.body.read == read_bytes);
	EXPECT_EQ(released, 0);
	coax_responder_drop_body(&asked.responder);
	EXPECT_EQ(released, 1);
	coax_responder_drop_body(&asked.responder);
	EXPECT_EQ(released, 1);
}

TEST("where there are no blocks a body becomes 5.00, and is released")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_body, NULL, false), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_STREQ(asked_payload(&asked), "5000 bytes are too large for one message of 1024");
	EXPECT_EQ(released, 1);
	length = 1025;
	EXPECT_EQ(answer_of(&asked, set_payload, NULL, false), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_FALSE(asked.responder.has_body);
}

TEST("a 2.03 carries nothing: the body is released")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_body, "v1", true), COAX_VALID);
	EXPECT_FALSE(asked.responder.has_body);
	EXPECT_EQ(released, 1);
	EXPECT_EQ(answer_of(&asked, set_body, "v2", true), COAX_CONTENT);
	EXPECT_EQ(released, 0);
}

static void set_small_body(struct coax_responder *responder)
{
	struct coax_body body = {.length = length, .data = bytes, .release = count_release};

	ASSERT_EQ(coax_responder_set_body(responder, &body), 0);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a small body in memory is the message's payload, and released")
{
	struct asked asked;
	size_t got;

	for (length = 0; length <= 1024; length += 1024) {
		EXPECT_EQ(answer_of(&asked, set_small_body, NULL, false), COAX_CONTENT);
		coax_message_payload(&asked.responder.response, &got);
		EXPECT_EQ(got, length);
		EXPECT_EQ(released, 1);
	}
}

static void change_its_mind(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	EXPECT_EQ(released, 1);
	ASSERT_EQ(coax_responder_set_payload(responder, bytes, 2000), 0);
	EXPECT_EQ(released, 2);
	ASSERT_EQ(coax_responder_set_payload(responder, bytes, 3), 0);
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	ASSERT_EQ(coax_responder_set_payload(responder, "last", 4), 0);
	EXPECT_EQ(released, 3);
	coax_respond(responder, COAX_CONTENT);
}

TEST("what a response carries can be replaced until it is sent")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, change_its_mind, NULL, true), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked), "last");
	EXPECT_FALSE(asked.responder.has_body);
}

static void set_body_and_fail(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	coax_respond_error(responder, COAX_NOT_FOUND, "%s", "gone");
}

static void set_body_and_forget(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
}

static void set_body_and_request_code(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	coax_respond(responder, COAX_PUT);
}

TEST("an error instead of the response releases its body, once")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_body_and_fail, NULL, true), COAX_NOT_FOUND);
	EXPECT_FALSE(asked.responder.has_body);
	EXPECT_EQ(released, 1);
	EXPECT_EQ(answer_of(&asked, set_body_and_forget, NULL, true), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(released, 1);
	EXPECT_EQ(answer_of(&asked, set_body_and_request_code, NULL, true),
		  COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(released, 1);
}

static void set_body_too_late(struct coax_responder *responder)
{
	coax_respond(responder, COAX_CONTENT);
	EXPECT_EQ(coax_responder_set_body(responder, &large), -EINVAL);
	EXPECT_EQ(coax_responder_set_payload(responder, bytes, 2000), -EINVAL);
	coax_respond(responder, COAX_CONTENT);
}

TEST("a body for a response that has been sent is released, with a line at ERROR")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, set_body_too_late, NULL, true), COAX_CONTENT);
	EXPECT_FALSE(asked.responder.has_body);
	EXPECT_EQ(released, 1);
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 3);
}

static void answer_with_body_twice(struct coax_responder *responder)
{
	set_body(responder);
	coax_respond(responder, COAX_CONTENT);
	coax_respond_error(responder, COAX_NOT_FOUND, "%s", "gone");
}

TEST("a second answer leaves the body of the first one alone")
{
	struct asked asked;

	EXPECT_EQ(answer_of(&asked, answer_with_body_twice, NULL, true), COAX_CONTENT);
	EXPECT_EQ(asked_body_length(&asked), (uint64_t)5000);
	EXPECT_EQ(released, 0);
}

static struct coax_responder *later;

static void set_body_and_defer(struct coax_responder *responder)
{
	ASSERT_EQ(coax_responder_set_body(responder, &large), 0);
	later = coax_responder_defer(responder);
	EXPECT_EQ(released, later ? 1 : 0);
	if (!later)
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "%s", "full");
}

TEST("what was built before deferring is dropped: its body is released, and not the later one's")
{
	struct asked asked;

	answer_of(&asked, set_body_and_defer, NULL, true);
	ASSERT_TRUE(later);
	EXPECT_EQ(released, 1);
	EXPECT_FALSE(later->has_body);
	ASSERT_EQ(coax_responder_set_body(later, &large), 0);
	coax_respond(later, COAX_CONTENT);
	EXPECT_EQ(asked_body_length(asked.later), (uint64_t)5000);
	EXPECT_EQ(released, 1);
	free(asked.later);
}

TEST_MAIN()
