// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message IDs are counted through by the exchange layer, over all ports together, for each group of
 * remotes. The 2^16 of them are looked at in sectors: each is one port's until the next one takes
 * it over. Where the next sector is what the present port used too short a time ago, it is another
 * port's turn: the one that was left longest ago, if that is long enough, else a new one.
 */
#include <stdlib.h>
#include "clock.h"
#include "ports.h"

#define SECTOR_BITS 12
#define SECTORS	    (1 << (16 - SECTOR_BITS))
#define LIFETIME    (COAX_EXCHANGE_LIFETIME_MS * NS_PER_MS)

/* Of a group of remotes. Times are ns; 0: never. */
struct use {
	uint8_t port;	/* the present one; 0 is the worker's own */
	uint8_t sector; /* of the latest message ID */
	struct {
		uint64_t began;
		uint8_t port;
	} sectors[SECTORS];
	uint64_t left[COAX_PORTS_MAX + 1]; /* when a port was the present one last */
};

struct coax_ports {
	struct use *uses[2][COAX_ID_GROUPS]; /* by family; NULL: nothing has been sent there */
	uint8_t count[2];		     /* of further ports that are open */
	uint16_t sockets[2][COAX_PORTS_MAX];
	uint64_t said; /* that there are not enough; ns */
};

void coax_ports_free(struct coax_ports *ports)
{
	if (!ports)
		return;
	for (int family = 0; family < 2; family++)
		for (int group = 0; group < COAX_ID_GROUPS; group++)
			free(ports->uses[family][group]);
	free(ports);
}

static struct use *use_of(struct coax_worker *worker, bool ipv6, uint32_t group, uint16_t id)
{
	struct use **use;

	if (!worker->ports)
		worker->ports = calloc(1, sizeof(*worker->ports));
	if (!worker->ports)
		return NULL;
	use = &worker->ports->uses[ipv6][group];
	if (!*use) {
		*use = calloc(1, sizeof(**use));
		if (*use)
			(*use)->sector = (uint8_t)((id >> SECTOR_BITS) - 1) % SECTORS;
	}
	return *use;
}

/* One more, bound as the worker's own is. Returns whether there is. */
static bool open_port(struct coax_worker *worker, uint32_t own, bool ipv6)
{
	struct coax_transport *transport = worker->transport;
	struct coax_udp_socket wanted = {.address = *transport->ops->bound(transport, own)};
	struct coax_ports *ports = worker->ports;
	int socket;

	if (ports->count[ipv6] == COAX_PORTS_MAX)
		return false;
	if (ipv6)
		wanted.address.in6.sin6_port = 0;
	else
		wanted.address.in.sin_port = 0;
	socket = transport->ops->open(transport, &wanted);
	if (socket < 0)
		return false;
	worker->socket_is_further[socket] = true;
	if (coax_worker_watch(worker, transport->ops->fd(transport, (uint32_t)socket),
			      (uint32_t)socket))
		return false;
	ports->sockets[ipv6][ports->count[ipv6]++] = (uint16_t)socket;
	return true;
}

static bool has_rested(const struct use *use, unsigned int port, uint64_t now)
{
	return !use->left[port] || now - use->left[port] > LIFETIME;
}

static void warn(struct coax_worker *worker)
{
	struct coax_ports *ports = worker->ports;

	if (ports->said && worker->now - ports->said < LIFETIME)
		return;
	ports->said = worker->now;
	coax_log(&worker->context->logger, COAX_LOG_WARNING,
		 "message IDs are used again sooner than they should: there are no more ports for "
		 "so many requests to one remote");
}

/* The next one in turn, which is the one that was left longest ago; or a new one. */
static uint8_t next_port(struct coax_worker *worker, const struct use *use, uint32_t own, bool ipv6)
{
	uint8_t count = worker->ports->count[ipv6], next = (uint8_t)((use->port + 1) % (count + 1));

	if (has_rested(use, next, worker->now) && next != use->port)
		return next;
	if (open_port(worker, own, ipv6))
		return (uint8_t)(count + 1);
	warn(worker);
	return next;
}

/* The first message ID of a sector is the next one that is sent. */
static void begin_sector(struct coax_worker *worker, struct use *use, uint8_t sector, uint32_t own,
			 bool ipv6)
{
	uint64_t began = use->sectors[sector].began;

	if (began && use->sectors[sector].port == use->port && worker->now - began <= LIFETIME) {
		use->left[use->port] = worker->now;
		use->port = next_port(worker, use, own, ipv6);
	}
	use->sector = sector;
	use->sectors[sector].port = use->port;
	use->sectors[sector].began = worker->now;
}

void coax_ports_choose(struct coax_worker *worker, struct coax_path *path)
{
	bool ipv6 = path->remote.sa.sa_family == AF_INET6;
	uint32_t own = worker->client[0][ipv6], group;
	struct use *use;
	uint8_t sector;
	uint16_t id;

	if (path->session || path->socket != own)
		return;
	id = coax_exchange_next_id(worker->exchange, path, &group);
	use = use_of(worker, ipv6, group, id);
	/* Without memory it is as it would be without all this. */
	if (!use)
		return;
	sector = (uint8_t)(id >> SECTOR_BITS);
	if (sector != use->sector)
		begin_sector(worker, use, sector, own, ipv6);
	if (use->port)
		path->socket = worker->ports->sockets[ipv6][use->port - 1];
}
