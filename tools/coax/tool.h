/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands of `coax` share: how they are called, what they return, their options.
 */
#ifndef COAX_TOOL_H
#define COAX_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "security.h"

/* Exit status, the same for all commands and part of the tool's contract with scripts. */
enum {
	TOOL_OK = 0,
	TOOL_LOCAL_ERROR = 1,
	TOOL_CLIENT_ERROR = 2,
	TOOL_SERVER_ERROR = 3,
	TOOL_NO_ANSWER = 4,
};

#define TOOL_EXIT_HELP                                                       \
	"Exit status:\n"                                                     \
	"  0  success (2.xx)\n"                                              \
	"  1  usage or local error (a host name that is not known is one,\n" \
	"     coaps without credentials for it another)\n"                   \
	"  2  the server answered with a client error (4.xx)\n"              \
	"  3  the server answered with a server error (5.xx)\n"              \
	"  4  no usable answer: timeout, connection refused, reset, unreachable\n"

struct tool {
	const char *command; /* "get"; "" before one is known */
	bool json;
	bool verbose;
	struct security security;
};

struct command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(struct tool *tool, int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command request_get, request_put, request_post, request_delete;
extern const struct command request_fetch, request_patch, request_ipatch, observe_command;
extern const struct command ping_command, discover_command, status_command, cache_command;
extern const struct command exchanges_command, peers_command, on_command, off_command;
extern const struct command attach_command, detach_command, reload_command, top_command;

/* "coax get: ..." on stderr, made safe for a terminal. Returns TOOL_LOCAL_ERROR. */
__attribute__((format(printf, 2, 3))) int tool_fail(const struct tool *tool, const char *format,
						    ...);

/* Nanoseconds of CLOCK_MONOTONIC, which is also the maps' clock. */
static inline uint64_t tool_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The options that each command takes. Its own short ones go behind TOOL_SHORT. */
#define TOOL_SHORT ":hjv"
#define TOOL_LONG                                                           \
	{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, \
	{                                                                   \
		"verbose", no_argument, NULL, 'v'                           \
	}

/*
 * Handle what getopt_long() returned and the command itself does not know: the shared options, and
 * errors. Returns true to go on with the next option; false to end with *status.
 */
bool tool_option(struct tool *tool, const struct command *command, int option, char **argv,
		 int *status);

/* The option for which getopt_long() returned '?', as it was written; `letter` has room for one. */
const char *tool_bad_option(char **argv, char letter[3]);

/* Values of options. Each returns 0 or, having said why, TOOL_LOCAL_ERROR. */
int tool_parse_seconds(const struct tool *tool, const char *option, const char *text, bool zero,
		       uint32_t *ms);
int tool_parse_count(const struct tool *tool, const char *option, const char *text, uint32_t max,
		     uint32_t *count);
/* Pairs of hex digits, behind 0x or not. Returns 0 or -EINVAL, and says nothing. */
int tool_read_hex(const char *text, uint8_t *bytes, size_t max, size_t *length);
int tool_parse_hex(const struct tool *tool, const char *option, const char *text, uint8_t *bytes,
		   size_t max, size_t *length);

#endif
