// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <coax/option.h>
#include "clock.h"
#include "transfer.h"

uint8_t coax_transfer_exponent(const struct coax_context *context,
			       const struct coax_request_options *options)
{
	return coax_block_exponent(options->block_size ? options->block_size
						       : context->tuning.block_size);
}

/*
 * RFC 9175 section 3.3: blocks of two bodies to one resource must not be taken for each other's.
 * Nobody here knows what else this endpoint has under way at that server, or has given up in the
 * middle with datagrams still on the road; so each body in blocks has a tag, and no tag is used
 * again. Four bytes in a message of a kilobyte are a small price.
 */
static int choose_tag(struct coax_transfer *transfer)
{
	if (getrandom(transfer->tag, sizeof(transfer->tag), 0) != sizeof(transfer->tag))
		return -EIO;
	transfer->tag_length = sizeof(transfer->tag);
	return 0;
}

static bool in_one_message(const struct coax_transfer *transfer)
{
	return transfer->options->single || coax_message_code(transfer->message) == COAX_EMPTY;
}

int coax_transfer_init(struct coax_transfer *transfer, const struct coax_body *body)
{
	const struct coax_request_options *options = transfer->options;
	const struct coax_context *context = transfer->worker->context;
	int err;

	transfer->pending = NULL;
	transfer->uploading = body->length > 0;
	transfer->heard = false;
	transfer->challenged = false;
	transfer->echo_length = 0;
	transfer->tag_length = 0;
	transfer->wanted =
		(struct coax_block){.exponent = coax_transfer_exponent(context, options)};
	coax_download_init(&transfer->download,
			   options->body_max ? options->body_max : context->tuning.body_max,
			   options->sink, options->sink_arg);
	err = coax_upload_init(&transfer->upload, body, transfer->wanted.exponent);
	if (in_one_message(transfer))
		transfer->upload.cut = false;
	return err;
}

void coax_transfer_free(struct coax_transfer *transfer)
{
	coax_download_free(&transfer->download);
}

static void end(struct coax_transfer *transfer, int result, const struct coax_message *response)
{
	transfer->done(transfer, result, response);
}

/* A copy of the request's code and options that can be added to. */
static void begin_message(const struct coax_transfer *transfer,
			  uint8_t buffer[COAX_DATAGRAM_OUT_MAX], struct coax_message *message)
{
	*message = *transfer->message;
	memcpy(buffer, transfer->message->data, message->length);
	message->data = buffer;
	message->capacity = COAX_DATAGRAM_OUT_MAX;
}

static int add_payload(const struct coax_transfer *transfer, struct coax_message *message,
		       size_t length)
{
	uint8_t payload[COAX_DATAGRAM_OUT_MAX];
	int err;

	if (length > sizeof(payload))
		return -EMSGSIZE;
	err = coax_upload_read(&transfer->upload, payload, length);
	return err ? err : coax_message_set_payload(message, payload, length);
}

/* Block1 and what goes with it, for a body in blocks. */
static int add_block1(struct coax_transfer *transfer, struct coax_message *message,
		      const struct coax_block *block)
{
	int err = coax_message_add_block(message, COAX_BLOCK1, block);

	if (!err && block->number == 0)
		err = coax_message_add_uint(message, COAX_SIZE1,
					    (uint32_t)transfer->upload.body.length);
	if (!err && !transfer->tag_length)
		err = choose_tag(transfer);
	return err;
}

/* The body, or its present block. *last: the response to this message may be the final one. */
static int add_body(struct coax_transfer *transfer, struct coax_message *message, bool *last)
{
	struct coax_block block;
	size_t length = coax_upload_block(&transfer->upload, &block);
	int err = 0;

	if (transfer->upload.cut)
		err = add_block1(transfer, message, &block);
	*last = !block.more;
	return err ? err : add_payload(transfer, message, length);
}

/*
 * A request for a further block: RFC 7959 section 3.3, without the body, which the server has
 * acted upon. That of a FETCH is part of what is asked for (RFC 8132 section 2), and is
 * repeated where one message holds it.
 */
static int ask_for_block(struct coax_transfer *transfer, struct coax_message *message)
{
	size_t length = (size_t)transfer->upload.body.length;

	coax_message_remove(message, COAX_OBSERVE);
	if (coax_message_code(message) != COAX_FETCH || transfer->upload.cut || !length)
		return 0;
	return add_payload(transfer, message, length);
}

/* Section 2.4: with blocks smaller than all can have, the server is told from the start. */
static bool tells_size(const struct coax_transfer *transfer)
{
	return transfer->wanted.number || transfer->wanted.exponent < COAX_BLOCK_EXPONENT_MAX;
}

int coax_transfer_build(struct coax_transfer *transfer, uint8_t buffer[COAX_DATAGRAM_OUT_MAX],
			struct coax_message *message)
{
	bool last = true;
	int err = 0;

	begin_message(transfer, buffer, message);
	if (transfer->wanted.number)
		err = ask_for_block(transfer, message);
	else if (transfer->upload.body.length)
		err = add_body(transfer, message, &last);
	if (!err && last && !in_one_message(transfer) && tells_size(transfer))
		err = coax_message_add_block(message, COAX_BLOCK2, &transfer->wanted);
	if (!err && transfer->echo_length) {
		coax_message_remove(message, COAX_ECHO);
		err = coax_message_add(message, COAX_ECHO, transfer->echo, transfer->echo_length);
	}
	/* RFC 9175 section 3.3: in the requests for the response's blocks as well. */
	if (!err && transfer->tag_length)
		err = coax_message_add(message, COAX_REQUEST_TAG, transfer->tag,
				       transfer->tag_length);
	return err;
}

static void answered(void *arg, int result, const struct coax_message *response,
		     const struct coax_path *from, bool last)
{
	struct coax_transfer *transfer = arg;

	(void)from;
	(void)last;
	transfer->pending = NULL;
	if (result || !response)
		end(transfer, result, NULL);
	else
		coax_transfer_take(transfer, response);
}

/* How long the next message may take, in ms; 0: as long as the exchange layer has patience. */
static int time_left(const struct coax_transfer *transfer, uint32_t *left)
{
	uint64_t now = transfer->worker->now;

	*left = 0;
	if (!transfer->deadline)
		return 0;
	if (now >= transfer->deadline)
		return -ETIMEDOUT;
	*left = (uint32_t)((transfer->deadline - now + NS_PER_MS - 1) / NS_PER_MS);
	return 0;
}

static void send_next(struct coax_transfer *transfer)
{
	struct coax_worker *worker = transfer->worker;
	struct coax_ask ask = {.non_confirmable = transfer->options->non_confirmable,
			       .proxying = transfer->options->proxying};
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message message;
	int err;

	err = time_left(transfer, &ask.timeout_ms);
	if (!err)
		err = coax_transfer_build(transfer, buffer, &message);
	if (!err)
		err = coax_exchange_request(worker->exchange, worker->now, &transfer->path,
					    &message, &ask, answered, transfer, &transfer->pending);
	if (err)
		end(transfer, err, NULL);
}

void coax_transfer_begin(struct coax_transfer *transfer)
{
	send_next(transfer);
}

/* RFC 9175 section 2.3: prove that the request is fresh. Once for a message. */
static bool take_challenge(struct coax_transfer *transfer, const struct coax_message *response)
{
	struct coax_option echo;

	if (in_one_message(transfer) && !transfer->options->proxying)
		return false;
	if (coax_message_code(response) != COAX_UNAUTHORIZED ||
	    !coax_message_find(response, COAX_ECHO, &echo))
		return false;
	if (transfer->challenged || !echo.length || echo.length > sizeof(transfer->echo))
		return false;
	transfer->challenged = true;
	transfer->echo_length = (uint8_t)echo.length;
	memcpy(transfer->echo, echo.value, echo.length);
	return true;
}

static void tell_progress(const struct coax_transfer *transfer, uint64_t sent)
{
	if (transfer->options->progress)
		transfer->options->progress(transfer->options->progress_arg, sent,
					    transfer->upload.body.length);
}

/* Returns 0 when the body has been acknowledged, or refused. */
static int take_acknowledgement(struct coax_transfer *transfer, const struct coax_message *response)
{
	int result = coax_upload_take(&transfer->upload, response);

	if (result > 0)
		tell_progress(transfer, transfer->upload.offset);
	if (result)
		return result;
	transfer->uploading = false;
	if (COAX_CODE_CLASS(coax_message_code(response)) == 2)
		tell_progress(transfer, transfer->upload.body.length);
	return 0;
}

/*
 * The representation has changed, and is to be fetched from its beginning. What was a change of
 * state is not made again for it.
 */
static int begin_anew(struct coax_transfer *transfer)
{
	uint8_t code = coax_message_code(transfer->message);

	if (code != COAX_GET && code != COAX_FETCH)
		return -ESTALE;
	transfer->uploading = transfer->upload.body.length > 0;
	coax_upload_rewind(&transfer->upload);
	return 1;
}

/* Returns 0 when the response is whole. */
static int take_response(struct coax_transfer *transfer, const struct coax_message *response)
{
	int result = coax_download_take(&transfer->download, response, &transfer->wanted);

	return result == 1 && !transfer->wanted.number ? begin_anew(transfer) : result;
}

void coax_transfer_take(struct coax_transfer *transfer, const struct coax_message *response)
{
	int result = 0;

	transfer->heard = true;
	if (take_challenge(transfer, response)) {
		send_next(transfer);
		return;
	}
	if (in_one_message(transfer)) {
		end(transfer, 0, response);
		return;
	}
	transfer->challenged = false;
	if (transfer->uploading)
		result = take_acknowledgement(transfer, response);
	if (!result)
		result = take_response(transfer, response);
	if (result > 0)
		send_next(transfer);
	else
		end(transfer, result, result ? NULL : coax_download_result(&transfer->download));
}

void coax_transfer_cancel(struct coax_transfer *transfer, int result)
{
	if (transfer->pending)
		coax_exchange_cancel(transfer->worker->exchange, transfer->pending, result);
}

bool coax_transfer_has_more(const struct coax_message *response)
{
	struct coax_block block;
	struct coax_option echo;

	if (coax_message_code(response) == COAX_UNAUTHORIZED)
		return coax_message_find(response, COAX_ECHO, &echo);
	return coax_message_find_block(response, COAX_BLOCK2, &block) > 0 && block.more;
}
