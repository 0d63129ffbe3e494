// SPDX-License-Identifier: BSD-2-Clause
/*
 * The UDP transport by itself, on loopback.
 */
#include "transport/transport.h"
#include "../harness.h"
#include "../client.h"

static struct coax_transport *open_on(const char *text, in_port_t port, bool reuse_port)
{
	struct coax_udp_socket wanted = {.reuse_port = reuse_port};
	struct coax_transport *transport;
	uint32_t failed;

	ASSERT_EQ(coax_address_parse(&wanted.address, text, port), 0);
	ASSERT_EQ(coax_udp_open(&transport, &wanted, 1, &failed), 0);
	return transport;
}

static in_port_t port_of(const struct coax_transport *transport)
{
	return coax_address_port(transport->ops->bound(transport, 0));
}

TEST("transports that share an address take nothing in before all of them are there")
{
	struct coax_transport *shared[4] = {open_on("127.0.0.1", 0, true)};
	struct coax_datagram *batch;
	unsigned int received = 0;
	int senders[32];

	for (int i = 1; i < 4; i++)
		shared[i] = open_on("127.0.0.1", port_of(shared[0]), true);
	for (int i = 0; i < 32; i++) {
		senders[i] = client_open("127.0.0.1", port_of(shared[0]));
		ASSERT_EQ(send(senders[i], "early", 5, 0), 5);
	}
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(shared[i]->ops->admit(shared[i]), 0);
	for (int i = 0; i < 32; i++)
		ASSERT_EQ(send(senders[i], "late", 4, 0), 4);
	for (int i = 0; i < 4; i++) {
		unsigned int count = shared[i]->ops->receive(shared[i], 0, &batch);

		received += count;
		for (unsigned int at = 0; at < count; at++)
			EXPECT_EQ(batch[at].length, 4U);
		shared[i]->ops->close(shared[i]);
	}
	EXPECT_EQ(received, 32U);
}

TEST("a datagram that the network refuses says why, and those around it go out")
{
	struct coax_transport *transport = open_on("127.0.0.1", 0, false);
	struct coax_path good = {.local.sa.sa_family = AF_UNSPEC}, bad = good;
	uint8_t byte = 0;

	ASSERT_EQ(coax_address_parse(&good.remote, "127.0.0.1", client_silent_port()), 0);
	ASSERT_EQ(coax_address_parse(&bad.remote, "127.0.0.1:0", 0), 0);
	struct coax_datagram batch[] = {
		{.path = good, .data = &byte, .length = 1, .error = EIO},
		{.path = bad, .data = &byte, .length = 1},
		{.path = good, .data = &byte, .length = 1},
	};

	EXPECT_EQ(transport->ops->send(transport, batch, 3), 2U);
	EXPECT_EQ(batch[0].error, 0);
	EXPECT_EQ(batch[1].error, EINVAL);
	EXPECT_EQ(batch[2].error, 0);
	transport->ops->close(transport);
}

TEST_MAIN()
