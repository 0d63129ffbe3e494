// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server with observers, over a network that loses, doubles and reorders datagrams: whoever has
 * not been given up has the last state in the end (RFC 7641 section 1.3: eventual consistency).
 */
#include "../harness.h"

#include <coax/option.h>
#include "exchange/exchange.h"

#define MS	  1000000ULL
#define OBSERVERS 200
#define CHANGES	  3000
#define IN_FLIGHT 65536

struct flight {
	uint64_t due;
	size_t length;
	int observer;
	bool to_server;
	uint8_t data[32];
};

struct observer {
	struct coax_notice notice;
	struct coax_pending *pending;
	bool dirty; /* has changed since the latest was sent */
	bool lost;
	bool registered;
	bool cancelled;
	uint32_t seen; /* newest state */
	int results;
	int last;
};

static uint64_t now;
static uint64_t random_state;
static uint32_t loss_percent;
static struct coax_exchange *server, *client;
static struct coax_context_stats server_stats, client_stats;
static struct flight flights[IN_FLIGHT];
static int flight_count;
static struct observer observers[OBSERVERS];
static uint32_t state;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % below;
}

static struct coax_path path_of(int number, bool of_server)
{
	struct coax_path path;
	union coax_address server_address, observer_address;

	memset(&path, 0, sizeof(path));
	memset(&server_address, 0, sizeof(server_address));
	server_address.in.sin_family = AF_INET;
	server_address.in.sin_addr.s_addr = htonl(0xc0000264);
	server_address.in.sin_port = htons(5683);
	observer_address = server_address;
	/* Some share an endpoint. */
	observer_address.in.sin_port = htons((uint16_t)(40000 + number / 2));
	path.remote = of_server ? observer_address : server_address;
	path.local = of_server ? server_address : observer_address;
	return path;
}

static void fly(bool to_server, const struct coax_path *path, const uint8_t *data, size_t length)
{
	const union coax_address *end = to_server ? &path->local : &path->remote;
	int copies = draw(100) < loss_percent ? 0 : draw(8) ? 1 : 2;

	ASSERT_LE(length, sizeof(flights[0].data));
	while (copies--) {
		struct flight *flight = &flights[flight_count++];

		ASSERT_LT(flight_count, IN_FLIGHT);
		flight->due = now + (draw(10) ? draw(100) : draw(8000)) * MS;
		flight->observer = (ntohs(end->in.sin_port) - 40000) * 2;
		flight->to_server = to_server;
		flight->length = length;
		memcpy(flight->data, data, length);
	}
}

static void server_sends(void *arg, const struct coax_path *path, const uint8_t *data,
			 size_t length)
{
	(void)arg;
	fly(false, path, data, length);
}

static void client_sends(void *arg, const struct coax_path *path, const uint8_t *data,
			 size_t length)
{
	(void)arg;
	fly(true, path, data, length);
}

static size_t build_state(uint8_t *buffer, const void *token, size_t token_length)
{
	struct coax_message message;

	coax_message_start(&message, buffer, COAX_DATAGRAM_OUT_MAX, COAX_TYPE_CON, COAX_CONTENT, 0,
			   token, token_length);
	coax_message_add_uint(&message, COAX_OBSERVE, state);
	coax_message_set_payload(&message, &state, sizeof(state));
	return message.length;
}

static void server_runs(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket)
{
	struct coax_message response;
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	size_t length;
	uint32_t number;
	const uint8_t *payload = coax_message_payload(request, &length);

	(void)arg;
	ASSERT_EQ(length, sizeof(number));
	memcpy(&number, payload, sizeof(number));
	length = build_state(buffer, coax_message_token(request),
			     coax_message_token_length(request));
	ASSERT_EQ(coax_message_parse(&response, buffer, length), 0);
	coax_exchange_respond(server, now, path, ticket, &response);
	if (observers[number].notice.added)
		return;
	observers[number].notice.path = *path;
	observers[number].notice.token_length = (uint8_t)coax_message_token_length(request);
	memcpy(observers[number].notice.token, coax_message_token(request),
	       observers[number].notice.token_length);
	ASSERT_EQ(coax_exchange_notice_add(server, &observers[number].notice), 0);
	/* It could have changed since, or this response be lost. */
	observers[number].dirty = true;
}

static void notify(struct observer *observer)
{
	static const enum coax_notify how[] = {COAX_NOTIFY_DEFAULT, COAX_NOTIFY_RELIABLE};
	int err;

	/* What is not confirmable may be lost: the last one has to be. */
	err = coax_exchange_notify(server, now, &observer->notice,
				   state == CHANGES ? COAX_NOTIFY_RELIABLE : how[draw(2)]);
	if (!err)
		observer->dirty = false;
	else
		ASSERT_EQ(err, -EBUSY);
}

static size_t compose(void *arg, struct coax_notice *notice, uint8_t *buffer)
{
	struct observer *observer = (struct observer *)notice;

	(void)arg;
	observer->dirty = false;
	return build_state(buffer, notice->token, notice->token_length);
}

static void notified(void *arg, struct coax_notice *notice, int result)
{
	struct observer *observer = (struct observer *)notice;

	(void)arg;
	EXPECT_FALSE(observer->lost);
	if (result) {
		EXPECT_TRUE(result == -ETIMEDOUT || (result == -ECONNRESET && observer->cancelled));
		observer->lost = true;
		coax_exchange_notice_remove(server, notice);
	} else if (observer->dirty) {
		notify(observer);
	}
}

static void client_gets(void *arg, int result, const struct coax_message *response,
			const struct coax_path *from, bool last)
{
	struct observer *observer = arg;
	const uint8_t *payload;
	uint32_t got;
	size_t length;

	(void)from;
	observer->results++;
	observer->last += last;
	EXPECT_LE(observer->last, 1);
	if (result)
		return;
	payload = coax_message_payload(response, &length);
	ASSERT_EQ(length, sizeof(got));
	memcpy(&got, payload, sizeof(got));
	observer->registered = true;
	if (got > observer->seen)
		observer->seen = got;
}

static void client_refuses(void *arg, const struct coax_path *path,
			   const struct coax_message *request, struct coax_ticket ticket)
{
	(void)arg;
	(void)path;
	(void)request;
	(void)ticket;
	HARNESS_SAY("a client got a request");
	HARNESS_STOP();
}

static struct coax_exchange *layer(const struct coax_exchange_ops *ops,
				   struct coax_context_stats *stats, uint32_t seed)
{
	struct coax_exchange_options options = {
		.ops = ops,
		.stats = stats,
		.seed = seed,
		.tuning = {.ack_timeout_ms = 2000,
			   .ack_random_percent = 150,
			   .max_retransmit = 4,
			   .empty_ack_delay_ms = 100,
			   .handler_timeout_ms = 60000,
			   .exchanges_max = 32768,
			   .deferred_max = 256,
			   .observers_max = OBSERVERS},
	};
	struct coax_exchange *exchange;

	ASSERT_EQ(coax_exchange_create(&exchange, &options), 0);
	return exchange;
}

static void observe(int number)
{
	struct coax_ask ask = {.observe = true};
	struct coax_path path = path_of(number, false);
	struct coax_message message;
	uint8_t buffer[64];
	uint32_t name = (uint32_t)number;

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	coax_message_add_uint(&message, COAX_OBSERVE, 0);
	coax_message_set_payload(&message, &name, sizeof(name));
	ASSERT_EQ(coax_exchange_request(client, now, &path, &message, &ask, client_gets,
					&observers[number], &observers[number].pending),
		  0);
}

static void change(void)
{
	int number = (int)draw(OBSERVERS);

	state++;
	for (int i = 0; i < OBSERVERS; i++) {
		if (!observers[i].notice.added)
			continue;
		observers[i].dirty = true;
		notify(&observers[i]);
	}
	/* Few lose interest, without a word. */
	if (!draw(100) && observers[number].registered && !observers[number].last) {
		observers[number].cancelled = true;
		coax_exchange_cancel(client, observers[number].pending, -ECANCELED);
	}
}

static void land(int at)
{
	struct flight flight = flights[at];
	struct coax_path path = path_of(flight.observer, flight.to_server);

	flights[at] = flights[--flight_count];
	coax_exchange_receive(flight.to_server ? server : client, now, &path, flight.data,
			      flight.length, false);
}

/* The next thing that happens. Returns false when nothing will. */
static bool step(uint64_t *next_change)
{
	uint64_t soonest = state < CHANGES ? *next_change : UINT64_MAX;
	uint64_t server_due = coax_exchange_deadline(server);
	uint64_t client_due = coax_exchange_deadline(client);
	int flight = -1;

	for (int i = 0; i < flight_count; i++) {
		if (flights[i].due < soonest) {
			soonest = flights[i].due;
			flight = i;
		}
	}
	if (server_due <= soonest && server_due <= client_due && server_due != UINT64_MAX) {
		now = server_due > now ? server_due : now;
		coax_exchange_tick(server, now);
	} else if (client_due <= soonest && client_due != UINT64_MAX) {
		now = client_due > now ? client_due : now;
		coax_exchange_tick(client, now);
	} else if (soonest == UINT64_MAX) {
		return false;
	} else {
		now = soonest > now ? soonest : now;
		if (flight >= 0) {
			land(flight);
		} else {
			change();
			*next_change = now + (draw(20) ? draw(500) : draw(20000)) * MS;
		}
	}
	return true;
}

static void run(uint64_t seed, uint32_t loss)
{
	static const struct coax_exchange_ops server_ops = {.send = server_sends,
							    .request = server_runs,
							    .compose = compose,
							    .notified = notified};
	static const struct coax_exchange_ops client_ops = {.send = client_sends,
							    .request = client_refuses};
	int up_to_date = 0;
	uint64_t next_change;

	now = 1000 * 1000 * MS;
	next_change = now + 1000 * MS;
	random_state = seed;
	loss_percent = loss;
	server = layer(&server_ops, &server_stats, (uint32_t)seed);
	client = layer(&client_ops, &client_stats, (uint32_t)seed + 1);
	for (int i = 0; i < OBSERVERS; i++)
		observe(i);
	while (step(&next_change))
		;

	for (int i = 0; i < OBSERVERS; i++) {
		struct observer *observer = &observers[i];

		if (observer->cancelled)
			EXPECT_TRUE(observer->lost);
		if (observer->cancelled || observer->lost || observer->last)
			continue;
		EXPECT_EQ(observer->seen, (uint32_t)CHANGES);
		EXPECT_FALSE(observer->notice.unacknowledged);
		up_to_date++;
	}
	EXPECT_GT(up_to_date, OBSERVERS / 2);
	/* It has been a test only if things went wrong. */
	EXPECT_GT(server_stats.retransmissions, 1000u);
	EXPECT_EQ((int)(server_stats.malformed + client_stats.malformed), 0);
	coax_exchange_destroy(client);
	coax_exchange_destroy(server);
	for (int i = 0; i < OBSERVERS; i++)
		EXPECT_EQ(observers[i].last, 1);
}

TEST("with 10 % loss, all observers that are not given up have the last state in the end")
{
	run(20240607, 10);
}

TEST("with little loss, none is given up")
{
	run(99, 2);
	for (int i = 0; i < OBSERVERS; i++)
		EXPECT_EQ(observers[i].lost, observers[i].cancelled);
}

TEST_MAIN()
