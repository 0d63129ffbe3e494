// SPDX-License-Identifier: BSD-2-Clause
/*
 * Notifications (RFC 7641 section 4.5): one unacknowledged confirmable message an observer, whose
 * repetitions carry the newest state.
 */
#include <errno.h>
#include "internal.h"
#include "memory.h"
#include "retransmit.h"

/* Between non-confirmable ones where the round-trip time is not known (section 4.5.1). */
#define INTERVAL_UNKNOWN (3 * NS_PER_SEC)

static size_t table_size(const struct coax_exchange *exchange)
{
	return exchange->notice_chains * sizeof(struct cds_hlist_head);
}

int coax_notices_create(struct coax_exchange *exchange)
{
	int err;

	exchange->notice_chains = coax_hash_buckets(exchange->tuning.observers_max);
	err = coax_memory_map((void **)&exchange->notices_by_remote, table_size(exchange));
	if (!err)
		err = coax_memory_map((void **)&exchange->notices_by_id, table_size(exchange));
	return err;
}

void coax_notices_destroy(struct coax_exchange *exchange)
{
	coax_memory_unmap(exchange->notices_by_id, table_size(exchange));
	coax_memory_unmap(exchange->notices_by_remote, table_size(exchange));
}

static struct cds_hlist_head *remote_chain(struct coax_exchange *exchange,
					   const struct coax_path *path)
{
	return &exchange->notices_by_remote[coax_exchange_hash_peer(exchange, path) &
					    (exchange->notice_chains - 1)];
}

static struct cds_hlist_head *id_chain(struct coax_exchange *exchange, const struct coax_path *path,
				       uint16_t id)
{
	return &exchange->notices_by_id[(coax_exchange_hash_peer(exchange, path) + id) &
					(exchange->notice_chains - 1)];
}

static struct coax_notice *notice_of(struct coax_notice_message *message)
{
	return caa_container_of(message - message->at, struct coax_notice, messages[0]);
}

static struct coax_notice_message *latest(struct coax_notice *notice)
{
	return &notice->messages[notice->latest];
}

static struct coax_notice_message *find(struct coax_exchange *exchange,
					const struct coax_path *path, uint16_t id)
{
	struct cds_hlist_node *node = id_chain(exchange, path, id)->next;

	for (; node; node = node->next) {
		struct coax_notice_message *message =
			caa_container_of(node, struct coax_notice_message, by_id);

		if (message->id == id && coax_path_same_peer(&notice_of(message)->path, path))
			return message;
	}
	return NULL;
}

static void unlist(struct coax_notice_message *message)
{
	if (message->listed)
		cds_hlist_del(&message->by_id);
	message->listed = false;
}

static void begin_message(struct coax_exchange *exchange, struct coax_notice *notice)
{
	const struct coax_path *path = &notice->path;
	struct coax_notice_message *message;

	notice->latest = !notice->latest;
	message = latest(notice);
	unlist(message);
	message->id = coax_transmission_next_id(exchange, path);
	message->listed = true;
	cds_hlist_add_head(&message->by_id, id_chain(exchange, path, message->id));
	notice->sent = exchange->now;
}

int coax_exchange_notice_add(struct coax_exchange *exchange, struct coax_notice *notice)
{
	if (exchange->notices == exchange->tuning.observers_max)
		return -ENOBUFS;
	exchange->notices++;
	notice->added = true;
	notice->messages[1].at = 1;
	cds_hlist_add_head(&notice->by_remote, remote_chain(exchange, &notice->path));
	return 0;
}

static void settle(struct coax_exchange *exchange, struct coax_notice *notice)
{
	notice->unacknowledged = false;
	coax_timer_stop(&exchange->timers, &notice->timer);
}

static void forget_messages(struct coax_exchange *exchange, struct coax_notice *notice)
{
	settle(exchange, notice);
	unlist(&notice->messages[0]);
	unlist(&notice->messages[1]);
}

void coax_exchange_notice_remove(struct coax_exchange *exchange, struct coax_notice *notice)
{
	if (!notice->added)
		return;
	forget_messages(exchange, notice);
	cds_hlist_del(&notice->by_remote);
	notice->added = false;
	exchange->notices--;
}

static void lose(struct coax_exchange *exchange, struct coax_notice *notice, int result)
{
	forget_messages(exchange, notice);
	exchange->ops->notified(exchange->arg, notice, result);
}

static void transmit(struct coax_exchange *exchange, struct coax_notice *notice, uint8_t *data,
		     size_t length, enum coax_type type)
{
	struct coax_message message = {.data = data};

	coax_message_set_type(&message, type);
	coax_message_set_id(&message, latest(notice)->id);
	coax_exchange_send(exchange, &notice->path, data, length);
}

/* Of all but type and message ID. */
static uint64_t hash_content(const struct coax_exchange *exchange, const uint8_t *data,
			     size_t length)
{
	return coax_hash(&exchange->key, data + COAX_HEADER_SIZE, length - COAX_HEADER_SIZE) +
	       data[1];
}

static void repeat(struct coax_exchange *exchange, struct coax_notice *notice)
{
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	size_t length = exchange->ops->compose(exchange->arg, notice, buffer);
	uint64_t content;

	if (!length) {
		settle(exchange, notice);
		exchange->ops->notified(exchange->arg, notice, 0);
		return;
	}
	/* Section 4.5.2: another state is another message, on the same retransmission schedule. */
	content = hash_content(exchange, buffer, length);
	if (content != notice->content) {
		notice->content = content;
		begin_message(exchange, notice);
	}
	coax_count(exchange->stats, retransmissions);
	coax_exchange_inform(exchange, "retransmission to", &notice->path, latest(notice)->id);
	transmit(exchange, notice, buffer, length, COAX_TYPE_CON);
}

static void due(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_notice *notice = caa_container_of(timer, struct coax_notice, timer);

	switch (coax_backoff_due(exchange, &notice->backoff, timer)) {
	case COAX_BACKOFF_SEND:
		repeat(exchange, notice);
		break;
	case COAX_BACKOFF_SKIP:
		break;
	case COAX_BACKOFF_OVER:
		coax_count(exchange->stats, timeouts);
		coax_exchange_inform(exchange, "no acknowledgement from", &notice->path,
				     latest(notice)->id);
		lose(exchange, notice, -ETIMEDOUT);
		break;
	}
}

static bool wants_confirmation(const struct coax_exchange *exchange,
			       const struct coax_notice *notice, enum coax_notify how)
{
	uint64_t interval = notice->rtt_us ? notice->rtt_us * 1000ULL : INTERVAL_UNKNOWN;

	if (how == COAX_NOTIFY_RELIABLE || !notice->confirmable_sent)
		return true;
	if (exchange->now - notice->confirmable_sent >=
	    exchange->tuning.notify_confirm_ms * NS_PER_MS)
		return true;
	return how == COAX_NOTIFY_DEFAULT && exchange->now - notice->sent < interval;
}

int coax_exchange_notify(struct coax_exchange *exchange, uint64_t now, struct coax_notice *notice,
			 enum coax_notify how)
{
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	bool confirmable;
	size_t length;

	exchange->now = now;
	if (!notice->added)
		return -EINVAL;
	if (notice->unacknowledged)
		return -EBUSY;
	length = exchange->ops->compose(exchange->arg, notice, buffer);
	if (!length)
		return 0;

	confirmable = wants_confirmation(exchange, notice, how);
	begin_message(exchange, notice);
	if (confirmable) {
		notice->unacknowledged = true;
		notice->confirmable_sent = now;
		notice->content = hash_content(exchange, buffer, length);
		notice->timer.fire = due;
		coax_backoff_begin(exchange, &notice->backoff, &notice->timer);
	}
	coax_count(exchange->stats, notifications);
	transmit(exchange, notice, buffer, length, confirmable ? COAX_TYPE_CON : COAX_TYPE_NON);
	return 0;
}

bool coax_notice_awaits(struct coax_exchange *exchange, const struct coax_path *path, uint16_t id)
{
	struct coax_notice_message *message = find(exchange, path, id);

	return message && notice_of(message)->unacknowledged;
}

/* Only of what has not been repeated is it known which transmission an ACK is to. */
static void measure(const struct coax_exchange *exchange, struct coax_notice *notice)
{
	uint64_t sample = (exchange->now - notice->sent) / 1000 + 1;

	if (notice->backoff.retransmitted || sample > UINT32_MAX)
		return;
	notice->rtt_us = notice->rtt_us ? (uint32_t)((7ULL * notice->rtt_us + sample) / 8)
					: (uint32_t)sample;
}

bool coax_notice_acknowledged(struct coax_exchange *exchange, const struct coax_path *path,
			      uint16_t id)
{
	struct coax_notice_message *message = find(exchange, path, id);
	struct coax_notice *notice;

	if (!message)
		return false;
	notice = notice_of(message);
	if (!notice->unacknowledged)
		return false;
	if (message != latest(notice)) {
		/* It has not got the newest state yet, but is there: that gets all of its tries. */
		if (notice->backoff.retransmitted)
			coax_backoff_begin(exchange, &notice->backoff, &notice->timer);
		return true;
	}
	measure(exchange, notice);
	settle(exchange, notice);
	exchange->ops->notified(exchange->arg, notice, 0);
	return true;
}

bool coax_notice_reset(struct coax_exchange *exchange, const struct coax_path *path, uint16_t id)
{
	struct coax_notice_message *message = find(exchange, path, id);

	if (!message)
		return false;
	coax_exchange_inform(exchange, "notification reset by", path, id);
	lose(exchange, notice_of(message), -ECONNRESET);
	return true;
}

/* Whoever is told may remove others, and need not remove this one: each is told once. */
void coax_notices_network_error(struct coax_exchange *exchange, const struct coax_path *path,
				int result)
{
	struct cds_hlist_head *chain = remote_chain(exchange, path);
	CDS_HLIST_HEAD(victims);
	struct cds_hlist_node *node, *next;

	for (node = chain->next; node; node = next) {
		struct coax_notice *notice = caa_container_of(node, struct coax_notice, by_remote);

		next = node->next;
		if (!coax_path_same_peer(&notice->path, path))
			continue;
		cds_hlist_del(node);
		cds_hlist_add_head(node, &victims);
	}
	while ((node = victims.next)) {
		cds_hlist_del(node);
		cds_hlist_add_head(node, chain);
		lose(exchange, caa_container_of(node, struct coax_notice, by_remote), result);
	}
}
