// SPDX-License-Identifier: BSD-2-Clause
// timeout: 300
/*
 * The ETSI CoAP plugtests (CoAP#4, March 2014: CORE, LINK, BLOCK, OBS) with
 * ourselves on both sides, over a path that loses nothing and over one that
 * loses, doubles and reorders. What a case asks of single messages is looked at
 * on the path, in fine weather.
 */
#include "../plugtest.h"
#include "../context.h"
#include "../relay.h"

#define PATIENCE_MS 20000

struct world {
	struct coax_context *server;
	struct coax_context *client;
	struct relay relay;
	bool fine;
	union coax_address remote;
	unsigned int at; /* what of the path's log has been looked at */

	struct coax_message request;
	struct coax_message response;
	struct relay_datagram datagram;
	uint8_t request_bytes[4096];
	uint8_t response_bytes[16384];
};

static struct world world;

static const struct relay_weather lossy = {.lost = 20, .doubled = 15, .held = 15, .seed = 7};

static const struct coax_tuning tuning = {
	.ack_timeout_ms = 40,
	.max_retransmit = 6,
	.empty_ack_delay_ms = 20,
	.probing_rate = 1000000, /* what was lost is repeated by the test, at once */
};

static struct coax_context *open_context(struct coax_site *site)
{
	return context_open(
		(struct coax_context_options){.site = site, .workers = 1, .tuning = tuning});
}

static void run(void (*body)(void), const struct relay_weather *weather)
{
	world.fine = !weather;
	world.server = open_context(plugtest_site());
	world.client = open_context(NULL);
	relay_open(&world.relay, coax_context_port(world.server), weather);
	ASSERT_EQ(coax_address_parse(&world.remote, "127.0.0.1", world.relay.port), 0);
	body();
	plugtest_answer_separate();
	coax_context_shutdown(world.client);
	coax_context_shutdown(world.server);
	relay_close(&world.relay);
	coax_site_destroy(plugtest.site);
}

/* A case, in both weathers. */
#define TD(id, sentence)                                      \
	static void id(void);                                 \
	TEST_TIMEOUT("TD_COAP_" #id ": " sentence, 60)        \
	{                                                     \
		run(id, NULL);                                \
	}                                                     \
	TEST_TIMEOUT("TD_COAP_" #id ", lossy: " sentence, 60) \
	{                                                     \
		run(id, &lossy);                              \
	}                                                     \
	static void id(void)

static void begin(uint8_t code, const char *path)
{
	ASSERT_EQ(coax_message_start(&world.request, world.request_bytes,
				     sizeof(world.request_bytes), COAX_TYPE_CON, code, 0, NULL, 0),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &world.request), 0);
}

static void with_text(const char *text)
{
	ASSERT_EQ(
		coax_message_add_uint(&world.request, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN),
		0);
	ASSERT_EQ(coax_message_set_payload(&world.request, text, strlen(text)), 0);
}

/* Send what was begun. Returns the response's code. */
static uint8_t send_with(const struct coax_request_options *options)
{
	int err = coax_request_wait(world.client, &world.remote, &world.request, options,
				    world.response_bytes, sizeof(world.response_bytes),
				    &world.response);

	EXPECT_EQ(err, 0);
	return err ? 0 : coax_message_code(&world.response);
}

static uint8_t ask(uint8_t code, const char *path)
{
	begin(code, path);
	return send_with(NULL);
}

static uint8_t ask_with_text(uint8_t code, const char *path, const char *text)
{
	begin(code, path);
	with_text(text);
	return send_with(NULL);
}

/* A NON may be lost, and so may its response: it is asked until one comes. */
static uint8_t ask_unreliably(uint8_t code, const char *path, const char *text)
{
	const struct coax_request_options options = {.non_confirmable = true, .timeout_ms = 150};
	int err;

	do {
		begin(code, path);
		if (text)
			with_text(text);
		err = coax_request_wait(world.client, &world.remote, &world.request, &options,
					world.response_bytes, sizeof(world.response_bytes),
					&world.response);
	} while (err == -ETIMEDOUT && !world.fine);
	EXPECT_EQ(err, 0);
	return err ? 0 : coax_message_code(&world.response);
}

static const char *payload(void)
{
	static char text[16384];
	size_t length;
	const uint8_t *bytes = coax_message_payload(&world.response, &length);

	snprintf(text, sizeof(text), "%.*s", (int)length, bytes ? (const char *)bytes : "");
	return text;
}

static uint32_t option(uint16_t number)
{
	uint32_t value = UINT32_MAX;

	coax_message_find_uint(&world.response, number, &value);
	return value;
}

/* The next message over the path, in fine weather. */
static struct coax_message hear(bool to_server)
{
	struct coax_message m = {.data = NULL};

	ASSERT_TRUE(
		relay_next(&world.relay, &world.at, to_server, &world.datagram, &m, PATIENCE_MS));
	return m;
}

/* A request and its piggybacked response: same ID, same token (TD_COAP_CORE_01
 * to 04). */
static void expect_piggybacked(uint8_t code)
{
	uint8_t token[COAX_TOKEN_MAX];
	struct coax_message m;
	uint16_t id;

	if (!world.fine)
		return;
	m = hear(true);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_CON);
	id = coax_message_id(&m);
	ASSERT_LE(coax_message_token_length(&m), sizeof(token));
	memcpy(token, coax_message_token(&m), coax_message_token_length(&m));
	m = hear(false);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_ACK);
	EXPECT_EQ(coax_message_code(&m), code);
	EXPECT_EQ(coax_message_id(&m), id);
	EXPECT_MEMEQ(coax_message_token(&m), token, coax_message_token_length(&m));
}

TD(CORE_01, "CON GET gets a piggybacked 2.05 with Content-Format and payload")
{
	EXPECT_EQ(ask(COAX_GET, "test"), COAX_CONTENT);
	EXPECT_EQ(option(COAX_CONTENT_FORMAT), (uint32_t)COAX_FORMAT_TEXT_PLAIN);
	EXPECT_GT(strlen(payload()), 0u);
	expect_piggybacked(COAX_CONTENT);
}

TD(CORE_02, "CON DELETE gets 2.02, and runs once")
{
	EXPECT_EQ(ask(COAX_DELETE, "test"), COAX_DELETED);
	EXPECT_EQ(plugtest.runs, 1);
	expect_piggybacked(COAX_DELETED);
}

TD(CORE_03, "CON PUT gets 2.04, and runs once")
{
	EXPECT_EQ(ask_with_text(COAX_PUT, "test", "new"), COAX_CHANGED);
	EXPECT_EQ(plugtest.runs, 1);
	expect_piggybacked(COAX_CHANGED);
}

TD(CORE_04, "CON POST gets 2.01, and runs once")
{
	EXPECT_EQ(ask_with_text(COAX_POST, "test", "new"), COAX_CREATED);
	EXPECT_EQ(plugtest.runs, 1);
	expect_piggybacked(COAX_CREATED);
}

static void expect_non(void)
{
	uint8_t token[COAX_TOKEN_MAX];
	struct coax_message m;

	if (!world.fine)
		return;
	m = hear(true);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_NON);
	memcpy(token, coax_message_token(&m), coax_message_token_length(&m));
	m = hear(false);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_NON);
	EXPECT_MEMEQ(coax_message_token(&m), token, coax_message_token_length(&m));
}

TD(CORE_05, "NON GET gets a NON 2.05")
{
	EXPECT_EQ(ask_unreliably(COAX_GET, "test", NULL), COAX_CONTENT);
	expect_non();
}

TD(CORE_06, "NON DELETE gets a NON 2.02")
{
	EXPECT_EQ(ask_unreliably(COAX_DELETE, "test", NULL), COAX_DELETED);
	expect_non();
}

TD(CORE_07, "NON PUT gets a NON 2.04")
{
	EXPECT_EQ(ask_unreliably(COAX_PUT, "test", "x"), COAX_CHANGED);
	expect_non();
}

TD(CORE_08, "NON POST gets a NON 2.01")
{
	EXPECT_EQ(ask_unreliably(COAX_POST, "test", "x"), COAX_CREATED);
	expect_non();
}

struct outcome {
	atomic_bool done;
	int result;
	uint8_t code;
};

static void take_outcome(void *arg, int result, const struct coax_message *response,
			 const union coax_address *remote)
{
	struct outcome *outcome = arg;

	(void)remote;
	outcome->result = result;
	outcome->code = response ? coax_message_code(response) : 0;
	atomic_store(&outcome->done, true);
}

static void wait_for(atomic_bool *done)
{
	for (int i = 0; i < PATIENCE_MS && !atomic_load(done); i++)
		usleep(1000);
	ASSERT_TRUE(atomic_load(done));
}

/* A handler holds the request. */
static void wait_for_separate(int count)
{
	for (int i = 0; i < PATIENCE_MS && atomic_load(&plugtest.waiting_count) < count; i++)
		usleep(1000);
	ASSERT_GE(atomic_load(&plugtest.waiting_count), count);
}

static void ask_separately(struct outcome *outcome)
{
	begin(COAX_GET, "separate");
	ASSERT_EQ(coax_request(world.client, &world.remote, &world.request, NULL, take_outcome,
			       outcome, NULL),
		  0);
	wait_for_separate(1);
}

TD(CORE_09, "a slow resource: an empty ACK, later a CON 2.05, which is acknowledged")
{
	struct outcome outcome = {0};
	struct coax_message m;
	uint16_t id;

	ask_separately(&outcome);
	if (world.fine) {
		id = coax_message_id(&(struct coax_message[]){hear(true)}[0]);
		m = hear(false);
		EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_ACK);
		EXPECT_EQ(coax_message_code(&m), COAX_EMPTY);
		EXPECT_EQ(coax_message_id(&m), id);
	}
	plugtest_answer_separate();
	wait_for(&outcome.done);
	EXPECT_EQ(outcome.result, 0);
	EXPECT_EQ(outcome.code, COAX_CONTENT);
	EXPECT_EQ(plugtest.runs, 1);
	if (!world.fine)
		return;
	m = hear(false);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_CON);
	id = coax_message_id(&m);
	m = hear(true);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_ACK);
	EXPECT_EQ(coax_message_id(&m), id);
}

/* One datagram to the server, past all layers; the response's token is
 * compared. */
static void ask_with_token(size_t length, const char *path, bool separate)
{
	static const uint8_t token[COAX_TOKEN_MAX] = {1, 2, 3, 4, 5, 6, 7, 8};
	union coax_address address;
	uint8_t bytes[256];
	struct coax_message m;
	struct pollfd readable;
	ssize_t got = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ASSERT_EQ(coax_address_parse(&address, "127.0.0.1", world.relay.port), 0);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.in)), 0);
	ASSERT_EQ(coax_message_start(&m, world.request_bytes, sizeof(world.request_bytes),
				     COAX_TYPE_CON, COAX_GET, (uint16_t)(0x4000 + length), token,
				     length),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	readable = (struct pollfd){.fd = fd, .events = POLLIN};
	for (int tries = 0; tries < 200; tries++) {
		ASSERT_EQ(send(fd, m.data, m.length, 0), (ssize_t)m.length);
		if (separate && tries == 0) {
			wait_for_separate(1);
			usleep(50000); /* the empty ACK's delay */
			plugtest_answer_separate();
		}
		while (poll(&readable, 1, 60) == 1) {
			got = recv(fd, bytes, sizeof(bytes), 0);
			ASSERT_GT(got, 0);
			if (bytes[1] == COAX_CONTENT)
				goto out;
		}
	}
out:
	ASSERT_EQ(coax_message_parse(&world.response, bytes, (size_t)got), 0);
	EXPECT_EQ(coax_message_code(&world.response), COAX_CONTENT);
	EXPECT_EQ(coax_message_token_length(&world.response), length);
	EXPECT_MEMEQ(coax_message_token(&world.response), token, length);
	/* RFC 7252 section 4.2: a confirmable one is acknowledged. */
	coax_message_start(&m, world.request_bytes, sizeof(world.request_bytes), COAX_TYPE_ACK,
			   COAX_EMPTY, coax_message_id(&world.response), NULL, 0);
	if (coax_message_type(&world.response) == COAX_TYPE_CON)
		ASSERT_EQ(send(fd, m.data, m.length, 0), (ssize_t)m.length);
	close(fd);
}

TD(CORE_10, "a token of 1 to 8 bytes is echoed")
{
	for (size_t length = 1; length <= COAX_TOKEN_MAX; length++)
		ask_with_token(length, "test", false);
}

TD(CORE_12, "a token of no bytes is echoed")
{
	ask_with_token(0, "test", false);
}

TEST("TD_COAP_CORE_11: a token is echoed by a separate response")
{
	static void (*const body)(void) = NULL;

	(void)body;
	world.server = open_context(plugtest_site());
	world.client = open_context(NULL);
	relay_open(&world.relay, coax_context_port(world.server), NULL);
	ask_with_token(5, "separate", true);
	coax_context_shutdown(world.client);
	coax_context_shutdown(world.server);
	relay_close(&world.relay);
	coax_site_destroy(plugtest.site);
}

TD(CORE_13, "a path of several segments")
{
	EXPECT_EQ(ask(COAX_GET, "seg1/seg2/seg3"), COAX_CONTENT);
	EXPECT_STREQ(payload(), "seg1/seg2/seg3");
}

TD(CORE_14, "several queries")
{
	EXPECT_EQ(ask(COAX_GET, "query?first=1&second=2&third=3"), COAX_CONTENT);
	EXPECT_STREQ(payload(), "first=1 second=2 third=3 ");
}

TD(CORE_15, "a lost request and a lost response are each repaired by retransmission")
{
	atomic_store(&world.relay.lose_to_server, 1);
	EXPECT_EQ(ask_with_text(COAX_POST, "test", "x"), COAX_CREATED);
	EXPECT_EQ(plugtest.runs, 1);
	atomic_store(&world.relay.lose_to_client, 1);
	EXPECT_EQ(ask_with_text(COAX_POST, "test", "x"), COAX_CREATED);
	EXPECT_EQ(plugtest.runs, 2);
}

TD(CORE_16, "of a separate response each datagram may be lost in turn")
{
	for (int which = 0; which < 4; which++) {
		struct outcome outcome = {0};

		atomic_store(&plugtest.runs, 0);
		if (which == 0)
			atomic_store(&world.relay.lose_to_server, 1);
		if (which == 1)
			atomic_store(&world.relay.lose_to_client, 1);
		ask_separately(&outcome);
		if (world.fine && which >= 2) {
			hear(true);
			hear(false); /* the empty ACK is through */
		}
		if (which == 2)
			atomic_store(&world.relay.lose_to_client, 1);
		if (which == 3)
			atomic_store(&world.relay.lose_to_server, 1);
		plugtest_answer_separate();
		wait_for(&outcome.done);
		EXPECT_EQ(outcome.result, 0);
		EXPECT_EQ(outcome.code, COAX_CONTENT);
		EXPECT_EQ(plugtest.runs, 1);
	}
}

TD(CORE_17, "NON GET to a slow resource: no ACK, later a NON 2.05")
{
	const struct coax_request_options options = {.non_confirmable = true, .timeout_ms = 5000};
	struct outcome outcome = {0};
	struct coax_message m;

	if (!world.fine)
		return;
	begin(COAX_GET, "separate");
	ASSERT_EQ(coax_request(world.client, &world.remote, &world.request, &options, take_outcome,
			       &outcome, NULL),
		  0);
	wait_for_separate(1);
	plugtest_answer_separate();
	wait_for(&outcome.done);
	EXPECT_EQ(outcome.code, COAX_CONTENT);
	m = hear(false);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_NON);
	EXPECT_EQ(coax_message_code(&m), COAX_CONTENT);
}

/* The values of a repeatable option, each behind a '/'. */
static const char *values(uint16_t number)
{
	struct coax_option_iterator it = coax_options_begin(&world.response);
	static char text[256];
	struct coax_option option;
	size_t at = 0;

	text[0] = '\0';
	while (coax_options_next(&it, &option))
		if (option.number == number)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "/%.*s",
					       (int)option.length, (const char *)option.value);
	return text;
}

TD(CORE_18, "POST gets 2.01 with three Location-Path options")
{
	EXPECT_EQ(ask_with_text(COAX_POST, "test", "x"), COAX_CREATED);
	EXPECT_STREQ(values(COAX_LOCATION_PATH), "/location1/location2/location3");
}

TD(CORE_19, "POST gets 2.01 with two Location-Query options")
{
	EXPECT_EQ(ask_with_text(COAX_POST, "location-query", "x"), COAX_CREATED);
	EXPECT_STREQ(values(COAX_LOCATION_QUERY), "/first=1/second=2");
}

TD(CORE_20, "Accept chooses the Content-Format")
{
	static const uint16_t formats[] = {COAX_FORMAT_TEXT_PLAIN, COAX_FORMAT_XML};

	for (int i = 0; i < 2; i++) {
		begin(COAX_GET, "multi-format");
		coax_message_add_uint(&world.request, COAX_ACCEPT, formats[i]);
		EXPECT_EQ(send_with(NULL), COAX_CONTENT);
		EXPECT_EQ(option(COAX_CONTENT_FORMAT), formats[i]);
	}
	begin(COAX_GET, "multi-format");
	coax_message_add_uint(&world.request, COAX_ACCEPT, COAX_FORMAT_EXI);
	EXPECT_EQ(send_with(NULL), COAX_NOT_ACCEPTABLE);
}

/* The response's ETag, into `etag`. */
static size_t take_etag(uint8_t etag[8])
{
	struct coax_option found = {.length = 0};

	ASSERT_TRUE(coax_message_find(&world.response, COAX_ETAG, &found));
	ASSERT_LE(found.length, 8u);
	memcpy(etag, found.value, found.length);
	return found.length;
}

TD(CORE_21, "GET with the current ETag gets 2.03, with a former one 2.05 and "
	    "the new one")
{
	uint8_t first[8], second[8];
	size_t length;

	EXPECT_EQ(ask(COAX_GET, "validate"), COAX_CONTENT);
	length = take_etag(first);
	begin(COAX_GET, "validate");
	coax_message_add(&world.request, COAX_ETAG, first, length);
	EXPECT_EQ(send_with(NULL), COAX_VALID);
	EXPECT_STREQ(payload(), "");

	EXPECT_EQ(ask_with_text(COAX_PUT, "validate", "another"), COAX_CHANGED);
	begin(COAX_GET, "validate");
	coax_message_add(&world.request, COAX_ETAG, first, length);
	EXPECT_EQ(send_with(NULL), COAX_CONTENT);
	EXPECT_STREQ(payload(), "another");
	EXPECT_EQ(take_etag(second), length);
	EXPECT_NE(memcmp(first, second, length), 0);
}

TD(CORE_22, "PUT with If-Match: 2.04 for the current ETag, 4.12 for a former one")
{
	uint8_t etag[8];
	size_t length;

	EXPECT_EQ(ask(COAX_GET, "validate"), COAX_CONTENT);
	length = take_etag(etag);
	for (int round = 0; round < 2; round++) {
		begin(COAX_PUT, "validate");
		coax_message_add(&world.request, COAX_IF_MATCH, etag, length);
		with_text(round ? "not this" : "this");
		EXPECT_EQ(send_with(NULL), round ? COAX_PRECONDITION_FAILED : COAX_CHANGED);
	}
	EXPECT_EQ(ask(COAX_GET, "validate"), COAX_CONTENT);
	EXPECT_STREQ(payload(), "this");
}

TD(CORE_23, "PUT with If-None-Match: 2.01, then 4.12")
{
	for (int round = 0; round < 2; round++) {
		begin(COAX_PUT, "create1");
		coax_message_add(&world.request, COAX_IF_NONE_MATCH, NULL, 0);
		with_text("x");
		EXPECT_EQ(send_with(NULL), round ? COAX_PRECONDITION_FAILED : COAX_CREATED);
	}
}

TD(CORE_31, "a ping is answered by RST")
{
	struct outcome outcome = {.result = 1};

	ASSERT_EQ(coax_message_start(&world.request, world.request_bytes,
				     sizeof(world.request_bytes), COAX_TYPE_CON, COAX_EMPTY, 0,
				     NULL, 0),
		  0);
	ASSERT_EQ(coax_request(world.client, &world.remote, &world.request, NULL, take_outcome,
			       &outcome, NULL),
		  0);
	wait_for(&outcome.done);
	EXPECT_EQ(outcome.result, 0);
	if (world.fine)
		EXPECT_EQ((int)coax_message_type(&(struct coax_message[]){hear(false)}[0]),
			  (int)COAX_TYPE_RST);
}

/* Links. */

TD(LINK_01, "/.well-known/core is link-format")
{
	EXPECT_EQ(ask(COAX_GET, ".well-known/core"), COAX_CONTENT);
	EXPECT_EQ(option(COAX_CONTENT_FORMAT), (uint32_t)COAX_FORMAT_LINK);
	EXPECT_TRUE(strstr(payload(), "</obs>;obs") != NULL);
}

static int links(const char *query)
{
	char path[64];
	int count = 0;

	snprintf(path, sizeof(path), ".well-known/core?%s", query);
	EXPECT_EQ(ask(COAX_GET, path), COAX_CONTENT);
	for (const char *at = payload(); (at = strchr(at, '<')); at++)
		count++;
	return count;
}

TD(LINK_02, "filtered by one of several resource types")
{
	EXPECT_EQ(links("rt=Type1"), 2);
}

TD(LINK_03, "rt=* gives links that have an rt, and no others")
{
	EXPECT_EQ(links("rt=*"), 3);
}

TD(LINK_04, "a type in the middle of several")
{
	EXPECT_EQ(links("rt=Type2"), 2);
}

TD(LINK_05, "filtered by the beginning of an interface")
{
	EXPECT_EQ(links("if=If*"), 2);
}

TD(LINK_06, "filtered by the presence of a size")
{
	EXPECT_GT(links("sz=*"), 0);
}

TD(LINK_07, "filtered by one target")
{
	EXPECT_EQ(links("href=/link1"), 1);
}

TD(LINK_08, "filtered by the beginning of targets")
{
	EXPECT_EQ(links("href=/link*"), 3);
}

TD(LINK_09, "a resource that lists those below it")
{
	EXPECT_EQ(links("ct=40"), 1);
	EXPECT_EQ(ask(COAX_GET, "path"), COAX_CONTENT);
	EXPECT_EQ(option(COAX_CONTENT_FORMAT), (uint32_t)COAX_FORMAT_LINK);
	EXPECT_TRUE(strstr(payload(), "</path/sub1>") != NULL);
	EXPECT_EQ(ask(COAX_GET, "path/sub1"), COAX_CONTENT);
}

/* Blocks. */

static void expect_large(const struct coax_request_options *options)
{
	begin(COAX_GET, "large");
	EXPECT_EQ(send_with(options), COAX_CONTENT);
	EXPECT_STREQ(payload(), plugtest.large);
}

/* The Block option of each message in one direction: what the case says about
 * them. */
static void expect_blocks(bool to_server, uint16_t number, uint32_t size, unsigned int count)
{
	struct coax_block block;
	struct coax_message m;
	int former = -1;

	for (unsigned int i = 0; world.fine && i < count; i++) {
		/* What a busy machine answers late is repeated. */
		do
			m = hear(to_server);
		while (coax_message_id(&m) == former);
		former = coax_message_id(&m);
		ASSERT_EQ(coax_message_find_block(&m, number, &block), 1);
		EXPECT_EQ(block.number, i);
		EXPECT_EQ(coax_block_size(&block), size);
		EXPECT_EQ(block.more, i + 1 < count);
	}
}

TD(BLOCK_01, "GET of a large resource, the size negotiated early")
{
	expect_large(&(struct coax_request_options){.block_size = 64});
	expect_blocks(false, COAX_BLOCK2, 64, 20);
}

TD(BLOCK_02, "GET of a large resource, the size negotiated late")
{
	expect_large(NULL);
	expect_blocks(false, COAX_BLOCK2, 1024, 2);
}

TD(BLOCK_03, "PUT of a large body")
{
	EXPECT_EQ(ask_with_text(COAX_PUT, "large-update", plugtest.large), COAX_CREATED);
	EXPECT_EQ(plugtest.runs, 1);
	expect_blocks(true, COAX_BLOCK1, 1024, 2);
	EXPECT_EQ(ask(COAX_GET, "large-update"), COAX_CONTENT);
	EXPECT_STREQ(payload(), plugtest.large);
}

TD(BLOCK_04, "POST of a large body creates what Location-Path says")
{
	EXPECT_EQ(ask_with_text(COAX_POST, "large-create", plugtest.large), COAX_CREATED);
	EXPECT_STREQ(values(COAX_LOCATION_PATH), "/large-create/1");
	EXPECT_EQ(plugtest.runs, 1);
	EXPECT_EQ(ask(COAX_GET, "large-create/1"), COAX_CONTENT);
	EXPECT_STREQ(payload(), plugtest.large);
}

TD(BLOCK_05, "POST with a large body and a large response")
{
	const struct coax_request_options options = {.block_size = 64};
	char text[PLUGTEST_LINES * 64 + 1];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 26);
	text[sizeof(text) - 1] = '\0';
	begin(COAX_POST, "large-post");
	with_text(text);
	EXPECT_EQ(send_with(&options), COAX_CHANGED);
	EXPECT_EQ(plugtest.runs, 1);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)(text[i] - 32);
	EXPECT_STREQ(payload(), text);
}

TD(BLOCK_06, "GET in blocks of 16 bytes")
{
	expect_large(&(struct coax_request_options){.block_size = 16});
	expect_blocks(false, COAX_BLOCK2, 16, 80);
}

/* Observation. */

static struct coax_observation *observe(const char *path, bool non_confirmable)
{
	const struct coax_request_options options = {.non_confirmable = non_confirmable};
	struct coax_observation *observation;

	begin(COAX_GET, path);
	ASSERT_EQ(coax_observe(world.client, &world.remote, &world.request, &options, &observation),
		  0);
	return observation;
}

/* The next notification into world.response. Returns what
 * coax_observation_next() does. */
static int next(struct coax_observation *observation)
{
	return coax_observation_next(observation, PATIENCE_MS, world.response_bytes,
				     sizeof(world.response_bytes), &world.response);
}

/* Until one says `text`: later states may have taken the place of former ones.
 */
static void expect_state(struct coax_observation *observation, const char *text)
{
	int err;

	do {
		err = next(observation);
		ASSERT_EQ(err, 0);
	} while (strncmp(payload(), text, strlen(text)));
}

static void tick_and_expect(struct coax_observation *observation)
{
	char text[32];

	plugtest_tick();
	snprintf(text, sizeof(text), "tick %u", atomic_load(&plugtest.tick));
	expect_state(observation, text);
}

TD(OBS_01, "CON notifications, with rising numbers, the token and the Content-Format")
{
	struct coax_observation *observation = observe("obs", false);
	uint32_t number = 0, former = 0;
	struct coax_message m;

	expect_state(observation, "tick 0");
	for (int i = 0; i < 5; i++)
		tick_and_expect(observation);
	EXPECT_EQ(option(COAX_CONTENT_FORMAT), (uint32_t)COAX_FORMAT_TEXT_PLAIN);
	coax_observation_free(observation);
	if (!world.fine)
		return;
	m = hear(false);
	EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_ACK);
	ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &former));
	for (int i = 0; i < 5; i++) {
		m = hear(false);
		EXPECT_EQ((int)coax_message_type(&m), (int)COAX_TYPE_CON);
		ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &number));
		EXPECT_LT((former - number) & 0xffffff ? (number - former) & 0xffffff : 0x800000,
			  0x800000u);
		former = number;
	}
}

TD(OBS_02, "NON notifications, once a confirmable one was acknowledged")
{
	struct coax_observation *observation;

	if (!world.fine) /* nothing repairs what is lost of them */
		return;
	observation = observe("obs-non", true);
	expect_state(observation, "tick 0");
	for (int i = 0; i < 5; i++)
		tick_and_expect(observation);
	coax_observation_free(observation);
	for (int i = 0, non = 0; i < 6; i++) {
		struct coax_message m = hear(false);

		non += coax_message_type(&m) == COAX_TYPE_NON;
		if (i == 5)
			EXPECT_GE(non, 4);
	}
}

TD(OBS_05, "a client that is gone: retransmissions carry the newest state, "
	   "then it is removed")
{
	struct coax_observation *observation = observe("obs", false);
	struct coax_context_stats stats;
	uint32_t number = 0, former = 0;
	struct coax_message m;
	int different = 0;

	expect_state(observation, "tick 0");
	if (!world.fine) {
		coax_observation_free(observation);
		return;
	}
	m = hear(false);
	ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &former));
	atomic_store(&world.relay.lose_to_client, 1000);
	do {
		plugtest_tick();
		usleep(20000);
		coax_context_stats_read(world.server, &stats);
	} while (stats.observers);
	EXPECT_EQ(stats.observers_lost, 1u);
	for (int i = 0; i < 6; i++) {
		m = hear(false);
		ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &number));
		different += number != former;
		former = number;
	}
	EXPECT_GE(different, 4);
	atomic_store(&world.relay.lose_to_client, 0);
	coax_observation_free(observation);
}

TD(OBS_07, "DELETE ends it with a CON 4.04 without Observe")
{
	struct coax_observation *observation = observe("obs", false);
	uint32_t number;

	expect_state(observation, "tick 0");
	EXPECT_EQ(ask(COAX_DELETE, "obs"), COAX_DELETED);
	EXPECT_EQ(next(observation), -EREMOTEIO);
	EXPECT_EQ(coax_message_code(&world.response), COAX_NOT_FOUND);
	EXPECT_FALSE(coax_message_find_uint(&world.response, COAX_OBSERVE, &number));
	coax_observation_free(observation);
}

TD(OBS_08, "PUT with another Content-Format ends it with a CON 4.06 without Observe")
{
	struct coax_observation *observation = observe("obs", false);

	expect_state(observation, "tick 0");
	begin(COAX_PUT, "obs");
	coax_message_add_uint(&world.request, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	coax_message_set_payload(&world.request, "{}", 2);
	EXPECT_EQ(send_with(NULL), COAX_CHANGED);
	EXPECT_EQ(next(observation), -EREMOTEIO);
	EXPECT_EQ(coax_message_code(&world.response), COAX_NOT_ACCEPTABLE);
	coax_observation_free(observation);
}

TD(OBS_09, "PUT with the same Content-Format is notified")
{
	struct coax_observation *observation = observe("obs", false);

	expect_state(observation, "tick 0");
	EXPECT_EQ(ask_with_text(COAX_PUT, "obs", "set by hand"), COAX_CHANGED);
	expect_state(observation, "set by hand");
	coax_observation_free(observation);
}

TD(OBS_10, "a plain GET does not end it")
{
	struct coax_observation *observation = observe("obs", false);

	expect_state(observation, "tick 0");
	EXPECT_EQ(ask(COAX_GET, "obs"), COAX_CONTENT);
	tick_and_expect(observation);
	coax_observation_free(observation);
}

TD(OBS_11, "changes come faster than they are taken: one in flight, the last "
	   "state arrives")
{
	struct coax_observation *observation = observe("obs", false);
	char text[32];

	expect_state(observation, "tick 0");
	for (int i = 0; i < 200; i++)
		plugtest_tick();
	snprintf(text, sizeof(text), "tick %u", atomic_load(&plugtest.tick));
	expect_state(observation, text);
	coax_observation_free(observation);
}

TD(OBS_12, "GET with Observe 1 and the same token ends it")
{
	struct coax_observation *observation = observe("obs", false);
	struct coax_context_stats stats;

	expect_state(observation, "tick 0");
	coax_observation_cancel(observation);
	for (int i = 0; i < PATIENCE_MS; i++) {
		coax_context_stats_read(world.server, &stats);
		if (!stats.observers)
			break;
		usleep(1000);
	}
	EXPECT_EQ(stats.observers, 0u);
	EXPECT_EQ(stats.observers_lost, 0u);
	coax_observation_free(observation);
}

static void expect_whole(void)
{
	EXPECT_EQ(strlen(payload()), strlen(plugtest.large));
	EXPECT_STREQ(payload() + 16, plugtest.large + 16);
}

TD(OBS_13, "a large resource: each notification is completed by block-wise transfer")
{
	struct coax_observation *observation = observe("obs-large", false);
	char text[32];

	expect_state(observation, "tick");
	expect_whole();
	for (int i = 0; i < 3; i++) {
		plugtest_tick();
		snprintf(text, sizeof(text), "tick%11u", atomic_load(&plugtest.tick));
		expect_state(observation, text);
		expect_whole();
	}
	coax_observation_free(observation);
}

TD(OBS_14, "a resource that is large now and then")
{
	struct coax_observation *observation = observe("obs-pumping", false);
	char text[32];

	expect_state(observation, "tick 0");
	for (int i = 0; i < 4; i++) {
		plugtest_tick();
		snprintf(text, sizeof(text),
			 atomic_load(&plugtest.tick) % 2 ? "tick%11u" : "tick %u",
			 atomic_load(&plugtest.tick));
		expect_state(observation, text);
		if (atomic_load(&plugtest.tick) % 2)
			expect_whole();
	}
	coax_observation_free(observation);
}

TEST_MAIN()
