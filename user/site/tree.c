// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "site/tree.h"

int coax_resource_has_path(struct cds_lfht_node *node, const void *path)
{
	struct coax_resource *resource = caa_container_of(node, struct coax_resource, node);
	const struct coax_path_bytes *wanted = path;

	coax_taken_over(resource);
	return resource->path_length == wanted->length &&
	       memcmp(resource->path, wanted->at, wanted->length) == 0;
}

unsigned long coax_site_hash(const struct coax_site *site, const struct coax_path_bytes *path)
{
	return (unsigned long)coax_hash(&site->hash_key, path->at, path->length);
}

static struct coax_resource *find_exactly(const struct coax_site *site, const uint8_t *at,
					  size_t length)
{
	const struct coax_path_bytes path = {.at = at, .length = length};
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(site->table, coax_site_hash(site, &path), coax_resource_has_path, &path,
			&iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct coax_resource, node) : NULL;
}

struct coax_resource *coax_site_find_subtree(const struct coax_site *site,
					     const struct coax_site_path *path, unsigned int levels)
{
	unsigned int site_levels = __atomic_load_n(&site->subtree_levels, __ATOMIC_ACQUIRE);

	if (levels > site_levels)
		levels = site_levels;
	while (levels > 0) {
		struct coax_resource *resource =
			find_exactly(site, path->bytes, path->ends[--levels]);

		if (resource && resource->subtree)
			return resource;
	}
	return NULL;
}

struct coax_resource *coax_site_find(const struct coax_site *site,
				     const struct coax_site_path *path)
{
	if (path->whole) {
		struct coax_resource *resource = find_exactly(site, path->bytes, path->length);

		if (resource)
			return resource;
		return coax_site_find_subtree(site, path, path->depth);
	}
	return coax_site_find_subtree(site, path, path->depth + 1u);
}
