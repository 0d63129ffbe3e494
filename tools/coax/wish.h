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
	struct etag etags[ETAGS_MAX];
	size_t etag_count;
	struct etag matches[ETAGS_MAX];
	size_t match_count;
	bool if_none_match;
	struct coax_request_options how;
};

/* What getopt_long() returns for the long options without a letter. */
enum {
	OPTION_CONTENT_FORMAT = 256,
	OPTION_ACCEPT,
	OPTION_ETAG,
	OPTION_IF_MATCH,
	OPTION_IF_NONE_MATCH,
	OPTION_NON,
};

/*
 * Parse a command line of get, put, post or delete, with the options that `letters` and `options`
 * allow. Returns true with *wish filled in, or false to end with *status.
 */
bool wish_parse(struct wish *wish, struct tool *tool, const struct command *command,
		const char *letters, const struct option *options, int argc, char **argv,
		int *status);

/* Send it as a request with method `code`, and show the response. Returns the exit status. */
int wish_fulfil(const struct wish *wish, const struct tool *tool, uint8_t code);

#endif
