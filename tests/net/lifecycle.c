// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server and a client from beginning to end, with an observation, bodies in blocks and a deferred
 * answer between them: small enough to be run under valgrind (valgrind.sh).
 */
#include <stdatomic.h>
#include <coax/coax.h>
#include "../context.h"
#include "../harness.h"

#define BODY	  20000
#define REMAINING 5

static uint8_t body[BODY];
static struct coax_responder *deferred[REMAINING];
static atomic_int deferred_count;

static void body_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, body, BODY);
	coax_respond(responder, COAX_CONTENT);
}

static void body_put(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	(void)arg;
	if (length == BODY && !memcmp(payload, body, BODY))
		coax_respond(responder, COAX_CHANGED);
	else
		coax_respond(responder, COAX_BAD_REQUEST);
}

static void never_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	deferred[atomic_fetch_add(&deferred_count, 1)] = coax_responder_defer(responder);
}

static struct coax_context *open_context(struct coax_site *site)
{
	return context_open((struct coax_context_options){.site = site, .workers = 2});
}

static struct coax_message draft(uint8_t *bytes, size_t size, uint8_t code, const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, path), 0);
	return m;
}

static int ask(struct coax_context *client, const union coax_address *remote, uint8_t code,
	       const struct coax_request_options *options)
{
	static uint8_t in[BODY + 256];
	uint8_t out[64];
	struct coax_message request = draft(out, sizeof(out), code, "body"), response;
	int result =
		coax_request_wait(client, remote, &request, options, in, sizeof(in), &response);

	return result ? result : coax_message_code(&response);
}

static void observe(struct coax_context *client, const union coax_address *remote,
		    struct coax_resource *resource, bool cancels)
{
	static uint8_t in[BODY + 256];
	struct coax_observation *observation;
	struct coax_message request, notification;
	uint8_t out[64];

	request = draft(out, sizeof(out), COAX_GET, "body");
	ASSERT_EQ(coax_observe(client, remote, &request, NULL, &observation), 0);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(coax_observation_next(observation, 10000, in, sizeof(in), &notification),
			  0);
		body[0]++;
		coax_resource_changed(resource);
	}
	if (cancels)
		coax_observation_cancel(observation);
	coax_observation_free(observation);
}

/* Pending when all ends: its result is the end's. */
static void count_result(void *arg, int result, const struct coax_message *response,
			 const union coax_address *remote)
{
	(void)response;
	(void)remote;
	*(int *)arg += result == -ESHUTDOWN;
}

/*
 * The first subject that goes makes liburcu start the thread that it runs callbacks in, and that
 * stays. When no thread of ours has gone before, valgrind.supp can tell it by its stack.
 */
static void begin_callbacks(void)
{
	struct coax_subject *subject;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	coax_subject_put(subject);
}

TEST_TIMEOUT("what a server and a client have had between them is gone when both are", 60)
{
	const struct coax_request_options upload = {
		.body = &(struct coax_body){.length = BODY, .data = body}};
	struct coax_resource *resource;
	struct coax_site *site;
	struct coax_context *server, *client;
	union coax_address remote;
	struct coax_message request;
	uint8_t out[64];
	int ended = 0;

	begin_callbacks();
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site,
				&(struct coax_resource_options){.path = "body",
								.get = body_get,
								.put = body_put,
								.observable = true},
				&resource),
		  0);
	ASSERT_EQ(coax_site_add(site,
				&(struct coax_resource_options){.path = "never", .get = never_get},
				NULL),
		  0);
	server = open_context(site);
	client = open_context(NULL);
	ASSERT_EQ(coax_address_parse(&remote, "127.0.0.1", coax_context_port(server)), 0);

	EXPECT_EQ(ask(client, &remote, COAX_PUT, &upload), COAX_CHANGED);
	EXPECT_EQ(ask(client, &remote, COAX_GET, NULL), COAX_CONTENT);
	EXPECT_EQ(ask(client, &remote, COAX_POST, NULL), COAX_METHOD_NOT_ALLOWED);
	observe(client, &remote, resource, true);
	observe(client, &remote, resource, false);
	request = draft(out, sizeof(out), COAX_GET, "never");
	for (int i = 0; i < REMAINING; i++)
		ASSERT_EQ(coax_request(client, &remote, &request, NULL, count_result, &ended, NULL),
			  0);

	coax_context_shutdown(client);
	EXPECT_EQ(ended, REMAINING);
	coax_context_shutdown(server);
	for (int i = 0; i < atomic_load(&deferred_count); i++)
		coax_respond(deferred[i], COAX_CONTENT);
	coax_site_destroy(site);
}

TEST_MAIN()
