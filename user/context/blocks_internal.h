/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of block-wise transfer share: gather.c puts bodies of requests together,
 * incoming.c keeps them meanwhile and holders.c says whose they are; cut.c cuts bodies of
 * responses, bodies.c keeps those, further.c answers from them.
 */
#ifndef COAX_BLOCKS_INTERNAL_H
#define COAX_BLOCKS_INTERNAL_H

#include <urcu/list.h>
#include <coax/block.h>
#include "block_table.h"
#include "blocks.h"
#include "spares.h"

struct coax_blocks {
	struct coax_tuning tuning;
	const struct coax_logger *logger;
	struct coax_context_stats *stats;
	struct coax_hash_key secret;
	uint8_t exponent; /* SZX of the largest blocks to use */
	bool accelerated;
	uint64_t timeout; /* ns */
	uint64_t bytes;	  /* of all that is held; those of uploads alone */
	uint64_t upload_bytes;
	uint64_t serial; /* of what is to be like nothing else */
	uint64_t warned; /* when the last WARNING was logged */

	/*
	 * Uploads are in the table while blocks are awaited, and meanwhile in one of the lists of
	 * those that wait: `begun` with one block, `going` with more; used last comes first. While
	 * a handler has one it is among `held`.
	 */
	struct coax_block_table uploads;
	struct cds_list_head begun;
	struct cds_list_head going;
	struct cds_list_head held;
	struct coax_gathered *spare;
	uint32_t spare_count;
	struct coax_spares spares; /* beside what is held, and within the same limit */
	struct coax_block_table holders;
	struct cds_list_head greedy; /* hosts with more than their share */

	/* Downloads, used last comes first: of bodies in memory, and of those that are read. */
	struct coax_block_table downloads;
	struct cds_list_head idle[2];
	struct coax_block_table bodies; /* that several downloads may share */
	struct coax_block_table hashed; /* the latest for each request: see etag.c */
	uint32_t reads;			/* bodies that are read */
};

/* Memory is taken or given back. */
void coax_blocks_account(struct coax_blocks *blocks, int64_t bytes);

static inline void coax_blocks_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/*
 * What tells the requests of one transfer from all others: both endpoints, method and options
 * (RFC 7252 section 5.4.2, RFC 9175 section 3.3). Not If-None-Match, which only the first block has
 * (RFC 7959 section 2.10), nor No-Response, which is about one message.
 *
 * Without `with_endpoints`: what tells representations from each other. `with_payload`: the payload
 * of a FETCH belongs to it (RFC 8132 section 2). `extra` is added to it, and may be NULL.
 */
struct coax_block_key coax_blocks_key(const struct coax_blocks *blocks,
				      const struct coax_responder *responder, bool with_endpoints,
				      bool with_payload, const void *extra, size_t extra_length);

/* A WARNING about a request, at most one a second: strangers can cause them. */
void coax_blocks_warn(struct coax_blocks *blocks, uint64_t now,
		      const struct coax_responder *responder, const char *what);

/* Make the response an error without any options; it is not sent. */
void coax_blocks_set_error(struct coax_responder *responder, uint8_t code, const char *diagnostic);

/*
 * incoming.c, gather.c
 */

int coax_gathering_create(struct coax_blocks *blocks);
void coax_gathering_destroy(struct coax_blocks *blocks);
uint64_t coax_gathering_deadline(struct coax_blocks *blocks);
void coax_gathering_tick(struct coax_blocks *blocks, uint64_t now);

/*
 * The request that `gathered` came of has been answered with `code`: goes on with a streaming
 * transfer, or ends it. Returns whether the response has a Block1 option, *block.
 */
bool coax_incoming_answered(struct coax_gathered *gathered, uint64_t now, uint8_t code,
			    struct coax_block *block);

/*
 * holders.c: who holds memory here, by endpoint and by host.
 */

enum coax_holder_kind {
	COAX_HOLDER_ENDPOINT, /* an address with its port */
	COAX_HOLDER_HOST,     /* an IPv4 address or IPv6 /64: it can have all ports it likes */
	COAX_HOLDER_KINDS,
};

struct coax_holder {
	struct coax_block_node node;
	struct cds_list_head uploads; /* used last comes first */
	struct cds_list_head greedy;
	bool is_greedy;
	uint32_t count;
	uint64_t bytes;
};

/* Returns NULL when there is no memory. */
struct coax_holder *coax_holder_get(struct coax_blocks *blocks, enum coax_holder_kind kind,
				    const union coax_address *address);
/* `bytes` more, or less. */
void coax_holder_account(struct coax_blocks *blocks, struct coax_holder *holder, int64_t bytes);
/* Frees one that holds nothing. */
void coax_holder_put(struct coax_blocks *blocks, struct coax_holder *holder);

/*
 * bodies.c
 */

#define COAX_ETAG_MADE 8 /* bytes of one that is made here */

/* A body of a response while blocks of it are fetched, and what goes with each block. */
struct coax_kept_body {
	struct coax_block_node node;	    /* in a table when it is `shared` */
	struct coax_block_node hashed_node; /* in a table when it is `hashed` */
	bool shared;
	bool hashed; /* the ETag is one of its bytes, made here; the latest such for its request */
	uint8_t etag[COAX_ETAG_MADE];
	uint32_t references;
	uint64_t cost;
	struct coax_body body;
	uint8_t code;
	uint16_t last_option;
	uint32_t options_length;
	uint8_t options[]; /* as they stand behind a token; no Max-Age, no Block2 */
};

/* One remote's way through it. */
struct coax_outgoing {
	struct coax_block_node node;
	struct cds_list_head idle;
	struct coax_kept_body *kept;
	uint64_t used;
	uint64_t rendered;
	uint64_t offset;	      /* of the block fetched last */
	uint32_t max_age;	      /* s, when rendered */
	bool has_max_age;	      /* as an option */
	struct coax_fetched fetched;  /* then Max-Age is what is left of it */
	bool can_be_rendered;	      /* anew, without doing anything twice */
	struct coax_subject *subject; /* a reference; NULL: it is not for the kernel */
	uint64_t generation;	      /* of that, and the Site's, when rendered */
	uint64_t site_version;
	uint32_t stride; /* blocks published ahead the last time */
};

int coax_keeping_create(struct coax_blocks *blocks);
void coax_keeping_destroy(struct coax_blocks *blocks);
uint64_t coax_keeping_deadline(struct coax_blocks *blocks);
void coax_keeping_tick(struct coax_blocks *blocks, uint64_t now);

/*
 * Make room for `need` bytes by forgetting the downloads that have been idle for longest: who is in
 * the middle of them gets the rest rendered anew. Returns whether there is room.
 */
bool coax_keeping_make_room(struct coax_blocks *blocks, uint64_t need);

struct coax_outgoing *coax_outgoing_find(struct coax_blocks *blocks,
					 const struct coax_block_key *key);
void coax_outgoing_touch(struct coax_blocks *blocks, struct coax_outgoing *download, uint64_t now);
void coax_outgoing_drop(struct coax_blocks *blocks, struct coax_outgoing *download);

/*
 * Keep a body for the request's remote, from the response as it is without any block options. The
 * same body kept already, for whomever, is shared. Takes *body over, unless it returns NULL: there
 * is no room. `blockwise`: so was the request.
 */
struct coax_outgoing *coax_outgoing_keep(struct coax_blocks *blocks, uint64_t now,
					 const struct coax_responder *responder,
					 const struct coax_body *body, bool blockwise);

/*
 * cut.c
 */

/* Which part of a body is to leave, and how. */
struct coax_piece {
	const struct coax_body *body;
	uint64_t offset;
	uint8_t exponent; /* the largest */
	bool with_size;
};

/*
 * Make the response one block. The message has its other options; where it has a payload, that is
 * the body. Returns 0, -EMSGSIZE or what the body's `read` did.
 */
int coax_piece_put(struct coax_responder *responder, const struct coax_piece *piece);

/* RFC 7959 section 4: where the size is asked for, and in the first block. */
bool coax_piece_wants_size(const struct coax_responder *responder, uint64_t offset);

/* The response becomes 5.00, because of the body's error; or 4.00, there being no such block. */
void coax_piece_fail(struct coax_blocks *blocks, struct coax_responder *responder, int err);
void coax_piece_refuse(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder);

/*
 * etag.c
 */

/*
 * Give the response to a body an ETag, unless it has one. Returns whether that is a hash of the
 * bytes, to be remembered when the body is kept.
 */
bool coax_etag_add(struct coax_blocks *blocks, struct coax_responder *responder,
		   const struct coax_body *body);
void coax_etag_remember(struct coax_blocks *blocks, const struct coax_responder *responder,
			struct coax_kept_body *kept);
void coax_etag_forget(struct coax_blocks *blocks, struct coax_kept_body *kept);

#endif
