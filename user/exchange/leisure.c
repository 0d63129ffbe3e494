// SPDX-License-Identifier: BSD-2-Clause
/*
 * Responses to requests that came by multicast (RFC 7252 section 8.2): few, and not all at once.
 */
#include <string.h>
#include "internal.h"

struct delayed {
	struct coax_timer timer;
	struct coax_path path;
	uint32_t length;
	uint8_t data[COAX_DATAGRAM_OUT_MAX];
};

int coax_leisure_create(struct coax_exchange *exchange)
{
	return coax_pool_create(&exchange->delayed, sizeof(struct delayed), COAX_DELAYED_MAX);
}

void coax_leisure_destroy(struct coax_exchange *exchange)
{
	coax_pool_destroy(&exchange->delayed);
}

/*
 * Errors are not for everyone who asked by multicast, nor is a response that has nothing useful to
 * say (section 8.2, and draft-ietf-core-groupcomm-bis section 3.1.2: SHOULD be suppressed): content
 * that is empty, such as a list of links with none that the query asked for, and any success with
 * neither an option nor a payload.
 */
static bool is_useful(const struct coax_message *response)
{
	uint8_t code = coax_message_code(response);
	size_t length;

	if (COAX_CODE_CLASS(code) != 2)
		return false;
	if (code == COAX_CONTENT)
		return coax_message_payload(response, &length);
	coax_message_rest(response, &length);
	return length;
}

static void answer(struct coax_exchange *exchange, const struct coax_path *path,
		   const uint8_t *data, size_t length)
{
	coax_count(exchange->stats, responses);
	coax_exchange_send(exchange, path, data, length);
}

static void due(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct delayed *delayed = caa_container_of(timer, struct delayed, timer);

	answer(exchange, &delayed->path, delayed->data, delayed->length);
	coax_pool_give(&exchange->delayed, delayed);
}

void coax_leisure_respond(struct coax_exchange *exchange, const struct coax_path *path,
			  const struct coax_message *response, uint64_t came)
{
	uint64_t leisure = exchange->tuning.leisure_ms * NS_PER_MS;
	uint64_t when = came + coax_exchange_draw(exchange) % (leisure + 1);
	struct coax_path own = *path;
	struct delayed *delayed;

	if (!is_useful(response))
		return;
	/* From an address that is one host's. */
	own.local.sa.sa_family = AF_UNSPEC;
	if (when <= exchange->now) {
		answer(exchange, &own, response->data, response->length);
		return;
	}
	delayed = coax_pool_take(&exchange->delayed);
	if (!delayed) {
		coax_count(exchange->stats, refused);
		coax_exchange_warn(exchange, "no response to a request by multicast from",
				   "too many are waiting for their time", path);
		return;
	}
	delayed->timer = (struct coax_timer){.fire = due};
	delayed->path = own;
	delayed->length = response->length;
	memcpy(delayed->data, response->data, response->length);
	coax_timer_start(&exchange->timers, &delayed->timer, when);
}
