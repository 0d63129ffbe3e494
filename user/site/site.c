// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <coax/observer.h>
#include <coax/option.h>
#include "site/access.h"
#include "site/gateway.h"
#include "site/queue.h"
#include "site/tree.h"

#define BUCKETS_FIRST 64

static int add_well_known(struct coax_site *site)
{
	const struct coax_resource_options options = {
		.path = ".well-known/core",
		.get = coax_well_known_get,
		.arg = site,
		.hidden = true,
		.cacheable_queries = true,
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
	pthread_mutex_init(&site->users_lock, NULL);
	CDS_INIT_LIST_HEAD(&site->users);
	err = coax_hash_key_random(&site->hash_key);
	if (err)
		goto out;
	err = -ENOMEM;
	site->buckets = BUCKETS_FIRST;
	site->table = cds_lfht_new(site->buckets, site->buckets, 0, 0, NULL);
	if (!site->table)
		goto out;
	err = coax_subject_create(&site->subject);
	if (!err)
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
		coax_site_leave_queues(site);
		rcu_read_lock();
		cds_lfht_for_each_entry (site->table, &iter, resource, node) {
			cds_lfht_del(site->table, &resource->node);
			coax_resource_free(resource);
		}
		rcu_read_unlock();
		cds_lfht_destroy(site->table, NULL);
	}
	coax_site_remove_gateway(site);
	coax_subject_put(site->subject);
	coax_access_destroy(site->access);
	free(site->shapes);
	pthread_mutex_destroy(&site->users_lock);
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

static bool has_shape(const struct coax_resource *resource)
{
	return resource->subtree || resource->parameters;
}

/*
 * Subtrees and resources with parameters that answered for some of the new resource's paths until
 * now may have had replies published for them. Those are withdrawn here; one that is being rendered
 * from a lookup made before finds that the version has moved, or that its subject's generation has.
 *
 * `former` answered for the new resource's own path. That is all, unless the new one stands for
 * many paths.
 */
static void take_over(struct coax_site *site, const struct coax_resource *resource,
		      struct coax_resource *former)
{
	struct coax_resource *other = NULL;
	struct cds_lfht_iter iter;

	__atomic_add_fetch(&site->version, 1, __ATOMIC_SEQ_CST);
	if (!has_shape(resource)) {
		if (former)
			coax_resource_changed(former);
		return;
	}
	cds_lfht_for_each_entry (site->table, &iter, other, node)
		if (other != resource && has_shape(other) &&
		    coax_resources_overlap(other, resource))
			coax_resource_changed(other);
}

/* Put it where requests find it. Returns 0, -EEXIST or -ENOMEM. */
static int insert(struct coax_site *site, struct coax_resource *resource)
{
	const struct coax_path_bytes key = {
		.at = resource->path,
		.length = resource->path_length,
		.parameters = resource->parameters,
	};
	struct cds_lfht_node *node;
	int err;

	if (has_shape(resource)) {
		err = coax_shapes_add(&site->shapes, resource->parameters, resource->depth,
				      resource->subtree);
		if (err)
			return err;
	}
	coax_handing_over(resource);
	node = cds_lfht_add_unique(site->table, coax_site_hash(site, &key), coax_resource_has_path,
				   &key, &resource->node);
	if (node == &resource->node) {
		site->count++;
		return 0;
	}
	if (has_shape(resource))
		coax_shapes_remove(&site->shapes, resource->parameters, resource->depth);
	return -EEXIST;
}

/* With the lock of what they are written from held, which comes before the Site's subject's. */
static void links_changed(struct coax_subject_watch *watch)
{
	const struct coax_resource *resource =
		caa_container_of(watch, struct coax_resource, links_watch);

	coax_subject_changed(resource->site->subject);
}

/* Who has a response to tell says nothing of links by that. */
static int links_notified(struct coax_subject_watch *watch, const struct coax_message *response,
			  bool last)
{
	(void)watch;
	(void)response;
	(void)last;
	return 0;
}

/* It is to be found: what was said of its absence, and the list without it, is over. */
static void announce(struct coax_site *site, struct coax_resource *resource,
		     struct coax_subject *links_subject)
{
	if (resource->links_are_told) {
		resource->links_watch.changed = links_changed;
		resource->links_watch.notify = links_notified;
		coax_subject_watch(links_subject, &resource->links_watch);
	}
	coax_subject_changed(site->subject);
}

int coax_site_add(struct coax_site *site, const struct coax_resource_options *options,
		  struct coax_resource **result)
{
	struct coax_resource *resource, *former;
	struct coax_pattern pattern;
	int err;

	err = coax_resource_create(&resource, options, &pattern);
	if (err)
		return err;

	pthread_mutex_lock(&site->lock);
	grow(site);
	rcu_read_lock();
	resource->site = site;
	former = coax_site_find(site, &pattern.path);
	err = insert(site, resource);
	if (!err) {
		take_over(site, resource, former);
		announce(site, resource, options->links_subject);
	}
	rcu_read_unlock();
	pthread_mutex_unlock(&site->lock);

	if (err)
		coax_resource_free(resource);
	else if (result)
		*result = resource;
	return err;
}

/* That there is nothing any more is the last that observers hear. */
static void notify_gone(struct coax_resource *resource)
{
	uint8_t buffer[COAX_HEADER_SIZE];
	struct coax_message gone;

	if (!resource->observable)
		return;
	(void)coax_message_start(&gone, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_NOT_FOUND, 0,
				 NULL, 0);
	/* Who cannot be told so finds out by looking again. */
	(void)coax_resource_notify(resource, &gone, true);
}

void coax_site_remove(struct coax_site *site, struct coax_resource *resource)
{
	pthread_mutex_lock(&site->lock);
	rcu_read_lock();
	cds_lfht_del(site->table, &resource->node);
	rcu_read_unlock();
	site->count--;
	if (has_shape(resource))
		coax_shapes_remove(&site->shapes, resource->parameters, resource->depth);
	coax_subject_changed(site->subject);
	pthread_mutex_unlock(&site->lock);

	synchronize_rcu();
	if (resource->queue)
		coax_queue_leave(resource->queue, site, resource, COAX_NOT_FOUND);
	notify_gone(resource);
	/* Not left to the last reference: deferred responders may hold others. */
	coax_resource_changed(resource);
	coax_resource_free(resource);
}

static void leave(struct coax_site_user *user)
{
	struct coax_site *site = user->site;

	if (!site)
		return;
	pthread_mutex_lock(&site->users_lock);
	cds_list_del(&user->node);
	pthread_mutex_unlock(&site->users_lock);
}

void coax_site_serve(struct coax_site_user *user, struct coax_site *site)
{
	if (user->site == site)
		return;
	leave(user);
	user->site = site;
	if (!site)
		return;
	pthread_mutex_lock(&site->users_lock);
	cds_list_add(&user->node, &site->users);
	pthread_mutex_unlock(&site->users_lock);
}

int coax_site_set_access(struct coax_site *site, struct coax_access *access)
{
	struct coax_site_user *user;
	struct coax_access *former;

	pthread_mutex_lock(&site->users_lock);
	former = rcu_xchg_pointer(&site->access, access);
	/* Users look at what they have published since the new rules are there. */
	cds_list_for_each_entry (user, &site->users, node)
		user->changed(user);
	pthread_mutex_unlock(&site->users_lock);
	synchronize_rcu();
	coax_access_destroy(former);
	return 0;
}
