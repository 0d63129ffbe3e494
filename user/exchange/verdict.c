// SPDX-License-Identifier: BSD-2-Clause
/*
 * Verdicts: what take_duplicate() would do, for somebody who meets duplicates before this layer.
 */
#include "internal.h"

/* Whether duplicates get something, or nothing, that somebody else can give to them. */
static bool is_repeatable(const struct coax_seen *seen)
{
	if (seen->state == COAX_SEEN_HELD || seen->acknowledged)
		return true;
	if (coax_seen_may_run_again(seen))
		return false;
	return !seen->confirmable || seen->reply_length;
}

static void withdraw(struct coax_exchange *exchange, const struct coax_path *path,
		     struct coax_seen *seen)
{
	const struct coax_verdict verdict = {
		.id = seen->id, .withdrawn = true, .digest = seen->bytes};

	seen->told = false;
	exchange->ops->verdict(exchange->arg, path, &verdict);
}

void coax_exchange_withdraw_verdict(struct coax_exchange *exchange, const struct coax_path *path,
				    struct coax_seen *seen)
{
	if (seen->told)
		withdraw(exchange, path, seen);
}

/* What is held ends with its handler's patience, which is told like any other answer. */
static uint64_t expires(const struct coax_exchange *exchange, const struct coax_seen *seen)
{
	return seen->state == COAX_SEEN_HELD ? exchange->now + COAX_EXCHANGE_LIFETIME_MS * NS_PER_MS
					     : seen->expires;
}

void coax_exchange_tell_verdict(struct coax_exchange *exchange, const struct coax_path *path,
				struct coax_seen *seen)
{
	uint8_t empty[COAX_HEADER_SIZE];
	struct coax_message acknowledgement;
	struct coax_verdict verdict;

	/* What is known of a secure session stays here. */
	if (!exchange->ops->verdict || path->session || coax_address_is_multicast(&path->local))
		return;
	if (!is_repeatable(seen)) {
		coax_exchange_withdraw_verdict(exchange, path, seen);
		return;
	}
	verdict = (struct coax_verdict){
		.id = seen->id,
		.held = seen->state == COAX_SEEN_HELD,
		.digest = seen->bytes,
		.expires = expires(exchange, seen),
	};
	if (seen->acknowledged) {
		coax_message_start(&acknowledgement, empty, sizeof(empty), COAX_TYPE_ACK,
				   COAX_EMPTY, seen->id, NULL, 0);
		verdict.reply = empty;
		verdict.reply_length = sizeof(empty);
	} else if (!verdict.held && seen->reply_length) {
		verdict.reply = coax_duplicates_reply(&exchange->duplicates, seen);
		verdict.reply_length = seen->reply_length;
	}
	seen->told = true;
	exchange->ops->verdict(exchange->arg, path, &verdict);
}
