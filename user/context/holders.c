// SPDX-License-Identifier: BSD-2-Clause
/* Who holds memory by bodies that are being sent: so that none takes it from all others. */
#include <stdlib.h>
#include <string.h>
#include <urcu/compiler.h>
#include "blocks_internal.h"

/* The part of the memory beyond which a host is the first to lose some when there is none left. */
#define GREEDY_PART 4

static struct coax_block_key make_key(const struct coax_blocks *blocks, enum coax_holder_kind kind,
				      const union coax_address *address)
{
	struct {
		uint8_t kind;
		uint8_t family;
		uint16_t port;
		uint32_t scope;
		uint8_t address[16];
	} id = {.kind = (uint8_t)kind, .family = (uint8_t)address->sa.sa_family};
	bool whole = kind == COAX_HOLDER_ENDPOINT;

	if (address->sa.sa_family == AF_INET6) {
		memcpy(id.address, &address->in6.sin6_addr, whole ? 16 : 8);
		id.scope = address->in6.sin6_scope_id;
	} else {
		memcpy(id.address, &address->in.sin_addr, sizeof(address->in.sin_addr));
	}
	if (whole)
		id.port = coax_address_port(address);
	return coax_block_key_make(&blocks->secret, &id, sizeof(id));
}

struct coax_holder *coax_holder_get(struct coax_blocks *blocks, enum coax_holder_kind kind,
				    const union coax_address *address)
{
	struct coax_block_key key = make_key(blocks, kind, address);
	struct coax_block_node *node = coax_block_table_find(&blocks->holders, &key);
	struct coax_holder *holder;

	if (node)
		return caa_container_of(node, struct coax_holder, node);
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return NULL;
	holder->node.key = key;
	CDS_INIT_LIST_HEAD(&holder->uploads);
	coax_block_table_add(&blocks->holders, &holder->node);
	return holder;
}

void coax_holder_account(struct coax_blocks *blocks, struct coax_holder *holder, int64_t bytes)
{
	bool greedy;

	holder->bytes += (uint64_t)bytes;
	greedy = holder->bytes > blocks->tuning.bodies_max / GREEDY_PART;
	if (greedy == holder->is_greedy)
		return;
	holder->is_greedy = greedy;
	if (greedy)
		cds_list_add(&holder->greedy, &blocks->greedy);
	else
		cds_list_del(&holder->greedy);
}

void coax_holder_put(struct coax_blocks *blocks, struct coax_holder *holder)
{
	if (holder->count)
		return;
	coax_block_table_remove(&blocks->holders, &holder->node);
	free(holder);
}
