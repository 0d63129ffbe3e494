// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

int coax_accel_open_map(const char *instance, const char *map)
{
	char path[256];

	if (!instance)
		instance = COAX_INSTANCE_DEFAULT;
	if (!coax_accel_instance_is_valid(instance) || !accel_is_map_name(map))
		return -EINVAL;
	snprintf(path, sizeof(path), COAX_PIN_ROOT "/%s/%s", instance, map);
	return bpf_obj_get(path);
}

int coax_accel_read_stats(int stats_fd, struct coax_stats *stats)
{
	enum {
		COUNTERS = sizeof(*stats) / sizeof(uint64_t)
	};
	int cpus = libbpf_num_possible_cpus();
	uint64_t total[COUNTERS] = {0};
	uint64_t(*each)[COUNTERS];
	const uint32_t only = 0;
	int err;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	err = bpf_map_lookup_elem(stats_fd, &only, each);
	if (!err) {
		for (int cpu = 0; cpu < cpus; cpu++)
			for (size_t i = 0; i < COUNTERS; i++)
				total[i] += each[cpu][i];
		memcpy(stats, total, sizeof(*stats));
	}
	free(each);
	return err;
}

int coax_accel_stats(const struct coax_accel *accel, struct coax_stats *stats)
{
	return coax_accel_read_stats(bpf_map__fd(accel->shared->maps.stats), stats);
}

bool coax_accel_answers(const struct coax_accel *accel, uint64_t now)
{
	return __atomic_load_n(&accel->config->enabled, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&accel->config->lease, __ATOMIC_RELAXED) > now;
}
