// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/link.h>
#include <coax/observer.h>
#include <coax/option.h>
#include "accel/accel.h"
#include "site/responder.h"
#include "site/tree.h"

static bool has_handler(const struct coax_resource_options *options)
{
	return options->get || options->put || options->post || options->delete || options->fetch ||
	       options->patch || options->ipatch;
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
	/* RFC 7641 section 6. */
	if (options->observable && !has_attribute(options, "obs"))
		coax_link_add(writer, "obs", NULL);
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

static struct coax_resource *allocate(const struct coax_pattern *pattern)
{
	const struct coax_site_path *path = &pattern->path;
	uint16_t pattern_length = pattern->parameters ? path->length : 0;
	uint8_t key[COAX_SITE_PATH_MAX];
	uint16_t length = coax_site_path_key(path, path->depth, pattern->parameters, key);
	struct coax_resource *resource = calloc(1, sizeof(*resource) + length + pattern_length);

	if (!resource)
		return NULL;
	cds_lfht_node_init(&resource->node);
	resource->parameters = pattern->parameters;
	resource->depth = path->depth;
	resource->path_length = length;
	resource->pattern_length = pattern_length;
	memcpy(resource->path, key, length);
	memcpy(resource->path + length, path->bytes, pattern_length);
	return resource;
}

static void set_nature(struct coax_resource *resource, const struct coax_resource_options *options)
{
	resource->subtree = options->subtree;
	resource->links = options->subtree ? options->links : NULL;
	resource->links_are_told = resource->links && options->links_subject;
	/* RFC 6690 has no links to all that a parameter stands for. */
	resource->hidden = options->hidden || (resource->parameters && !resource->links);
	resource->cacheable = options->cacheable;
	resource->cacheable_queries = options->cacheable_queries;
	resource->conditional = options->conditional;
	resource->proxying = options->proxying;
	resource->observable = options->observable;
	resource->notifications = options->notifications;
	resource->streaming = options->streaming;
	resource->secure = options->secure;
	resource->body_max = options->body_max;
	resource->fresh_ms = options->fresh_ms;
	resource->queue = options->queue;
	resource->format_count = (uint8_t)options->format_count;
	resource->accept_count = (uint8_t)options->accept_count;
	memcpy(resource->formats, options->formats, sizeof(resource->formats));
	memcpy(resource->accepts, options->accepts, sizeof(resource->accepts));
}

int coax_resource_create(struct coax_resource **result, const struct coax_resource_options *options,
			 struct coax_pattern *pattern)
{
	struct coax_resource *resource = NULL;
	int err;

	if (!options->path || !has_handler(options) ||
	    options->format_count > COAX_RESOURCE_FORMATS_MAX ||
	    options->accept_count > COAX_RESOURCE_FORMATS_MAX)
		return -EINVAL;
	err = coax_pattern_read(pattern, options->path);
	if (err)
		return err;

	resource = allocate(pattern);
	if (!resource)
		return -ENOMEM;
	set_nature(resource, options);
	set_handlers(resource, options);
	err = set_link(resource, pattern->target, options);
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

/* The segment that a name stands for, or -1. */
static int find_parameter(const struct coax_resource *resource, const char *name)
{
	const uint8_t *at = resource->path + resource->path_length;
	size_t length = strlen(name);

	for (int i = 0; i < 64 && resource->parameters >> i; i++, at += 1u + *at)
		if (resource->parameters & 1ULL << i && *at == length + 2 &&
		    memcmp(at + 2, name, length) == 0)
			return i;
	return -1;
}

const uint8_t *coax_responder_parameter(const struct coax_responder *responder, const char *name,
					size_t *length)
{
	struct coax_option_iterator it = coax_options_begin(&responder->request);
	int left = responder->resource ? find_parameter(responder->resource, name) : -1;
	struct coax_option option;

	*length = 0;
	while (left >= 0 && coax_options_next(&it, &option)) {
		if (option.number != COAX_URI_PATH || left-- > 0)
			continue;
		*length = option.length;
		return option.value;
	}
	return NULL;
}

void coax_resource_free(struct coax_resource *resource)
{
	if (!resource)
		return;
	coax_subject_unwatch(&resource->links_watch);
	coax_subject_put(resource->subject);
	free(resource->link);
	free(resource);
}

void coax_resource_changed(struct coax_resource *resource)
{
	if (resource->subject)
		coax_subject_changed(resource->subject);
}

void coax_resource_set_body_max(struct coax_resource *resource, uint64_t body_max)
{
	__atomic_store_n(&resource->body_max, body_max, __ATOMIC_RELAXED);
}

int coax_resource_notify(struct coax_resource *resource, const struct coax_message *response,
			 bool last)
{
	if (!resource->observable)
		return -EINVAL;
	return coax_subject_notify(resource->subject, response, last);
}
