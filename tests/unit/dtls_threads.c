// SPDX-License-Identifier: BSD-2-Clause
/* Workers of several threads share keys, tickets and a budget, while credentials change. */
#include <pthread.h>
#include <time.h>
#include "../harness.h"
#include "credentials/set.h"
#include "transport/dtls.h"

#define WORKERS	 3
#define SESSIONS 150
#define QUEUE	 64

static struct coax_dtls_shared *server_shared, *client_shared;
static struct coax_credentials *client_set;
static bool done;

/* A pair of workers, and the network between them, of one thread. */
struct pair {
	pthread_t thread;
	struct coax_dtls *workers[2];
	struct coax_context_stats stats[2];
	int established[2], ended[2];
	struct {
		int from;
		size_t length;
		uint8_t data[COAX_DTLS_OUT_MAX];
	} queue[QUEUE];
	unsigned int first, last;
	struct side {
		struct pair *pair;
		int number;
	} sides[2];
	in_port_t port;
};

static void on_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	struct side *side = arg;
	struct pair *pair = side->pair;

	(void)path;
	ASSERT_TRUE(pair->last - pair->first < QUEUE);
	pair->queue[pair->last % QUEUE].from = side->number;
	pair->queue[pair->last % QUEUE].length = length;
	memcpy(pair->queue[pair->last++ % QUEUE].data, data, length);
}

static void on_established(void *arg, const struct coax_path *path,
			   const struct coax_claims *claims)
{
	struct side *side = arg;

	(void)path;
	ASSERT_EQ((int)claims->kind, COAX_CLAIMS_PSK);
	side->pair->established[side->number]++;
}

static void on_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	struct side *side = arg;

	(void)path;
	(void)result;
	(void)reason;
	side->pair->ended[side->number]++;
}

static const struct coax_dtls_ops ops = {
	.send = on_send, .established = on_established, .ended = on_ended};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void address_of(union coax_address *address, in_port_t port)
{
	memset(address, 0, sizeof(*address));
	address->in.sin_family = AF_INET;
	address->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address->in.sin_port = htons(port);
}

static void pump(struct pair *pair)
{
	while (pair->first != pair->last) {
		unsigned int slot = pair->first++ % QUEUE;
		int to = 1 - pair->queue[slot].from;
		struct coax_datagram datagram = {0}, *messages;

		datagram.data = pair->queue[slot].data;
		datagram.length = (uint32_t)pair->queue[slot].length;
		address_of(&datagram.path.remote, to ? 5684 : pair->port);
		coax_dtls_receive(pair->workers[to], now_ns(), &datagram, 1, &messages);
	}
	for (int i = 0; i < 2; i++) {
		if (coax_dtls_deadline(pair->workers[i]) <= now_ns())
			coax_dtls_tick(pair->workers[i], now_ns());
	}
}

static void *work(void *arg)
{
	struct pair *pair = arg;

	for (int i = 0; i < SESSIONS; i++) {
		struct coax_path path;

		memset(&path, 0, sizeof(path));
		address_of(&path.remote, 5684);
		pair->port++;
		ASSERT_EQ(coax_dtls_connect(pair->workers[1], now_ns(), &path,
					    coax_credentials_at(client_set, 0), NULL),
			  0);
		pump(pair);
		coax_dtls_send(pair->workers[1], now_ns(), &path, (const uint8_t *)"hello", 5);
		pump(pair);
		coax_dtls_close(pair->workers[1], now_ns(), path.session);
		pump(pair);
	}
	return NULL;
}

static struct coax_credentials *serving(void)
{
	const struct coax_credential *other;
	struct coax_credentials *set;
	struct coax_credential *entry;

	ASSERT_EQ(coax_credentials_create(&set), 0);
	entry = coax_credentials_add(set, ":device");
	entry->psk = (struct coax_psk){6, 6, "sensor", "secret"};
	ASSERT_EQ(coax_credentials_accept(set, entry, &other), 0);
	return set;
}

static void *change(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		struct coax_credentials *set = serving();
		struct timespec pause = {.tv_nsec = 2000000};

		ASSERT_EQ(coax_dtls_set_server_credentials(server_shared, set), 0);
		coax_credentials_release(set);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void open_pair(struct pair *pair, int number)
{
	static const struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};

	pair->port = (in_port_t)(10000 * (number + 1));
	for (int i = 0; i < 2; i++) {
		struct coax_dtls_options options = {.shared = i ? client_shared : server_shared,
						    .ops = &ops,
						    .arg = &pair->sides[i],
						    .logger = &quiet,
						    .stats = &pair->stats[i]};

		pair->sides[i] = (struct side){pair, i};
		ASSERT_EQ(coax_dtls_create(&pair->workers[i], &options), 0);
	}
}

TEST("workers of several threads shake hands while the credentials are changed")
{
	static struct pair pairs[WORKERS];
	struct coax_dtls_shared_options server = {.server = serving()}, client = {0};
	pthread_t changer;

	ASSERT_EQ(coax_credentials_for_psk(&client_set, "sensor", 6, "secret", 6), 0);
	client.client = client_set;
	ASSERT_EQ(coax_dtls_shared_create(&server_shared, &server), 0);
	ASSERT_EQ(coax_dtls_shared_create(&client_shared, &client), 0);
	for (int i = 0; i < WORKERS; i++)
		open_pair(&pairs[i], i);
	pthread_create(&changer, NULL, change, NULL);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&pairs[i].thread, NULL, work, &pairs[i]);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(pairs[i].thread, NULL);
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	pthread_join(changer, NULL);
	for (int i = 0; i < WORKERS; i++) {
		EXPECT_EQ(pairs[i].established[0], SESSIONS);
		EXPECT_EQ(pairs[i].established[1], SESSIONS);
		EXPECT_EQ(pairs[i].ended[0], SESSIONS);
		coax_dtls_destroy(pairs[i].workers[0]);
		coax_dtls_destroy(pairs[i].workers[1]);
	}
	coax_dtls_shared_destroy(server_shared);
	coax_dtls_shared_destroy(client_shared);
	coax_credentials_release(server.server);
	coax_credentials_release(client_set);
}

TEST_MAIN()
