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
#include "output.h"

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
		fputs(any ? " " : "there are: ", stderr);
		output_safe(stderr, entry->d_name, strlen(entry->d_name));
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

static const struct map {
	const char *name;
	size_t key_size;
	size_t value_size;
	size_t fd; /* where it is in struct instance */
} maps[] = {
#define MAP(map, key, value)                                                     \
	{                                                                        \
#map, sizeof(key), sizeof(value), offsetof(struct instance, map) \
	}
	/* It says which layout all have. */
	MAP(config, __u32, struct coax_config),
	MAP(stats, __u32, struct coax_stats),
	MAP(endpoints, struct coax_endpoint_key, struct coax_endpoint_value),
	MAP(index, struct coax_index_key, struct coax_index_value),
	MAP(slots, __u32, struct coax_slot),
	MAP(limits, __u32, struct coax_limit),
	MAP(verified, struct coax_verified_key, struct coax_verified_value),
	MAP(prefixes, struct coax_prefix_key, struct coax_prefix_value),
	MAP(exchanges, __u32, struct coax_exchange_record),
#undef MAP
};

#define MAP_COUNT (sizeof(maps) / sizeof(*maps))

static int *map_fd(struct instance *instance, const struct map *map)
{
	return (int *)((char *)instance + map->fd);
}

/* The kernel copies as many bytes as the map's values have, whatever there is room for. */
static int open_map(struct instance *instance, const struct map *map)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int fd = coax_accel_open_map(instance->name, map->name);

	*map_fd(instance, map) = fd;
	if (fd < 0)
		return instance_unreadable(instance, map->name, fd);
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return instance_unreadable(instance, map->name, -errno);
	if (info.key_size != map->key_size || info.value_size != map->value_size)
		return tool_fail(instance->tool,
				 "instance %s: map %s is laid out otherwise than this coax knows; "
				 "use the coax that came with the running coaxd",
				 instance->name, map->name);
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
	int status = TOOL_OK;

	*instance = (struct instance){.tool = tool, .name = name};
	for (size_t i = 0; i < MAP_COUNT; i++)
		*map_fd(instance, &maps[i]) = -1;
	for (size_t i = 0; i < MAP_COUNT && !status; i++) {
		status = open_map(instance, &maps[i]);
		if (!status && !i)
			status = check_layout(instance);
	}
	return status;
}

void instance_close(struct instance *instance)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		int fd = *map_fd(instance, &maps[i]);

		if (fd >= 0)
			close(fd);
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

bool instance_begin(struct instance *instance, struct tool *tool, const struct command *command,
		    int argc, char **argv, int *status)
{
	const char *name;

	if (!instance_options(tool, command, argc, argv, &name, status))
		return false;
	if (optind < argc) {
		*status = tool_fail(tool,
				    "\"%s\" is too much; an instance is named by --instance NAME",
				    argv[optind]);
		return false;
	}
	*status = instance_open(instance, tool, name);
	if (!*status)
		return true;
	instance_close(instance);
	return false;
}
