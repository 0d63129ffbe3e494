// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * Message IDs of many requests to one remote: none is used twice from one port within
 * EXCHANGE_LIFETIME (RFC 7252 section 4.4).
 */
#include <pthread.h>
#include "../requester.h"

#define REQUESTS 200000
#define ABREAST	 64
#define PORTS	 16

static struct peer peer;
static atomic_int answered;
static atomic_int failed;
static atomic_int repeated; /* message IDs that came again from a port */
static atomic_bool stopping;

/* Which IDs came from which port. */
static struct {
	in_port_t port;
	uint64_t tokens[65536]; /* 0: none */
} ports[PORTS];
static int port_count;

/* A message that comes again, with its token, is a retransmission. */
static void note(in_port_t port, uint16_t id, uint64_t token)
{
	int at = 0;

	while (at < port_count && ports[at].port != port)
		at++;
	ASSERT_LT(at, PORTS);
	if (at == port_count)
		ports[port_count++].port = port;
	if (ports[at].tokens[id] && ports[at].tokens[id] != token)
		atomic_fetch_add(&repeated, 1);
	ports[at].tokens[id] = token;
}

static void *serve(void *arg)
{
	uint64_t token;

	(void)arg;
	while (!atomic_load(&stopping)) {
		if (!peer_takes_within(&peer, 50))
			continue;
		ASSERT_EQ(coax_message_token_length(&peer.request), sizeof(token));
		memcpy(&token, coax_message_token(&peer.request), sizeof(token));
		note(peer.requester.sin_port, coax_message_id(&peer.request), token);
		peer_answer(&peer, COAX_CONTENT, NULL, 0);
	}
	return NULL;
}

static struct coax_context *context;

static void ask(void);

static void take(void *arg, int result, const struct coax_message *response,
		 const union coax_address *remote)
{
	(void)arg;
	(void)response;
	(void)remote;
	if (result)
		atomic_fetch_add(&failed, 1);
	if (atomic_fetch_add(&answered, 1) + ABREAST < REQUESTS)
		ask();
}

static void ask(void)
{
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "a");

	ASSERT_EQ(coax_request(context, &peer.address, &m, NULL, take, NULL, NULL), 0);
}

static void end_observation(void *arg, int error, const struct coax_message *response)
{
	(void)error;
	(void)response;
	atomic_store((atomic_bool *)arg, true);
}

/* Its registration has an ID of its own, too, and leaves where requests do by now. */
static void observe(void)
{
	struct coax_observation *observation;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "a");
	atomic_bool ended = false;

	ASSERT_EQ(coax_observe(context, &peer.address, &m, NULL, &observation), 0);
	ASSERT_EQ(coax_observation_on_error(observation, end_observation, &ended), 0);
	while (!atomic_load(&ended))
		usleep(1000);
	EXPECT_EQ(ntohs(peer.requester.sin_port), ntohs(ports[port_count - 1].port));
	coax_observation_free(observation);
}

static void run(unsigned int workers)
{
	pthread_t thread;

	peer_open(&peer);
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	context = requester_start(workers);
	for (int i = 0; i < ABREAST; i++)
		ask();
	while (atomic_load(&answered) < REQUESTS)
		usleep(10000);
	observe();
	coax_context_shutdown(context);
	atomic_store(&stopping, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(failed, 0);
	EXPECT_EQ(repeated, 0);
	EXPECT_EQ(port_count, (REQUESTS + 65535) / 65536);
}

TEST_TIMEOUT("two hundred thousand requests at once leave by as many ports as they need", 100)
{
	run(2);
}

TEST_TIMEOUT("so they do where requests leave by the port that others come in by", 100)
{
	run(1);
}

TEST_MAIN()
