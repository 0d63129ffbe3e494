// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <coax/request.h>
#include <coax/uri.h>

int coax_resolve(const struct coax_uri *uri, union coax_address *address, const char **error)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG,
	};
	struct addrinfo *found;
	char port[6];
	int err;

	if (uri->literal) /* AI_ADDRCONFIG would refuse ::1 on a host without IPv6 addresses */
		hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
	snprintf(port, sizeof(port), "%u", uri->port);
	err = getaddrinfo(uri->host, port, &hints, &found);
	if (err) {
		*error = gai_strerror(err);
		return -EHOSTUNREACH;
	}
	memset(address, 0, sizeof(*address));
	memcpy(address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}
