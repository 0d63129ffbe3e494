/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uploads: bodies of requests while they come in, and while handlers have them. incoming.c says
 * which there are and which have to go, gather.c what becomes of each block.
 */
#ifndef COAX_INCOMING_H
#define COAX_INCOMING_H

#include "blocks_internal.h"

struct coax_gathered {
	struct coax_block_node node;
	struct coax_blocks *blocks;   /* NULL: they are gone */
	struct coax_gathered *spare;  /* the next one */
	struct cds_list_head waiting; /* while it waits or is held */
	struct cds_list_head by[COAX_HOLDER_KINDS];
	struct coax_holder *holders[COAX_HOLDER_KINDS];
	uint32_t references; /* the table's, and the handler's */
	bool open;	     /* in the table */
	bool held;	     /* the handler has not answered yet */
	bool blockwise;	     /* the request has a Block1 option */
	bool streaming;
	bool if_none_match;
	struct coax_block block; /* taken last, or handled now */
	uint32_t block_length;
	uint32_t blocks_taken;
	uint64_t used;
	uint64_t length; /* of the body so far */
	uint64_t size_hint;
	void *state; /* the handler's */
	void (*release)(void *state);
	uint8_t *bytes; /* `head` of space, then the body */
	size_t head;
	size_t capacity;
};

/* One that is not in the table, with one reference. NULL: no memory. */
struct coax_gathered *coax_incoming_create(struct coax_blocks *blocks);
void coax_incoming_unreference(struct coax_gathered *upload);

/*
 * Begin a transfer under `key`, which has none. Returns 0, -ENOMEM (no room at present), or -EBUSY
 * when its remote has as many as it may, and *wait says for how long (s).
 */
int coax_incoming_open(struct coax_blocks *blocks, uint64_t now, const struct coax_block_key *key,
		       const union coax_address *remote, struct coax_gathered **upload,
		       uint32_t *wait);
/* No further blocks are awaited. It stays for as long as a handler has it. */
void coax_incoming_close(struct coax_gathered *upload);

struct coax_gathered *coax_incoming_find(const struct coax_blocks *blocks,
					 const struct coax_block_key *key);

/* A block has been taken: it awaits the next one. */
void coax_incoming_wait(struct coax_gathered *upload, uint64_t now);
/* Into the hands of a handler, with a reference. */
void coax_incoming_hold(struct coax_gathered *upload);

/* Make it `capacity` bytes. Returns whether there is room, or has been made. */
bool coax_incoming_resize(struct coax_gathered *upload, uint64_t now, size_t capacity);

#endif
