// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message IDs are counted through by the exchange layer, for each port and group of remotes. The
 * 2^16 of them are looked at in sectors. A port is left for another one while there is still room
 * ahead: what has begun there goes on there, be it the further blocks of a body, what an
 * observation still says, or what waits for its turn.
 */
#include <stdlib.h>
#include "clock.h"
#include "ports.h"

#define SECTOR_BITS 12
#define SECTORS	    (1 << (16 - SECTOR_BITS))
#define LIFETIME    (COAX_EXCHANGE_LIFETIME_MS * NS_PER_MS)

/* Behind the present one, for what goes on: 8192 messages. */
#define SECTORS_AHEAD 2

/* Of a port towards a group of remotes. */
struct use {
	uint8_t sector;		/* of the latest message ID */
	uint64_t left[SECTORS]; /* when it was the latest one's last, ns; 0: never */
};

struct coax_ports {
	struct use *uses[COAX_ID_GROUPS];   /* NULL: nothing has been sent there */
	uint8_t present[2][COAX_ID_GROUPS]; /* by family; 0 is the worker's own port */
	uint8_t count[2];		    /* of further ports that are open */
	uint16_t sockets[2][COAX_PORTS_MAX];
	uint64_t said; /* that there are not enough; ns */
};

void coax_ports_free(struct coax_ports *ports)
{
	if (!ports)
		return;
	for (int group = 0; group < COAX_ID_GROUPS; group++)
		free(ports->uses[group]);
	free(ports);
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

/* NULL: no memory. */
static struct use *use_of(struct coax_ports *ports, uint32_t group, uint8_t sector)
{
	struct use *use = ports->uses[group];

	if (use)
		return use;
	use = calloc(1, sizeof(*use));
	if (use)
		use->sector = sector;
	ports->uses[group] = use;
	return use;
}

/* Whether it is another sector than when it was last looked. */
static bool update(struct use *use, uint8_t sector, uint64_t now)
{
	if (use->sector == sector)
		return false;
	for (; use->sector != sector; use->sector = (uint8_t)(use->sector + 1) % SECTORS)
		use->left[use->sector] = now;
	return true;
}

static bool has_room(const struct use *use, uint64_t now)
{
	for (int i = 1; i <= SECTORS_AHEAD; i++) {
		uint64_t left = use->left[(use->sector + i) % SECTORS];

		if (left && now - left <= LIFETIME)
			return false;
	}
	return true;
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

static void set_port(const struct coax_worker *worker, struct coax_path *path, unsigned int port)
{
	bool ipv6 = path->remote.sa.sa_family == AF_INET6;

	path->further = (uint8_t)port;
	path->socket =
		port ? worker->ports->sockets[ipv6][port - 1] : (uint16_t)worker->client[0][ipv6];
}

/* Without memory it is as it would be without all this. */
static bool can_begin(struct coax_worker *worker, const struct coax_path *path)
{
	uint32_t group;
	uint8_t sector =
		(uint8_t)(coax_exchange_next_id(worker->exchange, path, &group) >> SECTOR_BITS);
	struct use *use = use_of(worker->ports, group, sector);

	if (!use)
		return true;
	(void)update(use, sector, worker->now);
	return has_room(use, worker->now);
}

/* One that has room, the next in turn first; or a new one. */
static uint8_t next_port(struct coax_worker *worker, const struct coax_path *path, uint8_t present)
{
	bool ipv6 = path->remote.sa.sa_family == AF_INET6;
	unsigned int count = worker->ports->count[ipv6] + 1u;
	struct coax_path other = *path;

	for (unsigned int i = 1; i < count; i++) {
		unsigned int port = (present + i) % count;

		set_port(worker, &other, port);
		if (can_begin(worker, &other))
			return (uint8_t)port;
	}
	if (open_port(worker, worker->client[0][ipv6], ipv6))
		return (uint8_t)count;
	warn(worker);
	return (uint8_t)((present + 1) % count);
}

void coax_ports_choose(struct coax_worker *worker, struct coax_path *path)
{
	bool ipv6 = path->remote.sa.sa_family == AF_INET6;
	uint32_t own_group, group;
	uint8_t *present, sector;
	struct use *use;

	if (path->session || path->socket != worker->client[0][ipv6])
		return;
	if (!worker->ports)
		worker->ports = calloc(1, sizeof(*worker->ports));
	if (!worker->ports)
		return;
	(void)coax_exchange_next_id(worker->exchange, path, &own_group);
	present = &worker->ports->present[ipv6][own_group];
	set_port(worker, path, *present);
	sector = (uint8_t)(coax_exchange_next_id(worker->exchange, path, &group) >> SECTOR_BITS);
	use = use_of(worker->ports, group, sector);
	/* Within a sector there is what there was when it began. */
	if (!use || !update(use, sector, worker->now) || has_room(use, worker->now))
		return;
	*present = next_port(worker, path, *present);
	set_port(worker, path, *present);
}
