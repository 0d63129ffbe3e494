// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies of responses, kept for those who are in the middle of fetching them (RFC 7959 section 2.4:
 * "the server MAY cache the current value of a representation for an ongoing sequence of
 * requests").
 */
#include <stdlib.h>
#include <string.h>
#include <urcu/compiler.h>
#include <coax/option.h>
#include "blocks_internal.h"
#include "clock.h"
#include "transport/transport.h"

#define TABLE_SIZE 65536

/* Those may hold descriptors, of which there are few. */
#define READS_MAX 64

/* How many a body is found by when it is kept: see coax_outgoing_keep(). */
#define DOWNLOADS_EACH	2

#define DEFAULT_MAX_AGE 60 /* RFC 7252 section 5.10.5 */

int coax_keeping_create(struct coax_blocks *blocks)
{
	int err;

	CDS_INIT_LIST_HEAD(&blocks->idle[0]);
	CDS_INIT_LIST_HEAD(&blocks->idle[1]);
	err = coax_block_table_create(&blocks->downloads, TABLE_SIZE);
	if (!err)
		err = coax_block_table_create(&blocks->bodies, TABLE_SIZE);
	return err ? err : coax_block_table_create(&blocks->hashed, TABLE_SIZE);
}

void coax_keeping_destroy(struct coax_blocks *blocks)
{
	if (blocks->idle[0].next)
		coax_keeping_tick(blocks, UINT64_MAX);
	coax_block_table_destroy(&blocks->downloads);
	coax_block_table_destroy(&blocks->bodies);
	coax_block_table_destroy(&blocks->hashed);
}

static bool is_read(const struct coax_body *body)
{
	return !body->data;
}

static void put_body(struct coax_blocks *blocks, struct coax_kept_body *kept)
{
	if (--kept->references)
		return;
	coax_etag_forget(blocks, kept);
	if (kept->shared)
		coax_block_table_remove(&blocks->bodies, &kept->node);
	blocks->reads -= is_read(&kept->body);
	coax_blocks_account(blocks, -(int64_t)kept->cost);
	if (kept->body.release)
		kept->body.release(kept->body.arg);
	free(kept);
}

void coax_outgoing_drop(struct coax_blocks *blocks, struct coax_outgoing *download)
{
	coax_block_table_remove(&blocks->downloads, &download->node);
	cds_list_del(&download->idle);
	put_body(blocks, download->kept);
	coax_subject_put(download->subject);
	coax_blocks_account(blocks, -(int64_t)sizeof(*download));
	free(download);
}

static struct coax_outgoing *longest_idle(struct cds_list_head *list)
{
	return cds_list_empty(list) ? NULL : cds_list_entry(list->prev, struct coax_outgoing, idle);
}

static struct coax_outgoing *longest_idle_of_all(struct coax_blocks *blocks)
{
	struct coax_outgoing *a = longest_idle(&blocks->idle[0]);
	struct coax_outgoing *b = longest_idle(&blocks->idle[1]);

	if (!a || !b)
		return a ? a : b;
	return a->used <= b->used ? a : b;
}

uint64_t coax_keeping_deadline(struct coax_blocks *blocks)
{
	const struct coax_outgoing *oldest = longest_idle_of_all(blocks);

	return oldest ? oldest->used + blocks->timeout : UINT64_MAX;
}

void coax_keeping_tick(struct coax_blocks *blocks, uint64_t now)
{
	struct coax_outgoing *oldest;

	while ((oldest = longest_idle_of_all(blocks)) && now >= oldest->used + blocks->timeout)
		coax_outgoing_drop(blocks, oldest);
}

bool coax_keeping_make_room(struct coax_blocks *blocks, uint64_t need)
{
	uint64_t max = blocks->tuning.bodies_max;

	if (need > max || blocks->upload_bytes > max - need)
		return false;
	while (blocks->bytes + need > max)
		coax_outgoing_drop(blocks, longest_idle_of_all(blocks));
	return true;
}

struct coax_outgoing *coax_outgoing_find(struct coax_blocks *blocks,
					 const struct coax_block_key *key)
{
	struct coax_block_node *node = coax_block_table_find(&blocks->downloads, key);

	return node ? caa_container_of(node, struct coax_outgoing, node) : NULL;
}

void coax_outgoing_touch(struct coax_blocks *blocks, struct coax_outgoing *download, uint64_t now)
{
	download->used = now;
	cds_list_move(&download->idle, &blocks->idle[is_read(&download->kept->body)]);
}

/*
 * The response's options that go with each block, in `buffer`: not those that are about the request
 * that it answered.
 */
static bool make_template(struct coax_message *template, uint8_t *buffer, size_t size,
			  const struct coax_message *response)
{
	static const uint16_t once[] = {COAX_OBSERVE, COAX_MAX_AGE, COAX_BLOCK1, COAX_ECHO};

	*template = *response;
	if (response->payload < response->length)
		template->length = response->payload - 1;
	template->payload = template->length;
	if (template->length > size)
		return false;
	memcpy(buffer, response->data, template->length);
	template->data = buffer;
	template->capacity = (uint32_t)size;
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		coax_message_remove(template, once[i]);
	return true;
}

/*
 * An ETag names a representation of one resource; that it is the same one is looked at all the
 * same where that is possible: one client must never get what was rendered for another.
 */
static bool is_same(const struct coax_kept_body *kept, const struct coax_body *body, uint8_t code,
		    const uint8_t *options, size_t options_length)
{
	return kept->code == code && kept->options_length == options_length &&
	       memcmp(kept->options, options, options_length) == 0 &&
	       kept->body.length == body->length && is_read(&kept->body) == is_read(body) &&
	       (is_read(body) || kept->body.data == body->data ||
		memcmp(kept->body.data, body->data, body->length) == 0);
}

static bool is_shareable(const struct coax_responder *responder)
{
	uint8_t method = coax_message_code(&responder->request);

	return (method == COAX_GET || method == COAX_FETCH) &&
	       coax_message_code(&responder->response) == COAX_CONTENT;
}

/* As much of memory as is taken for a body: one without `release` is there anyway. */
static uint64_t cost_of(const struct coax_body *body, size_t options_length, bool is_payload)
{
	uint64_t cost = sizeof(struct coax_kept_body) + options_length;

	return is_payload || (body->data && body->release) ? cost + body->length : cost;
}

/* Take *body over, or a copy of a payload, if there is room. */
static struct coax_kept_body *make_body(struct coax_blocks *blocks, const struct coax_body *body,
					bool is_payload, const struct coax_message *template)
{
	struct coax_kept_body *kept;
	const uint8_t *options;
	size_t length;
	uint64_t cost;
	void *copy;

	options = coax_message_rest(template, &length);
	cost = cost_of(body, length, is_payload);
	while (is_read(body) && blocks->reads >= READS_MAX)
		coax_outgoing_drop(blocks, longest_idle(&blocks->idle[1]));
	if (!coax_keeping_make_room(blocks, cost + DOWNLOADS_EACH * sizeof(struct coax_outgoing)))
		return NULL;
	kept = calloc(1, sizeof(*kept) + length);
	if (!kept)
		return NULL;
	kept->body = *body;
	if (is_payload) {
		copy = malloc(body->length);
		if (!copy) {
			free(kept);
			return NULL;
		}
		memcpy(copy, body->data, body->length);
		kept->body.data = kept->body.arg = copy;
		kept->body.release = free;
	}
	kept->cost = cost;
	kept->last_option = template->last_option;
	kept->options_length = (uint32_t)length;
	memcpy(kept->options, options, length);
	kept->code = coax_message_code(template);
	blocks->reads += is_read(body);
	coax_blocks_account(blocks, (int64_t)cost);
	return kept;
}

/* The body, shared if it can be; whoever takes it counts a reference. NULL: no room. */
static struct coax_kept_body *get_body(struct coax_blocks *blocks,
				       const struct coax_responder *responder,
				       const struct coax_body *body)
{
	const struct coax_message *response = &responder->response;
	bool is_payload = body->data && body->data == coax_message_payload(response, &(size_t){0});
	struct coax_block_node *node = NULL;
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message template;
	struct coax_kept_body *kept;
	struct coax_block_key key;
	struct coax_option etag;
	const uint8_t *options;
	bool share;
	size_t length;

	if (!make_template(&template, buffer, sizeof(buffer), response))
		return NULL;
	options = coax_message_rest(&template, &length);
	share = is_shareable(responder) && coax_message_find(response, COAX_ETAG, &etag);
	if (share) {
		key = coax_blocks_key(blocks, responder, false, true, etag.value, etag.length);
		node = coax_block_table_find(&blocks->bodies, &key);
	}
	if (node) {
		kept = caa_container_of(node, struct coax_kept_body, node);
		if (is_same(kept, body, coax_message_code(response), options, length)) {
			if (!is_payload && body->release)
				body->release(body->arg);
			return kept;
		}
		share = false;
	}

	kept = make_body(blocks, body, is_payload, &template);
	if (kept && share) {
		kept->shared = true;
		kept->node.key = key;
		coax_block_table_add(&blocks->bodies, &kept->node);
	}
	return kept;
}

static void describe(struct coax_outgoing *download, uint64_t now,
		     const struct coax_responder *responder)
{
	download->rendered = now;
	download->offset = 0;
	download->has_max_age =
		coax_message_find_uint(&responder->response, COAX_MAX_AGE, &download->max_age);
	if (!download->has_max_age)
		download->max_age = DEFAULT_MAX_AGE;
	download->fetched = responder->fetched;
	download->can_be_rendered = is_shareable(responder);
	download->stride = 0;
	coax_subject_put(download->subject);
	download->subject = NULL;
	if (!responder->one_off && coax_responder_is_repeatable(responder))
		download->subject = coax_subject_get(responder->subject);
	download->generation = responder->generation;
	download->site_version = responder->site_version;
}

/* The download under `key`, or *spare if there is none, is of `kept` from now on. */
static struct coax_outgoing *point(struct coax_blocks *blocks, uint64_t now,
				   const struct coax_responder *responder, bool with_payload,
				   struct coax_kept_body *kept, struct coax_outgoing **spare)
{
	struct coax_block_key key = coax_blocks_key(blocks, responder, true, with_payload, NULL, 0);
	struct coax_outgoing *download = coax_outgoing_find(blocks, &key);

	kept->references++;
	if (download) {
		put_body(blocks, download->kept);
	} else {
		download = *spare;
		*spare = NULL;
		download->node.key = key;
		CDS_INIT_LIST_HEAD(&download->idle);
		coax_block_table_add(&blocks->downloads, &download->node);
		coax_blocks_account(blocks, sizeof(*download));
	}
	download->kept = kept;
	describe(download, now, responder);
	coax_outgoing_touch(blocks, download, now);
	return download;
}

struct coax_outgoing *coax_outgoing_keep(struct coax_blocks *blocks, uint64_t now,
					 const struct coax_responder *responder,
					 const struct coax_body *body, bool blockwise)
{
	const struct coax_message *request = &responder->request;
	/*
	 * The payload of a FETCH belongs to the key (RFC 8132 section 2), but requests for further
	 * blocks have none (RFC 7959 section 2.7) or, with some clients, the same one. The former
	 * are about the latest; the latter can tell several apart.
	 */
	bool twice = coax_message_code(request) == COAX_FETCH && !blockwise &&
		     request->payload < request->length;
	struct coax_outgoing *spares[DOWNLOADS_EACH] = {NULL};
	struct coax_outgoing *download = NULL;
	struct coax_kept_body *kept = NULL;

	if (!coax_keeping_make_room(blocks, sizeof(spares[0][0]) * DOWNLOADS_EACH))
		return NULL;
	spares[0] = calloc(1, sizeof(*spares[0]));
	spares[1] = twice ? calloc(1, sizeof(*spares[1])) : NULL;
	if (spares[0] && (!twice || spares[1]))
		kept = get_body(blocks, responder, body);
	if (kept) {
		kept->references++;
		download = point(blocks, now, responder, false, kept, &spares[0]);
		if (twice)
			download = point(blocks, now, responder, true, kept, &spares[1]);
		put_body(blocks, kept);
	}
	free(spares[0]);
	free(spares[1]);
	return download;
}
