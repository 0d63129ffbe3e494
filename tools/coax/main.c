// SPDX-License-Identifier: BSD-2-Clause
/* coax: find the command and run it. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "signals.h"
#include "tool.h"

static const struct command *const commands[] = {
	&request_get,	 &request_put,	  &request_post,      &request_delete,	 &request_fetch,
	&request_patch,	 &request_ipatch, &observe_command,   &discover_command, &ping_command,
	&status_command, &cache_command,  &exchanges_command, &peers_command,	 &on_command,
	&off_command,	 &attach_command, &detach_command,    &reload_command,	 &top_command,
};

enum {
	OPTION_VERSION = 256, /* no letter */
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	fputs("Usage: coax [-j] [-v] [CREDENTIALS] COMMAND [OPTIONS] [ARGUMENTS]\n"
	      "\n"
	      "Ask CoAP servers, and look into what the kernel answers for coaxd.\n"
	      "\n"
	      "Commands (the shortest unambiguous beginning will do):\n",
	      to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("  help      the help of a command: coax help get\n"
	      "\n"
	      "Options, before or behind the command, where those for credentials may be too (see\n"
	      "coax help get):\n"
	      "  -j, --json     print JSON\n"
	      "  -v, --verbose  say more, on stderr\n"
	      "  -h, --help     this text, or that of the command\n"
	      "      --version  print the version\n"
	      "\n" TOOL_EXIT_HELP "\n"
	      "Examples:\n"
	      "  coax get coap://192.0.2.1/time\n"
	      "  coax put coap://[2001:db8::1]/lamp -p on --content-format text/plain\n"
	      "  coax discover coap://localhost rt=temperature*\n"
	      "  coax observe coap://localhost/sensors/1 --for 60\n"
	      "  coax status -j\n",
	      to);
}

/* By name, or by its beginning when only one command begins so. NULL: said why. */
static const struct command *find_command(const struct tool *tool, const char *name)
{
	const struct command *found = NULL;
	size_t matches = 0;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		if (*name && strncmp(commands[i]->name, name, strlen(name)) == 0) {
			found = commands[i];
			matches++;
		}
	}
	if (matches == 1)
		return found;
	if (!matches) {
		tool_fail(tool, "unknown command \"%s\" (see coax --help)", name);
		return NULL;
	}
	fprintf(stderr, "coax: \"%s\" is ambiguous; it could be", name);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strncmp(commands[i]->name, name, strlen(name)) == 0)
			fprintf(stderr, " %s", commands[i]->name);
	}
	fputc('\n', stderr);
	return NULL;
}

static int help(const struct tool *tool, int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_help(stdout);
		return TOOL_OK;
	}
	command = find_command(tool, argv[1]);
	if (!command)
		return TOOL_LOCAL_ERROR;
	fputs(command->help, stdout);
	return TOOL_OK;
}

static int run(struct tool *tool, int argc, char **argv)
{
	const struct command *command;

	if (!argc) {
		print_help(stderr);
		return TOOL_LOCAL_ERROR;
	}
	if (strcmp(argv[0], "help") == 0)
		return help(tool, argc, argv);
	command = find_command(tool, argv[0]);
	if (!command)
		return TOOL_LOCAL_ERROR;
	tool->command = command->name;
	optind = 0; /* glibc: begin anew with another argument vector */
	return command->run(tool, argc, argv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		TOOL_LONG,
		SECURITY_LONG,
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	struct tool tool = {.command = ""};
	int option, status;
	char letter[3];

	opterr = 0;
	/* "+": what stands behind the command is the command's. */
	while ((option = getopt_long(argc, argv, "+:hjv" SECURITY_SHORT, options, NULL)) != -1) {
		switch (option) {
		case 'h':
			print_help(stdout);
			return TOOL_OK;
		case OPTION_VERSION:
			puts("coax " COAX_VERSION_TEXT);
			return TOOL_OK;
		case 'j':
			tool.json = true;
			break;
		case 'v':
			tool.verbose = true;
			break;
		case ':':
			return tool_fail(&tool, "a value is missing behind %s (see coax --help)",
					 tool_bad_option(argv, letter));
		default:
			if (security_option(&tool.security, option))
				break;
			return tool_fail(&tool, "unknown option %s (see coax --help)",
					 tool_bad_option(argv, letter));
		}
	}
	status = run(&tool, argc - optind, argv + optind);
	security_forget(&tool.security);
	if (signals_caught()) {
		/* Whoever started it learns what ended it. */
		fflush(stdout);
		signal(signals_caught(), SIG_DFL);
		raise(signals_caught());
	}
	if (fflush(stdout))
		return tool_fail(&tool, "cannot write the output: %m");
	if (ferror(stdout)) /* since a while ago: errno is about something else */
		return tool_fail(&tool, "cannot write the output");
	return status;
}
