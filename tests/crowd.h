/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many clients in one socket: it sends from whatever address of 127.0.0.0/8 it is told to, and
 * takes what comes back to any of them.
 */
#ifndef COAX_TEST_CROWD_H
#define COAX_TEST_CROWD_H

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <coax/coax.h>
#include "harness.h"

/* 127.1.0.1 and up. */
static inline in_addr_t crowd_address(unsigned int peer)
{
	return htonl(0x7f010001 + peer / 250 * 256 + peer % 250);
}

static inline int crowd_open(in_addr_t address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
	int size = 16 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ASSERT_EQ(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		SKIP("a receive buffer for a crowd needs CAP_NET_ADMIN");
	return fd;
}

/* The next message, or false after so many milliseconds. */
static inline bool crowd_take(int fd, int ms, uint8_t *bytes, size_t size, struct coax_message *m)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	ssize_t length;

	if (poll(&readable, 1, ms) != 1)
		return false;
	length = recv(fd, bytes, size, 0);
	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(m, bytes, (size_t)length), 0);
	return true;
}

static inline void crowd_send(int fd, const struct sockaddr_in *server, in_addr_t source,
			      const struct coax_message *m)
{
	struct iovec iov = {.iov_base = m->data, .iov_len = m->length};
	union {
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr message = {.msg_name = (void *)(uintptr_t)server,
				 .msg_namelen = sizeof(*server),
				 .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = source};

	header->cmsg_level = IPPROTO_IP;
	header->cmsg_type = IP_PKTINFO;
	header->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(header), &info, sizeof(info));
	ASSERT_EQ(sendmsg(fd, &message, 0), (ssize_t)m->length);
}

#endif
