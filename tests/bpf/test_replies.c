// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel answers, compared byte for byte with frames that were built without it. */
#include "exchange.h"

static const char *family(bool ipv6)
{
	return ipv6 ? "IPv6" : "IPv4";
}

TEST("a CON is answered by an ACK and a NON by a NON, with its message ID and token of any length")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		for (uint8_t type = COAX_TYPE_CON; type <= COAX_TYPE_NON; type++) {
			for (size_t token = 0; token <= COAX_TOKEN_MAX; token++) {
				char what[64];

				snprintf(what, sizeof(what), "%s type %u token %zu", family(ipv6),
					 type, token);
				exchange.type = type;
				exchange.token_length = token;
				exchange_expect(&kernel, &exchange, what);
			}
		}
	}
	kernel_close(&kernel);
}

TEST("VLAN tags of a request, up to two of 802.1Q or 802.1ad, are on its reply")
{
	static const uint16_t protocols[][2] = {
		{0x8100, 0x8100}, {0x88a8, 0x8100}, {0x88a8, 0x88a8}};
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		for (size_t i = 0; i < 3; i++) {
			memcpy(exchange.flow.tag_protocol, protocols[i], sizeof(protocols[i]));
			for (exchange.flow.tags = 0; exchange.flow.tags <= 2; exchange.flow.tags++)
				exchange_expect(&kernel, &exchange, family(ipv6));
		}
	}
	kernel_close(&kernel);
}

TEST_TIMEOUT("requests and replies of every length, even and odd, get right checksums", 120)
{
	static const size_t replies[] = {0, 1, 2, 3, 63, 64, 65, 127, 511, 1024, 1087, 1088};
	uint8_t request[COAX_KEY_MAX], reply[COAX_REPLY_MAX];
	struct kernel kernel;

	exchange_open(&kernel);
	exchange_fill(request, sizeof(request), 3);
	exchange_fill(reply, sizeof(reply), 5);
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		for (size_t length = 0; length <= COAX_KEY_MAX; length++) {
			struct exchange exchange = exchange_default(length % 3 == 0);
			char what[64];

			exchange.request = request;
			exchange.request_length = length;
			exchange.reply = reply;
			exchange.reply_length = replies[i];
			exchange_publish(&kernel, 4, &exchange);
			for (size_t token = 0; token < 3; token++) {
				snprintf(what, sizeof(what), "request %zu reply %zu token %zu",
					 length, replies[i], token);
				exchange.token_length = token;
				exchange_expect(&kernel, &exchange, what);
			}
		}
	}
	kernel_close(&kernel);
}

TEST("frames are padded: the reply ends where its IP packet does")
{
	static const size_t paddings[] = {0, 1, 7, 18, 46, 200, 1500};
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		for (size_t i = 0; i < sizeof(paddings) / sizeof(*paddings); i++) {
			exchange.flow.padding = paddings[i];
			exchange_expect(&kernel, &exchange, family(ipv6));
		}
	}
	kernel_close(&kernel);
}

TEST("a request whose checksum the sender left to its network card gets a reply with a full one")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);

		exchange.flow.checksum = FRAME_CHECKSUM_PARTIAL;
		for (size_t token = 0; token <= COAX_TOKEN_MAX; token++) {
			exchange.token_length = token;
			exchange_expect(&kernel, &exchange, family(ipv6));
		}
	}
	kernel_close(&kernel);
}

TEST("an IPv4 request without a checksum gets a reply with one")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;

	exchange_open(&kernel);
	exchange.flow.checksum = FRAME_CHECKSUM_ZERO;
	for (size_t token = 0; token <= COAX_TOKEN_MAX; token++) {
		exchange.token_length = token;
		exchange_expect(&kernel, &exchange, "without checksum");
	}
	kernel_close(&kernel);
}

TEST("a checksum that comes out as zero is sent as 0xffff")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (int partial = 0; partial < 2; partial++) {
			struct exchange exchange = exchange_default(ipv6);
			uint8_t reply[66];
			struct frame wanted;

			/* Two bytes of the reply make up for all the rest. */
			exchange_fill(reply, sizeof(reply), 9);
			exchange.reply = reply;
			if (partial)
				exchange.flow.checksum = FRAME_CHECKSUM_PARTIAL;
			frame_put16(reply + 2, 0);
			exchange_reply(&exchange, &wanted);
			frame_put16(reply + 2, frame_udp_checksum(&wanted));
			exchange_reply(&exchange, &wanted);
			ASSERT_EQ(frame_get16(wanted.bytes + wanted.transport + 6), 0xffff);
			exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
			exchange_expect(&kernel, &exchange, family(ipv6));
		}
	}
	kernel_close(&kernel);
}

TEST("a request whose checksum is 0xffff, for zero, gets a right reply")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame request;

		exchange.flow.source_port = 0;
		exchange_request(&exchange, &request);
		exchange.flow.source_port = frame_udp_checksum(&request);
		exchange_request(&exchange, &request);
		ASSERT_EQ(frame_get16(request.bytes + request.transport + 6), 0xffff);
		exchange_expect(&kernel, &exchange, family(ipv6));
	}
	kernel_close(&kernel);
}

TEST("a request damaged on its way gets a reply whose checksum is wrong too")
{
	struct kernel kernel;
	int replies = 0;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame request, reply;
		struct verdict verdict;

		exchange.token_length = 7;
		exchange_request(&exchange, &request);
		for (size_t bit = request.network * 8; bit < request.length * 8; bit++) {
			request.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ASSERT_EQ(kernel_run(&kernel, &request, &verdict), 0);
			request.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (verdict.action != XDP_TX)
				continue;
			/* What no checksum covers: traffic class, flow label, hop limit. */
			if (ipv6 &&
			    (bit / 8 < request.network + 4 || bit / 8 == request.network + 7))
				continue;
			exchange_reply(&exchange, &reply);
			memcpy(reply.bytes, verdict.bytes, verdict.length);
			if (frame_get16(reply.bytes + reply.transport + 6) ==
			    frame_udp_checksum(&reply)) {
				HARNESS_SAY("%s: bit %zu", family(ipv6), bit);
				harness_failed = 1;
			}
			replies++;
		}
	}
	EXPECT_GT(replies, 200);
	kernel_close(&kernel);
}

TEST("an Empty CON is answered by a RST")
{
	static const uint8_t ping[] = {0x40, 0x00, 0x12, 0x34}, pong[] = {0x70, 0x00, 0x12, 0x34};
	static const size_t paddings[] = {0, 2, 18};
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (unsigned int i = 0; i < 9; i++) {
			struct frame_flow flow = kernel_flow(ipv6), back;
			struct frame request, wanted;
			struct verdict verdict;

			flow.padding = paddings[i / 3];
			flow.checksum = i % 3;
			if (ipv6 && flow.checksum == FRAME_CHECKSUM_ZERO)
				continue;
			frame_build(&request, &flow, ping, sizeof(ping));
			back = frame_flow_back(&flow);
			frame_build(&wanted, &back, pong, sizeof(pong));
			kernel_expect(&kernel, &request, offsetof(struct coax_stats, pong),
				      &verdict, family(ipv6));
			exchange_expect_frame(&verdict, &wanted, family(ipv6));
		}
	}
	kernel_close(&kernel);
}

TEST("the code of the reply is the published one")
{
	static const uint8_t codes[] = {COAX_VALID, COAX_NOT_FOUND, COAX_METHOD_NOT_ALLOWED};
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;

	exchange_open(&kernel);
	for (size_t i = 0; i < sizeof(codes); i++) {
		exchange.reply_code = codes[i];
		exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
		exchange_expect(&kernel, &exchange, "code");
	}
	kernel_close(&kernel);
}

TEST("requests that differ in one byte, or in length, get each its own reply")
{
	uint8_t requests[KERNEL_SLOTS][COAX_KEY_MAX], replies[KERNEL_SLOTS][20];
	struct exchange exchange = exchange_default(true);
	struct kernel kernel;

	exchange_open(&kernel);
	for (uint32_t i = 0; i < KERNEL_SLOTS; i++) {
		/* Half of them are prefixes of zeros, that padding could be mistaken for. */
		memset(requests[i], 0, sizeof(requests[i]));
		if (i % 2)
			requests[i][i] = 1;
		exchange_fill(replies[i], sizeof(replies[i]), (uint8_t)i);
	}
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < KERNEL_SLOTS; i++) {
			if (i == EXCHANGE_SLOT)
				continue;
			exchange.request = requests[i];
			exchange.request_length = i % 2 ? COAX_KEY_MAX : i;
			exchange.reply = replies[i];
			exchange.reply_length = sizeof(replies[i]);
			if (round == 0)
				exchange_publish(&kernel, i, &exchange);
			exchange_expect(&kernel, &exchange, "one of many");
		}
	}
	kernel_close(&kernel);
}

TEST("a reply that replaces another is sent from then on")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	uint8_t reply[300];

	exchange_open(&kernel);
	exchange.reply = reply;
	for (uint8_t i = 0; i < 5; i++) {
		exchange.reply_length = 60u * i;
		exchange_fill(reply, sizeof(reply), i);
		/* In the same slot, and in another one. */
		exchange_publish(&kernel, EXCHANGE_SLOT + i / 2, &exchange);
		if (i % 2 == 0 && i)
			kernel.slots[EXCHANGE_SLOT + i / 2 - 1].deadline = 0;
		exchange_expect(&kernel, &exchange, "replaced");
	}
	kernel_close(&kernel);
}

TEST("the slot decides, not the index: it is sent while it is live, and not longer")
{
	struct exchange exchange = exchange_default(false);
	struct coax_index_key key = kernel_index_key(exchange.request, exchange.request_length);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	exchange_expect(&kernel, &exchange, "found by the index");
	ASSERT_EQ(bpf_map_delete_elem(kernel_map(&kernel, "index"), &key), 0);
	exchange_expect(&kernel, &exchange, "remembered");
	kernel.slots[EXCHANGE_SLOT].deadline = 0;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_unknown);
	kernel_close(&kernel);
}

TEST("a slot whose reply is sent is marked used, and only that")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;

	exchange_open(&kernel);
	EXPECT_EQ(kernel.slots[EXCHANGE_SLOT].used, 0);
	exchange_expect(&kernel, &exchange, "unused");
	exchange_expect(&kernel, &exchange, "used");
	for (uint32_t i = 0; i < KERNEL_SLOTS; i++)
		EXPECT_EQ(kernel.slots[i].used, i == EXCHANGE_SLOT);
	kernel_close(&kernel);
}

TEST("a packet as large as the MTU is sent, a larger one is left to userspace")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame request, reply;

		exchange_request(&exchange, &request);
		for (exchange.flow.tags = 0; exchange.flow.tags <= 2; exchange.flow.tags++) {
			exchange_request(&exchange, &request);
			exchange_reply(&exchange, &reply);
			kernel.link->mtu = (uint16_t)(reply.length - reply.network);
			exchange_expect(&kernel, &exchange, family(ipv6));
			kernel.link->mtu--;
			EXPECT_OUTCOME(&kernel, &request, pass_no_room);
		}
	}
	kernel_close(&kernel);
}

TEST("replies are the same with the barriers of weakly ordered CPUs")
{
	struct exchange exchange = exchange_default(true);
	struct kernel kernel;

	setenv("COAX_TEST_BARRIERS", "1", 1);
	exchange_open(&kernel);
	exchange_expect(&kernel, &exchange, "first");
	exchange_expect(&kernel, &exchange, "again");
	kernel_close(&kernel);
}

TEST_MAIN()
