/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A caching proxy (RFC 7252 section 5.7) as part of a Site: what is asked for below a prefix, or of
 * a host by its name, is fetched from origins, kept for as long as it is fresh, and given to the
 * kernel. It is the daemon's, not the library's.
 */
#ifndef COAX_PROXY_PROXY_H
#define COAX_PROXY_PROXY_H

#include <stdbool.h>
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

/* How long origins take to answer: bounds in milliseconds; beyond the last there is one more. */
#define COAX_PROXY_TIMES(X)   X(1) X(5) X(25) X(100) X(500) X(2500) X(10000)
#define COAX_PROXY_TIME_COUNT 8

#define COAX_PROXY_CLASSES    8

/* A forward-proxy's targets, all together: whoever asks chooses them. */
#define COAX_PROXY_TARGETS "*"

/* What is known of an origin, since the first mapping had it. */
struct coax_proxy_origin {
	char *uri; /* as it was given, or COAX_PROXY_TARGETS */
	bool is_down;
	uint64_t requests;
	uint64_t answers[COAX_PROXY_CLASSES];  /* by class */
	uint64_t failures;		       /* requests that it did not answer */
	uint64_t answered_ns;		       /* of all answers together, and how many took */
	uint64_t times[COAX_PROXY_TIME_COUNT]; /* up to each bound, and more than the former */
};

/* Whether a text is what a mapping's prefix, `allowed`, or `prefetch` takes. */
bool coax_mapping_is_prefix(const char *text);
bool coax_allowed_is_pattern(const char *text);
bool coax_prefetch_is_path(const char *path);

/**
 * coax_proxy_create - make the proxy a part of `site`. Until it is started it answers 5.03.
 *
 * Returns 0 or a negative errno, and has said why through the logger: -EINVAL, -EPROTONOSUPPORT
 * (a mapping), -EEXIST (a prefix that is taken) or -ENOMEM.
 */
int coax_proxy_create(struct coax_proxy **proxy, struct coax_site *site,
		      const struct coax_proxy_options *options);

/**
 * coax_proxy_set - proxy by other options from now on; its logger stays.
 *
 * Mappings that are the same keep what is stored and observed, here and in the kernel (but for what
 * a new prefix or host takes over, and all that the kernel has when there is a new host). What is
 * stored for others is forgotten, and on return the kernel does not answer from it; observers are
 * told what there is instead. Requests under way are answered as they would have been. What others
 * in the Site have given to the kernel for paths that are new here is theirs to withdraw.
 *
 * Waits for RCU grace periods: not from a handler or a callback; one thread at a time. Returns 0;
 * or as coax_proxy_create(), and nothing has changed.
 */
int coax_proxy_set(struct coax_proxy *proxy, const struct coax_proxy_options *options);

/**
 * coax_proxy_yield - somebody else in the Site answers for this prefix now: what was fetched for it
 * is forgotten. As coax_proxy_set().
 */
void coax_proxy_yield(struct coax_proxy *proxy, const char *prefix);

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

/**
 * coax_proxy_origins_read - all origins there are, for coax_proxy_origins_free(). Any thread.
 * Returns 0 or -ENOMEM.
 */
int coax_proxy_origins_read(struct coax_proxy *proxy, struct coax_proxy_origin **origins,
			    size_t *count);
void coax_proxy_origins_free(struct coax_proxy_origin *origins, size_t count);

#endif
