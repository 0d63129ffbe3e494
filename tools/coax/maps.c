// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "maps.h"

/* How often what is being rewritten is looked at again. */
#define COPY_TRIES 1000

int map_view_open(struct map_view *view, const struct instance *instance, const char *map, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	void *at;

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return instance_unreadable(instance, map, -errno);
	view->count = info.max_entries;
	view->bytes = ((size_t)info.max_entries * info.value_size + page - 1) & -page;
	at = mmap(NULL, view->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return instance_unreadable(instance, map, -errno);
	view->at = at;
	return TOOL_OK;
}

void map_view_close(struct map_view *view)
{
	munmap((void *)view->at, view->bytes);
}

bool map_copy(const void *at, void *copy, size_t size)
{
	const uint32_t *sequence = at;

	for (int i = 0; i < COPY_TRIES; i++) {
		uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(copy, at, size);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(sequence, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}

bool map_walk_next(struct map_walk *walk, void *key)
{
	if (!walk->most || bpf_map_get_next_key(walk->map, walk->begun ? key : NULL, key))
		return false;
	walk->most--;
	walk->begun = true;
	return true;
}

int map_append(void *array, size_t *count, const void *value, size_t size)
{
	char *at, *grown;

	memcpy(&at, array, sizeof(at));
	/* It has room for a power of two. */
	if (!(*count & (*count - 1))) {
		grown = reallocarray(at, *count ? *count * 2 : 1, size);
		if (!grown)
			return -ENOMEM;
		at = grown;
		memcpy(array, &at, sizeof(at));
	}
	memcpy(at + *count * size, value, size);
	++*count;
	return 0;
}
