// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "run.h"
#include "tools/bench/generator.skel.h"

/* Frames a round of warming up: fewer than a socket's receive buffer holds. */
#define WARM_UP_FRAMES 64
#define WARM_UP_ROUNDS 20

bool run_take_option(struct run_options *o, int option)
{
	switch (option) {
	case 'i':
		o->interface = optarg;
		return true;
	case 'm':
		o->has_peer_mac = ether_aton_r(optarg, &o->peer_mac);
		return true;
	case 'd':
		o->destination_text = optarg;
		return true;
	case 'p':
		o->port = (in_port_t)bench_number("--port", optarg, 1, 65535);
		return true;
	case 'u':
		o->request.path = optarg;
		return true;
	case 's':
		o->seconds = bench_seconds("--seconds", optarg);
		return true;
	default:
		return false;
	}
}

int run_interface_mac(const char *interface, struct ether_addr *mac)
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

int run_open(struct run *run, const char *interface, const struct ether_addr *peer_mac)
{
	uint8_t buffer[BENCH_FRAME_MAX];
	const struct run_options *o = run->options;
	struct coax_message request;
	struct ether_addr mac;
	int error;

	error = run_interface_mac(interface, &mac);
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
	if (o->request.names) {
		run->skel->rodata->names = o->request.names;
		run->skel->rodata->name_offset = (uint32_t)(run->frame.length - BENCH_NAME_LENGTH);
	}
	run->skel->rodata->server_port = run->frame.server_port;
	if (run->spared)
		run->skel->rodata->spared = run->spared->in.sin_addr.s_addr;
	memcpy(run->skel->bss->frame, run->frame.bytes, run->frame.length);
	error = generator_bpf__load(run->skel);
	if (error)
		return bench_fail("the generator does not load: %s", strerror(-error));
	error = bench_hook_attach(
		&run->sink, (int)if_nametoindex(interface),
		bpf_program__fd(run->flood ? run->skel->progs.flood_sink : run->skel->progs.sink));
	if (error)
		return bench_fail("cannot attach to %s: %s", interface, strerror(-error));
	return 0;
}

void run_close(struct run *run)
{
	bench_hook_detach(&run->sink);
	generator_bpf__destroy(run->skel);
}

/*
 * Send `count` frames, or fewer when a signal comes. Setting up and taking down costs the system
 * call some ten milliseconds asleep: a run is best made of one.
 */
static int send_frames(struct run *run, uint64_t count)
{
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = run->frame.bytes,
		.data_size_in = (uint32_t)run->frame.length,
		.repeat = (int)count,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		.batch_size = run->options->batch,
	};
	int error;

	error = bpf_prog_test_run_opts(
		bpf_program__fd(run->flood ? run->skel->progs.flood : run->skel->progs.generate),
		&opts);
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

int run_warm_up(struct run *run)
{
	const struct run_options *o = run->options;
	uint64_t replies = 0, before;
	int error;

	for (int round = 0; round < WARM_UP_ROUNDS && !bench_stopped; round++) {
		before = replies;
		error = send_frames(run, WARM_UP_FRAMES);
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

int run_slice(struct run *run, double seconds, uint64_t limit)
{
	typeof(run->skel->bss) state = run->skel->bss;
	uint64_t end, before = state->sent, done = run->sent;
	double busy;
	int error = 0;

	state->first_time = 0;
	state->last_time = 0;
	busy = bench_cpu_busy(run->options->cpu);
	end = bench_now() + (uint64_t)(seconds * 1e9);
	set_alarm(seconds);
	while (run->sent < limit && bench_now() < end && !bench_stopped && !error) {
		uint64_t left = limit - run->sent;

		error = send_frames(run, left < INT_MAX ? left : INT_MAX);
		run->sent = done + state->sent - before;
	}
	set_alarm(0);
	run->cpu_seconds += bench_cpu_busy(run->options->cpu) - busy;
	run->seconds += (double)(state->last_time - state->first_time) / 1e9;
	return error ? bench_fail("sending live frames: %s", strerror(-error)) : 0;
}

double run_rate(const struct run *run)
{
	return run->seconds > 0 ? (double)count_codes(run, true) / run->seconds : 0;
}

static void print_line(const struct run *run)
{
	uint64_t replies = count_codes(run, true);

	printf("kernel %s sent=%llu replies=%llu loss=%.6f rate=%.0f ns_per_reply=%.1f", run->name,
	       (unsigned long long)run->sent, (unsigned long long)replies,
	       run->sent > replies ? 1 - (double)replies / (double)run->sent : 0, run_rate(run),
	       replies ? run->seconds * 1e9 / (double)replies : 0);
	printf(" reply_frame=%.0f request_frame=%zu other_codes=%llu other_frames=%llu",
	       replies ? (double)run->counts.bytes / (double)replies : 0, run->frame.length,
	       (unsigned long long)count_codes(run, false), (unsigned long long)run->counts.other);
	printf(" cpu=%u seconds=%.3f cpu_s=%.2f per_cpu_s=%.0f\n", run->options->cpu, run->seconds,
	       run->cpu_seconds, run->cpu_seconds > 0 ? (double)replies / run->cpu_seconds : 0);
}

int run_flood(struct run *run, uint64_t count)
{
	int error = send_frames(run, count);

	run->sent = run->skel->bss->sent;
	return error ? bench_fail("sending live frames: %s", strerror(-error)) : 0;
}

int run_collect(struct run *run)
{
	int error;

	/* What is under way arrives. */
	bench_sleep_ms(20);
	error = read_counts(run, false);
	return error ? bench_fail("reading the counters: %s", strerror(-error)) : 0;
}

int run_report(struct run *run)
{
	const char *wrong;

	if (run_collect(run))
		return 1;
	print_line(run);
	if (!count_codes(run, true))
		return bench_fail("%s: no good replies", run->name);
	wrong = bench_frame_check(&run->frame, run->skel->bss->sample,
				  run->skel->bss->sample_length, run->reflected);
	return wrong ? bench_fail("%s: looked at one reply: %s", run->name, wrong) : 0;
}
