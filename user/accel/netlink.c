// SPDX-License-Identifier: BSD-2-Clause
/*
 * rtnetlink(7): the host's links and addresses. A notification only says that something changed;
 * what is true now is always asked for as a whole, so nothing lost or reordered can mislead.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "accel/internal.h"
#include "mapped.h"
#include "rtnetlink.h"

#define BUFFER_SIZE  32768
#define DUMP_RETRIES 8

int accel_netlink_listen(void)
{
	return coax_rtnetlink_listen(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
}

bool accel_netlink_drain(int fd)
{
	char byte;
	bool any = false;

	while (recv(fd, &byte, sizeof(byte), MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR)
		any = true;
	return any;
}

/* Make room for one more in an array that grows by doubling. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

static void take_text(const struct rtattr *attribute, char *text, size_t size)
{
	if (RTA_PAYLOAD(attribute) <= size) {
		memcpy(text, RTA_DATA(attribute), RTA_PAYLOAD(attribute));
		text[size - 1] = '\0';
	}
}

static void take_number(const struct rtattr *attribute, void *number, size_t size)
{
	if (RTA_PAYLOAD(attribute) == size)
		memcpy(number, RTA_DATA(attribute), size);
}

static void take_vlan(struct accel_link *link, const struct rtattr *attribute)
{
	__be16 protocol = 0;

	if (attribute->rta_type == IFLA_VLAN_ID)
		take_number(attribute, &link->vlan, sizeof(link->vlan));
	if (attribute->rta_type != IFLA_VLAN_PROTOCOL)
		return;
	take_number(attribute, &protocol, sizeof(protocol));
	link->service_vlan = protocol != htons(ETH_P_8021Q);
}

static void take_bridge(struct accel_link *link, const struct rtattr *attribute)
{
	uint8_t filtering = 0;

	if (attribute->rta_type != IFLA_BR_VLAN_FILTERING)
		return;
	take_number(attribute, &filtering, sizeof(filtering));
	link->filters_vlans = filtering;
}

static void take_port(struct accel_link *link, const struct rtattr *attribute)
{
	uint8_t state = BR_STATE_FORWARDING;

	if (attribute->rta_type != IFLA_BRPORT_STATE)
		return;
	take_number(attribute, &state, sizeof(state));
	link->blocked = state != BR_STATE_FORWARDING;
}

static void take_nested(struct accel_link *link, const struct rtattr *nest,
			void (*take)(struct accel_link *link, const struct rtattr *attribute))
{
	int length = (int)RTA_PAYLOAD(nest);

	for (struct rtattr *a = RTA_DATA(nest); RTA_OK(a, length); a = RTA_NEXT(a, length))
		take(link, a);
}

/* What a kind's data say can be read only once the kind is known: it comes first. */
static void take_info(struct accel_link *link, const struct rtattr *attribute)
{
	char kind[sizeof(link->kind)] = "";

	switch (attribute->rta_type) {
	case IFLA_INFO_KIND:
		take_text(attribute, link->kind, sizeof(link->kind));
		break;
	case IFLA_INFO_DATA:
		if (accel_link_is(link, "vlan"))
			take_nested(link, attribute, take_vlan);
		else if (accel_link_is(link, "bridge"))
			take_nested(link, attribute, take_bridge);
		break;
	case IFLA_INFO_SLAVE_KIND:
		take_text(attribute, kind, sizeof(kind));
		link->bridge_port = !strcmp(kind, "bridge");
		break;
	case IFLA_INFO_SLAVE_DATA:
		if (link->bridge_port)
			take_nested(link, attribute, take_port);
		break;
	}
}

static void take_xdp(struct accel_link *link, const struct rtattr *attribute)
{
	uint8_t attached = XDP_ATTACHED_NONE;

	if (attribute->rta_type != IFLA_XDP_ATTACHED)
		return;
	take_number(attribute, &attached, sizeof(attached));
	link->taken = attached != XDP_ATTACHED_NONE;
}

static void take_link_attribute(struct accel_link *link, const struct rtattr *attribute)
{
	switch (attribute->rta_type) {
	case IFLA_IFNAME:
		take_text(attribute, link->name, sizeof(link->name));
		break;
	case IFLA_ADDRESS:
		take_number(attribute, link->mac, sizeof(link->mac));
		break;
	case IFLA_MTU:
		take_number(attribute, &link->mtu, sizeof(link->mtu));
		break;
	case IFLA_LINK:
		take_number(attribute, &link->lower, sizeof(link->lower));
		break;
	case IFLA_MASTER:
		take_number(attribute, &link->master, sizeof(link->master));
		break;
	case IFLA_LINKINFO:
		take_nested(link, attribute, take_info);
		break;
	case IFLA_XDP:
		take_nested(link, attribute, take_xdp);
		break;
	}
}

static bool has_attribute(const struct nlmsghdr *header, uint16_t type)
{
	int length = (int)IFLA_PAYLOAD(header);
	const struct ifinfomsg *info = NLMSG_DATA(header);

	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length))
		if (a->rta_type == type)
			return true;
	return false;
}

static int take_link(struct accel_snapshot *s, const struct nlmsghdr *header)
{
	const struct ifinfomsg *info = NLMSG_DATA(header);
	int length = (int)IFLA_PAYLOAD(header);
	struct accel_link *links = grown(s->links, s->link_count, sizeof(*links));
	struct accel_link *link;

	if (!links)
		return -ENOMEM;
	s->links = links;
	link = &links[s->link_count];
	memset(link, 0, sizeof(*link));
	link->ifindex = (uint32_t)info->ifi_index;
	link->ethernet = info->ifi_type == ARPHRD_ETHER;
	link->up = info->ifi_flags & IFF_UP;
	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length))
		take_link_attribute(link, a);
	/* In another network namespace that number is another link's. */
	if (has_attribute(header, IFLA_LINK_NETNSID))
		link->lower = 0;
	s->link_count++;
	return 0;
}

/* Addresses that only this host sees, that no host has, or that are not (yet) its to use. */
static bool is_usable(const uint8_t address[16], uint32_t flags)
{
	struct in6_addr in6;
	uint32_t v4;

	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return false;
	memcpy(&in6, address, sizeof(in6));
	if (!IN6_IS_ADDR_V4MAPPED(&in6))
		return !IN6_IS_ADDR_UNSPECIFIED(&in6) && !IN6_IS_ADDR_LOOPBACK(&in6) &&
		       !IN6_IS_ADDR_MULTICAST(&in6);
	memcpy(&v4, address + 12, sizeof(v4));
	v4 = ntohl(v4);
	return v4 >> 24 != 0 && v4 >> 24 != IN_LOOPBACKNET && !IN_MULTICAST(v4) &&
	       v4 != INADDR_BROADCAST;
}

static int take_address(struct accel_snapshot *s, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *info = NLMSG_DATA(header);
	int length = (int)IFA_PAYLOAD(header);
	size_t size = info->ifa_family == AF_INET ? 4 : 16;
	struct accel_local *locals = grown(s->locals, s->local_count, sizeof(*locals));
	struct accel_local *local;
	uint32_t flags = info->ifa_flags;
	const void *address = NULL;
	bool is_local = false;

	if (!locals)
		return -ENOMEM;
	s->locals = locals;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return 0;
	for (struct rtattr *a = IFA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
		if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(flags))
			memcpy(&flags, RTA_DATA(a), sizeof(flags));
		if (RTA_PAYLOAD(a) != size)
			continue;
		/* On a point-to-point link IFA_ADDRESS is the other end. */
		if (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !is_local)) {
			is_local = a->rta_type == IFA_LOCAL;
			address = RTA_DATA(a);
		}
	}
	if (!address)
		return 0;
	local = &locals[s->local_count];
	memset(local, 0, sizeof(*local));
	local->ifindex = info->ifa_index;
	if (info->ifa_family == AF_INET)
		coax_mapped_ipv4(local->address, address);
	else
		memcpy(local->address, address, size);
	s->local_count += is_usable(local->address, flags);
	return 0;
}

static int take_message(struct accel_snapshot *s, const struct nlmsghdr *header)
{
	if (header->nlmsg_type == RTM_NEWLINK &&
	    header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return take_link(s, header);
	if (header->nlmsg_type == RTM_NEWADDR &&
	    header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
		return take_address(s, header);
	return 0;
}

static int request_dump(int fd, uint16_t type)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg body;
	} request = {
		.header =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
				.nlmsg_type = type,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
		.body = {.rtgen_family = AF_UNSPEC},
	};

	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* An end carries what the dump failed with, if it did. */
static int take_end(const struct nlmsghdr *header)
{
	int32_t error = 0;

	if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(header), sizeof(error));
	return error < 0 ? error : 1;
}

/* Returns 1 at the end of the dump, 0 before it; -EAGAIN: the host changed under it. */
static int take_datagram(struct accel_snapshot *s, void *buffer, ssize_t received)
{
	uint32_t left = (uint32_t)received;
	int err;

	for (struct nlmsghdr *h = buffer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct nlmsgerr *error = NLMSG_DATA(h);

		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		if (h->nlmsg_type == NLMSG_DONE)
			return take_end(h);
		if (h->nlmsg_type == NLMSG_ERROR)
			return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error < 0
				       ? error->error
				       : -EPROTO;
		err = take_message(s, h);
		if (err)
			return err;
	}
	return 0;
}

static int dump(int fd, uint16_t type, struct accel_snapshot *s, void *buffer)
{
	int err = request_dump(fd, type);

	while (!err) {
		ssize_t received = recv(fd, buffer, BUFFER_SIZE, MSG_TRUNC);

		if (received < 0)
			return -errno;
		if (received > BUFFER_SIZE)
			return -EMSGSIZE;
		err = take_datagram(s, buffer, received);
	}
	return err < 0 ? err : 0;
}

static int try_snapshot(struct accel_snapshot *s, void *buffer)
{
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	err = dump(fd, RTM_GETLINK, s, buffer);
	if (!err)
		err = dump(fd, RTM_GETADDR, s, buffer);
	close(fd);
	return err;
}

/* Whether the driver takes VLAN tags off the frames, before anybody sees them. */
static bool takes_tags_off(int fd, const char *name)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	memcpy(request.ifr_name, name, sizeof(request.ifr_name));
	return ioctl(fd, SIOCETHTOOL, &request) != 0 || flags.data & ETH_FLAG_RXVLAN;
}

/* Asked for only where it matters: on a host with VLAN devices. */
static int ask_for_offloads(struct accel_snapshot *s)
{
	bool vlans = false;
	int fd;

	for (size_t i = 0; i < s->link_count; i++)
		vlans |= accel_link_is(&s->links[i], "vlan");
	if (!vlans)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < s->link_count; i++)
		s->links[i].takes_tags_off = takes_tags_off(fd, s->links[i].name);
	close(fd);
	return 0;
}

int accel_snapshot_take(struct accel_snapshot *snapshot)
{
	void *buffer = malloc(BUFFER_SIZE);
	int err = buffer ? -EAGAIN : -ENOMEM;

	memset(snapshot, 0, sizeof(*snapshot));
	for (int i = 0; i < DUMP_RETRIES && err == -EAGAIN; i++) {
		accel_snapshot_free(snapshot);
		err = try_snapshot(snapshot, buffer);
	}
	free(buffer);
	if (!err)
		err = ask_for_offloads(snapshot);
	if (err)
		accel_snapshot_free(snapshot);
	return err;
}

bool accel_link_is(const struct accel_link *link, const char *kind)
{
	return strcmp(link->kind, kind) == 0;
}

void accel_snapshot_free(struct accel_snapshot *snapshot)
{
	free(snapshot->links);
	free(snapshot->locals);
	memset(snapshot, 0, sizeof(*snapshot));
}

const struct accel_link *accel_snapshot_link(const struct accel_snapshot *snapshot,
					     uint32_t ifindex)
{
	for (size_t i = 0; i < snapshot->link_count; i++)
		if (snapshot->links[i].ifindex == ifindex)
			return &snapshot->links[i];
	return NULL;
}

const struct accel_link *accel_snapshot_named(const struct accel_snapshot *snapshot,
					      const char *name)
{
	for (size_t i = 0; i < snapshot->link_count; i++)
		if (strcmp(snapshot->links[i].name, name) == 0)
			return &snapshot->links[i];
	return NULL;
}
