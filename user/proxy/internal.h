/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the proxy's files share.
 */
#ifndef COAX_PROXY_INTERNAL_H
#define COAX_PROXY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <coax/request.h>
#include <coax/uri.h>
#include "proxy/cache.h"
#include "proxy/forwarding.h"
#include "proxy/origin.h"
#include "proxy/proxy.h"

#define COAX_MAPPING_OPTIONS_MAX 1024
#define COAX_IDENTITY_MAX	 64

/* Path segments, each with its length, and a name space before them. */
#define COAX_PATH_KEY_MAX 2048

/* A prefix in the Site. What it stands for can be exchanged. */
struct coax_proxy_place {
	struct coax_resource *resource;
	struct coax_mapping *mapping; /* RCU */
};

struct coax_mapping {
	struct coax_proxy *proxy;
	uint64_t space; /* of keys: its number, or above those a hash of a target's URI */
	atomic_uint references;
	atomic_bool retired;		/* nobody finds it any more */
	char *host;			/* NULL: it is a prefix's */
	struct coax_proxy_place *place; /* the prefix's; for who sets the proxy up */
	unsigned int depth;		/* segments of the prefix */
	struct coax_message prefix;	/* as Uri-Path */
	uint8_t bytes[COAX_MAPPING_OPTIONS_MAX];
	unsigned int origin_count;
	struct coax_origin *origins[COAX_ORIGINS_MAX];
	/* A forward-proxy's target: forward.c. */
	struct cds_hlist_node node;
	struct cds_list_head order;
	uint64_t hash;
};

/* What can be exchanged while requests are handled: as a whole, under RCU. */
struct coax_proxy_setup {
	char identity[COAX_IDENTITY_MAX];
	struct coax_allowed *allowed; /* NULL: no forward-proxy */
	size_t mapping_count;
	struct coax_mapping *mappings[];
};

struct coax_counters {
	atomic_ulong hits, misses, joined, forwarded, validated, stale, failed, failovers;
	atomic_ulong notified;
};

/*
 * What is too large to be put together here: a guess, for which blocks that are asked for by
 * themselves are right in any case.
 */
#define COAX_LARGE_MAX 256

struct coax_large {
	atomic_ulong hash;  /* of its key */
	atomic_ulong until; /* ns */
	atomic_ulong etag;  /* of the latest block; 0: not known */
};

struct coax_allowed;
struct coax_forward;
struct coax_housekeeping;
struct coax_local;
struct coax_result;

struct coax_proxy {
	struct coax_site *site;
	_Atomic(struct coax_context *) context; /* NULL: not started */
	struct coax_cache *cache;
	struct coax_logger logger;
	atomic_ulong body_max;
	atomic_uint timeout_ms;
	atomic_ulong stale_ns;
	atomic_uint hop_limit;
	/* How often it was set up: who has asked before waits for what was meant then. */
	atomic_uint version;
	atomic_uint next_space;
	struct coax_proxy_setup *setup; /* RCU; never NULL */
	struct coax_counters counters;
	struct coax_large large[COAX_LARGE_MAX]; /* by hash */
	struct coax_forward *forward;
	struct coax_local *local;      /* NULL: not started */
	struct coax_resource *gateway; /* NULL: there is none */
	atomic_bool stopping;	       /* nothing begins that is not for a client */
	struct cds_list_head watches;  /* the cache's lock */
	struct coax_housekeeping *housekeeping;
	pthread_mutex_t origins_lock;
	struct cds_list_head origins; /* that mappings have */
};

static inline void coax_proxy_count(atomic_ulong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* mapping.c */

/*
 * Make one, with one reference; it is no part of the Site. Returns 0, or has said why not.
 */
int coax_mapping_create(struct coax_mapping **mapping, struct coax_proxy *proxy,
			const struct coax_proxy_mapping *options);
/* One for a forward-proxy's target; NULL: no memory, or no origin. */
struct coax_mapping *coax_mapping_create_target(struct coax_proxy *proxy, const char *uri,
						struct coax_origin_counters *counters);
/* Its prefix's segments. Returns 0, -EINVAL or -EMSGSIZE. */
int coax_mapping_read_prefix(struct coax_mapping *mapping, const char *prefix);
void coax_mapping_get(struct coax_mapping *mapping);
/* NULL: nothing. */
void coax_mapping_put(struct coax_mapping *mapping);
/* Whether they fetch the same from the same; or at least are for the same requests. */
bool coax_mapping_is_same(const struct coax_mapping *a, const struct coax_mapping *b);
bool coax_mapping_is_for_same(const struct coax_mapping *a, const struct coax_mapping *b);
/*
 * Nobody finds it any more: forget what is stored of it. Who waits for it is answered, and it lasts
 * as long. The reference is given up.
 */
void coax_mapping_retire(struct coax_mapping *mapping);

/*
 * Which origins can be asked now for what has this hash, best first. None: *code and *retry_after
 * (s) say what to tell clients.
 */
unsigned int coax_mapping_candidates(struct coax_mapping *mapping, uint64_t hash, uint64_t now,
				     uint8_t order[COAX_ORIGINS_MAX], uint8_t *code,
				     uint32_t *retry_after);

/* origins.c: those that mappings share, by their URIs. */

/* A reference. Returns 0, or as coax_origin_create(). */
int coax_proxy_obtain_origin(struct coax_proxy *proxy, const char *uri, struct coax_origin **origin,
			     const char **error);
void coax_proxy_put_origin(struct coax_proxy *proxy, struct coax_origin *origin);

/* setup.c */

/* In an RCU read section. */
static inline const struct coax_proxy_setup *coax_proxy_setup(const struct coax_proxy *proxy)
{
	const struct coax_proxy_setup *setup = rcu_dereference(proxy->setup);

	coax_taken_over((void *)setup);
	return setup;
}

uint64_t coax_proxy_cache_bytes(const struct coax_proxy_options *options);
/* Out of its Site, which nobody serves; mappings end. */
void coax_proxy_leave(struct coax_proxy *proxy);

/* handle.c: the handler of all methods; `place` is a struct coax_proxy_place. */
void coax_proxy_handle(struct coax_responder *responder, void *place);
/* The same for a host's mapping. */
void coax_proxy_handle_mapping(struct coax_responder *responder, struct coax_mapping *mapping);
/*
 * The same for a request to a forward-proxy, which asks `mapping` for what `target` says: a message
 * with the method and the options, of a FETCH the payload if that is part of the key.
 */
void coax_proxy_handle_target(struct coax_responder *responder, struct coax_mapping *mapping,
			      const struct coax_message *target);

/* gateway.c: what is told by the host's name, and what is a forward-proxy's. */
bool coax_setup_needs_gateway(const struct coax_proxy_setup *setup);
int coax_proxy_add_gateway(struct coax_proxy *proxy);
/* NULL: there is none. */
struct coax_mapping *coax_mapping_of_host(const struct coax_proxy *proxy, const void *host,
					  size_t length);

/* proxied.c */

#define COAX_PROXY_URI_MAX	1034 /* section 5.10 */
#define COAX_TARGET_MESSAGE_MAX 2048

/* What a forward-proxy is asked for. */
struct coax_proxied {
	struct coax_uri uri;
	bool is_whole; /* else path and queries are the request's own options */
	char text[COAX_PROXY_URI_MAX + 1];
};

/* Whether a request is to a forward-proxy. */
bool coax_proxied_is(const struct coax_message *request);

/* Returns 0, -EPROTONOSUPPORT or -EINVAL; with *error why, if that can be said. */
int coax_proxied_read(struct coax_proxied *proxied, const struct coax_message *request,
		      const char **error);

/*
 * Section 5.7: what is to be asked for securely is to come so, too. What observers are told is
 * rendered for those who did.
 */
bool coax_proxied_may_ask(const struct coax_proxied *proxied,
			  const struct coax_responder *responder);

/*
 * Add to `to` what is asked of the target: its path and queries, and all other options of the
 * request; not who it is. `proxied` NULL: path and queries are the request's. Returns 0, -EINVAL or
 * -EMSGSIZE.
 */
int coax_proxied_options(const struct coax_proxied *proxied, struct coax_message *to,
			 const struct coax_message *request);

/* A message with the method, those options, and of a FETCH the payload if it fits. The same. */
int coax_proxied_build(const struct coax_proxied *proxied, struct coax_message *target,
		       uint8_t *buffer, size_t size, const struct coax_message *request);

/* local.c: what a forward-proxy is asked for that is here (section 5.7.2). */

/* Learn by which addresses and ports it is known. The Context has begun. Returns 0 or -errno. */
int coax_local_start(struct coax_proxy *proxy, struct coax_context *context);
/* Look again which addresses this host has, now and then. One thread. NULL: nothing. */
void coax_local_tick(struct coax_local *local, uint64_t now);
/* The Context is gone. NULL: nothing. */
void coax_local_destroy(struct coax_local *local);

/*
 * A gateway's: if the request is for us, by an address and port of ours or a host that a mapping
 * stands for, put into `local` what it asks for here.
 */
bool coax_local_take(const struct coax_responder *responder, struct coax_message *local,
		     uint8_t *buffer, size_t size, void *proxy);

/* forward.c */

int coax_allowed_create(struct coax_allowed **allowed, const char *const *patterns, size_t count,
			const struct coax_logger *logger);
/* NULL: nothing. */
void coax_allowed_destroy(struct coax_allowed *allowed);

int coax_forward_create(struct coax_forward **forward, struct coax_proxy *proxy);
/* Nobody fetches. NULL: nothing. */
void coax_forward_destroy(struct coax_forward *forward);
/* Targets that are not allowed any more end. NULL: none is. */
void coax_forward_sweep(struct coax_forward *forward, const struct coax_allowed *allowed);
/* What all targets have counted together. */
const struct coax_origin_counters *coax_forward_counters(const struct coax_forward *forward);
/* Answer a request with Proxy-Uri or Proxy-Scheme. */
void coax_forward_handle(struct coax_forward *forward, struct coax_responder *responder);

/* waiters.c */

/* A deferred responder that waits for a response. */
struct coax_waiter {
	struct coax_waiter *next;
	struct coax_responder *responder;
	unsigned int version; /* of the proxy, when it came */
	uint16_t hops;
	uint8_t hop_limit;
};

/* In the order in which they came. */
struct coax_waiters {
	struct coax_waiter *first;
	struct coax_waiter **end; /* NULL: empty */
};

/* NULL: no memory. */
struct coax_waiter *coax_waiter_create(const struct coax_proxy *proxy,
				       struct coax_responder *responder,
				       const struct coax_forwarding *forwarding);
void coax_waiters_add(struct coax_waiters *waiters, struct coax_waiter *waiter);
/* All of `from`, behind those that are there. */
void coax_waiters_move(struct coax_waiters *to, struct coax_waiters *from);
/*
 * All get the same, and are free. Those from before the proxy was set up anew get it for themselves
 * alone: another may answer for the same now.
 */
void coax_waiters_answer(struct coax_mapping *mapping, struct coax_waiters *waiters,
			 const struct coax_result *result);

/* upstream.c: requests to origins. */

/* What it means for clients that a request failed. */
struct coax_failure {
	int result;
	uint8_t code;
	bool down;	/* the origin as a whole does not answer */
	bool delivered; /* it may have got the request */
	const char *diagnostic;
};

/* Of the errno that the Context gave. */
const struct coax_failure *coax_failure_of(int result);
/*
 * A request to it that was sent at `began` has failed so. What is our own doing is not the origin's
 * failure, nor is it down if it has answered others since.
 */
void coax_origin_note_failure(struct coax_origin *origin, const struct coax_failure *failure,
			      uint64_t began);

struct coax_upstream {
	const union coax_address *remote; /* NULL: the message names it, and it is looked up */
	union coax_address address;
	struct coax_message message; /* without payload */
	uint8_t bytes[2048];
};

/*
 * What is to be sent to an origin for `asked`, with the ETag of `validated` (NULL: none). Returns 0
 * or -EMSGSIZE.
 */
int coax_upstream_build(struct coax_upstream *upstream, struct coax_mapping *mapping,
			struct coax_origin *origin, const struct coax_forwarding *forwarding,
			const struct coax_message *asked, const struct coax_stored *validated);

/* blockwise.c */

/*
 * If what is asked for is known to be too large, `forwarding` and `key` become those of the block
 * that is.
 */
void coax_blockwise_consider(struct coax_proxy *proxy, struct coax_forwarding *forwarding,
			     struct coax_cache_key *key, const struct coax_message *asked);

/* It has turned out to be: those who wait for all of it get the block that each has asked for. */
void coax_blockwise_join(struct coax_mapping *mapping, struct coax_waiters *waiters);

/* Take note of a response to such a request. Returns whether it can be stored. */
bool coax_blockwise_may_store(struct coax_mapping *mapping,
			      const struct coax_forwarding *forwarding,
			      const struct coax_message *asked,
			      const struct coax_message *response);

/* flight.c */

/*
 * Fetch for a deferred responder, or have it wait for what is being fetched already. `key` NULL:
 * its response is for it alone. `target`: what is asked for if that is not what the request says;
 * it is copied. It is answered sooner or later.
 */
void coax_flight_join(struct coax_mapping *mapping, struct coax_responder *responder,
		      const struct coax_forwarding *forwarding, const struct coax_cache_key *key,
		      const struct coax_message *target);

/* watch.c */

/*
 * As coax_flight_join(), for who asks to observe: he waits for the first response to an observation
 * of the origin's resource, which begins if there is none.
 */
void coax_watch_join(struct coax_mapping *mapping, struct coax_responder *responder,
		     const struct coax_forwarding *forwarding, const struct coax_cache_key *key,
		     const struct coax_message *target);

/* End those that nobody observes any more; when the proxy stops, all. Not from a callback. */
void coax_watches_tick(struct coax_proxy *proxy, uint64_t now);

/* housekeeping.c: a thread for what is done by the clock. */

int coax_housekeeping_create(struct coax_housekeeping **housekeeping, struct coax_proxy *proxy);
int coax_housekeeping_start(struct coax_housekeeping *housekeeping);

/* What is to be prefetched. Returns 0, or has said why not. */
int coax_prefetch_create(struct cds_list_head *prefetch, struct coax_housekeeping *housekeeping,
			 const char *const *paths, size_t count);
void coax_prefetch_destroy(struct cds_list_head *prefetch);
/* Prefetch what is in the list, which is taken over, and nothing else; at once. */
void coax_housekeeping_set(struct coax_housekeeping *housekeeping, struct cds_list_head *prefetch);
/* Its thread ends. What it asked the Site for does so with the Context. */
void coax_housekeeping_stop(struct coax_housekeeping *housekeeping);
/* The Context is gone. NULL: nothing. */
void coax_housekeeping_destroy(struct coax_housekeeping *housekeeping);

/* answer.c */

/* Whether it is for observers, who are to be told what is there now. */
bool coax_proxy_is_rendering(const struct coax_responder *responder);

/* What becomes of requests. */
struct coax_result {
	/* Kept, or fit to be; a reference. NULL: */
	struct coax_stored *stored;
	bool is_stale; /* it serves although it is, because nobody could be asked */
	/* ... an origin's response, valid during the call. NULL: */
	const struct coax_message *response;
	unsigned int origin; /* whose it is */
	/* What was asked for; NULL: what the request says. */
	const struct coax_message *target;
	/* ... an error of ours. */
	uint8_t code;
	const char *diagnostic;
	uint32_t retry_after; /* s; 0: not known */
	/* What `stored` may be published under; NULL: it may not. */
	struct coax_subject *subject;
	uint64_t generation;
	/* The origin tells of its changes: who asks may observe. */
	bool is_observed;
};

void coax_proxy_answer(struct coax_mapping *mapping, struct coax_responder *responder,
		       const struct coax_result *result);

/* RFC 8768 section 4: who it is that has ended the way. `upstream` NULL: this one. */
void coax_proxy_answer_hops(const struct coax_proxy *proxy, struct coax_responder *responder,
			    const struct coax_message *upstream);

/* What a request or its response's location names is not fresh any more. */
void coax_proxy_invalidate(struct coax_mapping *mapping, const struct coax_message *m,
			   uint16_t option);

/*
 * What is stored for a key and may serve because no origin does; a reference, in *result. In an RCU
 * read section, or with the cache's lock.
 */
bool coax_proxy_take_stale(struct coax_proxy *proxy, struct coax_cached *cached, uint64_t now,
			   struct coax_result *result);

#endif
