// SPDX-License-Identifier: BSD-2-Clause
/*
 * The UDP transport by itself, on loopback.
 */
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
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

/*
 * Somebody far away who says of each datagram that nobody took it: ICMP messages that quote what
 * might have been sent by our socket to a peer that is gone.
 */
struct forger {
	pthread_t thread;
	in_port_t port;
	in_port_t gone;
	atomic_bool stop;
	atomic_uint forged;
};

static uint16_t internet_sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void *forge(void *arg)
{
	struct forger *forger = arg;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct {
		struct icmphdr icmp;
		struct iphdr ip;
		struct udphdr udp;
	} message = {
		.icmp = {.type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH},
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_UDP,
		       .saddr = htonl(INADDR_LOOPBACK),
		       .daddr = htonl(INADDR_LOOPBACK)},
		.udp = {.source = htons(forger->port), .dest = htons(forger->gone)},
	};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	ASSERT_GE(fd, 0);
	message.ip.tot_len = htons(sizeof(message.ip) + sizeof(message.udp));
	message.icmp.checksum = internet_sum(&message, sizeof(message));
	while (!atomic_load(&forger->stop)) {
		ASSERT_GT(sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&to,
				 sizeof(to)),
			  0);
		atomic_fetch_add(&forger->forged, 1);
	}
	close(fd);
	return NULL;
}

/* Take what has come to a socket. Returns how much that was. */
static unsigned int drain(int fd)
{
	unsigned int count = 0;
	uint8_t byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
		count++;
	return count;
}

static int bound_socket(in_port_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ASSERT_EQ(bind(fd, (struct sockaddr *)&in, length), 0);
	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&in, &length), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static in_port_t closed_port(void)
{
	in_port_t port;

	close(bound_socket(&port));
	return port;
}

/* Send a datagram to each of two peers in turn, `count` in all, in batches of `size`. */
static void send_in_turn(struct coax_transport *transport, in_port_t one, in_port_t other,
			 unsigned int count, unsigned int size)
{
	struct coax_datagram batch[COAX_BATCH];
	uint8_t byte = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct coax_datagram *datagram = &batch[i % size];

		*datagram = (struct coax_datagram){.data = &byte, .length = 1};
		ASSERT_EQ(coax_address_parse(&datagram->path.remote, "127.0.0.1",
					     i % 2 ? other : one),
			  0);
		if (i % size != size - 1)
			continue;
		transport->ops->send(transport, batch, size);
		for (unsigned int at = 0; at < size; at++)
			EXPECT_EQ(batch[at].error, 0);
	}
}

static unsigned int errors_about(struct coax_transport *transport, in_port_t gone)
{
	struct coax_path path;
	unsigned int count = 0;
	int error;

	while ((error = transport->ops->error(transport, 0, &path))) {
		EXPECT_EQ(error, ECONNREFUSED);
		EXPECT_EQ(coax_address_port(&path.remote), gone);
		count++;
	}
	return count;
}

TEST("a peer that is gone costs no other a datagram, nor is another blamed for it")
{
	static const unsigned int sizes[] = {1, 2, 3, COAX_BATCH};
	struct coax_transport *transport = open_on("127.0.0.1", 0, false);
	in_port_t live, gone = closed_port();
	int fd = bound_socket(&live);

	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 4; k++) {
			send_in_turn(transport, gone, live, 192, sizes[k]);
			EXPECT_EQ(drain(fd), 96U);
		}
		EXPECT_GT(errors_about(transport, gone), 0U);
	}
	transport->ops->close(transport);
}

TEST("a flood of ICMP errors about one peer costs no other a datagram")
{
	struct coax_transport *transport = open_on("127.0.0.1", 0, false);
	struct forger forger = {.port = port_of(transport), .gone = closed_port()};
	unsigned int received = 0;
	in_port_t live;
	int fd = bound_socket(&live);

	if (geteuid() != 0)
		SKIP("needs root");
	ASSERT_EQ(pthread_create(&forger.thread, NULL, forge, &forger), 0);
	while (!atomic_load(&forger.forged))
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		send_in_turn(transport, live, live, COAX_BATCH, COAX_BATCH);
		received += drain(fd);
		errors_about(transport, forger.gone);
	}
	atomic_store(&forger.stop, true);
	pthread_join(forger.thread, NULL);
	for (int i = 0; i < 1000 && received < 1000 * COAX_BATCH; i++) {
		usleep(1000);
		received += drain(fd);
	}
	EXPECT_EQ(received, 1000U * COAX_BATCH);
	transport->ops->close(transport);
}

TEST("an IPv4 datagram that the path does not take whole leaves in fragments, the next one whole")
{
	struct coax_path path = {.local.sa.sa_family = AF_UNSPEC};
	struct ifreq loopback = {.ifr_name = "lo", .ifr_mtu = 576};
	struct coax_transport *from, *to;
	struct coax_datagram *batch;
	uint8_t bytes[1200] = {0};

	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ASSERT_EQ(ioctl(control, SIOCSIFMTU, &loopback), 0);
	loopback.ifr_flags = IFF_UP;
	ASSERT_EQ(ioctl(control, SIOCSIFFLAGS, &loopback), 0);
	from = open_on("127.0.0.1", 0, false);
	to = open_on("127.0.0.1", 0, false);
	ASSERT_EQ(coax_address_parse(&path.remote, "127.0.0.1", port_of(to)), 0);
	struct coax_datagram out[] = {
		{.path = path, .data = bytes, .length = 100},
		{.path = path, .data = bytes, .length = 1200},
		{.path = path, .data = bytes, .length = 101},
	};

	EXPECT_EQ(from->ops->send(from, out, 3), 3U);
	ASSERT_EQ(to->ops->receive(to, 0, &batch), 3U);
	EXPECT_EQ(batch[0].length, 100U);
	EXPECT_EQ(batch[1].length, 1200U);
	EXPECT_EQ(batch[2].length, 101U);
	from->ops->close(from);
	to->ops->close(to);
	close(control);
}

TEST("what a full queue does not take is lost without blame, and is not sent later either")
{
	struct coax_udp_socket wanted = {.address.in = {.sin_family = AF_INET}};
	struct coax_datagram batch[COAX_BATCH];
	struct coax_transport *transport;
	uint8_t bytes[1024] = {0};
	uint32_t failed;
	unsigned int sent;
	int small = 1;

	/* Datagrams wait for a neighbour that never answers, as they do in a queue. */
	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	ASSERT_EQ(system("ip link add out0 type veth peer name out1 && ip link set out1 up && "
			 "ip link set out0 up && ip addr add 192.0.2.1/24 dev out0"),
		  0);
	ASSERT_EQ(coax_udp_open(&transport, &wanted, 1, &failed), 0);
	ASSERT_EQ(setsockopt(transport->ops->fd(transport, 0), SOL_SOCKET, SO_SNDBUF, &small,
			     sizeof(small)),
		  0);
	for (unsigned int i = 0; i < COAX_BATCH; i++) {
		batch[i] = (struct coax_datagram){.data = bytes, .length = sizeof(bytes)};
		ASSERT_EQ(coax_address_parse(&batch[i].path.remote, "192.0.2.77", 5683), 0);
	}
	sent = transport->ops->send(transport, batch, COAX_BATCH);
	EXPECT_GT(sent, 0U);
	EXPECT_LT(sent, (unsigned int)COAX_BATCH);
	for (unsigned int i = 0; i < COAX_BATCH; i++)
		EXPECT_EQ(batch[i].error, 0);
	transport->ops->close(transport);
}

TEST_MAIN()
