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

/* What is hashed; without gaps, so that all of it is defined. */
struct proven {
	uint64_t time_be;
	uint8_t address[16];
	uint32_t scope;
	uint16_t family;
	in_port_t port_be;
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
	struct proven proven = {.time_be = time_be, .family = remote->sa.sa_family};

	if (remote->sa.sa_family == AF_INET6) {
		memcpy(proven.address, &remote->in6.sin6_addr, sizeof(remote->in6.sin6_addr));
		proven.scope = remote->in6.sin6_scope_id;
		proven.port_be = remote->in6.sin6_port;
	} else {
		memcpy(proven.address, &remote->in.sin_addr, sizeof(remote->in.sin_addr));
		proven.port_be = remote->in.sin_port;
	}
	return coax_hash(&echo->key, &proven, sizeof(proven));
}

static bool is_proven(const struct coax_responder *responder, uint32_t fresh_ms)
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

static void challenge(struct coax_responder *responder)
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

	if (!responder->echo || is_proven(responder, fresh_ms))
		return true;
	if (coax_log_wants(responder->logger, COAX_LOG_DEBUG))
		coax_log(responder->logger, COAX_LOG_DEBUG, "is to be proven fresh: %s",
			 coax_message_describe(&responder->request, description,
					       sizeof(description)));
	challenge(responder);
	return false;
}
