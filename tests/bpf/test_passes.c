// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel leaves to userspace, each for its own reason, and always as it came; beside it,
 * what it rejects. */
#include <time.h>
#include "oddities.h"

static void expect_oddity(const struct kernel *kernel, const struct oddity *oddity, bool ipv6,
			  unsigned int tags)
{
	struct exchange exchange = exchange_default(ipv6);
	struct frame frame;
	struct verdict verdict;

	memset(&frame, 0, sizeof(frame));
	exchange.flow.tags = tags;
	exchange_request(&exchange, &frame);
	oddity->change(&frame);
	/* Only what was changed is wrong. */
	frame_fix_ip_checksum(&frame);
	if (frame.transport + frame_get16(frame.bytes + frame.transport + 4) <= frame.length &&
	    frame_get16(frame.bytes + frame.transport + 4) >= 8)
		frame_fix_udp_checksum(&frame, FRAME_CHECKSUM_FULL);
	kernel_expect(kernel, &frame, oddity->outcome, &verdict, oddity->sentence);
}

TEST("what is not a whole, plain request to one of our endpoints passes as it came, or is rejected")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (size_t i = 0; i < sizeof(oddities) / sizeof(*oddities); i++) {
		for (unsigned int tags = 0; tags <= 2; tags++) {
			/* With tags, what stands at 12 is not yet the protocol of the packet. */
			if (tags && oddities[i].change == swapped_protocol)
				continue;
			if (oddities[i].ipv4)
				expect_oddity(&kernel, &oddities[i], false, tags);
			if (oddities[i].ipv6)
				expect_oddity(&kernel, &oddities[i], true, tags);
		}
	}
	kernel_close(&kernel);
}

TEST("a packet behind three VLAN tags passes")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange.flow.tags = 2;
	exchange_request(&exchange, &frame);
	memmove(frame.bytes + 16, frame.bytes + 12, frame.length - 12);
	frame.length += 4;
	EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);
	kernel_close(&kernel);
}

TEST("an IPv4 packet whose header checksum is wrong passes")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	for (size_t bit = 0; bit < 160; bit++) {
		struct verdict verdict;

		exchange_request(&exchange, &frame);
		frame.bytes[frame.network + bit / 8] ^= (uint8_t)(1 << bit % 8);
		ASSERT_EQ(kernel_run(&kernel, &frame, &verdict), 0);
		EXPECT_EQ(verdict.action, XDP_PASS);
	}
	kernel_close(&kernel);
}

TEST("IPv4 options are never taken for the start of a datagram")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	/* With options of four bytes, the UDP checksum would be our port. */
	exchange_open(&kernel);
	exchange.flow.source_port = 0;
	exchange_request(&exchange, &frame);
	exchange.flow.source_port =
		frame_sum((uint8_t[]){(uint8_t) ~(COAX_PORT >> 8), (uint8_t)~COAX_PORT}, 2,
			  frame_udp_checksum(&frame));
	exchange_request(&exchange, &frame);
	ASSERT_EQ(frame_get16(udp(&frame) + 6), COAX_PORT);
	EXPECT_OUTCOME(&kernel, &frame, reply);
	ip(&frame)[0] = 0x46;
	frame_put16(ip(&frame) + 10, 0);
	frame_put16(ip(&frame) + 10, (uint16_t)~frame_sum(ip(&frame), 20, 0));
	EXPECT_OUTCOME(&kernel, &frame, pass_unusual);
	kernel_close(&kernel);
}

TEST("UDP over IPv6 without a checksum passes")
{
	struct exchange exchange = exchange_default(true);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange.flow.checksum = FRAME_CHECKSUM_ZERO;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_checksum);
	kernel_close(&kernel);
}

TEST("while it is switched off, everything passes, and nothing more is looked at")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	kernel.config->enabled = 0;
	EXPECT_OUTCOME(&kernel, &frame, pass_disabled);
	frame.bytes[0] ^= 2;
	EXPECT_OUTCOME(&kernel, &frame, pass_disabled);
	kernel.config->enabled = 1;
	exchange_expect(&kernel, &exchange, "switched on again");
	kernel_close(&kernel);
}

TEST("without a MAC address no packet is ours, not even one to the zero address")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	memset(kernel.link->mac, 0, 6);
	EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);
	memset(frame.bytes, 0, 6);
	EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);
	kernel_close(&kernel);
}

/* By the clock that the program reads. On a machine that is busy it is far behind the finer one. */
static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

TEST("when the lease has run out, neither requests nor pings are answered")
{
	static const uint8_t ping[] = {0x40, 0x00, 0x12, 0x34};
	struct exchange exchange = exchange_default(true);
	struct kernel kernel;
	struct frame request, empty;

	exchange_open(&kernel);
	exchange_request(&exchange, &request);
	frame_build(&empty, &exchange.flow, ping, sizeof(ping));

	kernel.config->lease = now() + 100000000000;
	exchange_expect(&kernel, &exchange, "under the lease");
	kernel.config->lease = now() - 100000000;
	EXPECT_OUTCOME(&kernel, &request, pass_lease);
	EXPECT_OUTCOME(&kernel, &empty, pass_lease);
	kernel.config->lease = 0;
	EXPECT_OUTCOME(&kernel, &request, pass_lease);
	kernel.config->lease = COAX_NEVER;
	exchange_expect(&kernel, &exchange, "under the next lease");
	kernel_close(&kernel);
}

TEST("a reply is sent before its deadline, and not from then on, however it was found")
{
	struct exchange exchange = exchange_default(false);
	struct coax_slot *slot;
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	slot = &kernel.slots[EXCHANGE_SLOT];
	for (int round = 0; round < 2; round++) {
		slot->deadline = now() - 100000000;
		EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
		slot->deadline = 0;
		EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
		slot->deadline = now() + 100000000000;
		exchange_expect(&kernel, &exchange, "before its deadline");
		slot->deadline = COAX_NEVER;
		exchange_expect(&kernel, &exchange, "without deadline");
	}
	kernel_close(&kernel);
}

TEST("while a slot is being written, its reply is not sent")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	for (int round = 0; round < 2; round++) {
		kernel.slots[EXCHANGE_SLOT].sequence++;
		EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
		kernel.slots[EXCHANGE_SLOT].sequence++;
		exchange_expect(&kernel, &exchange, "written");
	}
	kernel_close(&kernel);
}

/* What a slot must have in common with a request. */
static void another_service(struct coax_slot *slot)
{
	slot->service++;
}

static void another_code(struct coax_slot *slot)
{
	slot->key_code = COAX_FETCH;
}

static void another_length(struct coax_slot *slot)
{
	slot->key_length++;
}

static void another_first_byte(struct coax_slot *slot)
{
	slot->key[0] ^= 0x80;
}

static void another_last_byte(struct coax_slot *slot)
{
	slot->key[slot->key_length - 1] ^= 1;
}

static void reply_too_long(struct coax_slot *slot)
{
	slot->reply_length = COAX_REPLY_MAX + 1;
}

static void reply_much_too_long(struct coax_slot *slot)
{
	slot->reply_length = 0xffff;
}

TEST("an index entry that leads to another request's slot answers nothing")
{
	static void (*const changes[])(struct coax_slot *) = {
		another_service,   another_code,   another_length,	another_first_byte,
		another_last_byte, reply_too_long, reply_much_too_long,
	};
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_request(&exchange, &frame);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct coax_slot saved;

		for (int remembered = 0; remembered < 2; remembered++) {
			saved = kernel.slots[EXCHANGE_SLOT];
			changes[i](&kernel.slots[EXCHANGE_SLOT]);
			EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
			kernel.slots[EXCHANGE_SLOT] = saved;
			exchange_expect(&kernel, &exchange, "restored");
		}
	}
	kernel_close(&kernel);
}

TEST("of a request of any length, each byte decides")
{
	uint8_t request[COAX_KEY_MAX];
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_fill(request, sizeof(request), 7);
	for (size_t length = 1; length <= sizeof(request); length++) {
		struct exchange exchange = exchange_default(length % 2);
		struct coax_slot *slot = &kernel.slots[EXCHANGE_SLOT];

		exchange.request = request;
		exchange.request_length = length;
		exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
		exchange_expect(&kernel, &exchange, "published");
		exchange_request(&exchange, &frame);
		for (size_t at = 0; at < length; at++) {
			slot->key[at] ^= 1;
			EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
			slot->key[at] ^= 1;
		}
		exchange_expect(&kernel, &exchange, "restored");
	}
	kernel_close(&kernel);
}

TEST("an index entry that leads to no slot answers nothing")
{
	struct coax_index_value value = {.slot = KERNEL_SLOTS};
	uint8_t request[] = {0xb1, 'q'};
	struct coax_index_key key = kernel_index_key(request, sizeof(request));
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange.request = request;
	exchange.request_length = sizeof(request);
	exchange_request(&exchange, &frame);
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "index"), &key, &value, BPF_ANY), 0);
	EXPECT_OUTCOME(&kernel, &frame, pass_withdrawn);
	kernel_close(&kernel);
}

TEST("endpoints of different services share no replies")
{
	struct exchange exchange = exchange_default(false);
	struct coax_endpoint_key key = {.port_be = htobe16(COAX_PORT_SECURE)};
	struct coax_endpoint_value value = {.service = KERNEL_SERVICE + 1};
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	key.address[10] = key.address[11] = 0xff;
	memcpy(key.address + 12, exchange.flow.destination_ip, 4);
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "endpoints"), &key, &value, BPF_ANY), 0);
	exchange_expect(&kernel, &exchange, "the one service");
	exchange.flow.destination_port = COAX_PORT_SECURE;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_unknown);
	kernel_close(&kernel);
}

TEST_MAIN()
