// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <linux/types.h>
#include <coax/gcra.h>
#include "accel/guard.h"
#include "accel/guard_internal.h"
#include "clock.h"
#include "mapped.h"
#include "rcu.h"

/*
 * How far a rate may be exceeded at once, in milliseconds of it. A socket's buffer does not hold
 * many strangers.
 */
#define REQUESTS_BURST		  1000
#define STRANGERS_BURST		  200
#define REPLIES_BURST		  16000
#define TOTAL_BURST		  8000

#define DEFAULT_STRANGERS	  5000
#define DEFAULT_FACTOR		  3
#define DEFAULT_REPLY_BYTES	  (256U << 10)
#define DEFAULT_REPLY_BYTES_TOTAL (4U << 20)
#define DEFAULT_PASS_EVERY	  64

#define FACTOR_MAX		  1024

/*
 * Setting up.
 */

/* `one_less`: so many conform at once, not one more. */
static struct coax_rate make_rate(uint32_t rate, uint32_t unset, uint32_t burst_ms, bool one_less)
{
	struct coax_rate made = {0};

	if (!rate)
		rate = unset;
	if (!rate || rate == COAX_UNLIMITED)
		return made;
	made.cost = (NS_PER_SEC << COAX_COST_SHIFT) / rate;
	made.tolerance = burst_ms * NS_PER_MS;
	if (one_less) {
		uint64_t one = made.cost >> COAX_COST_SHIFT;

		made.tolerance -= one < made.tolerance ? one : made.tolerance;
	}
	return made;
}

static uint32_t make_factor(uint32_t factor)
{
	if (factor == COAX_UNLIMITED)
		return 0;
	return factor ? factor : DEFAULT_FACTOR;
}

static void mask(uint8_t *address, size_t size, uint32_t bits)
{
	for (size_t i = 0; i < size; i++) {
		uint32_t kept = bits > 8 * i ? bits - 8 * (uint32_t)i : 0;

		address[i] &= (uint8_t)(kept >= 8 ? 0xff : 0xff00U >> kept);
	}
}

static void make_masks(struct coax_guard_config *config, const struct coax_guard_options *options)
{
	memset(&config->mask_ipv4, 0xff, sizeof(config->mask_ipv4));
	memset(&config->mask_ipv6, 0xff, sizeof(config->mask_ipv6));
	if (options->ipv4_bits)
		mask((uint8_t *)&config->mask_ipv4, sizeof(config->mask_ipv4), options->ipv4_bits);
	if (options->ipv6_bits)
		mask((uint8_t *)&config->mask_ipv6, sizeof(config->mask_ipv6), options->ipv6_bits);
}

static int make_seeds(struct coax_guard_config *config)
{
	if (getrandom(config->seeds, sizeof(config->seeds), 0) != sizeof(config->seeds))
		return -errno;
	for (int i = 0; i < 3; i++)
		config->seeds[i] |= 1;
	return 0;
}

static void make_config(struct coax_guard_config *config, const struct coax_guard_options *options)
{
	make_masks(config, options);
	config->factor = make_factor(options->factor);
	config->pass_every = options->pass_every ? options->pass_every : DEFAULT_PASS_EVERY;
	config->strict = options->strict_source;
	config->requests = make_rate(options->requests, 0, REQUESTS_BURST, true);
	config->strangers = make_rate(options->strangers, DEFAULT_STRANGERS, STRANGERS_BURST, true);
	config->replies =
		make_rate(options->reply_bytes, DEFAULT_REPLY_BYTES, REPLIES_BURST, false);
	config->replies_total = make_rate(options->reply_bytes_total, DEFAULT_REPLY_BYTES_TOTAL,
					  TOTAL_BURST, false);
}

static int check_options(const struct coax_guard_options *options, const struct coax_logger *logger)
{
	const char *complaint = NULL;

	if (options->ipv4_bits > 32 || options->ipv6_bits > 64)
		complaint = "a prefix has at most 32 bits of IPv4, 64 of IPv6";
	else if (options->factor > FACTOR_MAX && options->factor != COAX_UNLIMITED)
		complaint = "the amplification factor is 1024 at most";
	if (!complaint)
		return 0;
	coax_log(logger, COAX_LOG_ERROR, "%s", complaint);
	return -EINVAL;
}

/* `former`: what they take the place of, or NULL. Its places in the limits stay what they are. */
static int make_rules(struct guard_rules **result, const struct coax_guard_options *options,
		      const struct guard_rules *former, const struct coax_logger *logger)
{
	struct guard_rules *rules;
	int err = check_options(options, logger);

	if (err)
		return err;
	rules = calloc(1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	if (former)
		memcpy(rules->config.seeds, former->config.seeds, sizeof(rules->config.seeds));
	else
		err = make_seeds(&rules->config);
	make_config(&rules->config, options);
	if (!err)
		err = guard_prefixes_read(rules, options, logger);
	if (err)
		free(rules);
	else
		*result = rules;
	return err;
}

int coax_guard_set(struct coax_guard *guard, const struct coax_guard_options *options)
{
	struct guard_rules *former = guard->rules, *rules;
	int err = make_rules(&rules, options, former, guard->logger);

	if (!err && guard->kernel)
		err = guard_tell_kernel(guard, rules, former);
	if (err)
		return err;
	__atomic_store_n(&guard->rules, rules, __ATOMIC_RELEASE);
	synchronize_rcu();
	free(former);
	return 0;
}

int coax_guard_create(struct coax_guard **result, const struct coax_guard_options *options,
		      const struct coax_logger *logger)
{
	struct guard_rules *rules;
	struct coax_guard *guard;
	int err = make_rules(&rules, options, NULL, logger);

	if (err)
		return err;
	guard = calloc(1, sizeof(*guard));
	if (!guard) {
		free(rules);
		return -ENOMEM;
	}
	guard->logger = logger;
	guard->rules = rules;
	guard->own_limits = calloc(COAX_LIMITS, sizeof(*guard->own_limits));
	guard->verified = calloc(GUARD_VERIFIED, sizeof(*guard->verified));
	err = guard->own_limits && guard->verified ? 0 : -ENOMEM;
	if (!err)
		err = coax_hash_key_random(&guard->key);
	if (err) {
		coax_guard_destroy(guard);
		return err;
	}
	coax_guard_unshare(guard);
	*result = guard;
	return 0;
}

void coax_guard_destroy(struct coax_guard *guard)
{
	if (!guard)
		return;
	free(guard->rules);
	free(guard->own_limits);
	free(guard->verified);
	free(guard);
}

void coax_guard_unshare(struct coax_guard *guard)
{
	guard->limits = guard->own_limits;
	guard->kernel = NULL;
	guard->verified_fd = -1;
	guard->prefixes_fd = -1;
}

/*
 * Sources.
 */

/* A source, its places in the limits, and by what rules it is judged. */
struct source {
	const struct guard_rules *rules;
	const struct coax_guard_config *config;
	uint8_t address[16];
	struct coax_limit *a;
	struct coax_limit *b;
	uint32_t name;
};

static const struct guard_rules *rules_of(const struct coax_guard *guard)
{
	return __atomic_load_n(&guard->rules, __ATOMIC_ACQUIRE);
}

static struct coax_limit *total_of(const struct coax_guard *guard)
{
	return &guard->limits[COAX_LIMITS_TOTAL];
}

static struct source find_source(const struct coax_guard *guard, const union coax_address *remote)
{
	const struct guard_rules *rules = rules_of(guard);
	const struct coax_guard_config *config = &rules->config;
	struct source source = {.rules = rules, .config = config};
	uint32_t words[4];
	uint64_t prefix;

	coax_mapped_address(source.address, remote);
	memcpy(words, source.address, sizeof(words));
	prefix = coax_mapped_is_ipv4(source.address) ? coax_prefix_ipv4(config, words[3])
						     : coax_prefix_ipv6(config, words[0], words[1]);
	source.a = &guard->limits[coax_limit_place(config, prefix, 0)];
	source.b = &guard->limits[coax_limit_place(config, prefix, 1)];
	source.name = coax_familiar_name(config, prefix);
	return source;
}

/* No network brings those. */
static bool is_loopback(const union coax_address *remote)
{
	const uint8_t *bytes;

	if (remote->sa.sa_family == AF_INET)
		return *(const uint8_t *)&remote->in.sin_addr == 127;
	if (remote->sa.sa_family != AF_INET6)
		return true;
	bytes = remote->in6.sin6_addr.s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&remote->in6.sin6_addr))
		return bytes[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&remote->in6.sin6_addr);
}

static bool is_reflector(in_port_t port)
{
	switch (port) {
#define REFLECTOR(number, name) case number:
		COAX_REFLECTORS(REFLECTOR)
#undef REFLECTOR
		return true;
	default:
		return false;
	}
}

static bool is_known_good(const struct coax_guard *guard, const struct source *source, uint64_t now)
{
	return guard_is_verified(guard, source->address, now) ||
	       guard_prefix_verdict(source->rules, source->address) == COAX_PREFIX_ALLOWED;
}

/* Whether the program looks at what comes now: with another answer all pass it uncounted. */
static bool is_looking(const struct coax_config *kernel, uint64_t now)
{
	return kernel && __atomic_load_n(&kernel->enabled, __ATOMIC_RELAXED) &&
	       now < __atomic_load_n(&kernel->lease, __ATOMIC_RELAXED);
}

/* Then the program has counted what came by there. */
static bool is_attached(const struct coax_guard *guard, uint32_t ifindex, uint64_t now)
{
	const struct coax_attachment *attachment;

	if (!is_looking(guard->kernel, now))
		return false;
	for (int i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		attachment = &guard->kernel->attachments[i];
		if (__atomic_load_n(&attachment->ifindex, __ATOMIC_RELAXED) == ifindex)
			return !__atomic_load_n(&attachment->silent, __ATOMIC_RELAXED);
	}
	return false;
}

enum coax_guard_admission coax_guard_admit(struct coax_guard *guard,
					   const union coax_address *remote, uint32_t ifindex,
					   uint64_t now)
{
	struct coax_limit *total = total_of(guard);
	struct source source;

	if (is_reflector(coax_address_port(remote)))
		return COAX_GUARD_IGNORE;
	if (is_loopback(remote))
		return COAX_GUARD_ADMIT;
	source = find_source(guard, remote);
	if (guard_prefix_verdict(source.rules, source.address) == COAX_PREFIX_DENIED)
		return COAX_GUARD_IGNORE;
	if (!is_attached(guard, ifindex, now))
		coax_limit_admits(source.config, source.a, source.b, total, source.name, now);
	if (coax_is_familiar(source.a, source.b, source.name, now) ||
	    coax_total_is_calm(&source.config->strangers, coax_limit_read(total->requests), now))
		return COAX_GUARD_ADMIT;
	return COAX_GUARD_CROWDED;
}

static bool is_overdrawn(const struct coax_guard *guard, const struct source *source, uint64_t now)
{
	return source->config->factor && !coax_limit_may_reply(source->config, source->a, source->b,
							       total_of(guard), source->name, now);
}

enum coax_guard_verdict coax_guard_judge(struct coax_guard *guard, const union coax_address *remote,
					 bool crowded, uint64_t now)
{
	const struct coax_guard_config *config;
	struct source source;

	if (is_loopback(remote))
		return COAX_GUARD_SERVE;
	source = find_source(guard, remote);
	config = source.config;
	if (config->requests.cost) {
		if (coax_gcra_conforms(&config->requests, coax_limit_requests(source.a, source.b),
				       now))
			coax_limit_charge_request(config, source.a, source.b, now);
		else if (guard_prefix_verdict(source.rules, source.address) != COAX_PREFIX_ALLOWED)
			return COAX_GUARD_TOO_MANY;
	}
	if ((crowded || is_overdrawn(guard, &source, now)) && !is_known_good(guard, &source, now))
		return COAX_GUARD_CHALLENGE;
	return COAX_GUARD_SERVE;
}

uint32_t coax_guard_wait(const struct coax_guard *guard, const union coax_address *remote,
			 uint64_t now)
{
	struct source source = find_source(guard, remote);
	uint64_t arrival = coax_limit_requests(source.a, source.b);
	uint64_t free = now + source.config->requests.tolerance;

	return arrival > free ? (uint32_t)((arrival - free) / NS_PER_SEC) + 1 : 1;
}

bool coax_guard_charge(struct coax_guard *guard, const union coax_address *remote, uint64_t now,
		       size_t request, size_t response)
{
	const struct guard_rules *rules = rules_of(guard);
	struct source source;

	if (!coax_is_amplified(&rules->config, (uint32_t)request, (uint32_t)response) ||
	    is_loopback(remote))
		return true;
	source = find_source(guard, remote);
	if (is_overdrawn(guard, &source, now))
		return is_known_good(guard, &source, now);
	coax_limit_charge_reply(source.config, source.a, source.b, total_of(guard), source.name,
				now, (uint32_t)response);
	return true;
}

void coax_guard_verify(struct coax_guard *guard, const union coax_address *remote, uint64_t now)
{
	uint8_t address[16];

	coax_mapped_address(address, remote);
	guard_set_verified(guard, address, now + COAX_GUARD_VERIFIED_NS);
}
