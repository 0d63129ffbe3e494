// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/credentials.h>
#include <coax/log.h>
#include <coax/option.h>
#include "client.h"
#include "signals.h"

#define NS_PER_MS 1000000

/* The Context shows each message at DEBUG, as one "to" or "from" an address. */
static void log_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	const struct tool *tool = arg;

	(void)name;
	fflush(stdout);
	if (strncmp(line, "to ", 3) == 0)
		fprintf(stderr, "> %s\n", line + 3);
	else if (strncmp(line, "from ", 5) == 0)
		fprintf(stderr, "< %s\n", line + 5);
	else
		fprintf(stderr, "coax %s: %s: %s\n", tool->command, coax_log_level_name(level),
			line);
}

int client_begin(struct client *client, const struct tool *tool, const char *uri, uint8_t code)
{
	const char *problem = "it cannot be understood";
	int error;

	memset(client, 0, sizeof(*client));
	client->tool = tool;
	client->uri_text = uri;
	error = coax_uri_parse(&client->uri, uri, &problem);
	if (error == -EPROTONOSUPPORT)
		return tool_fail(tool, "\"%s\": give a URI like coap://host[:port]/path?query",
				 uri);
	if (error)
		return tool_fail(tool,
				 "\"%s\": %s (a URI looks like coap://host[:port]/path?query)", uri,
				 problem);
	coax_message_start(&client->request, client->request_buffer, sizeof(client->request_buffer),
			   COAX_TYPE_CON, code, 0, NULL, 0);
	return TOOL_OK;
}

int client_built(const struct client *client, int result)
{
	if (result >= 0)
		return TOOL_OK;
	if (result == -EMSGSIZE)
		return tool_fail(client->tool,
				 "the request is longer than a message of %d bytes "
				 "(use a shorter URI or fewer options)",
				 COAX_MESSAGE_MAX);
	return tool_fail(client->tool, "the request cannot be built: %s", strerror(-result));
}

/* Why no request can go to the address; NULL: one can. */
static const char *unusable(const union coax_address *address, bool group)
{
	if (!group && coax_address_is_multicast(address))
		return "a multicast or broadcast address, which only coax discover asks";
	if (address->sa.sa_family == AF_INET6 &&
	    (IN6_IS_ADDR_LINKLOCAL(&address->in6.sin6_addr) ||
	     IN6_IS_ADDR_MC_LINKLOCAL(&address->in6.sin6_addr)) &&
	    !address->in6.sin6_scope_id)
		return "a link-local address needs its interface, as in "
		       "coap://[fe80::1%25eth0]/path";
	return NULL;
}

static void found(void *arg, int result, const struct coax_found *found)
{
	struct client *client = arg;

	client->result = result;
	client->done = true;
	for (size_t i = 0; !result && i < found->count && i < CLIENT_REMOTES_MAX; i++)
		client->remotes[client->remote_count++] = found->remotes[i];
	if (result && !signals_caught())
		tool_fail(client->tool, "host \"%s\": %s", client->uri.host,
			  found && found->error ? found->error : strerror(-result));
}

static void use_remote(struct client *client, size_t index)
{
	client->remote = client->remotes[index];
	coax_address_format(&client->remote, client->remote_text);
}

static int find(struct client *client, bool group)
{
	const char *problem = "cannot be looked up";
	int error;

	client->done = false;
	error = coax_find_remote(client->context, client->uri_text, found, client, &problem);
	if (error)
		return tool_fail(client->tool, "host \"%s\": %s", client->uri.host, problem);
	client_wait(client, UINT64_MAX);
	if (!client->done || client->result || !client->remote_count)
		return TOOL_LOCAL_ERROR;
	problem = unusable(&client->remotes[0], group);
	if (problem)
		return tool_fail(client->tool, "host \"%s\": %s", client->uri.host, problem);
	use_remote(client, 0);
	return TOOL_OK;
}

int client_open(struct client *client, bool group)
{
	const struct tool *tool = client->tool;
	struct coax_context_options options = {
		.own_loop = true,
		.logger = {.write = log_line,
			   .arg = (void *)tool,
			   .from = tool->verbose ? COAX_LOG_DEBUG : COAX_LOG_WARNING},
	};
	int error = TOOL_OK;

	/* Who has given a key does not want it to be forgotten. */
	if (!client->uri.secure && security_is_demanded(&tool->security))
		return tool_fail(tool, "a key or certificates are for coaps://, and coap:// is "
				       "without security");
	if (client->uri.secure)
		error = security_credentials(tool, &options.client_credentials);
	if (error)
		return error;
	error = signals_catch();
	if (error >= 0)
		error = coax_context_create(&client->context, &options);
	coax_credentials_release(options.client_credentials);
	if (error < 0)
		return tool_fail(tool, "cannot open a socket: %s", strerror(-error));
	return find(client, group);
}

/* Milliseconds for poll(), rounded up; -1: for ever. */
static int time_left(const struct client *client, uint64_t deadline)
{
	int timeout = coax_context_timeout(client->context);
	uint64_t now = tool_now(), left;

	if (deadline == UINT64_MAX)
		return timeout;
	left = deadline > now ? (deadline - now - 1) / NS_PER_MS + 1 : 0;
	return timeout < 0 || left < (uint64_t)timeout ? (int)left : timeout;
}

void client_wait(struct client *client, uint64_t deadline)
{
	struct pollfd fds[] = {
		{.fd = coax_context_fd(client->context), .events = POLLIN},
		{.fd = signals_catch(), .events = POLLIN},
	};

	while (!client->done && !signals_caught() && tool_now() < deadline) {
		poll(fds, 2, time_left(client, deadline));
		coax_context_process(client->context);
	}
}

int client_take(struct client *client, const struct coax_message *answer)
{
	uint8_t *copy = malloc(answer->length);

	client->time_ms = (double)(tool_now() - client->asked) / NS_PER_MS;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, answer->data, answer->length);
	free(client->answer_buffer);
	client->answer_buffer = copy;
	client->answer = *answer;
	client->answer.data = copy;
	client->answer.capacity = 0;
	return 0;
}

/* Nobody was asked: there are no credentials, or none that can be used. */
static bool is_ours(int error)
{
	return error == -ENOKEY || error == -EINVAL;
}

int client_no_answer(struct client *client, int error)
{
	const struct tool *tool = client->tool;
	const char *remote = client->remote_text;

	if (signals_caught())
		return TOOL_LOCAL_ERROR;
	if (*client->reason) {
		tool_fail(tool, "%s: %s", remote, client->reason);
		return is_ours(error) ? TOOL_LOCAL_ERROR : TOOL_NO_ANSWER;
	}
	switch (error) {
	case -ETIMEDOUT:
		tool_fail(tool, "%s did not answer within %.1f s (see --timeout)", remote,
			  client->time_ms / 1000);
		break;
	case -ECONNRESET:
		tool_fail(tool, "%s answered with a reset: it could not process the request",
			  remote);
		break;
	case -ECONNREFUSED:
		tool_fail(tool, "%s refused: no server listens there (check the port)", remote);
		break;
	case -EPROTO:
		tool_fail(tool, "%s does not follow the protocol (-v shows the messages)", remote);
		break;
	case -ESTALE:
		tool_fail(tool, "what %s answers changed while it was fetched (try again)", remote);
		break;
	case -EFBIG:
		tool_fail(tool, "the answer of %s is too long", remote);
		break;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENETDOWN:
	case -ENOPROTOOPT:
	case -EAFNOSUPPORT:
	case -EACCES:
	case -EPERM:
		tool_fail(tool, "%s cannot be reached: %s", remote, strerror(-error));
		break;
	default:
		return tool_fail(tool, "the request to %s failed: %s", remote, strerror(-error));
	}
	return TOOL_NO_ANSWER;
}

static void answered(void *arg, int result, const struct coax_message *response,
		     const union coax_address *remote)
{
	struct client *client = arg;

	(void)remote;
	client->time_ms = (double)(tool_now() - client->asked) / NS_PER_MS;
	if (!result && response)
		result = client_take(client, response);
	client->result = result;
	client->done = true;
}

static void failed(void *arg, const char *reason)
{
	struct client *client = arg;

	snprintf(client->reason, sizeof(client->reason), "%s", reason);
}

struct coax_request_options client_how(struct client *client,
				       const struct coax_request_options *options)
{
	struct coax_request_options how = *options;

	client->reason[0] = '\0';
	how.secure = client->uri.secure;
	how.failed = failed;
	how.failed_arg = client;
	return how;
}

/* To client->remote. Returns 0 or a negative errno. */
static int ask_one(struct client *client, const struct coax_request_options *options)
{
	const struct coax_request_options how = client_how(client, options);
	struct coax_request *request;
	int error;

	client->done = false;
	client->asked = tool_now();
	error = coax_request(client->context, &client->remote, &client->request, &how, answered,
			     client, &request);
	if (error)
		return error;
	client_wait(client, UINT64_MAX);
	if (client->done)
		return client->result;
	coax_request_cancel(request);
	while (!client->done)
		coax_context_process(client->context);
	return -ECANCELED;
}

/* The network says that nothing has come through, or will. */
static bool is_unreachable(int error)
{
	return error == -ECONNREFUSED || error == -EHOSTUNREACH || error == -ENETUNREACH ||
	       error == -EHOSTDOWN || error == -ENETDOWN || error == -EAFNOSUPPORT ||
	       error == -EADDRNOTAVAIL;
}

int client_ask(struct client *client, const struct coax_request_options *options)
{
	int error = -EHOSTUNREACH;

	for (size_t i = 0; i < client->remote_count; i++) {
		use_remote(client, i);
		error = ask_one(client, options);
		if (!is_unreachable(error))
			break;
	}
	return error;
}

void client_close(struct client *client)
{
	coax_context_shutdown(client->context);
	client->context = NULL;
	free(client->answer_buffer);
	client->answer_buffer = NULL;
}

int client_status(const struct client *client)
{
	switch (COAX_CODE_CLASS(coax_message_code(&client->answer))) {
	case 2:
		return TOOL_OK;
	case 4:
		return TOOL_CLIENT_ERROR;
	case 5:
		return TOOL_SERVER_ERROR;
	default:
		return TOOL_NO_ANSWER;
	}
}

int client_format(const struct client *client)
{
	uint32_t format;

	if (!coax_message_find_uint(&client->answer, COAX_CONTENT_FORMAT, &format) ||
	    format > UINT16_MAX)
		return -1;
	return (int)format;
}
