/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request, the reply that was published for it, and the check that the one brings the other.
 */
#ifndef COAX_TEST_EXCHANGE_H
#define COAX_TEST_EXCHANGE_H

#include "fixture.h"

static const uint8_t exchange_token[8] = {0xc0, 0xff, 0xee, 0x01, 0x7f, 0x80, 0x00, 0xfe};

#define EXCHANGE_MESSAGE_ID 0xbeef

struct exchange {
	struct frame_flow flow;
	uint8_t type;
	size_t token_length;
	const void *request; /* bytes after the token */
	size_t request_length;
	uint8_t reply_code;
	const void *reply;
	size_t reply_length;
};

/* Uri-Path "a" is b1 61, and so on: five bytes that make an even and an odd length easy. */
static const uint8_t exchange_path[] = {0xb1, 'a', 0x03, 'x', 'y', 'z'};

/* Bytes that look like nothing else, `seed` apart. */
static inline void exchange_fill(uint8_t *bytes, size_t length, uint8_t seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 37 + (i >> 3) + seed);
}

static inline void exchange_request(const struct exchange *exchange, struct frame *frame)
{
	uint8_t message[FRAME_MAX];
	size_t length = frame_message(message, exchange->type, COAX_GET, EXCHANGE_MESSAGE_ID,
				      exchange_token, exchange->token_length, exchange->request,
				      exchange->request_length);

	frame_build(frame, &exchange->flow, message, length);
}

/* RFC 7252 section 5.2.1: piggybacked in the ACK; 5.2.3: a NON for a NON. The message ID as it
 * came. */
static inline void exchange_reply(const struct exchange *exchange, struct frame *frame)
{
	struct frame_flow back = frame_flow_back(&exchange->flow);
	uint8_t type = exchange->type == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON;
	uint8_t message[FRAME_MAX];
	size_t length = frame_message(message, type, exchange->reply_code, EXCHANGE_MESSAGE_ID,
				      exchange_token, exchange->token_length, exchange->reply,
				      exchange->reply_length);

	frame_build(frame, &back, message, length);
}

static inline void exchange_publish(const struct kernel *kernel, uint32_t slot,
				    const struct exchange *exchange)
{
	kernel_publish(kernel, slot, exchange->request, exchange->request_length,
		       exchange->reply_code, exchange->reply, exchange->reply_length);
}

static inline void exchange_expect_frame(const struct verdict *verdict, const struct frame *wanted,
					 const char *what)
{
	if (verdict->action == XDP_TX && verdict->length == wanted->length &&
	    memcmp(verdict->bytes, wanted->bytes, wanted->length) == 0)
		return;
	HARNESS_SAY("%s: not the reply that was published", what);
	harness_hex("got", verdict->bytes, verdict->length);
	harness_hex("wanted", wanted->bytes, wanted->length);
	harness_failed = 1;
}

/* The request is answered, by exactly the frame that the RFCs and what was published make. */
static inline void exchange_expect(const struct kernel *kernel, const struct exchange *exchange,
				   const char *what)
{
	struct frame request, wanted;
	struct verdict verdict;

	exchange_request(exchange, &request);
	exchange_reply(exchange, &wanted);
	kernel_expect(kernel, &request, offsetof(struct coax_stats, reply), &verdict, what);
	exchange_expect_frame(&verdict, &wanted, what);
}

/* An exchange over IPv4 or IPv6 that a kernel with exchange_open() answers from slot 3. */
static inline struct exchange exchange_default(bool ipv6)
{
	static uint8_t reply[66];
	struct exchange exchange = {
		.flow = kernel_flow(ipv6),
		.type = COAX_TYPE_CON,
		.token_length = 4,
		.request = exchange_path,
		.request_length = sizeof(exchange_path),
		.reply_code = COAX_CONTENT,
		.reply = reply,
		.reply_length = sizeof(reply),
	};

	exchange_fill(reply, sizeof(reply), 1);
	return exchange;
}

#define EXCHANGE_SLOT 3

static inline void exchange_open(struct kernel *kernel)
{
	struct exchange v4 = exchange_default(false), v6 = exchange_default(true);

	kernel_open(kernel);
	kernel_add_endpoint(kernel, &v4.flow);
	kernel_add_endpoint(kernel, &v6.flow);
	exchange_publish(kernel, EXCHANGE_SLOT, &v4);
}

#endif
