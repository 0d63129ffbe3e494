// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include "accel/internal.h"

int coax_subject_create(struct coax_subject **subject)
{
	static uint64_t last_id;
	struct coax_subject *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	s->references = 1;
	CDS_INIT_LIST_HEAD(&s->published);
	CDS_INIT_LIST_HEAD(&s->withdrawn);
	CDS_INIT_LIST_HEAD(&s->watches);
	*subject = s;
	return 0;
}

struct coax_subject *coax_subject_get(struct coax_subject *subject)
{
	__atomic_add_fetch(&subject->references, 1, __ATOMIC_RELAXED);
	return subject;
}

static void subject_free(struct rcu_head *head)
{
	struct coax_subject *subject = caa_container_of(head, struct coax_subject, rcu);

	coax_taken_over(subject);
	coax_readers_are_gone();
	pthread_mutex_destroy(&subject->lock);
	free(subject);
}

static void withdraw_all(struct coax_subject *subject)
{
	struct accel_pair *pair;

	while (!cds_list_empty(&subject->published)) {
		pair = cds_list_first_entry(&subject->published, struct accel_pair, node);
		accel_slot_withdraw(pair->slot);
		cds_list_move(&pair->node, &subject->withdrawn);
	}
}

void coax_subject_put(struct coax_subject *subject)
{
	if (!subject || __atomic_sub_fetch(&subject->references, 1, __ATOMIC_ACQ_REL))
		return;

	pthread_mutex_lock(&subject->lock);
	subject->dead = true;
	withdraw_all(subject);
	while (!cds_list_empty(&subject->withdrawn))
		accel_pair_release(
			cds_list_first_entry(&subject->withdrawn, struct accel_pair, node));
	pthread_mutex_unlock(&subject->lock);
	coax_handing_over(subject);
	call_rcu(&subject->rcu, subject_free);
}

uint64_t coax_subject_generation(const struct coax_subject *subject)
{
	return __atomic_load_n(&subject->generation, __ATOMIC_ACQUIRE);
}

void coax_subject_changed(struct coax_subject *subject)
{
	struct coax_subject_watch *watch;

	pthread_mutex_lock(&subject->lock);
	__atomic_store_n(&subject->generation, subject->generation + 1, __ATOMIC_RELEASE);
	withdraw_all(subject);
	/* Visible to the program on every CPU before the change is acknowledged. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	cds_list_for_each_entry (watch, &subject->watches, node)
		watch->changed(watch);
	pthread_mutex_unlock(&subject->lock);
}

void coax_subject_watch(struct coax_subject *subject, struct coax_subject_watch *watch)
{
	watch->subject = coax_subject_get(subject);
	pthread_mutex_lock(&subject->lock);
	cds_list_add_tail(&watch->node, &subject->watches);
	pthread_mutex_unlock(&subject->lock);
}

void coax_subject_unwatch(struct coax_subject_watch *watch)
{
	struct coax_subject *subject = watch->subject;

	if (!subject)
		return;
	pthread_mutex_lock(&subject->lock);
	cds_list_del(&watch->node);
	pthread_mutex_unlock(&subject->lock);
	watch->subject = NULL;
	coax_subject_put(subject);
}

bool coax_subject_is_watched(struct coax_subject *subject)
{
	bool watched;

	pthread_mutex_lock(&subject->lock);
	watched = !cds_list_empty(&subject->watches);
	pthread_mutex_unlock(&subject->lock);
	return watched;
}

bool coax_subject_is_used(struct coax_subject *subject)
{
	struct accel_pair *pair;
	bool used = false;

	pthread_mutex_lock(&subject->lock);
	cds_list_for_each_entry (pair, &subject->published, node)
		used |= __atomic_load_n(&pair->slot->used, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&subject->lock);
	return used;
}

int coax_subject_notify(struct coax_subject *subject, const struct coax_message *response,
			bool last)
{
	struct coax_subject_watch *watch;
	int result = 0, err;

	pthread_mutex_lock(&subject->lock);
	cds_list_for_each_entry (watch, &subject->watches, node) {
		err = watch->notify(watch, response, last);
		if (err)
			result = err;
	}
	pthread_mutex_unlock(&subject->lock);
	return result;
}
