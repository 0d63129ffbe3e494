// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench kernel: live frames out of one end of a veth pair, replies counted as they come back,
 * all in softirq context on one CPU.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "bench.h"
#include "frame.h"
#include "hook.h"
#include "tools/bench/generator.skel.h"
#include "tools/bench/reflector.skel.h"

/* Frames a round of warming up: fewer than a socket's receive buffer holds. */
#define WARM_UP_FRAMES 64
#define WARM_UP_ROUNDS 20

struct kernel_options {
	const char *interface;
	const char *near; /* the reflector's veth pair, NULL: no comparison */
	const char *far;
	struct ether_addr peer_mac;
	union coax_address source;
	union coax_address destination;
	struct bench_request request;
	double seconds;
	uint64_t packets; /* 0: as many as fit into the time */
	unsigned int batch;
	unsigned int cpu;
};

/* One run: a generator and a sink on one interface. */
struct run {
	const char *name;
	bool reflected;
	struct bench_frame frame;
	struct generator_bpf *skel;
	struct bench_hook sink;
	struct bench_counts counts;
	uint64_t sent;
	double seconds;
	double cpu_seconds;
};

static int interface_mac(const char *interface, struct ether_addr *mac)
{
	struct ifreq request = {0};
	int fd, error = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		error = -errno;
	else
		memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	close(fd);
	return error;
}

static int run_open(struct run *run, const char *interface, const struct ether_addr *peer_mac,
		    const struct kernel_options *o)
{
	uint8_t buffer[BENCH_FRAME_MAX];
	struct coax_message request;
	struct ether_addr mac;
	int error;

	error = interface_mac(interface, &mac);
	if (error)
		return bench_fail("%s: %s", interface, strerror(-error));
	error = bench_request_build(&o->request, &request, buffer, sizeof(buffer));
	if (!error)
		error = bench_frame_build(&run->frame, &mac, peer_mac, &o->source, &o->destination,
					  &request);
	if (error)
		return bench_fail("the request cannot be built: %s", strerror(-error));

	run->skel = generator_bpf__open();
	if (!run->skel)
		return bench_fail("the generator does not open: %s", strerror(errno));
	run->skel->rodata->interface = if_nametoindex(interface);
	run->skel->rodata->frame_length = (uint32_t)run->frame.length;
	run->skel->rodata->udp_offset = (uint32_t)run->frame.udp_offset;
	run->skel->rodata->token_length = coax_message_token_length(&request);
	run->skel->rodata->checksum_base = run->frame.checksum_base;
	run->skel->rodata->server_port = run->frame.server_port;
	memcpy(run->skel->bss->frame, run->frame.bytes, run->frame.length);
	error = generator_bpf__load(run->skel);
	if (error)
		return bench_fail("the generator does not load: %s", strerror(-error));
	error = bench_hook_attach(&run->sink, (int)if_nametoindex(interface),
				  bpf_program__fd(run->skel->progs.sink));
	if (error)
		return bench_fail("cannot attach to %s: %s", interface, strerror(-error));
	return 0;
}

static void run_close(struct run *run)
{
	bench_hook_detach(&run->sink);
	generator_bpf__destroy(run->skel);
}

/*
 * Send `count` frames, or fewer when a signal comes. Setting up and taking down costs the system
 * call some ten milliseconds asleep: a run is best made of one.
 */
static int send_frames(struct run *run, uint64_t count, unsigned int batch)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = run->frame.bytes,
		    .data_size_in = (uint32_t)run->frame.length, .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = batch);
	int error;

	error = bpf_prog_test_run_opts(bpf_program__fd(run->skel->progs.generate), &opts);
	return error == -EINTR ? 0 : error;
}

static int read_counts(struct run *run, bool reset)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	struct bench_counts *all = calloc(cpus, sizeof(*all));
	uint64_t *total = (uint64_t *)&run->counts;
	uint32_t key = 0;
	int error;

	if (!all)
		return -ENOMEM;
	error = bpf_map__lookup_elem(run->skel->maps.counts, &key, sizeof(key), all,
				     cpus * sizeof(*all), 0);
	memset(&run->counts, 0, sizeof(run->counts));
	for (size_t cpu = 0; cpu < cpus && !error; cpu++)
		for (size_t i = 0; i < sizeof(*all) / sizeof(uint64_t); i++)
			total[i] += ((const uint64_t *)&all[cpu])[i];
	if (!error && reset) {
		memset(all, 0, cpus * sizeof(*all));
		error = bpf_map__update_elem(run->skel->maps.counts, &key, sizeof(key), all,
					     cpus * sizeof(*all), BPF_ANY);
	}
	free(all);
	return error;
}

static bool is_reply(const struct run *run, unsigned int code)
{
	if (run->reflected)
		return code == coax_message_code(&run->frame.request);
	return COAX_CODE_CLASS(code) == 2;
}

static uint64_t count_codes(const struct run *run, bool replies)
{
	uint64_t total = 0;

	for (unsigned int code = 0; code < 256; code++)
		if (is_reply(run, code) == replies)
			total += run->counts.code[code];
	return total;
}

/*
 * The first requests reach a server's userspace, which then lets the kernel answer. Goes on when
 * as many replies have come as requests went out.
 */
static int warm_up(struct run *run, const struct kernel_options *o)
{
	uint64_t replies = 0, before;
	int error;

	for (int round = 0; round < WARM_UP_ROUNDS && !bench_stopped; round++) {
		before = replies;
		error = send_frames(run, WARM_UP_FRAMES, o->batch);
		if (error)
			return bench_fail("sending live frames: %s", strerror(-error));
		bench_sleep_ms(20);
		error = read_counts(run, false);
		if (error)
			return bench_fail("reading the counters: %s", strerror(-error));
		replies = count_codes(run, true);
		if (replies - before >= WARM_UP_FRAMES && round)
			break;
	}
	if (!replies)
		return bench_fail("%s: no good reply to %u requests; is it serving %s on this "
				  "address and link? (%llu other answers)",
				  run->name, WARM_UP_ROUNDS * WARM_UP_FRAMES, o->request.path,
				  (unsigned long long)count_codes(run, false));
	run->skel->bss->sample_length = 0;
	return read_counts(run, true) ? bench_fail("resetting the counters failed") : 0;
}

static void on_alarm(int number)
{
	(void)number;
}

/*
 * From `seconds` on, interrupt system calls, over and over: a signal that comes just before a call
 * would be lost on it. 0: no more.
 */
static void set_alarm(double seconds)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {.it_interval.tv_usec = 10000};

	sigaction(SIGALRM, &action, NULL);
	timer.it_value.tv_sec = (time_t)seconds;
	timer.it_value.tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int measure(struct run *run, const struct kernel_options *o)
{
	uint64_t end, limit = o->packets ? o->packets : UINT64_MAX, before;
	double busy;
	int error = 0;

	before = run->skel->bss->sent;
	run->skel->bss->first_time = 0;
	busy = bench_cpu_busy(o->cpu);
	end = bench_now() + (uint64_t)(o->seconds * 1e9);
	set_alarm(o->seconds);
	while (run->sent < limit && bench_now() < end && !bench_stopped && !error) {
		uint64_t left = limit - run->sent;

		error = send_frames(run, left < INT_MAX ? left : INT_MAX, o->batch);
		run->sent = run->skel->bss->sent - before;
	}
	set_alarm(0);
	run->cpu_seconds = bench_cpu_busy(o->cpu) - busy;
	run->seconds = (double)(run->skel->bss->last_time - run->skel->bss->first_time) / 1e9;
	if (error)
		return bench_fail("sending live frames: %s", strerror(-error));
	bench_sleep_ms(20);
	error = read_counts(run, false);
	return error ? bench_fail("reading the counters: %s", strerror(-error)) : 0;
}

static int report(const struct run *run, const struct kernel_options *o)
{
	uint64_t replies = count_codes(run, true);
	const char *wrong;

	printf("kernel %s sent=%llu replies=%llu loss=%.6f rate=%.0f ns_per_reply=%.1f "
	       "frame_bytes=%.0f request_bytes=%zu other_codes=%llu other_frames=%llu cpu=%u "
	       "seconds=%.3f cpu_s=%.2f per_cpu_s=%.0f\n",
	       run->name, (unsigned long long)run->sent, (unsigned long long)replies,
	       run->sent > replies ? 1 - (double)replies / (double)run->sent : 0,
	       run->seconds > 0 ? (double)replies / run->seconds : 0,
	       replies ? run->seconds * 1e9 / (double)replies : 0,
	       replies ? (double)run->counts.bytes / (double)replies : 0, run->frame.length,
	       (unsigned long long)count_codes(run, false), (unsigned long long)run->counts.other,
	       o->cpu, run->seconds, run->cpu_seconds,
	       run->cpu_seconds > 0 ? (double)replies / run->cpu_seconds : 0);
	if (!replies)
		return bench_fail("%s: no replies", run->name);
	wrong = bench_frame_check(&run->frame, run->skel->bss->sample,
				  run->skel->bss->sample_length, run->reflected);
	return wrong ? bench_fail("%s: looked at one reply: %s", run->name, wrong) : 0;
}

static int do_run(struct run *run, const char *interface, const struct ether_addr *peer_mac,
		  const struct kernel_options *o)
{
	int error;

	error = run_open(run, interface, peer_mac, o);
	if (!error)
		error = warm_up(run, o);
	if (!error)
		error = measure(run, o);
	if (!error)
		error = report(run, o);
	run_close(run);
	return error;
}

static int run_reflector(struct run *run, const struct kernel_options *o)
{
	struct bench_hook hook = BENCH_HOOK_NONE;
	struct reflector_bpf *skel;
	struct ether_addr mac;
	int error;

	error = interface_mac(o->far, &mac);
	if (error)
		return bench_fail("%s: %s", o->far, strerror(-error));
	skel = reflector_bpf__open_and_load();
	if (!skel)
		return bench_fail("the reflector does not load: %s", strerror(errno));
	error = bench_hook_attach(&hook, (int)if_nametoindex(o->far),
				  bpf_program__fd(skel->progs.reflect));
	if (error)
		bench_fail("cannot attach to %s: %s", o->far, strerror(-error));
	else
		error = do_run(run, o->near, &mac, o);
	bench_hook_detach(&hook);
	reflector_bpf__destroy(skel);
	return error;
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
		{"interface", required_argument, NULL, 'i'},
		{"peer-mac", required_argument, NULL, 'm'},
		{"source", required_argument, NULL, 'a'},
		{"destination", required_argument, NULL, 'd'},
		{"port", required_argument, NULL, 'p'},
		{"path", required_argument, NULL, 'u'},
		{"seconds", required_argument, NULL, 's'},
		{"packets", required_argument, NULL, 'n'},
		{"non", no_argument, NULL, 'N'},
		{"token-length", required_argument, NULL, 't'},
		{"batch", required_argument, NULL, 'b'},
		{"cpu", required_argument, NULL, 'c'},
		{"reflector", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *source = NULL, *destination = NULL;
	in_port_t port = COAX_PORT;
	bool have_mac = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'i':
			o->interface = optarg;
			break;
		case 'm':
			have_mac = ether_aton_r(optarg, &o->peer_mac);
			break;
		case 'a':
			source = optarg;
			break;
		case 'd':
			destination = optarg;
			break;
		case 'p':
			port = (in_port_t)bench_number("--port", optarg, 1, 65535);
			break;
		case 'u':
			o->request.path = optarg;
			break;
		case 's':
			o->seconds = bench_seconds("--seconds", optarg);
			break;
		case 'n':
			o->packets = bench_number("--packets", optarg, 1, 1ULL << 40);
			break;
		case 'N':
			o->request.type = COAX_TYPE_NON;
			break;
		case 't':
			o->request.token_length =
				bench_number("--token-length", optarg, 0, COAX_TOKEN_MAX);
			break;
		case 'b':
			o->batch = (unsigned int)bench_number("--batch", optarg, 1, 256);
			break;
		case 'c':
			o->cpu = (unsigned int)bench_number("--cpu", optarg, 0, CPU_SETSIZE - 1);
			break;
		case 'r':
			parse_pair(optarg, o);
			break;
		default:
			return bench_usage_error("kernel");
		}
	}
	if (!o->interface || !source || !destination || !have_mac) {
		bench_fail("kernel wants --interface, --peer-mac, --source and --destination");
		return 2;
	}
	if (coax_address_parse(&o->source, source, 0) < 0 ||
	    coax_address_parse(&o->destination, destination, port) < 0 ||
	    o->source.sa.sa_family != o->destination.sa.sa_family) {
		bench_fail("--source and --destination want two IP addresses of one family");
		return 2;
	}
	return 0;
}

static int check_interface(const char *name)
{
	return if_nametoindex(name) ? 0 : bench_fail("there is no interface \"%s\" here", name);
}

int bench_kernel(int argc, char **argv)
{
	struct kernel_options o = {
		.request = {.path = "/", .method = COAX_GET, .token_length = 4},
		.seconds = 3,
		.batch = 64,
		.cpu = (unsigned int)sched_getcpu(),
	};
	struct run reply = {.name = "reply", .sink = BENCH_HOOK_NONE};
	struct run reflector = {.name = "reflector", .reflected = true, .sink = BENCH_HOOK_NONE};
	int error;

	error = parse_options(argc, argv, &o);
	if (error)
		return error;
	if (check_interface(o.interface) ||
	    (o.near && (check_interface(o.near) || check_interface(o.far))))
		return 1;
	error = bench_pin(o.cpu);
	if (error)
		return bench_fail("CPU %u: %s", o.cpu, strerror(-error));
	error = do_run(&reply, o.interface, &o.peer_mac, &o);
	if (error || !o.near)
		return error;
	error = run_reflector(&reflector, &o);
	if (error)
		return error;
	printf("kernel ratio=%.4f\n",
	       (double)count_codes(&reply, true) / reply.seconds /
		       ((double)count_codes(&reflector, true) / reflector.seconds));
	return 0;
}
