// SPDX-License-Identifier: BSD-2-Clause
/* coax peers: whom the guard of an instance lets through, and how much. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include <coax/gcra.h>
#include "maps.h"
#include "output.h"

/* More than the map holds; bounds a walk through one that changes meanwhile. */
#define VERIFIED_MAX 65536

struct peers {
	uint64_t now;
	struct coax_guard_config guard;
	struct coax_stats stats;
	struct coax_limit total;
	struct coax_prefix_value *prefixes;
	size_t prefix_count;
	struct coax_verified_value *verified; /* those that still are */
	size_t verified_count;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct coax_verified_value *)a)->text,
		      ((const struct coax_verified_value *)b)->text);
}

static int read_prefixes(int map, struct peers *peers)
{
	struct map_walk walk = {.map = map, .most = COAX_PREFIXES_MAX};
	struct coax_prefix_value value;
	struct coax_prefix_key key;
	int error = 0;

	while (!error && map_walk_next(&walk, &key)) {
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		value.text[sizeof(value.text) - 1] = '\0';
		error = map_append(&peers->prefixes, &peers->prefix_count, &value, sizeof(value));
	}
	return error;
}

static int read_verified(int map, struct peers *peers)
{
	struct map_walk walk = {.map = map, .most = VERIFIED_MAX};
	struct coax_verified_value value;
	struct coax_verified_key key;
	int error = 0;

	while (!error && map_walk_next(&walk, &key)) {
		if (bpf_map_lookup_elem(map, &key, &value) || value.until <= peers->now)
			continue;
		value.text[sizeof(value.text) - 1] = '\0';
		error = map_append(&peers->verified, &peers->verified_count, &value, sizeof(value));
	}
	if (peers->verified_count)
		qsort(peers->verified, peers->verified_count, sizeof(value), by_text);
	return error;
}

static int read_peers(const struct instance *instance, struct peers *peers)
{
	const __u32 zero = 0, total = COAX_LIMITS_TOTAL;
	struct coax_config config;
	int error;

	peers->now = tool_now();
	if (bpf_map_lookup_elem(instance->config, &zero, &config))
		return instance_unreadable(instance, "config", -errno);
	peers->guard = config.guard;
	error = coax_accel_read_stats(instance->stats, &peers->stats);
	if (error)
		return instance_unreadable(instance, "stats", error);
	if (bpf_map_lookup_elem(instance->limits, &total, &peers->total))
		return instance_unreadable(instance, "limits", -errno);
	error = read_prefixes(instance->prefixes, peers);
	if (error)
		return instance_unreadable(instance, "prefixes", error);
	error = read_verified(instance->verified, peers);
	return error ? instance_unreadable(instance, "verified", error) : TOOL_OK;
}

/* Of requests or bytes a second, rounded; 0: no limit. */
static uint64_t per_second(const struct coax_rate *rate)
{
	return rate->cost ? ((1000000000ULL << COAX_COST_SHIFT) + rate->cost / 2) / rate->cost : 0;
}

/* How much of what may come at once is used up, in percent. */
static unsigned int used_up(const struct coax_rate *rate, uint64_t arrival, uint64_t now)
{
	if (!rate->cost || !rate->tolerance || arrival <= now)
		return 0;
	return (unsigned int)((arrival - now) / (rate->tolerance / 100 + 1));
}

static unsigned int bits_of(const void *mask, size_t size)
{
	const uint8_t *bytes = mask;
	unsigned int bits = 0;

	for (size_t i = 0; i < size; i++)
		bits += (unsigned int)__builtin_popcount(bytes[i]);
	return bits;
}

static void print_rate(const char *name, const struct coax_rate *rate, const char *unit)
{
	if (rate->cost)
		printf("  %-14s %12" PRIu64 " %s\n", name, per_second(rate), unit);
	else
		printf("  %-14s %12s\n", name, "no limit");
}

static void print_limits(const struct peers *peers)
{
	const struct coax_guard_config *guard = &peers->guard;

	printf("limits for prefixes of %u bits of IPv4, %u of IPv6\n",
	       bits_of(&guard->mask_ipv4, sizeof(guard->mask_ipv4)),
	       bits_of(&guard->mask_ipv6, sizeof(guard->mask_ipv6)));
	print_rate("requests", &guard->requests, "a second of a prefix");
	print_rate("strangers", &guard->strangers, "requests a second of all who are not known");
	if (guard->factor)
		printf("  %-14s %12u times the request: from there on a reply is large\n",
		       "amplification", guard->factor);
	else
		printf("  %-14s %12s\n", "amplification", "no limit");
	print_rate("replies", &guard->replies, "bytes a second of large ones to a prefix");
	print_rate("replies, total", &guard->replies_total, "the same to all");
	printf("  of what may come at once, used up: strangers %u %%, replies %u %%\n",
	       used_up(&guard->strangers, peers->total.requests, peers->now),
	       used_up(&guard->replies_total, peers->total.replies, peers->now));
	printf("strict sources  %s\n", guard->strict ? "yes" : "no");
}

static bool is_guards(const char *counter)
{
	static const char *const counters[] = {
		"drop_denied",	    "drop_reflector", "drop_own",	"drop_source",
		"drop_requests",    "drop_strangers", "drop_amplified", "pass_limited",
		"pass_server_port", "pass_unchecked",
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		if (strcmp(counters[i], counter) == 0)
			return true;
	return false;
}

static int show_text(const struct peers *peers)
{
	char duration[OUTPUT_DURATION_MAX];

	print_limits(peers);
	printf("prefixes\n");
	for (size_t i = 0; i < peers->prefix_count; i++) {
		const struct coax_prefix_value *value = &peers->prefixes[i];

		printf("  %-8s", value->verdict == COAX_PREFIX_ALLOWED ? "allowed" : "denied");
		output_safe(stdout, value->text, strlen(value->text));
		putchar('\n');
	}
	printf("verified\n");
	for (size_t i = 0; i < peers->verified_count; i++) {
		const struct coax_verified_value *value = &peers->verified[i];
		int columns;

		fputs("  ", stdout);
		columns = output_safe(stdout, value->text, strlen(value->text));
		printf("%*s  for %s\n", columns < 40 ? 40 - columns : 0, "",
		       output_duration(value->until - peers->now, duration));
	}
	printf("counters\n");
#define PRINT_COUNTER(name, text) \
	if (is_guards(#name))     \
		printf("  %-16s %12" PRIu64 "  %s\n", #name, (uint64_t)peers->stats.name, text);
	COAX_STATS(PRINT_COUNTER)
#undef PRINT_COUNTER
	return TOOL_OK;
}

static json_t *rate_json(const struct coax_rate *rate)
{
	return rate->cost ? json_integer((json_int_t)per_second(rate)) : json_null();
}

static json_t *limits_json(const struct peers *peers)
{
	const struct coax_guard_config *guard = &peers->guard;
	json_t *object = json_object();

	json_object_set_new(object, "ipv4_bits",
			    json_integer(bits_of(&guard->mask_ipv4, sizeof(guard->mask_ipv4))));
	json_object_set_new(object, "ipv6_bits",
			    json_integer(bits_of(&guard->mask_ipv6, sizeof(guard->mask_ipv6))));
	json_object_set_new(object, "requests", rate_json(&guard->requests));
	json_object_set_new(object, "strangers", rate_json(&guard->strangers));
	json_object_set_new(object, "amplification",
			    guard->factor ? json_integer(guard->factor) : json_null());
	json_object_set_new(object, "reply_bytes", rate_json(&guard->replies));
	json_object_set_new(object, "reply_bytes_total", rate_json(&guard->replies_total));
	json_object_set_new(object, "strict_source", json_boolean(guard->strict));
	return object;
}

static json_t *prefixes_json(const struct peers *peers, enum coax_prefix_verdict verdict)
{
	json_t *array = json_array();

	for (size_t i = 0; i < peers->prefix_count; i++) {
		const char *text = peers->prefixes[i].text;

		if (peers->prefixes[i].verdict == verdict)
			json_array_append_new(array, output_json_text(text, strlen(text)));
	}
	return array;
}

static json_t *verified_json(const struct peers *peers)
{
	json_t *array = json_array();

	for (size_t i = 0; i < peers->verified_count; i++) {
		const struct coax_verified_value *value = &peers->verified[i];
		json_t *object = json_object();

		json_object_set_new(object, "address",
				    output_json_text(value->text, strlen(value->text)));
		json_object_set_new(
			object, "expires_ms",
			json_integer((json_int_t)((value->until - peers->now) / 1000000)));
		json_array_append_new(array, object);
	}
	return array;
}

static int show_json(const struct tool *tool, const struct peers *peers)
{
	json_t *object = json_object(), *counters = json_object();

	json_object_set_new(object, "limits", limits_json(peers));
	json_object_set_new(object, "allowed", prefixes_json(peers, COAX_PREFIX_ALLOWED));
	json_object_set_new(object, "denied", prefixes_json(peers, COAX_PREFIX_DENIED));
	json_object_set_new(object, "verified", verified_json(peers));
#define SET_COUNTER(name, text) \
	if (is_guards(#name))   \
		json_object_set_new(counters, #name, json_integer((json_int_t)peers->stats.name));
	COAX_STATS(SET_COUNTER)
#undef SET_COUNTER
	json_object_set_new(object, "counters", counters);
	return output_json(tool, object, TOOL_OK);
}

static int run_peers(struct tool *tool, int argc, char **argv)
{
	struct instance instance;
	struct peers peers = {0};
	int status;

	if (!instance_begin(&instance, tool, &peers_command, argc, argv, &status))
		return status;
	status = read_peers(&instance, &peers);
	if (!status)
		status = tool->json ? show_json(tool, &peers) : show_text(&peers);
	free(peers.prefixes);
	free(peers.verified);
	instance_close(&instance);
	return status;
}

const struct command peers_command = {
	.name = "peers",
	.summary = "who is limited, allowed, denied, verified",
	.run = run_peers,
	.help = "Usage: coax peers [OPTIONS]\n"
		"\n"
		"Show whom the kernel answers for a coaxd, and how much: the limits and what is used\n"
		"up of them, the prefixes that are allowed and denied, the sources that have proven\n"
		"to be where they say, and what was dropped. Reads the pinned BPF maps, which takes\n"
		"root or CAP_BPF.\n"
		"\n"
		"Options:\n" INSTANCE_HELP
		"  -j, --json           print JSON: limits (null: none), allowed, denied, verified\n"
		"                       (address, expires_ms), counters\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such instance, or not permitted\n"
		"\n"
		"Examples:\n"
		"  coax peers\n"
		"  coax peers -j | jq -r '.verified[].address'\n",
};
