// SPDX-License-Identifier: BSD-2-Clause
/*
 * Inputs of the same kind as in checklist.c, of more than one message: bodies in blocks, observers,
 * sources that are forged, peers that vanish. Over loopback, as the Context has them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../client.h"
#include "../crowd.h"
#include "../context.h"
#include "../harness.h"

#define GROWN	(100 << 10)
#define FORGED	5000
#define PATIENT 5000

static struct {
	struct coax_site *site;
	struct coax_resource *state;
	struct coax_context *context;
	struct sockaddr_in address;
	in_port_t port;

	pthread_mutex_t lock; /* of the two below */
	uint8_t body[GROWN];  /* what was PUT last */
	size_t length;
	atomic_int puts;
	struct coax_responder *waiting;
	atomic_bool waits;
} server;

static void body_put(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	(void)arg;
	pthread_mutex_lock(&server.lock);
	if (length && length <= sizeof(server.body))
		memcpy(server.body, payload, length);
	server.length = length;
	pthread_mutex_unlock(&server.lock);
	atomic_fetch_add(&server.puts, 1);
	coax_respond(responder, COAX_CHANGED);
}

static void body_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&server.lock);
	coax_responder_set_payload(responder, server.body, server.length);
	pthread_mutex_unlock(&server.lock);
	coax_respond(responder, COAX_CONTENT);
}

static void state_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, "state", 5);
	coax_respond(responder, COAX_CONTENT);
}

static void wait_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	server.waiting = coax_responder_defer(responder);
	atomic_store(&server.waits, true);
}

static void begin(const struct coax_tuning *tuning)
{
	const struct coax_resource_options resources[] = {
		{.path = "body", .get = body_get, .put = body_put, .post = body_put},
		{.path = "state", .get = state_get, .observable = true},
		{.path = "wait", .get = wait_get},
	};
	const char *bind = "0.0.0.0:0";
	struct coax_context_options options = {.bind = &bind, .bind_count = 1, .workers = 1};

	pthread_mutex_init(&server.lock, NULL);
	if (tuning)
		options.tuning = *tuning;
	ASSERT_EQ(coax_site_create(&server.site), 0);
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		ASSERT_EQ(coax_site_add(server.site, &resources[i], i == 1 ? &server.state : NULL),
			  0);
	options.site = server.site;
	server.context = context_open(options);
	server.port = coax_context_port(server.context);
	server.address = (struct sockaddr_in){.sin_family = AF_INET,
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					      .sin_port = htons(server.port)};
}

static void end(void)
{
	coax_context_shutdown(server.context);
	coax_site_destroy(server.site);
}

static struct coax_context_stats stats(void)
{
	struct coax_context_stats now;

	coax_context_stats_read(server.context, &now);
	return now;
}

#define WAIT_FOR(condition)           \
	do {                          \
		while (!(condition))  \
			usleep(1000); \
	} while (0)

/* One exchange with the server. */
struct exchange {
	int fd;
	uint16_t id;
	uint8_t request_bytes[2048];
	struct coax_message request;
	uint8_t bytes[2048];
	struct coax_message response;
};

static void open_exchange(struct exchange *exchange)
{
	*exchange = (struct exchange){.fd = client_open("127.0.0.1", server.port)};
	ASSERT_GE(exchange->fd, 0);
}

static void start(struct exchange *exchange, uint8_t code, const char *path)
{
	ASSERT_EQ(coax_message_start(&exchange->request, exchange->request_bytes,
				     sizeof(exchange->request_bytes), COAX_TYPE_CON, code,
				     ++exchange->id, "tokn", 4),
		  0);
	if (path)
		ASSERT_EQ(coax_message_add_string(&exchange->request, COAX_URI_PATH, path), 0);
}

/* The code of what is answered; 0: RST or silence. */
static uint8_t finish(struct exchange *exchange)
{
	ssize_t length = client_ask(exchange->fd, exchange->request.data, exchange->request.length,
				    exchange->bytes, sizeof(exchange->bytes));

	if (length < 0)
		return 0;
	EXPECT_EQ(coax_message_parse(&exchange->response, exchange->bytes, (size_t)length), 0);
	EXPECT_EQ(coax_message_id(&exchange->response), exchange->id);
	return coax_message_code(&exchange->response);
}

static uint8_t ask(struct exchange *exchange, uint8_t code, const char *path)
{
	start(exchange, code, path);
	return finish(exchange);
}

/* A block of 16 << exponent bytes of `fill`, or of `length` if that is not 0. */
static uint8_t put_block(struct exchange *exchange, uint32_t number, bool more, uint8_t exponent,
			 char fill, size_t length)
{
	const struct coax_block block = {number, more, exponent};
	char payload[1024];

	memset(payload, fill, sizeof(payload));
	start(exchange, COAX_PUT, "body");
	EXPECT_EQ(coax_message_add_block(&exchange->request, COAX_BLOCK1, &block), 0);
	EXPECT_EQ(coax_message_set_payload(&exchange->request, payload,
					   length ? length : coax_block_size(&block)),
		  0);
	return finish(exchange);
}

static void expect_body(const char *wanted)
{
	pthread_mutex_lock(&server.lock);
	ASSERT_EQ(server.length, strlen(wanted));
	EXPECT_MEMEQ(server.body, wanted, server.length);
	pthread_mutex_unlock(&server.lock);
}

/* Row 14. */

TEST("blocks without Size1 are put together")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	EXPECT_EQ(put_block(&exchange, 0, true, 0, 'a', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, 1, false, 0, 'b', 3), COAX_CHANGED);
	expect_body("aaaaaaaaaaaaaaaabbb");
	EXPECT_EQ(put_block(&exchange, 0, true, 6, 'a', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, COAX_BLOCK_NUMBER_MAX, true, 6, 'a', 0),
		  COAX_REQUEST_ENTITY_TOO_LARGE);
	EXPECT_EQ(atomic_load(&server.puts), 1);
	end();
}

TEST("a block number that jumps gets 4.08, and nothing runs")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	EXPECT_EQ(put_block(&exchange, 7, true, 0, 'a', 0), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, 7, false, 0, 'a', 0), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, 0, true, 0, 'a', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, 2, false, 0, 'c', 0), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(put_block(&exchange, 1, false, 0, 'b', 0), COAX_REQUEST_ENTITY_INCOMPLETE);
	EXPECT_EQ(atomic_load(&server.puts), 0);
	EXPECT_EQ(stats().bodies, 0ULL);
	end();
}

TEST("the reserved block size gets 4.00, in either block option")
{
	static const uint8_t reserved[] = {0x0f};
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	start(&exchange, COAX_PUT, "body");
	coax_message_add(&exchange.request, COAX_BLOCK1, reserved, 1);
	coax_message_set_payload(&exchange.request, "x", 1);
	EXPECT_EQ(finish(&exchange), COAX_BAD_REQUEST);
	start(&exchange, COAX_GET, "body");
	coax_message_add(&exchange.request, COAX_BLOCK2, reserved, 1);
	EXPECT_EQ(finish(&exchange), COAX_BAD_REQUEST);
	EXPECT_EQ(atomic_load(&server.puts), 0);
	end();
}

TEST("a block that says more is to come and is shorter or longer than its size gets 4.00")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	EXPECT_EQ(put_block(&exchange, 0, true, 1, 'a', 31), COAX_BAD_REQUEST);
	EXPECT_EQ(put_block(&exchange, 0, true, 1, 'a', 33), COAX_BAD_REQUEST);
	EXPECT_EQ(put_block(&exchange, 0, true, 1, 'a', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, 1, true, 1, 'b', 1), COAX_BAD_REQUEST);
	EXPECT_EQ(atomic_load(&server.puts), 0);
	end();
}

TEST("the same block in a new message is taken once")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(put_block(&exchange, 0, true, 0, 'a', 0), COAX_CONTINUE);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(put_block(&exchange, 1, true, 0, 'b', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&exchange, 2, false, 0, 'c', 1), COAX_CHANGED);
	expect_body("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc");
	EXPECT_EQ(atomic_load(&server.puts), 1);
	end();
}

TEST("the blocks of two clients with one token are not mixed up")
{
	struct exchange one, other;

	begin(NULL);
	open_exchange(&one);
	open_exchange(&other);
	EXPECT_EQ(put_block(&one, 0, true, 0, '1', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&other, 0, true, 0, '2', 0), COAX_CONTINUE);
	EXPECT_EQ(put_block(&one, 1, false, 0, '1', 1), COAX_CHANGED);
	expect_body("11111111111111111");
	EXPECT_EQ(put_block(&other, 1, false, 0, '2', 1), COAX_CHANGED);
	expect_body("22222222222222222");
	end();
}

TEST("the M bit of Block2 in a request means nothing")
{
	const struct coax_block block = {0, true, 0};
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	put_block(&exchange, 0, false, 2, 'a', 40);
	start(&exchange, COAX_GET, "body");
	coax_message_add_block(&exchange.request, COAX_BLOCK2, &block);
	EXPECT_EQ(finish(&exchange), COAX_CONTENT);
	end();
}

/* Row 15. */

TEST("more than 255 options are read, whatever they are")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	start(&exchange, COAX_GET, "state");
	for (int i = 0; i < 400; i++)
		ASSERT_EQ(coax_message_add(&exchange.request, COAX_URI_QUERY, "q", 1), 0);
	EXPECT_EQ(finish(&exchange), COAX_CONTENT);
	start(&exchange, COAX_GET, "state");
	for (int i = 0; i < 400; i++)
		ASSERT_EQ(coax_message_add(&exchange.request, 65000, "e", 1), 0);
	EXPECT_EQ(finish(&exchange), COAX_CONTENT);
	start(&exchange, COAX_GET, NULL);
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(coax_message_add(&exchange.request, COAX_URI_PATH, NULL, 0), 0);
	EXPECT_EQ(finish(&exchange), COAX_NOT_FOUND);
	end();
}

TEST("empty segments are segments, and a percent sign is a character")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	start(&exchange, COAX_GET, "state");
	coax_message_add_string(&exchange.request, COAX_URI_PATH, "");
	EXPECT_EQ(finish(&exchange), COAX_NOT_FOUND);
	start(&exchange, COAX_GET, "");
	coax_message_add_string(&exchange.request, COAX_URI_PATH, "state");
	EXPECT_EQ(finish(&exchange), COAX_NOT_FOUND);
	EXPECT_EQ(ask(&exchange, COAX_GET, "%A"), COAX_NOT_FOUND);
	EXPECT_EQ(ask(&exchange, COAX_GET, "stat%65"), COAX_NOT_FOUND);
	EXPECT_EQ(ask(&exchange, COAX_GET, "state"), COAX_CONTENT);
	end();
}

/* An option of so many bytes, with the message built by hand: the library makes no such thing. */
static uint8_t ask_with_long(struct exchange *exchange, uint16_t number, size_t length)
{
	uint8_t message[2048] = {0x40, COAX_GET, 0, 0};
	size_t at = 4;

	exchange->id++;
	message[2] = (uint8_t)(exchange->id >> 8);
	message[3] = (uint8_t)exchange->id;
	message[at++] = (uint8_t)((number < 13 ? number : 13) << 4 | (length < 269 ? 13 : 14));
	if (number >= 13)
		message[at++] = (uint8_t)(number - 13);
	if (length >= 269)
		message[at++] = (uint8_t)((length - 269) >> 8);
	message[at++] = (uint8_t)(length < 269 ? length - 13 : length - 269);
	memset(message + at, 'h', length);
	exchange->request.data = message;
	exchange->request.length = (uint32_t)(at + length);
	return finish(exchange);
}

TEST("hosts and segments of 256 bytes get 4.02, and Proxy-Uri is taken up to 1034")
{
	struct exchange exchange;

	begin(NULL);
	open_exchange(&exchange);
	EXPECT_EQ(ask_with_long(&exchange, COAX_URI_PATH, 255), COAX_NOT_FOUND);
	EXPECT_EQ(ask_with_long(&exchange, COAX_URI_PATH, 256), COAX_BAD_OPTION);
	EXPECT_EQ(ask_with_long(&exchange, COAX_URI_HOST, 255), COAX_NOT_FOUND);
	EXPECT_EQ(ask_with_long(&exchange, COAX_URI_HOST, 256), COAX_BAD_OPTION);
	EXPECT_EQ(ask_with_long(&exchange, COAX_URI_QUERY, 256), COAX_BAD_OPTION);
	EXPECT_EQ(ask_with_long(&exchange, COAX_PROXY_URI, 1034), COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(ask_with_long(&exchange, COAX_PROXY_URI, 1035), COAX_BAD_OPTION);
	end();
}

TEST("a URI with half a percent-encoding is none")
{
	struct coax_uri uri;
	const char *error;
	struct coax_context *client;
	struct coax_context_options options = {.logger = {.from = COAX_LOG_ERROR + 1}};
	struct coax_resource_options resource = {.path = "a%A", .get = state_get};

	begin(NULL);
	EXPECT_EQ(coax_uri_parse(&uri, "coap://h%A/", &error), -EINVAL);
	EXPECT_EQ(coax_site_add(server.site, &resource, NULL), -EINVAL);
	ASSERT_EQ(coax_context_create(&client, &options), 0);
	EXPECT_EQ(coax_find_remote(client, "coap://127.0.0.1/%A", NULL, NULL, &error), -EINVAL);
	coax_context_shutdown(client);
	end();
}

/* Row 19. */

static struct coax_message draft(uint8_t *bytes, size_t size, enum coax_type type, uint8_t code,
				 const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, size, type, code, 77, "tokn", 4), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, path), 0);
	return m;
}

TEST("requests from everywhere are remembered up to the limit, and nobody is locked out of reading")
{
	const struct coax_tuning tuning = {.exchanges_max = 1024};
	uint8_t out[64], in[2048];
	struct coax_message m, reply;
	struct exchange exchange;
	unsigned int changed = 0, refused = 0;
	int fd;

	begin(&tuning);
	fd = crowd_open(htonl(INADDR_ANY));
	m = draft(out, sizeof(out), COAX_TYPE_CON, COAX_POST, "body");
	for (unsigned int i = 0; i < FORGED; i++) {
		crowd_send(fd, &server.address, crowd_address(i), &m);
		ASSERT_TRUE(crowd_take(fd, PATIENT, in, sizeof(in), &reply));
		changed += coax_message_code(&reply) == COAX_CHANGED;
		refused += coax_message_code(&reply) == COAX_SERVICE_UNAVAILABLE;
	}
	EXPECT_EQ(changed + refused, (unsigned int)FORGED);
	EXPECT_LE(changed, 1024U);
	EXPECT_EQ(atomic_load(&server.puts), (int)changed);
	EXPECT_EQ(stats().refused, (uint64_t)refused);

	open_exchange(&exchange);
	EXPECT_EQ(ask(&exchange, COAX_GET, "state"), COAX_CONTENT);
	EXPECT_EQ(ask(&exchange, COAX_PUT, "body"), COAX_CHANGED);
	end();
}

TEST("observers that somebody made up are lost with the first notification, at a bounded price")
{
	const struct coax_tuning tuning = {.ack_timeout_ms = 50, .max_retransmit = 1};
	uint8_t out[64], in[2048];
	struct coax_message m, reply;
	unsigned int told = 0;
	int fd;

	begin(&tuning);
	fd = crowd_open(htonl(INADDR_ANY));
	ASSERT_EQ(coax_message_start(&m, out, sizeof(out), COAX_TYPE_CON, COAX_GET, 7, "t", 1), 0);
	coax_message_add_uint(&m, COAX_OBSERVE, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "state");
	for (unsigned int i = 0; i < 500; i++) {
		crowd_send(fd, &server.address, crowd_address(i), &m);
		ASSERT_TRUE(crowd_take(fd, PATIENT, in, sizeof(in), &reply));
	}
	EXPECT_EQ(stats().observers, 500ULL);
	/* However often it changes, each hears of it as often as one message is repeated. */
	while (stats().observers) {
		coax_resource_changed(server.state);
		usleep(5000);
	}
	while (crowd_take(fd, 0, in, sizeof(in), &reply)) {
		EXPECT_EQ((int)coax_message_type(&reply), (int)COAX_TYPE_CON);
		told++;
	}
	EXPECT_LE(told, 1000U);
	EXPECT_EQ(stats().observers_lost, 500ULL);
	end();
}

TEST("what a stranger has made large is one message for a forged GET, not all of it")
{
	static uint8_t body[GROWN];
	const struct coax_request_options large = {
		.body = &(struct coax_body){.length = GROWN, .data = body}};
	struct coax_context_options options = {.logger = {.from = COAX_LOG_ERROR + 1}};
	struct coax_context *client;
	union coax_address remote = {.in = server.address};
	uint8_t out[64], in[2048];
	struct coax_message m, reply;
	int fd;

	begin(NULL);
	remote.in = server.address;
	ASSERT_EQ(coax_context_create(&client, &options), 0);
	m = draft(out, sizeof(out), COAX_TYPE_CON, COAX_PUT, "body");
	ASSERT_EQ(coax_request_wait(client, &remote, &m, &large, in, sizeof(in), &reply), 0);
	ASSERT_EQ(coax_message_code(&reply), COAX_CHANGED);
	coax_context_shutdown(client);

	fd = crowd_open(htonl(INADDR_ANY));
	m = draft(out, sizeof(out), COAX_TYPE_NON, COAX_GET, "body");
	crowd_send(fd, &server.address, crowd_address(1), &m);
	ASSERT_TRUE(crowd_take(fd, PATIENT, in, sizeof(in), &reply));
	EXPECT_LE(reply.length, (unsigned int)COAX_MESSAGE_MAX);
	/* The answer to another is the next that comes. */
	m = draft(out, sizeof(out), COAX_TYPE_NON, COAX_GET, "state");
	crowd_send(fd, &server.address, crowd_address(2), &m);
	ASSERT_TRUE(crowd_take(fd, PATIENT, in, sizeof(in), &reply));
	EXPECT_LT(reply.length, 32U);
	end();
}

TEST("two servers that are made to talk to each other fall silent")
{
	struct coax_context *other, *first;
	struct coax_site *site;
	struct coax_context_stats before, after;
	struct sockaddr_in address;
	uint8_t out[64];
	struct coax_message m;
	int raw;

	begin(NULL);
	first = server.context;
	site = server.site;
	address = server.address;
	begin(NULL);
	other = server.context;
	/* A request that seems to come from the other server's port. */
	raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	if (raw < 0)
		SKIP("a forged source port needs CAP_NET_RAW");
	m = draft(out + 8, sizeof(out) - 8, COAX_TYPE_CON, COAX_GET, "state");
	memcpy(out, &server.address.sin_port, 2);
	memcpy(out + 2, &address.sin_port, 2);
	out[4] = 0;
	out[5] = (uint8_t)(m.length + 8);
	memset(out + 6, 0, 2);
	coax_context_stats_read(other, &before);
	ASSERT_EQ(sendto(raw, out, m.length + 8, 0, (struct sockaddr *)&address, sizeof(address)),
		  (ssize_t)m.length + 8);
	do
		coax_context_stats_read(other, &after);
	while (after.datagrams_in == before.datagrams_in);
	usleep(50000);
	coax_context_stats_read(other, &after);
	EXPECT_EQ(after.datagrams_in, before.datagrams_in + 1);
	EXPECT_EQ(after.datagrams_out, before.datagrams_out);
	coax_context_stats_read(first, &after);
	EXPECT_EQ(after.datagrams_in, 1ULL);
	EXPECT_EQ(after.datagrams_out, 1ULL);
	coax_context_shutdown(first);
	coax_site_destroy(site);
	close(raw);
	end();
}

/* Row 20. */

TEST("a client that varies its Request-Tag has so many bodies under way and no more")
{
	const struct coax_tuning tuning = {.bodies_per_peer = 4, .block_timeout_ms = 300};
	struct exchange exchange;
	int taken = 0, refused = 0;
	uint64_t most = 0;

	begin(&tuning);
	open_exchange(&exchange);
	for (uint32_t tag = 0; tag < 500; tag++) {
		const struct coax_block block = {0, true, 6};
		uint8_t payload[1024] = {0}, code;

		start(&exchange, COAX_PUT, "body");
		coax_message_add(&exchange.request, COAX_REQUEST_TAG, &tag, sizeof(tag));
		coax_message_add_block(&exchange.request, COAX_BLOCK1, &block);
		coax_message_set_payload(&exchange.request, payload, sizeof(payload));
		code = finish(&exchange);
		taken += code == COAX_CONTINUE;
		refused += code == COAX_TOO_MANY_REQUESTS;
		most = stats().bodies > most ? stats().bodies : most;
	}
	EXPECT_EQ(taken + refused, 500);
	EXPECT_GT(refused, 0);
	EXPECT_LE(most, 4 * 4096ULL); /* a block, and some room for the next */
	WAIT_FOR(stats().bodies == 0);
	EXPECT_EQ(ask(&exchange, COAX_PUT, "body"), COAX_CHANGED);
	end();
}

TEST("a flood of observers is registered up to the limit, and those beyond get the state as it is")
{
	const struct coax_tuning tuning = {.observers_max = 100, .observers_per_peer = 1000};
	struct exchange exchange;
	uint32_t number;
	int registered = 0;

	begin(&tuning);
	open_exchange(&exchange);
	for (uint16_t i = 0; i < 300; i++) {
		coax_message_start(&exchange.request, exchange.request_bytes,
				   sizeof(exchange.request_bytes), COAX_TYPE_CON, COAX_GET,
				   ++exchange.id, &i, sizeof(i));
		coax_message_add_uint(&exchange.request, COAX_OBSERVE, 0);
		coax_message_add_string(&exchange.request, COAX_URI_PATH, "state");
		ASSERT_EQ(finish(&exchange), COAX_CONTENT);
		registered += coax_message_find_uint(&exchange.response, COAX_OBSERVE, &number);
	}
	EXPECT_EQ(registered, 100);
	EXPECT_EQ(stats().observers, 100ULL);
	EXPECT_GT(stats().refused, 0ULL);
	end();
}

TEST("a separate response to a peer that has vanished ends with its port, and costs nobody else")
{
	const struct coax_tuning tuning = {.ack_timeout_ms = 50, .empty_ack_delay_ms = 5};
	struct exchange gone, here;

	begin(&tuning);
	open_exchange(&gone);
	open_exchange(&here);
	start(&gone, COAX_GET, "wait");
	ASSERT_EQ(finish(&gone), COAX_EMPTY); /* the empty ACK */
	close(gone.fd);
	WAIT_FOR(atomic_load(&server.waits));
	coax_respond(server.waiting, COAX_CONTENT);
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(ask(&here, COAX_GET, "state"), COAX_CONTENT);
	usleep(200000);
	EXPECT_EQ(stats().retransmissions, 0ULL);
	EXPECT_EQ(stats().timeouts, 0ULL);
	end();
}

TEST("observers that vanish and peers that vanish in mid-upload cost no other observer anything")
{
	struct exchange exchange, witness;
	uint32_t number;

	begin(NULL);
	open_exchange(&witness);
	start(&witness, COAX_GET, NULL);
	coax_message_add_uint(&witness.request, COAX_OBSERVE, 0);
	coax_message_add_string(&witness.request, COAX_URI_PATH, "state");
	ASSERT_EQ(finish(&witness), COAX_CONTENT);
	for (int i = 1; i <= 50; i++) {
		uint8_t ack[4] = {0x60, 0};
		ssize_t length;

		open_exchange(&exchange);
		start(&exchange, COAX_GET, NULL);
		coax_message_add_uint(&exchange.request, COAX_OBSERVE, 0);
		coax_message_add_string(&exchange.request, COAX_URI_PATH, "state");
		ASSERT_EQ(finish(&exchange), COAX_CONTENT);
		ASSERT_EQ(put_block(&exchange, 0, true, 6, 'x', 0), COAX_CONTINUE);
		close(exchange.fd);
		coax_resource_changed(server.state);
		length = client_receive(witness.fd, witness.bytes, sizeof(witness.bytes));
		ASSERT_GT(length, 4);
		ASSERT_EQ(coax_message_parse(&witness.response, witness.bytes, (size_t)length), 0);
		EXPECT_TRUE(coax_message_find_uint(&witness.response, COAX_OBSERVE, &number));
		memcpy(ack + 2, witness.bytes + 2, 2);
		ASSERT_EQ(send(witness.fd, ack, sizeof(ack), 0), (ssize_t)sizeof(ack));
		WAIT_FOR(stats().observers == 1);
	}
	EXPECT_EQ(stats().observers_lost, 50ULL);
	end();
}

TEST_MAIN()
