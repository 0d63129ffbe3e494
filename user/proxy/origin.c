// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "clock.h"
#include "hash.h"
#include "proxy/origin.h"

/* Not secret: who is asked for what is to be the same after a restart, and in another proxy. */
static uint64_t identity_of(const char *uri)
{
	static const struct coax_hash_key key;

	return coax_hash(&key, uri, strlen(uri));
}

static int read_uri(struct coax_origin *origin, const char *text, const char **error)
{
	struct coax_uri uri;
	int err = coax_uri_parse(&uri, text, error);

	if (err)
		return err;
	if (uri.query) {
		*error = "an origin has no query";
		return -EINVAL;
	}
	origin->literal = uri.literal;
	origin->secure = uri.secure;
	origin->port = uri.port;
	if (uri.literal && coax_address_parse(&origin->address, uri.host, uri.port)) {
		*error = "its address cannot be understood";
		return -EINVAL;
	}
	(void)coax_message_start(&origin->base, origin->bytes, sizeof(origin->bytes), COAX_TYPE_CON,
				 COAX_GET, 0, NULL, 0);
	err = coax_uri_add_options(&uri, &origin->base, uri.port);
	if (err)
		*error = "its path is too long";
	return err;
}

int coax_origin_create(struct coax_origin *origin, const char *uri, const char **error)
{
	int err;

	memset(origin, 0, sizeof(*origin));
	err = read_uri(origin, uri, error);
	if (err)
		return err;
	origin->uri = strdup(uri);
	if (!origin->uri)
		return -ENOMEM;
	origin->identity = identity_of(uri);
	origin->counters = &origin->own;
	pthread_mutex_init(&origin->lock, NULL);
	return 0;
}

void coax_origin_destroy(struct coax_origin *origin)
{
	if (!origin->uri)
		return;
	pthread_mutex_destroy(&origin->lock);
	free(origin->uri);
}

static uint64_t score(const struct coax_origin *origin, uint64_t hash)
{
	uint64_t mixed = (origin->identity ^ hash) * 0x9e3779b97f4a7c15;

	mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
	return mixed ^ mixed >> 32;
}

unsigned int coax_origins_rank(struct coax_origin *const *origins, unsigned int count,
			       uint64_t hash, uint8_t order[COAX_ORIGINS_MAX])
{
	uint64_t scores[COAX_ORIGINS_MAX];

	for (unsigned int i = 0; i < count; i++) {
		uint64_t own = score(origins[i], hash);
		unsigned int at = i;

		for (; at > 0 && scores[at - 1] < own; at--) {
			scores[at] = scores[at - 1];
			order[at] = order[at - 1];
		}
		scores[at] = own;
		order[at] = (uint8_t)i;
	}
	return count;
}

bool coax_origin_is_down(struct coax_origin *origin, uint64_t now, uint64_t *until, uint8_t *code)
{
	bool down;

	pthread_mutex_lock(&origin->lock);
	down = origin->failures && now < origin->down_until;
	*until = origin->down_until;
	*code = origin->failure;
	pthread_mutex_unlock(&origin->lock);
	return down;
}

void coax_origin_failed(struct coax_origin *origin, uint64_t now, uint8_t code)
{
	uint64_t backoff = COAX_ORIGIN_BACKOFF;

	pthread_mutex_lock(&origin->lock);
	/* Those that were under way when it failed say nothing more than that. */
	if (!origin->failures || now >= origin->down_until) {
		for (uint32_t i = 0; i < origin->failures && backoff < COAX_ORIGIN_BACKOFF_MAX; i++)
			backoff *= 2;
		if (backoff > COAX_ORIGIN_BACKOFF_MAX)
			backoff = COAX_ORIGIN_BACKOFF_MAX;
		origin->failures++;
		origin->down_until = now + backoff;
		origin->failure = code;
	}
	/* The name may stand for another address by now. */
	origin->address_until = 0;
	pthread_mutex_unlock(&origin->lock);
}

void coax_origin_answered(struct coax_origin *origin, uint64_t now,
			  const union coax_address *remote)
{
	pthread_mutex_lock(&origin->lock);
	origin->answered = now;
	origin->failures = 0;
	if (remote && !origin->literal && !origin->address_until) {
		origin->address = *remote;
		origin->address_until = now + COAX_ORIGIN_NAME_MAX;
	}
	pthread_mutex_unlock(&origin->lock);
}

bool coax_origin_has_answered_since(struct coax_origin *origin, uint64_t since)
{
	bool answered;

	pthread_mutex_lock(&origin->lock);
	answered = origin->answered >= since;
	pthread_mutex_unlock(&origin->lock);
	return answered;
}

void coax_origin_count_answer(struct coax_origin *origin, uint8_t code, uint64_t ns)
{
	static const uint32_t bounds[] = {
#define BOUND(ms) ms,
		COAX_PROXY_TIMES(BOUND)
#undef BOUND
	};
	struct coax_origin_counters *counters = origin->counters;
	size_t at = 0;

	while (at < sizeof(bounds) / sizeof(bounds[0]) && ns > bounds[at] * NS_PER_MS)
		at++;
	atomic_fetch_add_explicit(&counters->answers[COAX_CODE_CLASS(code)], 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&counters->times[at], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&counters->answered_ns, ns, memory_order_relaxed);
}

bool coax_origin_address(struct coax_origin *origin, uint64_t now, union coax_address *address)
{
	bool known;

	pthread_mutex_lock(&origin->lock);
	if (now >= origin->address_until)
		origin->address_until = 0;
	known = origin->literal || origin->address_until;
	*address = origin->address;
	pthread_mutex_unlock(&origin->lock);
	return known;
}
