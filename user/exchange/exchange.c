// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "retransmit.h"

/* Fewer make no table. */
#define EXCHANGES_MIN 16

/* Doubling the interval more often than this makes no sense. */
#define MAX_RETRANSMIT_MAX     20

#define ACK_RANDOM_PERCENT_MAX 1000

/* ACK_TIMEOUT doubled so often, in ns times percent: with more the sums would wrap. */
#define BACKOFF_MS_MAX (UINT64_MAX / NS_PER_MS / ACK_RANDOM_PERCENT_MAX)

/* Timers that fire in one tick: 100000 observers that do not answer keep nobody else waiting. */
#define TICK_TIMERS 1024

/* RFC 8974 section 2.1: a token length that says nothing. */
#define TOKEN_FIELD_RESERVED 15

static bool tuning_is_sound(const struct coax_tuning *tuning)
{
	return tuning->ack_timeout_ms && tuning->ack_random_percent >= 100 &&
	       tuning->ack_random_percent <= ACK_RANDOM_PERCENT_MAX &&
	       tuning->max_retransmit <= MAX_RETRANSMIT_MAX &&
	       (uint64_t)tuning->ack_timeout_ms << tuning->max_retransmit <= BACKOFF_MS_MAX &&
	       tuning->exchanges_max <= UINT32_MAX / 4 && tuning->deferred_max <= UINT32_MAX / 8 &&
	       tuning->observers_max <= UINT32_MAX / 8 &&
	       tuning->observations_max <= UINT32_MAX / 8;
}

static void complete_tuning(struct coax_tuning *tuning)
{
	if (tuning->exchanges_max < EXCHANGES_MIN)
		tuning->exchanges_max = EXCHANGES_MIN;
	if (!tuning->deferred_max)
		tuning->deferred_max = 1;
	if (!tuning->observers_max)
		tuning->observers_max = 131072;
	if (!tuning->observations_max)
		tuning->observations_max = 4096;
	if (!tuning->leisure_ms)
		tuning->leisure_ms = COAX_DEFAULT_LEISURE_MS;
	if (!tuning->nstart)
		tuning->nstart = 1;
	if (tuning->nstart_max < tuning->nstart)
		tuning->nstart_max = tuning->nstart;
	if (!tuning->probing_rate)
		tuning->probing_rate = 1;
	if (!tuning->notify_confirm_ms)
		tuning->notify_confirm_ms = 3600000;
}

static uint32_t timers_max(const struct coax_tuning *tuning)
{
	return tuning->deferred_max + COAX_DELAYED_MAX + COAX_PROBE_SETS * COAX_PROBE_WAYS +
	       2 * COAX_PENDING_MAX + tuning->observations_max + tuning->observers_max;
}

static int create_keys(struct coax_exchange *exchange, uint32_t seed)
{
	int err;

	if (!seed) {
		err = coax_hash_key_random(&exchange->key);
		return err ? err : coax_hash_key_random(&exchange->secret);
	}
	memcpy(exchange->key.bytes, &seed, sizeof(seed));
	memcpy(exchange->secret.bytes, &seed, sizeof(seed));
	exchange->secret.bytes[sizeof(seed)] = 1;
	return 0;
}

static void make_digest(struct coax_exchange *exchange, const struct coax_digest_secret *given)
{
	struct coax_digest_secret *own = &exchange->own_digest;

	exchange->digest = given ? given : own;
	if (given)
		return;
	for (size_t i = 0; i < sizeof(own->end) / sizeof(own->end[0]); i++)
		own->end[i] = coax_exchange_draw(exchange);
	for (size_t i = 0; i < sizeof(own->words) / sizeof(own->words[0]); i++)
		own->words[i] = coax_exchange_draw(exchange);
}

int coax_exchange_create(struct coax_exchange **result, const struct coax_exchange_options *options)
{
	struct coax_exchange *exchange;
	int err;

	if (!tuning_is_sound(&options->tuning))
		return -EINVAL;
	exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return -ENOMEM;
	exchange->ops = options->ops;
	exchange->arg = options->arg;
	exchange->tuning = options->tuning;
	exchange->logger = options->logger;
	exchange->stats = options->stats;
	complete_tuning(&exchange->tuning);
	CDS_INIT_LIST_HEAD(&exchange->awaiting_ack);
	CDS_INIT_LIST_HEAD(&exchange->awaiting_handler);

	err = create_keys(exchange, options->seed);
	if (err)
		goto out;
	make_digest(exchange, options->digest);
	for (int i = 0; i < COAX_ID_GROUPS; i++)
		exchange->next_id[i] = (uint16_t)coax_exchange_draw(exchange);
	err = coax_duplicates_create(&exchange->duplicates, exchange->tuning.exchanges_max);
	if (!err)
		err = coax_timers_create(&exchange->timers, timers_max(&exchange->tuning));
	if (!err)
		err = coax_responses_create(exchange);
	if (!err)
		err = coax_leisure_create(exchange);
	if (!err)
		err = coax_requests_create(exchange);
	if (!err)
		err = coax_notices_create(exchange);
out:
	if (err)
		coax_exchange_destroy(exchange);
	else
		*result = exchange;
	return err;
}

void coax_exchange_destroy(struct coax_exchange *exchange)
{
	exchange->closing = true;
	coax_transmissions_end_all(exchange, -ESHUTDOWN);
	coax_requests_end_all(exchange, -ESHUTDOWN);
	coax_notices_destroy(exchange);
	coax_requests_destroy(exchange);
	coax_leisure_destroy(exchange);
	coax_responses_destroy(exchange);
	coax_timers_destroy(&exchange->timers);
	coax_duplicates_destroy(&exchange->duplicates);
	free(exchange);
}

uint64_t coax_exchange_draw(struct coax_exchange *exchange)
{
	exchange->drawn++;
	return coax_hash(&exchange->secret, &exchange->drawn, sizeof(exchange->drawn));
}

void coax_exchange_send(struct coax_exchange *exchange, const struct coax_path *path,
			const uint8_t *data, size_t length)
{
	coax_exchange_trace(exchange, "to", path, data, length);
	exchange->ops->send(exchange->arg, path, data, length);
}

void coax_exchange_send_empty(struct coax_exchange *exchange, const struct coax_path *path,
			      enum coax_type type, uint16_t id)
{
	uint8_t data[COAX_HEADER_SIZE];
	struct coax_message message;

	coax_message_start(&message, data, sizeof(data), type, COAX_EMPTY, id, NULL, 0);
	if (type == COAX_TYPE_RST)
		coax_count(exchange->stats, resets_out);
	coax_exchange_send(exchange, path, data, message.length);
}

void coax_exchange_reject(struct coax_exchange *exchange, const struct coax_path *path,
			  const struct coax_message *message)
{
	if (coax_message_type(message) == COAX_TYPE_CON && !coax_address_is_multicast(&path->local))
		coax_exchange_send_empty(exchange, path, COAX_TYPE_RST, coax_message_id(message));
}

static void count_malformed(struct coax_context_stats *stats, enum coax_flaw flaw)
{
	coax_count(stats, malformed);
	switch (flaw) {
	case COAX_FLAW_SHORT:
		coax_count(stats, malformed_short);
		break;
	case COAX_FLAW_TOKEN:
		coax_count(stats, malformed_token);
		break;
	case COAX_FLAW_EMPTY:
		coax_count(stats, malformed_empty);
		break;
	case COAX_FLAW_OPTIONS:
		coax_count(stats, malformed_options);
		break;
	case COAX_FLAW_MARKER:
		coax_count(stats, malformed_marker);
		break;
	case COAX_FLAW_NONE:
	case COAX_FLAW_VERSION:
		break;
	}
}

static void take_malformed(struct coax_exchange *exchange, const struct coax_path *path,
			   const struct coax_message *message, int err)
{
	if (err == -EPROTONOSUPPORT) {
		coax_count(exchange->stats, ignored);
		coax_count(exchange->stats, ignored_version);
		return;
	}
	count_malformed(exchange->stats, message->flaw);
	coax_exchange_warn(exchange, "malformed message from", message->error, path);
	if (err == -EBADMSG)
		coax_exchange_reject(exchange, path, message);
}

static void take_reset(struct coax_exchange *exchange, const struct coax_path *path,
		       const struct coax_message *message)
{
	uint16_t id = coax_message_id(message);
	struct coax_transmission *transmission;

	coax_count(exchange->stats, resets_in);
	transmission = coax_transmission_find(exchange, path, id);
	if (transmission) {
		coax_exchange_inform(exchange, "reset by", path, id);
		coax_probe_responded(exchange, path);
		transmission->ended(exchange, transmission, -ECONNRESET);
		return;
	}
	if (coax_notice_reset(exchange, path, id))
		return;
	/* A NON response had its request's message ID. */
	if (coax_duplicates_find(&exchange->duplicates,
				 coax_exchange_hash_message(exchange, path, id), exchange->now))
		coax_exchange_inform(exchange, "response reset by", path, id);
	else
		coax_exchange_ignore(exchange, "unmatched RST from", path, message);
}

static void take_empty(struct coax_exchange *exchange, const struct coax_path *path,
		       const struct coax_message *message)
{
	switch (coax_message_type(message)) {
	case COAX_TYPE_CON:
		coax_count(exchange->stats, pings);
		coax_exchange_inform(exchange, "ping from", path, coax_message_id(message));
		coax_exchange_reject(exchange, path, message);
		break;
	case COAX_TYPE_NON:
		coax_exchange_ignore(exchange, "empty NON from", path, message);
		break;
	case COAX_TYPE_ACK:
		coax_exchange_take_acknowledgement(exchange, path, message);
		break;
	case COAX_TYPE_RST:
		take_reset(exchange, path, message);
		break;
	}
}

static void take_request(struct coax_exchange *exchange, const struct coax_path *path,
			 const struct coax_message *message)
{
	enum coax_type type = coax_message_type(message);

	if (type == COAX_TYPE_ACK || type == COAX_TYPE_RST)
		coax_exchange_ignore(exchange, "request in an ACK or RST from", path, message);
	else if (type == COAX_TYPE_CON && coax_address_is_multicast(&path->local))
		coax_exchange_ignore(exchange, "confirmable request by multicast from", path,
				     message);
	else
		coax_exchange_serve(exchange, path, message);
}

static void take_response(struct coax_exchange *exchange, const struct coax_path *path,
			  const struct coax_message *message)
{
	switch (coax_message_type(message)) {
	case COAX_TYPE_ACK:
		coax_exchange_take_acknowledgement(exchange, path, message);
		break;
	case COAX_TYPE_RST:
		coax_exchange_ignore(exchange, "RST that is not empty from", path, message);
		break;
	default:
		coax_exchange_take_response(exchange, path, message);
	}
}

/* Whether the token has come whole, so that it can be read. */
static bool has_token(const struct coax_message *message)
{
	size_t before = COAX_HEADER_SIZE + (size_t)coax_message_token_extension(message);

	return coax_message_token_field(message) < TOKEN_FIELD_RESERVED &&
	       message->length >= before &&
	       message->length - before >= coax_message_token_length(message);
}

/* Returns whether something could be made of it. */
static bool take_beginning(struct coax_exchange *exchange, const struct coax_path *path,
			   const struct coax_message *message)
{
	enum coax_type type = coax_message_type(message);

	if (coax_message_code(message) == COAX_EMPTY || type == COAX_TYPE_RST ||
	    !has_token(message))
		return false;
	switch (COAX_CODE_CLASS(coax_message_code(message))) {
	case 0:
		if (type == COAX_TYPE_ACK)
			return false;
		coax_exchange_serve_truncated(exchange, path, message);
		return true;
	case 2:
	case 3:
	case 4:
	case 5:
		return coax_exchange_take_truncated_response(exchange, path, message);
	default:
		return false;
	}
}

static void take_truncated(struct coax_exchange *exchange, const struct coax_path *path,
			   const uint8_t *data, size_t length)
{
	struct coax_message message = {.data = (uint8_t *)data, .length = (uint32_t)length};

	if (length < COAX_HEADER_SIZE || data[0] >> 6 != COAX_VERSION) {
		coax_count(exchange->stats, ignored);
	} else if (!take_beginning(exchange, path, &message)) {
		coax_count(exchange->stats, ignored);
		coax_exchange_warn(exchange, "message ignored from",
				   "it is longer than what is taken in", path);
	}
}

void coax_exchange_receive(struct coax_exchange *exchange, uint64_t now,
			   const struct coax_path *path, const uint8_t *data, size_t length,
			   bool truncated)
{
	struct coax_message message;
	int err;

	exchange->now = now;
	coax_exchange_trace(exchange, "from", path, data, length);
	if (truncated) {
		take_truncated(exchange, path, data, length);
		return;
	}
	err = coax_message_parse(&message, data, length);
	if (err) {
		take_malformed(exchange, path, &message, err);
		return;
	}

	if (coax_message_code(&message) == COAX_EMPTY) {
		take_empty(exchange, path, &message);
		return;
	}
	switch (COAX_CODE_CLASS(coax_message_code(&message))) {
	case 0:
		take_request(exchange, path, &message);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		take_response(exchange, path, &message);
		break;
	default:
		coax_count(exchange->stats, ignored_code);
		coax_exchange_ignore(exchange, "reserved code from", path, &message);
		coax_exchange_reject(exchange, path, &message);
	}
}

void coax_exchange_receive_batch(struct coax_exchange *exchange, uint64_t now,
				 const struct coax_datagram *batch, unsigned int count)
{
	struct coax_expected *expected = &exchange->expected;

	for (unsigned int i = 0; i < count; i++) {
		const struct coax_message message = {.data = batch[i].data};
		uint16_t id = batch[i].length < COAX_HEADER_SIZE ? 0 : coax_message_id(&message);

		expected->names[i] = coax_exchange_hash_message(exchange, &batch[i].path, id);
		coax_duplicates_prefetch(&exchange->duplicates, expected->names[i]);
	}
	for (unsigned int i = 0; i < count; i++) {
		coax_duplicates_prefetch_record(&exchange->duplicates, expected->names[i]);
		coax_duplicates_prefetch_free(&exchange->duplicates, i);
	}
	for (unsigned int i = 0; i < count; i++) {
		expected->path = &batch[i].path;
		expected->name = expected->names[i];
		coax_exchange_receive(exchange, now, &batch[i].path, batch[i].data, batch[i].length,
				      batch[i].truncated);
	}
	expected->path = NULL;
}

uint64_t coax_exchange_deadline(const struct coax_exchange *exchange)
{
	uint64_t deadline = coax_responses_deadline(exchange);
	const struct coax_timer *first = coax_timers_first(&exchange->timers);

	return first && first->due < deadline ? first->due : deadline;
}

void coax_exchange_tick(struct coax_exchange *exchange, uint64_t now)
{
	struct coax_timer *timer;

	exchange->now = now;
	coax_responses_tick(exchange);
	for (int i = 0; i < TICK_TIMERS; i++) {
		timer = coax_timers_first(&exchange->timers);
		if (!timer || timer->due > now)
			return;
		coax_timer_stop(&exchange->timers, timer);
		timer->fire(exchange, timer);
	}
}
