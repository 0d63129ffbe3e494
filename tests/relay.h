/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path between clients and a server on loopback that loses, doubles and reorders datagrams as
 * a seeded generator says (or none of it), and remembers what went over it.
 */
#ifndef COAX_TESTS_RELAY_H
#define COAX_TESTS_RELAY_H

#include <coax/coax.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include "harness.h"

#define RELAY_CLIENTS_MAX 16
#define RELAY_LOG_MAX	  4096
#define RELAY_HELD_MS	  15

/* What is done to datagrams, in percent. */
struct relay_weather {
	unsigned int lost;
	unsigned int doubled;
	unsigned int held; /* until the next one has gone, or RELAY_HELD_MS */
	uint32_t seed;
};

struct relay_datagram {
	bool to_server;
	bool lost;
	uint32_t length;
	uint8_t data[1600];
};

struct relay {
	struct relay_weather weather;
	uint64_t state;
	int front; /* clients talk to this one */
	int stop;
	in_port_t port;
	union coax_address server;
	pthread_t thread;

	unsigned int client_count;
	struct relay_client {
		union coax_address address;
		int back;		       /* the server sees this one */
		struct relay_datagram held[2]; /* by direction; length 0: none */
	} clients[RELAY_CLIENTS_MAX];

	/* The next `lose_count` datagrams that match are lost, whatever the weather. */
	atomic_int lose_to_server;
	atomic_int lose_to_client;

	pthread_mutex_t lock; /* of the log */
	unsigned int logged;
	struct relay_datagram *log;
};

static inline uint32_t relay_random(struct relay *relay)
{
	relay->state ^= relay->state << 13;
	relay->state ^= relay->state >> 7;
	relay->state ^= relay->state << 17;
	return (uint32_t)(relay->state >> 32);
}

static inline bool relay_happens(struct relay *relay, unsigned int percent)
{
	return relay_random(relay) % 100 < percent;
}

static inline void relay_note(struct relay *relay, const struct relay_datagram *datagram)
{
	pthread_mutex_lock(&relay->lock);
	if (relay->logged < RELAY_LOG_MAX)
		relay->log[relay->logged++] = *datagram;
	pthread_mutex_unlock(&relay->lock);
}

static inline void relay_emit(struct relay *relay, struct relay_client *client,
			      const struct relay_datagram *datagram)
{
	if (datagram->to_server)
		(void)!send(client->back, datagram->data, datagram->length, 0);
	else
		(void)!sendto(relay->front, datagram->data, datagram->length, 0,
			      &client->address.sa, sizeof(client->address.in));
}

static inline void relay_release(struct relay *relay, struct relay_client *client)
{
	for (int direction = 0; direction < 2; direction++) {
		if (client->held[direction].length)
			relay_emit(relay, client, &client->held[direction]);
		client->held[direction].length = 0;
	}
}

static inline bool relay_is_to_be_lost(struct relay *relay, bool to_server)
{
	atomic_int *count = to_server ? &relay->lose_to_server : &relay->lose_to_client;

	if (atomic_load(count) > 0) {
		atomic_fetch_sub(count, 1);
		return true;
	}
	return relay_happens(relay, relay->weather.lost);
}

static inline void relay_forward(struct relay *relay, struct relay_client *client,
				 struct relay_datagram *datagram)
{
	struct relay_datagram *held = &client->held[datagram->to_server];

	datagram->lost = relay_is_to_be_lost(relay, datagram->to_server);
	relay_note(relay, datagram);
	if (datagram->lost)
		return;
	if (!held->length && relay_happens(relay, relay->weather.held)) {
		*held = *datagram;
		return;
	}
	relay_emit(relay, client, datagram);
	if (relay_happens(relay, relay->weather.doubled))
		relay_emit(relay, client, datagram);
	relay_release(relay, client);
}

static inline struct relay_client *relay_client_of(struct relay *relay,
						   const union coax_address *address)
{
	struct relay_client *client = relay->clients;

	for (; client < relay->clients + relay->client_count; client++)
		if (coax_address_equal(&client->address, address))
			return client;
	if (relay->client_count == RELAY_CLIENTS_MAX)
		return NULL;
	memset(client, 0, sizeof(*client));
	client->address = *address;
	client->back = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(client->back, &relay->server.sa, sizeof(relay->server.in)))
		return NULL;
	relay->client_count++;
	return client;
}

static inline bool relay_take_front(struct relay *relay)
{
	struct relay_datagram datagram = {.to_server = true};
	union coax_address from = {.in = {0}};
	socklen_t from_length = sizeof(from.in);
	struct relay_client *client;
	ssize_t length = recvfrom(relay->front, datagram.data, sizeof(datagram.data), MSG_DONTWAIT,
				  &from.sa, &from_length);

	if (length <= 0)
		return false;
	datagram.length = (uint32_t)length;
	client = relay_client_of(relay, &from);
	if (client)
		relay_forward(relay, client, &datagram);
	return true;
}

static inline bool relay_take_back(struct relay *relay, struct relay_client *client)
{
	struct relay_datagram datagram = {.to_server = false};
	ssize_t length = recv(client->back, datagram.data, sizeof(datagram.data), MSG_DONTWAIT);

	if (length <= 0)
		return false;
	datagram.length = (uint32_t)length;
	relay_forward(relay, client, &datagram);
	return true;
}

static inline void *relay_main(void *arg)
{
	struct relay *relay = arg;

	for (;;) {
		struct pollfd fds[RELAY_CLIENTS_MAX + 2] = {
			{.fd = relay->stop, .events = POLLIN},
			{.fd = relay->front, .events = POLLIN},
		};
		unsigned int count = relay->client_count;

		for (unsigned int i = 0; i < count; i++)
			fds[i + 2] =
				(struct pollfd){.fd = relay->clients[i].back, .events = POLLIN};
		if (poll(fds, count + 2, RELAY_HELD_MS) == 0) {
			for (unsigned int i = 0; i < count; i++)
				relay_release(relay, &relay->clients[i]);
			continue;
		}
		if (fds[0].revents)
			return NULL;
		while (fds[1].revents && relay_take_front(relay))
			;
		for (unsigned int i = 0; i < count; i++)
			while (fds[i + 2].revents && relay_take_back(relay, &relay->clients[i]))
				;
	}
}

/* `weather` NULL: a fine day. */
static inline void relay_open(struct relay *relay, in_port_t server_port,
			      const struct relay_weather *weather)
{
	union coax_address address;
	socklen_t length = sizeof(address.in);

	memset(relay, 0, sizeof(*relay));
	if (weather)
		relay->weather = *weather;
	relay->state = 0x9e3779b97f4a7c15 ^ relay->weather.seed;
	relay->log = calloc(RELAY_LOG_MAX, sizeof(*relay->log));
	ASSERT_TRUE(relay->log);
	pthread_mutex_init(&relay->lock, NULL);
	ASSERT_EQ(coax_address_parse(&relay->server, "127.0.0.1", server_port), 0);
	ASSERT_EQ(coax_address_parse(&address, "127.0.0.1:0", 0), 0);
	relay->front = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	relay->stop = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(bind(relay->front, &address.sa, length), 0);
	ASSERT_EQ(getsockname(relay->front, &address.sa, &length), 0);
	relay->port = coax_address_port(&address);
	ASSERT_EQ(pthread_create(&relay->thread, NULL, relay_main, relay), 0);
}

static inline void relay_close(struct relay *relay)
{
	uint64_t one = 1;

	ASSERT_EQ(write(relay->stop, &one, sizeof(one)), (ssize_t)sizeof(one));
	pthread_join(relay->thread, NULL);
	for (unsigned int i = 0; i < relay->client_count; i++)
		close(relay->clients[i].back);
	close(relay->front);
	close(relay->stop);
	free(relay->log);
}

static inline unsigned int relay_logged(struct relay *relay)
{
	unsigned int logged;

	pthread_mutex_lock(&relay->lock);
	logged = relay->logged;
	pthread_mutex_unlock(&relay->lock);
	return logged;
}

/*
 * The next message on the path from *at on, in one direction; *at is then behind it. Waits for it:
 * false when none comes within `patience_ms`.
 */
static inline bool relay_next(struct relay *relay, unsigned int *at, bool to_server,
			      struct relay_datagram *datagram, struct coax_message *m,
			      int patience_ms)
{
	for (int waited = 0; waited <= patience_ms; waited++) {
		for (; *at < relay_logged(relay); ++*at) {
			pthread_mutex_lock(&relay->lock);
			*datagram = relay->log[*at];
			pthread_mutex_unlock(&relay->lock);
			if (datagram->to_server != to_server)
				continue;
			++*at;
			return coax_message_parse(m, datagram->data, datagram->length) == 0;
		}
		usleep(1000);
	}
	return false;
}

#endif
