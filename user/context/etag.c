// SPDX-License-Identifier: BSD-2-Clause
/*
 * ETags for bodies whose handlers give none (RFC 7959 section 2.4: a server SHOULD include one).
 *
 * Of bytes in memory it is a hash, so that it stays the same while they do, and validates. Hashing
 * takes longer than all else about a body: the one made last for the same request is compared with
 * it first.
 */
#include <string.h>
#include <sodium.h>
#include <urcu/compiler.h>
#include <coax/option.h>
#include "blocks_internal.h"

static struct coax_kept_body *find(const struct coax_blocks *blocks,
				   const struct coax_responder *responder,
				   struct coax_block_key *key)
{
	struct coax_block_node *node;

	*key = coax_blocks_key(blocks, responder, false, true, NULL, 0);
	node = coax_block_table_find(&blocks->hashed, key);
	return node ? caa_container_of(node, struct coax_kept_body, hashed_node) : NULL;
}

static bool has_bytes(const struct coax_kept_body *kept, const struct coax_body *body)
{
	return kept && kept->body.length == body->length &&
	       (kept->body.data == body->data ||
		memcmp(kept->body.data, body->data, body->length) == 0);
}

static void make_of_bytes(const struct coax_blocks *blocks, const struct coax_responder *responder,
			  const struct coax_body *body, uint8_t etag[COAX_ETAG_MADE])
{
	uint8_t digest[crypto_generichash_BYTES_MIN];
	const struct coax_kept_body *former;
	struct coax_block_key key;

	former = find(blocks, responder, &key);
	if (has_bytes(former, body)) {
		memcpy(etag, former->etag, COAX_ETAG_MADE);
		return;
	}
	crypto_generichash(digest, sizeof(digest), body->data, body->length, NULL, 0);
	memcpy(etag, digest, COAX_ETAG_MADE);
}

bool coax_etag_add(struct coax_blocks *blocks, struct coax_responder *responder,
		   const struct coax_body *body)
{
	struct coax_message *response = &responder->response;
	uint8_t etag[COAX_ETAG_MADE];
	struct coax_block_key unique;
	struct coax_option option;

	/* In other responses it would be the target's, not that of what they carry (RFC 7252
	 * section 5.10.6.1). */
	if (coax_message_code(response) != COAX_CONTENT ||
	    coax_message_find(response, COAX_ETAG, &option))
		return false;
	if (body->data) {
		make_of_bytes(blocks, responder, body, etag);
	} else {
		blocks->serial++;
		unique = coax_block_key_make(&blocks->secret, &blocks->serial,
					     sizeof(blocks->serial));
		memcpy(etag, &unique, sizeof(etag));
		responder->one_off = true;
	}
	/* Where there is no room for it, it goes without. */
	return coax_message_add(response, COAX_ETAG, etag, sizeof(etag)) == 0 && body->data;
}

void coax_etag_remember(struct coax_blocks *blocks, const struct coax_responder *responder,
			struct coax_kept_body *kept)
{
	struct coax_kept_body *former;
	struct coax_option etag;

	if (kept->hashed || !coax_message_find(&responder->response, COAX_ETAG, &etag))
		return;
	former = find(blocks, responder, &kept->hashed_node.key);
	if (former)
		coax_etag_forget(blocks, former);
	memcpy(kept->etag, etag.value, sizeof(kept->etag));
	kept->hashed = true;
	coax_block_table_add(&blocks->hashed, &kept->hashed_node);
}

void coax_etag_forget(struct coax_blocks *blocks, struct coax_kept_body *kept)
{
	if (kept->hashed)
		coax_block_table_remove(&blocks->hashed, &kept->hashed_node);
	kept->hashed = false;
}
