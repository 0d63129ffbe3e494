/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server with coaps on loopback (RFC 7252 section 9) and clients for it, both Contexts.
 */
#ifndef COAX_TEST_SECURE_H
#define COAX_TEST_SECURE_H

#include "requester.h"

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

static inline struct coax_credentials *parsed(const char *text)
{
	char error[COAX_CREDENTIALS_ERROR_MAX] = "";
	struct coax_credentials *credentials = NULL;

	if (coax_credentials_parse(&credentials, text, strlen(text), "test.json", error))
		HARNESS_SAY("%s", error);
	ASSERT_TRUE(credentials);
	return credentials;
}

static inline struct coax_credentials *server_credentials(const char *identity, const char *key)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"%s\"}, \"client-identity\": "
		 "{\"ascii\": \"%s\"}}}}",
		 key, identity);
	return parsed(text);
}

static inline struct coax_credentials *client_credentials(const char *identity, const char *key)
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

static inline void say(struct coax_responder *responder, const char *text)
{
	coax_message_set_payload(coax_responder_response(responder), text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

static inline void get_hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&server.handled, 1);
	say(responder, "hello");
}

static inline void post_count(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&server.handled, 1);
	coax_respond(responder, COAX_CHANGED);
}

static inline void get_who(struct coax_responder *responder, void *arg)
{
	const struct coax_claims *claims = coax_responder_claims(responder);
	char text[64] = "nobody";

	(void)arg;
	if (claims && claims->kind == COAX_CLAIMS_PSK)
		snprintf(text, sizeof(text), "%.*s", (int)claims->identity_length,
			 (const char *)claims->identity);
	say(responder, text);
}

static inline void get_body(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_body(responder,
				&(struct coax_body){.length = sizeof(body), .data = body});
	coax_respond(responder, COAX_CONTENT);
}

static inline void put_body(struct coax_responder *responder, void *arg)
{
	const uint8_t *payload;

	(void)arg;
	payload = coax_message_payload(coax_responder_request(responder), &server.body_taken);
	server.body_is_right =
		server.body_taken == sizeof(body) && memcmp(payload, body, sizeof(body)) == 0;
	coax_respond(responder, COAX_CHANGED);
}

static inline void get_observed(struct coax_responder *responder, void *arg)
{
	char text[16];

	(void)arg;
	snprintf(text, sizeof(text), "%d", atomic_load(&server.value));
	say(responder, text);
}

static inline void defer(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_store(&server.deferred, coax_responder_defer(responder));
}

static inline void add(const char *path, coax_handler_fn get, coax_handler_fn put,
		       coax_handler_fn post)
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

static inline void serve_with(unsigned int workers, struct coax_credentials *credentials,
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

static inline void serve(void)
{
	serve_with(1, server_credentials("me", KEY), NULL);
}

static inline void stop_serving(void)
{
	coax_context_shutdown(server.context);
	coax_site_destroy(server.site);
}

static inline uint64_t server_count(size_t offset)
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

static inline struct coax_context *client_with(unsigned int workers,
					       struct coax_credentials *credentials)
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

static inline struct coax_context *client(void)
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

static inline void note_reason(void *arg, const char *reason)
{
	struct answer *answer = arg;

	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

static inline struct answer ask_with(struct coax_context *context, uint8_t code, const char *path,
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

static inline struct answer ask(struct coax_context *context, uint8_t code, const char *path)
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

static inline struct coax_observation *observe(struct coax_context *context)
{
	const struct coax_request_options options = {.secure = true};
	struct coax_observation *observation;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "observed");

	ASSERT_EQ(coax_observe(context, &server.remote, &m, &options, &observation), 0);
	return observation;
}

static inline int next(struct coax_observation *observation, int timeout_ms)
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

#endif
