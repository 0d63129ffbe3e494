// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is no message, or one that must be rejected (RFC 7252 sections 3, 4.2 and 4.3, RFC 8974
 * section 2.1): RST to a CON, silence to everything else, each kind with its counter.
 */
#include "exchange.h"

#define OUTCOME(name) offsetof(struct coax_stats, name)
#define REST_MAX      64 /* bytes behind the header of what is rejected from here */

struct reject {
	const char *sentence;
	uint8_t bytes[16];
	size_t length;
	size_t outcome;
};

/* clang-format off */
static const struct reject rejects[] = {
	{"nothing", {0}, 0, OUTCOME(drop_short)},
	{"one byte", {0x40}, 1, OUTCOME(drop_short)},
	{"three bytes", {0x40, 0x01, 0x12}, 3, OUTCOME(drop_short)},
	{"three bytes of another version", {0x80, 0x01, 0x12}, 3, OUTCOME(drop_short)},

	{"version 0", {0x00, 0x01, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 2", {0x80, 0x01, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 3, malformed", {0xcf, 0x00, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 2, ping", {0x80, 0x00, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 0, NON", {0x10, 0x01, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 0, ACK", {0x20, 0x45, 0x12, 0x34}, 4, OUTCOME(drop_version)},
	{"version 2, RST", {0xb0, 0x00, 0x12, 0x34}, 4, OUTCOME(drop_version)},

	{"CON, token length 15, no token", {0x4f, 1, 0x12, 0x34}, 4, OUTCOME(reset_token)},
	{"CON, token length 15",
	 {0x4f, 1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7}, 11, OUTCOME(reset_token)},
	{"CON, token cut off", {0x44, 1, 0x12, 0x34, 1, 2, 3}, 7, OUTCOME(reset_token)},
	{"CON, token of 9 cut off", {0x49, 3, 0x12, 0x34, 1, 2, 3, 4}, 8, OUTCOME(reset_token)},
	{"CON response, token cut off", {0x41, 0x45, 0x12, 0x34}, 4, OUTCOME(reset_token)},
	{"CON of class 7, token cut off", {0x41, 0xe1, 0x12, 0x34}, 4, OUTCOME(reset_token)},
	{"NON, token length 15", {0x5f, 1, 0x12, 0x34}, 4, OUTCOME(drop_token)},
	{"ACK, token length 15", {0x6f, 0x45, 0x12, 0x34}, 4, OUTCOME(drop_token)},
	{"RST, token length 15", {0x7f, 0x45, 0x12, 0x34}, 4, OUTCOME(drop_token)},
	{"NON, token cut off", {0x58, 1, 0x12, 0x34, 1, 2}, 6, OUTCOME(drop_token)},
	{"ACK, token cut off", {0x6c, 0x45, 0x12, 0x34, 1, 2}, 6, OUTCOME(drop_token)},
	{"token of 9",
	 {0x49, 1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 13, OUTCOME(pass_token)},
	{"token of 12, NON",
	 {0x5c, 1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 16, OUTCOME(pass_token)},
	{"token length in another byte", {0x4d, 1, 0x12, 0x34, 0}, 5, OUTCOME(pass_token)},
	{"token length in bytes that are missing", {0x4e, 1, 0x12, 0x34}, 4, OUTCOME(pass_token)},

	{"CON 1.00", {0x40, 0x20, 0x12, 0x34}, 4, OUTCOME(reset_code)},
	{"CON 1.31 with a token", {0x43, 0x3f, 0x12, 0x34, 1, 2, 3}, 7, OUTCOME(reset_code)},
	{"CON 6.00", {0x40, 0xc0, 0x12, 0x34, 0xb1, 'a'}, 6, OUTCOME(reset_code)},
	{"CON 7.31", {0x41, 0xff, 0x12, 0x34, 1, 0xff}, 6, OUTCOME(reset_code)},
	{"NON 1.01", {0x50, 0x21, 0x12, 0x34}, 4, OUTCOME(drop_code)},
	{"NON 6.31", {0x50, 0xdf, 0x12, 0x34}, 4, OUTCOME(drop_code)},
	{"ACK 7.01", {0x60, 0xe1, 0x12, 0x34}, 4, OUTCOME(drop_code)},
	{"RST 1.00", {0x70, 0x20, 0x12, 0x34}, 4, OUTCOME(drop_code)},
	{"CON 2.05", {0x40, 0x45, 0x12, 0x34}, 4, OUTCOME(pass_message)},
	{"CON 3.00", {0x40, 0x60, 0x12, 0x34}, 4, OUTCOME(pass_message)},
	{"NON 5.31", {0x50, 0xbf, 0x12, 0x34}, 4, OUTCOME(pass_message)},

	{"Empty CON with a token length only", {0x48, 0, 0x12, 0x34}, 4, OUTCOME(reset_empty)},
	{"Empty CON with a token", {0x41, 0, 0x12, 0x34, 7}, 5, OUTCOME(reset_empty)},
	{"Empty CON with an option", {0x40, 0, 0x12, 0x34, 0xb1, 'a'}, 6, OUTCOME(reset_empty)},
	{"Empty CON with payload", {0x40, 0, 0x12, 0x34, 0xff, 1}, 6, OUTCOME(reset_empty)},
	{"Empty CON with token length 15", {0x4f, 0, 0x12, 0x34}, 4, OUTCOME(reset_empty)},
	{"Empty CON with token length 13", {0x4d, 0, 0x12, 0x34, 0}, 5, OUTCOME(reset_empty)},
	{"Empty NON", {0x50, 0, 0x12, 0x34}, 4, OUTCOME(drop_empty)},
	{"Empty NON with a token", {0x52, 0, 0x12, 0x34, 1, 2}, 6, OUTCOME(drop_empty)},
	{"Empty ACK with payload", {0x60, 0, 0x12, 0x34, 0xff, 1}, 6, OUTCOME(drop_empty)},
	{"RST with a token", {0x71, 0, 0x12, 0x34, 1}, 5, OUTCOME(drop_empty)},
	{"Empty ACK", {0x60, 0, 0x12, 0x34}, 4, OUTCOME(pass_message)},
	{"RST", {0x70, 0, 0x12, 0x34}, 4, OUTCOME(pass_message)},
};
/* clang-format on */

#define REJECTS (sizeof(rejects) / sizeof(*rejects))

/* The RST to a message, as a frame. */
static void build_reset(const struct frame_flow *flow, const uint8_t *message, struct frame *reset)
{
	const uint8_t bytes[] = {0x70, 0, message[2], message[3]};
	struct frame_flow back = frame_flow_back(flow);

	frame_build(reset, &back, bytes, sizeof(bytes));
}

static void expect_reject(const struct kernel *kernel, const struct frame_flow *flow,
			  const struct reject *reject)
{
	struct frame frame, reset;
	struct verdict verdict;

	frame_build(&frame, flow, reject->bytes, reject->length);
	kernel_expect(kernel, &frame, reject->outcome, &verdict, reject->sentence);
	if (kernel_action_of(reject->outcome) != XDP_TX)
		return;
	build_reset(flow, reject->bytes, &reset);
	exchange_expect_frame(&verdict, &reset, reject->sentence);
	EXPECT_LE(verdict.length, frame.length);
}

TEST("a malformed CON gets RST, anything else that is malformed nothing, each with its counter")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (size_t i = 0; i < REJECTS; i++) {
		for (unsigned int how = 0; how < 54; how++) {
			struct frame_flow flow = kernel_flow(how % 2);

			flow.tags = how / 2 % 3;
			flow.checksum = how / 6 % 3;
			flow.padding = how / 18 * 9;
			if (flow.ipv6 && flow.checksum == FRAME_CHECKSUM_ZERO)
				continue;
			expect_reject(&kernel, &flow, &rejects[i]);
		}
	}
	kernel_close(&kernel);
}

TEST("a malformed CON of up to 68 bytes is rejected here, a longer one by userspace")
{
	uint8_t bytes[4 + REST_MAX + 8] = {0x4f, 0x01, 0xab, 0xcd};
	struct kernel kernel;

	exchange_open(&kernel);
	exchange_fill(bytes + 4, sizeof(bytes) - 4, 7);
	for (size_t length = 4; length <= sizeof(bytes); length++) {
		bool ipv6 = length % 3 == 0;
		struct frame_flow flow = kernel_flow(ipv6);
		struct frame frame, reset;
		struct verdict verdict;

		frame_build(&frame, &flow, bytes, length);
		if (length > 4 + REST_MAX) {
			EXPECT_OUTCOME(&kernel, &frame, pass_malformed);
			continue;
		}
		kernel_expect(&kernel, &frame, OUTCOME(reset_token), &verdict, "length");
		build_reset(&flow, bytes, &reset);
		exchange_expect_frame(&verdict, &reset, "length");
	}
	kernel_close(&kernel);
}

TEST("the length does not matter for what is ignored")
{
	uint8_t bytes[1200] = {0x5f, 0x01, 0xab, 0xcd};
	struct frame_flow flow = kernel_flow(true);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	frame_build(&frame, &flow, bytes, sizeof(bytes));
	EXPECT_OUTCOME(&kernel, &frame, drop_token);
	bytes[0] = 0x80;
	frame_build(&frame, &flow, bytes, sizeof(bytes));
	EXPECT_OUTCOME(&kernel, &frame, drop_version);
	kernel_close(&kernel);
}

/* A request that became malformed on the way is the network stack's to drop, and to be sent again.
 */
TEST("a message that was damaged on its way gets a RST that is damaged as well")
{
	struct exchange exchange = exchange_default(false);
	struct kernel kernel;
	struct frame frame, reply;
	struct verdict verdict;
	int resets = 0;

	exchange_open(&kernel);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		exchange.flow = kernel_flow(ipv6);
		for (size_t bit = 0; bit < 32; bit++) {
			exchange_request(&exchange, &frame);
			frame.bytes[frame.coap + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			ASSERT_EQ(kernel_run(&kernel, &frame, &verdict), 0);
			if (verdict.action != XDP_TX || verdict.bytes[frame.coap] != 0x70)
				continue;
			reply = frame;
			memcpy(reply.bytes, verdict.bytes, verdict.length);
			EXPECT_NE(frame_udp_checksum(&reply),
				  frame_get16(reply.bytes + reply.transport + 6));
			resets++;
		}
	}
	EXPECT_GT(resets, 4);
	kernel_close(&kernel);
}

TEST("without a lease, switched off, or to somebody else, everything malformed passes")
{
	struct kernel kernel;

	exchange_open(&kernel);
	for (size_t i = 0; i < REJECTS; i++) {
		struct frame_flow flow = kernel_flow(i % 2);
		struct frame frame;

		frame_build(&frame, &flow, rejects[i].bytes, rejects[i].length);
		kernel.config->lease = 0;
		EXPECT_CASE(&kernel, &frame, pass_lease, rejects[i].sentence);
		kernel.config->enabled = 0;
		EXPECT_CASE(&kernel, &frame, pass_disabled, rejects[i].sentence);
		kernel.config->enabled = 1;
		kernel.config->lease = COAX_NEVER;

		flow.destination_port++;
		frame_build(&frame, &flow, rejects[i].bytes, rejects[i].length);
		EXPECT_CASE(&kernel, &frame, pass_not_ours, rejects[i].sentence);
		flow.destination_port--;
		flow.destination_mac[5] ^= 1;
		frame_build(&frame, &flow, rejects[i].bytes, rejects[i].length);
		EXPECT_CASE(&kernel, &frame, pass_not_ours, rejects[i].sentence);
	}
	kernel_close(&kernel);
}

TEST("what is in a datagram that is not plain is not looked at")
{
	struct frame_flow flow = kernel_flow(false);
	struct kernel kernel;
	struct frame frame;

	exchange_open(&kernel);
	frame_build(&frame, &flow, rejects[0].bytes, rejects[0].length);
	frame.bytes[frame.network + 6] |= 0x20; /* more fragments */
	frame_fix_ip_checksum(&frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_unusual);
	flow.source_ip[0] = 127;
	frame_build(&frame, &flow, rejects[4].bytes, rejects[4].length);
	EXPECT_OUTCOME(&kernel, &frame, pass_unusual);
	kernel_close(&kernel);
}

TEST_MAIN()
