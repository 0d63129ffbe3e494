// SPDX-License-Identifier: BSD-2-Clause
/* coax status: what the kernel half of an instance is doing. */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "maps.h"
#include "output.h"

struct owner {
	bool alive;
	char name[17]; /* of the process; empty: not known */
};

/* All that is shown, read before anything is printed. */
struct picture {
	uint64_t now;
	struct coax_config config;
	struct coax_stats stats;
	struct owner owner;
	struct coax_endpoint_value *endpoints;
	size_t endpoint_count;
	size_t entries;
};

/* More endpoints than any host has addresses; bounds a walk through a map that changes under it. */
#define ENDPOINTS_MAX 65536

static int compare_endpoints(const void *a, const void *b)
{
	return strcmp(((const struct coax_endpoint_value *)a)->text,
		      ((const struct coax_endpoint_value *)b)->text);
}

static int read_endpoints(int map, struct picture *picture)
{
	struct map_walk walk = {.map = map, .most = ENDPOINTS_MAX};
	struct coax_endpoint_value value;
	struct coax_endpoint_key key;
	int error = 0;

	while (!error && map_walk_next(&walk, &key)) {
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		value.text[sizeof(value.text) - 1] = 0;
		error = map_append(&picture->endpoints, &picture->endpoint_count, &value,
				   sizeof(value));
	}
	if (picture->endpoint_count)
		qsort(picture->endpoints, picture->endpoint_count, sizeof(value),
		      compare_endpoints);
	return error;
}

static size_t count_entries(int index, size_t most)
{
	struct map_walk walk = {.map = index, .most = most};
	struct coax_index_key key;
	size_t count = 0;

	while (map_walk_next(&walk, &key))
		count++;
	return count;
}

static void find_owner(uint32_t pid, struct owner *owner)
{
	char path[40];
	FILE *file;

	if (!pid)
		return;
	owner->alive = !kill((pid_t)pid, 0) || errno == EPERM;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(owner->name, sizeof(owner->name), file))
		owner->name[0] = 0;
	owner->name[strcspn(owner->name, "\n")] = 0;
	fclose(file);
}

static int read_picture(const struct instance *instance, struct picture *picture)
{
	__u32 zero = 0;
	int error;

	if (bpf_map_lookup_elem(instance->config, &zero, &picture->config))
		return instance_unreadable(instance, "config", -errno);
	error = coax_accel_read_stats(instance->stats, &picture->stats);
	if (error)
		return instance_unreadable(instance, "stats", error);
	error = read_endpoints(instance->endpoints, picture);
	if (error)
		return instance_unreadable(instance, "endpoints", error);
	picture->entries = count_entries(instance->index, picture->config.slots);
	find_owner(picture->config.pid, &picture->owner);
	picture->now = tool_now();
	return TOOL_OK;
}

static const char *rung_words(enum coax_rung rung)
{
	switch (rung) {
	case COAX_RUNG_NONE:
		return "not attached";
	case COAX_RUNG_DISPATCHER:
		return "native mode, beside other programs through libxdp's dispatcher";
	case COAX_RUNG_NATIVE:
		return "native mode, alone";
	case COAX_RUNG_GENERIC:
		return "generic mode (slower than native)";
	}
	return "attached in an unknown way";
}

static const char *rung_name(enum coax_rung rung)
{
	switch (rung) {
	case COAX_RUNG_NONE:
		return "none";
	case COAX_RUNG_DISPATCHER:
		return "dispatcher";
	case COAX_RUNG_NATIVE:
		return "native";
	case COAX_RUNG_GENERIC:
		return "generic";
	}
	return "unknown";
}

static bool lease_holds(const struct picture *picture)
{
	return picture->config.lease > picture->now;
}

static const char *answering(const struct picture *picture)
{
	if (!picture->config.enabled)
		return "no: switched off";
	if (!lease_holds(picture))
		return "no: the lease has run out";
	return "yes";
}

static void print_lease(const struct picture *picture)
{
	const struct coax_config *config = &picture->config;
	char text[OUTPUT_DURATION_MAX];

	if (!config->lease)
		printf("lease       not begun\n");
	else if (lease_holds(picture))
		printf("lease       %" PRIu64 " ms left of %" PRIu64 " ms\n",
		       (uint64_t)(config->lease - picture->now) / 1000000,
		       (uint64_t)config->lease_length / 1000000);
	else
		printf("lease       ran out %s ago\n",
		       output_duration(picture->now - config->lease, text));
}

static void print_owner(const struct picture *picture)
{
	const struct owner *owner = &picture->owner;

	printf("owner       pid %u", picture->config.pid);
	if (owner->alive && *owner->name) {
		fputs(" (", stdout);
		output_safe(stdout, owner->name, strlen(owner->name));
		putchar(')');
	}
	puts(owner->alive ? ", alive" : ", not running");
}

static void print_attachments(const struct coax_config *config)
{
	const char *label = "interfaces";
	int width = 0;

	for (int i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		int length = (int)strnlen(config->attachments[i].name,
					  sizeof(config->attachments[i].name));

		if (config->attachments[i].ifindex && length > width)
			width = length;
	}
	for (int i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		const struct coax_attachment *attachment = &config->attachments[i];

		if (!attachment->ifindex)
			continue;
		printf("%-11s %-*.16s  %s%s\n", label, width, attachment->name,
		       rung_words(attachment->rung),
		       attachment->silent ? "; nothing is answered there now" : "");
		label = "";
	}
	if (*label)
		printf("%-11s none\n", label);
}

static void print_endpoints(const struct picture *picture)
{
	for (size_t i = 0; i < picture->endpoint_count; i++) {
		printf("%-11s ", i ? "" : "endpoints");
		output_safe(stdout, picture->endpoints[i].text, strlen(picture->endpoints[i].text));
		putchar('\n');
	}
	if (!picture->endpoint_count)
		printf("endpoints   none\n");
}

static void print_counters(const struct coax_stats *stats)
{
	printf("counters\n");
#define PRINT_COUNTER(name, text) \
	printf("  %-16s %12" PRIu64 "  %s\n", #name, (uint64_t)stats->name, text);
	COAX_STATS(PRINT_COUNTER)
#undef PRINT_COUNTER
}

static int show_text(const struct instance *instance, const struct picture *picture)
{
	printf("instance    %s\n", instance->name);
	printf("answering   %s\n", answering(picture));
	print_lease(picture);
	print_owner(picture);
	print_attachments(&picture->config);
	print_endpoints(picture);
	printf("entries     %zu of %u\n", picture->entries, picture->config.slots);
	print_counters(&picture->stats);
	return TOOL_OK;
}

static json_t *owner_json(const struct picture *picture)
{
	json_t *object = json_object();

	json_object_set_new(object, "pid", json_integer(picture->config.pid));
	json_object_set_new(object, "alive", json_boolean(picture->owner.alive));
	if (picture->owner.alive && *picture->owner.name)
		json_object_set_new(object, "name", json_string(picture->owner.name));
	return object;
}

static json_t *attachments_json(const struct coax_config *config)
{
	json_t *array = json_array();

	for (int i = 0; i < COAX_ATTACHMENTS_MAX; i++) {
		const struct coax_attachment *attachment = &config->attachments[i];
		json_t *object;

		if (!attachment->ifindex)
			continue;
		object = json_object();
		json_object_set_new(
			object, "name",
			output_json_text(attachment->name,
					 strnlen(attachment->name, sizeof(attachment->name))));
		json_object_set_new(object, "ifindex", json_integer(attachment->ifindex));
		json_object_set_new(object, "rung", json_string(rung_name(attachment->rung)));
		json_object_set_new(object, "silent", json_boolean(attachment->silent));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *endpoints_json(const struct picture *picture)
{
	json_t *array = json_array();

	for (size_t i = 0; i < picture->endpoint_count; i++)
		json_array_append_new(array, json_string(picture->endpoints[i].text));
	return array;
}

static json_t *counters_json(const struct coax_stats *stats)
{
	json_t *object = json_object();

#define SET_COUNTER(name, text) \
	json_object_set_new(object, #name, json_integer((json_int_t)stats->name));
	COAX_STATS(SET_COUNTER)
#undef SET_COUNTER
	return object;
}

static int show_json(const struct instance *instance, const struct picture *picture)
{
	const struct coax_config *config = &picture->config;
	/* Negative: so long ago. */
	int64_t lease_ms = (int64_t)(config->lease - picture->now) / 1000000;
	json_t *object = json_object();

	json_object_set_new(object, "instance", json_string(instance->name));
	json_object_set_new(object, "answering",
			    json_boolean(config->enabled && lease_holds(picture)));
	json_object_set_new(object, "enabled", json_boolean(config->enabled));
	json_object_set_new(object, "lease_ms",
			    config->lease ? json_integer(lease_ms) : json_null());
	json_object_set_new(object, "lease_length_ms",
			    json_integer((json_int_t)(config->lease_length / 1000000)));
	json_object_set_new(object, "owner", owner_json(picture));
	json_object_set_new(object, "interfaces", attachments_json(config));
	json_object_set_new(object, "endpoints", endpoints_json(picture));
	json_object_set_new(object, "entries", json_integer((json_int_t)picture->entries));
	json_object_set_new(object, "slots", json_integer(config->slots));
	json_object_set_new(object, "counters", counters_json(&picture->stats));
	return output_json(instance->tool, object, TOOL_OK);
}

static int run_status(struct tool *tool, int argc, char **argv)
{
	struct picture picture = {0};
	struct instance instance;
	int status;

	if (!instance_begin(&instance, tool, &status_command, argc, argv, &status))
		return status;
	status = read_picture(&instance, &picture);
	if (!status)
		status = tool->json ? show_json(&instance, &picture)
				    : show_text(&instance, &picture);
	free(picture.endpoints);
	instance_close(&instance);
	return status;
}

const struct command status_command = {
	.name = "status",
	.summary = "what the kernel half does: interfaces, lease, counters",
	.run = run_status,
	.help = "Usage: coax status [OPTIONS]\n"
		"\n"
		"Show what the kernel answers for a coaxd: whether it does, under which lease, on\n"
		"which interfaces and endpoints, how many replies are published, and what became of\n"
		"the packets. Reads the pinned BPF maps, which takes root or CAP_BPF.\n"
		"\n"
		"Options:\n" INSTANCE_HELP
		"  -j, --json           print JSON: instance, answering, enabled, lease_ms (negative:\n"
		"                       ran out so long ago; null: not begun), lease_length_ms, owner,\n"
		"                       interfaces, endpoints, entries, slots, counters\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such instance, or not permitted\n"
		"\n"
		"Examples:\n"
		"  coax status\n"
		"  coax status --instance edge -j\n",
};
