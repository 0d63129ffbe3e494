// SPDX-License-Identifier: BSD-2-Clause
/* Further blocks of bodies that are kept: RFC 7959 section 2.4. */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "accel/accel.h"
#include "blocks_internal.h"
#include "clock.h"

/* Blocks that are published ahead for who has just begun to walk. */
#define STRIDE_FIRST 8

static bool has_payload(const struct coax_message *m)
{
	return m->payload < m->length;
}

/* What it was rendered from has changed since. */
static bool is_superseded(const struct coax_outgoing *download,
			  const struct coax_responder *responder)
{
	return download->subject &&
	       (download->site_version != responder->site_version ||
		download->generation != coax_subject_generation(download->subject));
}

/*
 * Blocks that come in order are those of one representation, however long it takes. Who asks for
 * one again may be looking for news: after the time for which the response was fresh there may be
 * some. Or the kernel half has given it the beginning of what has replaced this one.
 */
static bool is_outdated(const struct coax_blocks *blocks, const struct coax_outgoing *download,
			const struct coax_responder *responder, uint64_t now, uint64_t offset)
{
	return download->can_be_rendered && offset <= download->offset &&
	       (now - download->rendered > download->max_age * NS_PER_SEC ||
		(blocks->accelerated && is_superseded(download, responder)));
}

/*
 * The first block's options. Max-Age is about the time when it was rendered, unless it is known
 * that the same would be rendered now.
 */
static int put_options(struct coax_responder *responder, const struct coax_outgoing *download,
		       uint64_t now)
{
	bool is_current = download->subject && !is_superseded(download, responder);
	uint64_t age = is_current ? 0 : (now - download->rendered) / NS_PER_SEC;
	const struct coax_kept_body *kept = download->kept;
	struct coax_message *m = &responder->response;

	if (m->capacity - m->length < kept->options_length)
		return -EMSGSIZE;
	memcpy(m->data + m->length, kept->options, kept->options_length);
	m->length += kept->options_length;
	m->payload = m->length;
	m->last_option = kept->last_option;
	if (download->fetched.is_fetched) {
		int err = coax_fresh_reserve(m, download->fetched.max_age);

		coax_responder_write_max_age(responder);
		return err;
	}
	if (kept->code != COAX_CONTENT || (!download->has_max_age && !age))
		return 0;
	return coax_message_add_uint(
		m, COAX_MAX_AGE, age < download->max_age ? download->max_age - (uint32_t)age : 0);
}

/*
 * Nothing is kept for a request for a further block. What is safe can be rendered anew; the rest
 * must not be run a second time, nor with the empty payload that such requests have (section 2.7).
 */
static bool refuse_unsafe(struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	uint8_t method = coax_message_code(request);

	if (method == COAX_GET || (method == COAX_FETCH && has_payload(request)))
		return false;
	coax_blocks_set_error(responder, COAX_REQUEST_ENTITY_INCOMPLETE,
			      "the response is not here any more");
	return true;
}

/* RFC 7641 section 2: such a request is about the resource as it is now. */
static bool is_about_observing(const struct coax_message *request)
{
	uint8_t method = coax_message_code(request);
	struct coax_option option;

	return (method == COAX_GET || method == COAX_FETCH) &&
	       coax_message_find(request, COAX_OBSERVE, &option);
}

/* Make the response the block that was asked for. Returns 0, -ERANGE or what coax_piece_put() does.
 */
static int put_kept(const struct coax_blocks *blocks, uint64_t now,
		    struct coax_responder *responder, const struct coax_outgoing *download,
		    const struct coax_block *asked)
{
	struct coax_piece piece = {
		.body = &download->kept->body,
		.offset = coax_block_offset(asked),
		.exponent = asked->exponent < blocks->exponent ? asked->exponent : blocks->exponent,
		.with_size = coax_piece_wants_size(responder, coax_block_offset(asked)),
	};
	int err;

	if (piece.offset >= piece.body->length)
		return -ERANGE;
	responder->subject = download->subject;
	responder->generation = download->generation;
	responder->fetched = download->fetched;
	responder->cacheable_queries = true;
	coax_message_set_code(&responder->response, download->kept->code);
	err = put_options(responder, download, now);
	responder->site_version = download->site_version;
	return err ? err : coax_piece_put(responder, &piece);
}

static void answer_from(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder,
			struct coax_outgoing *download, const struct coax_block *asked)
{
	int err = put_kept(blocks, now, responder, download, asked);

	coax_outgoing_touch(blocks, download, now);
	if (err == -ERANGE) {
		coax_piece_refuse(blocks, now, responder);
		return;
	}
	download->offset = coax_block_offset(asked);
	if (err) {
		coax_outgoing_drop(blocks, download);
		coax_piece_fail(blocks, responder, err);
		return;
	}
	coax_blocks_count(&blocks->stats->blocks_out);
}

static struct coax_outgoing *find_kept(struct coax_blocks *blocks,
				       const struct coax_responder *responder)
{
	struct coax_block_key key = coax_blocks_key(blocks, responder, true, true, NULL, 0);

	return coax_outgoing_find(blocks, &key);
}

bool coax_blocks_preview(struct coax_blocks *blocks, uint64_t now, struct coax_responder *responder)
{
	const struct coax_outgoing *download = find_kept(blocks, responder);
	struct coax_block asked;

	return download && !is_superseded(download, responder) &&
	       coax_message_find_block(&responder->request, COAX_BLOCK2, &asked) > 0 &&
	       put_kept(blocks, now, responder, download, &asked) == 0;
}

uint32_t coax_blocks_stride(struct coax_blocks *blocks, const struct coax_responder *responder,
			    uint32_t max)
{
	struct coax_outgoing *download = find_kept(blocks, responder);

	if (!download)
		return 0;
	download->stride = download->stride ? 2 * download->stride : STRIDE_FIRST;
	if (download->stride > max)
		download->stride = max;
	return download->stride;
}

bool coax_blocks_continue(struct coax_blocks *blocks, uint64_t now,
			  struct coax_responder *responder)
{
	struct coax_outgoing *download;
	struct coax_block asked, block1;
	int result;

	result = coax_message_find_block(&responder->request, COAX_BLOCK2, &asked);
	if (result < 0) {
		/* Section 2.2. */
		coax_blocks_warn(blocks, now, responder, "a Block2 option that cannot be");
		coax_blocks_set_error(responder, COAX_BAD_REQUEST,
				      "a Block2 option that cannot be");
		return true;
	}
	if (result == 0 || asked.number == 0 ||
	    coax_message_find_block(&responder->request, COAX_BLOCK1, &block1) ||
	    is_about_observing(&responder->request))
		return false;

	download = find_kept(blocks, responder);
	if (download && is_outdated(blocks, download, responder, now, coax_block_offset(&asked))) {
		coax_outgoing_drop(blocks, download);
		download = NULL;
	}
	if (!download)
		return refuse_unsafe(responder);
	answer_from(blocks, now, responder, download, &asked);
	return true;
}
