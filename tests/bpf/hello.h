/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ClientHellos and what answers them, built byte by byte from RFC 6347 sections 4.1 and 4.2 and
 * without a line of the program under test; only the cookie is the one of <coax/cookie.h>.
 */
#ifndef COAX_TEST_HELLO_H
#define COAX_TEST_HELLO_H

#include "fixture.h"

#define HELLO_PERIOD	 COAX_COOKIE_PERIOD_NS
#define HELLO_MAX	 512
#define HELLO_VERIFY_MAX 64
/* Where a ClientHello has what, in its datagram. */
#define HELLO_AT_EPOCH		 3
#define HELLO_AT_RECORD_LENGTH	 11
#define HELLO_AT_TYPE		 13
#define HELLO_AT_LENGTH		 14
#define HELLO_AT_OFFSET		 19
#define HELLO_AT_FRAGMENT_LENGTH 22
#define HELLO_AT_VERSION	 25
#define HELLO_AT_RANDOM		 27
#define HELLO_AT_SESSION	 59
#define HELLO_MIN		 61 /* up to the length of the cookie */

struct hello {
	uint16_t record_version;
	uint16_t version;
	uint16_t message_sequence;
	uint8_t record_sequence[6];
	uint8_t random[32];
	uint8_t session[32];
	size_t session_length;
	uint8_t cookie[255];
	size_t cookie_length;
	size_t rest; /* bytes behind the cookie: cipher suites and so on */
};

static inline struct hello hello_default(void)
{
	struct hello hello = {
		.record_version = 0xfeff,
		.version = 0xfefd,
		.record_sequence = {1, 2, 3, 4, 5, 6},
		.rest = 40,
	};

	for (size_t i = 0; i < sizeof(hello.random); i++)
		hello.random[i] = (uint8_t)(i * 7 + 3);
	for (size_t i = 0; i < sizeof(hello.session); i++)
		hello.session[i] = (uint8_t)(i * 11 + 5);
	return hello;
}

static inline void hello_put24(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 16);
	frame_put16(at + 1, (uint16_t)value);
}

static inline size_t hello_get24(const uint8_t *at)
{
	return (size_t)at[0] << 16 | frame_get16(at + 1);
}

/* A record of one handshake message, in one fragment. Returns its length. */
static inline size_t hello_put_headers(uint8_t *at, uint16_t version, const uint8_t *sequence,
				       uint8_t type, uint16_t message_sequence, size_t body)
{
	at[0] = 22;
	frame_put16(at + 1, version);
	frame_put16(at + HELLO_AT_EPOCH, 0);
	memcpy(at + 5, sequence, 6);
	frame_put16(at + HELLO_AT_RECORD_LENGTH, (uint16_t)(12 + body));
	at[HELLO_AT_TYPE] = type;
	hello_put24(at + HELLO_AT_LENGTH, body);
	frame_put16(at + 17, message_sequence);
	hello_put24(at + HELLO_AT_OFFSET, 0);
	hello_put24(at + HELLO_AT_FRAGMENT_LENGTH, body);
	return 25 + body;
}

static inline size_t hello_message(uint8_t *at, const struct hello *hello)
{
	size_t body = 34 + 1 + hello->session_length + 1 + hello->cookie_length + hello->rest;
	uint8_t *to = at + HELLO_AT_VERSION;

	frame_put16(to, hello->version);
	memcpy(to + 2, hello->random, 32);
	to += 34;
	*to++ = (uint8_t)hello->session_length;
	memcpy(to, hello->session, hello->session_length);
	to += hello->session_length;
	*to++ = (uint8_t)hello->cookie_length;
	memcpy(to, hello->cookie, hello->cookie_length);
	memset(to + hello->cookie_length, 0x5a, hello->rest);
	return hello_put_headers(at, hello->record_version, hello->record_sequence, 1,
				 hello->message_sequence, body);
}

/* Of a ClientHello whose lengths are right: what it is answered with. Returns its length. */
static inline size_t hello_verify(uint8_t *at, const uint8_t *request,
				  const uint8_t cookie[COAX_COOKIE_LENGTH])
{
	frame_put16(at + 25, 0xfeff);
	at[27] = COAX_COOKIE_LENGTH;
	memcpy(at + 28, cookie, COAX_COOKIE_LENGTH);
	return hello_put_headers(at, 0xfeff, request + 5, 3, 0, 3 + COAX_COOKIE_LENGTH);
}

/* Of a ClientHello that comes by the flow, as userspace computes it. */
static inline void hello_cookie(uint8_t cookie[COAX_COOKIE_LENGTH],
				const struct coax_cookie_key *key, const struct frame_flow *flow,
				const uint8_t *request, uint8_t period)
{
	struct coax_cookie_input input = {.period = period};
	uint64_t hash;

	if (flow->ipv6) {
		memcpy(input.address, flow->source_ip, 16);
	} else {
		memset(input.address + 10, 0xff, 2);
		memcpy(input.address + 12, flow->source_ip, 4);
	}
	frame_put16(input.port, flow->source_port);
	input.session_length = request[HELLO_AT_SESSION];
	memcpy(input.version, request + HELLO_AT_VERSION, 2);
	memcpy(input.random, request + HELLO_AT_RANDOM, 32);
	memcpy(input.session, request + HELLO_AT_SESSION + 1, input.session_length);
	hash = coax_cookie(key, &input);
	cookie[0] = period;
	memcpy(cookie + 1, &hash, sizeof(hash));
}

#endif
