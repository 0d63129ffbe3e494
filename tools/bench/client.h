/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the modes have in common that are clients of a server over UDP sockets.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <getopt.h>
#include <coax/address.h>
#include "bench.h"

#define CLIENT_SOCKETS_MAX 65536
#define CLIENT_TIMEOUT	   BENCH_NSEC /* then a message counts as lost */
/* Room for any datagram that is looked at. */
#define CLIENT_DATAGRAM_MAX 2048

struct client_options {
	union coax_address destination;
	in_port_t port; /* of the destination, when it comes without one; 0: COAX_PORT */
	const char *path;
	unsigned int sockets;
	double seconds;
	pid_t server;	/* whose processor time counts; 0: not known */
	int server_cpu; /* or that of all that this one does; -1: not known */
	int cpu;	/* to run on; -1: any */
};

/* The elements for getopt_long(). */
/* clang-format off */
#define CLIENT_OPTIONS                                  \
	{"destination", required_argument, NULL, 'd'},  \
	{"path", required_argument, NULL, 'u'},         \
	{"seconds", required_argument, NULL, 's'},      \
	{"cpu", required_argument, NULL, 'c'},          \
	{"server-pid", required_argument, NULL, 'p'},   \
	{"server-cpu", required_argument, NULL, 'C'}
/* clang-format on */

/* Take one of those, with optarg. Returns whether it was one; a bad value ends the program. */
bool client_take_option(struct client_options *o, int option);

/* All options are there: check them and get ready. Returns 0, or the exit status of a complaint. */
int client_begin(const char *mode, const struct client_options *o);

/* What a run took. */
struct client_spent {
	double seconds;
	double server_cpu; /* 0: not known */
	double own_cpu;
};

void client_spent_begin(struct client_spent *spent, const struct client_options *o);

/* Returns 0, or the exit status of a complaint: the server ended meanwhile. */
int client_spent_end(struct client_spent *spent, const struct client_options *o);

/* " seconds=... client_busy=..." and what there was of `amount` in a CPU second of the server. */
void client_print_spent(const struct client_spent *spent, double amount);

/* So many sockets will be open. Returns 0 or the exit status of a complaint. */
int client_allow_sockets(unsigned int sockets);

/* A UDP socket of its own port toward the destination. Returns it or a negative errno. */
int client_connect(const union coax_address *destination);
/* The same from a port of `source`; NULL: of any address. */
int client_connect_from(const union coax_address *source, const union coax_address *destination);

void client_acknowledge(int fd, uint16_t id);

/* Quick, and random enough for tokens. `state` was set by client_seed(). */
uint64_t client_seed(void);
uint32_t client_random(uint64_t *state);

#endif
