// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to Contexts of ours, with bodies of many blocks: at each block size, from many threads,
 * in the application's own loop, in queues and cancelled at any moment.
 */
#include <pthread.h>
#include "../requester.h"

#define BODY 10000

/* A store of one body, and what answers with it. */
static struct {
	pthread_mutex_t lock;
	uint8_t bytes[1 << 17];
	size_t length;
	atomic_int puts;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&store.lock);
	coax_responder_set_payload(responder, store.bytes, store.length);
	pthread_mutex_unlock(&store.lock);
	coax_respond(responder, COAX_CONTENT);
}

static void put(struct coax_responder *responder, void *arg)
{
	const uint8_t *payload;

	(void)arg;
	pthread_mutex_lock(&store.lock);
	payload = coax_message_payload(coax_responder_request(responder), &store.length);
	memcpy(store.bytes, payload, store.length);
	pthread_mutex_unlock(&store.lock);
	atomic_fetch_add(&store.puts, 1);
	coax_respond(responder, COAX_CHANGED);
}

/* What came in, with each byte turned over. */
static void post(struct coax_responder *responder, void *arg)
{
	static _Thread_local uint8_t turned[1 << 17];
	const uint8_t *payload;
	size_t length;

	(void)arg;
	payload = coax_message_payload(coax_responder_request(responder), &length);
	for (size_t i = 0; i < length; i++)
		turned[i] = (uint8_t)~payload[i];
	coax_responder_set_payload(responder, turned, length);
	coax_respond(responder, COAX_CHANGED);
}

static struct coax_site *new_site(void)
{
	const struct coax_resource_options resources[] = {
		{.path = "store", .get = get, .put = put},
		{.path = "turn", .post = post, .fetch = post},
		{.path = "fresh", .put = put, .fresh_ms = 10000},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		ASSERT_EQ(coax_site_add(site, &resources[i], NULL), 0);
	return site;
}

struct pair {
	struct coax_site *site;
	struct coax_context *server;
	struct coax_context *client;
	union coax_address remote;
};

static struct pair start(bool own_loop, unsigned int workers)
{
	const struct coax_logger logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG};
	struct pair pair = {.site = new_site()};

	pair.server = context_open(
		(struct coax_context_options){.site = pair.site, .workers = 2, .logger = logger});
	pair.client = context_open((struct coax_context_options){
		.own_loop = own_loop, .workers = workers, .logger = logger});
	ASSERT_EQ(coax_address_parse(&pair.remote, "127.0.0.1", coax_context_port(pair.server)), 0);
	return pair;
}

static void stop(struct pair *pair)
{
	coax_context_shutdown(pair->client);
	coax_context_shutdown(pair->server);
	coax_site_destroy(pair->site);
}

/* One request with `length` bytes of body. Returns the response's code, or a negative errno. */
static int ask(const struct pair *pair, uint8_t code, const char *path, uint32_t block_size,
	       size_t length, uint8_t *got, size_t *got_length)
{
	const struct coax_body body = {.length = length, .data = numbered_bytes()};
	const struct coax_request_options options = {.block_size = block_size,
						     .body = length ? &body : NULL};
	static _Thread_local uint8_t in[1 << 17];
	struct coax_message message, response;
	const uint8_t *payload;
	uint8_t out[64];
	int result;

	message = request_message(out, sizeof(out), code, path);
	result = coax_request_wait(pair->client, &pair->remote, &message, &options, in, sizeof(in),
				   &response);
	if (result)
		return result;
	payload = coax_message_payload(&response, got_length);
	if (*got_length)
		memcpy(got, payload, *got_length);
	return coax_message_code(&response);
}

static void expect_both_ways(const struct pair *pair, uint32_t block_size, size_t length)
{
	static uint8_t got[1 << 17];
	size_t got_length;

	EXPECT_EQ(ask(pair, COAX_PUT, "store", block_size, length, got, &got_length), COAX_CHANGED);
	EXPECT_EQ(store.length, length);
	EXPECT_MEMEQ(store.bytes, numbered_bytes(), length);
	ASSERT_EQ(ask(pair, COAX_GET, "store", block_size, 0, got, &got_length), COAX_CONTENT);
	ASSERT_EQ(got_length, length);
	EXPECT_MEMEQ(got, numbered_bytes(), length);
}

TEST("bodies arrive whole both ways at each block size, and at each length around a block's")
{
	struct pair pair = start(false, 1);

	for (uint32_t size = 16; size <= 1024; size *= 2) {
		expect_both_ways(&pair, size, BODY);
		for (size_t length = 2 * size - 1; length <= 2 * size + 1; length++)
			expect_both_ways(&pair, size, length);
	}
	stop(&pair);
}

TEST("a body in blocks is answered by a body in blocks, to POST and FETCH")
{
	struct pair pair = start(false, 1);
	static uint8_t got[1 << 17];
	size_t length;

	for (uint32_t size = 16; size <= 1024; size *= 8) {
		ASSERT_EQ(ask(&pair, COAX_POST, "turn", size, BODY, got, &length), COAX_CHANGED);
		ASSERT_EQ(length, (size_t)BODY);
		for (size_t i = 0; i < BODY; i++)
			ASSERT_EQ((uint8_t)~got[i], numbered_bytes()[i]);
		ASSERT_EQ(ask(&pair, COAX_FETCH, "turn", size, BODY, got, &length), COAX_CHANGED);
		ASSERT_EQ(length, (size_t)BODY);
	}
	stop(&pair);
}

TEST("a resource that wants fresh requests gets them, also in blocks")
{
	struct pair pair = start(false, 1);
	static uint8_t got[1 << 17];
	size_t length;

	EXPECT_EQ(ask(&pair, COAX_PUT, "fresh", 0, 100, got, &length), COAX_CHANGED);
	EXPECT_EQ(ask(&pair, COAX_PUT, "fresh", 64, BODY, got, &length), COAX_CHANGED);
	EXPECT_EQ(store.puts, 2);
	EXPECT_EQ(store.length, (size_t)BODY);
	stop(&pair);
}

TEST("blocking requests process a Context that has no threads")
{
	struct pair pair = start(true, 0);

	expect_both_ways(&pair, 64, BODY);
	stop(&pair);
}

struct asker {
	const struct pair *pair;
	pthread_t thread;
	int failures;
};

static void *keep_turning(void *arg)
{
	struct asker *asker = arg;
	uint8_t *got = malloc(1 << 17);
	size_t length = 0;

	for (int i = 0; i < 10; i++) {
		size_t wanted = 1000 + 777 * (size_t)i;

		if (ask(asker->pair, i % 2 ? COAX_POST : COAX_FETCH, "turn", i % 3 ? 128 : 0,
			wanted, got, &length) != COAX_CHANGED ||
		    length != wanted || got[wanted - 1] + numbered_bytes()[wanted - 1] != 0xff)
			asker->failures++;
	}
	free(got);
	return NULL;
}

TEST("bodies to one resource at the same time are not mixed up")
{
	struct pair pair = start(false, 3);
	struct asker askers[8];

	for (int i = 0; i < 8; i++) {
		askers[i] = (struct asker){.pair = &pair};
		ASSERT_EQ(pthread_create(&askers[i].thread, NULL, keep_turning, &askers[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(askers[i].thread, NULL);
		EXPECT_EQ(askers[i].failures, 0);
	}
	stop(&pair);
}

/* Requests that are cancelled from another thread at some moment of their lives. */
#define STORM 200

static atomic_int ends;

static void count_end(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	(void)response;
	(void)remote;
	if (result && result != -ECANCELED)
		HARNESS_SAY("got %d", result);
	EXPECT_TRUE(!result || result == -ECANCELED);
	sem_wait(arg); /* the request stays until its canceller has let go of it */
	atomic_fetch_add(&ends, 1);
}

TEST("a request is cancelled at any moment of its life, and ends once")
{
	struct pair pair = start(false, 3);
	const struct coax_body body = {.length = 3000, .data = numbered_bytes()};
	const struct coax_request_options options = {.block_size = 256, .body = &body};
	uint8_t out[64];
	struct coax_message message = request_message(out, sizeof(out), COAX_POST, "turn");

	for (int i = 0; i < STORM; i++) {
		struct coax_request *request;
		sem_t cancelled;

		sem_init(&cancelled, 0, 0);
		ASSERT_EQ(coax_request(pair.client, &pair.remote, &message, &options, count_end,
				       &cancelled, &request),
			  0);
		for (int pause = i * 50; pause > 0; pause--)
			__asm__ volatile("");
		if (i % 4 == 0)
			usleep((useconds_t)(i * 5));
		coax_request_cancel(request);
		sem_post(&cancelled);
		while (atomic_load(&ends) != i + 1)
			sched_yield();
		sem_destroy(&cancelled);
	}
	stop(&pair);
}

TEST("requests by name are cancelled and shut down while their names are looked up")
{
	struct pair pair = start(false, 3);
	struct coax_request *requests[32];
	uint8_t out[64];
	struct coax_message message = request_message(out, sizeof(out), COAX_GET, "store");
	sem_t cancelled;

	sem_init(&cancelled, 0, 0);
	coax_message_add_string(&message, COAX_URI_HOST, "localhost");
	coax_message_add_uint(&message, COAX_URI_PORT, coax_context_port(pair.server));
	for (int i = 0; i < 32; i++)
		ASSERT_EQ(coax_request(pair.client, NULL, &message, NULL, count_end, &cancelled,
				       &requests[i]),
			  0);
	for (int i = 0; i < 32; i++)
		coax_request_cancel(requests[i]);
	for (int i = 0; i < 32; i++)
		sem_post(&cancelled);
	stop(&pair);
	EXPECT_EQ(ends, 32);
}

TEST_MAIN()
