// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whose slot is taken when there is no free one. It ends after a bounded number of steps, with or
 * without a slot, and waits for no lock: who publishes is never kept.
 */
#include "accel/internal.h"

/* What one publisher does at most to find a slot: looks for withdrawn ones, steps of the clock. */
#define SEEK_STEPS  32
#define CLOCK_STEPS 128

/* A subject that has more than this part of the slots gives up its own first... */
#define SUBJECT_PART 4
/* ... and errors have this part at most: anybody can ask for what does not exist. */
#define ERROR_PART 8

bool accel_pair_take_away(struct accel_pair *pair, const struct coax_subject *held)
{
	/* It cannot be freed while it has a pair: for that it needs the keeper's lock. */
	struct coax_subject *owner = pair->owner;

	if (owner != held && pthread_mutex_trylock(&owner->lock) != 0)
		return false;
	accel_pair_drop(pair);
	if (owner != held)
		pthread_mutex_unlock(&owner->lock);
	return true;
}

static struct accel_pair *step(struct accel_publisher *p, uint32_t *hand)
{
	struct accel_pair *pair = &p->pairs[*hand];

	*hand = (*hand + 1) % p->count;
	return pair;
}

static bool is_used(const struct accel_pair *pair)
{
	return __atomic_load_n(&pair->slot->used, __ATOMIC_RELAXED);
}

/* Whether the program has used it since this was asked last. */
static bool was_used(struct accel_pair *pair)
{
	return is_used(pair) && __atomic_exchange_n(&pair->slot->used, 0, __ATOMIC_RELAXED);
}

static bool evict_withdrawn(struct accel_publisher *p, const struct coax_subject *held)
{
	for (int i = 0; i < SEEK_STEPS; i++) {
		struct accel_pair *pair = step(p, &p->seek);

		if (pair->owner && accel_slot_is_withdrawn(pair->slot) &&
		    accel_pair_take_away(pair, held))
			return true;
	}
	return false;
}

/* A clock: those that the program used since the hand last passed get another round. */
static bool evict_unused(struct accel_publisher *p, const struct coax_subject *held)
{
	for (int i = 0; i < CLOCK_STEPS; i++) {
		struct accel_pair *pair = step(p, &p->hand);

		if (pair->owner && !was_used(pair) && accel_pair_take_away(pair, held))
			return true;
	}
	return false;
}

/* The same among the subject's own, of which there are some: the oldest one first. */
static bool evict_own(struct coax_subject *subject)
{
	struct cds_list_head *list = &subject->published;
	struct accel_pair *pair;

	if (cds_list_empty(list))
		list = &subject->withdrawn;
	pair = cds_list_entry(list->prev, struct accel_pair, node);
	for (int i = 0; i < CLOCK_STEPS && was_used(pair); i++) {
		cds_list_move(&pair->node, list);
		pair = cds_list_entry(list->prev, struct accel_pair, node);
	}
	accel_pair_drop(pair);
	return true;
}

static bool evict_error(struct accel_publisher *p, const struct coax_subject *held)
{
	for (int i = 0; i < CLOCK_STEPS && !cds_list_empty(&p->errors); i++) {
		struct accel_pair *pair = cds_list_entry(p->errors.prev, struct accel_pair, error);

		bool stays = !accel_slot_is_withdrawn(pair->slot) && was_used(pair);

		cds_list_move(&pair->error, &p->errors);
		if (stays && i + 1 < CLOCK_STEPS)
			continue;
		if (accel_pair_take_away(pair, held))
			return true;
	}
	return false;
}

/* What errors take of others was not used, nor does the hand of the clock move for them. */
static bool evict_for_error(struct accel_publisher *p, const struct coax_subject *held)
{
	for (int i = 0; i < SEEK_STEPS; i++) {
		struct accel_pair *pair = step(p, &p->seek);

		if (pair->owner && !is_used(pair) && accel_pair_take_away(pair, held))
			return true;
	}
	return evict_error(p, held);
}

bool accel_make_room(struct accel_publisher *p, struct coax_subject *subject, bool is_error)
{
	if (is_error && p->error_count >= p->count / ERROR_PART)
		return evict_error(p, subject);
	if (!cds_list_empty(&p->free) || evict_withdrawn(p, subject))
		return true;
	if (is_error)
		return evict_for_error(p, subject);
	if (subject->pairs > p->count / SUBJECT_PART)
		return evict_own(subject);
	return evict_unused(p, subject);
}
