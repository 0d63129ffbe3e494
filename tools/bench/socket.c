// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench socket: what is asked for, and the report.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "client.h"
#include "load.h"

/* Before a run counts: at least so long, and until each socket has been used, but not for ever. */
#define WARM_UP	    (BENCH_NSEC / 5)
#define WARM_UP_MAX (5 * BENCH_NSEC)

struct socket_options {
	struct client_options client;
	struct load_options load;
	const char *method;
	uint64_t packets;
	bool cold; /* the first request counts */
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
		CLIENT_OPTIONS,
		{"method", required_argument, NULL, 'm'},
		{"payload-size", required_argument, NULL, 'l'},
		{"sockets", required_argument, NULL, 'S'},
		{"window", required_argument, NULL, 'w'},
		{"in-flight", required_argument, NULL, 'g'},
		{"packets", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"non", no_argument, NULL, 'N'},
		{"duplicates", required_argument, NULL, 'x'},
		{"names", required_argument, NULL, 'E'},
		{"mixed", no_argument, NULL, 'M'},
		{"cold", no_argument, NULL, 'K'},
		{NULL, 0, NULL, 0},
	};
	struct load_options *load = &o->load;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'm':
			if (parse_method(o, optarg))
				return 2;
			break;
		case 'l':
			load->request.payload_size =
				bench_number("--payload-size", optarg, 0, COAX_PAYLOAD_MAX);
			break;
		case 'S':
			o->client.sockets = (unsigned int)bench_number("--sockets", optarg, 1,
								       CLIENT_SOCKETS_MAX);
			break;
		case 'w':
			load->window =
				(unsigned int)bench_number("--window", optarg, 1, LOAD_WINDOW_MAX);
			break;
		case 'g':
			load->in_flight = (unsigned int)bench_number(
				"--in-flight", optarg, 1, CLIENT_SOCKETS_MAX * LOAD_WINDOW_MAX);
			break;
		case 'n':
			o->packets = bench_number("--packets", optarg, 1, 1ULL << 40);
			break;
		case 'r':
			load->rate = (double)bench_number("--rate", optarg, 1, 100000000);
			break;
		case 'E':
			load->request.names =
				(uint32_t)bench_number("--names", optarg, 1, BENCH_NAMES_MAX);
			break;
		case 'M':
			load->mixed = true;
			break;
		case 'K':
			o->cold = true;
			break;
		case 'N':
			load->request.type = COAX_TYPE_NON;
			break;
		case 'x':
			load->duplicates =
				(unsigned int)bench_number("--duplicates", optarg, 0, 100);
			break;
		default:
			if (!client_take_option(&o->client, option))
				return bench_usage_error("socket");
		}
	}
	load->destination = o->client.destination;
	load->request.path = o->client.path;
	load->sockets = o->client.sockets;
	if ((load->request.names || load->mixed) && load->request.payload_size) {
		bench_fail("--payload-size goes with neither --names nor --mixed");
		return 2;
	}
	if (load->mixed && (load->request.names || load->request.method != COAX_GET)) {
		bench_fail("--mixed has methods and names of its own");
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
		   uint64_t lost_later, const struct client_spent *spent)
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
	printf(" sockets=%u in_flight=%u", o->load.sockets, o->load.in_flight);
	client_print_spent(spent, (double)counts->replies);
	putchar('\n');
}

static int measure(struct load *load, const struct socket_options *o)
{
	struct client_spent spent;
	struct load_counts counts;
	int error;

	if (!o->cold && warm_up(load, o))
		return 1;
	client_spent_begin(&spent, &o->client);
	load_run(load, bench_now() + (uint64_t)(o->client.seconds * 1e9),
		 o->packets ? o->packets : UINT64_MAX);
	error = client_spent_end(&spent, &o->client);
	counts = *load_counts(load);
	load_drain(load);
	report(o, &counts, load_counts(load)->lost - counts.lost, &spent);
	if (error)
		return error;
	return counts.replies ? 0 : bench_fail("no good replies");
}

int bench_socket(int argc, char **argv)
{
	struct socket_options o = {
		.client = {.path = "/", .sockets = 64, .seconds = 3, .cpu = -1, .server_cpu = -1},
		.load = {.request = {.method = COAX_GET, .token_length = 4}, .window = 2},
		.method = "get",
	};
	struct load *load;
	int error;

	error = parse_options(argc, argv, &o);
	if (!error)
		error = client_begin("socket", &o.client);
	if (!error)
		error = client_allow_sockets(o.load.sockets);
	if (error)
		return error;
	error = load_open(&load, &o.load);
	if (error)
		return bench_fail("cannot open %u sockets: %s", o.load.sockets, strerror(-error));
	error = measure(load, &o);
	load_close(load);
	return error;
}
