// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message IDs of many messages to one remote, some of which keep the port that their first one left
 * by: none is used twice from one port within EXCHANGE_LIFETIME (RFC 7252 section 4.4).
 */
#include <sys/eventfd.h>
#include "exchange_world.h"
#include "context/ports.h"

#define SECOND	 (1000 * MS)
#define LIFETIME (247 * SECOND)

static struct coax_context context;
static struct coax_worker worker;

/* Sockets that can only be opened: the exchange layer's world sends. */
static uint32_t open_sockets;
static uint32_t sockets_max;
static int event;

static int open_socket(struct coax_transport *transport, const struct coax_udp_socket *wanted)
{
	(void)transport;
	(void)wanted;
	return open_sockets < sockets_max ? (int)open_sockets++ : -E2BIG;
}

static int fd_of(const struct coax_transport *transport, uint32_t socket)
{
	(void)transport;
	(void)socket;
	return event;
}

static const union coax_address *bound(const struct coax_transport *transport, uint32_t socket)
{
	static const union coax_address address = {.in = {.sin_family = AF_INET}};

	(void)transport;
	(void)socket;
	return &address;
}

static void begin(uint32_t sockets)
{
	static const struct coax_transport_ops ops = {
		.open = open_socket, .fd = fd_of, .bound = bound};
	static struct coax_transport transport = {.ops = &ops};

	world_start();
	event = eventfd(0, EFD_CLOEXEC);
	sockets_max = sockets;
	open_sockets = 1;
	context.logger = world.logger;
	worker.context = &context;
	worker.epoll = -1;
	worker.transport = &transport;
	worker.exchange = world.exchange;
}

static void end(void)
{
	coax_ports_free(worker.ports);
	close(event);
	world_end();
}

/* When an ID left by a port. */
static uint64_t used[COAX_PORTS_MAX + 1][65536];
static int used_count[COAX_PORTS_MAX + 1];
static int repeated;

/* One message, which is answered at once. */
static void send_by(const struct coax_path *path)
{
	const struct coax_ask ask = {0};
	struct coax_message m, sent;
	uint8_t buffer[64];
	uint64_t *last;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, path, &m, &ask, world_done, NULL,
					NULL),
		  0);
	sent = as_message(sent_before(0));
	last = &used[path->socket][coax_message_id(&sent)];
	repeated += *last && world.now - *last <= LIFETIME;
	used_count[path->socket] += !*last;
	*last = world.now;
	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT,
			   coax_message_id(&sent), coax_message_token(&sent),
			   coax_message_token_length(&sent));
	arrive_by(path, m.data, m.length);
}

static struct coax_path chosen(void)
{
	struct coax_path path = path_from(5683);

	path.socket = 0;
	worker.now = world.now;
	coax_ports_choose(&worker, &path);
	return path;
}

static void send_requests(int count, uint64_t interval)
{
	for (int i = 0; i < count; i++) {
		struct coax_path path = chosen();

		send_by(&path);
		world.now += interval;
	}
}

TEST("requests leave by as many ports as they need, and by the first again when it has rested")
{
	begin(COAX_PORTS_MAX + 1);
	send_requests(60000, SECOND / 10000);
	EXPECT_EQ(open_sockets, 2U);
	world.now += LIFETIME + SECOND;
	send_requests(60000, SECOND / 10000);
	EXPECT_EQ(open_sockets, 2U);
	EXPECT_EQ(repeated, 0);
	end();
}

TEST("as many as one port is good for for ever leave by one port")
{
	begin(COAX_PORTS_MAX + 1);
	send_requests(75000, SECOND / 200);
	EXPECT_EQ(open_sockets, 1U);
	EXPECT_EQ(repeated, 0);
	end();
}

TEST("a body or an observation that keeps its port finds message IDs there that are not used")
{
	struct coax_path kept[3];
	int count = 0;

	begin(COAX_PORTS_MAX + 1);
	for (int i = 0; i < 130000; i++) {
		struct coax_path path;

		/* They begin at times of their own, and go on for long. */
		if (i == 0 || i == 30000 || i == 70000)
			kept[count++] = chosen();
		path = chosen();
		send_by(&path);
		if (i % 100 == 0)
			for (int j = 0; j < count; j++)
				send_by(&kept[j]);
		world.now += SECOND / 5000;
	}
	EXPECT_EQ(repeated, 0);
	EXPECT_LE(open_sockets, 3U);
	end();
}

TEST("long bodies alone are spread as well")
{
	begin(COAX_PORTS_MAX + 1);
	for (int body = 0; body < 75; body++) {
		struct coax_path path = chosen();

		for (int block = 0; block < 1000; block++) {
			send_by(&path);
			world.now += SECOND / 5000;
		}
	}
	EXPECT_EQ(repeated, 0);
	EXPECT_EQ(open_sockets, 2U);
	end();
}

TEST("when there are no more ports it is said, and requests leave all the same")
{
	begin(2);
	send_requests(140000, SECOND / 10000);
	EXPECT_GT(repeated, 0);
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 1);
	end();
}

TEST_MAIN()
