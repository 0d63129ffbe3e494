// SPDX-License-Identifier: BSD-2-Clause
/*
 * More than NSTART wants a mechanism that keeps congestion under control (RFC 7252 section 4.8.1):
 * this is TCP's in its simplest shape (RFC 5681). A window grows with what is acknowledged at the
 * first try, and begins anew when anything has to be sent again or times out, or has not been asked
 * for long. It needs no round-trip times, because ACK_TIMEOUT stays: where they are longer than
 * that, it is small.
 */
#include "pending.h"
#include "window.h"

int coax_windows_create(struct coax_exchange *exchange)
{
	CDS_INIT_LIST_HEAD(&exchange->idle_windows);
	return coax_pool_create(&exchange->windows, sizeof(struct coax_window), COAX_PENDING_MAX);
}

void coax_windows_destroy(struct coax_exchange *exchange)
{
	coax_pool_destroy(&exchange->windows);
}

static struct cds_hlist_head *chain_of(struct coax_exchange *exchange, const struct coax_path *path)
{
	return &exchange->windows_by_remote[coax_exchange_hash_peer(exchange, path) &
					    (COAX_CHAINS - 1)];
}

static struct coax_window *find(const struct cds_hlist_head *chain, const struct coax_path *path)
{
	for (struct cds_hlist_node *node = chain->next; node; node = node->next) {
		struct coax_window *window = caa_container_of(node, struct coax_window, by_remote);

		if (coax_path_same_peer(&window->path, path))
			return window;
	}
	return NULL;
}

/*
 * There are as many as messages of requests that can be unanswered, of which the caller has one
 * that is in none: if all are taken, one is idle.
 */
static struct coax_window *take(struct coax_exchange *exchange)
{
	struct coax_window *window = coax_pool_take(&exchange->windows);

	if (window)
		return window;
	window = cds_list_first_entry(&exchange->idle_windows, struct coax_window, order);
	cds_list_del(&window->order);
	cds_hlist_del(&window->by_remote);
	return window;
}

static struct coax_window *create(struct coax_exchange *exchange, struct cds_hlist_head *chain,
				  const struct coax_path *path)
{
	struct coax_window *window = take(exchange);

	*window = (struct coax_window){
		.path = *path,
		.size = exchange->tuning.nstart,
		.threshold = exchange->tuning.nstart_max,
	};
	CDS_INIT_LIST_HEAD(&window->waiting);
	cds_hlist_add_head(&window->by_remote, chain);
	return window;
}

static void wake(struct coax_exchange *exchange, struct coax_window *window)
{
	cds_list_del(&window->order);
	if (exchange->now - window->idle_since > exchange->tuning.ack_timeout_ms * NS_PER_MS)
		window->size = exchange->tuning.nstart;
}

static struct coax_window *obtain(struct coax_exchange *exchange, const struct coax_path *path)
{
	struct cds_hlist_head *chain = chain_of(exchange, path);
	struct coax_window *window = find(chain, path);

	if (!window)
		return create(exchange, chain, path);
	if (!window->under_way)
		wake(exchange, window);
	return window;
}

static void begin(struct coax_window *window, struct coax_pending *pending)
{
	pending->window = window;
	window->under_way++;
}

bool coax_window_enter(struct coax_exchange *exchange, struct coax_pending *pending)
{
	struct coax_window *window = obtain(exchange, &pending->path);

	if (window->under_way < window->size) {
		begin(window, pending);
		return true;
	}
	pending->queued = true;
	cds_list_add_tail(&pending->waiting, &window->waiting);
	return false;
}

/* One that is not used up says nothing about how much would go through. */
static void grow(const struct coax_exchange *exchange, struct coax_window *window)
{
	if (window->under_way < window->size || window->size >= exchange->tuning.nstart_max)
		return;
	if (window->size >= window->threshold && ++window->acknowledged < window->size)
		return;
	window->acknowledged = 0;
	window->size++;
}

static void start(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_transmission *message =
		caa_container_of(timer, struct coax_transmission, timer);

	coax_pending_start(exchange, message->request);
}

static void start_next(struct coax_exchange *exchange, struct coax_window *window)
{
	struct coax_pending *next =
		cds_list_first_entry(&window->waiting, struct coax_pending, waiting);

	cds_list_del(&next->waiting);
	next->queued = false;
	begin(window, next);
	next->message->timer.fire = start;
	coax_timer_start(&exchange->timers, &next->message->timer, exchange->now);
}

void coax_window_leave(struct coax_exchange *exchange, struct coax_pending *pending,
		       bool acknowledged)
{
	struct coax_window *window = pending->window;

	if (!window)
		return;
	pending->window = NULL;
	if (acknowledged && !pending->message->backoff.retransmitted)
		grow(exchange, window);
	window->under_way--;
	while (window->under_way < window->size && !cds_list_empty(&window->waiting))
		start_next(exchange, window);
	if (window->under_way)
		return;
	window->idle_since = exchange->now;
	cds_list_add_tail(&window->order, &exchange->idle_windows);
}

void coax_window_lost(struct coax_exchange *exchange, struct coax_pending *pending)
{
	struct coax_window *window = pending->window;
	uint32_t nstart = exchange->tuning.nstart;

	/* Of those that were lost together the first counts, others if it has grown since. */
	if (!window || window->size <= nstart)
		return;
	window->threshold = window->size / 2 > nstart ? window->size / 2 : nstart;
	window->size = nstart;
	window->acknowledged = 0;
}
