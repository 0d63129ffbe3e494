// SPDX-License-Identifier: BSD-2-Clause
/*
 * What any thread may do while requests come in: exchange the Site, end the Context. Clients are
 * never told that something else than one Site or the other answers.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../context.h"
#include "../harness.h"
#include "../client.h"

#define CLIENTS	  3
#define EXCHANGES 200

struct load {
	pthread_t thread;
	int fd;
	atomic_bool *stop;
	unsigned long answered;
	unsigned long unavailable;
	unsigned long wrong;
};

static void *ask_on_and_on(void *arg)
{
	struct load *load = arg;
	uint8_t request[] = {0x42, 0x01, 0, 0, 0, 0, 0xb1, 'r'};
	uint8_t reply[64];
	ssize_t length;

	for (unsigned int i = 0; !atomic_load(load->stop); i++) {
		request[2] = (uint8_t)(i >> 8);
		request[3] = (uint8_t)i;
		memcpy(request + 4, request + 2, 2);
		length = client_ask(load->fd, request, sizeof(request), reply, sizeof(reply));
		if (length <= 0)
			break; /* nobody is there any more */
		if (length < 6 || memcmp(reply + 2, request + 2, 4) != 0)
			load->wrong++;
		else if (reply[1] == COAX_CONTENT)
			load->answered++;
		else if (reply[1] == COAX_SERVICE_UNAVAILABLE)
			load->unavailable++;
		else
			load->wrong++;
	}
	return NULL;
}

static void begin_load(struct load *loads, in_port_t port, atomic_bool *stop)
{
	for (int i = 0; i < CLIENTS; i++) {
		loads[i] = (struct load){.fd = client_open("127.0.0.1", port), .stop = stop};
		ASSERT_EQ(pthread_create(&loads[i].thread, NULL, ask_on_and_on, &loads[i]), 0);
	}
}

/* What a Site's handlers need, and what goes with the Site. */
struct state {
	struct coax_site *site;
	atomic_ulong served;
};

static void get(struct coax_responder *responder, void *arg)
{
	struct state *state = arg;

	atomic_fetch_add(&state->served, 1);
	coax_message_set_payload(coax_responder_response(responder), "x", 1);
	coax_respond(responder, COAX_CONTENT);
}

static struct state *new_state(void)
{
	struct state *state = calloc(1, sizeof(*state));
	struct coax_resource_options options = {
		.path = "r", .get = get, .arg = state, .cacheable = true};

	ASSERT_TRUE(state);
	ASSERT_EQ(coax_site_create(&state->site), 0);
	ASSERT_EQ(coax_site_add(state->site, &options, NULL), 0);
	return state;
}

static void free_state(struct state *state)
{
	coax_site_destroy(state->site);
	free(state);
}

static struct coax_context *serve(struct state *state, bool own_loop)
{
	return context_open((struct coax_context_options){
		.site = state->site, .workers = own_loop ? 1 : 3, .own_loop = own_loop});
}

static void end_load(struct load *loads, atomic_bool *stop)
{
	unsigned long answered = 0;

	atomic_store(stop, true);
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(loads[i].thread, NULL);
		close(loads[i].fd);
		EXPECT_EQ(loads[i].wrong, 0UL);
		answered += loads[i].answered;
	}
	EXPECT_GT(answered, 0UL);
}

TEST("a Site that was exchanged under load can be destroyed at once, and no request is lost")
{
	struct state *state = new_state(), *former;
	struct coax_context *server = serve(state, false);
	struct load loads[CLIENTS];
	atomic_bool stop = false;
	unsigned long served;

	begin_load(loads, coax_context_port(server), &stop);
	for (int i = 0; i < EXCHANGES; i++) {
		while (!atomic_load(&state->served))
			usleep(100);
		former = state;
		state = new_state();
		coax_context_set_site(server, state->site);
		served = atomic_load(&former->served);
		usleep(200);
		EXPECT_EQ(atomic_load(&former->served), served);
		free_state(former);
	}
	end_load(loads, &stop);
	coax_context_shutdown(server);
	free_state(state);
}

struct exchanger {
	pthread_t thread;
	struct coax_context *context;
	struct coax_site *site;
};

static void *exchange_on_and_on(void *arg)
{
	struct exchanger *exchanger = arg;

	for (int i = 0; i < EXCHANGES; i++)
		coax_context_set_site(exchanger->context, exchanger->site);
	return NULL;
}

TEST("several threads may exchange Sites at once")
{
	struct state *states[2] = {new_state(), new_state()};
	struct coax_context *server = serve(states[0], false);
	struct exchanger exchangers[2];
	struct load loads[CLIENTS];
	atomic_bool stop = false;

	begin_load(loads, coax_context_port(server), &stop);
	for (int i = 0; i < 2; i++) {
		exchangers[i] = (struct exchanger){.context = server, .site = states[i]->site};
		ASSERT_EQ(pthread_create(&exchangers[i].thread, NULL, exchange_on_and_on,
					 &exchangers[i]),
			  0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(exchangers[i].thread, NULL);
	end_load(loads, &stop);
	coax_context_shutdown(server);
	free_state(states[0]);
	free_state(states[1]);
}

static void *shut_down(void *context)
{
	coax_context_shutdown(context);
	return NULL;
}

TEST("a Context is ended by another thread while requests come in")
{
	for (int i = 0; i < 20; i++) {
		struct state *state = new_state();
		struct coax_context *server = serve(state, false);
		struct load loads[CLIENTS];
		atomic_bool stop = false;
		pthread_t thread;

		begin_load(loads, coax_context_port(server), &stop);
		while (atomic_load(&state->served) < 100)
			usleep(100);
		ASSERT_EQ(pthread_create(&thread, NULL, shut_down, server), 0);
		pthread_join(thread, NULL);
		/* Those whose request was taken along wait for nothing. */
		for (int k = 0; k < CLIENTS; k++)
			shutdown(loads[k].fd, SHUT_RDWR);
		end_load(loads, &stop);
		free_state(state);
	}
}

/* A request of ours that nobody answers, waited for by a thread of its own. */
static void *wait_for_nobody(void *arg)
{
	struct coax_context *context = arg;
	struct coax_message request, response;
	union coax_address nobody;
	uint8_t out[16], in[64];

	ASSERT_EQ(coax_address_parse(&nobody, "127.0.0.1", client_silent_port()), 0);
	ASSERT_EQ(
		coax_message_start(&request, out, sizeof(out), COAX_TYPE_CON, COAX_GET, 0, NULL, 0),
		0);
	EXPECT_EQ(coax_request_wait(context, &nobody, &request, NULL, in, sizeof(in), &response),
		  -ESHUTDOWN);
	return NULL;
}

TEST("threads that wait for responses are told when another ends the Context")
{
	struct state *state = new_state();
	struct coax_context *context = serve(state, false);
	struct coax_context_stats stats;
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, wait_for_nobody, context), 0);
	do
		coax_context_stats_read(context, &stats);
	while (stats.datagrams_out < 8);
	coax_context_shutdown(context);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	free_state(state);
}

TEST_MAIN()
