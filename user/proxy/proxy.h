/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A caching proxy (RFC 7252 section 5.7) as part of a Site: what is asked for below a prefix, or of
 * a host by its name, is fetched from origins, kept for as long as it is fresh, and given to the
 * kernel. It is the daemon's, not the library's.
 */
#ifndef COAX_PROXY_PROXY_H
#define COAX_PROXY_PROXY_H

#include <stddef.h>
#include <stdint.h>
#include <coax/context.h>
#include <coax/log.h>
#include <coax/site.h>

struct coax_proxy;

/* What is fetched from where: one of `prefix` and `host`. */
struct coax_proxy_mapping {
	const char *prefix; /* "sensors": this path and all below it */
	const char *host;   /* "sensors.example": all that is asked of it by this Uri-Host */
	/*
	 * "coap://host:port/path", or coaps by the Context's client credentials, up to 16: what
	 * follows the prefix is appended to the path. They stand for each other: each request goes
	 * to one of them, by its key, and when that fails, to the next. ETags have to mean the same
	 * with all.
	 */
	const char *const *origins;
	size_t origin_count;
};

/* A zeroed field is the default named behind it. What is pointed to is copied. */
struct coax_proxy_options {
	const struct coax_proxy_mapping *mappings;
	size_t mapping_count;
	/*
	 * To be a forward-proxy, too, for these: "host", "*.example", "*", an IP literal as in a
	 * URI; of the default port, or with ":port" or ":*" behind. None: it is none.
	 */
	const char *const *allowed;
	size_t allowed_count;
	/*
	 * Paths here ("sensors/temperature?unit=k") that are observed at their origins, or asked
	 * for again when they are stale, whether anybody asks or not.
	 */
	const char *const *prefetch;
	size_t prefetch_count;
	uint64_t cache_bytes; /* 64 MiB; responses, and what they cost beside */
	/* 1 MiB: of a request or response; larger ones: 4.13, 5.02, to a GET one block at a time */
	uint64_t body_max;
	uint32_t timeout_ms; /* 20000: for an origin's response, all tries together */
	/*
	 * s; how long after its end a response serves, with Max-Age 0, when no origin gives
	 * another; 0: not at all. Never after a change through the proxy.
	 */
	uint32_t stale_if_error;
	uint8_t hop_limit;    /* 16: given to requests that have none (RFC 8768) */
	const char *identity; /* in 5.08 responses; NULL: the host's name */
	struct coax_logger logger;
};

struct coax_proxy_stats {
	uint64_t hits;	      /* answered from what was fresh */
	uint64_t misses;      /* that were fetched, and of these: */
	uint64_t joined;      /* waited for what somebody else had asked for */
	uint64_t forwarded;   /* requests sent to origins */
	uint64_t validated;   /* 2.03s that made a stored response fresh again */
	uint64_t stale;	      /* answered with what was not fresh any more */
	uint64_t failed;      /* requests that no origin answered */
	uint64_t failovers;   /* that went to another origin */
	uint64_t notified;    /* notifications from origins */
	uint64_t watches;     /* observations at origins now */
	uint64_t entries;     /* in the cache now */
	uint64_t bytes;	      /* the same */
	uint64_t evicted;     /* entries */
	uint64_t invalidated; /* entries, by requests that changed something */
};

/**
 * coax_proxy_create - make the proxy a part of `site`. Until it is started it answers 5.03.
 *
 * Returns 0 or a negative errno, and has said why through the logger: -EINVAL, -EPROTONOSUPPORT
 * (a mapping), -EEXIST (a prefix that is taken) or -ENOMEM.
 */
int coax_proxy_create(struct coax_proxy **proxy, struct coax_site *site,
		      const struct coax_proxy_options *options);

/**
 * coax_proxy_start - fetch by `context`, which serves the Site, from now on.
 */
int coax_proxy_start(struct coax_proxy *proxy, struct coax_context *context);

/**
 * coax_proxy_stop - what it does by itself, and not for a client, ends. Before the Context that it
 * was started with is shut down.
 */
void coax_proxy_stop(struct coax_proxy *proxy);

/**
 * coax_proxy_destroy - free it, when the Context that it was started with is gone, and no other
 * serves the Site. NULL: nothing.
 */
void coax_proxy_destroy(struct coax_proxy *proxy);

/**
 * coax_proxy_stats_read - the counters. Any thread.
 */
void coax_proxy_stats_read(struct coax_proxy *proxy, struct coax_proxy_stats *stats);

#endif
