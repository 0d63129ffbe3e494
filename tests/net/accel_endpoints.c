// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which addresses the program answers for, as the host's addresses come and go.
 */
#include "../harness.h"
#include "../keeper.h"

/* What has been said on rtnetlink is worked off. */
static void follow(struct coax_accel *accel)
{
	struct pollfd poll_fd = {.fd = coax_accel_fd(accel), .events = POLLIN};

	ASSERT_EQ(poll(&poll_fd, 1, 2000), 1);
	coax_accel_process(accel);
}

static struct coax_accel *serve(const char *address)
{
	struct coax_accel *accel = keeper_open();
	union coax_address bound = keeper_address(address);

	ASSERT_EQ(coax_accel_add_endpoint(accel, &bound), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &bound), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	return accel;
}

/* The MAC address and MTU that the program knows. */
static struct coax_link_state link_state(void)
{
	int fd = keeper_section(LAB_SERVER, ".data.link");
	struct coax_link_state state;
	const uint32_t only = 0;

	ASSERT_EQ(bpf_map_lookup_elem(fd, &only, &state), 0);
	close(fd);
	return state;
}

TEST("a wildcard address stands for all unicast addresses of its family")
{
	struct coax_accel *accel;

	lab_begin();
	accel = serve("0.0.0.0");
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, 5683));
	EXPECT_FALSE(is_endpoint(LAB_SERVER_IPV6, 5683));
	EXPECT_FALSE(is_endpoint("127.0.0.1", 5683));
	EXPECT_FALSE(is_endpoint("192.0.2.255", 5683));
	EXPECT_FALSE(is_endpoint("224.0.1.187", 5683));
	EXPECT_FALSE(is_endpoint("0.0.0.0", 5683));
	EXPECT_FALSE(is_endpoint(LAB_SERVER_IPV4, 5684));
	coax_accel_close(accel);
	accel = serve("[::]:7000");
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV6, 7000));
	EXPECT_FALSE(is_endpoint(LAB_SERVER_IPV4, 7000));
	EXPECT_FALSE(is_endpoint("::1", 7000));
	EXPECT_FALSE(is_endpoint("ff02::fd", 7000));
	coax_accel_close(accel);
}

TEST("an address of its own stands for itself alone")
{
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip addr add 198.51.100.7/24 dev " LAB_SERVER);
	accel = serve("198.51.100.7");
	EXPECT_TRUE(is_endpoint("198.51.100.7", 5683));
	EXPECT_EQ(keeper_entries("endpoints"), 1U);
	coax_accel_close(accel);
}

TEST("addresses that come and go are followed")
{
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	EXPECT_FALSE(is_endpoint("198.51.100.7", 5683));
	lab_run("ip addr add 198.51.100.7/24 dev " LAB_SERVER);
	follow(accel);
	EXPECT_TRUE(is_endpoint("198.51.100.7", 5683));
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, 5683));
	lab_run("ip addr del 198.51.100.7/24 dev " LAB_SERVER);
	follow(accel);
	EXPECT_FALSE(is_endpoint("198.51.100.7", 5683));
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, 5683));

	lab_run("ip addr add 2001:db8::77/64 dev " LAB_SERVER " nodad");
	follow(accel);
	EXPECT_TRUE(is_endpoint("2001:db8::77", 5683));
	lab_run("ip addr del 2001:db8::77/64 dev " LAB_SERVER);
	follow(accel);
	EXPECT_FALSE(is_endpoint("2001:db8::77", 5683));
	coax_accel_close(accel);
}

TEST("an address that is bound but not local is no endpoint until it is")
{
	struct coax_accel *accel;

	lab_begin();
	accel = serve("198.51.100.7");
	EXPECT_EQ(keeper_entries("endpoints"), 0U);
	lab_run("ip addr add 198.51.100.7/24 dev " LAB_SERVER);
	follow(accel);
	EXPECT_TRUE(is_endpoint("198.51.100.7", 5683));
	coax_accel_close(accel);
}

TEST("an address that still awaits duplicate address detection is no endpoint")
{
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	lab_run("sysctl -qw net.ipv6.conf." LAB_SERVER ".dad_transmits=100");
	lab_run("ip addr add 2001:db8::99/64 dev " LAB_SERVER);
	follow(accel);
	EXPECT_FALSE(is_endpoint("2001:db8::99", 5683));
	coax_accel_close(accel);
}

TEST("addresses of an interface that is down are no endpoints")
{
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	lab_run("ip addr add 198.51.100.7/24 dev other0 && ip link set other0 up");
	accel = keeper_begin();
	EXPECT_TRUE(is_endpoint("198.51.100.7", 5683));
	lab_run("ip link set other0 down");
	follow(accel);
	EXPECT_FALSE(is_endpoint("198.51.100.7", 5683));
	coax_accel_close(accel);
}

TEST("a lost notification does no harm")
{
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	/* Far more than the socket's buffer holds. */
	lab_run("for i in 1 2 3 4 5 6 7 8; do for j in $(seq 1 250); do "
		"echo addr add 10.$i.0.$j/32 dev " LAB_SERVER "; done; done | ip -batch -");
	lab_run("for i in 2 3 4 5 6 7 8; do for j in $(seq 1 250); do "
		"echo addr del 10.$i.0.$j/32 dev " LAB_SERVER "; done; done | ip -batch -");
	follow(accel);
	EXPECT_TRUE(is_endpoint("10.1.0.250", 5683));
	EXPECT_FALSE(is_endpoint("10.8.0.250", 5683));
	EXPECT_FALSE(is_endpoint("10.2.0.1", 5683));
	coax_accel_close(accel);
}

TEST("the program follows its interface's MAC address and MTU")
{
	static const uint8_t before[6] = {2, 0, 0, 0, 0, 1};
	static const uint8_t after[6] = {2, 0, 0, 0, 0, 9};
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	EXPECT_MEMEQ(link_state().mac, before, 6);
	EXPECT_EQ(link_state().mtu, 1500);
	lab_run("ip link set " LAB_SERVER " address 02:00:00:00:00:09 mtu 1400");
	follow(accel);
	EXPECT_MEMEQ(link_state().mac, after, 6);
	EXPECT_EQ(link_state().mtu, 1400);
	coax_accel_close(accel);
}

TEST("a link-local address bound on one interface is answered for on no other")
{
	struct coax_accel_options options = keeper_options();
	static const char *const both[] = {LAB_SERVER, "other0"};
	union coax_address bound;
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	lab_run("ip addr add fe80::5/64 dev " LAB_SERVER " nodad");
	bound = keeper_address("fe80::5%" LAB_SERVER);
	accel = serve("fe80::5%" LAB_SERVER);
	EXPECT_TRUE(is_endpoint("fe80::5", 5683));
	coax_accel_close(accel);

	options.interfaces = both;
	options.interface_count = 2;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &bound), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	EXPECT_FALSE(is_endpoint("fe80::5", 5683));
	coax_accel_close(accel);
}

/* Linux 6.1 renames no link that is up, and one that goes down loses its addresses. */
static void rename_link(const char *from, const char *to, const char *address)
{
	lab_run("ip link set %s down && ip link set %s name %s && ip link set %s up", from, from,
		to, to);
	lab_run("ip addr replace %s/64 dev %s nodad", address, to);
}

TEST("link-local addresses of other interfaces are not answered for on ours")
{
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	lab_run("ip link set other1 up && ip link set other0 up");
	lab_run("ip addr add fe80::5/64 dev " LAB_SERVER " nodad");
	lab_run("ip addr add fe80::6/64 dev other0 nodad");
	accel = serve("[::]");
	EXPECT_TRUE(is_endpoint("fe80::5", 5683));
	EXPECT_FALSE(is_endpoint("fe80::6", 5683));

	/* Where the program is decides, not what has its interface's name now. */
	rename_link(LAB_SERVER, "former0", "fe80::5");
	rename_link("other0", LAB_SERVER, "fe80::6");
	follow(accel);
	EXPECT_TRUE(is_endpoint("fe80::5", 5683));
	EXPECT_FALSE(is_endpoint("fe80::6", 5683));
	coax_accel_close(accel);
}

TEST_MAIN()
