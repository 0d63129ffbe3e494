// SPDX-License-Identifier: BSD-2-Clause
/* coax top: what an instance is doing, again and again. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "accel/accel.h"
#include "output.h"
#include "signals.h"
#include "top.h"

struct top {
	struct tool *tool;
	const char *instance;
	bool batch;
	uint32_t delay_ms;
	uint32_t count; /* 0: until it is ended */
	int signals;
	SCREEN *screen; /* NULL: there is none */
};

static void draw(const struct top_interval *interval)
{
	char *text = NULL, *line, *rest;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return;
	top_show(interval, to);
	if (fclose(to) == 0) {
		rest = text;
		erase();
		/* What is too long for a line is overwritten by the next one. */
		for (int y = 0; y < LINES && (line = strsep(&rest, "\n")); y++) {
			move(y, 0);
			clrtoeol();
			addnstr(line, (int)strlen(line));
		}
		refresh();
	}
	free(text);
}

static int show(const struct top *top, const struct top_interval *interval, bool first)
{
	int status = TOOL_OK;

	if (top->screen) {
		draw(interval);
		return TOOL_OK;
	}
	if (top->tool->json) {
		status = output_json_line(top->tool, top_json(interval));
	} else {
		if (!first)
			putchar('\n');
		top_show(interval, stdout);
	}
	/* Who is not there any more is not shown more. */
	return fflush(stdout) || ferror(stdout) ? TOOL_LOCAL_ERROR : status;
}

/* Returns whether it goes on: neither a signal nor the key q has come. */
static bool wait_until(const struct top *top, uint64_t until)
{
	struct pollfd fds[] = {{.fd = top->signals, .events = POLLIN},
			       {.fd = top->screen ? STDIN_FILENO : -1, .events = POLLIN}};
	int key;

	for (;;) {
		uint64_t now = tool_now();

		if (signals_caught())
			return false;
		if (now >= until)
			return true;
		if (poll(fds, 2, (int)((until - now) / 1000000 + 1)) <= 0)
			continue;
		while (top->screen && (key = getch()) != ERR)
			if (key == 'q' || key == 'Q')
				return false;
		/* The terminal is gone. */
		if (fds[1].revents & (POLLHUP | POLLERR))
			return false;
	}
}

/* Returns as wait_until(). */
static bool look_for(const struct top *top, struct top_interval *interval)
{
	uint64_t begin = tool_now(), delay = top->delay_ms * 1000000ULL;
	uint64_t looks = top_looks(interval) * delay / 1000000000;

	if (!looks)
		looks = 1;
	for (uint64_t i = 1; i <= looks; i++) {
		if (!wait_until(top, begin + delay * i / looks))
			return false;
		top_look(interval);
	}
	return true;
}

static int run_intervals(const struct top *top, const struct instance *instance)
{
	struct top_interval interval;
	int status = top_begin(&interval, instance);

	for (uint32_t i = 0; !status && (!top->count || i < top->count); i++) {
		top_advance(&interval);
		if (!look_for(top, &interval))
			break;
		status = top_read(&interval);
		if (!status)
			status = show(top, &interval, i == 0);
	}
	top_end(&interval);
	return status;
}

static int begin_screen(struct top *top)
{
	setlocale(LC_CTYPE, "");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return tool_fail(top->tool, "this is no terminal: coax top --batch prints");
	top->screen = newterm(NULL, stdout, stdin);
	if (!top->screen)
		return tool_fail(top->tool, "the terminal is not known ($TERM): coax top --batch "
					    "prints");
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	return TOOL_OK;
}

static int run_with(struct top *top, const struct instance *instance)
{
	int status = top->batch ? TOOL_OK : begin_screen(top);

	if (status)
		return status;
	status = run_intervals(top, instance);
	if (top->screen) {
		endwin();
		delscreen(top->screen);
		/* What was said is gone with the screen. */
		if (status)
			tool_fail(top->tool, "instance %s cannot be read any more", top->instance);
	}
	return status;
}

static int read_options(struct top *top, int argc, char **argv, bool *go_on)
{
	static const struct option options[] = {
		TOOL_LONG,
		{"instance", required_argument, NULL, 'i'},
		{"batch", no_argument, NULL, 'b'},
		{"delay", required_argument, NULL, 'd'},
		{"count", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int option, status = TOOL_OK;

	*go_on = true;
	while (!status &&
	       (option = getopt_long(argc, argv, TOOL_SHORT "i:bd:n:", options, NULL)) != -1) {
		if (option == 'i') {
			top->instance = optarg;
		} else if (option == 'b') {
			top->batch = true;
		} else if (option == 'd') {
			status = tool_parse_seconds(top->tool, "--delay", optarg, false,
						    &top->delay_ms);
		} else if (option == 'n') {
			status = tool_parse_count(top->tool, "--count", optarg, UINT32_MAX,
						  &top->count);
		} else if (!tool_option(top->tool, &top_command, option, argv, &status)) {
			*go_on = false;
			return status;
		}
	}
	if (status)
		return status;
	if (optind < argc)
		return tool_fail(top->tool,
				 "\"%s\" is too much; an instance is named by --instance NAME",
				 argv[optind]);
	if (!coax_accel_instance_is_valid(top->instance))
		return tool_fail(top->tool,
				 "--instance \"%s\": give the name of a directory below %s",
				 top->instance, COAX_PIN_ROOT);
	return TOOL_OK;
}

static int run(struct tool *tool, int argc, char **argv)
{
	struct top top = {.tool = tool, .instance = COAX_INSTANCE_DEFAULT, .delay_ms = 1000};
	struct instance instance;
	bool go_on;
	int status = read_options(&top, argc, argv, &go_on);

	if (status || !go_on)
		return status;
	top.batch |= tool->json;
	top.signals = signals_catch();
	status = instance_open(&instance, tool, top.instance);
	if (!status)
		status = run_with(&top, &instance);
	instance_close(&instance);
	return status;
}

const struct command top_command = {
	.name = "top",
	.summary = "what coaxd and its kernel half do, live",
	.run = run,
	.help = "Usage: coax top [OPTIONS]\n"
		"\n"
		"Show what a coaxd and its kernel half are doing, each second: requests, how many of\n"
		"them the kernel answers, how long userspace takes for what it answers at once,\n"
		"sessions and observers, workers, what is dropped and why,\n"
		"which resources are asked for and by whom. The key q ends it. Reads the pinned BPF\n"
		"maps, and asks the daemon for its figures: ? is what that does not tell. Takes root.\n"
		"\n"
		"Nobody counts how often the kernel sends each reply. The mark by which eviction knows\n"
		"what is in use is looked at, up to 20 times a second, and from how often it has been\n"
		"set since is estimated how often the reply was sent: above some 60 a second, > says\n"
		"that it was more. Sources are counted by the requests that userspace remembers\n"
		"because they must not run twice (POST, PUT and the like): no GETs.\n"
		"\n"
		"Options:\n" INSTANCE_HELP
		"  -d, --delay SECONDS  so long between two looks (1), fractions allowed\n"
		"  -b, --batch          print instead, as text\n"
		"  -n, --count N        end after so many times\n"
		"  -j, --json           print a JSON object a line: answering; by the second\n"
		"                       kernel_requests, userspace_requests, proxy_hits, proxy_misses,\n"
		"                       workers, dropped;\n"
		"                       half_within_ms, 99_percent_within_ms (in userspace); entries,\n"
		"                       sessions, observers; resources (request, rate, at_least),\n"
		"                       sources (address, requests) and origins of a proxy (origin,\n"
		"                       requests, failures, answer_ms, down). null is what is not known\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such instance, not permitted, or no terminal\n"
		"\n"
		"Examples:\n"
		"  coax top\n"
		"  coax top --batch --count 1 --delay 10\n"
		"  coax top -j | jq .kernel_requests\n",
};
