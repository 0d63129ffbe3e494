// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "rcu.h"
#include "resolver.h"

/* How long shutdown waits for getaddrinfo(); then the threads end by themselves when it returns. */
#define STOP_PATIENCE_MS 500

/* Names that are looked up at the same time: all but one may hang without holding up others. */
#define THREADS_MAX 4

struct coax_resolver {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct cds_list_head queue;
	/* What getaddrinfo() is asked for; NULL: none, or dropped */
	struct coax_lookup *asked[THREADS_MAX];
	unsigned int waiting; /* in the queue */
	unsigned int busy;    /* threads with one of their own */
	unsigned int idle;    /* threads that wait for one */
	unsigned int running; /* threads that have not ended, as good as */
	bool stopping;
	bool orphaned; /* nobody joins the threads: the last one frees this */
	unsigned int thread_count;
	pthread_t threads[THREADS_MAX];
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

static bool is_asked(const struct coax_resolver *resolver, const char *host)
{
	for (unsigned int i = 0; i < THREADS_MAX; i++)
		if (resolver->asked[i] && strcasecmp(resolver->asked[i]->host, host) == 0)
			return true;
	return false;
}

/* The next whose name no other thread is at: a name that hangs holds one thread, not all. */
static struct coax_lookup *next_lookup(struct coax_resolver *resolver)
{
	struct coax_lookup *lookup;

	cds_list_for_each_entry (lookup, &resolver->queue, node)
		if (!is_asked(resolver, lookup->host))
			return lookup;
	return NULL;
}

static struct coax_lookup **free_place(struct coax_resolver *resolver)
{
	unsigned int i = 0;

	while (resolver->asked[i])
		i++;
	return &resolver->asked[i];
}

/* With the lock held, but for while it asks. What is asked for may be taken away meanwhile. */
static void ask(struct coax_resolver *resolver, struct coax_lookup *lookup)
{
	struct coax_lookup **place = free_place(resolver);
	char host[sizeof(lookup->host)];
	struct coax_addresses addresses;
	in_port_t port = lookup->port;
	const char *error;
	int result;

	cds_list_del(&lookup->node);
	resolver->waiting--;
	resolver->busy++;
	*place = lookup;
	memcpy(host, lookup->host, sizeof(host));
	pthread_mutex_unlock(&resolver->lock);
	coax_lookup_run(host, port, &addresses, &result, &error);
	pthread_mutex_lock(&resolver->lock);
	resolver->busy--;
	if (!*place)
		return;
	*place = NULL;
	lookup->result = result;
	lookup->error = error;
	lookup->addresses = addresses;
	give_back(lookup);
	/* Those who wait for the same name. */
	pthread_cond_broadcast(&resolver->changed);
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
	struct coax_lookup *lookup;
	bool last;

	pthread_mutex_lock(&resolver->lock);
	while (!resolver->stopping) {
		lookup = next_lookup(resolver);
		if (lookup) {
			ask(resolver, lookup);
			continue;
		}
		resolver->idle++;
		pthread_cond_wait(&resolver->changed, &resolver->lock);
		resolver->idle--;
	}
	last = --resolver->running == 0 && resolver->orphaned;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->lock);
	if (last)
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
	context->resolver = resolver;
	return 0;
}

/* With the lock held. One more thread where there is work for it; one at all is enough. */
static int add_thread(struct coax_resolver *resolver)
{
	pthread_t *thread = &resolver->threads[resolver->thread_count];

	if (resolver->waiting < resolver->idle || resolver->thread_count == THREADS_MAX)
		return 0;
	if (pthread_create(thread, NULL, resolver_main, resolver))
		return resolver->thread_count ? 0 : -ENOBUFS;
	resolver->thread_count++;
	resolver->running++;
	return 0;
}

static int enqueue(struct coax_resolver *resolver, struct coax_lookup *lookup)
{
	int err = -ENOBUFS;

	pthread_mutex_lock(&resolver->lock);
	if (resolver->waiting + resolver->busy < COAX_LOOKUPS_MAX)
		err = add_thread(resolver);
	if (!err) {
		resolver->waiting++;
		cds_list_add_tail(&lookup->node, &resolver->queue);
		pthread_cond_broadcast(&resolver->changed);
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

	for (unsigned int i = 0; i < THREADS_MAX; i++) {
		if (resolver->asked[i])
			cds_list_add_tail(&resolver->asked[i]->node, &resolver->queue);
		resolver->asked[i] = NULL;
	}
	cds_list_for_each_entry_safe (lookup, next, &resolver->queue, node) {
		cds_list_del(&lookup->node);
		lookup->result = -ESHUTDOWN;
		lookup->error = "shutting down";
		give_back(lookup);
	}
	resolver->waiting = 0;
}

/* With the lock held. Returns whether the threads have let go of everything. */
static bool wait_for_end(struct coax_resolver *resolver)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += STOP_PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (resolver->running)
		if (pthread_cond_timedwait(&resolver->changed, &resolver->lock, &until))
			break;
	return !resolver->running;
}

void coax_resolver_stop(struct coax_context *context)
{
	struct coax_resolver *resolver;
	pthread_t threads[THREADS_MAX];
	unsigned int count;
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
	/* The last of the orphans may free it any time from here. */
	count = resolver->thread_count;
	memcpy(threads, resolver->threads, sizeof(threads));
	pthread_mutex_unlock(&resolver->lock);
	for (unsigned int i = 0; i < count; i++) {
		if (ended)
			pthread_join(threads[i], NULL);
		else
			pthread_detach(threads[i]);
	}
	if (ended)
		destroy(resolver);
}
