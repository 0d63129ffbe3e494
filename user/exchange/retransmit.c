// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include "pending.h"

/*
 * Message IDs of unacknowledged notifications that are stepped over: somebody may allow one remote
 * more observations than there are IDs.
 */
#define NOTICE_TRIES 1024

static struct cds_hlist_head *remote_chain(struct coax_exchange *exchange,
					   const struct coax_path *path)
{
	return &exchange->by_remote[coax_exchange_hash_peer(exchange, path) & (COAX_CHAINS - 1)];
}

static struct cds_hlist_head *id_chain(struct coax_exchange *exchange, const struct coax_path *path,
				       uint16_t id)
{
	return &exchange->by_id[(coax_exchange_hash_peer(exchange, path) + id) & (COAX_CHAINS - 1)];
}

/* Each port is an endpoint with message IDs of its own (section 4.4). */
static uint32_t id_group(const struct coax_exchange *exchange, const struct coax_path *path)
{
	uint32_t hash = (uint32_t)(coax_exchange_hash_peer(exchange, path) >> 32);

	return (hash + path->further) & (COAX_ID_GROUPS - 1);
}

uint16_t coax_exchange_next_id(const struct coax_exchange *exchange, const struct coax_path *path,
			       uint32_t *group)
{
	*group = id_group(exchange, path);
	return exchange->next_id[*group];
}

uint16_t coax_transmission_next_id(struct coax_exchange *exchange, const struct coax_path *path)
{
	uint16_t *next = &exchange->next_id[id_group(exchange, path)];

	for (uint32_t tries = 0;; ++*next) {
		if (coax_transmission_find(exchange, path, *next))
			continue;
		if (!coax_notice_awaits(exchange, path, *next) || ++tries == NOTICE_TRIES)
			break;
	}
	return (*next)++;
}

static void retransmit(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	if (transmission->request)
		coax_window_lost(exchange, transmission->request);
	coax_count(exchange->stats, retransmissions);
	coax_exchange_inform(exchange, "retransmission to", &transmission->path, transmission->id);
	coax_exchange_send(exchange, &transmission->path, transmission->data, transmission->length);
}

static void due(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_transmission *transmission =
		caa_container_of(timer, struct coax_transmission, timer);

	switch (coax_backoff_due(exchange, &transmission->backoff, timer)) {
	case COAX_BACKOFF_SEND:
		retransmit(exchange, transmission);
		break;
	case COAX_BACKOFF_SKIP:
		break;
	case COAX_BACKOFF_OVER:
		coax_count(exchange->stats, timeouts);
		coax_exchange_inform(exchange, "no acknowledgement from", &transmission->path,
				     transmission->id);
		transmission->ended(exchange, transmission, -ETIMEDOUT);
		break;
	}
}

void coax_transmission_add(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	transmission->timer = (struct coax_timer){0};
	transmission->sent = false;
	transmission->id = 0;
	cds_hlist_add_head(&transmission->by_remote, remote_chain(exchange, &transmission->path));
}

void coax_transmission_start(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	struct coax_message message = {.data = transmission->data};
	const struct coax_path *path = &transmission->path;

	transmission->id = coax_transmission_next_id(exchange, path);
	coax_message_set_id(&message, transmission->id);
	transmission->sent = true;
	cds_hlist_add_head(&transmission->by_id, id_chain(exchange, path, transmission->id));

	if (coax_message_type(&message) == COAX_TYPE_CON) {
		transmission->timer.fire = due;
		coax_backoff_begin(exchange, &transmission->backoff, &transmission->timer);
	}
	coax_exchange_send(exchange, &transmission->path, transmission->data, transmission->length);
}

void coax_transmission_acknowledged(struct coax_exchange *exchange,
				    struct coax_transmission *transmission)
{
	coax_timer_stop(&exchange->timers, &transmission->timer);
}

void coax_transmission_remove(struct coax_exchange *exchange,
			      struct coax_transmission *transmission)
{
	coax_timer_stop(&exchange->timers, &transmission->timer);
	cds_hlist_del(&transmission->by_remote);
	if (transmission->sent)
		cds_hlist_del(&transmission->by_id);
	transmission->sent = false;
}

struct coax_transmission *coax_transmission_find(struct coax_exchange *exchange,
						 const struct coax_path *path, uint16_t id)
{
	struct cds_hlist_node *node = id_chain(exchange, path, id)->next;

	for (; node; node = node->next) {
		struct coax_transmission *transmission =
			caa_container_of(node, struct coax_transmission, by_id);

		if (transmission->id == id && coax_path_same_peer(&transmission->path, path))
			return transmission;
	}
	return NULL;
}

/* Whoever ends may cancel others or begin new ones: only what was there before is ended. */
static void end_chain(struct coax_exchange *exchange, struct cds_hlist_head *victims, int result)
{
	while (victims->next) {
		struct coax_transmission *transmission =
			caa_container_of(victims->next, struct coax_transmission, by_remote);

		transmission->ended(exchange, transmission, result);
	}
}

void coax_transmissions_end_all(struct coax_exchange *exchange, int result)
{
	for (int i = 0; i < COAX_CHAINS; i++)
		end_chain(exchange, &exchange->by_remote[i], result);
}

void coax_exchange_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				 int error)
{
	CDS_HLIST_HEAD(victims);
	struct cds_hlist_node *node, *next;

	/* Section 4.2: messages are small enough; what says otherwise is ignored. */
	if (error <= 0 || error == EMSGSIZE)
		return;
	for (node = remote_chain(exchange, path)->next; node; node = next) {
		struct coax_transmission *transmission =
			caa_container_of(node, struct coax_transmission, by_remote);

		next = node->next;
		if (!coax_path_same_peer(&transmission->path, path))
			continue;
		cds_hlist_del(node);
		cds_hlist_add_head(node, &victims);
	}
	end_chain(exchange, &victims, -error);
	coax_notices_network_error(exchange, path, -error);
}
