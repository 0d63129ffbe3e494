/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pinned maps of an instance, to look into and to switch.
 */
#ifndef COAX_INSTANCE_H
#define COAX_INSTANCE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <coax/maps.h>
#include "tool.h"

struct instance {
	const struct tool *tool;
	const char *name;
	int config;
	int stats;
	int endpoints;
	int index;
	int slots;
	int limits;
	int verified;
	int prefixes;
	int exchanges;
};

/*
 * Open the maps and check that they are laid out as this tool knows them. Returns TOOL_OK or,
 * having said why, TOOL_LOCAL_ERROR; instance_close() in any case.
 */
int instance_open(struct instance *instance, const struct tool *tool, const char *name);
void instance_close(struct instance *instance);

/* The same errors as instance_open() has, for reading. */
int instance_unreadable(const struct instance *instance, const char *map, int error);

/*
 * Handle --instance and the shared options; arguments begin at `optind` then. Returns true to go
 * on; false to end with *status.
 */
bool instance_options(struct tool *tool, const struct command *command, int argc, char **argv,
		      const char **name, int *status);
/*
 * All of that, for a command that takes no arguments. Returns true with the instance open; false to
 * end with *status.
 */
bool instance_begin(struct instance *instance, struct tool *tool, const struct command *command,
		    int argc, char **argv, int *status);

#define INSTANCE_HELP                                                                      \
	"  -i, --instance NAME  the name that coaxd's maps have below " COAX_PIN_ROOT "\n" \
	"                       (" COAX_INSTANCE_DEFAULT ")\n"

#endif
