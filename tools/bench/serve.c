// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench serve: a Context that keeps its resources in memory, as coap-server does, to be
 * measured against it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/coax.h>
#include "bench.h"

/* All peers of a run have one address: what is meant as a limit for each is none here. */
#define PER_PEER 65536
/* POSTs are remembered for EXCHANGE_LIFETIME: enough of them for some seconds at full speed. */
#define EXCHANGES_MAX (4U << 20)
#define BODY_MAX      (64ULL << 20)
#define BODIES_MAX    (1ULL << 30)
#define STORED	      3

/* A representation, for as long as anybody sends it. */
struct content {
	atomic_uint references;
	size_t length;
	uint8_t bytes[];
};

struct server;

struct stored {
	struct server *server;
	struct coax_resource *resource;
	struct content *content; /* NULL: nothing yet */
};

/* One worker, so that nothing of it needs a lock. */
struct server {
	struct stored stored[STORED];
	uint32_t max_age; /* s; 0: not said */
	unsigned long gets;
};

static void begin_response(struct server *server, struct coax_responder *responder)
{
	server->gets++;
	/* There is room: nothing else is in it. */
	if (server->max_age)
		(void)coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE,
					    server->max_age);
}

/* /gets: how many there have been, of all else. */
static void on_gets(struct coax_responder *responder, void *arg)
{
	const struct server *server = arg;
	char text[24];

	snprintf(text, sizeof(text), "%lu", server->gets);
	(void)coax_responder_set_payload(responder, text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

/* /names/{n} for any n, cacheable. */
static void on_named(struct coax_responder *responder, void *arg)
{
	static const uint8_t payload[64];

	begin_response(arg, responder);
	coax_message_set_payload(coax_responder_response(responder), payload, sizeof(payload));
	coax_respond(responder, COAX_CONTENT);
}

static void content_put(void *arg)
{
	struct content *content = arg;

	if (content && atomic_fetch_sub(&content->references, 1) == 1)
		free(content);
}

static void on_get(struct coax_responder *responder, void *arg)
{
	const struct stored *stored = arg;
	struct content *content = stored->content;
	int error;

	if (!content) {
		coax_respond_error(responder, COAX_NOT_FOUND, "nothing was put here yet");
		return;
	}
	begin_response(stored->server, responder);
	if (content->length <= COAX_PAYLOAD_MAX) {
		error = coax_message_set_payload(coax_responder_response(responder), content->bytes,
						 content->length);
	} else {
		const struct coax_body body = {.length = content->length,
					       .data = content->bytes,
					       .release = content_put,
					       .arg = content};

		atomic_fetch_add(&content->references, 1);
		error = coax_responder_set_body(responder, &body);
	}
	if (error)
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "%s", strerror(-error));
	else
		coax_respond(responder, COAX_CONTENT);
}

/* PUT and POST: what comes replaces what was there. */
static void on_change(struct coax_responder *responder, void *arg)
{
	struct stored *stored = arg;
	struct content *former = stored->content, *content;
	const uint8_t *payload;
	size_t length;

	payload = coax_message_payload(coax_responder_request(responder), &length);
	content = malloc(sizeof(*content) + length);
	if (!content) {
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "no memory");
		return;
	}
	atomic_init(&content->references, 1);
	content->length = length;
	if (length)
		memcpy(content->bytes, payload, length);
	stored->content = content;
	content_put(former);
	coax_resource_changed(stored->resource);
	coax_respond(responder, former ? COAX_CHANGED : COAX_CREATED);
}

static int add_resources(struct coax_site *site, struct server *server)
{
	static const struct {
		const char *path;
		bool observable;
	} kinds[] = {{"data", false}, {"body", false}, {"state", true}};
	const struct coax_resource_options named = {
		.path = "names/{n}", .get = on_named, .arg = server, .cacheable = true};
	const struct coax_resource_options gets = {.path = "gets", .get = on_gets, .arg = server};
	int error = coax_site_add(site, &named, NULL);

	if (!error)
		error = coax_site_add(site, &gets, NULL);
	for (size_t i = 0; i < STORED && !error; i++) {
		struct stored *stored = &server->stored[i];
		const struct coax_resource_options options = {.path = kinds[i].path,
							      .get = on_get,
							      .put = on_change,
							      .post = on_change,
							      .arg = stored,
							      .observable = kinds[i].observable,
							      .cacheable = true,
							      .notifications = COAX_UNRELIABLE};

		stored->server = server;
		error = coax_site_add(site, &options, &stored->resource);
	}
	return error;
}

/* Returns 0 or the exit status of a complaint. NULL: none. */
static int load_credentials(struct coax_credentials **credentials, const char *file)
{
	char error[COAX_CREDENTIALS_ERROR_MAX];

	if (!file || !coax_credentials_load(credentials, file, error))
		return 0;
	return bench_fail("%s", error);
}

static int serve(struct server *server, const char *address, struct coax_credentials *credentials,
		 const struct coax_accel_options *accel)
{
	struct coax_context_options options = {
		.bind = &address,
		.bind_count = 1,
		.server_credentials = credentials,
		.workers = 1,
		.accel = *accel,
		.tuning = {.exchanges_max = EXCHANGES_MAX,
			   .body_max = BODY_MAX,
			   .bodies_max = BODIES_MAX,
			   .bodies_per_peer = PER_PEER,
			   .observers_per_peer = PER_PEER},
		.guard = {.strangers = COAX_UNLIMITED,
			  .reply_bytes = COAX_UNLIMITED,
			  .reply_bytes_total = COAX_UNLIMITED},
	};
	struct coax_context *context = NULL;
	int error;

	error = coax_site_create(&options.site);
	if (!error)
		error = add_resources(options.site, server);
	if (!error)
		error = coax_context_create(&context, &options);
	if (error) {
		bench_fail("cannot serve on %s: %s", address, strerror(-error));
		goto out;
	}
	printf("serve bind=%s\n", address);
	while (!bench_stopped)
		bench_sleep_ms(100);
out:
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
	for (size_t i = 0; i < STORED; i++)
		content_put(server->stored[i].content);
	return error ? 1 : 0;
}

int bench_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{"bind", required_argument, NULL, 'b'},
		{"interface", required_argument, NULL, 'i'},
		{"instance", required_argument, NULL, 'I'},
		{"slots", required_argument, NULL, 's'},
		{"credentials", required_argument, NULL, 'c'},
		{"max-age", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	const char *address = "*", *interface, *file = NULL;
	struct coax_accel_options accel = {.interfaces = &interface};
	struct server server = {.max_age = 0};
	struct coax_credentials *credentials = NULL;
	int error, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'b':
			address = optarg;
			break;
		case 'i':
			interface = optarg;
			accel.interface_count = 1;
			break;
		case 'I':
			accel.instance = optarg;
			break;
		case 's':
			accel.slots = (uint32_t)bench_number("--slots", optarg, 1, 1U << 22);
			break;
		case 'a':
			server.max_age = (uint32_t)bench_number("--max-age", optarg, 1, UINT32_MAX);
			break;
		case 'c':
			file = optarg;
			break;
		default:
			return bench_usage_error("serve");
		}
	}
	error = load_credentials(&credentials, file);
	if (!error)
		error = serve(&server, address, credentials, &accel);
	coax_credentials_release(credentials);
	return error;
}
