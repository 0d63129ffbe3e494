// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include "clock.h"
#include "spares.h"

#define SPARE_TIME NS_PER_SEC

/* Larger ones are rare: what a body of 1 MiB grows to when nobody says how large it will be. */
#define SPARE_MAX (2U << 20)

/* So many are looked at for one that is large enough. */
#define LOOKS_MAX 8

struct spare {
	struct cds_list_head node;
	size_t size;
	uint64_t used;
};

_Static_assert(sizeof(struct spare) <= COAX_SPARE_MIN, "a spare describes itself");

void coax_spares_create(struct coax_spares *spares)
{
	CDS_INIT_LIST_HEAD(&spares->list);
	spares->bytes = 0;
}

void coax_spares_destroy(struct coax_spares *spares)
{
	coax_spares_limit(spares, 0);
}

static void take_out(struct coax_spares *spares, struct spare *spare)
{
	cds_list_del(&spare->node);
	spares->bytes -= spare->size;
}

static struct spare *longest_unused(const struct coax_spares *spares)
{
	return spares->bytes ? cds_list_entry(spares->list.prev, struct spare, node) : NULL;
}

void coax_spares_put(struct coax_spares *spares, uint8_t *bytes, size_t size, uint64_t used)
{
	struct spare *spare = (struct spare *)bytes;

	if (size < COAX_SPARE_MIN || size > SPARE_MAX) {
		free(bytes);
		return;
	}
	spare->size = size;
	spare->used = used;
	cds_list_add(&spare->node, &spares->list);
	spares->bytes += size;
}

uint8_t *coax_spares_take(struct coax_spares *spares, size_t least, uint64_t most, size_t *size)
{
	struct cds_list_head *at = spares->list.next;

	for (int i = 0; i < LOOKS_MAX && at != &spares->list; i++, at = at->next) {
		struct spare *spare = cds_list_entry(at, struct spare, node);

		if (spare->size < least || spare->size > most)
			continue;
		take_out(spares, spare);
		*size = spare->size;
		return (uint8_t *)spare;
	}
	return NULL;
}

void coax_spares_limit(struct coax_spares *spares, uint64_t max)
{
	struct spare *spare;

	while (spares->bytes > max) {
		spare = longest_unused(spares);
		take_out(spares, spare);
		free(spare);
	}
}

uint64_t coax_spares_deadline(const struct coax_spares *spares)
{
	const struct spare *spare = longest_unused(spares);

	return spare ? spare->used + SPARE_TIME : UINT64_MAX;
}

void coax_spares_tick(struct coax_spares *spares, uint64_t now)
{
	struct spare *spare;

	while ((spare = longest_unused(spares)) && now >= spare->used + SPARE_TIME) {
		take_out(spares, spare);
		free(spare);
	}
}
