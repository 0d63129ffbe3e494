// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * No stale read after an acknowledged change, whoever made it through the proxy: with several
 * workers, clients who get, change and observe at the same time, and a cache that is too small.
 */
#include <pthread.h>
#include "../proxy.h"

#define PATHS	8
#define CLIENTS 4
#define SECONDS 6

static struct origin origin;
static atomic_int versions[PATHS]; /* at the origin */
static atomic_int known[PATHS];	   /* the latest of which a change was acknowledged */
static atomic_int gets, changes, stale;
static atomic_bool stopping, answered; /* clients, and all of them */

static int path_of(const struct coax_message *request)
{
	struct coax_option option;

	ASSERT_TRUE(coax_message_find(request, COAX_URI_PATH, &option));
	return option.value[0] - '0';
}

/* What is answered some milliseconds after it was rendered. */
static struct late {
	struct coax_responder *responder;
	struct late *next;
	int path, version;
} * late;
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;

/* Its state as text, which changes with each PUT; good for 0 to 2 s, sometimes with an ETag. */
static void respond(struct coax_responder *responder, int path, int version, uint8_t code)
{
	struct coax_message *m = coax_responder_response(responder);
	char text[1000];

	memset(text, '.', sizeof(text));
	memcpy(text + snprintf(text, sizeof(text), "%08d", version), ".", 1);
	if (code == COAX_CONTENT) {
		coax_message_add_uint(m, COAX_MAX_AGE, (uint32_t)(path % 3));
		if (path % 4 > 1)
			coax_message_add(m, COAX_ETAG, text, 8);
	}
	coax_message_set_payload(m, text, path % 4 ? 8 : sizeof(text));
	coax_respond(responder, code);
}

static void defer(struct coax_responder *responder, int path, int version)
{
	struct late *one = malloc(sizeof(*one));

	ASSERT_TRUE(one);
	*one = (struct late){coax_responder_defer(responder), NULL, path, version};
	ASSERT_TRUE(one->responder);
	pthread_mutex_lock(&late_lock);
	one->next = late;
	late = one;
	pthread_mutex_unlock(&late_lock);
}

static void *respond_late(void *arg)
{
	struct late *list = NULL, *one;

	(void)arg;
	for (bool stops = false; !stops; usleep(5000)) {
		stops = atomic_load(&answered);
		pthread_mutex_lock(&late_lock);
		list = late;
		late = NULL;
		pthread_mutex_unlock(&late_lock);
		while ((one = list)) {
			list = one->next;
			respond(one->responder, one->path, one->version, COAX_CONTENT);
			free(one);
		}
	}
	return NULL;
}

static void handle(struct coax_responder *responder, void *arg)
{
	const struct coax_message *request = coax_responder_request(responder);
	int path = path_of(request);

	(void)arg;
	if (coax_message_code(request) == COAX_PUT)
		respond(responder, path, atomic_fetch_add(&versions[path], 1) + 1, COAX_CHANGED);
	else if (path % 2)
		defer(responder, path, atomic_load(&versions[path]));
	else
		respond(responder, path, atomic_load(&versions[path]), COAX_CONTENT);
}

static int version_in(const struct coax_message *m)
{
	const uint8_t *payload;
	char text[9] = "";
	size_t length;

	payload = coax_message_payload(m, &length);
	if (length >= 8)
		memcpy(text, payload, 8);
	return atoi(text);
}

static void note(int path, int version)
{
	int former = atomic_load(&known[path]);

	while (former < version && !atomic_compare_exchange_weak(&known[path], &former, version))
		;
}

static void work(struct coax_context *client, unsigned int *random)
{
	static __thread uint8_t buffer[64], reply[4096];
	int path = rand_r(random) % PATHS;
	bool is_change = rand_r(random) % 5 == 0;
	int before = atomic_load(&known[path]);
	struct coax_message m, response;
	char text[16];
	int err;

	/* Queries make more entries than there is room for. */
	sprintf(text, "p/%d?%d", path, rand_r(random) % 8);
	m = asking(buffer, sizeof(buffer), is_change ? COAX_PUT : COAX_GET, text);
	err = coax_request_wait(client, &between.address, &m, NULL, reply, sizeof(reply),
				&response);
	ASSERT_EQ(err, 0);
	EXPECT_EQ(coax_message_code(&response), is_change ? COAX_CHANGED : COAX_CONTENT);
	if (is_change)
		note(path, version_in(&response));
	else if (version_in(&response) < before)
		atomic_fetch_add(&stale, 1);
	atomic_fetch_add(is_change ? &changes : &gets, 1);
}

static void *run(void *arg)
{
	struct coax_context *client = requester_start(1);
	unsigned int random = (unsigned int)(uintptr_t)arg;

	while (!atomic_load(&stopping))
		work(client, &random);
	coax_context_shutdown(client);
	return NULL;
}

/* Observers come and go, so that the origin's notifications are a part of it. */
static void *observe(void *arg)
{
	struct coax_context *client = requester_start(1);
	uint8_t buffer[64], reply[4096];

	(void)arg;
	for (int i = 0; !atomic_load(&stopping); i++) {
		struct coax_observation *observation;
		struct coax_message m, notification;
		char text[16];

		sprintf(text, "p/%d?0", i % PATHS);
		m = asking(buffer, sizeof(buffer), COAX_GET, text);
		ASSERT_EQ(coax_observe(client, &between.address, &m, NULL, &observation), 0);
		for (int k = 0; k < 5; k++)
			coax_observation_next(observation, 100, reply, sizeof(reply),
					      &notification);
		coax_observation_free(observation);
	}
	coax_context_shutdown(client);
	return NULL;
}

TEST_TIMEOUT("nobody reads what was before a change that has been acknowledged", 60)
{
	const struct coax_proxy_options options = {.cache_bytes = 16384, .stale_if_error = 60};
	pthread_t threads[CLIENTS + 1], origin_thread;

	/* So that a change overtakes what was asked for before it (NSTART). */
	origin_tuning.empty_ack_delay_ms = 1;
	origin_start_with(&origin, handle);
	ASSERT_EQ(pthread_create(&origin_thread, NULL, respond_late, NULL), 0);
	between_start_plainly(&origin, &options);
	for (uintptr_t i = 0; i < CLIENTS; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, run, (void *)(i + 1)), 0);
	ASSERT_EQ(pthread_create(&threads[CLIENTS], NULL, observe, NULL), 0);
	for (int i = 0; i < SECONDS * 10; i++) {
		usleep(100000);
		/* The origin's word of it, too. */
		coax_resource_changed(origin.resource);
	}
	atomic_store(&stopping, true);
	for (int i = 0; i <= CLIENTS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&answered, true);
	pthread_join(origin_thread, NULL);
	EXPECT_EQ(stale, 0);
	EXPECT_GT(gets, 100);
	EXPECT_GT(changes, 20);
	EXPECT_LE(between_stats().bytes, 16384ULL + 8192);
	between_end();
	origin_end(&origin);
}

TEST_MAIN()
