// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel's answers to questions for links and addresses are taken for.
 */
#include "../../user/accel/netlink.c"
#include "../harness.h"
#include "../lab.h"

struct answer {
	struct nlmsghdr header;
	union {
		int32_t error;
		struct nlmsgerr ack;
	};
};

static int taken(uint16_t type, uint16_t flags, int32_t error)
{
	struct accel_snapshot snapshot = {0};
	struct answer answer = {
		.header = {.nlmsg_len = NLMSG_LENGTH(type == NLMSG_DONE ? sizeof(answer.error)
									: sizeof(answer.ack)),
			   .nlmsg_type = type,
			   .nlmsg_flags = flags},
		.error = error,
	};

	return take_datagram(&snapshot, &answer, answer.header.nlmsg_len);
}

TEST("a dump is whole only when its end says so")
{
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI, 0), 1);
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI, -ENOBUFS), -ENOBUFS);
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, 0), -EAGAIN);
	EXPECT_EQ(taken(NLMSG_ERROR, 0, -EPERM), -EPERM);
	EXPECT_EQ(taken(NLMSG_ERROR, 0, 0), -EPROTO);
}

/* An RTM_NEWLINK message, as long as its attributes make it. */
struct message {
	struct nlmsghdr header;
	struct ifinfomsg info;
	uint8_t attributes[512];
};

static void begin_link(struct message *message, int ifindex)
{
	memset(message, 0, sizeof(*message));
	message->header.nlmsg_len = NLMSG_LENGTH(sizeof(message->info));
	message->header.nlmsg_type = RTM_NEWLINK;
	message->info.ifi_index = ifindex;
	message->info.ifi_type = ARPHRD_ETHER;
}

static struct rtattr *add(struct message *message, uint16_t type, const void *value, size_t size)
{
	struct rtattr *attribute = (void *)((char *)message + message->header.nlmsg_len);

	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attribute), value, size);
	message->header.nlmsg_len += (uint32_t)RTA_SPACE(size);
	return attribute;
}

/* What was added since `nest` is within it. */
static void end_nest(struct message *message, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((char *)message + message->header.nlmsg_len - (char *)nest);
}

static void add_u32(struct message *message, uint16_t type, uint32_t value)
{
	add(message, type, &value, sizeof(value));
}

static void add_text(struct message *message, uint16_t type, const char *text)
{
	add(message, type, text, strlen(text) + 1);
}

static struct accel_link taken_link(struct message *message)
{
	struct accel_snapshot snapshot = {0};
	struct accel_link link;

	ASSERT_EQ(take_datagram(&snapshot, message, (ssize_t)message->header.nlmsg_len), 0);
	ASSERT_EQ(snapshot.link_count, (size_t)1);
	link = snapshot.links[0];
	accel_snapshot_free(&snapshot);
	return link;
}

static void make_vlan(struct message *message, uint16_t number, uint16_t protocol)
{
	const __be16 protocol_be = htons(protocol);
	struct rtattr *info, *data;

	begin_link(message, 7);
	add_text(message, IFLA_IFNAME, "lan.5");
	add_u32(message, IFLA_LINK, 3);
	info = add(message, IFLA_LINKINFO, NULL, 0);
	add_text(message, IFLA_INFO_KIND, "vlan");
	data = add(message, IFLA_INFO_DATA, NULL, 0);
	add(message, IFLA_VLAN_PROTOCOL, &protocol_be, sizeof(protocol_be));
	add(message, IFLA_VLAN_ID, &number, sizeof(number));
	end_nest(message, data);
	end_nest(message, info);
}

TEST("a VLAN device is known with its number, its kind of tag, and what it lies on")
{
	struct message message;
	struct accel_link link;

	make_vlan(&message, 4094, ETH_P_8021Q);
	link = taken_link(&message);
	EXPECT_EQ(link.ifindex, 7U);
	EXPECT_STREQ(link.name, "lan.5");
	EXPECT_TRUE(accel_link_is(&link, "vlan"));
	EXPECT_EQ(link.lower, 3U);
	EXPECT_EQ(link.vlan, 4094);
	EXPECT_FALSE(link.service_vlan);

	make_vlan(&message, 5, ETH_P_8021AD);
	EXPECT_TRUE(taken_link(&message).service_vlan);
	/* What it lies on is in another network namespace. */
	add_u32(&message, IFLA_LINK_NETNSID, 0);
	EXPECT_EQ(taken_link(&message).lower, 0U);
}

TEST("a bridge's port is known with its master and whether it forwards")
{
	for (uint8_t state = BR_STATE_DISABLED; state <= BR_STATE_BLOCKING; state++) {
		struct rtattr *info, *data;
		struct message message;
		struct accel_link link;

		begin_link(&message, 7);
		add_u32(&message, IFLA_MASTER, 9);
		info = add(&message, IFLA_LINKINFO, NULL, 0);
		add_text(&message, IFLA_INFO_SLAVE_KIND, "bridge");
		data = add(&message, IFLA_INFO_SLAVE_DATA, NULL, 0);
		add(&message, IFLA_BRPORT_STATE, &state, sizeof(state));
		end_nest(&message, data);
		end_nest(&message, info);
		link = taken_link(&message);
		EXPECT_EQ(link.master, 9U);
		EXPECT_STREQ(link.kind, "");
		EXPECT_EQ(link.blocked, state != BR_STATE_FORWARDING);
	}
}

TEST("a bond's slave has no bridge's port state, whatever its data say")
{
	const uint8_t state = BR_STATE_BLOCKING;
	struct rtattr *info, *data;
	struct message message;

	begin_link(&message, 7);
	info = add(&message, IFLA_LINKINFO, NULL, 0);
	add_text(&message, IFLA_INFO_SLAVE_KIND, "bond");
	data = add(&message, IFLA_INFO_SLAVE_DATA, NULL, 0);
	add(&message, IFLA_BRPORT_STATE, &state, sizeof(state));
	end_nest(&message, data);
	end_nest(&message, info);
	EXPECT_FALSE(taken_link(&message).blocked);
}

TEST("a bridge that filters VLANs is known")
{
	for (uint8_t filtering = 0; filtering < 2; filtering++) {
		struct rtattr *info, *data;
		struct message message;

		begin_link(&message, 7);
		info = add(&message, IFLA_LINKINFO, NULL, 0);
		add_text(&message, IFLA_INFO_KIND, "bridge");
		data = add(&message, IFLA_INFO_DATA, NULL, 0);
		add(&message, IFLA_BR_VLAN_FILTERING, &filtering, sizeof(filtering));
		end_nest(&message, data);
		end_nest(&message, info);
		EXPECT_EQ(taken_link(&message).filters_vlans, filtering);
	}
}

TEST("attributes of other lengths than theirs are not taken")
{
	struct message message;
	struct accel_link link;

	begin_link(&message, 7);
	add_text(&message, IFLA_IFNAME, "a-name-that-is-too-long");
	add(&message, IFLA_ADDRESS, "infiniband-has-20-byte", 20);
	add(&message, IFLA_MTU, "12", 2);
	add(&message, IFLA_MASTER, "1", 1);
	add(&message, IFLA_LINKINFO, "x", 1);
	link = taken_link(&message);
	EXPECT_STREQ(link.name, "");
	EXPECT_EQ(link.mtu, 0U);
	EXPECT_EQ(link.master, 0U);
	EXPECT_EQ(link.mac[0], 0);
}

TEST("whether a driver takes VLAN tags off is asked for, and doubt means yes")
{
	static const char server[IF_NAMESIZE] = LAB_SERVER, nowhere[IF_NAMESIZE] = "nowhere";
	int fd;

	lab_begin();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_GE(fd, 0);
	lab_run("ethtool -K " LAB_SERVER " rxvlan on");
	EXPECT_TRUE(takes_tags_off(fd, server));
	lab_run("ethtool -K " LAB_SERVER " rxvlan off");
	EXPECT_FALSE(takes_tags_off(fd, server));
	EXPECT_TRUE(takes_tags_off(fd, nowhere));
	close(fd);
}

TEST("a change of that switch is told of")
{
	int fd;

	lab_begin();
	fd = accel_netlink_listen();
	ASSERT_GE(fd, 0);
	accel_netlink_drain(fd);
	lab_run("ethtool -K " LAB_SERVER " rxvlan off");
	EXPECT_TRUE(accel_netlink_drain(fd));
	close(fd);
}

TEST("links and addresses of this host are found")
{
	struct accel_snapshot snapshot;
	const struct accel_link *loopback;

	ASSERT_EQ(accel_snapshot_take(&snapshot), 0);
	loopback = accel_snapshot_named(&snapshot, "lo");
	ASSERT_TRUE(loopback);
	EXPECT_FALSE(loopback->ethernet);
	EXPECT_TRUE(accel_snapshot_link(&snapshot, loopback->ifindex) == loopback);
	accel_snapshot_free(&snapshot);
}

TEST_MAIN()
