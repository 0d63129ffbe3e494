// SPDX-License-Identifier: BSD-2-Clause
/*
 * What coax/observation.h promises, to a server that the test plays datagram by datagram.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../client.h"
#include "../context.h"
#include "../harness.h"
#include "../hosts.h"

#define NO_OBSERVE UINT32_MAX

/* A server that says what the test wants. */
struct peer {
	int fd;
	union coax_address address;
	union coax_address client; /* who sent the latest message */
	struct coax_message seen;
	uint8_t bytes[2048];
	uint16_t next_id;
};

static void peer_open(struct peer *peer)
{
	socklen_t length = sizeof(peer->address.in);

	memset(peer, 0, sizeof(*peer));
	peer->next_id = 0x7000;
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(coax_address_parse(&peer->address, "127.0.0.1:0", 0), 0);
	ASSERT_EQ(bind(peer->fd, &peer->address.sa, length), 0);
	ASSERT_EQ(getsockname(peer->fd, &peer->address.sa, &length), 0);
}

/* The next message; false: none came. */
static bool peer_hear(struct peer *peer, int patience_ms)
{
	struct pollfd readable = {.fd = peer->fd, .events = POLLIN};
	socklen_t from = sizeof(peer->client);
	ssize_t length;

	if (poll(&readable, 1, patience_ms) != 1)
		return false;
	length = recvfrom(peer->fd, peer->bytes, sizeof(peer->bytes), 0, &peer->client.sa, &from);
	return length > 0 && coax_message_parse(&peer->seen, peer->bytes, (size_t)length) == 0;
}

/* The next request, of this method and with this Observe option. */
static void peer_expect(struct peer *peer, uint8_t code, uint32_t observe)
{
	uint32_t number = NO_OBSERVE;

	ASSERT_TRUE(peer_hear(peer, CLIENT_PATIENCE_MS));
	ASSERT_EQ(coax_message_code(&peer->seen), code);
	coax_message_find_uint(&peer->seen, COAX_OBSERVE, &number);
	ASSERT_EQ(number, observe);
}

static void peer_send(struct peer *peer, const struct coax_message *m)
{
	ASSERT_EQ(
		sendto(peer->fd, m->data, m->length, 0, &peer->client.sa, sizeof(peer->client.in)),
		(ssize_t)m->length);
}

/* A message to the client with the token of the latest request. */
static struct coax_message peer_begin(struct peer *peer, uint8_t *buffer, size_t size,
				      enum coax_type type, uint8_t code, uint32_t observe)
{
	uint16_t id = type == COAX_TYPE_ACK ? coax_message_id(&peer->seen) : peer->next_id++;
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, size, type, code, id,
				     coax_message_token(&peer->seen),
				     coax_message_token_length(&peer->seen)),
		  0);
	if (observe != NO_OBSERVE)
		coax_message_add_uint(&m, COAX_OBSERVE, observe);
	return m;
}

static void peer_say(struct peer *peer, enum coax_type type, uint8_t code, uint32_t observe,
		     const char *payload)
{
	uint8_t buffer[1500];
	struct coax_message m = peer_begin(peer, buffer, sizeof(buffer), type, code, observe);

	ASSERT_EQ(coax_message_set_payload(&m, payload, strlen(payload)), 0);
	peer_send(peer, &m);
}

/* Answer the latest request, which stays the one whose token notifications carry. */
static void peer_answer(struct peer *peer, uint8_t code, uint32_t observe, const char *payload)
{
	peer_say(peer, COAX_TYPE_ACK, code, observe, payload);
}

static struct coax_context *start(void)
{
	return context_open((struct coax_context_options){
		.tuning = {.ack_timeout_ms = 60, .max_retransmit = 2}});
}

static struct coax_observation *observe(struct coax_context *context, struct peer *peer,
					const struct coax_request_options *options)
{
	struct coax_observation *observation;
	struct coax_message request;
	uint8_t buffer[64];

	ASSERT_EQ(coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0,
				     NULL, 0),
		  0);
	ASSERT_EQ(coax_uri_path_add_options("obs", &request), 0);
	ASSERT_EQ(coax_observe(context, &peer->address, &request, options, &observation), 0);
	return observation;
}

/* One that the peer has been asked for. */
static struct coax_context *begin(struct peer *peer, struct coax_observation **observation)
{
	struct coax_context *context = start();

	peer_open(peer);
	*observation = observe(context, peer, NULL);
	peer_expect(peer, COAX_GET, 0);
	return context;
}

static void end(struct coax_context *context, struct coax_observation *observation)
{
	coax_observation_free(observation);
	coax_context_shutdown(context);
}

/* The next notification's payload, or "error N". */
static const char *next(struct coax_observation *observation)
{
	static char text[8192];
	struct coax_message m;
	uint8_t buffer[8192];
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_observation_next(observation, CLIENT_PATIENCE_MS, buffer, sizeof(buffer), &m);
	if (err) {
		snprintf(text, sizeof(text), "error %s", strerror(-err));
		return text;
	}
	payload = coax_message_payload(&m, &length);
	snprintf(text, sizeof(text), "%.*s", (int)length, payload ? (const char *)payload : "");
	return text;
}

TEST("notifications are given in turn, and acknowledged when they are confirmable")
{
	struct coax_context *context;
	struct coax_observation *observation;
	struct peer peer;

	context = begin(&peer, &observation);
	peer_answer(&peer, COAX_CONTENT, 10, "first");
	EXPECT_STREQ(next(observation), "first");

	peer_say(&peer, COAX_TYPE_NON, COAX_CONTENT, 11, "second");
	EXPECT_STREQ(next(observation), "second");

	peer_say(&peer, COAX_TYPE_CON, COAX_CONTENT, 12, "third");
	EXPECT_STREQ(next(observation), "third");
	ASSERT_TRUE(peer_hear(&peer, CLIENT_PATIENCE_MS));
	EXPECT_EQ((int)coax_message_type(&peer.seen), (int)COAX_TYPE_ACK);
	EXPECT_EQ(coax_message_id(&peer.seen), peer.next_id - 1);
	end(context, observation);
}

TEST("a notification that a newer one has overtaken is dropped (RFC 7641 section 3.4)")
{
	struct coax_context *context;
	struct coax_observation *observation;
	struct peer peer;

	context = begin(&peer, &observation);
	peer_answer(&peer, COAX_CONTENT, 0xfffffe, "a");
	EXPECT_STREQ(next(observation), "a");
	peer_say(&peer, COAX_TYPE_NON, COAX_CONTENT, 1, "c");
	peer_say(&peer, COAX_TYPE_NON, COAX_CONTENT, 0xffffff, "b, late");
	EXPECT_STREQ(next(observation), "c");
	peer_say(&peer, COAX_TYPE_NON, COAX_CONTENT, 2, "d");
	EXPECT_STREQ(next(observation), "d");
	end(context, observation);
}

struct told {
	atomic_int notifications;
	atomic_int errors;
	atomic_int cancels;
	atomic_int error;
	atomic_int code;
	struct coax_observation *observation;
	bool cancels_itself;
	bool frees_itself;
};

static void on_notification(void *arg, const struct coax_message *notification)
{
	struct told *told = arg;

	(void)notification;
	if (told->cancels_itself)
		coax_observation_cancel(told->observation);
	if (told->frees_itself)
		coax_observation_free(told->observation);
	atomic_fetch_add(&told->notifications, 1);
}

static void on_error(void *arg, int error, const struct coax_message *response)
{
	struct told *told = arg;

	atomic_store(&told->error, error);
	atomic_store(&told->code, response ? coax_message_code(response) : 0);
	atomic_fetch_add(&told->errors, 1);
}

static void on_cancel(void *arg)
{
	atomic_fetch_add(&((struct told *)arg)->cancels, 1);
}

static void listen_to_all(struct coax_observation *observation, struct told *told)
{
	told->observation = observation;
	ASSERT_EQ(coax_observation_on_error(observation, on_error, told), 0);
	ASSERT_EQ(coax_observation_on_cancel(observation, on_cancel, told), 0);
	ASSERT_EQ(coax_observation_on_notification(observation, on_notification, told), 0);
}

static bool becomes(atomic_int *value, int wanted)
{
	for (int i = 0; i < CLIENT_PATIENCE_MS && atomic_load(value) != wanted; i++)
		usleep(1000);
	return atomic_load(value) == wanted;
}

TEST("an unsuccessful response ends the observation, and nothing comes after its error")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told told = {0};
	struct peer peer;

	peer_open(&peer);
	observation = observe(context, &peer, NULL);
	listen_to_all(observation, &told);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, 1, "there");
	EXPECT_TRUE(becomes(&told.notifications, 1));
	peer_say(&peer, COAX_TYPE_CON, COAX_NOT_FOUND, NO_OBSERVE, "gone");
	EXPECT_TRUE(becomes(&told.errors, 1));
	EXPECT_EQ(told.error, -EREMOTEIO);
	EXPECT_EQ(told.code, COAX_NOT_FOUND);
	ASSERT_TRUE(peer_hear(&peer, CLIENT_PATIENCE_MS));
	EXPECT_EQ((int)coax_message_type(&peer.seen), (int)COAX_TYPE_ACK);

	EXPECT_STREQ(next(observation), "there");
	EXPECT_STREQ(next(observation), "error Remote I/O error");
	end(context, observation);
	EXPECT_EQ(told.notifications, 1);
	EXPECT_EQ(told.errors, 1);
}

TEST("a server that keeps no observers: its response is given, then -EOPNOTSUPP")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told told = {0};
	struct peer peer;

	peer_open(&peer);
	observation = observe(context, &peer, NULL);
	listen_to_all(observation, &told);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, NO_OBSERVE, "once");
	EXPECT_TRUE(becomes(&told.errors, 1));
	EXPECT_EQ(told.notifications, 1);
	EXPECT_EQ(told.error, -EOPNOTSUPP);
	EXPECT_STREQ(next(observation), "once");
	EXPECT_STREQ(next(observation), "error Operation not supported");
	end(context, observation);
}

TEST("a server that is not there ends it with the network's error")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct peer peer;

	peer_open(&peer);
	close(peer.fd);
	observation = observe(context, &peer, NULL);
	EXPECT_STREQ(next(observation), "error Connection refused");
	end(context, observation);
}

TEST("cancelling deregisters with Observe 1 and the same token, and is told once")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told told = {0};
	uint8_t token[COAX_TOKEN_MAX];
	struct peer peer;

	peer_open(&peer);
	observation = observe(context, &peer, NULL);
	listen_to_all(observation, &told);
	peer_expect(&peer, COAX_GET, 0);
	memcpy(token, coax_message_token(&peer.seen), sizeof(token));
	peer_answer(&peer, COAX_CONTENT, 1, "x");
	EXPECT_TRUE(becomes(&told.notifications, 1));

	coax_observation_cancel(observation);
	coax_observation_cancel(observation);
	peer_expect(&peer, COAX_GET, 1);
	EXPECT_MEMEQ(coax_message_token(&peer.seen), token, sizeof(token));
	peer_answer(&peer, COAX_CONTENT, NO_OBSERVE, "bye");
	EXPECT_TRUE(becomes(&told.cancels, 1));
	EXPECT_STREQ(next(observation), "error Operation canceled");

	/* Should it notify all the same: RST (section 3.6). */
	peer_say(&peer, COAX_TYPE_CON, COAX_CONTENT, 2, "still there?");
	ASSERT_TRUE(peer_hear(&peer, CLIENT_PATIENCE_MS));
	EXPECT_EQ((int)coax_message_type(&peer.seen), (int)COAX_TYPE_RST);
	end(context, observation);
	EXPECT_EQ(told.notifications, 1);
	EXPECT_EQ(told.errors, 0);
	EXPECT_EQ(told.cancels, 1);
}

TEST("cancelling before the registration is answered: what comes then gets RST")
{
	struct coax_context *context;
	struct coax_observation *observation;
	struct peer peer;

	context = begin(&peer, &observation);
	coax_observation_cancel(observation);
	EXPECT_STREQ(next(observation), "error Operation canceled");
	/* Once that has happened on the worker, too. */
	struct told told = {0};

	EXPECT_EQ(coax_observation_on_cancel(observation, on_cancel, &told), 0);
	EXPECT_TRUE(becomes(&told.cancels, 1));
	peer_say(&peer, COAX_TYPE_NON, COAX_CONTENT, 2, "unwanted");
	ASSERT_TRUE(peer_hear(&peer, CLIENT_PATIENCE_MS));
	EXPECT_EQ((int)coax_message_type(&peer.seen), (int)COAX_TYPE_RST);
	end(context, observation);
}

TEST("the registration is renewed, with the same token, before Max-Age has passed")
{
	struct coax_context *context;
	struct coax_observation *observation;
	uint8_t token[COAX_TOKEN_MAX], buffer[128];
	struct coax_message m;
	struct peer peer;

	context = begin(&peer, &observation);
	memcpy(token, coax_message_token(&peer.seen), sizeof(token));
	m = peer_begin(&peer, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, 100);
	coax_message_add_uint(&m, COAX_MAX_AGE, 1);
	peer_send(&peer, &m);
	EXPECT_STREQ(next(observation), "");

	peer_expect(&peer, COAX_GET, 0);
	EXPECT_MEMEQ(coax_message_token(&peer.seen), token, sizeof(token));
	/* A server that has lost its state counts from anew: TD_COAP_OBS_04. */
	peer_answer(&peer, COAX_CONTENT, 3, "after a restart");
	EXPECT_STREQ(next(observation), "after a restart");
	end(context, observation);
}

TEST("a large notification is completed by requests for its other blocks")
{
	struct coax_context *context;
	struct coax_observation *observation;
	uint8_t buffer[256];
	char wanted[33] = "0123456789abcdefGHIJKLMNOPQRSTUV";
	struct coax_block block = {.number = 0, .more = true, .exponent = 0};
	struct coax_message m;
	struct peer peer;
	uint8_t token[COAX_TOKEN_MAX];

	context = begin(&peer, &observation);
	memcpy(token, coax_message_token(&peer.seen), sizeof(token));
	m = peer_begin(&peer, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, 1);
	coax_message_add_block(&m, COAX_BLOCK2, &block);
	coax_message_add(&m, COAX_ETAG, "e1", 2);
	coax_message_set_payload(&m, wanted, 16);
	peer_send(&peer, &m);

	peer_expect(&peer, COAX_GET, NO_OBSERVE);
	EXPECT_EQ(coax_message_find_block(&peer.seen, COAX_BLOCK2, &block), 1);
	EXPECT_EQ(block.number, 1u);
	EXPECT_NE(memcmp(coax_message_token(&peer.seen), token, sizeof(token)), 0);
	m = peer_begin(&peer, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, NO_OBSERVE);
	coax_message_add_block(&m, COAX_BLOCK2, &block);
	coax_message_add(&m, COAX_ETAG, "e1", 2);
	coax_message_set_payload(&m, wanted + 16, 16);
	peer_send(&peer, &m);
	EXPECT_STREQ(next(observation), wanted);
	end(context, observation);
}

TEST("an Echo challenge is answered by registering again with it (RFC 9175 section 2.3)")
{
	struct coax_context *context;
	struct coax_observation *observation;
	struct coax_option echo;
	struct coax_message m;
	uint8_t buffer[64];
	struct peer peer;

	context = begin(&peer, &observation);
	m = peer_begin(&peer, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_UNAUTHORIZED, NO_OBSERVE);
	coax_message_add(&m, COAX_ECHO, "prove it", 8);
	peer_send(&peer, &m);
	peer_expect(&peer, COAX_GET, 0);
	ASSERT_TRUE(coax_message_find(&peer.seen, COAX_ECHO, &echo));
	EXPECT_EQ(echo.length, 8u);
	peer_answer(&peer, COAX_CONTENT, 1, "welcome");
	EXPECT_STREQ(next(observation), "welcome");
	end(context, observation);
}

TEST("a callback that comes late is given what it has missed: the latest, or the end")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told early = {0}, late = {0}, last = {0};
	struct peer peer;

	peer_open(&peer);
	observation = observe(context, &peer, NULL);
	listen_to_all(observation, &early);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, 1, "x");
	EXPECT_TRUE(becomes(&early.notifications, 1));
	listen_to_all(observation, &late);
	EXPECT_TRUE(becomes(&late.notifications, 1));
	EXPECT_EQ(coax_observation_fail(observation, -EHOSTDOWN), 0);
	EXPECT_TRUE(becomes(&early.errors, 1));
	EXPECT_TRUE(becomes(&late.errors, 1));
	listen_to_all(observation, &last);
	EXPECT_TRUE(becomes(&last.errors, 1));
	EXPECT_EQ(last.error, -EHOSTDOWN);
	end(context, observation);
}

TEST("a callback may cancel its observation, and free it")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told told = {.cancels_itself = true, .frees_itself = true};
	struct peer peer;

	peer_open(&peer);
	observation = observe(context, &peer, NULL);
	listen_to_all(observation, &told);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, 1, "x");
	EXPECT_TRUE(becomes(&told.cancels, 1));
	EXPECT_TRUE(becomes(&told.notifications, 1));
	coax_context_shutdown(context);
	EXPECT_EQ(told.errors, 0);
}

TEST("what is delivered from elsewhere is given like a notification")
{
	struct coax_context *context;
	struct coax_observation *observation;
	struct coax_message m;
	uint8_t buffer[64];
	struct peer peer;

	context = begin(&peer, &observation);
	m = peer_begin(&peer, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_CONTENT, NO_OBSERVE);
	coax_message_set_payload(&m, "by hand", 7);
	EXPECT_EQ(coax_observation_deliver(observation, &m), 0);
	EXPECT_STREQ(next(observation), "by hand");
	EXPECT_EQ(coax_observation_fail(observation, 5), -EINVAL);
	end(context, observation);
}

struct closing {
	struct coax_context *context;
	atomic_int done;
};

static void *shut_down(void *arg)
{
	struct closing *closing = arg;

	coax_context_shutdown(closing->context);
	atomic_store(&closing->done, 1);
	return NULL;
}

struct hurry {
	struct coax_context *context;
	struct peer *peer;
	atomic_bool over;
};

static void ignore_response(void *arg, int result, const struct coax_message *response,
			    const union coax_address *remote)
{
	(void)arg;
	(void)result;
	(void)response;
	(void)remote;
}

static void *ask_on(void *arg)
{
	struct coax_observation *observation;
	struct hurry *hurry = arg;
	struct coax_message request;
	uint8_t buffer[64];

	coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 0, NULL, 0);
	while (!atomic_load(&hurry->over)) {
		(void)coax_request(hurry->context, &hurry->peer->address, &request, NULL,
				   ignore_response, NULL, NULL);
		if (!coax_observe(hurry->context, &hurry->peer->address, &request, NULL,
				  &observation))
			coax_observation_free(observation);
	}
	return NULL;
}

TEST("requests and observations may be begun until shutdown has returned")
{
	struct hurry hurry = {.context = start()};
	struct coax_observation *observation;
	pthread_t thread;
	struct peer peer;

	peer_open(&peer);
	hurry.peer = &peer;
	/* It keeps the Context's memory for a little longer than it takes to say that it is over.
	 */
	observation = observe(hurry.context, &peer, NULL);
	ASSERT_EQ(pthread_create(&thread, NULL, ask_on, &hurry), 0);
	peer_expect(&peer, COAX_GET, 0);
	coax_context_shutdown(hurry.context);
	atomic_store(&hurry.over, true);
	pthread_join(thread, NULL);
	coax_observation_free(observation);
	close(peer.fd);
}

TEST("shutdown ends observations with -ESHUTDOWN and cancels them on the wire")
{
	struct closing closing = {.context = start()};
	struct coax_observation *observation;
	struct told told = {0};
	pthread_t thread;
	struct peer peer;

	peer_open(&peer);
	observation = observe(closing.context, &peer, NULL);
	listen_to_all(observation, &told);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, 1, "x");
	EXPECT_TRUE(becomes(&told.notifications, 1));
	ASSERT_EQ(pthread_create(&thread, NULL, shut_down, &closing), 0);
	peer_expect(&peer, COAX_GET, 1);
	peer_answer(&peer, COAX_CONTENT, NO_OBSERVE, "bye");
	pthread_join(thread, NULL);
	EXPECT_EQ(told.errors, 1);
	EXPECT_EQ(told.error, -ESHUTDOWN);
	EXPECT_STREQ(next(observation), "x");
	EXPECT_STREQ(next(observation), "error Cannot send after transport endpoint shutdown");
	EXPECT_EQ(coax_observation_on_error(observation, on_error, &told), -ESHUTDOWN);
	coax_observation_free(observation);
}

TEST("with the application's own loop, waiting for the next notification runs the Context")
{
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_message m;
	uint8_t buffer[128];
	struct peer peer;

	peer_open(&peer);
	context = context_open((struct coax_context_options){.own_loop = true});
	observation = observe(context, &peer, NULL);
	EXPECT_EQ(coax_observation_next(observation, 50, buffer, sizeof(buffer), &m), -ETIMEDOUT);
	peer_expect(&peer, COAX_GET, 0);
	peer_answer(&peer, COAX_CONTENT, 1, "x");
	EXPECT_STREQ(next(observation), "x");
	end(context, observation);
}

static int observe_by_name(struct coax_context *context, const char *host, in_port_t port,
			   struct coax_observation **observation)
{
	struct coax_message request;
	uint8_t buffer[128];

	coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	if (host)
		coax_message_add_string(&request, COAX_URI_HOST, host);
	coax_message_add_uint(&request, COAX_URI_PORT, port);
	return coax_observe(context, NULL, &request, NULL, observation);
}

TEST("without a remote the message says where to: a name is looked up, an address taken as it is")
{
	static const char *const hosts[] = {"localhost", "127.0.0.1"};
	struct coax_context *context;
	struct coax_observation *observation;
	struct coax_option option;
	struct peer peer;

	set_hosts("127.0.0.1 localhost\n");
	context = start();
	for (int i = 0; i < 2; i++) {
		peer_open(&peer);
		ASSERT_EQ(observe_by_name(context, hosts[i], coax_address_port(&peer.address),
					  &observation),
			  0);
		peer_expect(&peer, COAX_GET, 0);
		EXPECT_FALSE(coax_message_find(&peer.seen, COAX_URI_PORT, &option));
		EXPECT_EQ(coax_message_find(&peer.seen, COAX_URI_HOST, &option), i == 0);
		peer_answer(&peer, COAX_CONTENT, 1, "x");
		EXPECT_STREQ(next(observation), "x");
		coax_observation_free(observation);
		close(peer.fd);
	}
	EXPECT_EQ(observe_by_name(context, NULL, 1, &observation), -EDESTADDRREQ);
	/* No label has more than 63 characters: no name server is asked. */
	ASSERT_EQ(
		observe_by_name(context,
				"a-label-of-many-characters-a-label-of-many-characters-and-so-on.",
				1, &observation),
		0);
	EXPECT_EQ(strncmp(next(observation), "error", 5), 0);
	end(context, observation);
}

TEST("one is cancelled, or failed from elsewhere, while its name is looked up: it ends once")
{
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct told told = {0};
	struct peer peer;

	peer_open(&peer);
	/* What is asked of the worker comes there before what the resolver found, mostly. */
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(observe_by_name(context, "localhost", coax_address_port(&peer.address),
					  &observation),
			  0);
		if (i % 2) {
			EXPECT_EQ(coax_observation_fail(observation, -EIO), 0);
			EXPECT_STREQ(next(observation), "error Input/output error");
		} else {
			listen_to_all(observation, &told);
		}
		coax_observation_free(observation);
	}
	coax_context_shutdown(context);
	EXPECT_EQ(told.cancels, 10);
	EXPECT_EQ(told.errors, 0);
	close(peer.fd);
}

static void count_release(void *arg)
{
	(*(int *)arg)++;
}

TEST("only GET and FETCH can be observed, and their payload is the message's")
{
	int released = 0;
	const struct coax_body body = {
		.length = 1, .data = "x", .release = count_release, .arg = &released};
	const struct coax_request_options options = {.body = &body};
	struct coax_context *context = start();
	struct coax_observation *observation;
	struct coax_message request;
	uint8_t buffer[64];
	struct peer peer;

	peer_open(&peer);
	coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_PUT, 0, NULL, 0);
	EXPECT_EQ(coax_observe(context, &peer.address, &request, NULL, &observation), -EINVAL);
	coax_message_set_code(&request, COAX_FETCH);
	EXPECT_EQ(coax_observe(context, &peer.address, &request, &options, &observation), -EINVAL);
	EXPECT_EQ(released, 1);
	coax_context_shutdown(context);
}

TEST_MAIN()
