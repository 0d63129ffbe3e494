/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request's body, sent in one message or block by block in lock step (RFC 7959 section 2.5). It
 * sends nothing: it says what the present block is, and is given the responses.
 */
#ifndef COAX_UPLOAD_H
#define COAX_UPLOAD_H

#include <coax/block.h>
#include <coax/body.h>
#include <coax/message.h>

struct coax_upload {
	struct coax_body body;
	uint64_t offset;  /* of the block that is on its way, in bytes: sizes may change */
	uint8_t exponent; /* of its size */
	bool cut;	  /* it goes in blocks; else in one message */
	bool shrunk;	  /* it began anew with the smaller blocks that a 4.13 asked for */
	bool restarted;	  /* it began anew because of a 4.08 */
};

/*
 * `body` belongs to the caller and outlives the upload. Returns 0, or -EMSGSIZE for one that no
 * block numbers can express.
 */
int coax_upload_init(struct coax_upload *upload, const struct coax_body *body, uint8_t exponent);

/* The whole of it from its beginning, for a representation that has to be asked for again. */
void coax_upload_rewind(struct coax_upload *upload);

/* The present block, and how many bytes it has. Without `cut` it is everything. */
size_t coax_upload_block(const struct coax_upload *upload, struct coax_block *block);

/*
 * Copy the bytes of the present block. Returns 0, -EIO (the body is shorter than it said), or what
 * its `read` returned.
 */
int coax_upload_read(const struct coax_upload *upload, uint8_t *buffer, size_t length);

/*
 * Take in the response to the present block. Returns 1 when another one has become the present one
 * and is to be sent; 0 when the response is the final one; -EPROTO when it does not fit; -EMSGSIZE
 * when the peer wants blocks too small for the body.
 */
int coax_upload_take(struct coax_upload *upload, const struct coax_message *response);

#endif
