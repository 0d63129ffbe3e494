// SPDX-License-Identifier: BSD-2-Clause
/*
 * Origins by their URIs: mappings share them, and with them what is known of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "context/worker.h"
#include "proxy/internal.h"

/* Holding the lock. */
static struct coax_origin *find(const struct coax_proxy *proxy, const char *uri)
{
	struct coax_origin *origin;

	cds_list_for_each_entry (origin, &proxy->origins, node)
		if (strcmp(origin->uri, uri) == 0)
			return origin;
	return NULL;
}

static int create(struct coax_proxy *proxy, const char *uri, struct coax_origin **result,
		  const char **error)
{
	struct coax_origin *origin = malloc(sizeof(*origin));
	int err = origin ? coax_origin_create(origin, uri, error) : -ENOMEM;

	if (err) {
		free(origin);
		return err;
	}
	cds_list_add_tail(&origin->node, &proxy->origins);
	*result = origin;
	return 0;
}

int coax_proxy_obtain_origin(struct coax_proxy *proxy, const char *uri, struct coax_origin **origin,
			     const char **error)
{
	int err = 0;

	pthread_mutex_lock(&proxy->origins_lock);
	*origin = find(proxy, uri);
	if (!*origin)
		err = create(proxy, uri, origin, error);
	if (!err)
		(*origin)->references++;
	pthread_mutex_unlock(&proxy->origins_lock);
	return err;
}

void coax_proxy_put_origin(struct coax_proxy *proxy, struct coax_origin *origin)
{
	bool last;

	pthread_mutex_lock(&proxy->origins_lock);
	/* A target's is nobody else's, and in no list. */
	last = !origin->references;
	if (!last && --origin->references == 0) {
		cds_list_del(&origin->node);
		last = true;
	}
	pthread_mutex_unlock(&proxy->origins_lock);
	if (!last)
		return;
	coax_origin_destroy(origin);
	free(origin);
}

static void read_counters(struct coax_proxy_origin *to, const struct coax_origin_counters *counters)
{
	to->requests = atomic_load(&counters->requests);
	to->failures = atomic_load(&counters->failures);
	to->answered_ns = atomic_load(&counters->answered_ns);
	for (unsigned int i = 0; i < COAX_PROXY_CLASSES; i++)
		to->answers[i] = atomic_load(&counters->answers[i]);
	for (unsigned int i = 0; i < COAX_PROXY_TIME_COUNT; i++)
		to->times[i] = atomic_load(&counters->times[i]);
}

static bool add(struct coax_proxy_origin *origins, size_t *count, const char *uri, bool is_down,
		const struct coax_origin_counters *counters)
{
	struct coax_proxy_origin *to = &origins[*count];

	to->uri = strdup(uri);
	if (!to->uri)
		return false;
	to->is_down = is_down;
	read_counters(to, counters);
	(*count)++;
	return true;
}

static size_t count_origins(const struct coax_proxy *proxy)
{
	struct cds_list_head *at;
	size_t count = 0;

	cds_list_for_each(at, &proxy->origins)
	{
		count++;
	}
	return count;
}

static bool has_forward(const struct coax_proxy *proxy)
{
	bool has;

	rcu_read_lock();
	has = coax_proxy_setup(proxy)->allowed;
	rcu_read_unlock();
	return has;
}

int coax_proxy_origins_read(struct coax_proxy *proxy, struct coax_proxy_origin **result,
			    size_t *count)
{
	struct coax_proxy_origin *origins;
	struct coax_origin *origin;
	bool complete = true;
	uint64_t until;
	uint8_t code;

	*count = 0;
	pthread_mutex_lock(&proxy->origins_lock);
	origins = calloc(count_origins(proxy) + 1, sizeof(*origins));
	if (origins) {
		cds_list_for_each_entry (origin, &proxy->origins, node)
			complete = complete &&
				   add(origins, count, origin->uri,
				       coax_origin_is_down(origin, coax_now(), &until, &code),
				       origin->counters);
	}
	pthread_mutex_unlock(&proxy->origins_lock);
	if (!origins)
		return -ENOMEM;
	if (has_forward(proxy))
		complete = complete && add(origins, count, COAX_PROXY_TARGETS, false,
					   coax_forward_counters(proxy->forward));
	*result = origins;
	if (complete)
		return 0;
	coax_proxy_origins_free(origins, *count);
	return -ENOMEM;
}

void coax_proxy_origins_free(struct coax_proxy_origin *origins, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(origins[i].uri);
	free(origins);
}
