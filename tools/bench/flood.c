// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench flood: requests from forged sources, and how much is sent to those.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "run.h"
#include "tools/bench/generator.skel.h"

/* Frames at a time: setting one up costs some ten milliseconds asleep. */
#define SEND_MAX 131072

struct flood_options {
	union coax_address spared;
	double rate;
	struct run_options run; /* its source is all zeros */
};

static int parse_addresses(struct flood_options *o, const char *spare)
{
	o->run.source.in.sin_family = AF_INET;
	if (coax_address_parse(&o->spared, spare, 0) == 0 && o->spared.sa.sa_family == AF_INET &&
	    coax_address_parse(&o->run.destination, o->run.destination_text, o->run.port) == 0 &&
	    o->run.destination.sa.sa_family == AF_INET)
		return 0;
	bench_fail("--spare and --destination want two IPv4 addresses");
	return 2;
}

/* Returns 0, or the exit status of a complaint. */
static int parse_options(int argc, char **argv, struct flood_options *o)
{
	static const struct option options[] = {
		RUN_OPTIONS,
		{"spare", required_argument, NULL, 'a'},
		{"rate", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *spare = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'a':
			spare = optarg;
			break;
		case 'r':
			o->rate = (double)bench_number("--rate", optarg, 1, 100000000);
			break;
		default:
			if (!run_take_option(&o->run, option))
				return bench_usage_error("flood");
		}
	}
	if (!o->run.interface || !spare || !o->run.destination_text || !o->run.has_peer_mac) {
		bench_fail("flood wants --interface, --peer-mac, --spare and --destination");
		return 2;
	}
	return parse_addresses(o, spare);
}

/* What the rate allows by now, until the time is up. */
static int send_all(struct run *run, const struct flood_options *o)
{
	uint64_t begin = bench_now(), end = begin + (uint64_t)(o->run.seconds * 1e9), now = begin;
	int error = 0;

	for (; now < end && !bench_stopped && !error; now = bench_now()) {
		uint64_t due = (uint64_t)((double)(now - begin) / 1e9 * o->rate);

		if (due <= run->sent) {
			bench_sleep_ms(1);
			continue;
		}
		due -= run->sent;
		error = run_flood(run, due < SEND_MAX ? due : SEND_MAX);
	}
	run->seconds = (double)(now - begin) / 1e9;
	return error;
}

static void report(const struct run *run)
{
	uint64_t replies = 0, errors = 0;

	for (unsigned int code = 0; code < 256; code++) {
		if (COAX_CODE_CLASS(code) == 2)
			replies += run->counts.code[code];
		else
			errors += run->counts.code[code];
	}
	printf("flood sent=%llu rate=%.0f seconds=%.3f replies=%llu other_codes=%llu "
	       "bytes_out=%llu bytes_in=%llu\n",
	       (unsigned long long)run->sent, (double)run->sent / run->seconds, run->seconds,
	       (unsigned long long)replies, (unsigned long long)errors,
	       (unsigned long long)(run->sent * run->frame.length),
	       (unsigned long long)run->counts.bytes);
}

int bench_flood(int argc, char **argv)
{
	struct flood_options o = {
		.rate = 1e6,
		.run = {.seconds = 3,
			.port = COAX_PORT,
			.request = {.path = "/", .method = COAX_GET, .token_length = 4},
			.batch = 64},
	};
	struct run run = {.name = "flood",
			  .options = &o.run,
			  .flood = true,
			  .spared = &o.spared,
			  .sink = BENCH_HOOK_NONE};
	int error = parse_options(argc, argv, &o);

	if (error)
		return error;
	if (!if_nametoindex(o.run.interface))
		return bench_fail("there is no interface \"%s\" here", o.run.interface);
	error = run_open(&run, o.run.interface, &o.run.peer_mac);
	if (!error)
		error = send_all(&run, &o);
	if (!error)
		error = run_collect(&run);
	if (!error)
		report(&run);
	run_close(&run);
	return error ? 1 : 0;
}
