// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "accel/accel.h"
#include "instance.h"

/* The names below the pin root, so that a wrong one is easily put right. */
static void print_others(void)
{
	DIR *root = opendir(COAX_PIN_ROOT);
	struct dirent *entry;
	bool any = false;

	if (!root)
		return;
	while ((entry = readdir(root))) {
		if (entry->d_name[0] == '.')
			continue;
		fprintf(stderr, "%s %s", any ? "" : "there are:", entry->d_name);
		any = true;
	}
	if (any)
		fputc('\n', stderr);
	closedir(root);
}

int instance_unreadable(const struct instance *instance, const char *map, int error)
{
	const struct tool *tool = instance->tool;

	switch (error) {
	case -ENOENT:
		tool_fail(tool,
			  "no instance %s below " COAX_PIN_ROOT
			  "; is coaxd running with --interface?",
			  instance->name);
		print_others();
		return TOOL_LOCAL_ERROR;
	case -EPERM:
	case -EACCES:
		return tool_fail(tool,
				 "instance %s: not permitted; BPF maps can be read by root or with "
				 "CAP_BPF (try sudo)",
				 instance->name);
	default:
		return tool_fail(tool, "instance %s, map %s: %s", instance->name, map,
				 strerror(-error));
	}
}

/* The kernel copies as many bytes as the map's values have, whatever there is room for. */
static int open_map(struct instance *instance, const char *map, size_t key_size, size_t value_size,
		    int *fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	*fd = coax_accel_open_map(instance->name, map);
	if (*fd < 0)
		return instance_unreadable(instance, map, *fd);
	if (bpf_obj_get_info_by_fd(*fd, &info, &length))
		return instance_unreadable(instance, map, -errno);
	if (info.key_size != key_size || info.value_size != value_size)
		return tool_fail(instance->tool,
				 "instance %s: map %s is laid out otherwise than this coax knows; "
				 "use the coax that came with the running coaxd",
				 instance->name, map);
	return TOOL_OK;
}

static int check_layout(const struct instance *instance)
{
	struct coax_config config;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(instance->config, &zero, &config))
		return instance_unreadable(instance, "config", -errno);
	if (config.layout == COAX_LAYOUT)
		return TOOL_OK;
	return tool_fail(instance->tool,
			 "instance %s has map layout %u, this coax knows %d; use the coax that "
			 "came with the running coaxd",
			 instance->name, config.layout, COAX_LAYOUT);
}

int instance_open(struct instance *instance, const struct tool *tool, const char *name)
{
	int status;

	*instance = (struct instance){
		.tool = tool,
		.name = name,
		.config = -1,
		.stats = -1,
		.endpoints = -1,
		.index = -1,
		.slots = -1,
		.limits = -1,
		.verified = -1,
		.prefixes = -1,
		.exchanges = -1,
	};
	status = open_map(instance, "config", sizeof(__u32), sizeof(struct coax_config),
			  &instance->config);
	if (!status)
		status = check_layout(instance);
	if (!status)
		status = open_map(instance, "stats", sizeof(__u32), sizeof(struct coax_stats),
				  &instance->stats);
	if (!status)
		status = open_map(instance, "endpoints", sizeof(struct coax_endpoint_key),
				  sizeof(struct coax_endpoint_value), &instance->endpoints);
	if (!status)
		status = open_map(instance, "index", sizeof(struct coax_index_key),
				  sizeof(struct coax_index_value), &instance->index);
	if (!status)
		status = open_map(instance, "slots", sizeof(__u32), sizeof(struct coax_slot),
				  &instance->slots);
	if (!status)
		status = open_map(instance, "limits", sizeof(__u32), sizeof(struct coax_limit),
				  &instance->limits);
	if (!status)
		status = open_map(instance, "verified", sizeof(struct coax_verified_key),
				  sizeof(struct coax_verified_value), &instance->verified);
	if (!status)
		status = open_map(instance, "prefixes", sizeof(struct coax_prefix_key),
				  sizeof(struct coax_prefix_value), &instance->prefixes);
	if (!status)
		status = open_map(instance, "exchanges", sizeof(__u32),
				  sizeof(struct coax_exchange_record), &instance->exchanges);
	return status;
}

void instance_close(struct instance *instance)
{
	const int fds[] = {instance->config, instance->stats,	 instance->endpoints,
			   instance->index,  instance->slots,	 instance->exchanges,
			   instance->limits, instance->verified, instance->prefixes};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

bool instance_options(struct tool *tool, const struct command *command, int argc, char **argv,
		      const char **name, int *status)
{
	static const struct option options[] = {
		TOOL_LONG,
		{"instance", required_argument, NULL, 'i'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*name = COAX_INSTANCE_DEFAULT;
	while ((option = getopt_long(argc, argv, TOOL_SHORT "i:", options, NULL)) != -1) {
		if (option == 'i')
			*name = optarg;
		else if (!tool_option(tool, command, option, argv, status))
			return false;
	}
	if (coax_accel_instance_is_valid(*name))
		return true;
	*status = tool_fail(tool, "--instance \"%s\": give the name of a directory below %s", *name,
			    COAX_PIN_ROOT);
	return false;
}

bool instance_arguments(struct tool *tool, const struct command *command, int argc, char **argv,
			const char **name, int *status)
{
	if (!instance_options(tool, command, argc, argv, name, status))
		return false;
	if (optind == argc)
		return true;
	*status = tool_fail(tool, "\"%s\" is too much; an instance is named by --instance NAME",
			    argv[optind]);
	return false;
}
