// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "site/shape.h"

enum rank {
	ENDED,
	PARAMETER,
	LITERAL,
};

static enum rank rank_at(const struct coax_shape *shape, unsigned int segment)
{
	if (segment >= shape->depth)
		return ENDED;
	return segment < 64 && shape->parameters & 1ULL << segment ? PARAMETER : LITERAL;
}

static bool is_before(const struct coax_shape *a, const struct coax_shape *b)
{
	unsigned int depth = a->depth > b->depth ? a->depth : b->depth;

	for (unsigned int i = 0; i < depth; i++)
		if (rank_at(a, i) != rank_at(b, i))
			return rank_at(a, i) > rank_at(b, i);
	return false;
}

static struct coax_shape *find(struct coax_shapes *shapes, uint64_t parameters, uint16_t depth)
{
	for (size_t i = 0; shapes && i < shapes->count; i++)
		if (shapes->shapes[i].parameters == parameters && shapes->shapes[i].depth == depth)
			return &shapes->shapes[i];
	return NULL;
}

static void free_former(struct rcu_head *head)
{
	struct coax_shapes *shapes = caa_container_of(head, struct coax_shapes, rcu);

	coax_taken_over(shapes);
	coax_readers_are_gone();
	free(shapes);
}

static void replace(struct coax_shapes **shapes, struct coax_shapes *by)
{
	struct coax_shapes *former = *shapes;

	__atomic_store_n(shapes, by, __ATOMIC_RELEASE);
	if (!former)
		return;
	coax_handing_over(former);
	call_rcu(&former->rcu, free_former);
}

static struct coax_shapes *allocate(size_t count)
{
	struct coax_shapes *shapes = malloc(sizeof(*shapes) + count * sizeof(struct coax_shape));

	if (shapes)
		shapes->count = count;
	return shapes;
}

static int insert(struct coax_shapes **shapes, const struct coax_shape *shape)
{
	size_t count = *shapes ? (*shapes)->count : 0;
	struct coax_shapes *more = allocate(count + 1);
	size_t place = 0;

	if (!more)
		return -ENOMEM;
	while (place < count && is_before(&(*shapes)->shapes[place], shape))
		place++;
	if (count) {
		memcpy(more->shapes, (*shapes)->shapes, place * sizeof(*shape));
		memcpy(more->shapes + place + 1, (*shapes)->shapes + place,
		       (count - place) * sizeof(*shape));
	}
	more->shapes[place] = *shape;
	replace(shapes, more);
	return 0;
}

int coax_shapes_add(struct coax_shapes **shapes, uint64_t parameters, uint16_t depth, bool subtree)
{
	struct coax_shape *shape = find(*shapes, parameters, depth);

	if (!shape)
		return insert(shapes, &(struct coax_shape){
					      .parameters = parameters,
					      .depth = depth,
					      .subtree = subtree,
					      .count = 1,
				      });
	shape->count++;
	if (subtree)
		__atomic_store_n(&shape->subtree, true, __ATOMIC_RELEASE);
	return 0;
}

void coax_shapes_remove(struct coax_shapes **shapes, uint64_t parameters, uint16_t depth)
{
	struct coax_shape *shape = find(*shapes, parameters, depth);
	struct coax_shapes *fewer;
	size_t place;

	if (--shape->count > 0)
		return;
	fewer = allocate((*shapes)->count - 1);
	/* One that nobody has costs lookups, no more. */
	if (!fewer)
		return;
	place = (size_t)(shape - (*shapes)->shapes);
	memcpy(fewer->shapes, (*shapes)->shapes, place * sizeof(*shape));
	memcpy(fewer->shapes + place, shape + 1, (fewer->count - place) * sizeof(*shape));
	replace(shapes, fewer);
}
