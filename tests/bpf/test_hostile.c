// SPDX-License-Identifier: BSD-2-Clause
/* Frames that nobody sends in good faith: each is answered, dropped or passed as it came. */
#include "exchange.h"

/* xorshift: the same frames each time. */
static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

/* Returns the action. */
static int expect_sane(const struct kernel *kernel, const struct frame *frame)
{
	struct verdict verdict;

	ASSERT_EQ(kernel_run(kernel, frame, &verdict), 0);
	ASSERT_TRUE(verdict.action == XDP_PASS || verdict.action == XDP_TX ||
		    verdict.action == XDP_DROP);
	if (verdict.action == XDP_PASS) {
		ASSERT_EQ(verdict.length, frame->length);
		ASSERT_MEMEQ(verdict.bytes, frame->bytes, frame->length);
	}
	return verdict.action;
}

TEST("a request cut off at any length passes")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		for (exchange.flow.tags = 0; exchange.flow.tags <= 2; exchange.flow.tags++) {
			struct frame frame;

			exchange_request(&exchange, &frame);
			for (frame.length--; frame.length >= 14; frame.length--)
				ASSERT_EQ(expect_sane(&kernel, &frame), XDP_PASS);
		}
	}
	kernel_close(&kernel);
}

TEST("a message cut off at any length, in headers that agree, is never taken for the whole")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame whole, frame;

		exchange_request(&exchange, &whole);
		for (size_t length = 0; length < whole.length - whole.coap; length++) {
			frame_build(&frame, &exchange.flow, whole.bytes + whole.coap, length);
			if (length < 4)
				EXPECT_OUTCOME(&kernel, &frame, drop_short);
			else if (length < 4 + exchange.token_length)
				EXPECT_OUTCOME(&kernel, &frame, reset_token);
			else
				EXPECT_OUTCOME(&kernel, &frame, pass_unknown);
		}
	}
	kernel_close(&kernel);
}

TEST_TIMEOUT("frames of random bytes pass", 120)
{
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	for (int i = 0; i < 50000; i++) {
		frame.length = 14 + random_number() % 200;
		for (size_t at = 0; at < frame.length; at++)
			frame.bytes[at] = (uint8_t)random_number();
		if (i % 2)
			memcpy(frame.bytes, kernel_mac, 6);
		ASSERT_EQ(expect_sane(&kernel, &frame), XDP_PASS);
	}
	kernel_close(&kernel);
}

static void mutate(struct frame *frame)
{
	uint32_t at = random_number() % (uint32_t)frame->length;

	switch (random_number() % 6) {
	case 0:
		frame->bytes[at] ^= (uint8_t)(1 << random_number() % 8);
		break;
	case 1:
		frame->bytes[at] = (uint8_t)random_number();
		break;
	case 2:
		frame->bytes[at] = random_number() % 2 ? 0xff : 0;
		break;
	case 3:
		if (at >= 14)
			frame->length = at;
		break;
	case 4:
		frame->length += random_number() % 64;
		break;
	default:
		/* Behind the checks that would stop it: the message itself. */
		if (frame->coap + 1 < frame->length)
			frame->bytes[frame->coap + random_number() % 2] = (uint8_t)random_number();
		break;
	}
}

TEST_TIMEOUT("requests with a few bytes or lengths changed are answered or pass", 120)
{
	struct kernel kernel;
	struct frame frame;
	int answered = 0;

	exchange_open(&kernel);
	for (int i = 0; i < 100000; i++) {
		struct exchange exchange = exchange_default(random_number() % 2);

		exchange.flow.tags = random_number() % 3;
		exchange.type = (uint8_t)(random_number() % 2);
		exchange.token_length = random_number() % (COAX_TOKEN_MAX + 1);
		exchange.flow.checksum = random_number() % 3;
		exchange.flow.padding = random_number() % 2 ? random_number() % 64 : 0;
		memset(frame.bytes + 150, 0, 200);
		exchange_request(&exchange, &frame);
		for (uint32_t changes = random_number() % 4; changes; changes--)
			mutate(&frame);
		answered += expect_sane(&kernel, &frame) == XDP_TX;
	}
	EXPECT_GT(answered, 10000);
	EXPECT_LT(answered, 90000);
	kernel_close(&kernel);
}

TEST_TIMEOUT("whatever is in slots and index, no frame is passed half changed", 120)
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	for (int i = 0; i < 50000; i++) {
		uint8_t *slot = (uint8_t *)&kernel.slots[EXCHANGE_SLOT];

		/* The first cache line, where everything that the program believes stands. */
		slot[random_number() % 64] = (uint8_t)random_number();
		if (i % 16 == 0)
			exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
		expect_sane(&kernel, &frame);
	}
	kernel_close(&kernel);
}

TEST("a frame in several buffers passes")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange.flow.padding = FRAME_MAX - 200;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_unusual);
	kernel_close(&kernel);
}

TEST_MAIN()
