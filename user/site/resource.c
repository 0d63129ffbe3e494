// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/link.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "site/tree.h"

/* A path's URI needs at most three characters a byte. */
#define TARGET_MAX (3 * COAX_SITE_PATH_MAX + 2)

static bool has_handler(const struct coax_resource_options *options)
{
	return options->get || options->put || options->post || options->delete || options->fetch ||
	       options->patch || options->ipatch;
}

/* Read the path as a request for it would carry it, and its URI in the one normal encoding. */
static int read_path(const char *text, struct coax_site_path *path, char target[TARGET_MAX])
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_SITE_PATH_MAX];
	struct coax_option option;
	struct coax_message m;
	int err;

	err = coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	if (!err)
		err = coax_uri_path_add_options(text, &m);
	if (err || coax_message_find(&m, COAX_URI_QUERY, &option))
		return -EINVAL;
	coax_site_path_read(path, &m);
	if (!path->whole)
		return -EINVAL;
	return coax_uri_compose_path(&m, target, TARGET_MAX) < 0 ? -EINVAL : 0;
}

static bool has_attribute(const struct coax_resource_options *options, const char *name)
{
	for (size_t i = 0; i < COAX_RESOURCE_ATTRIBUTES_MAX && options->attributes[i].name; i++)
		if (strcmp(options->attributes[i].name, name) == 0)
			return true;
	return false;
}

static void write_link(struct coax_link_writer *writer, const char *target,
		       const struct coax_resource_options *options)
{
	char formats[COAX_RESOURCE_FORMATS_MAX * sizeof("65535")];
	size_t length = 0;

	coax_link_begin(writer, target, strlen(target));
	for (size_t i = 0; i < COAX_RESOURCE_ATTRIBUTES_MAX && options->attributes[i].name; i++)
		coax_link_add(writer, options->attributes[i].name, options->attributes[i].value);

	/* RFC 7252 section 7.2.1: several formats are separated by spaces. */
	for (size_t i = 0; i < options->format_count; i++)
		length += (size_t)snprintf(formats + length, sizeof(formats) - length, "%s%u",
					   i ? " " : "", options->formats[i]);
	if (length && !has_attribute(options, "ct"))
		coax_link_add(writer, "ct", formats);
}

/* One link with attributes that can be read back: it must not break the listing of all others. */
static bool link_is_well_formed(const char *text, size_t length)
{
	struct coax_text document = {.at = text, .length = length};
	struct coax_link_attribute attribute;
	struct coax_link link, more;
	int result;

	if (coax_link_next(&document, &link) != 1 || coax_link_next(&document, &more) != 0)
		return false;
	while ((result = coax_link_attribute_next(&link.attributes, &attribute)) == 1)
		;
	return result == 0;
}

static int set_link(struct coax_resource *resource, const char *target,
		    const struct coax_resource_options *options)
{
	struct coax_link_writer measure = {.text = NULL};
	struct coax_link_writer writer = {.text = NULL};

	write_link(&measure, target, options);
	writer.size = measure.length;
	/* One more, in case that nothing is written. */
	writer.text = malloc(measure.length + 1);
	if (!writer.text)
		return -ENOMEM;
	write_link(&writer, target, options);
	resource->link = writer.text;
	resource->link_length = writer.length;
	return link_is_well_formed(writer.text, writer.length) ? 0 : -EINVAL;
}

static void set_handlers(struct coax_resource *resource,
			 const struct coax_resource_options *options)
{
	resource->handlers[COAX_GET] = options->get;
	resource->handlers[COAX_PUT] = options->put;
	resource->handlers[COAX_POST] = options->post;
	resource->handlers[COAX_DELETE] = options->delete;
	resource->handlers[COAX_FETCH] = options->fetch;
	resource->handlers[COAX_PATCH] = options->patch;
	resource->handlers[COAX_IPATCH] = options->ipatch;
	resource->arg = options->arg;
}

int coax_resource_create(struct coax_resource **result, const struct coax_resource_options *options,
			 struct coax_site_path *path)
{
	struct coax_resource *resource = NULL;
	char target[TARGET_MAX];
	int err;

	if (!options->path || !has_handler(options) ||
	    options->format_count > COAX_RESOURCE_FORMATS_MAX ||
	    options->accept_count > COAX_RESOURCE_FORMATS_MAX)
		return -EINVAL;
	err = read_path(options->path, path, target);
	if (err)
		return err;

	resource = calloc(1, sizeof(*resource) + path->length);
	if (!resource)
		return -ENOMEM;
	cds_lfht_node_init(&resource->node);
	resource->subtree = options->subtree;
	resource->hidden = options->hidden;
	resource->cacheable = options->cacheable;
	resource->cacheable_queries = options->cacheable_queries;
	resource->conditional = options->conditional;
	resource->observable = options->observable;
	resource->notifications = options->notifications;
	resource->streaming = options->streaming;
	resource->body_max = options->body_max;
	resource->fresh_ms = options->fresh_ms;
	resource->queue = options->queue;
	resource->format_count = (uint8_t)options->format_count;
	resource->accept_count = (uint8_t)options->accept_count;
	memcpy(resource->formats, options->formats, sizeof(resource->formats));
	memcpy(resource->accepts, options->accepts, sizeof(resource->accepts));
	resource->links = options->subtree ? options->links : NULL;
	resource->path_length = path->length;
	memcpy(resource->path, path->bytes, path->length);
	set_handlers(resource, options);

	err = set_link(resource, target, options);
	if (!err && (options->cacheable || options->observable))
		err = coax_subject_create(&resource->subject);
	if (err)
		goto out;
	*result = resource;
	resource = NULL;
out:
	coax_resource_free(resource);
	return err;
}

void coax_resource_free(struct coax_resource *resource)
{
	if (!resource)
		return;
	coax_subject_put(resource->subject);
	free(resource->link);
	free(resource);
}

void coax_resource_changed(struct coax_resource *resource)
{
	if (resource->subject)
		coax_subject_changed(resource->subject);
}
