// SPDX-License-Identifier: BSD-2-Clause
/* Where the interface stands, as userspace says: which VLANs the host is in. */
#include "exchange.h"

static volatile struct coax_place *place_open(struct kernel *kernel, uint16_t vlan)
{
	volatile struct coax_place *place;

	exchange_open(kernel);
	place = kernel_variables(kernel, ".data.place");
	place->vlans_known = 1;
	place->vlans[vlan / 64] |= 1ULL << vlan % 64;
	return place;
}

/* A request with these tags: IEEE 802.1Q's have 0x8100, 802.1ad's 0x88a8. */
static struct exchange tagged(bool ipv6, unsigned int tags, uint16_t protocol, uint16_t control)
{
	struct exchange exchange = exchange_default(ipv6);

	exchange.flow.tags = tags;
	exchange.flow.tag_protocol[0] = protocol;
	exchange.flow.tag_control[0] = control;
	return exchange;
}

static void expect_pass(const struct kernel *kernel, const struct exchange *exchange)
{
	struct frame frame;

	exchange_request(exchange, &frame);
	EXPECT_OUTCOME(kernel, &frame, pass_not_ours);
}

TEST("a request in a VLAN of the host's is answered with the tag that it came with")
{
	static const uint16_t vlans[] = {1, 63, 64, 100, 4094};

	for (size_t i = 0; i < sizeof(vlans) / sizeof(*vlans); i++) {
		struct kernel kernel;

		place_open(&kernel, vlans[i]);
		for (int ipv6 = 0; ipv6 < 2; ipv6++)
			for (uint16_t priority = 0; priority < 16; priority++) {
				struct exchange exchange = tagged(
					ipv6, 1, 0x8100, (uint16_t)(priority << 12 | vlans[i]));

				exchange_expect(&kernel, &exchange, "in the host's VLAN");
			}
		kernel_close(&kernel);
	}
}

TEST("a request in any other VLAN is none of ours")
{
	struct kernel kernel;

	place_open(&kernel, 100);
	for (uint16_t vlan = 0; vlan < 4096; vlan++) {
		struct exchange exchange = tagged(vlan & 1, 1, 0x8100, vlan);

		if (vlan != 100)
			expect_pass(&kernel, &exchange);
	}
	kernel_close(&kernel);
}

TEST("service tags, and tags within tags, are none of ours")
{
	struct kernel kernel;

	place_open(&kernel, 100);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = tagged(ipv6, 1, 0x88a8, 100);

		expect_pass(&kernel, &exchange);
		exchange = tagged(ipv6, 2, 0x8100, 100);
		exchange.flow.tag_control[1] = 100;
		expect_pass(&kernel, &exchange);
	}
	kernel_close(&kernel);
}

TEST("a frame that ends within its tag is none of ours")
{
	struct exchange exchange = tagged(false, 1, 0x8100, 100);
	struct kernel kernel;
	struct frame frame;

	place_open(&kernel, 100);
	exchange_request(&exchange, &frame);
	for (frame.length = 14; frame.length < 18; frame.length++)
		EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);
	kernel_close(&kernel);
}

TEST("requests without a tag are answered, in whatever VLANs the host is")
{
	struct exchange exchange = exchange_default(false);
	volatile struct coax_place *place;
	struct kernel kernel;

	place = place_open(&kernel, 100);
	exchange_expect(&kernel, &exchange, "in one VLAN");
	place->vlans[100 / 64] = 0;
	exchange_expect(&kernel, &exchange, "in none");
	kernel_close(&kernel);
}

TEST_MAIN()
