/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block-wise transfer on the server's side (RFC 7959): bodies of requests put together or handed on
 * in parts, bodies of responses cut and kept until their clients have them.
 *
 * One belongs to one worker and is used by its thread alone. It knows no sockets; time comes in as
 * an argument (ns of CLOCK_MONOTONIC).
 */
#ifndef COAX_BLOCKS_H
#define COAX_BLOCKS_H

#include <coax/context.h>
#include "site/responder.h"
#include "transport/transport.h"

struct coax_blocks;

struct coax_blocks_options {
	struct coax_tuning tuning; /* filled in; the maxima are this worker's own share */
	const struct coax_logger *logger;
	struct coax_context_stats *stats; /* written by this worker's thread */
	uint32_t seed;			  /* 0: keys from the kernel's random numbers */
};

int coax_blocks_create(struct coax_blocks **blocks, const struct coax_blocks_options *options);
/*
 * All bodies are released, the transfers' `release` functions called; those that handlers still
 * have, when they are put. NULL: nothing.
 */
void coax_blocks_destroy(struct coax_blocks *blocks);

/* When coax_blocks_tick() is due next; UINT64_MAX: never. */
uint64_t coax_blocks_deadline(struct coax_blocks *blocks);
void coax_blocks_tick(struct coax_blocks *blocks, uint64_t now);

/*
 * A request, before anything is rendered. Returns true when it asks for a block behind the first,
 * and responder->response is complete, its code and options set: with a block of the body
 * that its remote is in the middle of fetching; with 4.00 for one that cannot be; or with 4.08,
 * where nothing is kept for a method that must not be run a second time. False when it has to be
 * rendered. A block of what is still so has its subject, generation and site_version named.
 */
bool coax_blocks_continue(struct coax_blocks *blocks, uint64_t now,
			  struct coax_responder *responder);

/* From now on the kernel half answers, too. Before the worker's thread is there. */
void coax_blocks_accelerate(struct coax_blocks *blocks);

/*
 * What coax_blocks_continue() would answer to this request from what is kept, without anybody being
 * in the middle of it any further. Returns whether there is such a block.
 */
bool coax_blocks_preview(struct coax_blocks *blocks, uint64_t now,
			 struct coax_responder *responder);

/*
 * How many blocks behind the one that the responder was answered with are worth publishing: the
 * more, the farther its remote has gone; at most `max`.
 */
uint32_t coax_blocks_stride(struct coax_blocks *blocks, const struct coax_responder *responder,
			    uint32_t max);

/*
 * A notification whose body has more than one block (cut for nobody: responder->remote AF_UNSPEC)
 * leaves by `path` for an observer with this request: what it asks for next is not of what was kept
 * for it before (section 2.6).
 */
void coax_blocks_forget(struct coax_blocks *blocks, const struct coax_path *path,
			const struct coax_message *request);

/*
 * A request body that was put together, or a streaming resource's transfer. It lives until put,
 * past its transfer. To be put as soon as coax_blocks_cut() has been called with it, or instead of
 * that when the responder is dropped: then a streaming transfer ends. NULL: nothing. On the
 * worker's thread, or on any one after coax_blocks_destroy().
 */
struct coax_gathered;
void coax_gathered_put(struct coax_gathered *gathered);

/*
 * The Site's `gather`, for a request with Block1 or to a streaming resource: see site/responder.h.
 * When it returns true, *gathered (NULL: nothing to keep) holds what responder->request points
 * into, or for a streaming resource, the transfer that responder->part names.
 */
bool coax_blocks_gather(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
			bool streaming, uint64_t body_max, struct coax_gathered **gathered);

/*
 * The response is there (code, options, payload or body): make it what fits into one message. Takes
 * responder->body over. Adds Block2, Size2 and an ETag where there is more than one block; Block1
 * where `gathered` says that the request came in blocks; ends or goes on with a streaming transfer.
 * A body that cannot be read becomes 5.00, a block beyond its end 4.00, an ETag that was made here
 * and that the request brought 2.03. A body for which there is no room is not kept: its other
 * blocks are rendered anew.
 */
void coax_blocks_cut(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
		     struct coax_gathered *gathered);

#endif
