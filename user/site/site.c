// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <coax/option.h>
#include "site/tree.h"

#define BUCKETS_FIRST 64

static int add_well_known(struct coax_site *site)
{
	const struct coax_resource_options options = {
		.path = ".well-known/core",
		.get = coax_well_known_get,
		.arg = site,
		.hidden = true,
		.formats = {COAX_FORMAT_LINK},
		.format_count = 1,
	};

	return coax_site_add(site, &options, NULL);
}

int coax_site_create(struct coax_site **result)
{
	struct coax_site *site = calloc(1, sizeof(*site));
	int err;

	if (!site)
		return -ENOMEM;
	pthread_mutex_init(&site->lock, NULL);
	err = coax_hash_key_random(&site->hash_key);
	if (err)
		goto out;
	err = -ENOMEM;
	site->buckets = BUCKETS_FIRST;
	site->table = cds_lfht_new(site->buckets, site->buckets, 0, 0, NULL);
	if (!site->table)
		goto out;
	err = add_well_known(site);
	if (err)
		goto out;
	*result = site;
	site = NULL;
out:
	coax_site_destroy(site);
	return err;
}

void coax_site_destroy(struct coax_site *site)
{
	struct coax_resource *resource = NULL;
	struct cds_lfht_iter iter;

	if (!site)
		return;
	if (site->table) {
		rcu_read_lock();
		cds_lfht_for_each_entry (site->table, &iter, resource, node) {
			cds_lfht_del(site->table, &resource->node);
			coax_resource_free(resource);
		}
		rcu_read_unlock();
		cds_lfht_destroy(site->table, NULL);
	}
	pthread_mutex_destroy(&site->lock);
	free(site);
}

/*
 * Keep chains short. The table is never made smaller, which would free buckets under a grace
 * period's protection; and growing it is left to the next writer when this one is a handler, since
 * that runs in an RCU read section.
 */
static void grow(struct coax_site *site)
{
	if (site->count <= site->buckets || rcu_read_ongoing())
		return;
	while (site->buckets < site->count)
		site->buckets *= 2;
	cds_lfht_resize(site->table, site->buckets);
}

/*
 * A subtree that answered for the new resource's path until now may have had replies published
 * for it. Those are withdrawn here; one that is being rendered from a lookup made before finds that
 * the version has moved, or that its subject's generation has.
 */
static void take_over(struct coax_site *site, const struct coax_site_path *path)
{
	struct coax_resource *former;

	__atomic_add_fetch(&site->version, 1, __ATOMIC_SEQ_CST);
	former = path->depth ? coax_site_find_subtree(site, path, path->depth) : NULL;
	if (former)
		coax_resource_changed(former);
}

int coax_site_add(struct coax_site *site, const struct coax_resource_options *options,
		  struct coax_resource **result)
{
	struct coax_resource *resource;
	struct cds_lfht_node *node;
	struct coax_path_bytes key;
	struct coax_site_path path;
	int err;

	err = coax_resource_create(&resource, options, &path);
	if (err)
		return err;

	key.at = path.bytes;
	key.length = path.length;
	pthread_mutex_lock(&site->lock);
	grow(site);
	rcu_read_lock();
	coax_handing_over(resource);
	node = cds_lfht_add_unique(site->table, coax_site_hash(site, &key), coax_resource_has_path,
				   &key, &resource->node);
	if (node == &resource->node) {
		site->count++;
		if (resource->subtree && path.depth >= site->subtree_levels)
			__atomic_store_n(&site->subtree_levels, path.depth + 1u, __ATOMIC_RELEASE);
		take_over(site, &path);
	} else {
		err = -EEXIST;
	}
	rcu_read_unlock();
	pthread_mutex_unlock(&site->lock);

	if (err)
		coax_resource_free(resource);
	else if (result)
		*result = resource;
	return err;
}

void coax_site_remove(struct coax_site *site, struct coax_resource *resource)
{
	pthread_mutex_lock(&site->lock);
	rcu_read_lock();
	cds_lfht_del(site->table, &resource->node);
	rcu_read_unlock();
	site->count--;
	pthread_mutex_unlock(&site->lock);

	synchronize_rcu();
	/* Not left to the last reference: deferred responders may hold others. */
	coax_resource_changed(resource);
	coax_resource_free(resource);
}
