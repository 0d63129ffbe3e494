/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to the server that a URI names, one at a time. The Context has no thread: all callbacks
 * run in client_wait().
 */
#ifndef COAX_CLIENT_H
#define COAX_CLIENT_H

#include <coax/address.h>
#include <coax/message.h>
#include <coax/request.h>
#include <coax/uri.h>
#include "tool.h"

/* Addresses of one name that are tried. */
#define CLIENT_REMOTES_MAX 8

struct client {
	const struct tool *tool;
	struct coax_context *context;
	const char *uri_text;
	struct coax_uri uri;
	union coax_address remotes[CLIENT_REMOTES_MAX]; /* in the order in which to try them */
	size_t remote_count;
	union coax_address remote; /* the one that is asked */
	char remote_text[COAX_ADDRESS_TEXT_MAX];
	uint8_t request_buffer[COAX_MESSAGE_MAX];
	struct coax_message request;
	uint8_t *answer_buffer;
	struct coax_message answer;
	uint64_t asked;	  /* when, ns */
	double time_ms;	  /* from the request to the answer */
	bool done;	  /* what is waited for has come */
	int result;	  /* and what it was */
	char reason[256]; /* why a request failed, when there is more to say; else empty */
};

/*
 * Those that return int and do not say what return TOOL_OK or, having said why on stderr, another
 * exit status.
 */

/* Take the URI apart, and begin client->request with `code`, without options. */
int client_begin(struct client *client, const struct tool *tool, const char *uri, uint8_t code);

/* Check what coax_message_add() and its like returned for client->request. */
int client_built(const struct client *client, int result);

/*
 * Open a socket and find the addresses of the server; the first becomes client->remote. A group's
 * is refused unless it is `group` that is wanted. After it client_close().
 */
int client_open(struct client *client, bool group);

/* `options`, with what the client's URI asks for besides. */
struct coax_request_options client_how(struct client *client,
				       const struct coax_request_options *options);

/*
 * Send client->request, to the addresses in turn until one is not unreachable, and wait. Returns 0:
 * client->answer is there, with any code (with a ping there is none); or what coax_response_fn
 * gets.
 */
int client_ask(struct client *client, const struct coax_request_options *options);

/*
 * Run the Context until client->done is set, until `deadline` (of tool_now(); UINT64_MAX: none), or
 * until a signal comes.
 */
void client_wait(struct client *client, uint64_t deadline);

/* Make a copy of what came client->answer, and note the time. Returns 0 or -ENOMEM. */
int client_take(struct client *client, const struct coax_message *answer);

/* Say why client_ask() failed; silent when a signal is why. Returns the exit status for it. */
int client_no_answer(struct client *client, int error);

void client_close(struct client *client);

/* The exit status that stands for the answer's code. */
int client_status(const struct client *client);

/* What the answer's Content-Format option says; -1: there is none. */
int client_format(const struct client *client);

#endif
