// SPDX-License-Identifier: BSD-2-Clause
/*
 * CoAP over UDP: recvmmsg and sendmmsg on sockets that may share their address with other workers'.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h> /* <linux/errqueue.h> wants it */
#include <unistd.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include "transport.h"

/* Bursts wait here while a worker is busy: about 20 000 small datagrams. */
#define SOCKET_BUFFER (4 << 20)

/*
 * A cache has few places for lines that are a power of two apart: all datagrams' first ones would
 * have to share them.
 */
#define BUFFER_STRIDE (COAX_DATAGRAM_IN_MAX + 64)

#define CONTROL_SIZE  CMSG_SPACE(sizeof(struct in6_pktinfo))

/*
 * How far a request to an IPv6 group gets, which is bounded by the group's scope: routers let
 * nothing leave that (RFC 4291 section 2.7). IPv4 has no such scopes: there it stays at one hop
 * (RFC 1112 section 6.1).
 */
#define GROUP_HOPS 64

/* Attempts to send a datagram while errors of others come in between. */
#define SEND_TRIES 16

struct udp_socket {
	int fd;
	bool tells_local; /* which address, or which interface, is told with each datagram */
	bool reuse_port;
	bool filtered; /* nothing gets in */
	bool late;     /* not bound yet */
	union coax_address address;
};

struct udp {
	struct coax_transport base;
	uint32_t count;
	struct udp_socket sockets[COAX_SOCKETS_MAX];

	struct mmsghdr in[COAX_BATCH];
	struct iovec in_iov[COAX_BATCH];
	struct coax_datagram datagrams[COAX_BATCH];
	_Alignas(struct cmsghdr) uint8_t in_control[COAX_BATCH][CONTROL_SIZE];
	uint8_t buffers[COAX_BATCH][BUFFER_STRIDE];

	struct mmsghdr out[COAX_BATCH];
	struct iovec out_iov[COAX_BATCH];
	_Alignas(struct cmsghdr) uint8_t out_control[COAX_BATCH][CONTROL_SIZE];
};

static struct udp *to_udp(const struct coax_transport *transport)
{
	return (struct udp *)transport;
}

bool coax_udp_is_wildcard(const union coax_address *address)
{
	if (address->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
	return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* What is bound to it hears datagrams of more than one address and interface. */
static bool is_for_many(const union coax_address *address)
{
	return coax_udp_is_wildcard(address) || coax_address_is_multicast(address);
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static void set_buffers(int fd)
{
	/* FORCE needs CAP_NET_ADMIN; without it the system's limit applies, which works too. */
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER))
		set(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER))
		set(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
}

static int set_options_ipv6(int fd, bool tells_local)
{
	int err = set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);

	if (!err)
		err = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
	if (!err)
		err = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, GROUP_HOPS);
	if (!err && tells_local)
		err = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return err;
}

/* A socket hears the groups that it has joined, not those that any on this host have. */
static int set_options(int fd, int family, bool tells_local)
{
	int err;

	if (family == AF_INET6)
		return set_options_ipv6(fd, tells_local);
	err = set(fd, IPPROTO_IP, IP_RECVERR, 1);
	/*
	 * What cannot be fragmented needs no identification, which costs a fifteenth of a reply:
	 * what has to be is sent by send_in_fragments().
	 */
	if (!err)
		err = set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	if (!err)
		err = set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	if (!err && tells_local)
		err = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	return err;
}

static int let_nothing_in(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &drop};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	return 0;
}

static int open_unbound(const union coax_address *address, bool reuse_port)
{
	int family = address->sa.sa_family;
	int fd, err = 0;

	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (fd < 0)
		return -errno;
	if (reuse_port)
		err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);

	/* Of these options the only one that comes too late for a socket that is bound. */
	if (!err && family == AF_INET6)
		err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!err)
		err = set_options(fd, family, is_for_many(address));
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int bind_to(int fd, const union coax_address *address)
{
	return bind(fd, &address->sa, coax_address_length(address)) ? -errno : 0;
}

static int open_bound(const union coax_address *address, bool reuse_port, bool filtered)
{
	int fd = open_unbound(address, reuse_port);
	int err;

	if (fd < 0)
		return fd;
	err = filtered ? let_nothing_in(fd) : 0;
	if (!err)
		err = bind_to(fd, address);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* Whoever had it before may have been of another version: our options are set anew. */
static int use_inherited(int inherited, const union coax_address *address)
{
	int fd = fcntl(inherited, F_DUPFD_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, address->sa.sa_family, is_for_many(address));
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int udp_socket_open(struct udp_socket *socket, const struct coax_udp_socket *wanted)
{
	socklen_t length = sizeof(socket->address);
	int err;

	socket->tells_local = is_for_many(&wanted->address);
	socket->reuse_port = wanted->reuse_port;
	socket->late = wanted->late && !wanted->inherited;
	socket->filtered = wanted->reuse_port && !socket->late && !wanted->inherited;
	if (wanted->inherited)
		socket->fd = use_inherited(wanted->inherited, &wanted->address);
	else if (socket->late)
		socket->fd = open_unbound(&wanted->address, wanted->reuse_port);
	else
		socket->fd = open_bound(&wanted->address, wanted->reuse_port, socket->filtered);
	if (socket->fd < 0)
		return socket->fd;
	set_buffers(socket->fd);
	socket->address = wanted->address;
	if (!socket->late && getsockname(socket->fd, &socket->address.sa, &length)) {
		err = -errno;
		close(socket->fd);
		return err;
	}
	return 0;
}

static int udp_admit(struct coax_transport *transport)
{
	struct udp *udp = to_udp(transport);

	for (uint32_t i = 0; i < udp->count; i++) {
		struct udp_socket *s = &udp->sockets[i];
		int err = 0;

		if (s->late)
			err = bind_to(s->fd, &s->address);
		else if (s->filtered)
			err = set(s->fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
		if (err)
			return err;
		s->late = false;
		s->filtered = false;
	}
	return 0;
}

/*
 * A network's broadcast address looks like a host's, but is not what an answer would leave from:
 * it goes by the name of the one that can be told.
 */
static struct in_addr group_or_own(const struct in_pktinfo *info)
{
	if (info->ipi_addr.s_addr == info->ipi_spec_dst.s_addr ||
	    IN_MULTICAST(ntohl(info->ipi_addr.s_addr)))
		return info->ipi_addr;
	return (struct in_addr){htonl(INADDR_BROADCAST)};
}

/* The address that a datagram came to, which its answer has to leave from. */
static void read_local(const struct udp_socket *socket, struct msghdr *header,
		       struct coax_path *path)
{
	path->local = socket->address;
	path->ifindex = 0;
	if (!socket->tells_local)
		return;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			path->local.in.sin_addr = group_or_own(&info);
			path->ifindex = (uint32_t)info.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			path->local.in6.sin6_addr = info.ipi6_addr;
			path->ifindex = info.ipi6_ifindex;
		}
	}
}

static unsigned int udp_receive(struct coax_transport *transport, uint32_t socket,
				struct coax_datagram **batch)
{
	struct udp *udp = to_udp(transport);
	const struct udp_socket *s = &udp->sockets[socket];
	int count = -1;

	for (int i = 0; i < COAX_BATCH; i++) {
		struct msghdr *header = &udp->in[i].msg_hdr;

		header->msg_namelen = sizeof(udp->datagrams[i].path.remote);
		header->msg_controllen = s->tells_local ? CONTROL_SIZE : 0;
	}

	/* An error that some peer's ICMP message left pending ends a call early: ask once more. */
	for (int tries = 0; tries < 2 && count < 0; tries++)
		count = recvmmsg(s->fd, udp->in, COAX_BATCH, MSG_DONTWAIT, NULL);
	if (count < 0)
		return 0;

	for (int i = 0; i < count; i++) {
		struct coax_datagram *d = &udp->datagrams[i];

		d->data = udp->buffers[i];
		d->length = udp->in[i].msg_len;
		d->truncated = udp->in[i].msg_hdr.msg_flags & MSG_TRUNC;
		d->path.socket = socket;
		read_local(s, &udp->in[i].msg_hdr, &d->path);
	}
	*batch = udp->datagrams;
	return (unsigned int)count;
}

static void write_control(struct msghdr *header, uint8_t *control, int level, int type,
			  const void *data, size_t size)
{
	struct cmsghdr *c = (struct cmsghdr *)control;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	header->msg_control = control;
	header->msg_controllen = CMSG_SPACE(size);
}

/* The interface that an IPv6 datagram has to leave by; 0: the network stack knows. */
static uint32_t ipv6_interface(const struct coax_path *path, bool has_source)
{
	const struct sockaddr_in6 *remote = &path->remote.in6;

	/* The scope says it, also where the stack does not look at that. */
	if (IN6_IS_ADDR_MULTICAST(&remote->sin6_addr) && remote->sin6_scope_id)
		return remote->sin6_scope_id;
	if (IN6_IS_ADDR_LINKLOCAL(&remote->sin6_addr) && remote->sin6_scope_id)
		return remote->sin6_scope_id;
	if (has_source && !IN6_IS_ADDR_LINKLOCAL(&path->local.in6.sin6_addr))
		return 0;
	return path->ifindex;
}

/*
 * Say which address a datagram leaves from. Where that is not said (a group is nobody's source
 * address), path->ifindex says the interface, and the network stack takes an address of that.
 */
static void write_local(struct msghdr *header, uint8_t *control, const struct coax_path *path)
{
	bool has_source = path->local.sa.sa_family != AF_UNSPEC && !is_for_many(&path->local);

	if (path->remote.sa.sa_family == AF_INET6) {
		struct in6_pktinfo info = {.ipi6_ifindex = ipv6_interface(path, has_source)};

		if (has_source)
			info.ipi6_addr = path->local.in6.sin6_addr;
		if (has_source || info.ipi6_ifindex)
			write_control(header, control, IPPROTO_IPV6, IPV6_PKTINFO, &info,
				      sizeof(info));
	} else {
		struct in_pktinfo info = {.ipi_ifindex = 0};

		if (has_source)
			info.ipi_spec_dst = path->local.in.sin_addr;
		if (!has_source || coax_address_is_multicast(&path->remote))
			info.ipi_ifindex = (int)path->ifindex;
		if (has_source || info.ipi_ifindex)
			write_control(header, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
}

/* To a group by the interface that was named, but from the address that the socket is bound to. */
static void write_local_bound(struct msghdr *header, uint8_t *control, const struct coax_path *path,
			      const union coax_address *bound)
{
	struct coax_path from_bound = *path;

	from_bound.local = *bound;
	write_local(header, control, &from_bound);
}

/* Whether an error is only ever the network's answer to an earlier datagram. */
static bool is_of_another(int error)
{
	return error == ECONNREFUSED || error == ENOPROTOOPT || error == EPROTO ||
	       error == EHOSTDOWN || error == ENONET;
}

/* Whether an error can be such an answer: what ICMP messages become (icmp(7)). */
static bool may_be_of_another(int error)
{
	return is_of_another(error) || error == ENETUNREACH || error == EHOSTUNREACH ||
	       error == EACCES || error == EMSGSIZE || error == EOPNOTSUPP;
}

/* Errors of the datagram itself, as opposed to no room for it. */
static bool is_its_own(int error)
{
	return error != ENOBUFS && error != ENOMEM && !is_of_another(error);
}

/* An IPv4 datagram that is larger than the path takes at a time. Returns whether it has left. */
static bool send_in_fragments(int fd, const struct msghdr *header)
{
	bool sent;

	if (((const struct sockaddr *)header->msg_name)->sa_family != AF_INET)
		return false;
	set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
	sent = sendmsg(fd, header, MSG_DONTWAIT) >= 0;
	set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	return sent;
}

/*
 * Send what goes out by one socket. A send can fail with an error that some other peer's ICMP
 * message left pending on the socket, and takes it off by that: it is tried again until that cannot
 * be the reason any more. Each such message is told of by udp_error() as well, with its peer.
 */
static unsigned int send_run(int fd, struct mmsghdr *out, struct coax_datagram *batch,
			     unsigned int count)
{
	unsigned int at = 0, sent = 0, tries = 0;
	bool full = false;

	while (at < count) {
		int n = sendmmsg(fd, out + at, count - at, MSG_DONTWAIT);

		if (n > 0) {
			at += (unsigned int)n;
			sent += (unsigned int)n;
			tries = 0;
			full = false;
		} else if (n < 0 && errno == EAGAIN) {
			if (full)
				break;
			full = true;
		} else if (errno == EMSGSIZE && send_in_fragments(fd, &out[at].msg_hdr)) {
			at++;
			sent++;
			tries = 0;
		} else if (!may_be_of_another(errno) || ++tries == SEND_TRIES) {
			if (is_its_own(errno))
				batch[at].error = errno;
			at++;
			tries = 0;
		}
	}
	return sent;
}

static unsigned int udp_send(struct coax_transport *transport, struct coax_datagram *batch,
			     unsigned int count)
{
	struct udp *udp = to_udp(transport);
	unsigned int start = 0, sent = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct coax_datagram *d = &batch[i];
		const struct udp_socket *s = &udp->sockets[d->path.socket];
		struct msghdr *header = &udp->out[i].msg_hdr;

		d->error = 0;
		udp->out_iov[i] = (struct iovec){d->data, d->length};
		header->msg_name = &d->path.remote;
		header->msg_namelen = coax_address_length(&d->path.remote);
		header->msg_control = NULL;
		header->msg_controllen = 0;
		if (s->tells_local)
			write_local(header, udp->out_control[i], &d->path);
		else if (coax_address_is_multicast(&d->path.remote))
			write_local_bound(header, udp->out_control[i], &d->path, &s->address);
	}

	for (unsigned int i = 1; i <= count; i++) {
		uint32_t socket = batch[start].path.socket;

		if (i < count && batch[i].path.socket == socket)
			continue;
		sent += send_run(udp->sockets[socket].fd, udp->out + start, batch + start,
				 i - start);
		start = i;
	}
	return sent;
}

static int udp_error(struct coax_transport *transport, uint32_t socket, struct coax_path *path)
{
	struct udp *udp = to_udp(transport);
	_Alignas(struct cmsghdr) uint8_t control[512];
	struct msghdr header = {
		.msg_name = &path->remote,
		.msg_namelen = sizeof(path->remote),
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	*path = (struct coax_path){.socket = socket};
	if (recvmsg(udp->sockets[socket].fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		struct sock_extended_err error;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&error, CMSG_DATA(c), sizeof(error));
		if (error.ee_errno)
			return (int)error.ee_errno;
	}
	return EIO;
}

static int change_membership(struct coax_transport *transport, uint32_t socket, int option,
			     const union coax_address *group, uint32_t ifindex)
{
	struct group_req request = {.gr_interface = ifindex};
	int level = group->sa.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;

	memcpy(&request.gr_group, group, coax_address_length(group));
	if (setsockopt(to_udp(transport)->sockets[socket].fd, level, option, &request,
		       sizeof(request)))
		return -errno;
	return 0;
}

static int udp_join(struct coax_transport *transport, uint32_t socket,
		    const union coax_address *group, uint32_t ifindex)
{
	return change_membership(transport, socket, MCAST_JOIN_GROUP, group, ifindex);
}

static void udp_leave(struct coax_transport *transport, uint32_t socket,
		      const union coax_address *group, uint32_t ifindex)
{
	/* It fails when the interface took the membership with it. */
	(void)change_membership(transport, socket, MCAST_LEAVE_GROUP, group, ifindex);
}

static int udp_rebind(struct coax_transport *transport, uint32_t socket,
		      const union coax_address *address)
{
	struct udp_socket *s = &to_udp(transport)->sockets[socket];
	int fd = open_bound(address, s->reuse_port, false);
	int err = 0;

	if (fd < 0)
		return fd;
	set_buffers(fd);
	if (dup3(fd, s->fd, O_CLOEXEC) < 0)
		err = -errno;
	else
		s->address = *address;
	close(fd);
	return err;
}

static int udp_open_another(struct coax_transport *transport, const struct coax_udp_socket *wanted)
{
	struct udp *udp = to_udp(transport);
	int err;

	if (udp->count == COAX_SOCKETS_MAX)
		return -E2BIG;
	err = udp_socket_open(&udp->sockets[udp->count], wanted);
	return err ? err : (int)udp->count++;
}

static int udp_fd(const struct coax_transport *transport, uint32_t socket)
{
	const struct udp *udp = to_udp(transport);

	return socket < udp->count ? udp->sockets[socket].fd : -1;
}

static const union coax_address *udp_bound(const struct coax_transport *transport, uint32_t socket)
{
	return &to_udp(transport)->sockets[socket].address;
}

static void udp_close(struct coax_transport *transport)
{
	struct udp *udp = to_udp(transport);

	for (uint32_t i = 0; i < udp->count; i++)
		close(udp->sockets[i].fd);
	free(udp);
}

static const struct coax_transport_ops udp_ops = {
	.admit = udp_admit,
	.receive = udp_receive,
	.send = udp_send,
	.error = udp_error,
	.join = udp_join,
	.leave = udp_leave,
	.rebind = udp_rebind,
	.open = udp_open_another,
	.fd = udp_fd,
	.bound = udp_bound,
	.close = udp_close,
};

static void prepare_headers(struct udp *udp)
{
	for (int i = 0; i < COAX_BATCH; i++) {
		udp->in_iov[i] = (struct iovec){udp->buffers[i], COAX_DATAGRAM_IN_MAX};
		udp->in[i].msg_hdr = (struct msghdr){
			.msg_name = &udp->datagrams[i].path.remote,
			.msg_iov = &udp->in_iov[i],
			.msg_iovlen = 1,
			.msg_control = udp->in_control[i],
		};
		udp->out[i].msg_hdr = (struct msghdr){
			.msg_iov = &udp->out_iov[i],
			.msg_iovlen = 1,
		};
	}
}

int coax_udp_open(struct coax_transport **transport, const struct coax_udp_socket *sockets,
		  uint32_t count, uint32_t *failed)
{
	struct udp *udp;
	int err;

	*failed = 0;
	if (count == 0 || count > COAX_SOCKETS_MAX)
		return -EINVAL;
	udp = calloc(1, sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	udp->base.ops = &udp_ops;
	prepare_headers(udp);

	for (uint32_t i = 0; i < count; i++) {
		err = udp_socket_open(&udp->sockets[i], &sockets[i]);
		if (err) {
			*failed = i;
			udp_close(&udp->base);
			return err;
		}
		udp->count++;
	}
	*transport = &udp->base;
	return 0;
}

int coax_udp_probe(const union coax_address *address)
{
	int fd = open_bound(address, false, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
