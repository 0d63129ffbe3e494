// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench notify: one change told to many observers, what is asked for and the report.
 */
#include <stdio.h>
#include <string.h>
#include "watch.h"

#define OBSERVERS_MAX 65536
#define SOURCES_MAX   4096
/* Before a run counts. */
#define WARM_UP_CHANGES 3

struct notify_options {
	struct client_options client;
	struct watch_options watch;
	uint64_t changes; /* UINT64_MAX: as many as there is time for */
};

static int parse_options(int argc, char **argv, struct notify_options *o)
{
	static const struct option options[] = {
		CLIENT_OPTIONS,
		{"observers", required_argument, NULL, 'o'},
		{"changes", required_argument, NULL, 'n'},
		{"payload-size", required_argument, NULL, 'l'},
		{"change-at", required_argument, NULL, 'a'},
		{"source", required_argument, NULL, 'f'},
		{"sources", required_argument, NULL, 'F'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'o':
			o->watch.observers =
				(unsigned int)bench_number("--observers", optarg, 1, OBSERVERS_MAX);
			break;
		case 'n':
			o->changes = bench_number("--changes", optarg, 1, 1ULL << 40);
			break;
		case 'l':
			o->watch.payload_size = bench_number("--payload-size", optarg,
							     WATCH_PAYLOAD_MIN, COAX_PAYLOAD_MAX);
			break;
		case 'a':
			if (coax_address_parse(&o->watch.origin, optarg, COAX_PORT) < 0)
				o->watch.origin.sa.sa_family = AF_UNSPEC;
			if (o->watch.origin.sa.sa_family == AF_UNSPEC)
				return bench_usage_error("notify");
			break;
		case 'f':
			if (coax_address_parse(&o->watch.source, optarg, 0) < 0 ||
			    o->watch.source.sa.sa_family != AF_INET)
				return bench_usage_error("notify");
			break;
		case 'F':
			o->watch.sources =
				(unsigned int)bench_number("--sources", optarg, 1, SOURCES_MAX);
			break;
		default:
			if (!client_take_option(&o->client, option))
				return bench_usage_error("notify");
		}
	}
	o->watch.destination = o->client.destination;
	o->watch.path = o->client.path;
	return 0;
}

static int begin(struct watch *watch, const struct watch_options *o)
{
	char address[COAX_ADDRESS_TEXT_MAX];
	unsigned int registered;

	if (!watch_prepare(watch))
		return watch_counts(watch)->refused
			       ? bench_fail("nobody listens at %s",
					    coax_address_format(&o->destination, address))
			       : bench_fail("%s does not take a PUT", o->path);
	registered = watch_register(watch, true);
	if (registered < o->observers)
		return bench_fail("%s: %u of %u observers could register", o->path, registered,
				  o->observers);
	watch_run(watch, UINT64_MAX, WARM_UP_CHANGES);
	if (!watch_counts(watch)->notifications)
		return bench_fail("%s: no notification of %u changes", o->path, WARM_UP_CHANGES);
	watch_reset(watch);
	return 0;
}

static double microseconds(const struct watch_counts *counts, double share)
{
	return (double)histogram_quantile(&counts->to_last, share) / 1e3;
}

static void report(const struct notify_options *o, const struct watch_counts *counts,
		   const struct client_spent *spent)
{
	printf("notify observers=%u changes=%llu completed=%llu notifications=%llu rate=%.0f",
	       o->watch.observers, (unsigned long long)counts->changes,
	       (unsigned long long)counts->completed, (unsigned long long)counts->notifications,
	       (double)counts->notifications / spent->seconds);
	printf(" to_last_p50_us=%.1f to_last_p90_us=%.1f to_last_max_us=%.1f",
	       microseconds(counts, 0.5), microseconds(counts, 0.9),
	       (double)counts->to_last.max / 1e3);
	printf(" confirmable=%llu missed=%llu stale=%llu ended=%llu extra=%llu malformed=%llu "
	       "refused=%llu",
	       (unsigned long long)counts->confirmable, (unsigned long long)counts->missed,
	       (unsigned long long)counts->stale, (unsigned long long)counts->ended,
	       (unsigned long long)counts->extra, (unsigned long long)counts->malformed,
	       (unsigned long long)counts->refused);
	client_print_spent(spent, (double)counts->notifications);
	putchar('\n');
}

static int measure(struct watch *watch, const struct notify_options *o)
{
	struct client_spent spent;
	int error;

	if (begin(watch, &o->watch))
		return 1;
	client_spent_begin(&spent, &o->client);
	watch_run(watch, bench_now() + (uint64_t)(o->client.seconds * 1e9), o->changes);
	error = client_spent_end(&spent, &o->client);
	report(o, watch_counts(watch), &spent);
	if (error)
		return error;
	watch_register(watch, false);
	return watch_counts(watch)->notifications ? 0 : bench_fail("no notifications");
}

int bench_notify(int argc, char **argv)
{
	struct notify_options o = {
		.client = {.path = "/state", .seconds = 3, .cpu = -1, .server_cpu = -1},
		.watch = {.observers = 200, .sources = 1, .payload_size = 64},
		.changes = UINT64_MAX,
	};
	struct watch *watch;
	int error;

	error = parse_options(argc, argv, &o);
	if (!error)
		error = client_begin("notify", &o.client);
	if (!error)
		error = client_allow_sockets(o.watch.observers + 1);
	if (error)
		return error;
	error = watch_open(&watch, &o.watch);
	if (error)
		return bench_fail("cannot open %u sockets: %s", o.watch.observers,
				  strerror(-error));
	error = measure(watch, &o);
	watch_close(watch);
	return error;
}
