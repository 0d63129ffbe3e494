/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A response's body put together from its blocks (RFC 7959 section 2.4), for requests and for
 * notifications alike. It sends nothing: it is given responses, and says which block to ask for.
 */
#ifndef COAX_DOWNLOAD_H
#define COAX_DOWNLOAD_H

#include <coax/block.h>
#include <coax/request.h>

/* How often a representation may change while it is fetched. */
#define COAX_DOWNLOAD_RESTARTS 3

struct coax_download {
	uint64_t body_max;
	coax_sink_fn sink; /* NULL: kept in memory */
	void *sink_arg;

	uint8_t *buffer; /* the first block's header and options, then the body */
	size_t capacity;
	struct coax_message message; /* in it, or the response itself when that was all */
	uint64_t length;	     /* of the body so far */
	uint64_t total;		     /* as Size2 tells; 0: it does not */
	uint8_t etag_length;	     /* as the first block has it; 0xff: none */
	uint8_t etag[8];
	uint8_t exponent; /* of the blocks: they never grow */
	uint8_t restarts; /* how often the representation has changed meanwhile */
	bool begun;	  /* the first block is here */
};

/* `sink` may be NULL. It is given what successful responses carry, not others' diagnostics. */
void coax_download_init(struct coax_download *download, uint64_t body_max, coax_sink_fn sink,
			void *sink_arg);
/* Forget what has come, and begin anew. */
void coax_download_reset(struct coax_download *download);
void coax_download_free(struct coax_download *download);

/*
 * Take in a response. Returns 0 when the body is whole: coax_download_result() then gives it; 1
 * when *next is the block to ask for (after a change of the ETag that is the first one again); or
 * a negative errno as coax_response_fn has it.
 *
 * An unsuccessful response, or one that is not cut, ends it wherever it was: it is the result.
 */
int coax_download_take(struct coax_download *download, const struct coax_message *response,
		       struct coax_block *next);

/*
 * The first block's response with the whole body as payload (a sink's without payload), without
 * Block2. Valid until the download is reset or freed, and as long as the response that was taken
 * last: one that came whole is not copied.
 */
const struct coax_message *coax_download_result(const struct coax_download *download);

#endif
