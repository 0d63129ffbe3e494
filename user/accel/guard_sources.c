// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which sources are allowed, denied, verified; and how the kernel half is told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "accel/guard_internal.h"
#include "accel/internal.h"
#include "mapped.h"

/*
 * Prefixes.
 */

static bool parse_length(const char *text, uint32_t most, uint32_t *length)
{
	char *end;
	unsigned long number;

	if (*text < '0' || *text > '9')
		return false;
	number = strtoul(text, &end, 10);
	*length = (uint32_t)number;
	return !*end && number <= most;
}

/* "192.0.2.0/24", "2001:db8::/32", or an address. */
static bool parse_prefix(const char *text, struct coax_prefix_key *key)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	struct in_addr ipv4_address;
	bool ipv4;

	memset(key, 0, sizeof(*key));
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	ipv4 = inet_pton(AF_INET, address, &ipv4_address) == 1;
	if (ipv4)
		coax_mapped_ipv4(key->address, &ipv4_address);
	else if (inet_pton(AF_INET6, address, key->address) != 1)
		return false;
	key->length = ipv4 ? 32 : 128;
	if (text[length] && !parse_length(text + length + 1, key->length, &key->length))
		return false;
	if (ipv4)
		key->length += 8 * COAX_MAPPED_BYTES;
	return true;
}

bool coax_guard_is_prefix(const char *text)
{
	struct coax_prefix_key key;

	return parse_prefix(text, &key);
}

static bool is_in(const struct coax_prefix_key *prefix, const uint8_t address[16])
{
	uint32_t bytes = prefix->length / 8, bits = prefix->length % 8;

	if (memcmp(prefix->address, address, bytes) != 0)
		return false;
	return !bits || !((prefix->address[bytes] ^ address[bytes]) >> (8 - bits));
}

static int longest_first(const void *a, const void *b)
{
	const struct guard_prefix *first = a, *second = b;

	return (int)second->key.length - (int)first->key.length;
}

static int add_prefix(struct guard_rules *rules, const char *text, enum coax_prefix_verdict verdict,
		      const struct coax_logger *logger)
{
	struct guard_prefix *prefix = &rules->prefixes[rules->prefix_count];

	if (rules->prefix_count == COAX_PREFIXES_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "more than %d prefixes allowed and denied",
			 COAX_PREFIXES_MAX);
		return -EINVAL;
	}
	if (!parse_prefix(text, &prefix->key)) {
		coax_log(logger, COAX_LOG_ERROR,
			 "\"%s\" is no prefix, such as 192.0.2.0/24 or 2001:db8::/32", text);
		return -EINVAL;
	}
	prefix->value.verdict = verdict;
	snprintf(prefix->value.text, sizeof(prefix->value.text), "%s", text);
	rules->prefix_count++;
	return 0;
}

int guard_prefixes_read(struct guard_rules *rules, const struct coax_guard_options *options,
			const struct coax_logger *logger)
{
	int err = 0;

	/* Of one that is in both lists, the map keeps what comes last, the search what is first. */
	for (size_t i = 0; i < options->deny_count && !err; i++)
		err = add_prefix(rules, options->deny[i], COAX_PREFIX_DENIED, logger);
	for (size_t i = 0; i < options->allow_count && !err; i++)
		err = add_prefix(rules, options->allow[i], COAX_PREFIX_ALLOWED, logger);
	qsort(rules->prefixes, rules->prefix_count, sizeof(*rules->prefixes), longest_first);
	rules->config.listed = rules->prefix_count;
	return err;
}

enum coax_prefix_verdict guard_prefix_verdict(const struct guard_rules *rules,
					      const uint8_t address[16])
{
	for (uint32_t i = 0; i < rules->prefix_count; i++)
		if (is_in(&rules->prefixes[i].key, address))
			return rules->prefixes[i].value.verdict;
	return COAX_PREFIX_LIMITED;
}

/*
 * Verified ones: few that somebody who owns many addresses could push out, and then they prove
 * themselves again.
 */

static uint64_t name_of(const struct coax_guard *guard, const uint8_t address[16])
{
	return coax_hash(&guard->key, address, 16) | 1;
}

static struct guard_verified *find_set(const struct coax_guard *guard, uint64_t name)
{
	return &guard->verified[(name >> 32) % (GUARD_VERIFIED / GUARD_VERIFIED_WAYS) *
				GUARD_VERIFIED_WAYS];
}

bool guard_is_verified(const struct coax_guard *guard, const uint8_t address[16], uint64_t now)
{
	uint64_t name = name_of(guard, address);
	const struct guard_verified *set = find_set(guard, name);

	for (int i = 0; i < GUARD_VERIFIED_WAYS; i++)
		if (__atomic_load_n(&set[i].name, __ATOMIC_RELAXED) == name)
			return now < __atomic_load_n(&set[i].until, __ATOMIC_RELAXED);
	return false;
}

static void tell_kernel(const struct coax_guard *guard, const uint8_t address[16], uint64_t until)
{
	struct coax_verified_value value = {.until = until};
	struct coax_verified_key key;

	if (guard->verified_fd < 0)
		return;
	memcpy(key.address, address, sizeof(key.address));
	coax_mapped_text(address, value.text);
	bpf_map_update_elem(guard->verified_fd, &key, &value, BPF_ANY);
}

void guard_set_verified(struct coax_guard *guard, const uint8_t address[16], uint64_t until)
{
	uint64_t name = name_of(guard, address);
	struct guard_verified *set = find_set(guard, name);
	struct guard_verified *at = set;

	for (int i = 0; i < GUARD_VERIFIED_WAYS; i++) {
		if (__atomic_load_n(&set[i].name, __ATOMIC_RELAXED) == name) {
			at = &set[i];
			break;
		}
		if (__atomic_load_n(&set[i].until, __ATOMIC_RELAXED) <
		    __atomic_load_n(&at->until, __ATOMIC_RELAXED))
			at = &set[i];
	}
	__atomic_store_n(&at->name, name, __ATOMIC_RELAXED);
	__atomic_store_n(&at->until, until, __ATOMIC_RELAXED);
	tell_kernel(guard, address, until);
}

/*
 * The kernel half.
 */

static bool have_prefix(const struct guard_rules *rules, const struct coax_prefix_key *key)
{
	for (uint32_t i = 0; i < rules->prefix_count; i++)
		if (memcmp(&rules->prefixes[i].key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

static int tell_prefixes(const struct coax_guard *guard, const struct guard_rules *rules,
			 const struct guard_rules *former)
{
	/* First, so that there is room. */
	for (uint32_t i = 0; former && i < former->prefix_count; i++)
		if (!have_prefix(rules, &former->prefixes[i].key))
			bpf_map_delete_elem(guard->prefixes_fd, &former->prefixes[i].key);
	/* The shortest first: of equal ones the one that userspace finds first comes last. */
	for (uint32_t i = rules->prefix_count; i-- > 0;) {
		const struct guard_prefix *prefix = &rules->prefixes[i];

		if (bpf_map_update_elem(guard->prefixes_fd, &prefix->key, &prefix->value, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* Each is whole; what belongs together differs for a moment, as a packet's two limits may anyway.
 */
static void set_rate(struct coax_rate *rate, const struct coax_rate *wanted)
{
	__atomic_store_n(&rate->tolerance, wanted->tolerance, __ATOMIC_RELAXED);
	__atomic_store_n(&rate->cost, wanted->cost, __ATOMIC_RELAXED);
}

int guard_tell_kernel(const struct coax_guard *guard, const struct guard_rules *rules,
		      const struct guard_rules *former)
{
	struct coax_guard_config *config = &guard->kernel->guard;
	const struct coax_guard_config *wanted = &rules->config;
	int err;

	err = tell_prefixes(guard, rules, former);
	if (err) {
		if (former)
			(void)tell_prefixes(guard, former, rules);
		return err;
	}
	/* `own` is not the guard's to say, and seeds do not change while they are used. */
	for (int i = 0; i < 3; i++)
		__atomic_store_n(&config->seeds[i], wanted->seeds[i], __ATOMIC_RELAXED);
	__atomic_store_n(&config->mask_ipv6, wanted->mask_ipv6, __ATOMIC_RELAXED);
	__atomic_store_n(&config->mask_ipv4, wanted->mask_ipv4, __ATOMIC_RELAXED);
	__atomic_store_n(&config->factor, wanted->factor, __ATOMIC_RELAXED);
	__atomic_store_n(&config->pass_every, wanted->pass_every, __ATOMIC_RELAXED);
	__atomic_store_n(&config->listed, wanted->listed, __ATOMIC_RELAXED);
	__atomic_store_n(&config->strict, wanted->strict, __ATOMIC_RELAXED);
	set_rate(&config->requests, &wanted->requests);
	set_rate(&config->strangers, &wanted->strangers);
	set_rate(&config->replies, &wanted->replies);
	set_rate(&config->replies_total, &wanted->replies_total);
	return 0;
}

int coax_guard_share(struct coax_guard *guard, struct coax_accel *accel)
{
	int err;

	guard->kernel = accel->config;
	guard->prefixes_fd = accel->prefixes_fd;
	err = guard_tell_kernel(guard, guard->rules, NULL);
	if (err) {
		coax_guard_unshare(guard);
		return err;
	}
	guard->limits = accel->limits;
	guard->verified_fd = accel->verified_fd;
	return 0;
}
