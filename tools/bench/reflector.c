// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench reflector: the bare reflector on one interface, for as long as it is wanted.
 */
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "hook.h"
#include "tools/bench/reflector.skel.h"

int bench_reflector(int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", required_argument, NULL, 'i'},
		{"seconds", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct bench_hook hook = BENCH_HOOK_NONE;
	struct reflector_bpf *skel;
	const char *interface = "";
	double seconds = 3600;
	uint64_t end;
	int option, error;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'i':
			interface = optarg;
			break;
		case 's':
			seconds = bench_seconds("--seconds", optarg);
			break;
		default:
			return bench_usage_error("reflector");
		}
	}
	if (!if_nametoindex(interface))
		return bench_fail("--interface: there is no interface \"%s\"", interface);
	skel = reflector_bpf__open_and_load();
	if (!skel)
		return bench_fail("the reflector does not load: %s", strerror(errno));
	error = bench_hook_attach(&hook, (int)if_nametoindex(interface),
				  bpf_program__fd(skel->progs.reflect));
	if (error) {
		bench_fail("cannot attach to %s: %s", interface, strerror(-error));
		goto out;
	}
	printf("reflector interface=%s\n", interface);
	for (end = bench_now() + (uint64_t)(seconds * 1e9); bench_now() < end && !bench_stopped;)
		bench_sleep_ms(100);
	bench_hook_detach(&hook);
out:
	reflector_bpf__destroy(skel);
	return error ? 1 : 0;
}
