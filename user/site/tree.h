/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Site and its resources are inside. Requests look resources up in a lock-free hash table
 * under RCU; those who add and remove resources take a mutex.
 */
#ifndef COAX_SITE_TREE_H
#define COAX_SITE_TREE_H

#include <pthread.h>
#include <coax/site.h>
#include "accel/accel.h"
#include "hash.h"
#include "rcu.h"
#include "site/pattern.h"
#include "site/shape.h"

/* Methods that have a name: RFC 7252 section 5.8 and RFC 8132, GET to iPATCH. */
#define COAX_METHODS_MAX (COAX_IPATCH + 1)

struct coax_resource {
	struct cds_lfht_node node;
	const struct coax_site *site;
	struct coax_subject *subject;		    /* NULL: neither cacheable nor observable */
	coax_handler_fn handlers[COAX_METHODS_MAX]; /* by code */
	void *arg;
	bool subtree;
	bool hidden;
	bool cacheable;
	bool cacheable_queries;
	bool conditional;
	bool proxying;
	bool observable;
	bool streaming;
	bool secure;
	enum coax_reliability notifications;
	uint32_t fresh_ms;
	uint64_t body_max;
	struct coax_queue *queue;
	uint8_t format_count;
	uint8_t accept_count;
	uint16_t formats[COAX_RESOURCE_FORMATS_MAX];
	uint16_t accepts[COAX_RESOURCE_FORMATS_MAX];
	coax_links_fn links;
	bool links_are_told; /* when they change, by links_watch */
	struct coax_subject_watch links_watch;
	char *link; /* its link in /.well-known/core, complete */
	size_t link_length;
	uint64_t parameters; /* bit n: segment n of the path is one */
	uint16_t depth;
	uint16_t path_length;
	uint16_t pattern_length;
	/* The key that it is found by; with parameters, then their names where they stand. */
	uint8_t path[];
};

struct coax_site {
	struct cds_lfht *table;
	struct coax_hash_key hash_key;
	struct coax_shapes *shapes;   /* of subtrees and resources with parameters */
	struct coax_gateway *gateway; /* RCU; NULL: none */
	/* Changes when resources come or go: of their list, and of what there is not. */
	struct coax_subject *subject;
	/* Grows when a new resource has taken paths over from a subtree. */
	unsigned long version;
	struct coax_access *access; /* RCU; NULL: everybody may do everything */
	pthread_mutex_t users_lock; /* for who serves it, and for who changes `access` */
	struct cds_list_head users; /* of struct coax_site_user */
	/* Whether it has been said that the list of links is too large: anybody may ask for it. */
	bool too_large_said;

	pthread_mutex_t lock; /* held by writers; readers never look at what is below */
	unsigned long count;
	unsigned long buckets;
};

/* The Site's rules. Within an RCU read section. */
static inline const struct coax_access *coax_site_access(const struct coax_site *site)
{
	return rcu_dereference(site->access);
}

/*
 * The resource that answers for a path: the one with exactly this path, else the one that fits and
 * whose shape comes first; or NULL. Within an RCU read section.
 */
struct coax_resource *coax_site_find(const struct coax_site *site,
				     const struct coax_site_path *path);

/* Whether there are paths that both resources would answer for. */
bool coax_resources_overlap(const struct coax_resource *a, const struct coax_resource *b);

/* For the hash table: a key, its hash, and whether a node has it (a cds_lfht_match_fct). */
struct coax_path_bytes {
	const uint8_t *at;
	size_t length;
	uint64_t parameters;
};

unsigned long coax_site_hash(const struct coax_site *site, const struct coax_path_bytes *path);
int coax_resource_has_path(struct cds_lfht_node *node, const void *path);

/*
 * Make a resource as `options` say, and read its path to `pattern`; it is in no Site yet.
 * Returns 0, -EINVAL or -ENOMEM.
 */
int coax_resource_create(struct coax_resource **resource,
			 const struct coax_resource_options *options, struct coax_pattern *pattern);

/* Free it. NULL: nothing. */
void coax_resource_free(struct coax_resource *resource);

/* The GET handler of /.well-known/core; `site` is its Site. */
void coax_well_known_get(struct coax_responder *responder, void *site);

#endif
