// SPDX-License-Identifier: BSD-2-Clause
/* coax on and off: whether the kernel half of an instance answers at all. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include "instance.h"
#include "output.h"

/*
 * Stores this field alone: the daemon extends the lease beside it all the time, and writing back
 * a value read before would shorten it. `lease` is the one that holds then.
 */
static int store_enabled(const struct instance *instance, bool enabled, uint64_t *lease)
{
	struct coax_config *config = mmap(NULL, sizeof(*config), PROT_READ | PROT_WRITE, MAP_SHARED,
					  instance->config, 0);

	if (config == MAP_FAILED)
		return instance_unreadable(instance, "config", -errno);
	__atomic_store_n(&config->enabled, enabled, __ATOMIC_SEQ_CST);
	*lease = __atomic_load_n(&config->lease, __ATOMIC_SEQ_CST);
	munmap(config, sizeof(*config));
	return TOOL_OK;
}

static int show_text(const struct instance *instance, bool enabled, uint64_t lease)
{
	const char *words = "switched on, the kernel answers";

	if (!enabled)
		words = "switched off, every packet passes until it is switched on again or the "
			"daemon is restarted";
	else if (lease <= tool_now())
		words = "switched on, but the kernel answers nothing: the lease has run out";
	printf("instance %s: %s\n", instance->name, words);
	return TOOL_OK;
}

static int show_json(const struct instance *instance, bool enabled)
{
	json_t *object = json_object();

	json_object_set_new(object, "instance", json_string(instance->name));
	json_object_set_new(object, "enabled", json_boolean(enabled));
	return output_json(instance->tool, object, TOOL_OK);
}

static int run_switch(struct tool *tool, const struct command *command, bool enabled, int argc,
		      char **argv)
{
	struct instance instance;
	uint64_t lease = 0;
	int status;

	if (!instance_begin(&instance, tool, command, argc, argv, &status))
		return status;
	status = store_enabled(&instance, enabled, &lease);
	if (!status)
		status = tool->json ? show_json(&instance, enabled)
				    : show_text(&instance, enabled, lease);
	instance_close(&instance);
	return status;
}

static int run_on(struct tool *tool, int argc, char **argv)
{
	return run_switch(tool, &on_command, true, argc, argv);
}

static int run_off(struct tool *tool, int argc, char **argv)
{
	return run_switch(tool, &off_command, false, argc, argv);
}

#define SWITCH_HELP_END                                                                     \
	"Options:\n" INSTANCE_HELP "  -j, --json           print JSON: instance, enabled\n" \
	"  -h, --help           this text\n"                                                \
	"\n"                                                                                \
	"Exit status:\n"                                                                    \
	"  0  success\n"                                                                    \
	"  1  usage error, no such instance, or not permitted\n"                            \
	"\n"                                                                                \
	"Examples:\n"

const struct command on_command = {
	.name = "on",
	.summary = "let the kernel answer again after coax off",
	.run = run_on,
	.help = "Usage: coax on [OPTIONS]\n"
		"\n"
		"Let the kernel half of a coaxd answer again after coax off. What has changed\n"
		"meanwhile is not answered from before the change. The kernel answers only while\n"
		"the lease holds (see coax status). Writes to a pinned BPF map, which takes root or\n"
		"CAP_BPF.\n"
		"\n" SWITCH_HELP_END "  coax on\n"
		"  coax on --instance edge\n",
};

const struct command off_command = {
	.name = "off",
	.summary = "let every packet pass the kernel half: userspace answers all",
	.run = run_off,
	.help = "Usage: coax off [OPTIONS]\n"
		"\n"
		"Switch the kernel half of a coaxd off: every packet passes, and userspace answers\n"
		"all. That holds until coax on, or until the daemon is restarted. Writes to a pinned\n"
		"BPF map, which takes root or CAP_BPF.\n"
		"\n" SWITCH_HELP_END "  coax off\n"
		"  coax off --instance edge\n",
};
