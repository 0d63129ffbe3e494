/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the modes of coax-bench share.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>
#include <coax/message.h>

#define BENCH_NSEC 1000000000ULL

/* The modes, each with its own arguments; argv[0] is the mode's name. They return exit statuses. */
int bench_kernel(int argc, char **argv);
int bench_reflector(int argc, char **argv);
int bench_flood(int argc, char **argv);
int bench_socket(int argc, char **argv);
int bench_blocks(int argc, char **argv);
int bench_notify(int argc, char **argv);
int bench_dtls(int argc, char **argv);
int bench_serve(int argc, char **argv);

/* Set by SIGINT and SIGTERM: finish, clean up, report what there is. */
extern volatile sig_atomic_t bench_stopped;

uint64_t bench_now(void); /* nanoseconds of CLOCK_MONOTONIC */
void bench_sleep_ms(unsigned int ms);

/* Complain on stderr, printf style, and return the exit status of a failure. */
__attribute__((format(printf, 1, 2))) int bench_fail(const char *format, ...);

/* Number arguments; out of bounds or no number ends the program with a message and status 2. */
uint64_t bench_number(const char *option, const char *text, uint64_t min, uint64_t max);
double bench_seconds(const char *option, const char *text);
int bench_usage_error(const char *mode);

/* Pin this thread to a CPU. Returns 0 or a negative errno. */
int bench_pin(unsigned int cpu);

/* Seconds that a CPU has spent on anything, interrupts included (/proc/stat), or below 0. */
double bench_cpu_busy(unsigned int cpu);

/* User and system seconds of all threads of a process, 0 for this one, or below 0. */
double bench_process_cpu(pid_t pid);
double bench_process_user(pid_t pid); /* without what the kernel did for it */

/* What is asked, again and again. */
struct bench_request {
	const char *path; /* or a URI, for a proxy to ask for */
	uint8_t method;
	enum coax_type type;
	size_t token_length;
	size_t payload_size;
	uint32_t names;	 /* when not 0: the path goes on with one of so many, in hexadecimal */
	bool name_query; /* or rather has it for a query */
};

/* Digits of a name: the last bytes of the request, without payload. */
#define BENCH_NAME_LENGTH 8
#define BENCH_URI_MAX	  255
#define BENCH_NAMES_MAX	  (1U << 24)

/*
 * The request with message ID 0, a token of zeros and the first name. Returns 0 or a negative
 * errno.
 */
int bench_request_build(const struct bench_request *request, struct coax_message *m, void *buffer,
			size_t capacity);
void bench_name_write(uint8_t *digits, uint32_t name);

#endif
