/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request at a time to the server that a URI names.
 */
#ifndef COAX_CLIENT_H
#define COAX_CLIENT_H

#include <jansson.h>
#include <coax/address.h>
#include <coax/request.h>
#include <coax/message.h>
#include <coax/uri.h>
#include "tool.h"

/* Longest answer that is taken in. */
#define CLIENT_ANSWER_MAX 4096

struct client {
	const struct tool *tool;
	struct coax_context *context;
	struct coax_uri uri;
	union coax_address remote;
	char remote_text[COAX_ADDRESS_TEXT_MAX];
	uint8_t request_buffer[COAX_MESSAGE_MAX];
	struct coax_message request;
	uint8_t answer_buffer[CLIENT_ANSWER_MAX];
	struct coax_message answer;
	double time_ms; /* from the request to the answer */
};

/*
 * These return TOOL_OK or, having said why on stderr, another exit status.
 */

/* Take the URI apart, and begin client->request with `code`, without options. */
int client_begin(struct client *client, const struct tool *tool, const char *uri, uint8_t code);

/* Check what coax_message_add() and its like returned for client->request. */
int client_built(const struct client *client, int result);

/* Find the address of the server and open a socket. After it client_close(). */
int client_open(struct client *client);

/*
 * Send client->request and wait. TOOL_OK: client->answer is there, with any code (with a ping there
 * is none).
 */
int client_ask(struct client *client, const struct coax_request_options *options);

void client_close(struct client *client);

/* The exit status that stands for the answer's code. */
int client_status(const struct client *client);

/* The answer as an object: code, class, type, options, payload or payload_hex, remote, time_ms. */
json_t *client_json(const struct client *client, bool payload);

/* Code and diagnostic payload (RFC 7252 section 5.5.2) of an unsuccessful answer, on stderr. */
void client_print_failure(const struct client *client);

#endif
