// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the program may answer, on hosts that are made up: by what lies above an interface and what
 * lies on it.
 */
#include "../harness.h"
#include "accel/internal.h"

enum {
	LAN = 2,
	WAN,
	ABOVE,
	MORE,
	SLAVE,
	LINKS
};

/* Two interfaces of hardware, their offloads on, and room for three more. */
static struct accel_link links[LINKS - LAN];
static const struct accel_snapshot host = {.links = links, .link_count = LINKS - LAN};

static struct accel_link *at(uint32_t ifindex)
{
	return &links[ifindex - LAN];
}

static struct accel_link *make(uint32_t ifindex, const char *name, const char *kind)
{
	struct accel_link *link = at(ifindex);

	*link = (struct accel_link){.ifindex = ifindex,
				    .ethernet = true,
				    .up = true,
				    .mac = {2, 0, 0, 0, 0, (uint8_t)ifindex},
				    .takes_tags_off = true};
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	return link;
}

static void make_host(void)
{
	make(LAN, "eth0", "");
	make(WAN, "eth1", "");
	make(ABOVE, "dummy0", "dummy");
	make(MORE, "dummy1", "dummy");
	make(SLAVE, "eth2", "");
}

static void make_vlan(uint32_t ifindex, uint32_t lower, uint16_t number)
{
	struct accel_link *vlan = make(ifindex, "lan.x", "vlan");

	vlan->lower = lower;
	vlan->vlan = number;
}

static struct accel_place find(uint32_t ifindex)
{
	struct accel_place place;

	accel_place_find(&host, at(ifindex), &place);
	return place;
}

static int obstacle(uint32_t ifindex)
{
	return (int)find(ifindex).obstacle;
}

static bool explains(uint32_t ifindex, const char *words)
{
	struct accel_place place = find(ifindex);
	char text[192];

	accel_place_explain(&place, at(ifindex), text, sizeof(text));
	if (strstr(text, words))
		return true;
	HARNESS_SAY("'%s' in '%s'?", words, text);
	return false;
}

static unsigned int vlans(uint32_t ifindex)
{
	struct accel_place place = find(ifindex);
	unsigned int count = 0;

	EXPECT_EQ(place.program.vlans_known, 1);
	for (size_t i = 0; i < COAX_VLANS / 64; i++)
		count += (unsigned int)__builtin_popcountll(place.program.vlans[i]);
	return count;
}

TEST("an interface by itself is answered on, for its own MAC address, in no VLAN")
{
	struct accel_place place;

	make_host();
	place = find(LAN);
	EXPECT_TRUE(place.obstacle == ACCEL_OBSTACLE_NONE);
	EXPECT_EQ(place.program.device, (uint32_t)LAN);
	EXPECT_EQ(place.program.port, 0);
	EXPECT_MEMEQ(place.mac, at(LAN)->mac, 6);
	EXPECT_EQ(vlans(LAN), 0U);
}

TEST("with VLAN devices on it, an interface that takes tags off is not answered on")
{
	make_host();
	make_vlan(ABOVE, LAN, 5);
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_TAGS);
	EXPECT_TRUE(explains(LAN, "ethtool -K eth0 rxvlan off"));
	EXPECT_TRUE(explains(LAN, "lan.x"));
	EXPECT_EQ(obstacle(WAN), ACCEL_OBSTACLE_NONE);
}

TEST("with VLAN devices on it, one that leaves tags on is answered on, in those VLANs that are up")
{
	struct accel_place place;

	make_host();
	make_vlan(ABOVE, LAN, 5);
	make_vlan(MORE, LAN, 4094);
	at(LAN)->takes_tags_off = false;
	place = find(LAN);
	EXPECT_TRUE(place.obstacle == ACCEL_OBSTACLE_NONE);
	EXPECT_TRUE(place.has_vlans);
	EXPECT_EQ(vlans(LAN), 2U);
	EXPECT_EQ(place.program.vlans[0], 1ULL << 5);
	EXPECT_EQ(place.program.vlans[63], 1ULL << 62);
	at(MORE)->up = false;
	EXPECT_EQ(vlans(LAN), 1U);
	EXPECT_EQ(vlans(WAN), 0U);
}

TEST("service tags are never known to be there")
{
	make_host();
	make_vlan(ABOVE, LAN, 5);
	at(ABOVE)->service_vlan = true;
	at(LAN)->takes_tags_off = false;
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_TAGS);
}

TEST("what software hands on may have lost its tags, whatever the offload's switch says")
{
	static const char *const kinds[] = {"veth", "bridge", "macvlan", "team", "dsa"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		make_host();
		make(LAN, "soft0", kinds[i])->takes_tags_off = false;
		EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_NONE);
		make_vlan(ABOVE, LAN, 5);
		EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_TAGS);
	}
}

TEST("a VLAN device itself is answered on, as any other that can be attached to")
{
	make_host();
	make_vlan(ABOVE, LAN, 5);
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_NONE);
	EXPECT_EQ(find(ABOVE).program.device, (uint32_t)ABOVE);
	make_vlan(MORE, ABOVE, 6);
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_TAGS);
}

TEST("a VLAN device on an interface of another network namespace lies on none of ours")
{
	make_host();
	make_vlan(ABOVE, 0, 5);
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_NONE);
}

TEST("a bond is answered on, its slaves are not")
{
	make_host();
	make(ABOVE, "bond0", "bond");
	at(LAN)->master = at(SLAVE)->master = ABOVE;
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_NONE);
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_MASTER);
	EXPECT_TRUE(explains(LAN, "belongs to bond0 (bond)"));
	EXPECT_TRUE(explains(LAN, "attach to bond0"));
}

TEST("a bond with VLAN devices is answered on when all of its slaves leave tags on")
{
	make_host();
	make(ABOVE, "bond0", "bond");
	make_vlan(MORE, ABOVE, 5);
	at(LAN)->master = at(SLAVE)->master = ABOVE;
	at(ABOVE)->takes_tags_off = false;
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_TAGS);
	at(LAN)->takes_tags_off = false;
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_TAGS);
	at(SLAVE)->takes_tags_off = false;
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_NONE);
	EXPECT_EQ(vlans(ABOVE), 1U);
	snprintf(at(LAN)->kind, sizeof(at(LAN)->kind), "veth");
	EXPECT_EQ(obstacle(ABOVE), ACCEL_OBSTACLE_TAGS);
}

TEST("what belongs to a team or a switch in software is theirs; a VRF takes no frames")
{
	make_host();
	make(ABOVE, "team0", "team");
	at(LAN)->master = ABOVE;
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_MASTER);
	make(ABOVE, "ovs-system", "openvswitch");
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_MASTER);
	make(ABOVE, "blue", "vrf");
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_NONE);
}

TEST("a port of a bridge is answered on for the bridge's MAC address")
{
	struct accel_place place;

	make_host();
	make(ABOVE, "br0", "bridge");
	at(LAN)->master = ABOVE;
	place = find(LAN);
	EXPECT_TRUE(place.obstacle == ACCEL_OBSTACLE_NONE);
	EXPECT_EQ(place.program.device, (uint32_t)ABOVE);
	EXPECT_EQ(place.program.port, 1);
	EXPECT_MEMEQ(place.mac, at(ABOVE)->mac, 6);
}

TEST("a port that its bridge takes nothing from is not answered on")
{
	make_host();
	make(ABOVE, "br0", "bridge");
	at(LAN)->master = ABOVE;
	at(LAN)->blocked = true;
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_BLOCKED);
	at(LAN)->blocked = false;
	at(ABOVE)->up = false;
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_BLOCKED);
}

TEST("a port of a bridge with VLANs is not answered on")
{
	make_host();
	make(ABOVE, "br0", "bridge")->filters_vlans = true;
	at(LAN)->master = ABOVE;
	at(LAN)->takes_tags_off = false;
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_FILTER);
	at(ABOVE)->filters_vlans = false;
	make_vlan(MORE, ABOVE, 5);
	EXPECT_EQ(obstacle(LAN), ACCEL_OBSTACLE_FILTER);
	EXPECT_TRUE(explains(LAN, "br0 has VLANs"));
}

TEST_MAIN()
