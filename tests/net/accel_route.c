// SPDX-License-Identifier: BSD-2-Clause
/*
 * Replies by the host's routes: the kernel answers only where they lead back by the interface that
 * the request came in by.
 */
#include <coax/coax.h>
#include "../bpf/hello.h"
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

#define FAR_IPV4 "203.0.113.5"
#define FAR_IPV6 "2001:db8:7::5"

static const uint8_t ping[4] = {0x40, 0x00, 0x12, 0x34};

/* A second way between the two: other0 here, other1 there. */
static void *other_client_setup(void *unused)
{
	(void)unused;
	lab_enter_client();
	lab_run("ip link set other1 address 02:00:00:00:00:12 up");
	lab_run("ip addr add 198.51.100.2/24 dev other1");
	lab_run("ip addr add " FAR_IPV4 "/32 dev lo && ip addr add " FAR_IPV6 "/128 dev lo");
	lab_run("ip neigh replace 198.51.100.1 lladdr 02:00:00:00:00:11 dev other1");
	lab_run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.other1.rp_filter=0");
	return NULL;
}

static void begin(bool forwarding)
{
	lab_begin();
	lab_run("ip link add other0 address 02:00:00:00:00:11 type veth peer name other1 netns %d",
		lab_client_pid);
	lab_run("ip link set other0 up && ip addr add 198.51.100.1/24 dev other0");
	lab_run("ip neigh replace 198.51.100.2 lladdr 02:00:00:00:00:12 dev other0");
	lab_run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf." LAB_SERVER
		".rp_filter=0");
	lab_run("sysctl -qw net.ipv4.ip_forward=%d net.ipv6.conf.all.forwarding=%d", forwarding,
		forwarding);
	lab_on_client(other_client_setup, NULL);
}

static struct coax_accel *serve(bool route_replies)
{
	struct coax_accel_options options = keeper_options();
	union coax_address v4 = keeper_address("0.0.0.0"), v6 = keeper_address("[::]");
	union coax_address secure_v4 = keeper_address("0.0.0.0:5684");
	union coax_address secure_v6 = keeper_address("[::]:5684");
	struct coax_accel *accel;

	options.route_replies = route_replies;
	options.lease_ms = 3600000; /* nobody renews it */
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v4), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v6), 0);
	ASSERT_EQ(coax_accel_add_secure_endpoint(accel, &secure_v4), 0);
	ASSERT_EQ(coax_accel_add_secure_endpoint(accel, &secure_v6), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	return accel;
}

/* The last byte of the MAC address that a message from `source` is answered to, 0: it passed. */
static uint8_t message_answered_to(const char *source, unsigned int tags, uint16_t port,
				   const uint8_t *message, size_t length)
{
	struct frame_flow flow = {
		.source_mac = {2, 0, 0, 0, 0, 2},
		.destination_mac = {2, 0, 0, 0, 0, 1},
		.source_port = 40000,
		.destination_port = port,
		.tags = tags,
		.tag_protocol = {0x8100},
		.tag_control = {5},
		.ttl = 64,
		.ipv6 = strchr(source, ':'),
	};
	uint8_t out[FRAME_MAX];
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.bytes, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);
	int program = lab_program();
	int family = flow.ipv6 ? AF_INET6 : AF_INET;

	ASSERT_EQ(inet_pton(family, source, flow.source_ip), 1);
	ASSERT_EQ(inet_pton(family, flow.ipv6 ? LAB_SERVER_IPV6 : LAB_SERVER_IPV4,
			    flow.destination_ip),
		  1);
	frame_build(&frame, &flow, message, length);
	options.data_size_in = (uint32_t)frame.length;
	ASSERT_EQ(bpf_prog_test_run_opts(program, &options), 0);
	close(program);
	if (options.retval == XDP_PASS) {
		EXPECT_MEMEQ(out, frame.bytes, frame.length);
		return 0;
	}
	EXPECT_EQ(options.retval, (uint32_t)XDP_TX);
	EXPECT_MEMEQ(out + 6, flow.destination_mac, 6);
	return out[5];
}

/* The same of a ping, and of a ClientHello. */
static uint8_t answered_to(const char *source, unsigned int tags)
{
	uint8_t to = message_answered_to(source, tags, COAX_PORT, ping, sizeof(ping));
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX];
	size_t length = hello_message(request, &hello);

	EXPECT_EQ(message_answered_to(source, tags, COAX_PORT_SECURE, request, length), to);
	return to;
}

static uint64_t passed_for_route(void)
{
	return keeper_counters().pass_route;
}

TEST("without the option a reply goes to where its request came from, whatever the routes say")
{
	struct coax_accel *accel;

	begin(true);
	lab_run("ip route add " FAR_IPV4 "/32 via 198.51.100.2");
	accel = serve(false);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	EXPECT_EQ(answered_to(FAR_IPV4, 0), 2);
	EXPECT_EQ(answered_to("10.1.2.3", 0), 2);
	EXPECT_EQ(passed_for_route(), 0ULL);
	coax_accel_close(accel);
}

TEST("with it a reply to a neighbour goes to the neighbour")
{
	struct coax_accel *accel;

	begin(true);
	accel = serve(true);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV6, 0), 2);
	EXPECT_EQ(passed_for_route(), 0ULL);
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr 02:00:00:00:00:42 dev " LAB_SERVER);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 0x42);
	coax_accel_close(accel);
}

TEST("with it a reply to afar goes to the router that the route names")
{
	struct coax_accel *accel;

	begin(true);
	lab_run("ip neigh replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev " LAB_SERVER);
	lab_run("ip neigh replace 2001:db8::fe lladdr 02:00:00:00:00:fd dev " LAB_SERVER);
	lab_run("ip route add " FAR_IPV4 "/32 via 192.0.2.254");
	lab_run("ip route add " FAR_IPV6 "/128 via 2001:db8::fe");
	accel = serve(true);
	EXPECT_EQ(answered_to(FAR_IPV4, 0), 0xfe);
	EXPECT_EQ(answered_to(FAR_IPV6, 0), 0xfd);
	coax_accel_close(accel);
}

TEST("with it the request passes when its reply would leave by another interface, or by none")
{
	struct coax_accel *accel;

	begin(true);
	lab_run("ip route add " FAR_IPV4 "/32 via 198.51.100.2");
	lab_run("ip route add unreachable 203.0.113.6/32");
	lab_run("ip route add " FAR_IPV6 "/128 dev other0");
	accel = serve(true);
	EXPECT_EQ(answered_to(FAR_IPV4, 0), 0);
	EXPECT_EQ(answered_to("203.0.113.6", 0), 0);
	EXPECT_EQ(answered_to("10.1.2.3", 0), 0);
	EXPECT_EQ(answered_to(FAR_IPV6, 0), 0);
	EXPECT_EQ(answered_to("192.0.2.77", 0), 0);
	EXPECT_EQ(answered_to("fe80::7", 0), 0);
	EXPECT_EQ(passed_for_route(), 12ULL);
	coax_accel_close(accel);
}

/* The program believes that the host is in VLAN 5 by its interface. */
static void make_vlan(void)
{
	const uint32_t only = 0;
	struct coax_place place;
	int fd = keeper_section(LAB_SERVER, ".data.place");

	ASSERT_EQ(bpf_map_lookup_elem(fd, &only, &place), 0);
	EXPECT_EQ(place.vlans_known, 1);
	place.vlans[0] |= 1 << 5;
	ASSERT_EQ(bpf_map_update_elem(fd, &only, &place, BPF_ANY), 0);
	close(fd);
}

TEST("requests with a VLAN tag pass: a VLAN is an interface of its own")
{
	struct coax_accel *accel;

	begin(true);
	accel = serve(false);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 1), 0);
	make_vlan();
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 1), 2);
	coax_accel_close(accel);
	accel = serve(true);
	make_vlan();
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 1), 0);
	EXPECT_EQ(passed_for_route(), 2ULL);
	coax_accel_close(accel);
}

TEST("rules of routing count: by the source of a reply as well")
{
	struct coax_accel *accel;

	begin(true);
	lab_run("ip rule add from " LAB_SERVER_IPV4 " lookup 100 pref 100");
	lab_run("ip route add default via 198.51.100.2 table 100");
	accel = serve(true);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 0);
	lab_run("ip rule del pref 100");
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	coax_accel_close(accel);
}

TEST("on a host that does not forward, everything passes, and it is said why")
{
	struct coax_accel *accel;

	begin(false);
	accel = serve(true);
	EXPECT_TRUE(keeper_said("does not forward IPv4 and IPv6"));
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 0);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV6, 0), 0);
	lab_run("sysctl -qw net.ipv4.ip_forward=1");
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	coax_accel_close(accel);
}

TEST("behind a port of a bridge only who sent the request is answered")
{
	struct coax_accel *accel;

	begin(true);
	lab_run("ip addr flush dev " LAB_SERVER);
	lab_run("ip link add br0 address 02:00:00:00:00:01 type bridge && ip link set br0 up");
	lab_run("ip link set " LAB_SERVER " address 02:00:00:00:00:08 master br0");
	lab_run("ip addr add " LAB_SERVER_IPV4 "/24 dev br0");
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr " LAB_CLIENT_MAC " dev br0");
	accel = serve(true);
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 2);
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr 02:00:00:00:00:42 dev br0");
	EXPECT_EQ(answered_to(LAB_CLIENT_IPV4, 0), 0);
	coax_accel_close(accel);
}

static void text(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), "here", 4);
	coax_respond(responder, COAX_CONTENT);
}

static int far_client = -1;

/* It sends by the first way, from an address that the server's routes reach by the second. */
static void *open_far_client(void *unused)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;

	(void)unused;
	lab_enter_client();
	to.sin_port = htons(5683);
	inet_pton(AF_INET, FAR_IPV4, &from.sin_addr);
	inet_pton(AF_INET, LAB_SERVER_IPV4, &to.sin_addr);
	far_client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(far_client, (struct sockaddr *)&from, sizeof(from)), 0);
	ASSERT_EQ(connect(far_client, (struct sockaddr *)&to, sizeof(to)), 0);
	return NULL;
}

TEST("userspace answers by the other interface what the kernel passed")
{
	static const uint8_t get_r[] = {0x40, 0x01, 0x12, 0x34, 0xb1, 'r'};
	const struct coax_resource_options resource = {.path = "r", .get = text, .cacheable = true};
	struct coax_context_options options = lab_options();
	struct coax_context *context;
	uint8_t request[sizeof(get_r)], reply[64];

	begin(true);
	lab_run("ip route add " FAR_IPV4 "/32 via 198.51.100.2");
	ASSERT_EQ(coax_site_create(&options.site), 0);
	ASSERT_EQ(coax_site_add(options.site, &resource, NULL), 0);
	options.logger = keeper_logger;
	options.accel.route_replies = true;
	context = context_open(options);
	lab_on_client(open_far_client, NULL);
	memcpy(request, get_r, sizeof(request));
	for (uint8_t i = 0; i < 3; i++) {
		request[3] = i;
		ASSERT_GT(client_ask(far_client, request, sizeof(request), reply, sizeof(reply)),
			  4);
		EXPECT_EQ(reply[1], COAX_CONTENT);
	}
	/* The first was not published yet. */
	EXPECT_EQ(passed_for_route(), 2ULL);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
