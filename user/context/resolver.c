// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "rcu.h"
#include "resolver.h"

/* How long shutdown waits for getaddrinfo(); then the thread ends by itself when it returns. */
#define STOP_PATIENCE_MS 500

struct coax_resolver {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct cds_list_head queue;
	struct coax_lookup *current; /* that getaddrinfo() is asked for; NULL: none, or dropped */
	unsigned int count;	     /* of the queue, and `current` */
	bool stopping;
	bool orphaned; /* nobody joins the thread: it frees this */
	bool ended;    /* the thread has, as good as */
	pthread_t thread;
};

static void give_back(struct coax_lookup *lookup)
{
	coax_worker_post(lookup->worker, &lookup->work);
}

static void tell(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_lookup *lookup = caa_container_of(work, struct coax_lookup, work);

	(void)worker;
	lookup->done(lookup);
}

/* With the lock held, but for while it asks. What is asked for may be taken away meanwhile. */
static void ask(struct coax_resolver *resolver)
{
	struct coax_lookup *lookup =
		cds_list_first_entry(&resolver->queue, struct coax_lookup, node);
	char host[sizeof(lookup->host)];
	struct coax_addresses addresses;
	in_port_t port = lookup->port;
	const char *error;
	int result;

	cds_list_del(&lookup->node);
	resolver->current = lookup;
	memcpy(host, lookup->host, sizeof(host));
	pthread_mutex_unlock(&resolver->lock);
	coax_lookup_run(host, port, &addresses, &result, &error);
	pthread_mutex_lock(&resolver->lock);
	if (!resolver->current)
		return;
	resolver->current = NULL;
	resolver->count--;
	lookup->result = result;
	lookup->error = error;
	lookup->addresses = addresses;
	give_back(lookup);
}

static void destroy(struct coax_resolver *resolver)
{
	pthread_mutex_destroy(&resolver->lock);
	pthread_cond_destroy(&resolver->changed);
	free(resolver);
}

static void *resolver_main(void *arg)
{
	struct coax_resolver *resolver = arg;
	bool orphaned;

	pthread_mutex_lock(&resolver->lock);
	while (!resolver->stopping) {
		if (cds_list_empty(&resolver->queue))
			pthread_cond_wait(&resolver->changed, &resolver->lock);
		else
			ask(resolver);
	}
	resolver->ended = true;
	orphaned = resolver->orphaned;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->lock);
	if (orphaned)
		destroy(resolver);
	return NULL;
}

static int create(struct coax_context *context)
{
	struct coax_resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver)
		return -ENOBUFS;
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_cond_init(&resolver->changed, NULL);
	CDS_INIT_LIST_HEAD(&resolver->queue);
	if (pthread_create(&resolver->thread, NULL, resolver_main, resolver)) {
		destroy(resolver);
		return -ENOBUFS;
	}
	context->resolver = resolver;
	return 0;
}

static int enqueue(struct coax_resolver *resolver, struct coax_lookup *lookup)
{
	int err = -ENOBUFS;

	pthread_mutex_lock(&resolver->lock);
	if (resolver->count < COAX_LOOKUPS_MAX) {
		resolver->count++;
		cds_list_add_tail(&lookup->node, &resolver->queue);
		pthread_cond_broadcast(&resolver->changed);
		err = 0;
	}
	pthread_mutex_unlock(&resolver->lock);
	return err;
}

int coax_resolver_submit(struct coax_context *context, struct coax_lookup *lookup)
{
	int err = 0;

	lookup->worker = context->workers[0];
	lookup->work.run = tell;
	pthread_mutex_lock(&context->resolver_lock);
	if (atomic_load(&context->stopping))
		err = -ESHUTDOWN;
	if (!err && !context->resolver)
		err = create(context);
	if (!err)
		err = enqueue(context->resolver, lookup);
	pthread_mutex_unlock(&context->resolver_lock);
	return err;
}

static void drop_all(struct coax_resolver *resolver)
{
	struct coax_lookup *lookup, *next;

	if (resolver->current)
		cds_list_add_tail(&resolver->current->node, &resolver->queue);
	resolver->current = NULL;
	cds_list_for_each_entry_safe (lookup, next, &resolver->queue, node) {
		cds_list_del(&lookup->node);
		lookup->result = -ESHUTDOWN;
		lookup->error = "shutting down";
		give_back(lookup);
	}
	resolver->count = 0;
}

/* With the lock held. Returns whether the thread has let go of everything. */
static bool wait_for_end(struct coax_resolver *resolver)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += STOP_PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (!resolver->ended)
		if (pthread_cond_timedwait(&resolver->changed, &resolver->lock, &until))
			break;
	return resolver->ended;
}

void coax_resolver_stop(struct coax_context *context)
{
	struct coax_resolver *resolver;
	bool ended;

	pthread_mutex_lock(&context->resolver_lock);
	resolver = context->resolver;
	context->resolver = NULL;
	pthread_mutex_unlock(&context->resolver_lock);
	if (!resolver)
		return;

	pthread_mutex_lock(&resolver->lock);
	resolver->stopping = true;
	drop_all(resolver);
	pthread_cond_broadcast(&resolver->changed);
	ended = wait_for_end(resolver);
	resolver->orphaned = !ended;
	pthread_mutex_unlock(&resolver->lock);
	if (ended) {
		pthread_join(resolver->thread, NULL);
		destroy(resolver);
	} else {
		pthread_detach(resolver->thread);
	}
}
