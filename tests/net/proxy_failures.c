// SPDX-License-Identifier: BSD-2-Clause
// timeout: 180
/*
 * Origins that fail in every way, and clients that wait for them, over loopback.
 */
#include "../proxy.h"

/* For an origin's response: where that is what the test is about, it is short. */
#define SHORT_MS 700
static uint32_t timeout_ms = 20000;

static struct peer peers[2];
static char uris[2][64];

/* `count` sockets as the origins. */
static void begin(unsigned int count, uint32_t stale_if_error)
{
	const char *origins[2];
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = origins, .origin_count = count};
	const struct coax_proxy_options options = {.mappings = &mapping,
						   .mapping_count = 1,
						   .timeout_ms = timeout_ms,
						   .stale_if_error = stale_if_error};

	for (unsigned int i = 0; i < count; i++) {
		peer_open(&peers[i]);
		sprintf(uris[i], "coap://127.0.0.1:%u", coax_address_port(&peers[i].address));
		origins[i] = uris[i];
	}
	between_start(&options);
}

static void end(void)
{
	between_end();
}

static struct outcome outcomes[8];

static void ask_later(struct outcome *outcome, uint8_t code, const char *path)
{
	uint8_t buffer[512];
	struct coax_message m = asking(buffer, sizeof(buffer), code, path);

	memset(outcome, 0, sizeof(*outcome));
	sem_init(&outcome->told, 0, 0);
	ASSERT_EQ(coax_request(between.client, &between.address, &m, NULL, outcome_take, outcome,
			       &outcome->request),
		  0);
}

static void expect(struct outcome *outcome, uint8_t code, const char *payload)
{
	outcome_wait(outcome);
	EXPECT_EQ(outcome->result, 0);
	EXPECT_EQ(outcome->code, code);
	if (payload)
		EXPECT_STREQ((char *)outcome->payload, payload);
}

/* A GET has come to the only origin. */
static void begin_asked(void)
{
	begin(1, 0);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	peer_take(&peers[0]);
}

/* ACK or RST to what an origin was sent. */
static void react_as(struct peer *peer, uint8_t type)
{
	coax_message_start(&peer->reply, peer->reply_bytes, sizeof(peer->reply_bytes), type,
			   COAX_EMPTY, coax_message_id(&peer->request), NULL, 0);
	peer_send(peer);
}

static void react(uint8_t type)
{
	react_as(&peers[0], type);
}

/* An origin that answers one request. */
static void answer_next(struct peer *peer, uint8_t code, const char *payload)
{
	peer_take(peer);
	peer_answer(peer, code, payload, payload ? strlen(payload) : 0);
}

/* The same, and says how long it is fresh. */
static void answer_content(struct peer *peer, const char *payload, uint32_t max_age)
{
	peer_take(peer);
	peer_begin(peer, COAX_CONTENT);
	coax_message_add_uint(&peer->reply, COAX_MAX_AGE, max_age);
	coax_message_set_payload(&peer->reply, payload, strlen(payload));
	peer_send(peer);
}

TEST("an origin that does not answer gets 5.04, and is not asked again for a while")
{
	timeout_ms = SHORT_MS;
	begin(1, 0);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	expect(&outcomes[0], COAX_GATEWAY_TIMEOUT, NULL);
	peer_take(&peers[0]);
	ask_later(&outcomes[0], COAX_GET, "p/b");
	expect(&outcomes[0], COAX_GATEWAY_TIMEOUT, NULL);
	EXPECT_FALSE(peer_takes_within(&peers[0], 50));
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	usleep(1000000);
	ask_later(&outcomes[0], COAX_GET, "p/b");
	answer_content(&peers[0], "back", 60);
	expect(&outcomes[0], COAX_CONTENT, "back");
	ask_later(&outcomes[0], COAX_GET, "p/c");
	answer_content(&peers[0], "again", 60);
	expect(&outcomes[0], COAX_CONTENT, "again");
	end();
}

TEST("one resource that does not answer is no reason to leave an origin alone that answers for others")
{
	timeout_ms = SHORT_MS;
	begin(1, 0);
	ask_later(&outcomes[0], COAX_GET, "p/never");
	peer_take(&peers[0]);
	react(COAX_TYPE_ACK);
	ask_later(&outcomes[1], COAX_GET, "p/a");
	answer_content(&peers[0], "here", 60);
	expect(&outcomes[1], COAX_CONTENT, "here");
	expect(&outcomes[0], COAX_GATEWAY_TIMEOUT, NULL);
	ask_later(&outcomes[1], COAX_GET, "p/b");
	answer_content(&peers[0], "still", 60);
	expect(&outcomes[1], COAX_CONTENT, "still");
	end();
}

TEST("an origin where nobody listens gets 5.02")
{
	begin(1, 0);
	close(peers[0].fd);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	expect(&outcomes[0], COAX_BAD_GATEWAY, NULL);
	end();
}

TEST("an origin that rejects the request gets 5.02")
{
	begin_asked();
	react(COAX_TYPE_RST);
	expect(&outcomes[0], COAX_BAD_GATEWAY, NULL);
	end();
}

TEST("a response that comes late and separately is passed on, the client being told to wait")
{
	begin_asked();
	react(COAX_TYPE_ACK);
	usleep(300000);
	coax_message_start(&peers[0].reply, peers[0].reply_bytes, sizeof(peers[0].reply_bytes),
			   COAX_TYPE_CON, COAX_CONTENT, 77, coax_message_token(&peers[0].request),
			   coax_message_token_length(&peers[0].request));
	coax_message_set_payload(&peers[0].reply, "late", 4);
	peer_send(&peers[0]);
	expect(&outcomes[0], COAX_CONTENT, "late");
	end();
}

TEST("garbage from an origin is no response, one with another token neither")
{
	begin_asked();
	for (size_t length = 0; length <= sizeof(peers[0].reply_bytes) / 64; length++) {
		memset(peers[0].reply_bytes, (int)(0x40 + length * 37), length);
		sendto(peers[0].fd, peers[0].reply_bytes, length, 0,
		       (struct sockaddr *)&peers[0].requester, sizeof(peers[0].requester));
	}
	ASSERT_EQ(coax_message_start(&peers[0].reply, peers[0].reply_bytes,
				     sizeof(peers[0].reply_bytes), COAX_TYPE_ACK, COAX_CONTENT,
				     coax_message_id(&peers[0].request), "wrong", 5),
		  0);
	coax_message_set_payload(&peers[0].reply, "wrong", 5);
	peer_send(&peers[0]);
	peer_answer(&peers[0], COAX_CONTENT, "right", 5);
	expect(&outcomes[0], COAX_CONTENT, "right");
	end();
}

TEST("a response whose options cannot be read gets 5.02 or 5.04, and is not kept")
{
	timeout_ms = SHORT_MS;
	begin_asked();
	peer_begin(&peers[0], COAX_CONTENT);
	/* Delta 15 is reserved. */
	peers[0].reply.data[peers[0].reply.length++] = 0xf1;
	peers[0].reply.data[peers[0].reply.length++] = 0;
	peer_send(&peers[0]);
	outcome_wait(&outcomes[0]);
	EXPECT_EQ(COAX_CODE_CLASS(outcomes[0].code), 5);
	WAIT_FOR(between_stats().entries == 0);
	end();
}

TEST("a 2.03 that nobody asked for gets 5.02")
{
	begin_asked();
	peer_answer(&peers[0], COAX_VALID, NULL, 0);
	expect(&outcomes[0], COAX_BAD_GATEWAY, NULL);
	end();
}

TEST("a 2.03 with another ETag than was asked about makes the proxy ask without one")
{
	begin_asked();
	peer_begin(&peers[0], COAX_CONTENT);
	coax_message_add(&peers[0].reply, COAX_ETAG, "e", 1);
	coax_message_add_uint(&peers[0].reply, COAX_MAX_AGE, 0);
	coax_message_set_payload(&peers[0].reply, "old", 3);
	peer_send(&peers[0]);
	expect(&outcomes[0], COAX_CONTENT, "old");

	ask_later(&outcomes[0], COAX_GET, "p/a");
	peer_take(&peers[0]);
	EXPECT_TRUE(peer_was_sent(&peers[0], COAX_ETAG));
	peer_begin(&peers[0], COAX_VALID);
	coax_message_add(&peers[0].reply, COAX_ETAG, "f", 1);
	peer_send(&peers[0]);
	peer_take(&peers[0]);
	EXPECT_FALSE(peer_was_sent(&peers[0], COAX_ETAG));
	peer_answer(&peers[0], COAX_CONTENT, "new", 3);
	expect(&outcomes[0], COAX_CONTENT, "new");
	end();
}

TEST("when the ETag changes in the midst of the blocks, clients get one representation, whole")
{
	static uint8_t bodies[2][2048];

	memset(bodies[0], 'a', sizeof(bodies[0]));
	memset(bodies[1], 'b', sizeof(bodies[1]));
	begin(1, 0);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	/* After the first block it is another one, which is asked for from its beginning. */
	for (int i = 0; i < 4; i++) {
		struct coax_block block = {.number = 0};

		peer_take(&peers[0]);
		coax_message_find_block(&peers[0].request, COAX_BLOCK2, &block);
		EXPECT_EQ(block.number, i % 2U);
		peer_begin(&peers[0], COAX_CONTENT);
		coax_message_add(&peers[0].reply, COAX_ETAG, i ? "2" : "1", 1);
		peer_add_block(&peers[0], COAX_BLOCK2, block.number, block.number == 0, 6);
		coax_message_set_payload(&peers[0].reply, bodies[!!i] + block.number * 1024, 1024);
		peer_send(&peers[0]);
	}
	expect(&outcomes[0], COAX_CONTENT, NULL);
	ASSERT_EQ(outcomes[0].length, 2048U);
	EXPECT_MEMEQ(outcomes[0].payload, bodies[1], 2048);
	end();
}

/* Which of the two origins is asked. */
static int asked_origin(void)
{
	for (int i = 0; i < 200; i++)
		for (int peer = 0; peer < 2; peer++)
			if (peer_takes_within(&peers[peer], 10))
				return peer;
	return -1;
}

TEST("when an origin fails, the next one answers; as long as it is down it is left alone")
{
	int first;

	timeout_ms = SHORT_MS;
	begin(2, 0);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	first = asked_origin();
	ASSERT_GE(first, 0);
	/* It hangs. */
	answer_next(&peers[1 - first], COAX_CONTENT, "other");
	expect(&outcomes[0], COAX_CONTENT, "other");
	EXPECT_EQ(between_stats().failovers, 1ULL);
	while (peer_takes_within(&peers[first], 0))
		;
	for (int i = 0; i < 4; i++) {
		char path[16];

		sprintf(path, "p/%d", i);
		ask_later(&outcomes[0], COAX_GET, path);
		answer_next(&peers[1 - first], COAX_CONTENT, "other");
		expect(&outcomes[0], COAX_CONTENT, "other");
	}
	EXPECT_FALSE(peer_takes_within(&peers[first], 0));
	end();
}

TEST("a POST that may have been executed is not sent to another origin, one that was refused is")
{
	int first;

	timeout_ms = SHORT_MS;
	begin(2, 0);
	ask_later(&outcomes[0], COAX_POST, "p/a");
	first = asked_origin();
	ASSERT_GE(first, 0);
	expect(&outcomes[0], COAX_GATEWAY_TIMEOUT, NULL);
	EXPECT_FALSE(peer_takes_within(&peers[1 - first], 0));
	usleep(1100000);
	close(peers[first].fd);
	ask_later(&outcomes[0], COAX_POST, "p/a");
	answer_next(&peers[1 - first], COAX_CHANGED, NULL);
	expect(&outcomes[0], COAX_CHANGED, NULL);
	end();
}

TEST("a POST that an origin has begun to work at is not sent to another one when that breaks off")
{
	int first;

	begin(2, 0);
	ask_later(&outcomes[0], COAX_POST, "p/a");
	first = asked_origin();
	ASSERT_GE(first, 0);
	react_as(&peers[first], COAX_TYPE_ACK);
	react_as(&peers[first], COAX_TYPE_RST);
	expect(&outcomes[0], COAX_BAD_GATEWAY, NULL);
	EXPECT_FALSE(peer_takes_within(&peers[1 - first], 0));
	end();
}

TEST("requests are spread over origins by their key, and each key keeps its origin")
{
	int counts[2] = {0}, origins[32];

	begin(2, 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 32; i++) {
			char path[16];
			int origin;

			sprintf(path, "p/%d", i);
			ask_later(&outcomes[0], COAX_GET, path);
			origin = asked_origin();
			ASSERT_GE(origin, 0);
			peer_begin(&peers[origin], COAX_CONTENT);
			coax_message_add_uint(&peers[origin].reply, COAX_MAX_AGE, 0);
			peer_send(&peers[origin]);
			expect(&outcomes[0], COAX_CONTENT, NULL);
			counts[origin]++;
			if (round)
				EXPECT_EQ(origins[i], origin);
			origins[i] = origin;
		}
	EXPECT_GT(counts[0], 8);
	EXPECT_GT(counts[1], 8);
	end();
}

TEST("a stale response serves only if that is configured, says that it is, and not for ever")
{
	for (uint32_t stale = 0; stale <= 2; stale += 2) {
		begin(1, stale);
		ask_later(&outcomes[0], COAX_GET, "p/a");
		answer_content(&peers[0], "old", 1);
		expect(&outcomes[0], COAX_CONTENT, "old");
		close(peers[0].fd);
		usleep(1100000);
		for (int i = 0; i < 2; i++) {
			const struct said *said = get("p/a");

			if (!stale) {
				EXPECT_EQ(said->code, COAX_BAD_GATEWAY);
				continue;
			}
			EXPECT_EQ(said->code, COAX_CONTENT);
			EXPECT_STREQ(said->text, "old");
			EXPECT_EQ(said->max_age, 0U);
		}
		EXPECT_EQ(between_stats().stale, stale ? 2ULL : 0ULL);
		usleep(2000000);
		EXPECT_EQ(get("p/a")->code, COAX_BAD_GATEWAY);
		end();
	}
}

TEST("a stale response serves instead of the origin's error, too, but not after a change")
{
	begin(1, 100);
	ask_later(&outcomes[0], COAX_GET, "p/a");
	answer_content(&peers[0], "old", 0);
	expect(&outcomes[0], COAX_CONTENT, "old");
	ask_later(&outcomes[0], COAX_GET, "p/b");
	answer_content(&peers[0], "old", 1);
	expect(&outcomes[0], COAX_CONTENT, "old");
	usleep(1100000);
	ask_later(&outcomes[0], COAX_GET, "p/b");
	answer_next(&peers[0], COAX_SERVICE_UNAVAILABLE, NULL);
	expect(&outcomes[0], COAX_CONTENT, "old");
	ask_later(&outcomes[0], COAX_PUT, "p/b");
	answer_next(&peers[0], COAX_CHANGED, NULL);
	expect(&outcomes[0], COAX_CHANGED, NULL);
	ask_later(&outcomes[0], COAX_GET, "p/b");
	answer_next(&peers[0], COAX_SERVICE_UNAVAILABLE, NULL);
	expect(&outcomes[0], COAX_SERVICE_UNAVAILABLE, NULL);
	end();
}

TEST("what was asked for before a change is not kept after it, and nobody joins it")
{
	begin_asked();
	/* Acknowledged, so that the next request can leave (NSTART). */
	react(COAX_TYPE_ACK);
	coax_message_start(&peers[1].reply, peers[1].reply_bytes, sizeof(peers[1].reply_bytes),
			   COAX_TYPE_NON, COAX_CONTENT, 99, coax_message_token(&peers[0].request),
			   coax_message_token_length(&peers[0].request));
	coax_message_set_payload(&peers[1].reply, "before", 6);

	ask_later(&outcomes[1], COAX_PUT, "p/a");
	answer_next(&peers[0], COAX_CHANGED, NULL);
	expect(&outcomes[1], COAX_CHANGED, NULL);
	ask_later(&outcomes[2], COAX_GET, "p/a");
	peer_take(&peers[0]);
	ASSERT_GT(sendto(peers[0].fd, peers[1].reply.data, peers[1].reply.length, 0,
			 (struct sockaddr *)&peers[0].requester, sizeof(peers[0].requester)),
		  0);
	expect(&outcomes[0], COAX_CONTENT, "before");
	peer_answer(&peers[0], COAX_CONTENT, "after", 5);
	expect(&outcomes[2], COAX_CONTENT, "after");
	EXPECT_STREQ(get("p/a")->text, "after");
	EXPECT_EQ(between_stats().forwarded, 3ULL);
	end();
}

TEST("who goes away while waiting takes nobody along")
{
	begin(1, 0);
	for (int i = 0; i < 4; i++)
		ask_later(&outcomes[i], COAX_GET, "p/a");
	peer_take(&peers[0]);
	WAIT_FOR(between_stats().joined == 3);
	coax_request_cancel(outcomes[0].request);
	outcome_wait(&outcomes[0]);
	peer_answer(&peers[0], COAX_CONTENT, "here", 4);
	for (int i = 1; i < 4; i++)
		expect(&outcomes[i], COAX_CONTENT, "here");
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	end();
}

TEST("those who ask together for what is not cached get what was fetched after they asked")
{
	begin(1, 0);
	for (int i = 0; i < 4; i++)
		ask_later(&outcomes[i], COAX_GET, "p/a");
	WAIT_FOR(between_stats().joined == 3);
	answer_content(&peers[0], "first", 0);
	answer_content(&peers[0], "second", 0);
	expect(&outcomes[0], COAX_CONTENT, "first");
	for (int i = 1; i < 4; i++)
		expect(&outcomes[i], COAX_CONTENT, "second");
	EXPECT_EQ(between_stats().forwarded, 2ULL);
	end();
}

TEST("shutdown with requests under way answers or drops them, and leaves nothing behind")
{
	begin(1, 0);
	for (int i = 0; i < 4; i++)
		ask_later(&outcomes[i], COAX_GET, i % 2 ? "p/a" : "p/b");
	peer_take(&peers[0]);
	end();
}

TEST_MAIN()
