// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "site/tree.h"

int coax_resource_has_path(struct cds_lfht_node *node, const void *path)
{
	struct coax_resource *resource = caa_container_of(node, struct coax_resource, node);
	const struct coax_path_bytes *wanted = path;

	coax_taken_over(resource);
	return resource->parameters == wanted->parameters &&
	       resource->path_length == wanted->length &&
	       memcmp(resource->path, wanted->at, wanted->length) == 0;
}

unsigned long coax_site_hash(const struct coax_site *site, const struct coax_path_bytes *path)
{
	uint64_t hash = coax_hash(&site->hash_key, path->at, path->length);

	return (unsigned long)(hash ^ path->parameters * 0x9e3779b97f4a7c15);
}

static struct coax_resource *find(const struct coax_site *site, const struct coax_path_bytes *path)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(site->table, coax_site_hash(site, path), coax_resource_has_path, path,
			&iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct coax_resource, node) : NULL;
}

static struct coax_resource *find_shape(const struct coax_site *site,
					const struct coax_site_path *path,
					const struct coax_shape *shape)
{
	struct coax_path_bytes wanted = {
		.at = path->bytes,
		.length = path->ends[shape->depth],
		.parameters = shape->parameters,
	};
	uint8_t key[COAX_SITE_PATH_MAX];

	if (shape->parameters) {
		wanted.length = coax_site_path_key(path, shape->depth, shape->parameters, key);
		wanted.at = key;
	}
	return find(site, &wanted);
}

struct coax_resource *coax_site_find(const struct coax_site *site,
				     const struct coax_site_path *path)
{
	const struct coax_path_bytes literally = {.at = path->bytes, .length = path->length};
	const struct coax_shapes *shapes;
	struct coax_resource *resource;

	resource = path->whole ? find(site, &literally) : NULL;
	if (resource)
		return resource;

	shapes = coax_shapes_read(&site->shapes);
	for (size_t i = 0; shapes && i < shapes->count; i++) {
		const struct coax_shape *shape = &shapes->shapes[i];
		bool is_all = path->whole && shape->depth == path->depth;

		if (shape->depth > path->depth ||
		    (!is_all && !__atomic_load_n(&shape->subtree, __ATOMIC_ACQUIRE)))
			continue;
		resource = find_shape(site, path, shape);
		if (resource && (is_all || resource->subtree))
			return resource;
	}
	return NULL;
}

static bool is_parameter(const struct coax_resource *resource, unsigned int segment)
{
	return segment < 64 && resource->parameters & 1ULL << segment;
}

bool coax_resources_overlap(const struct coax_resource *a, const struct coax_resource *b)
{
	const uint8_t *at_a = a->path, *at_b = b->path;

	for (unsigned int i = 0; i < a->depth && i < b->depth; i++) {
		if (!is_parameter(a, i) && !is_parameter(b, i) &&
		    (*at_a != *at_b || memcmp(at_a, at_b, 1u + *at_a) != 0))
			return false;
		at_a += 1u + *at_a;
		at_b += 1u + *at_b;
	}
	return (a->depth >= b->depth || a->subtree) && (b->depth >= a->depth || b->subtree);
}
