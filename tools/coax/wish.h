/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request as the command line asks for it.
 */
#ifndef COAX_WISH_H
#define COAX_WISH_H

#include <getopt.h>
#include <coax/request.h>
#include "tool.h"

#define ETAG_MAX  8 /* bytes, RFC 7252 section 5.10 */
#define ETAGS_MAX 16

struct etag {
	uint8_t bytes[ETAG_MAX];
	size_t length;
};

struct wish {
	const char *uri;
	const char *payload_text;
	const char *payload_file;
	const char *output_file;
	int content_format; /* -1: none */
	int accept;	    /* -1: none */
	int no_response;    /* -1: not said; else as RFC 7967 section 2.1 has it */
	struct etag etags[ETAGS_MAX];
	size_t etag_count;
	struct etag matches[ETAGS_MAX];
	size_t match_count;
	bool if_none_match;
	struct coax_message options; /* that --option gave, and nothing else */
	uint8_t options_buffer[COAX_MESSAGE_MAX];
	struct coax_request_options how;
	uint32_t count;	 /* notifications to wait for; 0: no end */
	uint32_t for_ms; /* to observe; 0: no end */
};

/* What getopt_long() returns for the long options without a letter. */
enum {
	OPTION_CONTENT_FORMAT = 256,
	OPTION_ACCEPT,
	OPTION_ETAG,
	OPTION_IF_MATCH,
	OPTION_IF_NONE_MATCH,
	OPTION_NON,
	OPTION_BLOCK_SIZE,
	OPTION_NO_RESPONSE,
	OPTION_OPTION,
	OPTION_FOR,
};

/* The options of all requests, beside TOOL_LONG; the short one among them is t. */
#define WISH_LONG                                                           \
	TOOL_LONG, SECURITY_LONG, {"non", no_argument, NULL, OPTION_NON},   \
		{"option", required_argument, NULL, OPTION_OPTION},         \
		{"block-size", required_argument, NULL, OPTION_BLOCK_SIZE}, \
	{                                                                   \
		"timeout", required_argument, NULL, 't'                     \
	}
#define WISH_SHORT TOOL_SHORT SECURITY_SHORT "t:"

/*
 * Parse a command line with the options that `letters` and `options` allow, and one URI. Returns
 * true with *wish filled in, or false to end with *status.
 */
bool wish_parse(struct wish *wish, struct tool *tool, const struct command *command,
		const char *letters, const struct option *options, int argc, char **argv,
		int *status);

/* The same for the options alone: what stands behind them is argv[optind] and so on. */
bool wish_parse_options(struct wish *wish, struct tool *tool, const struct command *command,
			const char *letters, const struct option *options, int argc, char **argv,
			int *status);

/* "Name=value", as --option has it, into `options`. Returns 0 or, having said why not, 1. */
int wish_parse_option(const struct tool *tool, const char *text, struct coax_message *options);

struct client;

/* All options that it asks for, into client->request. Returns as client_built(). */
int wish_add_options(const struct wish *wish, struct client *client);

/* Send it as a request with method `code`, and show the response. Returns the exit status. */
int wish_fulfil(const struct wish *wish, const struct tool *tool, uint8_t code);

#endif
