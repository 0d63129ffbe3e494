// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "groups.h"
#include "rtnetlink.h"

#define BUFFER_SIZE 32768

struct group {
	union coax_address address; /* IPv6: with the interface as its scope where that matters */
	char interface[IF_NAMESIZE];
	bool implied;	  /* the interface alone was named */
	uint32_t socket;  /* worker 0's that hears it; COAX_NO_SOCKET: none does */
	uint32_t ifindex; /* where it is joined; 0: not */
	int error;	  /* why not; said once */
};

struct coax_groups {
	const struct coax_logger *logger;
	struct coax_worker *worker;
	int netlink;
	bool warned; /* of a family that is not there, once */
	size_t count;
	struct group *groups;
};

/*
 * What an interface's name alone stands for: All CoAP Nodes (RFC 7252 section 12.8) and the
 * all-nodes groups, which this host is in, but its sockets are not.
 */
static const char *const all_nodes[] = {"224.0.1.187", "224.0.0.1", "ff02::fd", "ff05::fd",
					"ff02::1"};

#define ALL_NODES (sizeof(all_nodes) / sizeof(all_nodes[0]))

static int complain(const struct coax_logger *logger, const char *text, const char *what, int err)
{
	coax_log(logger, COAX_LOG_ERROR, "cannot listen to group \"%s\": %s", text, what);
	return err;
}

static bool is_group(const union coax_address *address)
{
	if (address->sa.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(address->in.sin_addr.s_addr));
	return address->sa.sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&address->in6.sin6_addr);
}

/* The kernel wants to know the interface where an address means something on one alone. */
static bool needs_scope(const union coax_address *address)
{
	return address->sa.sa_family == AF_INET6 &&
	       (IN6_IS_ADDR_MC_LINKLOCAL(&address->in6.sin6_addr) ||
		IN6_IS_ADDR_MC_NODELOCAL(&address->in6.sin6_addr));
}

static void add_group(struct coax_groups *groups, const union coax_address *address,
		      const char *interface, bool implied)
{
	struct group *group = &groups->groups[groups->count++];

	group->address = *address;
	group->implied = implied;
	group->socket = COAX_NO_SOCKET;
	strncpy(group->interface, interface, sizeof(group->interface) - 1);
	if (needs_scope(address))
		group->address.in6.sin6_scope_id = if_nametoindex(interface);
}

static int parse_interface(struct coax_groups *groups, const char *text)
{
	union coax_address address;

	if (coax_address_parse(&address, text, 0) == 0)
		return complain(groups->logger, text,
				"name the interface behind it, as in 224.0.1.187%eth0", -EINVAL);
	if (!if_nametoindex(text))
		return complain(groups->logger, text,
				"there is no such interface (ip link lists them)", -ENODEV);
	for (size_t i = 0; i < ALL_NODES; i++) {
		if (coax_address_parse(&address, all_nodes[i], 0))
			return -EINVAL;
		add_group(groups, &address, text, true);
	}
	return 0;
}

static int parse_group(struct coax_groups *groups, const char *text)
{
	const char *interface = strchr(text, '%');
	char host[INET6_ADDRSTRLEN];
	union coax_address address;
	size_t length;

	if (!interface)
		return parse_interface(groups, text);
	length = (size_t)(interface++ - text);
	if (length < sizeof(host)) {
		memcpy(host, text, length);
		host[length] = '\0';
	}
	if (length >= sizeof(host) || coax_address_parse(&address, host, 0) ||
	    coax_address_port(&address) || !is_group(&address))
		return complain(groups->logger, text, "that is no multicast address", -EINVAL);
	if (!if_nametoindex(interface))
		return complain(groups->logger, text,
				"there is no such interface (ip link lists them)", -ENODEV);
	add_group(groups, &address, interface, false);
	return 0;
}

int coax_groups_create(struct coax_groups **result, const struct coax_context *context,
		       const struct coax_context_options *options)
{
	struct coax_groups *groups;
	int err = 0;

	if (!options->group_count)
		return 0;
	groups = calloc(1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	groups->logger = &context->logger;
	groups->netlink = -1;
	groups->groups = calloc(options->group_count, ALL_NODES * sizeof(*groups->groups));
	if (!groups->groups)
		err = -ENOMEM;
	for (size_t i = 0; i < options->group_count && !err; i++)
		err = parse_group(groups, options->groups[i]);
	if (err)
		coax_groups_destroy(groups);
	else
		*result = groups;
	return err;
}

void coax_groups_destroy(struct coax_groups *groups)
{
	if (!groups)
		return;
	if (groups->netlink >= 0)
		close(groups->netlink);
	free(groups->groups);
	free(groups);
}

/* Sockets. */

/* Whether the host, or for a group that nobody named, whoever binds, has the family at all. */
static bool is_family_there(struct coax_groups *groups, const struct group *group, bool is_bound)
{
	bool ipv6 = group->address.sa.sa_family == AF_INET6;
	bool is_there = !ipv6 || coax_binding_has_ipv6();

	if (is_there && (is_bound || !group->implied))
		return true;
	if (!groups->warned)
		coax_log(groups->logger, COAX_LOG_WARNING, "%s %s: its groups are not listened to",
			 is_there ? "nothing is bound to an address of" : "this host has no",
			 ipv6 ? "IPv6" : "IPv4");
	groups->warned = true;
	return false;
}

static bool is_family_bound(const struct coax_binding *binding, int family)
{
	for (uint32_t i = 0; i < binding->shared; i++)
		if (binding->sockets[i].address.sa.sa_family == family)
			return true;
	return false;
}

int coax_groups_bind(struct coax_groups *groups, struct coax_binding *binding)
{
	int err = 0;

	for (size_t i = 0; i < groups->count && !err; i++) {
		struct group *group = &groups->groups[i];

		if (is_family_there(groups, group,
				    is_family_bound(binding, group->address.sa.sa_family)))
			err = coax_binding_add_group(binding, &group->address, &group->socket);
	}
	return err;
}

/* Joining. */

static void warn_of_join(const struct coax_groups *groups, struct group *group, int err)
{
	char text[COAX_ADDRESS_TEXT_MAX];

	if (group->error == err)
		return;
	group->error = err;
	coax_log(groups->logger, COAX_LOG_WARNING,
		 "cannot join %s on %s: %s%s; it is tried again when an interface changes",
		 coax_address_format(&group->address, text), group->interface, strerror(-err),
		 err == -ENOBUFS ? " (see net.ipv4.igmp_max_memberships)" : "");
}

/* The socket of a group on a link is bound to that link, which may be another one now. */
static int follow_link(struct coax_groups *groups, struct group *group, uint32_t ifindex)
{
	struct coax_transport *transport = groups->worker->transport;
	union coax_address address = *transport->ops->bound(transport, group->socket);
	int err;

	if (!needs_scope(&group->address) || address.in6.sin6_scope_id == ifindex)
		return 0;
	address.in6.sin6_scope_id = ifindex;
	err = transport->ops->rebind(transport, group->socket, &address);
	if (err)
		return err;
	group->address.in6.sin6_scope_id = ifindex;
	return coax_worker_watch(groups->worker, transport->ops->fd(transport, group->socket),
				 group->socket);
}

static void join(struct coax_groups *groups, struct group *group, uint32_t ifindex)
{
	struct coax_transport *transport = groups->worker->transport;
	char text[COAX_ADDRESS_TEXT_MAX];
	int err = follow_link(groups, group, ifindex);

	if (!err)
		err = transport->ops->join(transport, group->socket, &group->address, ifindex);
	/* Named twice. */
	if (err == -EADDRINUSE)
		err = 0;
	if (err) {
		warn_of_join(groups, group, err);
		return;
	}
	group->ifindex = ifindex;
	group->error = 0;
	coax_log(groups->logger, COAX_LOG_INFO, "joined %s on %s",
		 coax_address_format(&group->address, text), group->interface);
}

static void leave(struct coax_groups *groups, struct group *group)
{
	struct coax_transport *transport = groups->worker->transport;
	char text[COAX_ADDRESS_TEXT_MAX];

	coax_log(groups->logger, COAX_LOG_INFO, "left %s with %s",
		 coax_address_format(&group->address, text), group->interface);
	transport->ops->leave(transport, group->socket, &group->address, group->ifindex);
	group->ifindex = 0;
}

/* An interface goes by its name: another that has it now is the one that was asked for. */
static void follow_names(struct coax_groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		struct group *group = &groups->groups[i];
		uint32_t ifindex = if_nametoindex(group->interface);

		if (group->socket == COAX_NO_SOCKET)
			continue;
		if (group->ifindex && group->ifindex != ifindex)
			leave(groups, group);
		if (!group->ifindex && ifindex)
			join(groups, group, ifindex);
	}
}

int coax_groups_join(struct coax_groups *groups, struct coax_worker *worker)
{
	groups->worker = worker;
	groups->netlink = coax_rtnetlink_listen(RTMGRP_LINK);
	if (groups->netlink < 0) {
		coax_log(groups->logger, COAX_LOG_ERROR,
			 "cannot ask the kernel to tell of interfaces: %s",
			 strerror(-groups->netlink));
		return groups->netlink;
	}
	follow_names(groups);
	return 0;
}

int coax_groups_fd(const struct coax_groups *groups)
{
	return groups->netlink;
}

/* `ifindex` 0: all of them. The number may come again for another one. */
static void leave_link(struct coax_groups *groups, uint32_t ifindex)
{
	for (size_t i = 0; i < groups->count; i++) {
		struct group *group = &groups->groups[i];

		if (group->ifindex && (!ifindex || group->ifindex == ifindex))
			leave(groups, group);
	}
}

static void take_events(struct coax_groups *groups, const void *buffer, size_t length)
{
	const struct nlmsghdr *header = buffer;
	const struct ifinfomsg *info;

	for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
		info = NLMSG_DATA(header);
		if (header->nlmsg_type == RTM_DELLINK &&
		    header->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)))
			leave_link(groups, (uint32_t)info->ifi_index);
	}
}

void coax_groups_process(struct coax_groups *groups)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];

	for (;;) {
		ssize_t length = recv(groups->netlink, buffer, sizeof(buffer), 0);

		if (length >= 0)
			take_events(groups, buffer, (size_t)length);
		else if (errno == ENOBUFS)
			leave_link(groups, 0); /* some were lost: these may have gone */
		else if (errno != EINTR)
			break;
	}
	follow_names(groups);
}

bool coax_groups_have(const struct coax_groups *groups, const struct coax_path *path)
{
	/* A broadcast address is no group: whoever is on the network is meant. */
	if (!is_group(&path->local))
		return true;
	if (!groups)
		return false;
	for (size_t i = 0; i < groups->count; i++) {
		const struct group *group = &groups->groups[i];

		if (group->socket == path->socket && group->ifindex == path->ifindex)
			return true;
	}
	return false;
}
