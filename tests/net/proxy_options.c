// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a proxy makes of options in both directions (RFC 7252 section 5.7.1, RFC 8768).
 */
#include "../proxy.h"

/* Not in any registry that is known here: elective or critical, safe or unsafe, in the key or not.
 */
#define SAFE		2048 /* elective */
#define CRITICAL_SAFE	2049
#define UNSAFE		2050 /* elective */
#define CRITICAL_UNSAFE 2051
#define NO_KEY		2076 /* elective, safe */
#define CRITICAL_NO_KEY 2077

static struct origin origin;
static struct peer peer;

static void begin(void)
{
	origin_start(&origin);
	between_start_plainly(&origin, NULL);
}

static void end(void)
{
	between_end();
	origin_end(&origin);
}

/* With a socket as the origin. */
static void begin_raw(void)
{
	static char uri[64];
	const char *uris = uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = &uris, .origin_count = 1};
	const struct coax_proxy_options options = {.mappings = &mapping, .mapping_count = 1};

	peer_open(&peer);
	sprintf(uri, "coap://127.0.0.1:%u/base", coax_address_port(&peer.address));
	between_start(&options);
}

/* Ask the proxy in the background. */
static struct outcome outcome;

static void ask_later(const struct coax_message *m)
{
	memset(&outcome, 0, sizeof(outcome));
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(between.client, &between.address, m, NULL, outcome_take, &outcome,
			       NULL),
		  0);
}

static void get_later(const char *path)
{
	uint8_t buffer[512];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	ask_later(&m);
}

TEST("an unknown option that is unsafe to forward gets 4.02, elective or critical")
{
	begin();
	EXPECT_EQ(get_with("p/a", UNSAFE, "x", 1)->code, COAX_BAD_OPTION);
	EXPECT_EQ(get_with("p/a", CRITICAL_UNSAFE, "x", 1)->code, COAX_BAD_OPTION);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("an unknown option that is safe to forward reaches the origin, elective or critical")
{
	struct coax_option option;

	begin();
	EXPECT_EQ(get_with("p/a", SAFE, "x", 1)->code, COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&origin.seen, SAFE, &option));
	EXPECT_MEMEQ(option.value, "x", 1);
	EXPECT_EQ(get_with("p/a", CRITICAL_SAFE, "y", 1)->code, COAX_CONTENT);
	ASSERT_TRUE(coax_message_find(&origin.seen, CRITICAL_SAFE, &option));
	EXPECT_MEMEQ(option.value, "y", 1);
	/* Part of the key. */
	EXPECT_EQ(get_with("p/a", SAFE, "x", 1)->code, COAX_CONTENT);
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("what an unknown option asks for that is not part of the key, is neither kept nor given to "
     "others")
{
	begin();
	atomic_store(&origin.code, COAX_BAD_OPTION);
	EXPECT_EQ(get_with("p/a", CRITICAL_NO_KEY, "x", 1)->code, COAX_BAD_OPTION);
	atomic_store(&origin.code, COAX_CONTENT);
	EXPECT_EQ(get("p/a")->code, COAX_CONTENT);
	EXPECT_EQ(get_with("p/a", NO_KEY, "x", 1)->code, COAX_CONTENT);
	EXPECT_EQ(origin.requests, 3);
	end();
}

TEST("a known critical option with a bad value gets 4.02, and so does one that comes twice")
{
	uint8_t buffer[512];
	struct coax_message m;

	begin();
	EXPECT_EQ(get_with("p/a", COAX_ACCEPT, "abc", 3)->code, COAX_BAD_OPTION);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	coax_message_add_uint(&m, COAX_ACCEPT, 0);
	coax_message_add_uint(&m, COAX_ACCEPT, 60);
	EXPECT_EQ(ask_message(&m)->code, COAX_BAD_OPTION);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("dot segments get 4.00: they would lead out of the prefix")
{
	static const char *const segments[] = {".", ".."};
	uint8_t buffer[512];
	struct coax_message m;

	begin();
	for (int i = 0; i < 2; i++) {
		m = asking(buffer, sizeof(buffer), COAX_GET, "p");
		coax_message_add_string(&m, COAX_URI_PATH, segments[i]);
		coax_message_add_string(&m, COAX_URI_PATH, "secret");
		EXPECT_EQ(ask_message(&m)->code, COAX_BAD_REQUEST);
	}
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("who asks it to be a forward-proxy gets 5.05")
{
	begin();
	EXPECT_EQ(get_with("p/a", COAX_PROXY_SCHEME, "coap", 4)->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(get_with("p/a", COAX_PROXY_URI, "coap://x/", 9)->code,
		  COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(get_with("", COAX_PROXY_URI, "coap://x/", 9)->code, COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(origin.requests, 0);
	end();
}

TEST("Hop-Limit is one less at the origin; the last hop gets 5.08 that names the proxy")
{
	static const uint8_t limits[] = {255, 2};
	const struct said *said;
	uint32_t hops;

	begin();
	for (int i = 0; i < 2; i++) {
		said = get_with(i ? "p/a" : "p/b", COAX_HOP_LIMIT, &limits[i], 1);
		EXPECT_EQ(said->code, COAX_CONTENT);
		ASSERT_TRUE(coax_message_find_uint(&origin.seen, COAX_HOP_LIMIT, &hops));
		EXPECT_EQ(hops, limits[i] - 1U);
	}
	EXPECT_EQ(origin.requests, 2);
	said = get_with("p/c", COAX_HOP_LIMIT, "\1", 1);
	EXPECT_EQ(said->code, COAX_HOP_LIMIT_REACHED);
	EXPECT_STREQ(said->text, "between");
	EXPECT_EQ(get_with("p/c", COAX_HOP_LIMIT, "", 0)->code, COAX_BAD_REQUEST);
	EXPECT_EQ(get_with("p/c", COAX_HOP_LIMIT, "\1\1", 2)->code, COAX_BAD_REQUEST);
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("a proxy on the way back puts its name before that of the one which ended the way")
{
	begin();
	atomic_store(&origin.code, COAX_HOP_LIMIT_REACHED);
	EXPECT_STREQ(get("p/a")->text, "between v1");
	EXPECT_EQ(get("p/a")->code, COAX_HOP_LIMIT_REACHED);
	/* Not for others who have more hops left. */
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("a loop of requests to itself ends by itself, with 5.08")
{
	const struct said *said;
	char uri[64];
	const char *uris = uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = &uris, .origin_count = 1};
	const struct coax_proxy_options options = {.mappings = &mapping, .mapping_count = 1};
	union coax_address address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t length = sizeof(address);

	/* A port that is free, as far as can be known. */
	ASSERT_EQ(coax_address_parse(&address, "127.0.0.1", 0), 0);
	ASSERT_EQ(bind(fd, &address.sa, sizeof(address.in)), 0);
	ASSERT_EQ(getsockname(fd, &address.sa, &length), 0);
	close(fd);
	sprintf(uri, "coap://127.0.0.1:%u/p", coax_address_port(&address));
	between_start_at(coax_address_port(&address), &options);
	said = get("p/a");
	EXPECT_EQ(said->code, COAX_HOP_LIMIT_REACHED);
	EXPECT_TRUE(strncmp(said->text, "between between", 15) == 0);
	between_end();
}

TEST("No-Response, Size1 and the like are this hop's")
{
	static const uint16_t own[] = {COAX_NO_RESPONSE, COAX_SIZE2, COAX_REQUEST_TAG, COAX_ECHO};

	begin();
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		uint8_t buffer[512];
		struct coax_message m = asking(buffer, sizeof(buffer), COAX_PUT, "p/a");

		coax_message_add(&m, own[i], own[i] == COAX_NO_RESPONSE ? "" : "x",
				 own[i] != COAX_NO_RESPONSE);
		ask_message(&m);
		EXPECT_FALSE(origin_saw(&origin, own[i]));
	}
	EXPECT_EQ(origin.requests, 4);
	end();
}

/* The same, with all that is said. */
static struct said told;
static sem_t told_now;

static void take_told(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	(void)arg;
	(void)remote;
	ASSERT_EQ(result, 0);
	ASSERT_LE(response->length, sizeof(told.bytes));
	memcpy(told.bytes, response->data, response->length);
	ASSERT_EQ(coax_message_parse(&told.m, told.bytes, response->length), 0);
	say(&told, &told.m);
	sem_post(&told_now);
}

static void told_later(const struct coax_message *m)
{
	sem_init(&told_now, 0, 0);
	ASSERT_EQ(coax_request(between.client, &between.address, m, NULL, take_told, NULL, NULL),
		  0);
}

static void told_wait(void)
{
	while (sem_wait(&told_now))
		;
}

/* Have the origin answer a GET with an option. */
static void respond_with(uint16_t option, const char *value, size_t length)
{
	get_later("p/a");
	peer_take(&peer);
	peer_begin(&peer, COAX_CONTENT);
	coax_message_add(&peer.reply, option, value, length);
	coax_message_set_payload(&peer.reply, "data", 4);
	peer_send(&peer);
	outcome_wait(&outcome);
}

TEST("an unknown option in a response that is unsafe to forward gets 5.02, and nothing is kept")
{
	begin_raw();
	respond_with(UNSAFE, "x", 1);
	EXPECT_EQ(outcome.code, COAX_BAD_GATEWAY);
	respond_with(CRITICAL_UNSAFE, "x", 1);
	EXPECT_EQ(outcome.code, COAX_BAD_GATEWAY);
	respond_with(COAX_ETAG, "e", 1);
	EXPECT_EQ(outcome.code, COAX_CONTENT);
	between_end();
}

TEST("an unknown option in a response that is safe to forward reaches clients, from the cache too")
{
	const struct coax_request_options options = {.proxying = true};
	uint8_t buffer[64], reply[512];
	struct coax_message m, response;
	struct coax_option option;

	begin_raw();
	respond_with(SAFE, "x", 1);
	EXPECT_EQ(outcome.code, COAX_CONTENT);
	EXPECT_TRUE(said_has(get("p/a"), SAFE));
	between_end();

	/* A critical one is for the client to understand: this one is a proxy itself. */
	begin_raw();
	get_later("p/a");
	peer_take(&peer);
	peer_begin(&peer, COAX_CONTENT);
	coax_message_add(&peer.reply, CRITICAL_SAFE, "x", 1);
	peer_send(&peer);
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.result, -EPROTO);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	ASSERT_EQ(coax_request_wait(between.client, &between.address, &m, &options, reply,
				    sizeof(reply), &response),
		  0);
	EXPECT_TRUE(coax_message_find(&response, CRITICAL_SAFE, &option));
	between_end();
}

TEST("a location is told as it is found at the proxy, and what was stored for it is stale")
{
	uint8_t buffer[512];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_POST, "p/list");
	char location[64];

	begin_raw();
	get_later("p/list/1");
	peer_take(&peer);
	peer_answer(&peer, COAX_NOT_FOUND, NULL, 0);
	outcome_wait(&outcome);
	get_later("p/list/1");
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.code, COAX_NOT_FOUND);

	told_later(&m);
	peer_take(&peer);
	peer_begin(&peer, COAX_CREATED);
	coax_message_add_string(&peer.reply, COAX_LOCATION_PATH, "base");
	coax_message_add_string(&peer.reply, COAX_LOCATION_PATH, "list");
	coax_message_add_string(&peer.reply, COAX_LOCATION_PATH, "1");
	peer_send(&peer);
	told_wait();
	EXPECT_EQ(told.code, COAX_CREATED);
	coax_uri_compose_location(&told.m, location, sizeof(location));
	EXPECT_STREQ(location, "/p/list/1");

	get_later("p/list/1");
	peer_take(&peer);
	peer_answer(&peer, COAX_CONTENT, "new", 3);
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.code, COAX_CONTENT);
	between_end();
}

TEST_MAIN()
