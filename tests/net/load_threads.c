// SPDX-License-Identifier: BSD-2-Clause
/*
 * What any thread may do while observers look on and bodies come and go in blocks: trigger, add and
 * remove resources, exchange the Site, end either Context.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../context.h"
#include "../harness.h"

#define BODY	  20000
#define OBSERVERS 8
#define SITES	  2
#define ROUNDS	  150

static struct {
	struct {
		struct coax_site *site;
		struct coax_resource *state;
	} sites[SITES];
	struct coax_context *server;
	struct coax_context *client;
	union coax_address remote;
	uint8_t body[BODY];
	atomic_bool stop;
	atomic_ulong bodies; /* that got through, of both directions */
	atomic_ulong notified;
	atomic_ulong wrong;

	pthread_mutex_t lock; /* of the two below */
	struct coax_observer *accepted;
	struct coax_resource *passing;
} world;

static void state_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, world.body, 3000);
	coax_respond(responder, COAX_CONTENT);
}

static void body_put(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	(void)arg;
	if (length != BODY || memcmp(payload, world.body, BODY) != 0)
		atomic_fetch_add(&world.wrong, 1);
	coax_respond(responder, COAX_CHANGED);
}

static void body_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, world.body, BODY);
	coax_respond(responder, COAX_CONTENT);
}

static void ended(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&world.lock);
	world.accepted = NULL;
	pthread_mutex_unlock(&world.lock);
}

/* One observer at a time is dealt with by hand. */
static void own_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&world.lock);
	if (!world.accepted)
		world.accepted = coax_responder_accept(responder, ended, NULL);
	pthread_mutex_unlock(&world.lock);
	coax_responder_set_payload(responder, "own", 3);
	coax_respond(responder, COAX_CONTENT);
}

static void add(struct coax_site *site, const struct coax_resource_options *options,
		struct coax_resource **resource)
{
	ASSERT_EQ(coax_site_add(site, options, resource), 0);
}

static struct coax_context *open_context(struct coax_site *site, unsigned int workers)
{
	return context_open((struct coax_context_options){
		.site = site,
		.workers = workers,
		.tuning = {.ack_timeout_ms = 200, .bodies_per_peer = 64},
	});
}

static void begin(void)
{
	pthread_mutex_init(&world.lock, NULL);
	for (size_t i = 0; i < BODY; i++)
		world.body[i] = (uint8_t)(i * 13 + (i >> 8));
	for (int i = 0; i < SITES; i++) {
		struct coax_site **site = &world.sites[i].site;

		ASSERT_EQ(coax_site_create(site), 0);
		add(*site,
		    &(struct coax_resource_options){
			    .path = "state", .get = state_get, .observable = true},
		    &world.sites[i].state);
		add(*site,
		    &(struct coax_resource_options){
			    .path = "body", .get = body_get, .put = body_put},
		    NULL);
		add(*site, &(struct coax_resource_options){.path = "own", .get = own_get}, NULL);
	}
	world.server = open_context(world.sites[0].site, 2);
	world.client = open_context(NULL, 2);
	ASSERT_EQ(coax_address_parse(&world.remote, "127.0.0.1", coax_context_port(world.server)),
		  0);
}

static void end(void)
{
	coax_context_shutdown(world.client);
	coax_context_shutdown(world.server);
	for (int i = 0; i < SITES; i++)
		coax_site_destroy(world.sites[i].site);
	EXPECT_EQ(atomic_load(&world.wrong), 0UL);
}

static struct coax_message draft(uint8_t *bytes, size_t size, uint8_t code, const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, path), 0);
	return m;
}

/* Load. Each of these ends when it is told to, or when one of the Contexts does. */

static bool is_over(int result)
{
	return atomic_load(&world.stop) || result == -ESHUTDOWN;
}

static void *upload_on_and_on(void *unused)
{
	const struct coax_request_options options = {
		.body = &(struct coax_body){.length = BODY, .data = world.body},
		.timeout_ms = 3000,
	};
	uint8_t out[64], in[256];
	struct coax_message response;
	int result;

	(void)unused;
	do {
		struct coax_message request = draft(out, sizeof(out), COAX_PUT, "body");

		result = coax_request_wait(world.client, &world.remote, &request, &options, in,
					   sizeof(in), &response);
		if (!result && coax_message_code(&response) == COAX_CHANGED)
			atomic_fetch_add(&world.bodies, 1);
	} while (!is_over(result));
	return NULL;
}

static void *download_on_and_on(void *unused)
{
	const struct coax_request_options options = {.timeout_ms = 3000};
	static __thread uint8_t in[BODY + 256];
	struct coax_message response;
	const uint8_t *payload;
	uint8_t out[64];
	size_t length;
	int result;

	(void)unused;
	do {
		struct coax_message request = draft(out, sizeof(out), COAX_GET, "body");

		result = coax_request_wait(world.client, &world.remote, &request, &options, in,
					   sizeof(in), &response);
		if (result || coax_message_code(&response) != COAX_CONTENT)
			continue;
		payload = coax_message_payload(&response, &length);
		if (length != BODY || memcmp(payload, world.body, BODY) != 0)
			atomic_fetch_add(&world.wrong, 1);
		atomic_fetch_add(&world.bodies, 1);
	} while (!is_over(result));
	return NULL;
}

/* Observe until the server ends it, and again. */
static void *observe_on_and_on(void *path)
{
	const struct coax_request_options options = {.timeout_ms = 3000};
	static __thread uint8_t in[4096];
	struct coax_observation *observation;
	struct coax_message notification;
	uint8_t out[64];
	int result = 0;

	do {
		struct coax_message request = draft(out, sizeof(out), COAX_GET, path);

		result =
			coax_observe(world.client, &world.remote, &request, &options, &observation);
		if (result)
			continue;
		do {
			result = coax_observation_next(observation, 100, in, sizeof(in),
						       &notification);
			if (!result)
				atomic_fetch_add(&world.notified, 1);
		} while (!atomic_load(&world.stop) && (!result || result == -ETIMEDOUT));
		coax_observation_free(observation);
	} while (!is_over(result));
	return NULL;
}

/* What is done under it. */

static void *trigger_on_and_on(void *unused)
{
	uint8_t bytes[64];
	struct coax_message m;

	(void)unused;
	coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_CONTENT, 0, NULL, 0);
	coax_message_set_payload(&m, "given", 5);
	for (unsigned int i = 0; !atomic_load(&world.stop); i++) {
		struct coax_resource *state = world.sites[i % SITES].state;

		coax_resource_changed(state);
		EXPECT_EQ(coax_resource_notify(state, i % 3 ? NULL : &m, i % 50 == 49), 0);
		pthread_mutex_lock(&world.lock);
		if (world.accepted)
			EXPECT_EQ(coax_observer_trigger(world.accepted, &m, i % 50 == 49), 0);
		if (world.accepted && i % 70 == 69)
			coax_observer_deregister(world.accepted, 0);
		if (world.passing)
			coax_resource_changed(world.passing);
		pthread_mutex_unlock(&world.lock);
		usleep(200);
	}
	return NULL;
}

static void *change_on_and_on(void *unused)
{
	(void)unused;
	while (!atomic_load(&world.stop)) {
		coax_resource_changed(world.sites[0].state);
		usleep(1000);
	}
	return NULL;
}

static void *add_and_remove_on_and_on(void *unused)
{
	const struct coax_resource_options options = {
		.path = "passing", .get = state_get, .observable = true};
	struct coax_site *site = world.sites[0].site;
	struct coax_resource *resource;

	(void)unused;
	while (!atomic_load(&world.stop)) {
		add(site, &options, &resource);
		pthread_mutex_lock(&world.lock);
		world.passing = resource;
		pthread_mutex_unlock(&world.lock);
		usleep(5000);
		pthread_mutex_lock(&world.lock);
		world.passing = NULL;
		pthread_mutex_unlock(&world.lock);
		coax_site_remove(site, resource);
	}
	return NULL;
}

typedef void *(*thread_fn)(void *arg);

static const struct {
	thread_fn run;
	void *arg;
} load[] = {
	{upload_on_and_on, NULL},   {upload_on_and_on, NULL},	  {download_on_and_on, NULL},
	{download_on_and_on, NULL}, {observe_on_and_on, "state"}, {observe_on_and_on, "state"},
	{observe_on_and_on, "own"}, {observe_on_and_on, "own"},	  {observe_on_and_on, "passing"},
	{trigger_on_and_on, NULL},  {trigger_on_and_on, NULL},	  {add_and_remove_on_and_on, NULL},
};

#define LOAD (sizeof(load) / sizeof(load[0]))

static pthread_t threads[LOAD];

static void begin_load(void)
{
	for (size_t i = 0; i < LOAD; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, load[i].run, load[i].arg), 0);
}

static void wait_for_traffic(unsigned long more)
{
	unsigned long bodies = atomic_load(&world.bodies) + more;
	unsigned long notified = atomic_load(&world.notified) + more;

	while (atomic_load(&world.bodies) < bodies || atomic_load(&world.notified) < notified)
		usleep(1000);
}

static void end_load(void)
{
	atomic_store(&world.stop, true);
	for (size_t i = 0; i < LOAD; i++)
		pthread_join(threads[i], NULL);
}

TEST("triggers, resources that come and go: bodies get through and observers are told")
{
	begin();
	begin_load();
	wait_for_traffic(200);
	end_load();
	end();
}

static void *exchange_on_and_on(void *unused)
{
	(void)unused;
	for (int i = 1; i <= ROUNDS; i++) {
		coax_context_set_site(world.server, world.sites[i % SITES].site);
		usleep(2000);
	}
	return NULL;
}

TEST("Sites are exchanged by two threads meanwhile")
{
	pthread_t exchangers[2];

	begin();
	begin_load();
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&exchangers[i], NULL, exchange_on_and_on, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(exchangers[i], NULL);
	wait_for_traffic(20);
	end_load();
	end();
}

static void *shut_down(void *context)
{
	coax_context_shutdown(context);
	return NULL;
}

/* Requests that begin each other, so that nobody uses the Context who might find it gone. */
struct chain {
	uint8_t code;
	uint8_t body[BODY];
	atomic_int ended;
};

static void ask_again(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote);

static void ask(struct chain *chain)
{
	const struct coax_body body = {.length = BODY, .data = chain->body};
	const struct coax_request_options options = {.body = chain->code == COAX_PUT ? &body
										     : NULL};
	uint8_t out[64];
	struct coax_message request = draft(out, sizeof(out), chain->code, "body");

	if (coax_request(world.client, &world.remote, &request, &options, ask_again, chain, NULL))
		atomic_fetch_add(&chain->ended, 1);
}

static void ask_again(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	struct chain *chain = arg;

	(void)response;
	(void)remote;
	if (!result)
		atomic_fetch_add(&world.bodies, 1);
	if (result == -ESHUTDOWN)
		atomic_fetch_add(&chain->ended, 1);
	else
		ask(chain);
}

static void count_notification(void *arg, const struct coax_message *notification)
{
	(void)arg;
	(void)notification;
	atomic_fetch_add(&world.notified, 1);
}

static void count_end(void *arg, int error, const struct coax_message *response)
{
	(void)error;
	(void)response;
	atomic_fetch_add((atomic_int *)arg, 1);
}

TEST("the client is ended by another thread meanwhile: each request and observation ends, once")
{
	struct coax_observation *observations[OBSERVERS];
	static struct chain chains[4];
	atomic_int ends[OBSERVERS] = {0};
	uint8_t out[64];
	struct coax_message request = draft(out, sizeof(out), COAX_GET, "state");
	pthread_t triggers, thread;

	begin();
	for (int i = 0; i < 4; i++) {
		chains[i].code = i % 2 ? COAX_PUT : COAX_GET;
		memcpy(chains[i].body, world.body, BODY);
		ask(&chains[i]);
	}
	for (int i = 0; i < OBSERVERS; i++) {
		ASSERT_EQ(
			coax_observe(world.client, &world.remote, &request, NULL, &observations[i]),
			0);
		coax_observation_on_notification(observations[i], count_notification, NULL);
		coax_observation_on_error(observations[i], count_end, &ends[i]);
	}
	ASSERT_EQ(pthread_create(&triggers, NULL, change_on_and_on, NULL), 0);
	wait_for_traffic(50);
	ASSERT_EQ(pthread_create(&thread, NULL, shut_down, world.client), 0);
	pthread_join(thread, NULL);
	world.client = NULL;
	atomic_store(&world.stop, true);
	pthread_join(triggers, NULL);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(atomic_load(&chains[i].ended), 1);
	for (int i = 0; i < OBSERVERS; i++) {
		EXPECT_EQ(atomic_load(&ends[i]), 1);
		coax_observation_free(observations[i]);
	}
	end();
}

TEST("the server is ended by another thread meanwhile, in the middle of bodies and triggers")
{
	struct coax_context_stats stats;
	pthread_t thread;

	begin();
	begin_load();
	wait_for_traffic(20);
	ASSERT_EQ(pthread_create(&thread, NULL, shut_down, world.server), 0);
	pthread_join(thread, NULL);
	world.server = NULL;
	/* Triggers for nobody are allowed: the Sites are still there. */
	usleep(20000);
	coax_context_stats_read(world.client, &stats);
	EXPECT_GT(stats.datagrams_in, 0UL);
	end_load();
	end();
}

TEST_MAIN()
