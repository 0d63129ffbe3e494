// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench kernel: a server's kernel half under load, and beside it a bare reflector.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "hook.h"
#include "run.h"
#include "tools/bench/reflector.skel.h"

/* The two runs take turns, so that whatever else the machine does hits both. */
#define SLICE 0.25

/* A veth ring holds 256 frames, and takes the next batch before the last one is answered. */
#define BATCH_MAX 128

struct kernel_options {
	const char *near; /* the reflector's veth pair, NULL: no comparison */
	const char *far;
	uint64_t packets;
	struct run_options run;
};

struct reflector {
	struct reflector_bpf *skel;
	struct bench_hook hook;
};

static int reflector_open(struct reflector *reflector, const char *interface)
{
	int error;

	reflector->skel = reflector_bpf__open_and_load();
	if (!reflector->skel)
		return bench_fail("the reflector does not load: %s", strerror(errno));
	error = bench_hook_attach(&reflector->hook, (int)if_nametoindex(interface),
				  bpf_program__fd(reflector->skel->progs.reflect));
	return error ? bench_fail("cannot attach to %s: %s", interface, strerror(-error)) : 0;
}

static void reflector_close(struct reflector *reflector)
{
	bench_hook_detach(&reflector->hook);
	reflector_bpf__destroy(reflector->skel);
}

static void parse_pair(char *text, struct kernel_options *o)
{
	char *comma = strchr(text, ',');

	o->near = text;
	o->far = "";
	if (!comma)
		return;
	*comma = '\0';
	o->far = comma + 1;
}

/* Returns 0, or the exit status of a complaint. */
static int parse_options(int argc, char **argv, struct kernel_options *o)
{
	static const struct option options[] = {
		RUN_OPTIONS,
		{"source", required_argument, NULL, 'a'},
		{"packets", required_argument, NULL, 'n'},
		{"non", no_argument, NULL, 'N'},
		{"token-length", required_argument, NULL, 't'},
		{"batch", required_argument, NULL, 'b'},
		{"cpu", required_argument, NULL, 'c'},
		{"reflector", required_argument, NULL, 'r'},
		{"names", required_argument, NULL, 'E'},
		{NULL, 0, NULL, 0},
	};
	const char *source = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'a':
			source = optarg;
			break;
		case 'n':
			o->packets = bench_number("--packets", optarg, 1, 1ULL << 40);
			break;
		case 'N':
			o->run.request.type = COAX_TYPE_NON;
			break;
		case 't':
			o->run.request.token_length =
				bench_number("--token-length", optarg, 0, COAX_TOKEN_MAX);
			break;
		case 'b':
			o->run.batch = (unsigned int)bench_number("--batch", optarg, 1, BATCH_MAX);
			break;
		case 'c':
			o->run.cpu =
				(unsigned int)bench_number("--cpu", optarg, 0, CPU_SETSIZE - 1);
			break;
		case 'E':
			o->run.request.names =
				(uint32_t)bench_number("--names", optarg, 1, BENCH_NAMES_MAX);
			break;
		case 'r':
			parse_pair(optarg, o);
			break;
		default:
			if (!run_take_option(&o->run, option))
				return bench_usage_error("kernel");
		}
	}
	if (!o->run.interface || !source || !o->run.destination_text || !o->run.has_peer_mac) {
		bench_fail("kernel wants --interface, --peer-mac, --source and --destination");
		return 2;
	}
	if (o->near && o->run.request.names) {
		bench_fail("--names and --reflector do not go together");
		return 2;
	}
	if (coax_address_parse(&o->run.source, source, 0) < 0 ||
	    coax_address_parse(&o->run.destination, o->run.destination_text, o->run.port) < 0 ||
	    o->run.source.sa.sa_family != o->run.destination.sa.sa_family) {
		bench_fail("--source and --destination want two IP addresses of one family");
		return 2;
	}
	return 0;
}

static int check_interface(const char *name)
{
	return if_nametoindex(name) ? 0 : bench_fail("there is no interface \"%s\" here", name);
}

/* How many frames a run may have sent by the end of a slice. */
static uint64_t limit_after(const struct kernel_options *o, unsigned int slice, unsigned int slices)
{
	return o->packets == UINT64_MAX ? UINT64_MAX : o->packets * slice / slices;
}

/* All slices of all runs, in turn. */
static int take_turns(struct run *runs, unsigned int count, const struct kernel_options *o)
{
	unsigned int slices = (unsigned int)(o->run.seconds / SLICE) + 1;
	int error = 0;

	for (unsigned int slice = 1; slice <= slices && !bench_stopped && !error; slice++)
		for (unsigned int i = 0; i < count && !error; i++)
			error = run_slice(&runs[i], o->run.seconds / slices,
					  limit_after(o, slice, slices));
	return error;
}

static int do_runs(struct run *runs, unsigned int count, const struct kernel_options *o)
{
	int error = 0;

	for (unsigned int i = 0; i < count && !error; i++)
		error = run_warm_up(&runs[i]);
	if (!error)
		error = take_turns(runs, count, o);
	for (unsigned int i = 0; i < count && !error; i++)
		error = run_report(&runs[i]);
	if (!error && count == 2)
		printf("kernel ratio=%.4f\n", run_rate(&runs[0]) / run_rate(&runs[1]));
	return error;
}

/* Open everything, run, close everything. */
static int compare(const struct kernel_options *o)
{
	struct run runs[] = {
		{.name = "reply", .options = &o->run, .sink = BENCH_HOOK_NONE},
		{.name = "reflector",
		 .reflected = true,
		 .options = &o->run,
		 .sink = BENCH_HOOK_NONE},
	};
	struct reflector reflector = {.hook = BENCH_HOOK_NONE};
	struct ether_addr far_mac;
	int error;

	error = run_open(&runs[0], o->run.interface, &o->run.peer_mac);
	if (!error && o->near) {
		error = run_interface_mac(o->far, &far_mac);
		if (error)
			bench_fail("%s: %s", o->far, strerror(-error));
		else
			error = reflector_open(&reflector, o->far);
		if (!error)
			error = run_open(&runs[1], o->near, &far_mac);
	}
	if (!error)
		error = do_runs(runs, o->near ? 2 : 1, o);
	run_close(&runs[1]);
	reflector_close(&reflector);
	run_close(&runs[0]);
	return error ? 1 : 0;
}

int bench_kernel(int argc, char **argv)
{
	struct kernel_options o = {
		.packets = UINT64_MAX,
		.run = {.seconds = 3,
			.port = COAX_PORT,
			.request = {.path = "/", .method = COAX_GET, .token_length = 4},
			.batch = 64,
			.cpu = (unsigned int)sched_getcpu()},
	};
	int error;

	error = parse_options(argc, argv, &o);
	if (error)
		return error;
	if (check_interface(o.run.interface) ||
	    (o.near && (check_interface(o.near) || check_interface(o.far))))
		return 1;
	error = bench_pin(o.run.cpu);
	if (error)
		return bench_fail("CPU %u: %s", o.run.cpu, strerror(-error));
	return compare(&o);
}
