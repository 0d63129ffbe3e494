// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files in a Site, where others can take their place.
 */
#include <errno.h>
#include <stdlib.h>
#include "coaxd/files.h"
#include "coaxd/listing.h"
#include "rcu.h"

/* In an RCU read section. */
static struct coaxd_files *files_at(void *place)
{
	return rcu_dereference(*(struct coaxd_files **)place);
}

static void handle_get(struct coax_responder *responder, void *place)
{
	rcu_read_lock();
	coaxd_files_get(responder, files_at(place));
	rcu_read_unlock();
}

/* A body goes where its first part went. */
static void handle_change(struct coax_responder *responder, void *place)
{
	const struct coax_part *part = coax_responder_part(responder);
	const struct coaxd_upload *upload = part ? *part->transfer : NULL;
	struct coaxd_files *files;

	rcu_read_lock();
	files = upload ? caa_container_of(upload->uploads, struct coaxd_files, uploads)
		       : files_at(place);
	coaxd_files_change(responder, files);
	rcu_read_unlock();
}

static void write_links(struct coax_link_writer *writer, void *place)
{
	const struct coaxd_files *files;

	rcu_read_lock();
	files = files_at(place);
	/* What nobody tells of any change in is old as soon as it is written. */
	if (!coaxd_list_files(files->root, files->prefix, files->watch, writer))
		coax_subject_changed(files->names);
	rcu_read_unlock();
}

int coaxd_files_add(struct coaxd_files *files, struct coax_site *site)
{
	struct coaxd_files **place = malloc(sizeof(*place));
	const struct coax_resource_options options = {
		.path = files->prefix,
		.get = handle_get,
		.put = handle_change,
		.post = handle_change,
		.delete = handle_change,
		.arg = place,
		.subtree = true,
		.links = write_links,
		.links_subject = files->names,
		/* No query changes what a representation is. */
		.cacheable_queries = true,
		.conditional = true,
		.observable = true,
		.streaming = true,
		.body_max = files->size_max,
	};

	if (!place)
		return -ENOMEM;
	*place = files;
	files->place = place;
	return coax_site_add(site, &options, &files->resource);
}

void coaxd_files_remove(struct coaxd_files *files, struct coax_site *site)
{
	coax_site_remove(site, files->resource);
	files->resource = NULL;
	coaxd_files_forget(files);
}

void coaxd_files_succeed(struct coaxd_files *files, struct coaxd_files *former)
{
	files->resource = former->resource;
	files->place = former->place;
	former->resource = NULL;
	former->place = NULL;
	coax_resource_set_body_max(files->resource, files->size_max);
	rcu_assign_pointer(*files->place, files);
	/* Who has found the former ones has published what they have then. */
	synchronize_rcu();
	coaxd_files_forget(former);
}
