/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request to one remote, whole: its body sent, the response's body fetched, by as many messages
 * as that takes (RFC 7959), and an Echo challenge answered (RFC 9175 section 2.3). It belongs to
 * a worker. Each message is a request of the exchange layer's, with a token of its own.
 */
#ifndef COAX_TRANSFER_H
#define COAX_TRANSFER_H

#include <coax/request.h>
#include "download.h"
#include "upload.h"
#include "worker.h"

/* RFC 9175 section 2.2.1 */
#define COAX_ECHO_MAX 40

struct coax_transfer;

/*
 * Takes the result, once, as coax_response_fn has it; the transfer is idle then and may be begun
 * again or freed.
 */
typedef void (*coax_transfer_fn)(struct coax_transfer *transfer, int result,
				 const struct coax_message *response);

struct coax_transfer {
	struct coax_worker *worker;
	struct coax_path path;
	const struct coax_message *message; /* code and options; somebody else's */
	const struct coax_request_options *options;
	uint64_t deadline; /* ns; 0: each message has the exchange layer's patience */
	coax_transfer_fn done;

	struct coax_pending *pending; /* NULL: nothing is on its way */
	struct coax_upload upload;
	struct coax_download download;
	struct coax_block wanted; /* of the response: NUM 0 until the first block is here */
	bool uploading;		  /* the body is not acknowledged yet */
	bool heard;		  /* something has come back from there */
	bool challenged;	  /* the message on its way has been repeated with an Echo */
	uint8_t echo_length;	  /* 0: none */
	uint8_t echo[COAX_ECHO_MAX];
	uint8_t tag_length; /* Request-Tag; 0: none */
	uint8_t tag[4];
};

/*
 * The fields above the gap are the caller's; this fills in those below. `body` as for
 * coax_upload_init(); its errors.
 */
int coax_transfer_init(struct coax_transfer *transfer, const struct coax_body *body);
/* Only while idle. */
void coax_transfer_free(struct coax_transfer *transfer);

/* The message that is to be sent now, but for type, message ID and token. Returns 0 or an errno. */
int coax_transfer_build(struct coax_transfer *transfer, uint8_t buffer[COAX_DATAGRAM_OUT_MAX],
			struct coax_message *message);

/* Send the first message. Failures come to `done`, possibly before this returns. */
void coax_transfer_begin(struct coax_transfer *transfer);

/* Go on with a response that came otherwise: to a request to a group. `done` as above. */
void coax_transfer_take(struct coax_transfer *transfer, const struct coax_message *response);

/* `done` runs with `result` before this returns, if something is on its way. */
void coax_transfer_cancel(struct coax_transfer *transfer, int result);

/* Whether a response asks for more than to be handed on. */
bool coax_transfer_has_more(const struct coax_message *response);

/* The SZX of the largest blocks to use. */
uint8_t coax_transfer_exponent(const struct coax_context *context,
			       const struct coax_request_options *options);

#endif
