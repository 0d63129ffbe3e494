// SPDX-License-Identifier: BSD-2-Clause
/*
 * Groups, on a network of the test's own: a second link beside the lab's shows which one counts.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "transport/transport.h"
#include "../lab.h"
#include "../client.h"

#define OTHER_SERVER	  "server1"
#define OTHER_CLIENT	  "client1"
#define OTHER_SERVER_IPV4 "198.51.100.1"

static const uint8_t get_hello[] = {0x50, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};

static atomic_int requests;
static char lines[16384];
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	size_t used;

	(void)arg;
	(void)name;
	pthread_mutex_lock(&lines_lock);
	used = strlen(lines);
	snprintf(lines + used, sizeof(lines) - used, "%s: %s\n", coax_log_level_name(level), line);
	pthread_mutex_unlock(&lines_lock);
}

static bool said(const char *words)
{
	bool found;

	pthread_mutex_lock(&lines_lock);
	found = strstr(lines, words);
	pthread_mutex_unlock(&lines_lock);
	return found;
}

static void hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&requests, 1);
	coax_message_set_payload(coax_responder_response(responder), "world", 5);
	coax_respond(responder, COAX_CONTENT);
}

static void run_outside(const char *command)
{
	lab_run("nsenter --net=/proc/%d/ns/net %s", lab_client_pid, command);
}

static void other_link_up(void)
{
	lab_run("ip link set " OTHER_SERVER " up");
	lab_run("ip addr add fe80::1/64 dev " OTHER_SERVER " nodad");
	lab_run("ip addr add " OTHER_SERVER_IPV4 "/24 dev " OTHER_SERVER);
	lab_run("ip addr add 2001:db8:1::1/64 dev " OTHER_SERVER " nodad");
	run_outside("ip link set " OTHER_CLIENT " up");
	run_outside("ip addr add 198.51.100.2/24 dev " OTHER_CLIENT);
	run_outside("ip addr add fe80::2/64 dev " OTHER_CLIENT " nodad");
}

static void begin(void)
{
	lab_begin();
	lab_run("ip addr add fe80::1/64 dev " LAB_SERVER " nodad");
	run_outside("ip addr add fe80::2/64 dev " LAB_CLIENT " nodad");
	lab_run("ip link add " OTHER_SERVER " type veth peer name " OTHER_CLIENT " netns %d",
		lab_client_pid);
	other_link_up();
}

/* A socket on the client's side, and the index of an interface there. */
struct outside {
	const char *interface;
	int family;
	int fd;
	uint32_t ifindex;
};

static void *open_outside(void *arg)
{
	struct outside *outside = arg;

	lab_enter_client();
	outside->fd = socket(outside->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_GE(outside->fd, 0);
	outside->ifindex = if_nametoindex(outside->interface);
	ASSERT_NE(outside->ifindex, 0U);
	return NULL;
}

static struct outside outside(const char *interface, int family)
{
	struct outside result = {.interface = interface, .family = family};

	lab_on_client(open_outside, &result);
	return result;
}

static union coax_address at(const char *text, in_port_t port)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, text, port), 0);
	return address;
}

/* Send a request to a group by an interface of the client's. Returns the socket. */
static int ask_group(const char *group, in_port_t port, const char *interface)
{
	union coax_address to = at(group, port);
	struct outside from = outside(interface, to.sa.sa_family);
	struct ip_mreqn by = {.imr_ifindex = (int)from.ifindex};
	int one = 1;

	if (from.family == AF_INET6) {
		ASSERT_EQ(setsockopt(from.fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &from.ifindex,
				     sizeof(from.ifindex)),
			  0);
	} else {
		ASSERT_EQ(setsockopt(from.fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), 0);
		ASSERT_EQ(setsockopt(from.fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)), 0);
		/* 255.255.255.255 goes where routing says. */
		ASSERT_EQ(setsockopt(from.fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				     (socklen_t)strlen(interface)),
			  0);
	}
	ASSERT_EQ(
		sendto(from.fd, get_hello, sizeof(get_hello), 0, &to.sa, coax_address_length(&to)),
		(ssize_t)sizeof(get_hello));
	return from.fd;
}

/* The response, and that there is one. Returns where it came from. */
static union coax_address response(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	union coax_address from = {.sa.sa_family = AF_UNSPEC};
	socklen_t length = sizeof(from);
	uint8_t reply[64];

	if (poll(&readable, 1, CLIENT_PATIENCE_MS) != 1)
		return from;
	EXPECT_GT(recvfrom(fd, reply, sizeof(reply), 0, &from.sa, &length), 4);
	EXPECT_EQ(reply[0] & 0xf0, 0x50);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	EXPECT_FALSE(coax_address_is_multicast(&from));
	return from;
}

static void expect_response(const char *group, in_port_t port, const char *interface)
{
	int before = requests;
	int fd = ask_group(group, port, interface);
	union coax_address from = response(fd);

	if (from.sa.sa_family == AF_UNSPEC)
		HARNESS_SAY("nobody answers to %s", group);
	EXPECT_NE(from.sa.sa_family, AF_UNSPEC);
	EXPECT_EQ(requests, before + 1);
	EXPECT_EQ(coax_address_port(&from), port);
	close(fd);
}

/*
 * What is sent to several groups in turn on one link is taken in that order by the one worker that
 * does: when `heard` is answered, the former has been looked at.
 */
static void expect_silence(const char *group, const char *heard, in_port_t port,
			   const char *interface)
{
	int before = requests;

	close(ask_group(group, port, interface));
	expect_response(heard, port, interface);
	if (requests != before + 1)
		HARNESS_SAY("somebody listens to %s", group);
	EXPECT_EQ(requests, before + 1);
}

static struct coax_site *site;

static struct coax_site *new_site(void)
{
	struct coax_resource_options options = {.path = "hello", .get = hello};

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

static struct coax_context_options options_for(const char *const *bind, size_t bind_count,
					       const char *const *groups, size_t group_count,
					       unsigned int workers)
{
	return (struct coax_context_options){
		.server = true,
		.bind = bind,
		.bind_count = bind_count,
		.groups = groups,
		.group_count = group_count,
		.workers = workers,
		.logger = {.write = note, .from = COAX_LOG_INFO},
		.tuning = {.leisure_ms = 1},
	};
}

static struct coax_context *listen_to(const char *bind, const char *group, unsigned int workers)
{
	struct coax_context_options options = options_for(&bind, 1, &group, 1, workers);
	struct coax_context *context;

	options.site = new_site();
	if (coax_context_create(&context, &options)) {
		HARNESS_SAY("%s", lines);
		HARNESS_STOP();
	}
	return context;
}

static void end(struct coax_context *context)
{
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

static const char *const all_nodes[] = {"224.0.1.187", "224.0.0.1", "ff02::fd", "ff05::fd",
					"ff02::1"};

static void expect_all_nodes(in_port_t port)
{
	for (size_t i = 0; i < sizeof(all_nodes) / sizeof(all_nodes[0]); i++)
		expect_response(all_nodes[i], port, LAB_CLIENT);
}

TEST("a request to a group is taken once, however many workers there are, on all nodes' groups")
{
	struct coax_context *server;

	begin();
	server = listen_to("*:0", LAB_SERVER, 4);
	for (int i = 0; i < 8; i++)
		expect_all_nodes(coax_context_port(server));
	end(server);
}

TEST("a request to a broadcast address is taken once too")
{
	struct coax_context *server;

	begin();
	server = listen_to("*:0", LAB_SERVER, 4);
	for (int i = 0; i < 8; i++) {
		expect_response("192.0.2.255", coax_context_port(server), LAB_CLIENT);
		expect_response("255.255.255.255", coax_context_port(server), LAB_CLIENT);
	}
	end(server);
}

TEST("groups are listened to on the interface that was named, and on no other")
{
	static const char *const groups[] = {LAB_SERVER, "224.0.1.188%" OTHER_SERVER,
					     "ff02::abcd%" OTHER_SERVER};
	static const char *const bind = "*:0";
	struct coax_context_options options = options_for(&bind, 1, groups, 3, 4);
	struct group_req others = {.gr_interface = 0};
	union coax_address group;
	struct coax_context *server;
	in_port_t port;

	begin();
	options.site = new_site();
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	port = coax_context_port(server);
	expect_silence("224.0.1.187", "224.0.1.188", port, OTHER_CLIENT);
	expect_silence("224.0.0.1", "224.0.1.188", port, OTHER_CLIENT);
	expect_silence("ff02::1", "ff02::abcd", port, OTHER_CLIENT);
	expect_silence("ff02::fd", "ff02::abcd", port, OTHER_CLIENT);
	expect_silence("ff02::abcd", "ff02::1", port, LAB_CLIENT);
	/* Somebody else on this host is in the group there. */
	others.gr_interface = if_nametoindex(OTHER_SERVER);
	group = at("ff05::fd", 0);
	memcpy(&others.gr_group, &group, sizeof(group.in6));
	ASSERT_EQ(setsockopt(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), IPPROTO_IPV6,
			     MCAST_JOIN_GROUP, &others, sizeof(others)),
		  0);
	expect_silence("ff05::fd", "ff02::abcd", port, OTHER_CLIENT);
	end(server);
}

TEST("the response leaves by the interface that the request came by, from its own address")
{
	struct coax_context *server;
	union coax_address from;
	in_port_t port;

	begin();
	server = listen_to("*:0", OTHER_SERVER, 2);
	port = coax_context_port(server);
	from = response(ask_group("224.0.1.187", port, OTHER_CLIENT));
	ASSERT_EQ(from.sa.sa_family, AF_INET);
	EXPECT_EQ(from.in.sin_addr.s_addr, inet_addr(OTHER_SERVER_IPV4));
	/* The client's address is the same on both links. */
	from = response(ask_group("ff02::fd", port, OTHER_CLIENT));
	ASSERT_EQ(from.sa.sa_family, AF_INET6);
	EXPECT_TRUE(IN6_IS_ADDR_LINKLOCAL(&from.in6.sin6_addr));

	/* Routing alone would have it leave by the lab's link. */
	lab_run("ip route add 198.51.100.2/32 via " LAB_CLIENT_IPV4 " dev " LAB_SERVER);
	from = response(ask_group("224.0.1.187", port, OTHER_CLIENT));
	ASSERT_EQ(from.sa.sa_family, AF_INET);
	EXPECT_EQ(from.in.sin_addr.s_addr, inet_addr(OTHER_SERVER_IPV4));
	end(server);
}

TEST("a server with addresses of its own hears groups too, and no more addresses by that")
{
	static const char *const bind[] = {LAB_SERVER_IPV4 ":0", "[" LAB_SERVER_IPV6 "]:0"};
	static const char *const group = LAB_SERVER;
	struct coax_context_options options = options_for(bind, 2, &group, 1, 4);
	uint8_t request[sizeof(get_hello)], reply[64];
	struct coax_context *server;
	struct outside client;
	union coax_address to;

	begin();
	options.site = new_site();
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	expect_all_nodes(coax_context_port(server));

	client = outside(LAB_CLIENT, AF_INET);
	to = at(LAB_SERVER_IPV4, coax_context_port(server));
	memcpy(request, get_hello, sizeof(request));
	ASSERT_EQ(connect(client.fd, &to.sa, sizeof(to.in)), 0);
	EXPECT_GT(client_ask(client.fd, request, sizeof(request), reply, sizeof(reply)), 4);

	lab_run("ip addr add 192.0.2.7/24 dev " LAB_SERVER);
	to = at("192.0.2.7", coax_context_port(server));
	ASSERT_EQ(connect(client.fd, &to.sa, sizeof(to.in)), 0);
	EXPECT_EQ(client_ask(client.fd, request, sizeof(request), reply, sizeof(reply)), -1);
	EXPECT_EQ(errno, ECONNREFUSED);
	end(server);
}

TEST("where nothing is bound to IPv6, an interface's name stands for the groups of IPv4")
{
	struct coax_context *server;

	begin();
	server = listen_to(LAB_SERVER_IPV4 ":0", LAB_SERVER, 1);
	expect_response("224.0.1.187", coax_context_port(server), LAB_CLIENT);
	EXPECT_TRUE(said("WARNING: nothing is bound to an address of IPv6"));
	end(server);
}

TEST("a group that is named is listened to even where nothing else of its family is")
{
	struct coax_context *server;

	begin();
	server = listen_to(LAB_SERVER_IPV4 ":0", "ff02::fd%" LAB_SERVER, 1);
	expect_response("ff02::fd", coax_context_port(server), LAB_CLIENT);
	end(server);
}

static void wait_for_joins(int count)
{
	const char *at;
	int found;

	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lines_lock);
		for (found = 0, at = lines; (at = strstr(at, "joined ")); at++)
			found++;
		pthread_mutex_unlock(&lines_lock);
		if (found >= count)
			return;
		usleep(1000);
	}
	HARNESS_SAY("%d joins wanted: %s", count, lines);
	HARNESS_STOP();
}

/* By another link, which may have the number that the former one had. */
static void replace_link(bool same_number)
{
	char name[64] = OTHER_SERVER;

	if (same_number)
		snprintf(name, sizeof(name), OTHER_SERVER " index %u",
			 if_nametoindex(OTHER_SERVER));
	lab_run("ip link del " OTHER_SERVER);
	lab_run("ip link add %s type veth peer name " OTHER_CLIENT " netns %d", name,
		lab_client_pid);
	other_link_up();
}

static void forget_lines(void)
{
	pthread_mutex_lock(&lines_lock);
	*lines = 0;
	pthread_mutex_unlock(&lines_lock);
}

/* More often than a socket may be a member of groups. */
static void expect_to_hear_again(const char *const *bind, size_t bind_count)
{
	static const char *const groups[] = {OTHER_SERVER, "ff05::1234%" OTHER_SERVER};
	struct coax_context_options options = options_for(bind, bind_count, groups, 2, 2);
	struct coax_context *server;

	begin();
	options.site = new_site();
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	for (int i = 0; i < 12; i++) {
		in_port_t port = coax_context_port(server);

		wait_for_joins(6);
		for (size_t g = 0; g < sizeof(all_nodes) / sizeof(all_nodes[0]); g++)
			expect_response(all_nodes[g], port, OTHER_CLIENT);
		expect_response("ff05::1234", port, OTHER_CLIENT);
		forget_lines();
		replace_link(i % 2);
	}
	end(server);
}

TEST("when an interface comes back its groups are heard again")
{
	static const char *const bind = "*:0";

	expect_to_hear_again(&bind, 1);
}

TEST("so they are by a server with addresses of its own")
{
	static const char *const bind[] = {LAB_SERVER_IPV4 ":0", "[" LAB_SERVER_IPV6 "]:0"};

	expect_to_hear_again(bind, 2);
}

TEST("a link that went and came under its number, both unseen, is joined again")
{
	static const char *const bind = "*:0", *const group = OTHER_SERVER;
	struct coax_context_options options = options_for(&bind, 1, &group, 1, 1);
	struct coax_context *server;

	begin();
	options.site = new_site();
	options.own_loop = true;
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	replace_link(true);
	coax_context_process(server);
	for (size_t i = 0; i < sizeof(all_nodes) / sizeof(all_nodes[0]); i++) {
		int fd = ask_group(all_nodes[i], coax_context_port(server), OTHER_CLIENT);
		struct pollfd ends[] = {{.fd = coax_context_fd(server), .events = POLLIN},
					{.fd = fd, .events = POLLIN}};

		for (int k = 0; k < 100 && !ends[1].revents; k++) {
			int timeout = coax_context_timeout(server);

			/* The leisure is a timeout; without one, a second is long enough. */
			poll(ends, 2, timeout < 0 ? 1000 : timeout);
			coax_context_process(server);
		}
		EXPECT_NE(response(fd).sa.sa_family, AF_UNSPEC);
		close(fd);
	}
	end(server);
}

TEST("another interface that gets the name is the one that is listened to")
{
	struct coax_context *server;

	begin();
	server = listen_to("*:0", "224.0.1.187%" OTHER_SERVER, 1);
	wait_for_joins(1);
	forget_lines();
	lab_run("ip link set " OTHER_SERVER " down && ip link set " OTHER_SERVER " name away");
	lab_run("ip link set " LAB_SERVER " down && ip link set " LAB_SERVER " name " OTHER_SERVER);
	lab_run("ip link set " OTHER_SERVER " up");
	wait_for_joins(1);
	expect_response("224.0.1.187", coax_context_port(server), LAB_CLIENT);
	end(server);
}

TEST("an interface that is not there, and what is no group, are refused with a word on why")
{
	static const struct {
		const char *group;
		int error;
		const char *words;
	} cases[] = {
		{"nosuch0", -ENODEV, "ERROR: cannot listen to group \"nosuch0\": there is no such"},
		{"ff02::fd%nosuch0", -ENODEV, "there is no such interface"},
		{"224.0.1.187", -EINVAL, "name the interface"},
		{"192.0.2.1%lo", -EINVAL, "no multicast address"},
		{"255.255.255.255%lo", -EINVAL, "no multicast address"},
		{"224.0.1.187:5683%lo", -EINVAL, "no multicast address"},
		{"%lo", -EINVAL, "no multicast address"},
		{"", -ENODEV, "there is no such interface"},
	};
	static const char *const bind = "127.0.0.1:0";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_context_options options = options_for(&bind, 1, &cases[i].group, 1, 1);
		struct coax_context *context;

		forget_lines();
		EXPECT_EQ(coax_context_create(&context, &options), cases[i].error);
		if (!said(cases[i].words))
			HARNESS_SAY("%s", lines);
		EXPECT_TRUE(said(cases[i].words));
	}
}

TEST("where IPv6 is off on an interface, its groups of IPv4 are heard")
{
	struct coax_context *server;

	begin();
	lab_run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	server = listen_to("*:0", LAB_SERVER, 1);
	expect_response("224.0.1.187", coax_context_port(server), LAB_CLIENT);
	end(server);
}

TEST("a host's many links are listened to, and more groups than there is room for are refused")
{
	const char *groups[200];
	char texts[200][48];
	static const char *const bind = "*:0";
	struct coax_context_options options = options_for(&bind, 1, groups, 100, 1);
	struct coax_context *server;

	begin();
	for (int i = 0; i < 200; i++) {
		snprintf(texts[i], sizeof(texts[i]), "239.0.0.%d%%" LAB_SERVER, i);
		groups[i] = texts[i];
	}
	options.site = new_site();
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	expect_response("239.0.0.0", coax_context_port(server), LAB_CLIENT);
	expect_response("239.0.0.99", coax_context_port(server), LAB_CLIENT);
	coax_context_shutdown(server);

	options.group_count = 200;
	EXPECT_EQ(coax_context_create(&server, &options), -E2BIG);
	EXPECT_TRUE(said("ERROR: too many addresses"));
	coax_site_destroy(options.site);
}

TEST("a group on more links than one socket may join it on is a warning with a hint")
{
	const char *groups[24];
	char texts[24][32];
	static const char *const bind = "*:0";
	struct coax_context_options options = options_for(&bind, 1, groups, 24, 1);
	struct coax_context *server;

	begin();
	for (int i = 0; i < 24; i++) {
		lab_run("ip link add many%d type veth peer name peer%d", i, i);
		snprintf(texts[i], sizeof(texts[i]), "224.0.1.187%%many%d", i);
		groups[i] = texts[i];
	}
	groups[0] = "224.0.1.187%" LAB_SERVER;
	options.site = new_site();
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	EXPECT_TRUE(said("WARNING: cannot join 224.0.1.187"));
	EXPECT_TRUE(said("igmp_max_memberships"));
	expect_response("224.0.1.187", coax_context_port(server), LAB_CLIENT);
	end(server);
}

/* Sending to groups: what the transport does with a path. */

static int member(const char *group, in_port_t port, const char *interface)
{
	union coax_address address = at(group, port);
	struct outside end = outside(interface, address.sa.sa_family);
	struct group_req request = {.gr_interface = end.ifindex};
	bool ipv6 = end.family == AF_INET6;
	int one = 1;

	memcpy(&request.gr_group, &address, coax_address_length(&address));
	ASSERT_EQ(setsockopt(end.fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_JOIN_GROUP, &request,
			     sizeof(request)),
		  0);
	ASSERT_EQ(setsockopt(end.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	ASSERT_EQ(setsockopt(end.fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
			     (socklen_t)strlen(interface)),
		  0);
	ASSERT_EQ(setsockopt(end.fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
			     ipv6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &one, sizeof(one)),
		  0);
	if (ipv6)
		address.in6.sin6_addr = in6addr_any;
	else
		address.in.sin_addr.s_addr = htonl(INADDR_ANY);
	ASSERT_EQ(bind(end.fd, &address.sa, coax_address_length(&address)), 0);
	return end.fd;
}

/* How many hops what arrived could still have gone; -1: nothing came. */
static int hops(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	_Alignas(struct cmsghdr) uint8_t control[64];
	uint8_t byte;
	struct iovec iov = {&byte, 1};
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int value = 0;

	if (poll(&readable, 1, CLIENT_PATIENCE_MS) != 1)
		return -1;
	ASSERT_EQ(recvmsg(fd, &header, 0), 1);
	ASSERT_TRUE(CMSG_FIRSTHDR(&header));
	memcpy(&value, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(value));
	return value;
}

static bool is_silent(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	return poll(&readable, 1, 0) == 0;
}

static void send_to_group(const char *group, const char *interface, const char *bound)
{
	union coax_address to = at(group, 5683);
	struct coax_udp_socket wanted = {.address = at(bound, 0)};
	struct coax_path path = {.remote = to};
	struct coax_datagram datagram = {.data = (uint8_t *)"x", .length = 1};
	struct coax_transport *transport;
	uint32_t failed;

	if (to.sa.sa_family == AF_INET6)
		path.remote.in6.sin6_scope_id = if_nametoindex(interface);
	else
		path.ifindex = if_nametoindex(interface);
	datagram.path = path;
	ASSERT_EQ(coax_udp_open(&transport, &wanted, 1, &failed), 0);
	EXPECT_EQ(transport->ops->send(transport, &datagram, 1), 1U);
	transport->ops->close(transport);
}

TEST("what is sent to a group leaves by the interface that the path names, as far as it may go")
{
	static const struct {
		const char *group;
		int hops;
		const char *bound;
	} cases[] = {
		{"224.0.1.187", 1, "0.0.0.0"},
		{"ff02::fd", 64, "::"},
		{"ff05::fd", 64, "::"},
		{"224.0.1.187", 1, LAB_SERVER_IPV4},
		{"ff02::fd", 64, LAB_SERVER_IPV6},
		{"ff05::fd", 64, LAB_SERVER_IPV6},
	};

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int one = member(cases[i].group, 5683, LAB_CLIENT);
		int other = member(cases[i].group, 5683, OTHER_CLIENT);

		send_to_group(cases[i].group, OTHER_SERVER, cases[i].bound);
		EXPECT_EQ(hops(other), cases[i].hops);
		send_to_group(cases[i].group, LAB_SERVER, cases[i].bound);
		EXPECT_EQ(hops(one), cases[i].hops);
		EXPECT_TRUE(is_silent(one) && is_silent(other));
		close(one);
		close(other);
	}
}

TEST_MAIN()
