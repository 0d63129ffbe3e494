// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies that are too large to be put together in the proxy go through it block by block (RFC 7959
 * section 2.10), over loopback.
 */
#include "../proxy.h"

#define BODY_MAX 2048
#define LENGTH	 6000
#define BLOCKS	 6

static struct origin origin;

static void begin(void)
{
	const struct coax_proxy_options options = {.body_max = BODY_MAX};

	origin_start(&origin);
	origin.length = LENGTH;
	between_start_plainly(&origin, &options);
}

static void end(void)
{
	between_end();
	origin_end(&origin);
}

static void expect_body(const struct said *said)
{
	const uint8_t *payload;
	size_t length;

	EXPECT_EQ(said->code, COAX_CONTENT);
	payload = coax_message_payload(&said->m, &length);
	ASSERT_EQ(length, (size_t)LENGTH);
	EXPECT_MEMEQ(payload, numbered_bytes(), LENGTH);
}

TEST("what is larger than the proxy takes comes whole, block by block")
{
	struct coax_proxy_origin *figures;
	size_t count;

	begin();
	expect_body(get("p/a"));
	/* The attempt to have all of it ends with its first block, which says how large it is. */
	EXPECT_EQ(between_stats().forwarded, BLOCKS + 1ULL);
	EXPECT_EQ(origin.requests, 2);
	ASSERT_EQ(coax_proxy_origins_read(between.proxy, &figures, &count), 0);
	EXPECT_EQ(figures[0].failures, 0ULL);
	coax_proxy_origins_free(figures, count);
	end();
}

TEST("each block is stored: who comes later costs the origin nothing")
{
	begin();
	expect_body(get("p/a"));
	expect_body(get("p/a"));
	EXPECT_EQ(between_stats().forwarded, BLOCKS + 1ULL);
	EXPECT_EQ(between_stats().hits, (unsigned long long)BLOCKS);
	EXPECT_EQ(between_stats().entries, (unsigned long long)BLOCKS);
	end();
}

TEST("other sizes of blocks and other queries are other requests")
{
	static const struct coax_block first = {.exponent = 4};
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");

	begin();
	ASSERT_EQ(coax_message_add_block(&m, COAX_BLOCK2, &first), 0);
	expect_body(ask_message(&m));
	expect_body(get("p/a"));
	expect_body(get("p/a?b"));
	expect_body(ask_message(&m));
	end();
}

TEST("a change through the proxy makes all blocks stale")
{
	begin();
	expect_body(get("p/a"));
	atomic_store(&origin.code, COAX_CHANGED);
	origin.length = 0;
	EXPECT_EQ(ask(COAX_PUT, "p/a")->code, COAX_CHANGED);
	atomic_store(&origin.code, COAX_CONTENT);
	origin.length = LENGTH;
	EXPECT_EQ(between_stats().invalidated, (unsigned long long)BLOCKS);
	expect_body(get("p/a"));
	EXPECT_EQ(between_stats().validated, (unsigned long long)BLOCKS);
	end();
}

TEST("what has become small enough is had whole again")
{
	begin();
	atomic_store(&origin.max_age, 0);
	expect_body(get("p/a"));
	origin.length = 0;
	EXPECT_STREQ(get("p/a")->text, "v1");
	atomic_store(&origin.max_age, 60);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(between_stats().hits, 1ULL);
	end();
}

static const struct said *get_block(uint32_t number)
{
	const struct coax_block block = {.number = number, .exponent = 6};
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");

	ASSERT_EQ(coax_message_add_block(&m, COAX_BLOCK2, &block), 0);
	return ask_message(&m);
}

TEST("who asks for a block that is not there makes nobody fetch all the others")
{
	begin();
	expect_body(get("p/a"));
	EXPECT_EQ(COAX_CODE_CLASS(get_block(BLOCKS)->code), 4);
	EXPECT_EQ(get_block(2)->code, COAX_CONTENT);
	EXPECT_EQ(between_stats().forwarded, BLOCKS + 2ULL);
	EXPECT_EQ(COAX_CODE_CLASS(get_block(BLOCKS + 1)->code), 4);
	EXPECT_EQ(between_stats().forwarded, BLOCKS + 3ULL);
	end();
}

static void handle_fresh(struct coax_responder *responder, void *arg)
{
	struct coax_option echo;

	if (coax_message_find(coax_responder_request(responder), COAX_ECHO, &echo)) {
		origin_handle(responder, arg);
		return;
	}
	ASSERT_EQ(coax_message_add(coax_responder_response(responder), COAX_ECHO, "now", 3), 0);
	coax_respond(responder, COAX_UNAUTHORIZED);
}

TEST("an origin that has the proxy prove that requests are fresh is shown it, for a block too")
{
	const struct coax_proxy_options options = {.body_max = BODY_MAX};

	origin_start_with(&origin, handle_fresh);
	origin.length = LENGTH;
	between_start_plainly(&origin, &options);
	expect_body(get("p/a"));
	EXPECT_EQ(origin.requests, 2);
	end();
}

static unsigned int shift;

/* Block by block, and each but the first from further on. */
static void answer_shifted(struct coax_responder *responder, void *arg)
{
	struct coax_message *response = coax_responder_response(responder);
	struct coax_block block = {.exponent = 6};
	const struct origin *from = arg;

	(void)coax_message_find_block(coax_responder_request(responder), COAX_BLOCK2, &block);
	block.number += block.number ? shift : 0;
	block.more = true;
	if (from->etag)
		coax_message_add_string(response, COAX_ETAG, from->etag);
	coax_message_add_block(response, COAX_BLOCK2, &block);
	coax_message_add_uint(response, COAX_SIZE2, LENGTH);
	coax_responder_set_payload(responder, numbered_bytes(), 1024);
	coax_respond(responder, COAX_CONTENT);
}

/* How often the cache answers when one is asked for twice. */
static unsigned long long hits_of(const char *etag, unsigned int by)
{
	const struct coax_proxy_options options = {.body_max = BODY_MAX};
	const struct coax_block block = {.number = 2, .exponent = 6};
	unsigned long long hits;
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");

	shift = by;
	origin_start_with(&origin, answer_shifted);
	origin.etag = etag;
	between_start_plainly(&origin, &options);
	coax_message_add_block(&m, COAX_BLOCK2, &block);
	EXPECT_EQ(ask_message(&m)->code, COAX_CONTENT);
	EXPECT_EQ(ask_message(&m)->code, COAX_CONTENT);
	hits = between_stats().hits;
	end();
	return hits;
}

TEST("a block that is not the one that was asked for, or that nothing names, is not stored")
{
	EXPECT_EQ(hits_of("e1", 0), 1ULL);
	EXPECT_EQ(hits_of("e1", 1), 0ULL);
	EXPECT_EQ(hits_of(NULL, 0), 0ULL);
}

TEST("a forward-proxy does the same")
{
	static const char *const any[] = {"*:*"};
	const struct coax_proxy_options options = {
		.body_max = BODY_MAX, .allowed = any, .allowed_count = 1};
	char uri[128];

	origin_start(&origin);
	origin.length = LENGTH;
	between_start(&options);
	snprintf(uri, sizeof(uri), "%s/a?b", origin.uri);
	expect_body(get_with("", COAX_PROXY_URI, uri, strlen(uri)));
	expect_body(get_with("", COAX_PROXY_URI, uri, strlen(uri)));
	EXPECT_EQ(between_stats().forwarded, BLOCKS + 1ULL);
	end();
}

static void take_error(void *arg, int error, const struct coax_message *response)
{
	(void)error;
	atomic_store((atomic_int *)arg, response ? coax_message_code(response) : 1);
}

TEST("who wants to observe it gets it, and is told that it is for this time")
{
	struct coax_observation *observation;
	atomic_int code = 0;
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");

	begin();
	ASSERT_EQ(coax_observe(between.client, &between.address, &m, NULL, &observation), 0);
	coax_observation_on_error(observation, take_error, &code);
	WAIT_FOR(code != 0);
	EXPECT_EQ(code, COAX_CONTENT);
	EXPECT_EQ(between_stats().watches, 0ULL);
	coax_observation_free(observation);
	end();
}

/* An origin that changes while it is fetched. */
static void answer_block(struct peer *peer, const char *etag)
{
	struct coax_block asked = {.exponent = 6};
	uint32_t offset;

	coax_message_find_block(&peer->request, COAX_BLOCK2, &asked);
	offset = asked.number << (asked.exponent + 4);
	peer_begin(peer, COAX_CONTENT);
	coax_message_add_string(&peer->reply, COAX_ETAG, etag);
	coax_message_add_uint(&peer->reply, COAX_MAX_AGE, 60);
	peer_add_block(peer, COAX_BLOCK2, asked.number, asked.number < 2, asked.exponent);
	coax_message_add_uint(&peer->reply, COAX_SIZE2, 3072);
	ASSERT_EQ(coax_message_set_payload(&peer->reply, numbered_bytes() + offset, 1024), 0);
	peer_send(peer);
}

TEST("blocks of another representation make those before stale: clients who begin anew get one")
{
	static const char *const etags[] = {"old", "old", "new", "new", "new", "new"};
	struct coax_proxy_options options = {.body_max = BODY_MAX};
	static struct outcome outcome;
	static struct peer peer;
	static char uri[64];
	struct coax_message m;
	uint8_t buffer[256];
	struct origin named;

	peer_open(&peer);
	sprintf(uri, "coap://127.0.0.1:%u", coax_address_port(&peer.address));
	strcpy(named.uri, uri);
	between_start_plainly(&named, &options);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(between.client, &between.address, &m, NULL, outcome_take, &outcome,
			       &outcome.request),
		  0);
	for (size_t i = 0; i < sizeof(etags) / sizeof(etags[0]); i++) {
		peer_take(&peer);
		answer_block(&peer, etags[i]);
	}
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.result, 0);
	EXPECT_EQ(outcome.length, 3072U);
	EXPECT_MEMEQ(outcome.payload, numbered_bytes(), 3072);
	between_end();
	close(peer.fd);
}

TEST_MAIN()
