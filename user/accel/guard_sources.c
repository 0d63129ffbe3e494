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

static int add_prefix(struct coax_guard *guard, const char *text, enum coax_prefix_verdict verdict)
{
	struct guard_prefix *prefix = &guard->prefixes[guard->prefix_count];

	if (guard->prefix_count == COAX_PREFIXES_MAX) {
		coax_log(guard->logger, COAX_LOG_ERROR, "more than %d prefixes allowed and denied",
			 COAX_PREFIXES_MAX);
		return -EINVAL;
	}
	if (!parse_prefix(text, &prefix->key)) {
		coax_log(guard->logger, COAX_LOG_ERROR,
			 "\"%s\" is no prefix, such as 192.0.2.0/24 or 2001:db8::/32", text);
		return -EINVAL;
	}
	prefix->value.verdict = verdict;
	snprintf(prefix->value.text, sizeof(prefix->value.text), "%s", text);
	guard->prefix_count++;
	return 0;
}

int guard_prefixes_read(struct coax_guard *guard, const struct coax_guard_options *options)
{
	int err = 0;

	/* Of one that is in both lists, the map keeps what comes last, the search what is first. */
	for (size_t i = 0; i < options->deny_count && !err; i++)
		err = add_prefix(guard, options->deny[i], COAX_PREFIX_DENIED);
	for (size_t i = 0; i < options->allow_count && !err; i++)
		err = add_prefix(guard, options->allow[i], COAX_PREFIX_ALLOWED);
	qsort(guard->prefixes, guard->prefix_count, sizeof(*guard->prefixes), longest_first);
	guard->own_config.listed = guard->prefix_count;
	return err;
}

enum coax_prefix_verdict guard_prefix_verdict(const struct coax_guard *guard,
					      const uint8_t address[16])
{
	for (uint32_t i = 0; i < guard->prefix_count; i++)
		if (is_in(&guard->prefixes[i].key, address))
			return guard->prefixes[i].value.verdict;
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

int coax_guard_share(struct coax_guard *guard, struct coax_accel *accel)
{
	/* The shortest first: of equal ones the one that userspace finds first comes last. */
	for (uint32_t i = guard->prefix_count; i-- > 0;) {
		const struct guard_prefix *prefix = &guard->prefixes[i];

		if (bpf_map_update_elem(accel->prefixes_fd, &prefix->key, &prefix->value, BPF_ANY))
			return -errno;
	}
	accel->config->guard = guard->own_config;
	guard->config = &accel->config->guard;
	guard->limits = accel->limits;
	guard->kernel = accel->config;
	guard->verified_fd = accel->verified_fd;
	return 0;
}
