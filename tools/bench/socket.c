// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench socket: what is asked for, and the report.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include "bench.h"
#include "load.h"

/* Before a run counts: at least so long, and until each socket has been used, but not for ever. */
#define WARM_UP	    (BENCH_NSEC / 5)
#define WARM_UP_MAX (5 * BENCH_NSEC)

struct socket_options {
	struct load_options load;
	const char *method;
	double seconds;
	uint64_t packets;
	pid_t server;
	int cpu;
};

/* What a run took. */
struct spent {
	double seconds;
	double server_cpu; /* 0: not known */
	double own_cpu;
};

static const struct {
	const char *name;
	uint8_t code;
} methods[] = {{"get", COAX_GET}, {"put", COAX_PUT}, {"post", COAX_POST}};

static int parse_method(struct socket_options *o, const char *text)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		if (strcasecmp(text, methods[i].name) != 0)
			continue;
		o->method = methods[i].name;
		o->load.request.method = methods[i].code;
		return 0;
	}
	bench_fail("--method is get, put or post, not \"%s\"", text);
	return 2;
}

static int parse_options(int argc, char **argv, struct socket_options *o)
{
	static const struct option options[] = {
		{"destination", required_argument, NULL, 'd'},
		{"path", required_argument, NULL, 'u'},
		{"method", required_argument, NULL, 'm'},
		{"payload-size", required_argument, NULL, 'l'},
		{"sockets", required_argument, NULL, 'S'},
		{"window", required_argument, NULL, 'w'},
		{"in-flight", required_argument, NULL, 'g'},
		{"seconds", required_argument, NULL, 's'},
		{"packets", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"non", no_argument, NULL, 'N'},
		{"duplicates", required_argument, NULL, 'x'},
		{"cpu", required_argument, NULL, 'c'},
		{"server-pid", required_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	struct load_options *load = &o->load;
	const char *destination = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'd':
			destination = optarg;
			break;
		case 'u':
			load->request.path = optarg;
			break;
		case 'm':
			if (parse_method(o, optarg))
				return 2;
			break;
		case 'l':
			load->request.payload_size =
				bench_number("--payload-size", optarg, 0, COAX_PAYLOAD_MAX);
			break;
		case 'S':
			load->sockets = (unsigned int)bench_number("--sockets", optarg, 1,
								   LOAD_SOCKETS_MAX);
			break;
		case 'w':
			load->window =
				(unsigned int)bench_number("--window", optarg, 1, LOAD_WINDOW_MAX);
			break;
		case 'g':
			load->in_flight = (unsigned int)bench_number(
				"--in-flight", optarg, 1, LOAD_SOCKETS_MAX * LOAD_WINDOW_MAX);
			break;
		case 's':
			o->seconds = bench_seconds("--seconds", optarg);
			break;
		case 'n':
			o->packets = bench_number("--packets", optarg, 1, 1ULL << 40);
			break;
		case 'r':
			load->rate = (double)bench_number("--rate", optarg, 1, 100000000);
			break;
		case 'N':
			load->request.type = COAX_TYPE_NON;
			break;
		case 'x':
			load->duplicates =
				(unsigned int)bench_number("--duplicates", optarg, 0, 100);
			break;
		case 'c':
			o->cpu = (int)bench_number("--cpu", optarg, 0, CPU_SETSIZE - 1);
			break;
		case 'p':
			o->server = (pid_t)bench_number("--server-pid", optarg, 1, 1 << 22);
			break;
		default:
			return bench_usage_error("socket");
		}
	}
	if (!destination || coax_address_parse(&load->destination, destination, COAX_PORT) < 0 ||
	    load->destination.sa.sa_family == AF_UNSPEC) {
		bench_fail("socket wants --destination ADDRESS[:PORT], an IP address");
		return 2;
	}
	if (!load->in_flight || load->in_flight > load->sockets * load->window)
		load->in_flight = load->sockets * load->window;
	return 0;
}

static int warm_up(struct load *load, const struct socket_options *o)
{
	char address[COAX_ADDRESS_TEXT_MAX];
	uint64_t begin = bench_now();

	do
		load_run(load, bench_now() + WARM_UP, UINT64_MAX);
	while (!load_went_round(load) && bench_now() < begin + WARM_UP_MAX && !bench_stopped);
	if (load_counts(load)->refused && !load_counts(load)->replies)
		return bench_fail("nobody listens at %s",
				  coax_address_format(&o->load.destination, address));
	if (!load_went_round(load))
		return bench_fail("no request left from some of the %u sockets within %llu s",
				  o->load.sockets, (unsigned long long)(WARM_UP_MAX / BENCH_NSEC));
	load_drain(load);
	load_reset(load);
	return 0;
}

static void print_codes(const struct load_counts *counts)
{
	const char *separator = " codes=";

	for (unsigned int code = 0; code < 256; code++) {
		if (!counts->code[code])
			continue;
		printf("%s%u.%02u:%llu", separator, COAX_CODE_CLASS(code), COAX_CODE_DETAIL(code),
		       (unsigned long long)counts->code[code]);
		separator = ",";
	}
}

static double microseconds(const struct load_counts *counts, double share)
{
	return (double)histogram_quantile(&counts->latency, share) / 1e3;
}

/* `lost_later`: of what was under way at the end. */
static void report(const struct socket_options *o, const struct load_counts *counts,
		   uint64_t lost_later, const struct spent *spent)
{
	uint64_t lost = counts->lost + lost_later, ended = counts->replies + counts->errors + lost;

	printf("socket %s sent=%llu replies=%llu rate=%.0f loss=%.6f errors=%llu", o->method,
	       (unsigned long long)counts->sent, (unsigned long long)counts->replies,
	       (double)counts->replies / spent->seconds, ended ? (double)lost / (double)ended : 0,
	       (unsigned long long)counts->errors);
	print_codes(counts);
	printf(" p50_us=%.1f p90_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f",
	       microseconds(counts, 0.5), microseconds(counts, 0.9), microseconds(counts, 0.99),
	       microseconds(counts, 0.999), (double)counts->latency.max / 1e3);
	printf(" lost=%llu extra=%llu malformed=%llu refused=%llu duplicated=%llu reply_bytes=%.0f",
	       (unsigned long long)lost, (unsigned long long)counts->extra,
	       (unsigned long long)counts->malformed, (unsigned long long)counts->refused,
	       (unsigned long long)counts->duplicated,
	       counts->replies ? (double)counts->bytes / (double)(counts->replies + counts->errors)
			       : 0);
	printf(" sockets=%u in_flight=%u seconds=%.3f client_busy=%.2f", o->load.sockets,
	       o->load.in_flight, spent->seconds, spent->own_cpu / spent->seconds);
	if (spent->server_cpu > 0)
		printf(" cpu_s=%.2f per_cpu_s=%.0f", spent->server_cpu,
		       (double)counts->replies / spent->server_cpu);
	putchar('\n');
}

static int measure(struct load *load, const struct socket_options *o)
{
	struct load_counts counts;
	struct spent spent;
	double server_cpu;
	uint64_t begin;

	if (warm_up(load, o))
		return 1;
	spent.own_cpu = -bench_process_cpu(0);
	spent.server_cpu = o->server ? -bench_process_cpu(o->server) : 0;
	begin = bench_now();
	load_run(load, begin + (uint64_t)(o->seconds * 1e9), o->packets ? o->packets : UINT64_MAX);
	spent.seconds = (double)(bench_now() - begin) / 1e9;
	server_cpu = o->server ? bench_process_cpu(o->server) : 0;
	spent.server_cpu += server_cpu;
	spent.own_cpu += bench_process_cpu(0);
	counts = *load_counts(load);
	load_drain(load);
	report(o, &counts, load_counts(load)->lost - counts.lost, &spent);
	if (server_cpu < 0)
		return bench_fail("the server, process %d, ended during the run", (int)o->server);
	return counts.replies ? 0 : bench_fail("no good replies");
}

int bench_socket(int argc, char **argv)
{
	struct socket_options o = {
		.load = {.request = {.path = "/", .method = COAX_GET, .token_length = 4},
			 .sockets = 64,
			 .window = 2},
		.method = "get",
		.seconds = 3,
		.cpu = -1,
	};
	struct load *load;
	int error;

	error = parse_options(argc, argv, &o);
	if (error)
		return error;
	if (o.server && bench_process_cpu(o.server) < 0)
		return bench_fail("--server-pid: there is no process %d", (int)o.server);
	error = o.cpu >= 0 ? bench_pin((unsigned int)o.cpu) : 0;
	if (error)
		return bench_fail("CPU %d: %s", o.cpu, strerror(-error));
	prctl(PR_SET_TIMERSLACK, 1UL);
	error = load_open(&load, &o.load);
	if (error == -EMFILE)
		return bench_fail("%u sockets are more open files than the hard limit allows; see "
				  "ulimit -Hn",
				  o.load.sockets);
	if (error)
		return bench_fail("cannot open %u sockets: %s", o.load.sockets, strerror(-error));
	error = measure(load, &o);
	load_close(load);
	return error;
}
