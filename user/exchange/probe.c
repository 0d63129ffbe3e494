// SPDX-License-Identifier: BSD-2-Clause
/*
 * PROBING_RATE (RFC 7252 section 4.7): non-confirmable requests to who does not respond. Remotes
 * that are new have not responded yet: their first request goes at once, the next when the rate has
 * room for it, or as soon as there is a response.
 */
#include "pending.h"
#include "probe.h"

static uint64_t cost(const struct coax_exchange *exchange, const struct coax_pending *pending)
{
	return pending->message->length * NS_PER_SEC / exchange->tuning.probing_rate;
}

static struct coax_probe *set_of(struct coax_exchange *exchange, const struct coax_path *path)
{
	uint64_t hash = coax_exchange_hash_peer(exchange, path);

	return exchange->probes[hash & (COAX_PROBE_SETS - 1)];
}

static struct coax_probe *find(struct coax_exchange *exchange, const struct coax_path *path)
{
	struct coax_probe *set = set_of(exchange, path);

	for (int i = 0; i < COAX_PROBE_WAYS; i++) {
		if (set[i].used && coax_path_same_peer(&set[i].path, path))
			return &set[i];
	}
	return NULL;
}

/* One that is forgotten is limited no more than a new one: better one that responds. */
static bool is_better_victim(const struct coax_probe *probe, const struct coax_probe *than)
{
	if (!than || !probe->used || !than->used)
		return !than || than->used;
	if (probe->responds != than->responds)
		return probe->responds;
	return probe->next < than->next;
}

static void start_waiting(struct coax_exchange *exchange, struct coax_probe *probe)
{
	struct coax_pending *pending =
		cds_list_first_entry(&probe->waiting, struct coax_pending, waiting);

	cds_list_del(&pending->waiting);
	pending->queued = false;
	probe->next = exchange->now + cost(exchange, pending);
	coax_pending_start(exchange, pending);
}

/* Those that waited may have been cancelled meanwhile. */
static void due(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_probe *probe = caa_container_of(timer, struct coax_probe, timer);

	if (!cds_list_empty(&probe->waiting))
		start_waiting(exchange, probe);
	if (!cds_list_empty(&probe->waiting))
		coax_timer_start(&exchange->timers, timer, probe->next);
}

/* NULL: in all that could be had somebody waits. */
static struct coax_probe *add(struct coax_exchange *exchange, const struct coax_path *path)
{
	struct coax_probe *set = set_of(exchange, path), *victim = NULL;

	for (int i = 0; i < COAX_PROBE_WAYS; i++) {
		if (set[i].used && !cds_list_empty(&set[i].waiting))
			continue;
		if (is_better_victim(&set[i], victim))
			victim = &set[i];
	}
	if (!victim)
		return NULL;
	coax_timer_stop(&exchange->timers, &victim->timer);
	*victim = (struct coax_probe){.used = true, .path = *path, .timer.fire = due};
	CDS_INIT_LIST_HEAD(&victim->waiting);
	return victim;
}

bool coax_probe_waits(struct coax_exchange *exchange, struct coax_pending *pending)
{
	struct coax_probe *probe = find(exchange, &pending->path);

	if (!probe)
		probe = add(exchange, &pending->path);
	if (!probe || probe->responds)
		return false;
	if (cds_list_empty(&probe->waiting) && probe->next <= exchange->now) {
		probe->next = exchange->now + cost(exchange, pending);
		return false;
	}
	if (cds_list_empty(&probe->waiting))
		coax_timer_start(&exchange->timers, &probe->timer, probe->next);
	pending->queued = true;
	cds_list_add_tail(&pending->waiting, &probe->waiting);
	return true;
}

void coax_probe_responded(struct coax_exchange *exchange, const struct coax_path *path)
{
	struct coax_probe *probe = find(exchange, path);

	if (!probe)
		return;
	probe->unanswered = 0;
	if (probe->responds)
		return;
	probe->responds = true;
	coax_timer_stop(&exchange->timers, &probe->timer);
	while (!cds_list_empty(&probe->waiting))
		start_waiting(exchange, probe);
}

/*
 * A response can be lost, and some requests get none: a remote is taken not to respond any more
 * after as many as a confirmable message has transmissions.
 */
void coax_probe_unanswered(struct coax_exchange *exchange, const struct coax_pending *pending)
{
	struct coax_probe *probe = find(exchange, &pending->path);

	if (!probe || !probe->responds || probe->unanswered++ < exchange->tuning.max_retransmit)
		return;
	probe->responds = false;
	probe->next = exchange->now + cost(exchange, pending);
}
