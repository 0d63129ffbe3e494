/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client that knows nothing of CoAP: bytes out, bytes in.
 */
#ifndef COAX_TEST_CLIENT_H
#define COAX_TEST_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_PATIENCE_MS 5000

/* A UDP socket connected to an address, or -1. */
static inline int client_open(const char *address, in_port_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd;

	if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		return connect(fd, (struct sockaddr *)&in6, sizeof(in6)) ? -1 : fd;
	}
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&in, sizeof(in)) ? -1 : fd;
}

/* A UDP socket on loopback that takes in everything and says nothing; its port. */
static inline in_port_t client_silent_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&in, length) ||
	    getsockname(fd, (struct sockaddr *)&in, &length))
		return 0;
	return ntohs(in.sin_port);
}

/* The next datagram, or -1 after CLIENT_PATIENCE_MS. */
static inline ssize_t client_receive(int fd, void *reply, size_t size)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	if (poll(&readable, 1, CLIENT_PATIENCE_MS) != 1)
		return -1;
	return recv(fd, reply, size, 0);
}

static inline ssize_t client_ask(int fd, const void *request, size_t length, void *reply,
				 size_t size)
{
	if (send(fd, request, length, 0) != (ssize_t)length)
		return -1;
	return client_receive(fd, reply, size);
}

#endif
