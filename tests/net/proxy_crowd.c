// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * Ten thousand clients who ask for the same at the same time: one request to the origin, and an
 * answer for each.
 */
#include "../proxy.h"
#include "../client.h"

#define CLIENTS 10000
#define SOCKETS 50
#define EACH	(CLIENTS / SOCKETS)

static struct peer peer;
static int sockets[SOCKETS];

static void begin(uint32_t deferred_max)
{
	static char uri[64];
	static const char *uris = uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = &uris, .origin_count = 1};
	const struct coax_proxy_options options = {.mappings = &mapping, .mapping_count = 1};

	peer_open(&peer);
	sprintf(uri, "coap://127.0.0.1:%u", coax_address_port(&peer.address));
	between_tuning.deferred_max = deferred_max;
	between_start(&options);
	for (int i = 0; i < SOCKETS; i++)
		sockets[i] = client_open("127.0.0.1", between.port);
}

/* NON, so that nobody has to acknowledge anything. */
static void ask_one(int client)
{
	const uint16_t number = (uint16_t)client;
	uint8_t buffer[64];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, number,
				     &number, sizeof(number)),
		  0);
	ASSERT_EQ(coax_uri_path_add_options("p/a", &m), 0);
	ASSERT_EQ(send(sockets[client / EACH], m.data, m.length, 0), (ssize_t)m.length);
}

/* Returns how many of a socket's clients have been answered with this. */
static int count_answers(int socket, const char *text)
{
	static bool answered[CLIENTS];
	struct coax_message m;
	uint8_t reply[256];
	uint16_t number;
	size_t length;
	int count = 0;
	ssize_t got;

	while (count < EACH && (got = client_receive(socket, reply, sizeof(reply))) > 0) {
		ASSERT_EQ(coax_message_parse(&m, reply, (size_t)got), 0);
		ASSERT_EQ(coax_message_token_length(&m), sizeof(number));
		memcpy(&number, coax_message_token(&m), sizeof(number));
		ASSERT_LT(number, CLIENTS);
		EXPECT_FALSE(answered[number]);
		answered[number] = true;
		EXPECT_EQ(coax_message_code(&m), COAX_CONTENT);
		EXPECT_MEMEQ(coax_message_payload(&m, &length), text, strlen(text));
		count++;
	}
	return count;
}

TEST_TIMEOUT("ten thousand clients who wait make one request, and each is answered", 100)
{
	unsigned long long waiting;
	int answers = 0;

	begin(2 * CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		ask_one(i);
		/* As fast as they are taken in. */
		if (i % EACH == EACH - 1)
			WAIT_FOR(between_stats().misses > (unsigned)i);
	}
	peer_take(&peer);
	WAIT_FOR(between_stats().joined == CLIENTS - 1);
	waiting = between_stats().bytes;
	peer_answer(&peer, COAX_CONTENT, "here", 4);
	for (int i = 0; i < SOCKETS; i++)
		answers += count_answers(sockets[i], "here");
	EXPECT_EQ(answers, CLIENTS);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	EXPECT_FALSE(peer_takes_within(&peer, 0));
	/* Nothing of theirs is in the cache's memory. */
	EXPECT_LT(waiting, 4096ULL);
	between_end();
}

TEST_TIMEOUT("those beyond the limit are told to come again, and the others are served", 60)
{
	uint8_t reply[256];
	struct coax_message m;
	int served = 0, refused = 0;

	begin(64);
	for (int i = 0; i < EACH; i++)
		ask_one(i);
	WAIT_FOR(between_stats().misses == EACH);
	peer_take(&peer);
	peer_answer(&peer, COAX_CONTENT, "here", 4);
	for (int i = 0; i < EACH; i++) {
		ssize_t got = client_receive(sockets[0], reply, sizeof(reply));

		ASSERT_GT(got, 0);
		ASSERT_EQ(coax_message_parse(&m, reply, (size_t)got), 0);
		served += coax_message_code(&m) == COAX_CONTENT;
		refused += coax_message_code(&m) == COAX_SERVICE_UNAVAILABLE;
	}
	EXPECT_EQ(served + refused, EACH);
	EXPECT_GE(served, 32);
	EXPECT_GE(refused, EACH - 64);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	between_end();
}

TEST_MAIN()
