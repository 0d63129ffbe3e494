// SPDX-License-Identifier: BSD-2-Clause
// timeout: 600
/*
 * A path that loses three datagrams of ten each way, doubles and reorders: bodies arrive whole,
 * handlers run once for each request, and observers learn the last state.
 *
 * COAX_LOSSY_BYTES in the environment makes the bodies another size than 128 KiB.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../context.h"
#include "../harness.h"
#include "../relay.h"

#define REQUESTS    60 /* a client */
#define CLIENTS	    4
#define OBSERVERS   4
#define CHANGES	    100
#define PATIENCE_MS 60000

static const struct relay_weather storm = {.lost = 30, .doubled = 30, .held = 30, .seed = 11};

/* Milliseconds instead of seconds; who is as patient as this loses nothing for good. */
static const struct coax_tuning tuning = {
	.ack_timeout_ms = 2,
	.max_retransmit = 18,
	.empty_ack_delay_ms = 2,
	.probing_rate = 1000000,
};

static struct {
	struct coax_site *site;
	struct coax_context *context;
	struct relay relay;
	union coax_address path; /* to the server, through the storm */
	uint8_t *body;
	size_t size;
	atomic_int uploads;
	atomic_int whole;
	atomic_int ran[CLIENTS * REQUESTS];
	struct coax_resource *resource;
	atomic_int value;
} world;

static void body_put(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	(void)arg;
	atomic_fetch_add(&world.uploads, 1);
	if (length == world.size && !memcmp(payload, world.body, length))
		atomic_fetch_add(&world.whole, 1);
	coax_respond(responder, COAX_CHANGED);
}

static void body_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, world.body, world.size);
	coax_respond(responder, COAX_CONTENT);
}

/* The query is the request's number. */
static void count_run(const struct coax_responder *responder)
{
	struct coax_option query;
	unsigned int number = CLIENTS * REQUESTS;
	char text[8];

	if (coax_message_find(coax_responder_request(responder), COAX_URI_QUERY, &query)) {
		snprintf(text, sizeof(text), "%.*s", (int)query.length, (const char *)query.value);
		number = (unsigned int)atoi(text);
	}
	if (number < CLIENTS * REQUESTS)
		atomic_fetch_add(&world.ran[number], 1);
}

static void counted(struct coax_responder *responder, void *arg)
{
	(void)arg;
	count_run(responder);
	coax_respond(responder, COAX_CHANGED);
}

static void *answer_later(void *responder)
{
	usleep(10000);
	coax_respond(responder, COAX_CONTENT);
	return NULL;
}

static void deferred(struct coax_responder *responder, void *arg)
{
	pthread_t thread;

	(void)arg;
	count_run(responder);
	responder = coax_responder_defer(responder);
	if (pthread_create(&thread, NULL, answer_later, responder) == 0)
		pthread_detach(thread);
}

static void value_get(struct coax_responder *responder, void *arg)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", atomic_load(&world.value));

	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 1);
	coax_responder_set_payload(responder, text, (size_t)length);
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_context *open_context(struct coax_site *site)
{
	return context_open(
		(struct coax_context_options){.site = site, .workers = 1, .tuning = tuning});
}

static void add(const struct coax_resource_options *options)
{
	ASSERT_EQ(coax_site_add(world.site, options, &world.resource), 0);
}

static void begin(enum coax_reliability notifications)
{
	const char *size = getenv("COAX_LOSSY_BYTES");

	world.size = size ? (size_t)atol(size) : 128 << 10;
	world.body = malloc(world.size);
	ASSERT_TRUE(world.body);
	for (size_t i = 0; i < world.size; i++)
		world.body[i] = (uint8_t)(i * 31 + (i >> 10) * 7);
	ASSERT_EQ(coax_site_create(&world.site), 0);
	add(&(struct coax_resource_options){.path = "body", .get = body_get, .put = body_put});
	add(&(struct coax_resource_options){
		.path = "once", .put = counted, .post = counted, .delete = counted});
	add(&(struct coax_resource_options){.path = "later", .get = deferred});
	add(&(struct coax_resource_options){.path = "value",
					    .get = value_get,
					    .observable = true,
					    .notifications = notifications});
	world.context = open_context(world.site);
	relay_open(&world.relay, coax_context_port(world.context), &storm);
	ASSERT_EQ(coax_address_parse(&world.path, "127.0.0.1", world.relay.port), 0);
}

static void end(void)
{
	struct coax_context_stats stats;

	coax_context_stats_read(world.context, &stats);
	EXPECT_GT(stats.duplicates, 0ULL);
	coax_context_shutdown(world.context);
	relay_close(&world.relay);
	coax_site_destroy(world.site);
	free(world.body);
}

static struct coax_message begin_request(uint8_t *buffer, size_t size, uint8_t code,
					 const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	return m;
}

static void *upload(void *arg)
{
	const struct coax_request_options options = {
		.body = &(struct coax_body){.length = world.size, .data = world.body}};
	struct coax_context *client = open_context(NULL);
	uint8_t out[64], in[256];
	struct coax_message request = begin_request(out, sizeof(out), COAX_PUT, "body"), response;

	(void)arg;
	EXPECT_EQ(coax_request_wait(client, &world.path, &request, &options, in, sizeof(in),
				    &response),
		  0);
	EXPECT_EQ(coax_message_code(&response), COAX_CHANGED);
	coax_context_shutdown(client);
	return NULL;
}

static void *download(void *arg)
{
	struct coax_context *client = open_context(NULL);
	size_t length, room = world.size + 256;
	uint8_t out[64], *in = malloc(room);
	struct coax_message request = begin_request(out, sizeof(out), COAX_GET, "body"), response;
	const uint8_t *payload;

	(void)arg;
	ASSERT_TRUE(in);
	EXPECT_EQ(coax_request_wait(client, &world.path, &request, NULL, in, room, &response), 0);
	EXPECT_EQ(coax_message_code(&response), COAX_CONTENT);
	payload = coax_message_payload(&response, &length);
	ASSERT_EQ(length, world.size);
	EXPECT_EQ(memcmp(payload, world.body, length), 0);
	free(in);
	coax_context_shutdown(client);
	return NULL;
}

TEST_TIMEOUT("bodies arrive whole both ways, and an upload's handler runs once", 500)
{
	pthread_t threads[2];

	begin(COAX_RELIABILITY_DEFAULT);
	ASSERT_EQ(pthread_create(&threads[0], NULL, upload, NULL), 0);
	ASSERT_EQ(pthread_create(&threads[1], NULL, download, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(atomic_load(&world.uploads), 1);
	EXPECT_EQ(atomic_load(&world.whole), 1);
	end();
}

static void *ask_many(void *arg)
{
	static const uint8_t codes[] = {COAX_PUT, COAX_POST, COAX_DELETE, COAX_GET};
	struct coax_context *client = open_context(NULL);
	int first = *(int *)arg * REQUESTS;
	uint8_t out[64], in[256];
	struct coax_message response;
	char path[32];

	for (int i = first; i < first + REQUESTS; i++) {
		uint8_t code = codes[i % 4];
		struct coax_message request;

		snprintf(path, sizeof(path), "%s?%d", code == COAX_GET ? "later" : "once", i);
		request = begin_request(out, sizeof(out), code, path);
		EXPECT_EQ(coax_request_wait(client, &world.path, &request, NULL, in, sizeof(in),
					    &response),
			  0);
		EXPECT_EQ(coax_message_code(&response),
			  code == COAX_GET ? COAX_CONTENT : COAX_CHANGED);
	}
	coax_context_shutdown(client);
	return NULL;
}

TEST_TIMEOUT("handlers of PUT, POST, DELETE and GETs that take their time run once a request", 120)
{
	pthread_t threads[CLIENTS];
	int numbers[CLIENTS];

	begin(COAX_RELIABILITY_DEFAULT);
	for (int i = 0; i < CLIENTS; i++) {
		numbers[i] = i;
		ASSERT_EQ(pthread_create(&threads[i], NULL, ask_many, &numbers[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CLIENTS * REQUESTS; i++)
		EXPECT_EQ(atomic_load(&world.ran[i]), 1);
	end();
}

/* What an observer was told last; whether it ever was told something older than before. */
struct watcher {
	struct coax_context *client;
	struct coax_observation *observation;
	atomic_int value;
	atomic_int backwards;
	atomic_int errors;
};

static void watch(void *arg, const struct coax_message *notification)
{
	struct watcher *watcher = arg;
	size_t length;
	const uint8_t *payload = coax_message_payload(notification, &length);
	char text[16];
	int value;

	snprintf(text, sizeof(text), "%.*s", (int)length, (const char *)payload);
	value = atoi(text);
	if (value < atomic_exchange(&watcher->value, value))
		atomic_fetch_add(&watcher->backwards, 1);
}

static void fail(void *arg, int error, const struct coax_message *response)
{
	struct watcher *watcher = arg;

	(void)error;
	(void)response;
	atomic_fetch_add(&watcher->errors, 1);
}

static void begin_to_watch(struct watcher *watcher)
{
	uint8_t out[64];
	struct coax_message request = begin_request(out, sizeof(out), COAX_GET, "value");

	*watcher = (struct watcher){.client = open_context(NULL), .value = -1};
	ASSERT_EQ(coax_observe(watcher->client, &world.path, &request, NULL, &watcher->observation),
		  0);
	coax_observation_on_notification(watcher->observation, watch, watcher);
	coax_observation_on_error(watcher->observation, fail, watcher);
}

static bool reaches(struct watcher *watcher, int value)
{
	for (int waited = 0; waited < PATIENCE_MS; waited++) {
		if (atomic_load(&watcher->value) >= value)
			return true;
		usleep(1000);
	}
	return false;
}

static void observe_in_the_storm(enum coax_reliability notifications)
{
	struct watcher watchers[OBSERVERS];

	begin(notifications);
	for (int i = 0; i < OBSERVERS; i++) {
		begin_to_watch(&watchers[i]);
		ASSERT_TRUE(reaches(&watchers[i], 0));
	}
	for (int i = 0; i < CHANGES; i++) {
		atomic_fetch_add(&world.value, 1);
		coax_resource_changed(world.resource);
		usleep(5000);
	}
	for (int i = 0; i < OBSERVERS; i++) {
		EXPECT_TRUE(reaches(&watchers[i], CHANGES));
		EXPECT_EQ(atomic_load(&watchers[i].errors), 0);
		EXPECT_EQ(atomic_load(&watchers[i].backwards), 0);
		coax_observation_free(watchers[i].observation);
		coax_context_shutdown(watchers[i].client);
	}
	end();
}

TEST_TIMEOUT("observers that are told by confirmable messages learn the last state", 120)
{
	observe_in_the_storm(COAX_RELIABLE);
}

TEST_TIMEOUT("observers that are told by others learn it when they register again", 120)
{
	observe_in_the_storm(COAX_UNRELIABLE);
}

TEST_MAIN()
