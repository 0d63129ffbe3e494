/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of ours on their way: retransmitted with back-off if confirmable (RFC 7252 section 4.2),
 * found by an ACK or RST to them (section 4.4).
 */
#ifndef COAX_RETRANSMIT_H
#define COAX_RETRANSMIT_H

#include "backoff.h"
#include "internal.h"

struct coax_transmission {
	struct cds_hlist_node by_id; /* while `sent` */
	struct cds_hlist_node by_remote;
	struct coax_timer timer;
	/*
	 * A reaction: 0 (acknowledged; responses only), -ECONNRESET, -ETIMEDOUT, another errno that
	 * the network gave, or -ESHUTDOWN. Must remove it.
	 */
	void (*ended)(struct coax_exchange *exchange, struct coax_transmission *transmission,
		      int result);
	struct coax_path path;
	struct coax_backoff backoff;
	uint16_t id;
	bool sent;
	struct coax_pending *request; /* NULL: it is a response */
	uint32_t length;
	uint8_t data[COAX_DATAGRAM_OUT_MAX];
};

/* Known by its remote from now on. `path`, `data`, `length`, `ended`, `request` are set. */
void coax_transmission_add(struct coax_exchange *exchange, struct coax_transmission *transmission);

/* Give it a message ID, send it, and if it is confirmable, again until acknowledged. */
void coax_transmission_start(struct coax_exchange *exchange,
			     struct coax_transmission *transmission);

/* It is acknowledged: no more retransmissions, but a RST still finds it. */
void coax_transmission_acknowledged(struct coax_exchange *exchange,
				    struct coax_transmission *transmission);

/* Nothing finds it any more. */
void coax_transmission_remove(struct coax_exchange *exchange,
			      struct coax_transmission *transmission);

/* What an ACK or RST that came by `path` with this ID is about, or NULL. */
struct coax_transmission *coax_transmission_find(struct coax_exchange *exchange,
						 const struct coax_path *path, uint16_t id);

/*
 * A message ID that no message on its way to this peer has. Peers are counted for in groups, so
 * that many of them together do not use up the IDs of one.
 */
uint16_t coax_transmission_next_id(struct coax_exchange *exchange, const struct coax_path *path);

void coax_transmissions_end_all(struct coax_exchange *exchange, int result);

#endif
