// SPDX-License-Identifier: BSD-2-Clause
/*
 * rtnetlink(7): the host's links and addresses. A notification only says that something changed;
 * what is true now is always asked for as a whole, so nothing lost or reordered can mislead.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "accel/internal.h"

#define BUFFER_SIZE  32768
#define DUMP_RETRIES 8

int accel_netlink_listen(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
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

static bool is_veth(const struct rtattr *info)
{
	static const char kind[] = "veth";
	int length = (int)RTA_PAYLOAD(info);

	for (struct rtattr *a = RTA_DATA(info); RTA_OK(a, length); a = RTA_NEXT(a, length))
		if (a->rta_type == IFLA_INFO_KIND && RTA_PAYLOAD(a) >= sizeof(kind) - 1)
			return !strncmp(RTA_DATA(a), kind, RTA_PAYLOAD(a));
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
	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
		size_t size = RTA_PAYLOAD(a);

		if (a->rta_type == IFLA_IFNAME && size <= sizeof(link->name))
			memcpy(link->name, RTA_DATA(a), size);
		else if (a->rta_type == IFLA_ADDRESS && size == sizeof(link->mac))
			memcpy(link->mac, RTA_DATA(a), size);
		else if (a->rta_type == IFLA_MTU && size == sizeof(link->mtu))
			memcpy(&link->mtu, RTA_DATA(a), size);
		else if (a->rta_type == IFLA_LINKINFO)
			link->veth = is_veth(a);
	}
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
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
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
	memcpy(local->address, mapped, sizeof(mapped));
	memcpy(local->address + 16 - size, address, size);
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
	if (err)
		accel_snapshot_free(snapshot);
	return err;
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
