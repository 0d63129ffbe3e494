// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pairs that age. Each is looked at twice: shortly before it expires, when it is renewed if the
 * program has used it, and when it has expired. While nothing ages, nothing is due.
 *
 * What was withdrawn meanwhile is found to be so when its time comes: a change of a subject has no
 * time for this.
 */
#include <string.h>
#include "accel/internal.h"
#include "clock.h"

/* A renewal comes a tenth of the time before the deadline, within these bounds. */
#define AHEAD_MIN (1 * NS_PER_SEC)
#define AHEAD_MAX (10 * NS_PER_SEC)

/* What is due about the same time is looked at together: renewals earlier, expiry later. */
#define RENEWAL_GRID (1ULL << 27)
#define EXPIRY_GRID  (1ULL << 30)

/* When an owner is busy with it: it is about to be renewed or withdrawn anyway. */
#define BUSY_DELAY (10 * NS_PER_MS)

/* In one turn, then others have theirs. */
#define PORTION 64

struct renewal {
	uint8_t request[COAX_HEADER_SIZE + COAX_KEY_MAX];
	size_t length;
	uint64_t deadline;
};

int accel_ageing_init(struct coax_accel *accel)
{
	struct accel_ageing *ageing = &accel->ageing;

	ageing->first = UINT64_MAX;
	return coax_timers_create(&ageing->timers, accel->slot_count);
}

void accel_ageing_destroy(struct coax_accel *accel)
{
	coax_timers_destroy(&accel->ageing.timers);
}

/* Holding the keeper's lock, after every change of the timers. */
static void note_first(struct accel_ageing *ageing)
{
	const struct coax_timer *first = coax_timers_first(&ageing->timers);

	__atomic_store_n(&ageing->first, first ? first->due : UINT64_MAX, __ATOMIC_RELAXED);
}

uint64_t coax_accel_due(const struct coax_accel *accel)
{
	return __atomic_load_n(&accel->ageing.first, __ATOMIC_RELAXED);
}

void coax_accel_call(struct coax_accel *accel, const struct coax_accel_calls *calls, void *arg)
{
	accel->ageing.calls = calls;
	accel->ageing.arg = arg;
}

static uint64_t renewal_due(uint64_t deadline, uint64_t now)
{
	uint64_t left = deadline > now ? deadline - now : 0;
	uint64_t ahead = left / 10;

	if (ahead < AHEAD_MIN)
		ahead = AHEAD_MIN;
	if (ahead > AHEAD_MAX)
		ahead = AHEAD_MAX;
	if (ahead > left / 2)
		ahead = left / 2;
	return (deadline - ahead) & ~(RENEWAL_GRID - 1);
}

static uint64_t expiry_due(uint64_t deadline)
{
	return (deadline + EXPIRY_GRID - 1) & ~(EXPIRY_GRID - 1);
}

void accel_ageing_start(struct accel_pair *pair, uint64_t deadline)
{
	struct coax_accel *accel = pair->accel;
	struct accel_ageing *ageing = &accel->ageing;
	bool sooner;

	pthread_mutex_lock(&accel->publisher.lock);
	coax_timer_start(&ageing->timers, &pair->ageing, renewal_due(deadline, accel_now()));
	note_first(ageing);
	sooner = coax_timers_first(&ageing->timers) == &pair->ageing;
	pthread_mutex_unlock(&accel->publisher.lock);
	if (sooner && ageing->calls)
		ageing->calls->due_sooner(ageing->arg);
}

void accel_ageing_stop(struct accel_pair *pair)
{
	struct accel_ageing *ageing = &pair->accel->ageing;

	coax_timer_stop(&ageing->timers, &pair->ageing);
	note_first(ageing);
}

/* The request as a message: a confirmable one without a token. */
static void take_request(struct renewal *renewal, const struct coax_slot *slot)
{
	const uint8_t header[COAX_HEADER_SIZE] = {COAX_VERSION << 6, slot->key_code};

	memcpy(renewal->request, header, sizeof(header));
	memcpy(renewal->request + sizeof(header), slot->key, slot->key_length);
	renewal->length = sizeof(header) + slot->key_length;
	renewal->deadline = accel_fresh_until(slot->deadline);
}

/* Holding the keeper's lock and the owner's. */
static void look_at(struct accel_pair *pair, uint64_t now, struct renewal *renewal)
{
	struct coax_slot *slot = pair->slot;

	if (accel_slot_is_withdrawn(slot) || slot->deadline == COAX_NEVER)
		return;
	if (now >= slot->deadline) {
		accel_slot_withdraw(slot);
		__atomic_store_n(&slot->used, 0, __ATOMIC_RELAXED);
		cds_list_move(&pair->node, &pair->owner->withdrawn);
		return;
	}
	coax_timer_start(&pair->accel->ageing.timers, &pair->ageing, expiry_due(slot->deadline));
	if (__atomic_exchange_n(&slot->used, 0, __ATOMIC_RELAXED))
		take_request(renewal, slot);
}

/* Look at the next one. Returns whether one was due; if it is to be renewed, renewal->length > 0.
 */
static bool look_at_next(struct coax_accel *accel, uint64_t now, struct renewal *renewal)
{
	struct accel_ageing *ageing = &accel->ageing;
	struct coax_timer *timer;
	struct accel_pair *pair;
	bool was_due;

	renewal->length = 0;
	pthread_mutex_lock(&accel->publisher.lock);
	timer = coax_timers_first(&ageing->timers);
	was_due = timer && timer->due <= now;
	if (was_due) {
		pair = caa_container_of(timer, struct accel_pair, ageing);
		coax_timer_stop(&ageing->timers, timer);
		if (pthread_mutex_trylock(&pair->owner->lock) == 0) {
			look_at(pair, now, renewal);
			pthread_mutex_unlock(&pair->owner->lock);
		} else {
			coax_timer_start(&ageing->timers, timer, now + BUSY_DELAY);
		}
		note_first(ageing);
	}
	pthread_mutex_unlock(&accel->publisher.lock);
	return was_due;
}

void coax_accel_age(struct coax_accel *accel, uint64_t now)
{
	const struct coax_accel_calls *calls = accel->ageing.calls;
	struct renewal renewal;

	if (now < coax_accel_due(accel))
		return;
	for (int i = 0; i < PORTION && look_at_next(accel, now, &renewal); i++)
		if (renewal.length && calls)
			calls->renew(accel->ageing.arg, renewal.request, renewal.length,
				     renewal.deadline);
}
