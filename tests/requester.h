/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of a Context, and the peer that they go to: a socket that answers what the test says.
 */
#ifndef COAX_TEST_REQUESTER_H
#define COAX_TEST_REQUESTER_H

#include <arpa/inet.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <coax/coax.h>
#include "context.h"
#include "harness.h"

#define PEER_PATIENCE_MS 5000

struct peer {
	int fd;
	union coax_address address;
	struct sockaddr_in requester;
	uint8_t bytes[4096];
	struct coax_message request; /* the latest */
	uint8_t reply_bytes[4096];
	struct coax_message reply;
};

static inline void peer_open_at(struct peer *peer, const char *address)
{
	socklen_t length = sizeof(peer->address.in);

	*peer = (struct peer){.address.in = {.sin_family = AF_INET}};
	ASSERT_EQ(inet_pton(AF_INET, address, &peer->address.in.sin_addr), 1);
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(peer->fd, &peer->address.sa, length), 0);
	ASSERT_EQ(getsockname(peer->fd, &peer->address.sa, &length), 0);
}

static inline void peer_open(struct peer *peer)
{
	peer_open_at(peer, "127.0.0.1");
}

/* Whether a message comes within some time; it is the request then. */
static inline bool peer_takes_within(struct peer *peer, int ms)
{
	struct pollfd readable = {.fd = peer->fd, .events = POLLIN};
	socklen_t length = sizeof(peer->requester);
	ssize_t got;

	if (poll(&readable, 1, ms) != 1)
		return false;
	got = recvfrom(peer->fd, peer->bytes, sizeof(peer->bytes), 0,
		       (struct sockaddr *)&peer->requester, &length);
	ASSERT_GT(got, 0);
	ASSERT_EQ(coax_message_parse(&peer->request, peer->bytes, (size_t)got), 0);
	return true;
}

static inline void peer_take(struct peer *peer)
{
	ASSERT_TRUE(peer_takes_within(peer, PEER_PATIENCE_MS));
}

/* An answer to the latest request: piggybacked, or NON to a NON. */
static inline void peer_begin(struct peer *peer, uint8_t code)
{
	enum coax_type type =
		coax_message_type(&peer->request) == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON;

	ASSERT_EQ(coax_message_start(&peer->reply, peer->reply_bytes, sizeof(peer->reply_bytes),
				     type, code, coax_message_id(&peer->request),
				     coax_message_token(&peer->request),
				     coax_message_token_length(&peer->request)),
		  0);
}

static inline void peer_add_block(struct peer *peer, uint16_t option, uint32_t number, bool more,
				  uint8_t exponent)
{
	const struct coax_block block = {number, more, exponent};

	ASSERT_EQ(coax_message_add_block(&peer->reply, option, &block), 0);
}

static inline void peer_send(struct peer *peer)
{
	ASSERT_EQ(sendto(peer->fd, peer->reply.data, peer->reply.length, 0,
			 (struct sockaddr *)&peer->requester, sizeof(peer->requester)),
		  (ssize_t)peer->reply.length);
}

static inline void peer_answer(struct peer *peer, uint8_t code, const void *payload, size_t length)
{
	peer_begin(peer, code);
	if (length)
		ASSERT_EQ(coax_message_set_payload(&peer->reply, payload, length), 0);
	peer_send(peer);
}

static inline bool peer_was_sent(const struct peer *peer, uint16_t number)
{
	struct coax_option option;

	return coax_message_find(&peer->request, number, &option);
}

/* The latest request has, or has not (number -1), a block option of this value. */
static inline void peer_expect_block(const struct peer *peer, uint16_t option, int number,
				     bool more, uint8_t exponent)
{
	struct coax_block block;
	int found = coax_message_find_block(&peer->request, option, &block);

	EXPECT_EQ(found, number >= 0);
	if (found != 1 || number < 0)
		return;
	EXPECT_EQ(block.number, (uint32_t)number);
	EXPECT_EQ(block.more, more);
	EXPECT_EQ(block.exponent, exponent);
}

static inline size_t peer_payload_length(const struct peer *peer)
{
	size_t length;

	coax_message_payload(&peer->request, &length);
	return length;
}

/* What became of a request. */
struct outcome {
	sem_t told;
	atomic_int calls;
	int result;
	uint8_t code;
	bool has_response;
	size_t length; /* of the payload */
	uint8_t payload[1 << 17];
	struct coax_request *request;
	bool cancels; /* in the callback */
};

static inline void outcome_take(void *arg, int result, const struct coax_message *response,
				const union coax_address *remote)
{
	struct outcome *outcome = arg;
	const uint8_t *payload;

	(void)remote;
	atomic_fetch_add(&outcome->calls, 1);
	outcome->result = result;
	outcome->has_response = response;
	if (response) {
		outcome->code = coax_message_code(response);
		payload = coax_message_payload(response, &outcome->length);
		if (outcome->length && outcome->length <= sizeof(outcome->payload))
			memcpy(outcome->payload, payload, outcome->length);
	}
	if (outcome->cancels)
		coax_request_cancel(outcome->request);
	sem_post(&outcome->told);
}

static inline void outcome_wait(struct outcome *outcome)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	ASSERT_EQ(sem_timedwait(&outcome->told, &until), 0);
	EXPECT_EQ(outcome->calls, 1);
}

static inline void requester_nobody_logs(void *arg, enum coax_log_level level, const char *name,
					 const char *line)
{
	(void)arg;
	if (getenv("VERBOSE"))
		HARNESS_SAY("%s %s: %s", name, coax_log_level_name(level), line);
}

static inline struct coax_context *requester_start_at(unsigned int workers, const char *bind)
{
	return context_open((struct coax_context_options){
		.bind = &bind,
		.bind_count = 1,
		.workers = workers,
		.logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG},
	});
}

static inline struct coax_context *requester_start(unsigned int workers)
{
	return requester_start_at(workers, "127.0.0.1:0");
}

static inline struct coax_message request_message(uint8_t *buffer, size_t size, uint8_t code,
						  const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	if (path)
		ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, path), 0);
	return m;
}

static uint8_t requester_bytes[1 << 17];

__attribute__((constructor)) static inline void requester_fill(void)
{
	for (size_t i = 0; i < sizeof(requester_bytes); i++)
		requester_bytes[i] = (uint8_t)(i * 7 + (i >> 8) * 3);
}

/* Each byte tells its place. */
static inline const uint8_t *numbered_bytes(void)
{
	return requester_bytes;
}

#endif
