// SPDX-License-Identifier: BSD-2-Clause
/* coax attach, detach and reload: what a running coaxd is asked to do. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control.h"
#include "control_socket.h"
#include "instance.h"
#include "output.h"

/* Attaching takes the verifier some of it. */
#define ANSWER_TIMEOUT_MS 30000
/* Who asks for figures has others to show. */
#define FIGURES_TIMEOUT_MS 2000
#define FIGURES_MAX	   (1 << 20)

static int unreachable(const struct tool *tool, const char *instance, int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return tool_fail(tool,
				 "no coaxd of instance %s listens at " COAX_CONTROL_DIRECTORY "/%s",
				 instance, instance);
	case -EACCES:
	case -EPERM:
	case -EPIPE:
		return tool_fail(tool,
				 "instance %s: not permitted; coaxd listens to root and to its own "
				 "user (try sudo)",
				 instance);
	default:
		return tool_fail(tool, "instance %s: %s", instance, strerror(-error));
	}
}

/* Send a line, and wait for another in its place. Returns 0 or a negative errno. */
static int send_errand(const char *instance, char line[COAX_CONTROL_LINE_MAX], int *fds,
		       size_t *count, int timeout_ms)
{
	int connection = coax_control_connect(instance);
	int err;

	if (connection < 0)
		return connection;
	err = coax_control_send(connection, line, NULL, 0);
	if (!err)
		err = coax_control_receive(connection, line, fds, count, timeout_ms, -1);
	close(connection);
	return err;
}

/* Returns NULL when there is no memory, or it is no JSON. */
static json_t *read_figures(int fd, size_t length)
{
	char *text = length && length <= FIGURES_MAX ? malloc(length) : NULL;
	json_t *figures = NULL;

	if (text && pread(fd, text, length, 0) == (ssize_t)length)
		figures = json_loadb(text, length, 0, NULL);
	free(text);
	if (json_is_object(figures))
		return figures;
	json_decref(figures);
	return NULL;
}

json_t *control_figures(const char *instance)
{
	char line[COAX_CONTROL_LINE_MAX] = "figures";
	json_t *figures = NULL;
	size_t count = 1;
	int fd = -1;

	if (send_errand(instance, line, &fd, &count, FIGURES_TIMEOUT_MS) == 0 && count &&
	    strncmp(line, "ok ", 3) == 0)
		figures = read_figures(fd, strtoull(line + 3, NULL, 10));
	if (fd >= 0)
		close(fd);
	return figures;
}

int control_ask(const struct tool *tool, const char *instance, const char *verb,
		const char *argument, size_t *count)
{
	char line[COAX_CONTROL_LINE_MAX], *note;
	int err = 0;

	if (snprintf(line, sizeof(line), "%s%s%s", verb, argument ? " " : "",
		     argument ? argument : "") >= (int)sizeof(line))
		err = -ENAMETOOLONG;
	if (!err)
		err = send_errand(instance, line, NULL, NULL, ANSWER_TIMEOUT_MS);
	if (err)
		return unreachable(tool, instance, err);
	if (strncmp(line, "ok ", 3) == 0) {
		*count = strtoull(line + 3, &note, 10);
		if (*note == ' ')
			printf("%s\n", note + 1);
		return TOOL_OK;
	}
	return tool_fail(tool, "%s %s: %s", verb, argument ? argument : instance,
			 strncmp(line, "error ", 6) == 0 ? line + 6 : line);
}

static int show(const struct tool *tool, const char *interface, bool attached)
{
	json_t *object;

	if (!tool->json) {
		printf("%s: %s\n", interface,
		       attached ? "attached, the kernel answers there" : "detached");
		return TOOL_OK;
	}
	object = json_object();
	json_object_set_new(object, "interface", json_string(interface));
	json_object_set_new(object, "attached", json_boolean(attached));
	return output_json(tool, object, TOOL_OK);
}

static int run(struct tool *tool, const struct command *command, bool attach, int argc, char **argv)
{
	const char *instance;
	size_t count;
	int status;

	if (!instance_options(tool, command, argc, argv, &instance, &status))
		return status;
	if (argc - optind != 1)
		return tool_fail(tool, "name one interface (see coax %s --help)", command->name);
	status = control_ask(tool, instance, command->name, argv[optind], &count);
	return status ? status : show(tool, argv[optind], attach);
}

static int run_attach(struct tool *tool, int argc, char **argv)
{
	return run(tool, &attach_command, true, argc, argv);
}

static int run_detach(struct tool *tool, int argc, char **argv)
{
	return run(tool, &detach_command, false, argc, argv);
}

static int run_reload(struct tool *tool, int argc, char **argv)
{
	const char *instance;
	size_t count;
	int status;

	if (!instance_options(tool, &reload_command, argc, argv, &instance, &status))
		return status;
	if (argc != optind)
		return tool_fail(tool, "no arguments are taken (see coax reload --help)");
	return control_ask(tool, instance, "reload", NULL, &count);
}

#define CONTROL_HELP_END                                                                          \
	"Asks the daemon by its control socket " COAX_CONTROL_DIRECTORY "/INSTANCE, which root\n" \
	"and the daemon's user may.\n"                                                            \
	"\n"                                                                                      \
	"Options:\n" INSTANCE_HELP "  -j, --json           print JSON: interface, attached\n"     \
	"  -h, --help           this text\n"                                                      \
	"\n"                                                                                      \
	"Exit status:\n"                                                                          \
	"  0  success\n"                                                                          \
	"  1  usage error, no such daemon, not permitted, or it could not\n"                      \
	"\n"                                                                                      \
	"Examples:\n"

const struct command attach_command = {
	.name = "attach",
	.summary = "let the kernel answer on one more interface",
	.run = run_attach,
	.help = "Usage: coax attach [OPTIONS] INTERFACE\n"
		"\n"
		"Have a running coaxd attach its XDP program to an interface, also to one that it was\n"
		"detached from. The daemon has to have been started with an --interface.\n"
		"\n" CONTROL_HELP_END "  coax attach eth1\n",
};

const struct command detach_command = {
	.name = "detach",
	.summary = "let the kernel answer on an interface no longer",
	.run = run_detach,
	.help = "Usage: coax detach [OPTIONS] INTERFACE\n"
		"\n"
		"Have a running coaxd take its XDP program off an interface: userspace answers all that\n"
		"comes in there, until coax attach or until the daemon is started again.\n"
		"\n" CONTROL_HELP_END "  coax detach eth1\n",
};

const struct command reload_command = {
	.name = "reload",
	.summary = "have coaxd read its configuration again",
	.run = run_reload,
	.help = "Usage: coax reload [OPTIONS]\n"
		"\n"
		"Have a running coaxd read its configuration file and its credentials again, as SIGHUP\n"
		"does. What takes a restart to change is printed, and the rest is applied. Sessions by\n"
		"credentials that have not changed go on, and what the kernel answers stays where it is\n"
		"still right. With a mistake in a file all stays as it was.\n"
		"\n"
		"Asks the daemon by its control socket " COAX_CONTROL_DIRECTORY
		"/INSTANCE, which root\n"
		"and the daemon's user may.\n"
		"\n"
		"Options:\n" INSTANCE_HELP "  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such daemon, not permitted, or there is a mistake\n"
		"\n"
		"Example:\n"
		"  coax reload\n",
};
