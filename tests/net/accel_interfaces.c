// SPDX-License-Identifier: BSD-2-Clause
/*
 * timeout: 240
 *
 * Interfaces of all sorts: many, late, renamed, down, members of something, with tags, with large
 * frames, without native mode. Who pings gets an answer from the program alone: nobody else
 * listens.
 */
#include <coax/coax.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

static const uint8_t ping[4] = {0x40, 0x00, 0x12, 0x34};

static const char *const server[] = {LAB_SERVER};

static struct coax_accel *open_on(const char *const *interfaces, size_t count, bool generic)
{
	struct coax_accel_options options = keeper_options();
	union coax_address v4 = keeper_address("0.0.0.0"), v6 = keeper_address("[::]");
	struct coax_accel *accel;

	options.interfaces = interfaces;
	options.interface_count = count;
	options.generic = generic;
	options.lease_ms = 3600000; /* nobody renews it */
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v4), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v6), 0);
	return accel;
}

static struct coax_accel *serve_on(const char *const *interfaces, size_t count, bool generic)
{
	struct coax_accel *accel = open_on(interfaces, count, generic);

	ASSERT_EQ(coax_accel_attach(accel), 0);
	return accel;
}

/* A frame of a ping from the client to the server's IPv4 address and this MAC address. */
static void build_ping(struct frame *frame, uint8_t last_of_mac, uint16_t vlan)
{
	const struct frame_flow flow = {
		.source_mac = {2, 0, 0, 0, 0, 2},
		.destination_mac = {2, 0, 0, 0, 0, last_of_mac},
		.source_ip = {192, 0, 2, 2},
		.destination_ip = {192, 0, 2, 1},
		.source_port = 40000,
		.destination_port = 5683,
		.tags = vlan != 0,
		.tag_protocol = {0x8100},
		.tag_control = {vlan},
		.ttl = 64,
	};

	frame_build(frame, &flow, ping, sizeof(ping));
}

/* Whether the program on the interface answers a ping to the MAC address 02:00:00:00:00:xx. */
static bool answers_tagged(const char *interface, uint8_t last_of_mac, uint16_t vlan)
{
	uint8_t out[FRAME_MAX];
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.bytes, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);
	int program = bpf_prog_get_fd_by_id(keeper_attached(interface));

	ASSERT_GE(program, 0);
	build_ping(&frame, last_of_mac, vlan);
	options.data_size_in = (uint32_t)frame.length;
	ASSERT_EQ(bpf_prog_test_run_opts(program, &options), 0);
	close(program);
	if (options.retval == XDP_TX)
		EXPECT_MEMEQ(out + 12, frame.bytes + 12, vlan ? 6 : 2);
	return options.retval == XDP_TX;
}

static bool answers(const char *interface, uint8_t last_of_mac)
{
	return answers_tagged(interface, last_of_mac, 0);
}

static int client = -1;

/* A socket's ping comes back from the wire. */
static void expect_pong(void)
{
	uint8_t reply[16];
	uint64_t before = keeper_counters().pong;

	if (client < 0)
		client = lab_client_open();
	ASSERT_EQ(client_ask(client, ping, sizeof(ping), reply, sizeof(reply)), 4);
	EXPECT_EQ(reply[0], 0x70);
	EXPECT_EQ(keeper_counters().pong, before + 1);
}

TEST_TIMEOUT(
	"as many interfaces as there is room for are attached to at once, each for its own address",
	120)
{
	static char names[COAX_ATTACHMENTS_MAX][IF_NAMESIZE];
	const char *interfaces[COAX_ATTACHMENTS_MAX];
	struct coax_config config;
	struct coax_accel *accel;

	lab_begin();
	for (unsigned int i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "many%u", i);
		interfaces[i] = names[i];
		lab_run("ip link add many%u address 02:00:00:00:00:%02x type veth peer name peer%u",
			i, 0x20 + i, i);
	}
	accel = serve_on(interfaces, COAX_ATTACHMENTS_MAX, false);
	config = keeper_config();
	for (uint8_t i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		EXPECT_EQ(config.attachments[i].ifindex, if_nametoindex(names[i]));
		EXPECT_TRUE(answers(names[i], (uint8_t)(0x20 + i)));
		EXPECT_FALSE(answers(names[i], (uint8_t)(0x21 + i)));
	}
	coax_accel_close(accel);
	for (unsigned int i = 0; i < COAX_ATTACHMENTS_MAX; i++)
		EXPECT_EQ(keeper_attached(names[i]), 0U);
}

TEST("interfaces that are not there yet are waited for, be it all of them")
{
	static const char *const late[] = {"late0"};
	struct coax_accel *accel;

	lab_begin();
	accel = serve_on(late, 1, false);
	EXPECT_TRUE(keeper_said("WARNING: there is no interface 'late0'"));
	EXPECT_GT(keeper_config().lease, 0ULL);
	for (int i = 0; i < 3; i++) {
		lab_run("ip link add late0 address 02:00:00:00:00:09 type veth peer name late1");
		coax_accel_process(accel);
		EXPECT_TRUE(answers("late0", 9));
		EXPECT_EQ(keeper_config().attachments[0].ifindex, if_nametoindex("late0"));
		lab_run("ip link del late0");
		coax_accel_process(accel);
		EXPECT_EQ(keeper_config().attachments[0].ifindex, 0U);
	}
	coax_accel_close(accel);
}

TEST("an interface that is down is attached to, and answered on once it is up")
{
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link set " LAB_SERVER " down");
	accel = serve_on(server, 1, false);
	EXPECT_FALSE(answers(LAB_SERVER, 1));
	lab_run("ip link set " LAB_SERVER " up");
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr " LAB_CLIENT_MAC " dev " LAB_SERVER);
	coax_accel_process(accel);
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	expect_pong();
	coax_accel_close(accel);
}

TEST("an interface that is renamed stays attached to; who has its former name is not touched")
{
	struct coax_accel *accel;
	uint32_t program;

	lab_begin();
	accel = serve_on(server, 1, false);
	program = keeper_attached(LAB_SERVER);
	/* Linux 6.1 renames no link that is up. */
	lab_run("ip link set " LAB_SERVER " down && ip link set " LAB_SERVER " name renamed0");
	lab_run("ip link set renamed0 up && ip addr replace " LAB_SERVER_IPV4 "/24 dev renamed0");
	lab_run("ip link add " LAB_SERVER " type veth peer name other1");
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said(LAB_SERVER " has become renamed0"));
	EXPECT_STREQ(keeper_config().attachments[0].name, "renamed0");
	EXPECT_EQ(keeper_attached("renamed0"), program);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_TRUE(answers("renamed0", 1));

	/* Gone for good, its place is taken by who has the name that was asked for. */
	lab_run("ip link del renamed0");
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said("renamed0 is gone"));
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	coax_accel_close(accel);
}

TEST("an interface that somebody else has is attached to once it is free")
{
	static const char *const both[] = {LAB_SERVER, "other0"};
	struct coax_accel *accel;
	uint32_t foreign;
	size_t said;

	lab_begin();
	lab_run("ip link add other0 address 02:00:00:00:00:09 type veth peer name other1");
	lab_attach_stub("other0");
	foreign = keeper_attached("other0");
	accel = serve_on(both, 2, false);
	EXPECT_TRUE(keeper_said("other0: another XDP program is attached"));
	EXPECT_EQ(keeper_attached("other0"), foreign);

	/* What changes nothing is no reason to try again. */
	said = strlen(keeper_lines);
	lab_run("ip link set other0 address 02:00:00:00:00:08");
	coax_accel_process(accel);
	EXPECT_EQ(strlen(keeper_lines), said);

	ASSERT_EQ(bpf_xdp_detach((int)if_nametoindex("other0"), XDP_FLAGS_DRV_MODE, NULL), 0);
	coax_accel_process(accel);
	EXPECT_TRUE(answers("other0", 8));
	coax_accel_close(accel);
}

TEST("an interface that was refused is tried again with another MTU")
{
	static const char *const both[] = {LAB_SERVER, "narrow0"};
	struct coax_accel *accel;
	size_t said;

	lab_begin();
	lab_run("ip link add narrow0 numrxqueues 1 type veth peer name narrow1 numtxqueues 2 && "
		"ethtool -L narrow1 tx 2");
	accel = serve_on(both, 2, false);
	EXPECT_TRUE(keeper_said("narrow0: XDP program not attached"));
	said = strlen(keeper_lines);
	lab_run("ethtool -L narrow1 tx 1 && ip link set narrow0 up");
	coax_accel_process(accel);
	EXPECT_EQ(strlen(keeper_lines), said);
	lab_run("ip link set narrow0 mtu 1400");
	coax_accel_process(accel);
	EXPECT_NE(keeper_attached("narrow0"), 0U);
	coax_accel_close(accel);
}

/* br0 has the server's address; it has a MAC address of its own. */
static void make_bridge(void)
{
	lab_run("ip link add br0 address 02:00:00:00:00:0b type bridge && ip link set br0 up");
	lab_run("ip addr flush dev " LAB_SERVER);
	lab_run("ip addr add " LAB_SERVER_IPV4 "/24 dev br0");
	lab_run("ip link set " LAB_SERVER " master br0");
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr " LAB_CLIENT_MAC " dev br0");
}

static void *know_bridge(void *unused)
{
	(void)unused;
	lab_enter_client();
	lab_run("ip neigh replace " LAB_SERVER_IPV4 " lladdr 02:00:00:00:00:0b dev " LAB_CLIENT);
	return NULL;
}

TEST("a port of a bridge answers for the bridge, from when it joins until it leaves")
{
	struct coax_accel *accel;

	lab_begin();
	accel = serve_on(server, 1, false);
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	make_bridge();
	coax_accel_process(accel);
	EXPECT_FALSE(answers(LAB_SERVER, 1));
	EXPECT_TRUE(answers(LAB_SERVER, 0x0b));
	lab_on_client(know_bridge, NULL);
	expect_pong();

	lab_run("ip link set br0 address 02:00:00:00:00:0c");
	coax_accel_process(accel);
	EXPECT_FALSE(answers(LAB_SERVER, 0x0b));
	EXPECT_TRUE(answers(LAB_SERVER, 0x0c));
	lab_run("ip link set " LAB_SERVER " nomaster");
	coax_accel_process(accel);
	EXPECT_FALSE(answers(LAB_SERVER, 0x0c));
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	coax_accel_close(accel);
}

TEST("a port that its bridge blocks answers nothing until it forwards")
{
	struct coax_accel *accel;

	lab_begin();
	make_bridge();
	lab_run("bridge link set dev " LAB_SERVER " state 0");
	accel = serve_on(server, 1, false);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_TRUE(keeper_said("INFO: " LAB_SERVER ": nothing is answered there: its bridge br0"));
	EXPECT_FALSE(answers(LAB_SERVER, 0x0b));
	EXPECT_EQ(keeper_config().attachments[0].silent, 1U);
	lab_run("bridge link set dev " LAB_SERVER " state 3");
	coax_accel_process(accel);
	EXPECT_EQ(keeper_config().attachments[0].silent, 0U);
	EXPECT_TRUE(keeper_said("answered on again"));
	EXPECT_TRUE(answers(LAB_SERVER, 0x0b));
	lab_run("bridge link set dev " LAB_SERVER " state 0");
	coax_accel_process(accel);
	EXPECT_FALSE(answers(LAB_SERVER, 0x0b));
	coax_accel_close(accel);
}

TEST("a bond is attached to, its slaves are not")
{
	static const char *const both[] = {"slave0", "bond0"};
	struct coax_accel *accel;

	lab_begin();
	if (system("ip link add bond0 type bond 2>/dev/null") != 0)
		SKIP("this kernel makes no bonds");
	lab_run("ip link add slave0 type veth peer name slave1");
	lab_run("ip link set slave0 master bond0 && ip link set bond0 up");
	lab_run("ip link set bond0 address 02:00:00:00:00:09");
	accel = serve_on(both, 2, false);
	EXPECT_TRUE(keeper_said("slave0: XDP program not attached: it belongs to bond0 (bond)"));
	EXPECT_EQ(keeper_config().attachments[0].ifindex, 0U);
	EXPECT_TRUE(answers("bond0", 9));
	coax_accel_close(accel);

	/* One that is enslaved later answers nothing from then on. */
	lab_run("ip link set slave0 nomaster");
	accel = serve_on(both, 1, false);
	EXPECT_NE(keeper_config().attachments[0].ifindex, 0U);
	if (system("ip link set slave0 down && ip link set slave0 master bond0 2>/dev/null") == 0) {
		coax_accel_process(accel);
		EXPECT_TRUE(keeper_said("slave0: nothing is answered there: it belongs to bond0"));
		EXPECT_FALSE(answers("slave0", 9));
	}
	coax_accel_close(accel);
}

static void make_vlan_or_skip(const char *on)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "ip link add link %s name vlan5 type vlan id 5 2>/dev/null", on);
	if (system(command) != 0)
		SKIP("this kernel makes no VLAN devices");
}

TEST("an interface whose frames may have lost their VLAN tags is not attached to")
{
	struct coax_accel *accel;

	lab_begin();
	make_vlan_or_skip(LAB_SERVER);
	accel = serve_on(server, 1, false);
	EXPECT_TRUE(keeper_said("WARNING: " LAB_SERVER ": XDP program not attached"));
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	lab_run("ip link del vlan5");
	coax_accel_process(accel);
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	coax_accel_close(accel);
}

TEST("a port of a bridge that has VLANs answers nothing")
{
	struct coax_accel *accel;

	lab_begin();
	make_bridge();
	accel = serve_on(server, 1, false);
	EXPECT_TRUE(answers(LAB_SERVER, 0x0b));
	make_vlan_or_skip("br0");
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said("its bridge br0 has VLANs"));
	EXPECT_FALSE(answers(LAB_SERVER, 0x0b));
	lab_run("ip link del vlan5");
	coax_accel_process(accel);
	EXPECT_TRUE(answers(LAB_SERVER, 0x0b));
	lab_run("ip link set br0 type bridge vlan_filtering 1");
	coax_accel_process(accel);
	EXPECT_FALSE(answers(LAB_SERVER, 0x0b));
	coax_accel_close(accel);
}

TEST("with a VLAN device that comes later the answers end, and go on when it is gone")
{
	struct coax_accel *accel;

	lab_begin();
	accel = serve_on(server, 1, false);
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	make_vlan_or_skip(LAB_SERVER);
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said("WARNING: " LAB_SERVER ": nothing is answered there"));
	EXPECT_FALSE(answers(LAB_SERVER, 1));
	lab_run("ip link del vlan5");
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said("answered on again"));
	EXPECT_TRUE(answers(LAB_SERVER, 1));
	coax_accel_close(accel);
}

static void *enter_vlan(void *unused)
{
	(void)unused;
	lab_enter_client();
	lab_run("ip link add link " LAB_CLIENT " name vlan5 type vlan id 5");
	lab_run("ip addr flush dev " LAB_CLIENT " && ip link set vlan5 up");
	lab_run("ip addr add " LAB_CLIENT_IPV4 "/24 dev vlan5");
	lab_run("ip neigh replace " LAB_SERVER_IPV4 " lladdr " LAB_SERVER_MAC " dev vlan5");
	return NULL;
}

TEST("a VLAN device is attached to in generic mode alone, when that is allowed")
{
	static const char *const vlan[] = {"vlan5"};
	struct coax_accel *accel;

	lab_begin();
	make_vlan_or_skip(LAB_SERVER);
	accel = open_on(vlan, 1, false);
	EXPECT_LT(coax_accel_attach(accel), 0);
	EXPECT_TRUE(keeper_said("allow generic mode"));
	coax_accel_close(accel);
	lab_run("ip addr flush dev " LAB_SERVER " && ip link set vlan5 up");
	lab_run("ip addr add " LAB_SERVER_IPV4 "/24 dev vlan5");
	accel = serve_on(vlan, 1, true);
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_GENERIC);
	EXPECT_TRUE(answers("vlan5", 1));
	lab_on_client(enter_vlan, NULL);
	expect_pong();
	coax_accel_close(accel);
}

/* From the client's interface, the tag within the frame. */
static void *send_tagged(void *unused)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_8021Q)};
	struct frame frame;
	int fd;

	(void)unused;
	lab_enter_client();
	build_ping(&frame, 1, 5);
	to.sll_ifindex = (int)if_nametoindex(LAB_CLIENT);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(sendto(fd, frame.bytes, frame.length, 0, (struct sockaddr *)&to, sizeof(to)),
		  (ssize_t)frame.length);
	close(fd);
	return NULL;
}

/* What the driver hands to the program is counted at its leisure, and with it what else comes. */
static bool counted(size_t counter, uint64_t wanted)
{
	for (int i = 0; i < 500; i++) {
		const struct coax_stats now = keeper_counters();
		uint64_t value;

		memcpy(&value, (const char *)&now + counter, sizeof(value));
		if (value >= wanted)
			return true;
		usleep(10000);
	}
	return false;
}

TEST("tagged requests are answered in the host's VLANs, with their tags, and pass in others")
{
	struct coax_accel *accel;
	struct coax_place place;
	const uint32_t only = 0;
	struct coax_stats before;
	int fd;

	lab_begin();
	accel = serve_on(server, 1, false);
	before = keeper_counters();
	lab_on_client(send_tagged, NULL);
	EXPECT_TRUE(counted(offsetof(struct coax_stats, packets), before.packets + 1));
	EXPECT_EQ(keeper_counters().pong, before.pong);

	/* As after a VLAN device was added that is sure of its tags. */
	fd = keeper_section(LAB_SERVER, ".data.place");
	ASSERT_EQ(bpf_map_lookup_elem(fd, &only, &place), 0);
	place.vlans[0] = 1 << 5;
	ASSERT_EQ(bpf_map_update_elem(fd, &only, &place, BPF_ANY), 0);
	lab_on_client(send_tagged, NULL);
	EXPECT_TRUE(counted(offsetof(struct coax_stats, pong), before.pong + 1));
	EXPECT_EQ(keeper_counters().pong, before.pong + 1);
	EXPECT_TRUE(answers_tagged(LAB_SERVER, 1, 5));
	EXPECT_FALSE(answers_tagged(LAB_SERVER, 1, 4));
	EXPECT_FALSE(answers_tagged(LAB_SERVER, 1, 69));

	/* What is asked for anew is what holds. */
	lab_run("ip link set " LAB_SERVER " mtu 1400");
	coax_accel_process(accel);
	EXPECT_FALSE(answers_tagged(LAB_SERVER, 1, 5));
	coax_accel_close(accel);
}

/* The other end must take frames in several buffers, for veth to have a large MTU. */
static void *widen_client(void *unused)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "coax_stub", "GPL", pass, 2, &options);
	int index;

	(void)unused;
	ASSERT_GE(fd, 0);
	lab_enter_client();
	index = (int)if_nametoindex(LAB_CLIENT);
	ASSERT_EQ(bpf_xdp_detach(index, XDP_FLAGS_DRV_MODE, NULL), 0);
	lab_run("ip link set " LAB_CLIENT " mtu 9000");
	ASSERT_EQ(bpf_xdp_attach(index, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
	return NULL;
}

TEST("with a large MTU it is attached, answers what is small, and passes large frames whole")
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5683)};
	static uint8_t sent[8000], got[9000];
	struct coax_accel *accel;
	uint64_t unusual;
	int listener;

	lab_begin();
	lab_on_client(widen_client, NULL);
	lab_run("ip link set " LAB_SERVER " mtu 9000");
	accel = serve_on(server, 1, false);
	EXPECT_FALSE(keeper_config().attachments[0].rung == COAX_RUNG_GENERIC);
	expect_pong();

	listener = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + (i >> 8));
	unusual = keeper_counters().pass_unusual;
	ASSERT_EQ(send(client, sent, sizeof(sent), 0), (ssize_t)sizeof(sent));
	ASSERT_EQ(client_receive(listener, got, sizeof(got)), (ssize_t)sizeof(sent));
	EXPECT_MEMEQ(got, sent, sizeof(sent));
	EXPECT_EQ(keeper_counters().pass_unusual, unusual + 1);
	coax_accel_close(accel);
}

/* As LAB_SERVER, but without native mode: veth wants as many queues here as the other end sends on.
 */
static void *know_narrow(void *unused)
{
	(void)unused;
	lab_enter_client();
	lab_run("ethtool -L narrow1 tx 2 && ip link set narrow1 address " LAB_CLIENT_MAC " up");
	lab_run("ip addr flush dev " LAB_CLIENT);
	lab_run("ip addr add " LAB_CLIENT_IPV4 "/24 dev narrow1");
	lab_run("ip neigh replace " LAB_SERVER_IPV4 " lladdr 02:00:00:00:00:0e dev narrow1");
	return NULL;
}

TEST("in generic mode requests are answered, and nothing is needed of the other end")
{
	static const char *const narrow[] = {"narrow0"};
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add narrow0 address 02:00:00:00:00:0e numrxqueues 1 type veth "
		"peer name narrow1 numtxqueues 2 netns %d",
		lab_client_pid);
	lab_run("ip addr flush dev " LAB_SERVER " && ip link set narrow0 up");
	lab_run("ip addr add " LAB_SERVER_IPV4 "/24 dev narrow0");
	lab_on_client(know_narrow, NULL);
	accel = serve_on(narrow, 1, true);
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_GENERIC);
	EXPECT_TRUE(keeper_said("narrow0: XDP program attached in generic mode"));
	expect_pong();
	expect_pong();
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached("narrow0"), 0U);
}

static uint8_t large[1000];

static void say_large(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), large, sizeof(large));
	coax_respond(responder, COAX_CONTENT);
}

TEST("a reply that exceeds the MTU is userspace's")
{
	const struct coax_resource_options resource = {
		.path = "r", .get = say_large, .cacheable = true};
	struct coax_context_options options = lab_options();
	uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb1, 'r'}, reply[1100];
	struct coax_context *context;

	lab_begin();
	lab_run("ip link set " LAB_SERVER " mtu 576");
	ASSERT_EQ(coax_site_create(&options.site), 0);
	ASSERT_EQ(coax_site_add(options.site, &resource, NULL), 0);
	options.logger = keeper_logger;
	context = context_open(options);
	client = lab_client_open();
	for (request[3] = 0; request[3] < 3; request[3]++) {
		ASSERT_GT(client_ask(client, request, sizeof(request), reply, sizeof(reply)),
			  (ssize_t)sizeof(large));
		EXPECT_EQ(reply[1], COAX_CONTENT);
	}
	EXPECT_EQ(keeper_counters().pass_no_room, 2ULL);
	EXPECT_EQ(keeper_counters().reply, 0ULL);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
