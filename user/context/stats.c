// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include "worker.h"

static void add(struct coax_context_stats *stats, const struct coax_worker *worker)
{
	const uint64_t *one = (const uint64_t *)&worker->stats;
	uint64_t *sum = (uint64_t *)stats;

	for (size_t field = 0; field < sizeof(*stats) / sizeof(uint64_t); field++)
		sum[field] += __atomic_load_n(&one[field], __ATOMIC_RELAXED);
}

void coax_context_stats_read(const struct coax_context *context, struct coax_context_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (unsigned int i = 0; i < context->worker_count; i++)
		add(stats, context->workers[i]);
}

int coax_context_worker_stats_read(const struct coax_context *context, unsigned int worker,
				   struct coax_context_stats *stats)
{
	if (worker >= context->worker_count)
		return -ENOENT;
	memset(stats, 0, sizeof(*stats));
	add(stats, context->workers[worker]);
	return 0;
}

int coax_context_kernel_stats_read(const struct coax_context *context, struct coax_stats *stats)
{
	return context->accel ? coax_accel_stats(context->accel, stats) : -EOPNOTSUPP;
}

bool coax_context_kernel_answers(const struct coax_context *context)
{
	return context->accel && coax_accel_answers(context->accel, coax_now());
}
