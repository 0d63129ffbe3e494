/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A proxy between a client and origins, all over loopback: origins are Contexts whose handler the
 * test gives, or sockets (requester.h) that answer what the test says.
 */
#ifndef COAX_TESTS_PROXY_H
#define COAX_TESTS_PROXY_H

#include <pthread.h>
#include "requester.h"
#include "clock.h"
#include "proxy/proxy.h"
#include "context/worker.h"
#include "site/responder.h"

#define WAIT_FOR(condition)                             \
	do {                                            \
		int tries_ = 0;                         \
		while (!(condition) && tries_++ < 5000) \
			usleep(1000);                   \
		ASSERT_TRUE(condition);                 \
	} while (0)

/* Of all that serve. NULL: none does so securely. */
static struct coax_credentials *server_credentials;

/* Of origins. */
static struct coax_tuning origin_tuning;

/* An origin: all paths are its handler's. */
struct origin {
	struct coax_context *context;
	struct coax_site *site;
	struct coax_resource *resource;
	atomic_int requests;
	atomic_int max_age; /* -1: not said */
	atomic_int version; /* what the payload says */
	atomic_int code;
	const char *etag; /* NULL: none */
	size_t length;	  /* of the body; 0: the version as text */
	uint8_t seen_bytes[4096];
	struct coax_message seen; /* the latest request */
	char uri[64];
};

static inline void origin_note(struct origin *origin, const struct coax_message *request)
{
	atomic_fetch_add(&origin->requests, 1);
	ASSERT_LE(request->length, sizeof(origin->seen_bytes));
	memcpy(origin->seen_bytes, request->data, request->length);
	ASSERT_EQ(coax_message_parse(&origin->seen, origin->seen_bytes, request->length), 0);
}

/* Answers with its version, under its ETag if it has one. */
static inline void origin_handle(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);
	struct origin *origin = arg;
	char text[16];

	origin_note(origin, coax_responder_request(responder));
	if (atomic_load(&origin->max_age) >= 0)
		coax_message_add_uint(m, COAX_MAX_AGE, (uint32_t)atomic_load(&origin->max_age));
	if (origin->etag)
		coax_message_add(m, COAX_ETAG, origin->etag, strlen(origin->etag));
	if (origin->length)
		ASSERT_EQ(coax_responder_set_payload(responder, numbered_bytes(), origin->length),
			  0);
	else
		coax_message_set_payload(
			m, text, (size_t)sprintf(text, "v%d", atomic_load(&origin->version)));
	coax_respond(responder, (uint8_t)atomic_load(&origin->code));
}

static inline void origin_start_with(struct origin *origin, coax_handler_fn handler)
{
	const struct coax_resource_options resource = {.path = "",
						       .get = handler,
						       .put = handler,
						       .post = handler,
						       .delete = handler,
						       .fetch = handler,
						       .patch = handler,
						       .ipatch = handler,
						       .arg = origin,
						       .subtree = true,
						       .observable = true,
						       .proxying = true};
	const char *bind = "127.0.0.1:0";
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 1,
		.logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG}};

	*origin = (struct origin){.max_age = 60, .version = 1, .code = COAX_CONTENT};
	ASSERT_EQ(coax_site_create(&origin->site), 0);
	ASSERT_EQ(coax_site_add(origin->site, &resource, &origin->resource), 0);
	options.site = origin->site;
	options.server_credentials = server_credentials;
	options.tuning = origin_tuning;
	ASSERT_EQ(coax_context_create(&origin->context, &options), 0);
	sprintf(origin->uri, "coap://127.0.0.1:%u", coax_context_port(origin->context));
}

static inline void origin_start(struct origin *origin)
{
	origin_start_with(origin, origin_handle);
}

static inline void origin_end(struct origin *origin)
{
	coax_context_shutdown(origin->context);
	coax_site_destroy(origin->site);
}

/* The proxy, and its client. */

static struct {
	struct coax_proxy *proxy;
	struct coax_site *site;
	struct coax_context *context;
	struct coax_context *client;
	union coax_address address;
	uint16_t port;
} between;

/* A kernel half for it, and limits, if the test says so before it starts. */
static struct coax_accel_options between_accel;
static struct coax_tuning between_tuning;
static struct coax_credentials *between_credentials; /* as a client */

static inline void between_start_at(in_port_t port, const struct coax_proxy_options *given)
{
	struct coax_proxy_options proxy_options = *given;
	char address[32];
	const char *bind = address;
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 2,
		.logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG}};

	if (between_accel.interface_count)
		strcpy(address, "*:5683");
	else
		sprintf(address, "127.0.0.1:%u", port);
	options.accel = between_accel;
	options.tuning = between_tuning;
	options.client_credentials = between_credentials;
	options.server_credentials = server_credentials;
	proxy_options.logger = options.logger;
	if (!proxy_options.identity)
		proxy_options.identity = "between";
	ASSERT_EQ(coax_site_create(&between.site), 0);
	ASSERT_EQ(coax_proxy_create(&between.proxy, between.site, &proxy_options), 0);
	options.site = between.site;
	ASSERT_EQ(coax_context_create(&between.context, &options), 0);
	ASSERT_EQ(coax_proxy_start(between.proxy, between.context), 0);
	between.port = coax_context_port(between.context);
	ASSERT_EQ(coax_address_parse(&between.address, "127.0.0.1", between.port), 0);
	between.client = requester_start(1);
}

static inline void between_start(const struct coax_proxy_options *given)
{
	between_start_at(0, given);
}

/* "p/..." is fetched from one origin. */
static inline void between_start_plainly(const struct origin *origin,
					 const struct coax_proxy_options *given)
{
	const char *uri = origin->uri;
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = &uri, .origin_count = 1};
	struct coax_proxy_options options = {.cache_bytes = 0};

	if (given)
		options = *given;
	options.mappings = &mapping;
	options.mapping_count = 1;
	between_start(&options);
}

static inline void between_end(void)
{
	coax_context_shutdown(between.client);
	coax_proxy_stop(between.proxy);
	coax_context_shutdown(between.context);
	coax_proxy_destroy(between.proxy);
	coax_site_destroy(between.site);
}

static inline struct coax_proxy_stats between_stats(void)
{
	struct coax_proxy_stats stats;

	coax_proxy_stats_read(between.proxy, &stats);
	return stats;
}

/* A request, and what comes back. */

struct said {
	uint8_t code;
	uint32_t max_age; /* UINT32_MAX: not said */
	struct coax_message m;
	char text[1200]; /* the payload, cut */
	uint8_t bytes[1 << 17];
};

static inline struct coax_message asking(uint8_t *buffer, size_t size, uint8_t code,
					 const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	return m;
}

static inline void say(struct said *said, const struct coax_message *m)
{
	const uint8_t *payload;
	size_t length;

	said->code = coax_message_code(m);
	said->max_age = UINT32_MAX;
	coax_message_find_uint(m, COAX_MAX_AGE, &said->max_age);
	payload = coax_message_payload(m, &length);
	snprintf(said->text, sizeof(said->text), "%.*s", (int)length,
		 payload ? (const char *)payload : "");
}

static inline const struct said *ask_message(const struct coax_message *m)
{
	static struct said said;

	ASSERT_EQ(coax_request_wait(between.client, &between.address, m, NULL, said.bytes,
				    sizeof(said.bytes), &said.m),
		  0);
	say(&said, &said.m);
	return &said;
}

static inline const struct said *ask(uint8_t code, const char *path)
{
	uint8_t buffer[1024];
	struct coax_message m = asking(buffer, sizeof(buffer), code, path);

	return ask_message(&m);
}

static inline const struct said *get(const char *path)
{
	return ask(COAX_GET, path);
}

static inline const struct said *get_with(const char *path, uint16_t option, const void *value,
					  size_t length)
{
	uint8_t buffer[1024];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	ASSERT_EQ(coax_message_add(&m, option, value, length), 0);
	return ask_message(&m);
}

static inline bool said_has(const struct said *said, uint16_t number)
{
	struct coax_option option;

	return coax_message_find(&said->m, number, &option);
}

static inline bool origin_saw(const struct origin *origin, uint16_t number)
{
	struct coax_option option;

	return coax_message_find(&origin->seen, number, &option);
}

#endif
