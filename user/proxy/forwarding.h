/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a proxy makes of messages (RFC 7252 section 5.7): which it refuses, which responses may
 * serve others, and what becomes of options on the way. No clock, no network.
 */
#ifndef COAX_PROXY_FORWARDING_H
#define COAX_PROXY_FORWARDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/block.h>
#include <coax/message.h>

/* RFC 8768 section 3. */
#define COAX_HOP_LIMIT_DEFAULT 16

#define COAX_HOPS_UNLIMITED    256

struct coax_forwarding {
	uint8_t refusal; /* the code to answer with; 0: it may go on */
	char diagnostic[64];
	bool proxied;	   /* it is to a forward-proxy: Proxy-Uri or Proxy-Scheme */
	bool shared;	   /* a response may serve others who ask for the same, and theirs it */
	uint8_t hop_limit; /* for the next hop */
	/* Only the block that is asked for is forwarded: blockwise.c. */
	bool blockwise;
	bool has_block; /* it says which */
	struct coax_block block;
	uint64_t resource_hash; /* of the key that is all blocks' */
	uint16_t hops;		/* with which it came; COAX_HOPS_UNLIMITED: it does not say */
};

/*
 * Look at a request. Refused are: options that are critical and have no sound value, or that are
 * unsafe to forward and not known (4.02), segments that no URI has (4.00), and the last hop (5.08,
 * for which the caller has the diagnostic). `hop_limit` is for requests that have none.
 */
void coax_forwarding_read(struct coax_forwarding *forwarding, const struct coax_message *request,
			  uint8_t hop_limit);

/*
 * Copy to `to`, which has the options of the target begun, what goes along of `request`: all
 * options but those that name the target, belong to this hop, or have been interpreted; of the
 * path what follows the first `skipped` segments. ETag goes along unless the response is to be
 * shared: then the cache asks with its own. Returns 0 or -EMSGSIZE.
 */
int coax_forwarding_translate(const struct coax_forwarding *forwarding, struct coax_message *to,
			      const struct coax_message *request, unsigned int skipped);

/* Whether it is one block of a representation. Those that were put together say nothing of that. */
bool coax_forwarding_is_block(const struct coax_message *response);

/* Where a location that an origin names is found here: other first segments (section 5.10.7). */
struct coax_relocation {
	const struct coax_message *from; /* whose Uri-Path the origin's begin with */
	const struct coax_message *to;	 /* whose Uri-Path is to be there instead */
};

/*
 * Whether a response can be passed on (section 5.7.1): no unsafe option that is not known, no
 * location that no URI has (section 5.10.7).
 */
bool coax_forwarding_may_return(const struct coax_message *response);

/*
 * Copy a response's options to `to` but for what is this hop's, with its location as it is found
 * here. Returns 0 or -EMSGSIZE.
 */
int coax_forwarding_return(struct coax_message *to, const struct coax_message *response,
			   const struct coax_relocation *relocation);

/*
 * What coax_cache_invalidate() finds a path by: `space`, and the segments of the Uri-Path of `m`
 * (or with `location` of its Location-Path). Returns the length, or -EMSGSIZE.
 */
int coax_forwarding_path(const struct coax_message *m, uint16_t option, uint64_t space,
			 uint8_t *path, size_t size);

/* Whether what a response to such a request says may have changed what it is about. */
bool coax_forwarding_changes(uint8_t method, uint8_t code);

#endif
