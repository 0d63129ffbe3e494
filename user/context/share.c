// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sending to the members of an audience that are one worker's. Each has at most one notification
 * unacknowledged; who has to wait for that keeps nobody else waiting.
 */
#include <stdlib.h>
#include <string.h>
#include "audience.h"
#include "blocks.h"
#include "rcu.h"

/* Members in one turn, then others have theirs. */
#define PORTION 256

static void run(struct coax_worker *worker, struct coax_work *work);

struct coax_share *coax_audience_share(struct coax_audience *audience, struct coax_worker *worker)
{
	struct coax_share *share;

	pthread_mutex_lock(&audience->lock);
	for (share = audience->shares; share; share = share->next)
		if (share->worker == worker)
			goto out;
	share = calloc(1, sizeof(*share));
	if (!share)
		goto out;
	share->work.run = run;
	share->audience = audience;
	share->worker = worker;
	CDS_INIT_LIST_HEAD(&share->ready);
	CDS_INIT_LIST_HEAD(&share->waiting);
	share->next = audience->shares;
	audience->shares = share;
out:
	pthread_mutex_unlock(&audience->lock);
	return share;
}

void coax_share_post(struct coax_share *share)
{
	if (share->posted || !share->count)
		return;
	share->posted = true;
	coax_audience_get(share->audience);
	coax_worker_post(share->worker, &share->work);
}

/* Holding audience->lock. */
static void refresh(struct coax_share *share)
{
	struct coax_notification *latest = share->audience->latest;

	if (share->current == latest)
		return;
	coax_notification_put(share->current);
	share->current = coax_notification_get(latest);
}

static bool is_up_to_date(const struct coax_member *member)
{
	const struct coax_notification *current = member->share->current;

	return !current || member->version == current->version;
}

/*
 * Strictly increasing for each observer, and not too fast (section 4.4): about the milliseconds of
 * the clock, so that a Context that was started anew, or another audience, goes on above.
 */
static void count_up(struct coax_member *member, uint64_t now)
{
	uint32_t clock = (uint32_t)(now >> 20);

	member->number++;
	if ((int32_t)(clock - member->number) > 0)
		member->number = clock;
}

/* What the latest notification is to who was answered with `responder`. */
enum relation {
	RELATION_OLDER, /* or the same */
	RELATION_NEWER,
	RELATION_UNKNOWN,
};

/* Holding audience->lock. */
static enum relation compare(const struct coax_audience *audience,
			     const struct coax_responder *responder)
{
	const struct coax_notification *latest = audience->latest;

	/* An observer of its own has been triggered since it was accepted. */
	if (latest && (latest->last || audience->observer))
		return RELATION_NEWER;
	if (audience->observer)
		return RELATION_OLDER;
	if (responder->subject != audience->state.subject)
		return RELATION_UNKNOWN;
	return latest && responder->generation < audience->state.generation ? RELATION_NEWER
									    : RELATION_OLDER;
}

void coax_share_answered(struct coax_member *member, const struct coax_responder *responder,
			 uint64_t now)
{
	struct coax_share *share = member->share;
	struct coax_audience *audience = share->audience;
	enum relation latest;

	pthread_mutex_lock(&audience->lock);
	refresh(share);
	latest = compare(audience, responder);
	if (latest == RELATION_NEWER)
		coax_share_post(share);
	pthread_mutex_unlock(&audience->lock);

	count_up(member, now);
	member->version = share->current ? share->current->version : 0;
	if (latest == RELATION_NEWER)
		member->version--;
	if (latest == RELATION_UNKNOWN)
		coax_audience_outdated(audience);
	if (member->notice.unacknowledged)
		return;
	cds_list_del(&member->node);
	if (latest == RELATION_NEWER)
		cds_list_add(&member->node, &share->ready);
	else
		cds_list_add_tail(&member->node, &share->ready);
}

static enum coax_notify how(const struct coax_share *share)
{
	if (share->current->last || share->audience->how == COAX_RELIABLE)
		return COAX_NOTIFY_RELIABLE;
	if (share->audience->how == COAX_UNRELIABLE)
		return COAX_NOTIFY_UNRELIABLE;
	return COAX_NOTIFY_DEFAULT;
}

/* The blocks that it will ask for are of this notification, not of what it was in the middle of. */
static void forget_former_blocks(const struct coax_member *member)
{
	const struct coax_audience *audience = member->share->audience;
	struct coax_message request;

	/* It was parsed before. */
	(void)coax_message_parse(&request, audience->request, audience->request_length);
	coax_blocks_forget(member->share->worker->blocks, &member->notice.path, &request);
}

/* What `member` gets now is the newest. */
static void bring_up_to_date(struct coax_member *member)
{
	const struct coax_notification *current = member->share->current;

	if (is_up_to_date(member))
		return;
	member->version = current->version;
	count_up(member, member->share->worker->now);
	if (current->in_blocks && !member->pipe)
		forget_former_blocks(member);
}

static void notify(struct coax_member *member)
{
	struct coax_share *share = member->share;
	struct coax_worker *worker = share->worker;

	cds_list_del(&member->node);
	if (member->pipe) {
		cds_list_add_tail(&member->node, &share->ready);
		bring_up_to_date(member);
		coax_pipe_deliver(member->pipe, share->current, member->number);
		return;
	}
	/* It is a member, so it has been added, and what it waits for it waits for elsewhere. */
	(void)coax_exchange_notify(worker->exchange, worker->now, &member->notice, how(share));
	cds_list_add_tail(&member->node,
			  member->notice.unacknowledged ? &share->waiting : &share->ready);
}

static void run(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_share *share = caa_container_of(work, struct coax_share, work);
	struct coax_audience *audience = share->audience;
	int sent = 0;

	(void)worker;
	pthread_mutex_lock(&audience->lock);
	share->posted = false;
	refresh(share);
	pthread_mutex_unlock(&audience->lock);

	while (!cds_list_empty(&share->ready)) {
		struct coax_member *member =
			cds_list_first_entry(&share->ready, struct coax_member, node);

		if (is_up_to_date(member))
			break;
		if (sent++ == PORTION) {
			pthread_mutex_lock(&audience->lock);
			coax_share_post(share);
			pthread_mutex_unlock(&audience->lock);
			break;
		}
		notify(member);
	}
	coax_audience_put(audience);
}

size_t coax_observers_compose(void *worker, struct coax_notice *notice, uint8_t *buffer)
{
	struct coax_member *member = caa_container_of(notice, struct coax_member, notice);

	(void)worker;
	bring_up_to_date(member);
	return coax_notification_write(member->share->current, notice->token, notice->token_length,
				       member->number, buffer);
}

static void lose(struct coax_worker *worker, struct coax_member *member, int result)
{
	char address[COAX_ADDRESS_TEXT_MAX];

	coax_count(&worker->stats, observers_lost);
	if (coax_log_wants(&worker->context->logger, COAX_LOG_INFO))
		coax_log(&worker->context->logger, COAX_LOG_INFO, "observer %s is lost: %s",
			 coax_address_format(&member->notice.path.remote, address),
			 strerror(-result));
	coax_member_remove(member);
}

void coax_observers_notified(void *arg, struct coax_notice *notice, int result)
{
	struct coax_member *member = caa_container_of(notice, struct coax_member, notice);
	struct coax_share *share = member->share;

	if (result) {
		lose(arg, member, result);
	} else if (!is_up_to_date(member)) {
		notify(member);
	} else if (share->current && share->current->last) {
		coax_member_remove(member);
	} else {
		cds_list_del(&member->node);
		cds_list_add_tail(&member->node, &share->ready);
	}
}
