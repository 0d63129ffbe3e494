// SPDX-License-Identifier: BSD-2-Clause
/* Drivers that have no room for a longer frame, and writers that get in between. */
#include "hooks.h"

TEST("where nothing fits behind the frame, a longer reply grows in front of it")
{
	struct kernel kernel;
	volatile struct hooks *hooks = hooked_open(&kernel);
	uint8_t reply[200];

	hooks->no_tail = 1;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		exchange.reply = reply;
		for (size_t length = 0; length <= sizeof(reply); length++) {
			exchange_fill(reply, sizeof(reply), (uint8_t)length);
			exchange.reply_length = length;
			exchange.token_length = length % (COAX_TOKEN_MAX + 1);
			exchange.flow.tags = length % 3;
			exchange.flow.checksum = length % 2;
			exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
			exchange_expect(&kernel, &exchange, "at the head");
		}
	}
	kernel_close(&kernel);
}

TEST("where a reply fits neither behind nor in front, the request passes as it came")
{
	struct exchange exchange = exchange_default(true);
	struct kernel kernel;
	volatile struct hooks *hooks = hooked_open(&kernel);
	struct frame frame;

	hooks->no_tail = hooks->no_head = 1;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_no_room);
	kernel_close(&kernel);
}

TEST("the headroom ends somewhere: a reply that needs more passes as it came")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	volatile struct hooks *hooks = hooked_open(&kernel);
	uint8_t reply[COAX_REPLY_MAX];
	struct frame frame;

	hooks->no_tail = 1;
	exchange_fill(reply, sizeof(reply), 2);
	exchange.reply = reply;
	exchange.reply_length = sizeof(reply);
	exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_no_room);
	kernel_close(&kernel);
}

TEST("a reply of the request's length, or shorter, needs no room")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	volatile struct hooks *hooks = hooked_open(&kernel);

	hooks->no_tail = hooks->no_head = 1;
	for (size_t length = 0; length <= exchange.request_length; length++) {
		exchange.reply_length = length;
		exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
		exchange_expect(&kernel, &exchange, "no longer than the request");
	}
	kernel_close(&kernel);
}

TEST("a slot that changes under the reply lets the frame be dropped, never sent or passed")
{
	struct kernel kernel;
	volatile struct hooks *hooks = hooked_open(&kernel);

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame frame;

		exchange_request(&exchange, &frame);
		hooks->race_slot = EXCHANGE_SLOT;
		hooks->race = 1;
		EXPECT_OUTCOME(&kernel, &frame, drop_raced);
		EXPECT_EQ(kernel.slots[EXCHANGE_SLOT].used, 0);
		hooks->race_slot = EXCHANGE_SLOT + 1;
		exchange_expect(&kernel, &exchange, "another slot changed");
		kernel.slots[EXCHANGE_SLOT].used = 0;
		hooks->race = 0;
	}
	kernel_close(&kernel);
}

TEST_MAIN()
