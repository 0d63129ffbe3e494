// SPDX-License-Identifier: BSD-2-Clause
/*
 * Clients and a server, all of them exchange layers, over a network that loses, doubles and
 * reorders datagrams (RFC 7252 section 4: that is what UDP may do), against what must hold all the
 * same.
 */
#include "../harness.h"

#include <coax/option.h>
#include "exchange/exchange.h"

#define MS	     1000000ULL
#define CLIENTS	     7
#define REQUESTS     20000u
#define IN_FLIGHT    4096
#define HELD_MAX     256
#define LOSS_PERCENT 15

struct flight {
	uint64_t due;
	struct coax_path path; /* as the receiver sees it */
	size_t length;
	bool to_server;
	uint8_t data[64];
};

struct held {
	uint64_t due;
	struct coax_path path;
	struct coax_ticket ticket;
	uint32_t number;
	uint8_t token[COAX_TOKEN_MAX];
	uint32_t token_length;
};

struct request {
	uint8_t code;
	int runs;
	int results;
	int result;
};

static uint64_t now = 1000 * 1000 * MS;
static uint64_t random_state;
static struct coax_exchange *server, *clients[CLIENTS];
static struct coax_context_stats server_stats, client_stats[CLIENTS];
static struct flight flights[IN_FLIGHT];
static int flight_count;
static struct held held[HELD_MAX];
static int held_count;
static struct request requests[REQUESTS];

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % below;
}

/* Mostly quick, now and then seconds late, so that retransmissions overtake. */
static uint64_t delay(void)
{
	return (draw(10) ? draw(100) : draw(30000)) * MS;
}

static void fly(bool to_server, const struct coax_path *path, const uint8_t *data, size_t length)
{
	int copies = draw(100) < LOSS_PERCENT ? 0 : draw(5) ? 1 : 2 + (int)draw(2);

	ASSERT_LE(length, sizeof(flights[0].data));
	while (copies--) {
		struct flight *flight = &flights[flight_count++];

		ASSERT_LT(flight_count, IN_FLIGHT);
		flight->due = now + delay();
		flight->path = *path;
		flight->path.remote = path->local;
		flight->path.local = path->remote;
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

static void answer(const struct coax_path *path, struct coax_ticket ticket, const uint8_t *token,
		   uint32_t token_length, uint32_t number)
{
	uint8_t buffer[64];
	struct coax_message response;

	coax_message_start(&response, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, 0, token,
			   token_length);
	coax_message_set_payload(&response, &number, sizeof(number));
	coax_exchange_respond(server, now, path, ticket, &response);
}

static uint32_t number_in(const struct coax_message *message)
{
	uint32_t number;
	size_t length;
	const uint8_t *payload = coax_message_payload(message, &length);

	ASSERT_EQ(length, sizeof(number));
	memcpy(&number, payload, sizeof(number));
	ASSERT_LT(number, REQUESTS);
	return number;
}

static void server_runs(void *arg, const struct coax_path *path, const struct coax_message *request,
			struct coax_ticket ticket)
{
	uint32_t number = number_in(request);
	struct held *later = &held[held_count];

	(void)arg;
	requests[number].runs++;
	if (draw(3)) {
		answer(path, ticket, coax_message_token(request),
		       coax_message_token_length(request), number);
		return;
	}
	ASSERT_LT(held_count, HELD_MAX);
	if (coax_exchange_hold(server, now, path, ticket, request))
		return;
	/* Some handlers take so long that the client has given up, or that they are too late. */
	later->due = now + (draw(20) ? draw(5000) : draw(120000)) * MS;
	later->path = *path;
	later->ticket = ticket;
	later->number = number;
	later->token_length = coax_message_token_length(request);
	memcpy(later->token, coax_message_token(request), later->token_length);
	held_count++;
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

static void client_gets(void *arg, int result, const struct coax_message *response,
			const struct coax_path *from, bool last)
{
	struct request *request = arg;

	(void)from;
	EXPECT_TRUE(last);
	request->results++;
	request->result = result;
	if (result)
		return;
	/* Each response is to this request and no other. */
	if (coax_message_code(response) == COAX_CONTENT)
		EXPECT_EQ(number_in(response), (uint32_t)(request - requests));
	else
		EXPECT_EQ((int)coax_message_code(response), COAX_SERVICE_UNAVAILABLE);
	EXPECT_GE(request->runs, 1);
}

static const struct coax_exchange_ops server_ops = {.send = server_sends, .request = server_runs};
static const struct coax_exchange_ops client_ops = {.send = client_sends,
						    .request = client_refuses};

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
			   .deferred_max = 256},
	};
	struct coax_exchange *exchange;

	ASSERT_EQ(coax_exchange_create(&exchange, &options), 0);
	return exchange;
}

static struct coax_path path_of(int client)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.local.in.sin_family = AF_INET;
	path.local.in.sin_addr.s_addr = htonl(0xc0000201 + (uint32_t)client / 3);
	path.local.in.sin_port = htons((uint16_t)(40000 + client));
	path.remote.in.sin_family = AF_INET;
	path.remote.in.sin_addr.s_addr = htonl(0xc0000264);
	path.remote.in.sin_port = htons(5683);
	return path;
}

static void ask(int client, uint32_t number)
{
	static const uint8_t codes[] = {COAX_GET,   COAX_POST,	COAX_PUT,    COAX_DELETE,
					COAX_FETCH, COAX_PATCH, COAX_IPATCH, COAX_POST};
	struct coax_ask options = {.non_confirmable = !draw(3)};
	struct coax_path path = path_of(client);
	struct coax_message message;
	uint8_t buffer[64];

	requests[number].code = codes[draw(sizeof(codes))];
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, requests[number].code,
			   0, NULL, 0);
	coax_message_set_payload(&message, &number, sizeof(number));
	ASSERT_EQ(coax_exchange_request(clients[client], now, &path, &message, &options,
					client_gets, &requests[number], NULL),
		  0);
}

static void land(int at)
{
	struct flight flight = flights[at];
	int client = ntohs(flight.path.local.in.sin_port) - 40000;

	flights[at] = flights[--flight_count];
	coax_exchange_receive(flight.to_server ? server : clients[client], now, &flight.path,
			      flight.data, flight.length, false);
}

static void finish_held(int at)
{
	struct held done = held[at];

	held[at] = held[--held_count];
	answer(&done.path, done.ticket, done.token, done.token_length, done.number);
}

/* The next thing that happens. Returns false when nothing will. */
static bool step(uint64_t *next_request, uint32_t *asked)
{
	uint64_t soonest = *asked < REQUESTS ? *next_request : UINT64_MAX, due;
	int flight = -1, done = -1, ticking = -1;

	for (int i = 0; i < flight_count; i++) {
		if (flights[i].due < soonest) {
			soonest = flights[i].due;
			flight = i;
		}
	}
	for (int i = 0; i < held_count; i++) {
		if (held[i].due < soonest) {
			soonest = held[i].due;
			done = i;
		}
	}
	for (int i = 0; i <= CLIENTS; i++) {
		due = coax_exchange_deadline(i < CLIENTS ? clients[i] : server);
		if (due < soonest) {
			soonest = due;
			ticking = i;
		}
	}
	if (soonest == UINT64_MAX)
		return false;

	now = soonest > now ? soonest : now;
	if (ticking >= 0) {
		coax_exchange_tick(ticking < CLIENTS ? clients[ticking] : server, now);
	} else if (done >= 0) {
		finish_held(done);
	} else if (flight >= 0) {
		land(flight);
	} else {
		ask((int)draw(CLIENTS), (*asked)++);
		*next_request = now + draw(1000) * MS;
	}
	return true;
}

static void run(uint64_t seed)
{
	uint64_t next_request = now;
	uint32_t asked = 0;
	uint32_t answered = 0;

	random_state = seed;
	server = layer(&server_ops, &server_stats, (uint32_t)seed);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = layer(&client_ops, &client_stats[i], (uint32_t)seed + 1 + (uint32_t)i);

	while (step(&next_request, &asked))
		;
	EXPECT_EQ(asked, REQUESTS);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		bool safe = requests[i].code == COAX_GET || requests[i].code == COAX_FETCH;

		EXPECT_EQ(requests[i].results, 1);
		if (!safe)
			EXPECT_LE(requests[i].runs, 1);
		if (requests[i].result)
			EXPECT_EQ(requests[i].result, -ETIMEDOUT);
		answered += requests[i].result == 0;
	}
	/* It has been a test only if things went wrong, and yet most went well. */
	EXPECT_GT(answered, REQUESTS * 3 / 4);
	EXPECT_GT(server_stats.duplicates, REQUESTS / 10);
	EXPECT_GT(server_stats.retransmissions, REQUESTS / 100);
	EXPECT_GT(client_stats[0].retransmissions, REQUESTS / 100);
	EXPECT_EQ((int)server_stats.malformed, 0);

	coax_exchange_destroy(server);
	for (int i = 0; i < CLIENTS; i++)
		coax_exchange_destroy(clients[i]);
}

TEST("over a bad network, what is not safe runs once, and each request completes once")
{
	run(20240607);
}

TEST("so it does on another day")
{
	run(99);
}

TEST_MAIN()
