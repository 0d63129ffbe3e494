/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers with DTLS and nothing around them: the test drives their clock, which is OpenSSL's too,
 * and is the network between them.
 */
#ifndef COAX_TEST_DTLS_WORLD_H
#define COAX_TEST_DTLS_WORLD_H

#include "../harness.h"

#include <arpa/inet.h>
#include <sys/time.h>
#include "credentials/set.h"
#include "transport/dtls.h"

#define MS	     1000000ULL
#define SECOND	     1000000000ULL
#define ENDS	     4
#define QUEUE	     512
#define RECEIVED_MAX 64
#define START	     (5000 * SECOND)

/* One of an end's counters. */
#define COUNTED(end, field) ((int)world.ends[end].stats.field)

enum {
	SERVER,
	CLIENT,
	OTHER,
	THIRD
};

struct flying {
	int from, to;
	struct coax_path path; /* as the sender said */
	size_t length;
	uint8_t data[COAX_DATAGRAM_IN_MAX];
};

struct end {
	struct coax_dtls_shared *shared;
	struct coax_dtls *dtls;
	struct coax_context_stats stats;
	union coax_address address;

	int established, ended;
	int result; /* of the latest that ended */
	char reason[256];
	uint64_t ended_session;
	struct coax_path path; /* of the latest established, or message */
	const struct coax_claims *claims;
	int received;
	struct {
		uint64_t session;
		size_t length;
		uint8_t data[COAX_DATAGRAM_OUT_MAX];
	} messages[RECEIVED_MAX]; /* modulo */
	int sent;		  /* datagrams */
};

static struct world {
	uint64_t now;
	struct end ends[ENDS];
	struct flying queue[QUEUE];
	unsigned int first, last;
	/* Sees what is sent; false: it is lost. */
	bool (*filter)(struct flying *datagram);
	struct coax_logger logger;
} world;

/* OpenSSL's clocks: its libraries find these first. */
time_t time(time_t *out)
{
	time_t now = 1700000000 + (time_t)(world.now / SECOND);

	if (out)
		*out = now;
	return now;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	(void)zone;
	now->tv_sec = time(NULL);
	now->tv_usec = (suseconds_t)(world.now % SECOND / 1000);
	return 0;
}

static int end_at(const union coax_address *address)
{
	for (int i = 0; i < ENDS; i++) {
		if (world.ends[i].address.sa.sa_family &&
		    coax_address_equal(&world.ends[i].address, address))
			return i;
	}
	return -1;
}

static void launch(const struct flying *datagram)
{
	ASSERT_LT(world.last - world.first, (unsigned int)QUEUE);
	world.queue[world.last++ % QUEUE] = *datagram;
}

static void on_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	struct end *end = arg;
	struct flying datagram = {.from = (int)(end - world.ends), .path = *path};

	datagram.to = end_at(&path->remote);
	ASSERT_LE(length, (size_t)COAX_DTLS_OUT_MAX);
	datagram.length = length;
	memcpy(datagram.data, data, length);
	end->sent++;
	if (!world.filter || world.filter(&datagram))
		launch(&datagram);
}

static void on_established(void *arg, const struct coax_path *path,
			   const struct coax_claims *claims)
{
	struct end *end = arg;

	end->established++;
	end->path = *path;
	end->claims = claims;
	EXPECT_TRUE(coax_dtls_claims(end->dtls, path->session) == claims);
}

static void on_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	struct end *end = arg;

	end->ended++;
	end->result = result;
	end->ended_session = path->session;
	snprintf(end->reason, sizeof(end->reason), "%s", reason);
	EXPECT_TRUE(end->dtls == NULL || coax_dtls_claims(end->dtls, path->session) == NULL);
}

static const struct coax_dtls_ops world_ops = {
	.send = on_send, .established = on_established, .ended = on_ended};

/* What has come to an end, as one batch of datagrams. */
static void receive(int to, struct flying *datagrams, unsigned int count)
{
	struct end *end = &world.ends[to];
	struct coax_datagram batch[COAX_BATCH], *messages;
	unsigned int got;

	memset(batch, 0, sizeof(batch));
	for (unsigned int i = 0; i < count; i++) {
		batch[i].path.remote = world.ends[datagrams[i].from].address;
		batch[i].path.local = end->address;
		batch[i].data = datagrams[i].data;
		batch[i].length = (uint32_t)datagrams[i].length;
	}
	got = coax_dtls_receive(end->dtls, world.now, batch, count, &messages);
	for (unsigned int i = 0; i < got; i++) {
		int slot = end->received++ % RECEIVED_MAX;

		ASSERT_LE(messages[i].length, (uint32_t)COAX_DATAGRAM_OUT_MAX);
		end->path = messages[i].path;
		end->messages[slot].session = messages[i].path.session;
		end->messages[slot].length = messages[i].length;
		memcpy(end->messages[slot].data, messages[i].data, messages[i].length);
	}
}

/* Deliver until nothing is under way. */
static inline void pump(void)
{
	while (world.first != world.last) {
		struct flying datagram = world.queue[world.first++ % QUEUE];

		if (datagram.to >= 0 && world.ends[datagram.to].dtls)
			receive(datagram.to, &datagram, 1);
	}
}

/* Let time pass, in the steps that the workers ask for. */
static inline void pass(uint64_t duration)
{
	uint64_t until = world.now + duration;

	for (;;) {
		uint64_t due = UINT64_MAX;

		for (int i = 0; i < ENDS; i++) {
			if (world.ends[i].dtls && coax_dtls_deadline(world.ends[i].dtls) < due)
				due = coax_dtls_deadline(world.ends[i].dtls);
		}
		if (due > until)
			break;
		if (due > world.now)
			world.now = due;
		for (int i = 0; i < ENDS; i++) {
			if (world.ends[i].dtls &&
			    coax_dtls_deadline(world.ends[i].dtls) <= world.now)
				coax_dtls_tick(world.ends[i].dtls, world.now);
		}
		pump();
	}
	world.now = until;
}

static inline void end_open_worker(int number, struct coax_dtls_shared *shared)
{
	struct end *end = &world.ends[number];
	struct coax_dtls_options options = {.shared = shared,
					    .ops = &world_ops,
					    .arg = end,
					    .logger = &world.logger,
					    .stats = &end->stats};
	char text[32];

	snprintf(text, sizeof(text), "192.0.2.%d:%d", number + 1, number ? 40000 + number : 5684);
	ASSERT_EQ(coax_address_parse(&end->address, text, 0), 0);
	ASSERT_EQ(coax_dtls_create(&end->dtls, &options), 0);
}

/* The sets are given away. */
static inline int end_open_limited(int number, struct coax_credentials *client,
				   struct coax_credentials *server,
				   const struct coax_dtls_limits *limits)
{
	struct end *end = &world.ends[number];
	struct coax_dtls_shared_options options = {
		.client = client, .server = server, .logger = &world.logger};
	int err;

	if (!world.now)
		world.now = START;
	if (!world.logger.from)
		world.logger.from = getenv("COAX_TEST_LOG") ? COAX_LOG_DEBUG : COAX_LOG_ERROR + 1;
	if (limits)
		options.limits = *limits;
	err = coax_dtls_shared_create(&end->shared, &options);
	coax_credentials_release(client);
	coax_credentials_release(server);
	if (!err)
		end_open_worker(number, end->shared);
	return err;
}

static inline void end_open(int number, struct coax_credentials *client,
			    struct coax_credentials *server)
{
	ASSERT_EQ(end_open_limited(number, client, server, NULL), 0);
}

static inline void end_close(int number)
{
	struct end *end = &world.ends[number];
	struct coax_dtls *dtls = end->dtls;

	if (!dtls)
		return;
	end->dtls = NULL;
	coax_dtls_destroy(dtls);
	coax_dtls_shared_destroy(end->shared);
	end->shared = NULL;
}

static inline void world_close(void)
{
	for (int i = 0; i < ENDS; i++)
		end_close(i);
}

/* A set with one key: of a client, or of a server. */
static inline struct coax_credentials *with_key(const char *identity, const char *key)
{
	struct coax_credentials *set;

	ASSERT_EQ(coax_credentials_for_psk(&set, identity, strlen(identity), key, strlen(key)), 0);
	return set;
}

/* One more entry; its fields are the caller's to fill before it is accepted. */
static inline struct coax_credential *add_psk(struct coax_credentials *set, const char *label,
					      const char *identity, const char *key)
{
	struct coax_credential *entry = coax_credentials_add(set, label);

	ASSERT_TRUE(entry != NULL);
	entry->kind = COAX_CREDENTIAL_PSK;
	entry->psk.identity_length = strlen(identity);
	memcpy(entry->psk.identity, identity, strlen(identity));
	entry->psk.key_length = strlen(key);
	memcpy(entry->psk.key, key, strlen(key));
	return entry;
}

static inline struct coax_credentials *serving_key(const char *identity, const char *key)
{
	const struct coax_credential *other;
	struct coax_credentials *set;

	ASSERT_EQ(coax_credentials_create(&set), 0);
	ASSERT_EQ(coax_credentials_accept(set, add_psk(set, ":device", identity, key), &other), 0);
	return set;
}

/* The client's set stays with its shared half; its first entry is used. */
static inline int begin_as(int client, const struct coax_credential *credential, const char *host,
			   uint64_t *session)
{
	struct coax_path path;
	int err;

	memset(&path, 0, sizeof(path));
	path.remote = world.ends[SERVER].address;
	err = coax_dtls_connect(world.ends[client].dtls, world.now, &path, credential, host);
	*session = path.session;
	return err;
}

static struct coax_credentials *client_set;

/* A client that has the key of open_pair()'s server. */
static inline void open_sensor(void)
{
	client_set = with_key("sensor", "secret");
	end_open(CLIENT, client_set, NULL);
}

static inline void open_pair(void)
{
	end_open(SERVER, NULL, serving_key("sensor", "secret"));
	open_sensor();
}

/* Shake hands as far as it goes. */
static inline uint64_t connect_client(const char *host)
{
	uint64_t session;

	ASSERT_EQ(begin_as(CLIENT, coax_credentials_at(client_set, 0), host, &session), 0);
	pump();
	return session;
}

static inline int say(int from, uint64_t session, const char *text)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.session = session;
	return coax_dtls_send(world.ends[from].dtls, world.now, &path, (const uint8_t *)text,
			      strlen(text));
}

/* Whether the latest message to an end was that. */
static inline bool heard(int end, const char *text)
{
	const struct end *at = &world.ends[end];
	int slot = (at->received + RECEIVED_MAX - 1) % RECEIVED_MAX;

	return at->received && at->messages[slot].length == strlen(text) &&
	       memcmp(at->messages[slot].data, text, strlen(text)) == 0;
}

#endif
