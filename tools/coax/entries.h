/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is published for the kernel, as `index` and `slots` of an instance say.
 */
#ifndef COAX_ENTRIES_H
#define COAX_ENTRIES_H

#include <coax/message.h>
#include "instance.h"

enum entry_state {
	ENTRY_VALID,
	ENTRY_WITHDRAWN,
	ENTRY_EXPIRED,
	ENTRY_BUSY, /* being written all the time */
};

/* One request of the index, and the reply in its slot. */
struct entry {
	struct coax_index_key key;
	char method[sizeof(((struct coax_index_value *)0)->method) + 1];
	char uri[sizeof(((struct coax_index_value *)0)->uri) + 1];
	enum entry_state state;
	bool has_reply; /* the fields below are known */
	uint8_t code;
	bool used;
	uint16_t reply_length; /* bytes after the token */
	size_t size;	       /* bytes of payload */
	uint64_t published;    /* 0: not known */
	uint64_t deadline;
	uint8_t etag[8];
	size_t etag_length;
};

struct entries {
	struct entry *at;
	size_t count;
};

/*
 * Read them all, sorted by path and method. Returns TOOL_OK or, having said why, TOOL_LOCAL_ERROR.
 * entries_free() in any case; *entries begins as zeros.
 */
int entries_read(const struct instance *instance, uint64_t now, struct entries *entries);
void entries_free(struct entries *entries);

/* See the request as a message in `buffer`, with an empty token. Returns whether it is one. */
bool entry_request(const struct entry *entry, struct coax_message *request,
		   uint8_t buffer[COAX_HEADER_SIZE + COAX_KEY_MAX]);

#endif
