// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaps between two Contexts over loopback (RFC 7252 section 9): requests, bodies, observation,
 * sessions that begin and end, credentials that change.
 */
#define HARNESS_TIMEOUT 60

#include <pthread.h>
#include "../client.h"
#include "../hosts.h"
#include "../requester.h"
#include "transport/dtls.h"

#define KEY    "a key of 16 byte"
#define OTHER  "another 16 bytes"
#define WAIT_S 10

static uint8_t body[1 << 20];

static struct {
	struct coax_context *context;
	struct coax_site *site;
	struct coax_resource *observed;
	union coax_address remote; /* of its secure socket */
	atomic_int value;
	atomic_int handled;
	_Atomic(struct coax_responder *) deferred;
	size_t body_taken;
	bool body_is_right;
} server;

/*
 * Credentials.
 */

static struct coax_credentials *parsed(const char *text)
{
	char error[COAX_CREDENTIALS_ERROR_MAX] = "";
	struct coax_credentials *credentials = NULL;

	if (coax_credentials_parse(&credentials, text, strlen(text), "test.json", error))
		HARNESS_SAY("%s", error);
	ASSERT_TRUE(credentials);
	return credentials;
}

static struct coax_credentials *server_credentials(const char *identity, const char *key)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"%s\"}, \"client-identity\": "
		 "{\"ascii\": \"%s\"}}}}",
		 key, identity);
	return parsed(text);
}

static struct coax_credentials *client_credentials(const char *identity, const char *key)
{
	struct coax_credentials *credentials;

	ASSERT_EQ(coax_credentials_for_psk(&credentials, identity, strlen(identity), key,
					   strlen(key)),
		  0);
	return credentials;
}

/*
 * The server.
 */

static void say(struct coax_responder *responder, const char *text)
{
	coax_message_set_payload(coax_responder_response(responder), text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

static void get_hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&server.handled, 1);
	say(responder, "hello");
}

static void post_count(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&server.handled, 1);
	coax_respond(responder, COAX_CHANGED);
}

static void get_who(struct coax_responder *responder, void *arg)
{
	const struct coax_claims *claims = coax_responder_claims(responder);
	char text[64] = "nobody";

	(void)arg;
	if (claims && claims->kind == COAX_CLAIMS_PSK)
		snprintf(text, sizeof(text), "%.*s", (int)claims->identity_length,
			 (const char *)claims->identity);
	say(responder, text);
}

static void get_body(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_body(responder,
				&(struct coax_body){.length = sizeof(body), .data = body});
	coax_respond(responder, COAX_CONTENT);
}

static void put_body(struct coax_responder *responder, void *arg)
{
	const uint8_t *payload;

	(void)arg;
	payload = coax_message_payload(coax_responder_request(responder), &server.body_taken);
	server.body_is_right =
		server.body_taken == sizeof(body) && memcmp(payload, body, sizeof(body)) == 0;
	coax_respond(responder, COAX_CHANGED);
}

static void get_observed(struct coax_responder *responder, void *arg)
{
	char text[16];

	(void)arg;
	snprintf(text, sizeof(text), "%d", atomic_load(&server.value));
	say(responder, text);
}

static void defer(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_store(&server.deferred, coax_responder_defer(responder));
}

static void add(const char *path, coax_handler_fn get, coax_handler_fn put, coax_handler_fn post)
{
	const struct coax_resource_options options = {
		.path = path,
		.get = get,
		.put = put,
		.post = post,
		.observable = strcmp(path, "/observed") == 0,
	};

	ASSERT_EQ(
		coax_site_add(server.site, &options, options.observable ? &server.observed : NULL),
		0);
}

static const struct coax_logger logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG};

static void serve_with(unsigned int workers, struct coax_credentials *credentials,
		       const struct coax_tuning *tuning)
{
	const char *bind = "127.0.0.1:0";
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = workers,
		.server_credentials = credentials,
		.logger = logger,
	};

	if (tuning)
		options.tuning = *tuning;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + (i >> 8) * 3 + (i >> 16));
	ASSERT_EQ(coax_site_create(&server.site), 0);
	add("/hello", get_hello, NULL, NULL);
	add("/count", NULL, NULL, post_count);
	add("/who", get_who, NULL, NULL);
	add("/body", get_body, put_body, NULL);
	add("/observed", get_observed, NULL, NULL);
	add("/late", defer, NULL, NULL);
	options.site = server.site;
	ASSERT_EQ(coax_context_create(&server.context, &options), 0);
	ASSERT_NE(coax_context_secure_port(server.context), 0);
	ASSERT_NE(coax_context_secure_port(server.context), coax_context_port(server.context));
	ASSERT_EQ(coax_address_parse(&server.remote, "127.0.0.1",
				     coax_context_secure_port(server.context)),
		  0);
	coax_credentials_release(credentials);
}

static void serve(void)
{
	serve_with(1, server_credentials("me", KEY), NULL);
}

static void stop_serving(void)
{
	coax_context_shutdown(server.context);
	coax_site_destroy(server.site);
}

static uint64_t server_count(size_t offset)
{
	struct coax_context_stats stats;

	coax_context_stats_read(server.context, &stats);
	return *(uint64_t *)((uint8_t *)&stats + offset);
}

#define SERVER_COUNT(field) server_count(offsetof(struct coax_context_stats, field))

/* Wait until a condition holds, for a while. */
#define EVENTUALLY(condition)                                                       \
	({                                                                          \
		bool holds_eventually = false;                                      \
		for (int tries_left = WAIT_S * 100; tries_left > 0; tries_left--) { \
			holds_eventually = (condition);                             \
			if (holds_eventually)                                       \
				break;                                              \
			usleep(10000);                                              \
		}                                                                   \
		holds_eventually;                                                   \
	})

/*
 * The client.
 */

static struct coax_context *client_with(unsigned int workers, struct coax_credentials *credentials)
{
	static const char *const both[] = {"udp", "dtls"};
	const struct coax_context_options options = {
		.workers = workers,
		.client_credentials = credentials,
		.transports = both,
		.transport_count = 2,
		.logger = logger,
	};
	struct coax_context *context;

	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(credentials);
	return context;
}

static struct coax_context *client(void)
{
	return client_with(1, client_credentials("me", KEY));
}

struct answer {
	int result;
	uint8_t code;
	size_t length;
	char text[64];
	struct coax_message message;
	char reason[256];
};

static uint8_t answer_bytes[sizeof(body) + 4096];

static void note_reason(void *arg, const char *reason)
{
	struct answer *answer = arg;

	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

static struct answer ask_with(struct coax_context *context, uint8_t code, const char *path,
			      struct coax_request_options options)
{
	struct answer answer = {.result = 0};
	uint8_t buffer[256];
	struct coax_message m = request_message(buffer, sizeof(buffer), code, path);
	const uint8_t *payload;

	options.secure = true;
	options.failed = note_reason;
	options.failed_arg = &answer;
	answer.result = coax_request_wait(context, &server.remote, &m, &options, answer_bytes,
					  sizeof(answer_bytes), &answer.message);
	if (answer.result)
		return answer;
	answer.code = coax_message_code(&answer.message);
	payload = coax_message_payload(&answer.message, &answer.length);
	snprintf(answer.text, sizeof(answer.text), "%.*s",
		 (int)(answer.length < 63 ? answer.length : 63), (const char *)payload);
	return answer;
}

static struct answer ask(struct coax_context *context, uint8_t code, const char *path)
{
	return ask_with(context, code, path, (struct coax_request_options){.timeout_ms = 10000});
}

#define EXPECT_ANSWER(context, path, wanted)                                  \
	do {                                                                  \
		struct answer expected_answer = ask(context, COAX_GET, path); \
		EXPECT_EQ(expected_answer.result, 0);                         \
		EXPECT_EQ((int)expected_answer.code, COAX_CONTENT);           \
		EXPECT_STREQ(expected_answer.text, wanted);                   \
	} while (0)

TEST("a GET by coaps with a pre-shared key gets its response")
{
	struct coax_context *context;

	serve();
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(requests), 1U);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a resource learns who asks")
{
	struct coax_context *context;

	serve();
	context = client();
	EXPECT_ANSWER(context, "who", "me");
	coax_context_shutdown(context);
	stop_serving();
}

TEST("requests share a session, and messages in it have the exchange layer's care")
{
	struct coax_context *context;

	serve();
	context = client();
	for (int i = 0; i < 20; i++)
		EXPECT_EQ((int)ask(context, COAX_POST, "count").code, COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 20);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

static atomic_int answered;

static void count_answer(void *arg, int result, const struct coax_message *response,
			 const union coax_address *remote)
{
	(void)arg;
	(void)remote;
	if (!result && coax_message_code(response) == COAX_CHANGED)
		atomic_fetch_add(&answered, 1);
}

TEST("requests that are made at once wait for one handshake, and all get their responses")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_POST, "count");

	serve();
	context = client();
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(coax_request(context, &server.remote, &m, &options, count_answer, NULL,
				       NULL),
			  0);
	EXPECT_TRUE(EVENTUALLY(atomic_load(&answered) == 50));
	EXPECT_EQ(atomic_load(&server.handled), 50);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a body of 1 MiB goes there and comes back in blocks")
{
	struct coax_request_options upload = {
		.body = &(struct coax_body){.length = sizeof(body), .data = body}};
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client();
	answer = ask_with(context, COAX_PUT, "body", upload);
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_CHANGED);
	EXPECT_TRUE(server.body_is_right);
	answer = ask(context, COAX_GET, "body");
	EXPECT_EQ(answer.result, 0);
	ASSERT_EQ(answer.length, sizeof(body));
	EXPECT_MEMEQ(coax_message_payload(&answer.message, &answer.length), body, sizeof(body));
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a message as long as there are goes in one record")
{
	struct coax_request_options options = {.single = true};
	struct coax_context *context;
	struct answer answer;
	size_t length = 2000;

	serve();
	context = client();
	do {
		options.body = &(struct coax_body){.length = ++length, .data = body};
		server.body_taken = 0;
		answer = ask_with(context, COAX_PUT, "body", options);
		if (!answer.result)
			EXPECT_EQ(server.body_taken, length);
	} while (!answer.result && length < 2048);
	EXPECT_EQ(answer.result, -EMSGSIZE);
	EXPECT_GT(length, 2020U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a deferred answer comes in its session, with an empty ACK before it")
{
	struct coax_context *context;
	static struct outcome outcome;
	const struct coax_request_options options = {.secure = true};
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "late");

	serve();
	context = client();
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(context, &server.remote, &m, &options, outcome_take, &outcome, NULL),
		  0);
	ASSERT_TRUE(EVENTUALLY(atomic_load(&server.deferred)));
	usleep(300000);
	get_who(atomic_load(&server.deferred), NULL);
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.result, 0);
	EXPECT_EQ(outcome.length, 2U);
	EXPECT_MEMEQ(outcome.payload, "me", 2);
	coax_context_shutdown(context);
	stop_serving();
}

static struct coax_observation *observe(struct coax_context *context)
{
	const struct coax_request_options options = {.secure = true};
	struct coax_observation *observation;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "observed");

	ASSERT_EQ(coax_observe(context, &server.remote, &m, &options, &observation), 0);
	return observation;
}

static int next(struct coax_observation *observation, int timeout_ms)
{
	struct coax_message m;
	uint8_t buffer[256];
	const uint8_t *payload;
	size_t length;
	int result = coax_observation_next(observation, timeout_ms, buffer, sizeof(buffer), &m);

	if (result)
		return result;
	payload = coax_message_payload(&m, &length);
	return length == 1 ? payload[0] - '0' : -EBADMSG;
}

TEST("an observation gets notifications in its session")
{
	struct coax_observation *observation;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(next(observation, 5000), i);
		atomic_store(&server.value, i + 1);
		coax_resource_changed(server.observed);
	}
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	coax_observation_free(observation);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	coax_context_shutdown(context);
	stop_serving();
}

TEST("when the client closes the session, its observer is gone")
{
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_credentials *none;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	/* Without its credentials a session ends. */
	none = client_credentials("somebody", OTHER);
	ASSERT_EQ(coax_context_set_client_credentials(context, none), 0);
	coax_credentials_release(none);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	EXPECT_EQ(SERVER_COUNT(observers_lost), 1U);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	EXPECT_LT(next(observation, 5000), 0);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("when the server closes the session, the observation ends, and another one can begin")
{
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_credentials *others;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	others = server_credentials("you", OTHER);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, others), 0);
	coax_credentials_release(others);
	EXPECT_EQ(next(observation, 5000), -ECONNRESET);
	coax_observation_free(observation);
	others = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, others), 0);
	coax_credentials_release(others);
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("credentials that are loaded anew and hold the same keys disturb no session")
{
	struct coax_observation *observation;
	struct coax_credentials *same;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	same = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, same), 0);
	coax_credentials_release(same);
	same = client_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_client_credentials(context, same), 0);
	coax_credentials_release(same);
	EXPECT_ANSWER(context, "hello", "hello");
	atomic_store(&server.value, 1);
	coax_resource_changed(server.observed);
	EXPECT_EQ(next(observation, 5000), 1);
	EXPECT_EQ(SERVER_COUNT(handshakes), 1U);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("two clients have a session each, and each its own observation")
{
	struct coax_observation *first_observation, *second_observation;
	struct coax_context *first, *second;

	serve();
	first = client();
	second = client();
	first_observation = observe(first);
	second_observation = observe(second);
	EXPECT_EQ(next(first_observation, 5000), 0);
	EXPECT_EQ(next(second_observation, 5000), 0);
	EXPECT_EQ(SERVER_COUNT(sessions), 2U);
	EXPECT_EQ(SERVER_COUNT(observers), 2U);
	coax_context_shutdown(first);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 1));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 1));
	atomic_store(&server.value, 7);
	coax_resource_changed(server.observed);
	EXPECT_EQ(next(second_observation, 5000), 7);
	coax_observation_free(first_observation);
	coax_observation_free(second_observation);
	coax_context_shutdown(second);
	stop_serving();
}

TEST("who shuts down closes its sessions on the wire, and the next request begins a new one")
{
	struct coax_context *context;
	in_port_t port;

	serve();
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	coax_context_shutdown(context);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	port = coax_address_port(&server.remote);
	stop_serving();
	EXPECT_NE(port, 0);
	memset(&server, 0, sizeof(server));
	serve();
	EXPECT_ANSWER(context, "hello", "hello");
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a server that shuts down tells those who observe before it closes their sessions")
{
	struct coax_observation *observation;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	stop_serving();
	EXPECT_EQ(next(observation, 5000), -EREMOTEIO);
	coax_observation_free(observation);
	coax_context_shutdown(context);
}

TEST("there are no more sessions than may be: the one idle longest makes room, observers and all")
{
	const struct coax_tuning tuning = {.sessions_max = 2};
	struct coax_observation *observation;
	struct coax_context *clients[3];

	serve_with(1, server_credentials("me", KEY), &tuning);
	for (int i = 0; i < 3; i++)
		clients[i] = client();
	observation = observe(clients[0]);
	EXPECT_EQ(next(observation, 5000), 0);
	EXPECT_ANSWER(clients[1], "hello", "hello");
	EXPECT_ANSWER(clients[2], "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(sessions), 2U);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	EXPECT_EQ(next(observation, 5000), -ECONNRESET);
	EXPECT_ANSWER(clients[0], "hello", "hello");
	coax_observation_free(observation);
	for (int i = 0; i < 3; i++)
		coax_context_shutdown(clients[i]);
	stop_serving();
}

TEST("a session that is not used ends, by the server's clock, and the next request begins another")
{
	const struct coax_tuning tuning = {.session_idle_ms = 300};
	struct coax_context *context;
	struct coax_context_stats stats;

	serve_with(1, server_credentials("me", KEY), &tuning);
	context = client();
	for (int i = 1; i < 3; i++) {
		EXPECT_ANSWER(context, "hello", "hello");
		EXPECT_EQ(SERVER_COUNT(handshakes), (uint64_t)i);
		EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
		EXPECT_TRUE(EVENTUALLY(
			(coax_context_stats_read(context, &stats), stats.sessions == 0)));
	}
	coax_context_shutdown(context);
	stop_serving();
}

TEST("IPv6 goes the same way")
{
	const char *bind = "127.0.0.1:0", *bind_secure = "[::1]:0";
	struct coax_context_options options = {.server = true,
					       .bind = &bind,
					       .bind_count = 1,
					       .bind_secure = &bind_secure,
					       .bind_secure_count = 1,
					       .workers = 2,
					       .logger = logger};
	struct coax_context *context, *requester = client();

	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	ASSERT_EQ(coax_address_parse(&server.remote, "::1", coax_context_secure_port(context)), 0);
	EXPECT_EQ((int)ask(requester, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(requester);
	coax_context_shutdown(context);
}

TEST("a wrong key: the request fails, and says why")
{
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client_with(1, client_credentials("me", OTHER));
	answer = ask(context, COAX_GET, "hello");
	EXPECT_LT(answer.result, 0);
	EXPECT_NE(answer.result, -ETIMEDOUT);
	EXPECT_NE(answer.reason[0], '\0');
	HARNESS_SAY("%d: %s", answer.result, answer.reason);
	answer = ask_with(context, COAX_GET, "hello",
			  (struct coax_request_options){.results = COAX_RESULTS_RESPONSES});
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_BAD_GATEWAY);
	EXPECT_STREQ(answer.text, answer.reason);
	coax_context_shutdown(context);
	EXPECT_EQ(SERVER_COUNT(sessions), 0U);
	EXPECT_EQ(SERVER_COUNT(requests), 0U);
	stop_serving();
}

TEST("an identity that the server does not know: the request fails, and says why")
{
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client_with(1, client_credentials("stranger", KEY));
	answer = ask(context, COAX_GET, "hello");
	EXPECT_LT(answer.result, 0);
	EXPECT_NE(answer.reason[0], '\0');
	HARNESS_SAY("%d: %s", answer.result, answer.reason);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("without credentials a request is refused before anything is sent")
{
	struct coax_context *context;
	struct coax_context_stats stats;
	struct answer answer;

	serve();
	context = client_with(1, NULL);
	answer = ask(context, COAX_GET, "hello");
	EXPECT_EQ(answer.result, -ENOKEY);
	EXPECT_TRUE(strstr(answer.reason, "no credentials"));
	coax_context_stats_read(context, &stats);
	EXPECT_EQ(stats.datagrams_out, 0U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a Context without DTLS makes no secure request, and finds no transport for coaps")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = requester_start(1);
	struct coax_observation *observation;
	const char *error;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	union coax_address remote;

	ASSERT_EQ(coax_address_parse(&remote, "127.0.0.1:5684", 0), 0);
	EXPECT_EQ(coax_request(context, &remote, &m, &options, outcome_take, NULL, NULL),
		  -EPROTONOSUPPORT);
	EXPECT_EQ(coax_observe(context, &remote, &m, &options, &observation), -EPROTONOSUPPORT);
	EXPECT_EQ(coax_find_remote(context, "coaps://127.0.0.1/", NULL, NULL, &error),
		  -EPROTONOSUPPORT);
	EXPECT_EQ(coax_context_set_client_credentials(context, NULL), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_set_server_credentials(context, NULL), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_secure_port(context), 0);
	coax_context_shutdown(context);
}

TEST("a group is not asked by coaps")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = client();
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	union coax_address group;

	ASSERT_EQ(coax_address_parse(&group, "224.0.1.187:5684", 0), 0);
	EXPECT_EQ(coax_request_multicast(context, &group, &m, &options, outcome_take, NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(coax_request(context, &group, &m, &options, outcome_take, NULL, NULL), -EINVAL);
	coax_context_shutdown(context);
}

TEST("nobody listens there: the network says so, and the request ends at once")
{
	struct coax_context *context = client();
	struct answer answer;
	struct peer peer;

	peer_open(&peer);
	close(peer.fd);
	server.remote = peer.address;
	for (int i = 0; i < 2; i++) {
		answer = ask(context, COAX_GET, "hello");
		EXPECT_EQ(answer.result, -ECONNREFUSED);
		EXPECT_TRUE(strstr(answer.reason, "refused"));
	}
	coax_context_shutdown(context);
}

TEST("nobody answers the handshake: the request ends when its time is up, and others can")
{
	struct coax_context *context = client();
	struct answer answer;
	struct peer silent;

	peer_open(&silent);
	server.remote = silent.address;
	answer = ask_with(context, COAX_GET, "hello",
			  (struct coax_request_options){.timeout_ms = 300});
	EXPECT_EQ(answer.result, -ETIMEDOUT);
	EXPECT_TRUE(strstr(answer.reason, "handshake"));
	coax_context_shutdown(context);
}

TEST("a request that waits for a handshake can be cancelled, and so can its Context end")
{
	static struct outcome cancelled, shut;
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = client();
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	struct peer silent;

	peer_open(&silent);
	sem_init(&cancelled.told, 0, 0);
	sem_init(&shut.told, 0, 0);
	ASSERT_EQ(coax_request(context, &silent.address, &m, &options, outcome_take, &cancelled,
			       &cancelled.request),
		  0);
	ASSERT_EQ(coax_request(context, &silent.address, &m, &options, outcome_take, &shut, NULL),
		  0);
	coax_request_cancel(cancelled.request);
	outcome_wait(&cancelled);
	EXPECT_EQ(cancelled.result, -ECANCELED);
	EXPECT_EQ(shut.calls, 0);
	coax_context_shutdown(context);
	outcome_wait(&shut);
	EXPECT_EQ(shut.result, -ESHUTDOWN);
}

TEST("with many workers each peer's session has its worker")
{
	struct coax_context *clients[8];

	serve_with(4, server_credentials("me", KEY), NULL);
	for (int i = 0; i < 8; i++)
		clients[i] = client_with(i % 2 ? 1 : 3, client_credentials("me", KEY));
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 8; i++)
			EXPECT_ANSWER(clients[i], "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(sessions), 8U);
	for (int i = 0; i < 8; i++)
		coax_context_shutdown(clients[i]);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	stop_serving();
}

static void *ask_often(void *arg)
{
	const struct coax_request_options options = {.secure = true};

	for (int i = 0; i < 50; i++) {
		uint8_t buffer[64], reply[256];
		struct coax_message response,
			m = request_message(buffer, sizeof(buffer), COAX_POST, "count");

		if (coax_request_wait(arg, &server.remote, &m, &options, reply, sizeof(reply),
				      &response) == 0 &&
		    coax_message_code(&response) == COAX_CHANGED)
			atomic_fetch_add(&answered, 1);
	}
	return NULL;
}

TEST("many threads ask, while credentials are loaded anew")
{
	struct coax_context *context;
	pthread_t threads[4];

	serve_with(2, server_credentials("me", KEY), NULL);
	context = client_with(2, client_credentials("me", KEY));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, ask_often, context), 0);
	for (int i = 0; i < 10; i++) {
		struct coax_credentials *same = server_credentials("me", KEY);

		ASSERT_EQ(coax_context_set_server_credentials(server.context, same), 0);
		coax_credentials_release(same);
		same = client_credentials("me", KEY);
		ASSERT_EQ(coax_context_set_client_credentials(context, same), 0);
		coax_credentials_release(same);
		usleep(5000);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(atomic_load(&answered), 200);
	EXPECT_EQ(atomic_load(&server.handled), 200);
	coax_context_shutdown(context);
	stop_serving();
}

struct finding {
	sem_t told;
	int result;
	char transport[8];
	union coax_address remote;
};

static void found(void *arg, int result, const struct coax_found *what)
{
	struct finding *finding = arg;

	finding->result = result;
	snprintf(finding->transport, sizeof(finding->transport), "%s", what->transport);
	if (what->count)
		finding->remote = what->remotes[0];
	sem_post(&finding->told);
}

TEST("coaps is found to go by DTLS, to port 5684 unless the URI says another one")
{
	struct coax_context *context = client();
	struct finding finding;

	sem_init(&finding.told, 0, 0);
	ASSERT_EQ(coax_find_remote(context, "coaps://127.0.0.1/x", found, &finding, NULL), 0);
	sem_wait(&finding.told);
	EXPECT_EQ(finding.result, 0);
	EXPECT_STREQ(finding.transport, "dtls");
	EXPECT_EQ(coax_address_port(&finding.remote), 5684);
	ASSERT_EQ(coax_find_remote(context, "coap://127.0.0.1/x", found, &finding, NULL), 0);
	sem_wait(&finding.told);
	EXPECT_STREQ(finding.transport, "udp");
	coax_context_shutdown(context);
}

TEST("a name is looked up, and asked by coaps")
{
	const struct coax_request_options options = {.secure = true, .timeout_ms = 10000};
	struct coax_context *context;
	uint8_t buffer[64], reply[256];
	struct coax_message m, response;

	set_hosts("127.0.0.1 localhost\n");
	serve();
	context = client();
	m = request_message(buffer, sizeof(buffer), COAX_GET, NULL);
	coax_message_add_string(&m, COAX_URI_HOST, "localhost");
	coax_message_add_uint(&m, COAX_URI_PORT, coax_address_port(&server.remote));
	coax_message_add_string(&m, COAX_URI_PATH, "hello");
	EXPECT_EQ(coax_request_wait(context, NULL, &m, &options, reply, sizeof(reply), &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("with DTLS alone nothing is received without security")
{
	static const char *const dtls[] = {"dtls"};
	const char *bind = "127.0.0.1:0";
	struct coax_context_options options = {
		.bind_secure = &bind,
		.bind_secure_count = 1,
		.server = true,
		.workers = 1,
		.transports = dtls,
		.transport_count = 1,
		.logger = logger,
	};
	struct coax_context *context, *requester;
	struct answer answer;

	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	EXPECT_EQ(coax_context_port(context), coax_context_secure_port(context));
	ASSERT_EQ(coax_address_parse(&server.remote, "127.0.0.1", coax_context_port(context)), 0);
	requester = client();
	answer = ask(requester, COAX_GET, "hello");
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_NOT_FOUND);
	coax_context_shutdown(requester);
	coax_context_shutdown(context);
}

/*
 * A client that says what the test wants, in a session.
 */

static struct raw {
	struct coax_dtls_shared *shared;
	struct coax_dtls *dtls;
	struct coax_credentials *credentials;
	struct coax_context_stats stats;
	struct coax_path path;
	int fd;
	bool established;
	bool ended;
	int datagrams; /* taken in */
} raw;

static uint64_t raw_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void raw_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	(void)arg;
	(void)path;
	ASSERT_EQ(send(raw.fd, data, length, 0), (ssize_t)length);
}

static void raw_established(void *arg, const struct coax_path *path,
			    const struct coax_claims *claims)
{
	(void)arg;
	(void)path;
	(void)claims;
	raw.established = true;
}

static void raw_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	(void)arg;
	(void)path;
	(void)result;
	(void)reason;
	raw.ended = true;
}

/* One datagram. Returns whether there was a message in it, which is copied to `message` then. */
static bool raw_receive(struct coax_message *message, int patience_ms)
{
	static uint8_t bytes[4096], copy[4096];
	struct coax_datagram datagram = {.path = raw.path, .data = bytes}, *messages;
	struct pollfd readable = {.fd = raw.fd, .events = POLLIN};
	ssize_t length;

	if (poll(&readable, 1, patience_ms) != 1)
		return false;
	length = recv(raw.fd, bytes, sizeof(bytes), 0);
	if (length < 0)
		return false;
	raw.datagrams++;
	datagram.length = (uint32_t)length;
	datagram.path.session = 0;
	if (coax_dtls_receive(raw.dtls, raw_now(), &datagram, 1, &messages) != 1)
		return false;
	ASSERT_LE(messages->length, sizeof(copy));
	memcpy(copy, messages->data, messages->length);
	return coax_message_parse(message, copy, messages->length) == 0;
}

static void raw_connect(void)
{
	struct coax_message message;

	raw.path.session = 0;
	raw.established = raw.ended = false;
	ASSERT_EQ(coax_dtls_connect(raw.dtls, raw_now(), &raw.path,
				    coax_credentials_for_uri(raw.credentials, "coaps://127.0.0.1/"),
				    NULL),
		  0);
	while (!raw.established)
		(void)raw_receive(&message, CLIENT_PATIENCE_MS);
}

static void raw_open(void)
{
	static const struct coax_dtls_ops ops = {
		.send = raw_send, .established = raw_established, .ended = raw_ended};
	struct coax_dtls_shared_options shared = {.logger = &logger};
	struct coax_dtls_options options = {.ops = &ops, .logger = &logger, .stats = &raw.stats};

	memset(&raw, 0, sizeof(raw));
	raw.credentials = client_credentials("me", KEY);
	shared.client = raw.credentials;
	ASSERT_EQ(coax_dtls_shared_create(&raw.shared, &shared), 0);
	options.shared = raw.shared;
	ASSERT_EQ(coax_dtls_create(&raw.dtls, &options), 0);
	raw.path.remote = server.remote;
	raw.fd = client_open("127.0.0.1", coax_address_port(&server.remote));
	ASSERT_GE(raw.fd, 0);
	raw_connect();
}

/* As if it had lost all that it knew. */
static void raw_forget(void)
{
	static const struct coax_dtls_ops ops = {
		.send = raw_send, .established = raw_established, .ended = raw_ended};
	struct coax_dtls_options options = {
		.shared = raw.shared, .ops = &ops, .logger = &logger, .stats = &raw.stats};

	/* What it knew of is not closed on the wire. */
	ASSERT_EQ(coax_dtls_create(&raw.dtls, &options), 0);
	raw_connect();
}

static void raw_say(enum coax_type type, uint8_t code, uint16_t id, const char *path, bool observes)
{
	uint8_t buffer[64];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), type, code, id, "t", code ? 1 : 0),
		  0);
	if (observes)
		coax_message_add_uint(&m, COAX_OBSERVE, 0);
	if (path)
		coax_message_add_string(&m, COAX_URI_PATH, path);
	ASSERT_EQ(coax_dtls_send(raw.dtls, raw_now(), &raw.path, m.data, m.length), 0);
}

static uint8_t raw_ask(uint8_t code, uint16_t id, const char *path)
{
	struct coax_message response;

	raw_say(COAX_TYPE_CON, code, id, path, false);
	if (!raw_receive(&response, CLIENT_PATIENCE_MS))
		return 0;
	EXPECT_EQ(coax_message_id(&response), id);
	EXPECT_EQ((int)coax_message_type(&response), COAX_TYPE_ACK);
	return coax_message_code(&response);
}

static void raw_close(void)
{
	coax_dtls_destroy(raw.dtls);
	coax_dtls_shared_destroy(raw.shared);
	coax_credentials_release(raw.credentials);
	close(raw.fd);
}

TEST("a duplicate in a session gets the reply to the first, and runs nothing")
{
	serve();
	raw_open();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 1);
	EXPECT_EQ(SERVER_COUNT(duplicates), 2U);
	raw_close();
	stop_serving();
}

TEST("a client that has lost its session begins another: no message of the former is a duplicate")
{
	struct coax_dtls *former;

	serve();
	raw_open();
	EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	former = raw.dtls;
	raw_forget();
	EXPECT_EQ((int)raw_ask(COAX_POST, 7, "count"), COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 2);
	EXPECT_EQ(SERVER_COUNT(duplicates), 0U);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_dtls_destroy(former);
	raw_close();
	stop_serving();
}

TEST("observations of the session that a client has lost end with it")
{
	struct coax_message response;
	struct coax_dtls *former;

	serve();
	raw_open();
	raw_say(COAX_TYPE_CON, COAX_GET, 1, "observed", true);
	EXPECT_TRUE(raw_receive(&response, CLIENT_PATIENCE_MS));
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	former = raw.dtls;
	raw_forget();
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	coax_dtls_destroy(former);
	raw_close();
	stop_serving();
}

TEST("a request whose session ends before it is answered gets nothing, and leaves nothing")
{
	serve();
	raw_open();
	raw_say(COAX_TYPE_CON, COAX_GET, 1, "late", true);
	ASSERT_TRUE(EVENTUALLY(atomic_load(&server.deferred)));
	coax_dtls_close(raw.dtls, raw_now(), raw.path.session);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	get_who(atomic_load(&server.deferred), NULL);
	raw_connect();
	EXPECT_EQ((int)raw_ask(COAX_GET, 1, "hello"), COAX_CONTENT);
	EXPECT_EQ(SERVER_COUNT(retransmissions), 0U);
	raw_close();
	stop_serving();
}

TEST("what comes to the secure port and is no record is dropped, and so are records at the plain one")
{
	const uint8_t ping[] = {0x40, 0, 0x12, 0x34}, record[] = {23, 254, 253, 0, 1, 0, 0, 0, 0};
	uint8_t reply[64];
	int fd;

	serve();
	fd = client_open("127.0.0.1", coax_context_secure_port(server.context));
	ASSERT_EQ(send(fd, ping, sizeof(ping), 0), (ssize_t)sizeof(ping));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(datagrams_in) == 1));
	EXPECT_EQ(SERVER_COUNT(pings), 0U);
	EXPECT_EQ(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
	close(fd);
	fd = client_open("127.0.0.1", coax_context_port(server.context));
	ASSERT_EQ(send(fd, record, sizeof(record), 0), (ssize_t)sizeof(record));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(datagrams_in) == 2));
	EXPECT_EQ(SERVER_COUNT(requests), 0U);
	close(fd);
	stop_serving();
}

TEST("rules decide by who asks: 4.01 without security, 4.03 for who may not")
{
	const struct coax_access_rule rules[] = {
		{.path = "/hello", .who = "psk:me", .methods = COAX_ACCESS_READ},
		{.path = "/who", .who = "secure", .methods = COAX_ACCESS_ALL},
		{.path = "/count", .who = "psk:you", .methods = COAX_ACCESS_ALL},
		{.path = "/observed", .who = "*", .methods = COAX_ACCESS_ALL},
	};
	struct coax_access *access;
	struct coax_context *context;
	union coax_address secure;
	uint8_t buffer[64], reply[128];
	struct coax_message m, response;
	size_t bad;

	serve();
	context = client();
	ASSERT_EQ(coax_access_create(&access, rules, sizeof(rules) / sizeof(rules[0]), &bad), 0);
	ASSERT_EQ(coax_site_set_access(server.site, access), 0);
	EXPECT_ANSWER(context, "hello", "hello");
	EXPECT_ANSWER(context, "who", "me");
	EXPECT_EQ((int)ask(context, COAX_PUT, "hello").code, COAX_FORBIDDEN);
	EXPECT_EQ((int)ask(context, COAX_POST, "count").code, COAX_FORBIDDEN);
	EXPECT_EQ((int)ask(context, COAX_GET, "body").code, COAX_FORBIDDEN);
	secure = server.remote;
	ASSERT_EQ(
		coax_address_parse(&server.remote, "127.0.0.1", coax_context_port(server.context)),
		0);
	m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	EXPECT_EQ(coax_request_wait(context, &server.remote, &m, NULL, reply, sizeof(reply),
				    &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_UNAUTHORIZED);
	m = request_message(buffer, sizeof(buffer), COAX_GET, "observed");
	EXPECT_EQ(coax_request_wait(context, &server.remote, &m, NULL, reply, sizeof(reply),
				    &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	server.remote = secure;
	coax_context_shutdown(context);
	stop_serving();
}

TEST("one loop of the application's does it all: DTLS as client and server")
{
	static const char *const bind = "127.0.0.1:0";
	static struct outcome outcome;
	const struct coax_request_options secure = {.secure = true};
	struct coax_context_options options = {
		.bind = &bind, .bind_count = 1, .own_loop = true, .logger = logger};
	struct coax_context *context;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");

	ASSERT_EQ(coax_site_create(&server.site), 0);
	add("/hello", get_hello, NULL, NULL);
	options.site = server.site;
	options.server_credentials = server_credentials("me", KEY);
	options.client_credentials = client_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	coax_credentials_release(options.client_credentials);
	ASSERT_EQ(
		coax_address_parse(&server.remote, "127.0.0.1", coax_context_secure_port(context)),
		0);
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(context, &server.remote, &m, &secure, outcome_take, &outcome, NULL),
		  0);
	while (!atomic_load(&outcome.calls)) {
		struct pollfd readable = {.fd = coax_context_fd(context), .events = POLLIN};

		ASSERT_GE(poll(&readable, 1, coax_context_timeout(context)), 0);
		coax_context_process(context);
	}
	EXPECT_EQ(outcome.result, 0);
	EXPECT_MEMEQ(outcome.payload, "hello", 5);
	coax_context_shutdown(context);
	coax_site_destroy(server.site);
}

/* A server that is there no more says nothing, and another one in its place knows no session. */
TEST("when a session is lost at the other end, a request in it times out, and the next is answered")
{
	struct coax_credentials *credentials = server_credentials("me", KEY);
	const char *plain = "127.0.0.1:0";
	struct coax_context *context, *second;
	struct coax_context_options options = {.server = true,
					       .bind = &plain,
					       .bind_count = 1,
					       .workers = 1,
					       .server_credentials = credentials,
					       .logger = logger};
	struct coax_context_stats stats;
	struct answer answer;
	char secure[32];
	pid_t pid;
	int ready[2];
	in_port_t port;

	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct coax_context *first;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ASSERT_EQ(coax_context_create(&first, &options), 0);
		port = coax_context_secure_port(first);
		ASSERT_EQ(write(ready[1], &port, sizeof(port)), (ssize_t)sizeof(port));
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &port, sizeof(port)), (ssize_t)sizeof(port));
	ASSERT_EQ(coax_address_parse(&server.remote, "127.0.0.1", port), 0);
	context = client_with(1, client_credentials("me", KEY));
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(secure, sizeof(secure), "127.0.0.1:%u", port);
	options.bind_secure = &(const char *){secure};
	options.bind_secure_count = 1;
	ASSERT_EQ(coax_context_create(&second, &options), 0);
	/* One that has little patience does not decide it alone. */
	for (int i = 0; i < 2; i++) {
		coax_context_stats_read(context, &stats);
		EXPECT_EQ(stats.sessions, 1U);
		answer = ask_with(context, COAX_GET, "hello",
				  (struct coax_request_options){.timeout_ms = 1600});
		EXPECT_EQ(answer.result, -ETIMEDOUT);
	}
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(context);
	coax_context_shutdown(second);
	coax_credentials_release(credentials);
}

static int take_place(void *arg)
{
	return coax_context_pause(arg, 5000);
}

TEST("who takes a Context's place gets its secure sockets too, and clients begin new sessions there")
{
	int sockets[16];
	char plain[32];
	const char *bind = plain;
	struct coax_succession succession = {.sockets = sockets, .ready = take_place};
	struct coax_context_options options = {.server = true,
					       .bind = &bind,
					       .bind_count = 1,
					       .workers = 2,
					       .logger = logger,
					       .succession = &succession};
	struct coax_context *context, *former, *successor;
	struct coax_context_stats stats;
	char secure[32];

	serve_with(2, server_credentials("me", KEY), NULL);
	former = server.context;
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	succession.arg = former;
	succession.socket_count = coax_context_sockets(former, sockets, 16);
	EXPECT_EQ(succession.socket_count, 4U);
	snprintf(plain, sizeof(plain), "127.0.0.1:%u", coax_context_port(former));
	snprintf(secure, sizeof(secure), "127.0.0.1:%u", coax_context_secure_port(former));
	options.bind_secure = &(const char *){secure};
	options.bind_secure_count = 1;
	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&successor, &options), 0);
	coax_credentials_release(options.server_credentials);
	coax_context_hand_over(former);
	coax_context_shutdown(former);
	EXPECT_TRUE(EVENTUALLY((coax_context_stats_read(context, &stats), stats.sessions == 0)));
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(context);
	coax_context_shutdown(successor);
	coax_site_destroy(server.site);
}

TEST("nonsense is refused with a word on what")
{
	static const char *const udp[] = {"udp"}, *const dtls[] = {"dtls"};
	static const char *const bind = "127.0.0.1:0", *const group = "lo", *const wrong = "wrong";
	const struct coax_context_options nonsense[] = {
		{.bind_secure = &bind, .bind_secure_count = 1},
		{.server = true,
		 .bind_secure = &bind,
		 .bind_secure_count = 1,
		 .transports = udp,
		 .transport_count = 1},
		{.server = true,
		 .groups = &group,
		 .group_count = 1,
		 .transports = dtls,
		 .transport_count = 1},
		{.server = true,
		 .bind = &bind,
		 .bind_count = 1,
		 .bind_secure = &wrong,
		 .bind_secure_count = 1},
	};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct coax_context_options options = nonsense[i];
		struct coax_context *context;

		options.logger = logger;
		EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	}
}

static struct coax_credentials *both_identities(void)
{
	static const char text[] =
		"{\":one\": {\"dtls\": {\"psk\": {\"ascii\": \"" KEY "\"}, \"client-identity\": "
		"{\"ascii\": \"one\"}}}, \":two\": {\"dtls\": {\"psk\": {\"ascii\": \"" OTHER
		"\"}, \"client-identity\": {\"ascii\": \"two\"}}}}";

	return parsed(text);
}

/* Who it is changes with each session, and so the one before it ends: mostly by the client's
 * close_notify. */
TEST_TIMEOUT("sessions come and go by the thousand, and leave nothing", 300)
{
	const char *chosen = getenv("COAX_CONTEXT_SESSIONS");
	uint64_t count = chosen ? strtoull(chosen, NULL, 10) : 1000;
	struct coax_credentials *one = client_credentials("one", KEY);
	struct coax_credentials *two = client_credentials("two", OTHER), *servers;
	struct coax_context *context;

	serve_with(1, both_identities(), NULL);
	context = client_with(1, coax_credentials_hold(one));
	for (uint64_t i = 0; i < count; i++) {
		ASSERT_EQ(coax_context_set_client_credentials(context, i % 2 ? one : two), 0);
		EXPECT_ANSWER(context, "who", i % 2 ? "one" : "two");
		if (i % 50)
			continue;
		/* The server has this key no more, and then again. */
		servers = i % 2 ? server_credentials("two", OTHER) : server_credentials("one", KEY);
		ASSERT_EQ(coax_context_set_server_credentials(server.context, servers), 0);
		coax_credentials_release(servers);
		ASSERT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
		servers = both_identities();
		ASSERT_EQ(coax_context_set_server_credentials(server.context, servers), 0);
		coax_credentials_release(servers);
	}
	EXPECT_EQ(SERVER_COUNT(handshakes), count);
	EXPECT_LE(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	stop_serving();
	coax_credentials_release(one);
	coax_credentials_release(two);
}

TEST_MAIN()
