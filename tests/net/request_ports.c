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
	uint8_t seen[65536 / 8];
} ports[PORTS];
static int port_count;

static void note(in_port_t port, uint16_t id)
{
	int at = 0;

	while (at < port_count && ports[at].port != port)
		at++;
	ASSERT_LT(at, PORTS);
	if (at == port_count)
		ports[port_count++].port = port;
	if (ports[at].seen[id / 8] & 1 << id % 8)
		atomic_fetch_add(&repeated, 1);
	ports[at].seen[id / 8] |= (uint8_t)(1 << id % 8);
}

static void *serve(void *arg)
{
	(void)arg;
	while (!atomic_load(&stopping)) {
		if (!peer_takes_within(&peer, 50))
			continue;
		note(peer.requester.sin_port, coax_message_id(&peer.request));
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
