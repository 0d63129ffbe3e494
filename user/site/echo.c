// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <string.h>
#include <sodium.h>
#include <coax/option.h>
#include "site/echo.h"

/* The option's value: when it was made, and a keyed hash of that and of who it was made for. */
struct proof {
	uint64_t time_be;
	uint64_t hash;
};

/* Times are told from a secret instant on: nobody's business how long the host is up (section 6).
 */
static uint64_t time_of(const struct coax_echo *echo)
{
	return echo->now + coax_hash(&echo->key, "", 0);
}

static uint64_t hash_of(const struct coax_echo *echo, uint64_t time_be,
			const union coax_address *remote)
{
	uint8_t proven[sizeof(time_be) + COAX_ADDRESS_BYTES_MAX];
	size_t length = sizeof(time_be);

	memcpy(proven, &time_be, length);
	length += coax_address_bytes(proven + length, remote);
	return coax_hash(&echo->key, proven, length);
}

bool coax_echo_is_proven(const struct coax_responder *responder, uint32_t fresh_ms)
{
	const struct coax_echo *echo = responder->echo;
	struct coax_option option;
	struct proof proof;
	uint64_t wanted;

	if (!coax_message_find(&responder->request, COAX_ECHO, &option) ||
	    option.length != sizeof(proof))
		return false;
	memcpy(&proof, option.value, sizeof(proof));
	wanted = hash_of(echo, proof.time_be, &responder->remote);
	if (sodium_memcmp(&proof.hash, &wanted, sizeof(wanted)))
		return false;
	return time_of(echo) - be64toh(proof.time_be) < fresh_ms;
}

void coax_echo_challenge(struct coax_responder *responder)
{
	const struct coax_echo *echo = responder->echo;
	struct proof proof = {.time_be = htobe64(time_of(echo))};

	proof.hash = hash_of(echo, proof.time_be, &responder->remote);
	coax_message_add(&responder->response, COAX_ECHO, &proof, sizeof(proof));
	coax_respond(responder, COAX_UNAUTHORIZED);
}

bool coax_echo_is_fresh(struct coax_responder *responder, uint32_t fresh_ms)
{
	char description[COAX_DESCRIPTION_MAX];

	if (!responder->echo || coax_echo_is_proven(responder, fresh_ms))
		return true;
	if (coax_log_wants(responder->logger, COAX_LOG_DEBUG))
		coax_log(responder->logger, COAX_LOG_DEBUG, "is to be proven fresh: %s",
			 coax_message_describe(&responder->request, description,
					       sizeof(description)));
	coax_echo_challenge(responder);
	return false;
}
