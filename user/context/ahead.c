// SPDX-License-Identifier: BSD-2-Clause
/*
 * Publishing what will be asked for next: with a representation that it is still so (2.03), with
 * a block those behind it. What is published is what would have been answered.
 */
#include <string.h>
#include <coax/block.h>
#include <coax/option.h>
#include "blocks.h"
#include "worker.h"

#define STRIDE_MAX  256
#define REQUEST_MAX (COAX_HEADER_SIZE + COAX_TOKEN_MAX + COAX_KEY_MAX)
#define ETAG_MAX    8

/*
 * What a worker spends on it: a pair counts as so many ns of its time, an eighth of which may go
 * there, some of it in advance. Who asks for every hundredth block so does little harm.
 */
#define PAIR_TIME   (8 * 2000)
#define ADVANCE_MAX (4096 * PAIR_TIME)

static bool may_go_on(struct coax_worker *worker)
{
	if (worker->ahead_paid < worker->now)
		worker->ahead_paid = worker->now;
	if (worker->ahead_paid - worker->now > ADVANCE_MAX)
		return false;
	worker->ahead_paid += PAIR_TIME;
	return true;
}

/* A copy of the first `length` bytes that options can be added to. Returns whether there is room.
 */
static bool copy(struct coax_message *to, uint8_t *buffer, size_t size,
		 const struct coax_message *from, uint32_t length)
{
	if (length > size)
		return false;
	memcpy(buffer, from->data, length);
	*to = *from;
	to->data = buffer;
	to->length = length;
	if (to->payload > length)
		to->payload = length;
	to->capacity = (uint32_t)size;
	return true;
}

static void publish(struct coax_worker *worker, const struct coax_responder *responder)
{
	if (coax_responder_publishable(responder) &&
	    coax_accel_publish_until(worker->context->accel, responder->subject,
				     responder->generation, &responder->request,
				     &responder->response, coax_responder_fresh_until(responder)))
		coax_count(&worker->stats, published);
}

/*
 * Request and response become those about the representation's ETag: coax_respond() and
 * coax_blocks_cut() say the same. Returns whether there is one to ask about.
 */
static bool make_validation(struct coax_message *request, struct coax_message *response)
{
	struct coax_option option;

	if (coax_message_code(request) != COAX_GET || coax_message_code(response) != COAX_CONTENT ||
	    coax_message_find(request, COAX_ETAG, &option) ||
	    coax_message_find(request, COAX_BLOCK2, &option) ||
	    !coax_message_find(response, COAX_ETAG, &option) || option.length == 0 ||
	    option.length > ETAG_MAX)
		return false;
	if (coax_message_add(request, COAX_ETAG, option.value, option.length))
		return false;
	coax_message_remove(response, COAX_CONTENT_FORMAT);
	if (coax_message_remove(response, COAX_BLOCK2))
		coax_message_remove(response, COAX_SIZE2);
	coax_message_set_code(response, COAX_VALID);
	return true;
}

static void publish_validation(struct coax_worker *worker, const struct coax_responder *responder)
{
	uint8_t request[REQUEST_MAX], response[COAX_MESSAGE_MAX];
	const struct coax_message *given = &responder->response;
	struct coax_responder next = *responder;
	uint32_t options = given->payload < given->length ? given->payload - 1 : given->length;

	if (copy(&next.request, request, sizeof(request), &responder->request,
		 responder->request.length) &&
	    copy(&next.response, response, sizeof(response), given, options) &&
	    make_validation(&next.request, &next.response) && may_go_on(worker))
		publish(worker, &next);
}

/* Returns whether another block follows it, as far as is known. */
static bool publish_block(struct coax_worker *worker, struct coax_responder *next)
{
	struct coax_accel *accel = worker->context->accel;
	struct coax_block block;

	if (coax_accel_is_published(accel, next->subject, next->generation, &next->request,
				    coax_responder_fresh_until(next)))
		return true;
	if (!may_go_on(worker) || !coax_blocks_preview(worker->blocks, worker->now, next))
		return false;
	publish(worker, next);
	return coax_message_find_block(&next->response, COAX_BLOCK2, &block) > 0 && block.more;
}

/*
 * Whoever asks for the second block walks, and how it asks is known then. It goes on with blocks of
 * the size that it got.
 */
static bool is_walking(const struct coax_responder *responder, struct coax_block *block)
{
	struct coax_block asked;

	return coax_message_find_block(&responder->request, COAX_BLOCK2, &asked) > 0 &&
	       asked.number > 0 &&
	       coax_message_find_block(&responder->response, COAX_BLOCK2, block) > 0 && block->more;
}

static void publish_blocks(struct coax_worker *worker, const struct coax_responder *responder)
{
	uint32_t max = coax_accel_ahead_max(worker->context->accel);
	uint8_t request[REQUEST_MAX], response[COAX_MESSAGE_MAX];
	struct coax_responder next = *responder;
	struct coax_message template;
	uint8_t buffer[REQUEST_MAX];
	struct coax_block block;
	bool more;

	if (!is_walking(responder, &block) || !copy(&template, buffer, sizeof(buffer),
						    &responder->request, responder->request.length))
		return;
	coax_message_remove(&template, COAX_BLOCK2);
	block.more = false;
	max = coax_blocks_stride(worker->blocks, responder, max < STRIDE_MAX ? max : STRIDE_MAX);
	for (more = true; more && max > 0 && block.number < COAX_BLOCK_NUMBER_MAX; max--) {
		block.number++;
		(void)copy(&next.request, request, sizeof(request), &template, template.length);
		if (coax_message_add_block(&next.request, COAX_BLOCK2, &block))
			return;
		coax_message_start(&next.response, response, sizeof(response), COAX_TYPE_ACK,
				   COAX_EMPTY, 0, coax_message_token(&next.request),
				   coax_message_token_length(&next.request));
		next.one_off = false;
		more = publish_block(worker, &next);
	}
}

void coax_worker_publish_ahead(struct coax_worker *worker, const struct coax_responder *responder)
{
	publish_validation(worker, responder);
	publish_blocks(worker, responder);
}
