// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the modes have in common that are clients of a server over UDP sockets.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"

bool client_take_option(struct client_options *o, int option)
{
	switch (option) {
	case 'd':
		/* client_begin() complains of what this leaves. */
		if (coax_address_parse(&o->destination, optarg, o->port ? o->port : COAX_PORT) < 0)
			o->destination.sa.sa_family = AF_UNSPEC;
		return true;
	case 'u':
		o->path = optarg;
		return true;
	case 's':
		o->seconds = bench_seconds("--seconds", optarg);
		return true;
	case 'c':
		o->cpu = (int)bench_number("--cpu", optarg, 0, CPU_SETSIZE - 1);
		return true;
	case 'p':
		o->server = (pid_t)bench_number("--server-pid", optarg, 1, 1 << 22);
		return true;
	case 'C':
		o->server_cpu = (int)bench_number("--server-cpu", optarg, 0, CPU_SETSIZE - 1);
		return true;
	default:
		return false;
	}
}

int client_begin(const char *mode, const struct client_options *o)
{
	int error;

	if (o->destination.sa.sa_family == AF_UNSPEC) {
		bench_fail("%s wants --destination ADDRESS[:PORT], an IP address", mode);
		return 2;
	}
	if (o->server && bench_process_cpu(o->server) < 0)
		return bench_fail("--server-pid: there is no process %d", (int)o->server);
	error = o->cpu >= 0 ? bench_pin((unsigned int)o->cpu) : 0;
	if (error)
		return bench_fail("CPU %d: %s", o->cpu, strerror(-error));
	prctl(PR_SET_TIMERSLACK, 1UL);
	return 0;
}

/* Below 0: it is gone; 0: not known. */
static double server_cpu(const struct client_options *o)
{
	if (o->server_cpu >= 0)
		return bench_cpu_busy((unsigned int)o->server_cpu);
	return o->server ? bench_process_cpu(o->server) : 0;
}

void client_spent_begin(struct client_spent *spent, const struct client_options *o)
{
	spent->own_cpu = -bench_process_cpu(0);
	spent->server_cpu = -server_cpu(o);
	spent->seconds = -(double)bench_now() / 1e9;
}

int client_spent_end(struct client_spent *spent, const struct client_options *o)
{
	double spent_since_boot = server_cpu(o);

	spent->seconds += (double)bench_now() / 1e9;
	spent->server_cpu += spent_since_boot;
	spent->own_cpu += bench_process_cpu(0);
	if (spent_since_boot < 0)
		return bench_fail("the server, process %d, ended during the run", (int)o->server);
	return 0;
}

void client_print_spent(const struct client_spent *spent, double amount)
{
	printf(" seconds=%.3f client_busy=%.2f", spent->seconds, spent->own_cpu / spent->seconds);
	if (spent->server_cpu > 0)
		printf(" cpu_s=%.2f per_cpu_s=%.0f", spent->server_cpu, amount / spent->server_cpu);
}

int client_allow_sockets(unsigned int sockets)
{
	struct rlimit limit;
	rlim_t wanted = sockets + 64;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return bench_fail("%u sockets are more open files than the hard limit allows; see "
				  "ulimit -Hn",
				  sockets);
	return 0;
}

int client_connect(const union coax_address *destination)
{
	return client_connect_from(NULL, destination);
}

int client_connect_from(const union coax_address *source, const union coax_address *destination)
{
	int error, fd;

	fd = socket(destination->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if ((source && bind(fd, &source->sa, coax_address_length(source)) < 0) ||
	    connect(fd, &destination->sa, coax_address_length(destination)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

void client_acknowledge(int fd, uint16_t id)
{
	uint8_t ack[COAX_HEADER_SIZE] = {COAX_VERSION << 6 | COAX_TYPE_ACK << 4, COAX_EMPTY,
					 (uint8_t)(id >> 8), (uint8_t)id};

	(void)!send(fd, ack, sizeof(ack), MSG_DONTWAIT);
}

uint64_t client_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) < 0 || !seed)
		seed = bench_now() | 1;
	return seed;
}

/* xorshift64* */
uint32_t client_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1dULL) >> 32);
}
