// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include "retransmit.h"

static uint64_t ack_timeout(const struct coax_exchange *exchange)
{
	return exchange->tuning.ack_timeout_ms * NS_PER_MS;
}

static struct cds_hlist_head *remote_chain(struct coax_exchange *exchange,
					   const union coax_address *remote)
{
	return &exchange->by_remote[coax_exchange_hash_remote(exchange, remote) &
				    (COAX_CHAINS - 1)];
}

static struct cds_hlist_head *id_chain(struct coax_exchange *exchange,
				       const union coax_address *remote, uint16_t id)
{
	return &exchange->by_id[(coax_exchange_hash_remote(exchange, remote) + id) &
				(COAX_CHAINS - 1)];
}

/* ACK_TIMEOUT times a random number between 1 and ACK_RANDOM_FACTOR. */
static uint64_t first_interval(struct coax_exchange *exchange)
{
	uint64_t least = ack_timeout(exchange);
	uint64_t spread = least * (exchange->tuning.ack_random_percent - 100) / 100;

	return least + coax_exchange_draw(exchange) % (spread + 1);
}

/* MAX_TRANSMIT_SPAN (section 4.8.2). */
static uint64_t transmit_span(const struct coax_exchange *exchange)
{
	return ack_timeout(exchange) * ((1ULL << exchange->tuning.max_retransmit) - 1) *
	       exchange->tuning.ack_random_percent / 100;
}

uint16_t coax_transmission_next_id(struct coax_exchange *exchange, const union coax_address *remote)
{
	uint64_t hash = coax_exchange_hash_remote(exchange, remote);
	uint16_t *next = &exchange->next_id[(hash >> 32) & (COAX_ID_GROUPS - 1)];

	while (coax_transmission_find(exchange, remote, *next))
		++*next;
	return (*next)++;
}

static void retransmit(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	coax_count(exchange->stats, retransmissions);
	coax_exchange_inform(exchange, "retransmission to", &transmission->path, transmission->id);
	coax_exchange_send(exchange, &transmission->path, transmission->data, transmission->length);
}

/*
 * The schedule is kept to even if this is called late, but for ACK_TIMEOUT between any two; what
 * would then fall out of the span for retransmissions is left out (section 4.2).
 */
static void due(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_transmission *transmission =
		caa_container_of(timer, struct coax_transmission, timer);
	uint64_t next, earliest = exchange->now + ack_timeout(exchange);

	if (transmission->retransmitted >= exchange->tuning.max_retransmit) {
		coax_count(exchange->stats, timeouts);
		coax_exchange_inform(exchange, "no acknowledgement from", &transmission->path,
				     transmission->id);
		transmission->ended(exchange, transmission, -ETIMEDOUT);
		return;
	}
	transmission->retransmitted++;
	transmission->interval *= 2;
	next = timer->due + transmission->interval;
	coax_timer_start(&exchange->timers, timer, next > earliest ? next : earliest);
	if (exchange->now <= transmission->last)
		retransmit(exchange, transmission);
}

void coax_transmission_add(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	transmission->timer = (struct coax_timer){0};
	transmission->sent = false;
	cds_hlist_add_head(&transmission->by_remote,
			   remote_chain(exchange, &transmission->path.remote));
}

void coax_transmission_start(struct coax_exchange *exchange, struct coax_transmission *transmission)
{
	struct coax_message message = {.data = transmission->data};
	const union coax_address *remote = &transmission->path.remote;

	transmission->id = coax_transmission_next_id(exchange, remote);
	coax_message_set_id(&message, transmission->id);
	transmission->sent = true;
	cds_hlist_add_head(&transmission->by_id, id_chain(exchange, remote, transmission->id));

	if (coax_message_type(&message) == COAX_TYPE_CON) {
		transmission->retransmitted = 0;
		transmission->interval = first_interval(exchange);
		transmission->last = exchange->now + transmit_span(exchange);
		transmission->timer.fire = due;
		coax_timer_start(&exchange->timers, &transmission->timer,
				 exchange->now + transmission->interval);
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
						 const union coax_address *remote, uint16_t id)
{
	struct cds_hlist_node *node = id_chain(exchange, remote, id)->next;

	for (; node; node = node->next) {
		struct coax_transmission *transmission =
			caa_container_of(node, struct coax_transmission, by_id);

		if (transmission->id == id &&
		    coax_address_equal(&transmission->path.remote, remote))
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
	for (node = remote_chain(exchange, &path->remote)->next; node; node = next) {
		struct coax_transmission *transmission =
			caa_container_of(node, struct coax_transmission, by_remote);

		next = node->next;
		if (!coax_address_equal(&transmission->path.remote, &path->remote))
			continue;
		cds_hlist_del(node);
		cds_hlist_add_head(node, &victims);
	}
	end_chain(exchange, &victims, -error);
}
