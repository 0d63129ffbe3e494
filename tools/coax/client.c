// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <coax/log.h>
#include <coax/option.h>
#include "client.h"
#include "output.h"

/* The Context shows each message at DEBUG. */
static void log_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	const struct tool *tool = arg;

	(void)name;
	fprintf(stderr, "coax %s: %s: %s\n", tool->command, coax_log_level_name(level), line);
}

int client_begin(struct client *client, const struct tool *tool, const char *uri, uint8_t code)
{
	const char *problem = "it cannot be understood";
	int error;

	memset(client, 0, sizeof(*client));
	client->tool = tool;
	error = coax_uri_parse(&client->uri, uri, &problem);
	if (error == -EPROTONOSUPPORT)
		return tool_fail(tool, "\"%s\": give a URI like coap://host[:port]/path?query",
				 uri);
	if (error)
		return tool_fail(tool,
				 "\"%s\": %s (a URI looks like coap://host[:port]/path?query)", uri,
				 problem);
	if (client->uri.secure)
		return tool_fail(tool,
				 "\"%s\": coaps needs DTLS, which this version does not speak "
				 "(use coap://)",
				 uri);
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
				 "(use a shorter URI, fewer options or less payload)",
				 COAX_MESSAGE_MAX);
	return tool_fail(client->tool, "the request cannot be built: %s", strerror(-result));
}

/* Why no request can go to the address; NULL: one can. */
static const char *unusable(const union coax_address *address)
{
	if (coax_address_is_multicast(address))
		return "a multicast or broadcast address, to which this version sends no requests";
	if (address->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->in6.sin6_addr) &&
	    !address->in6.sin6_scope_id)
		return "a link-local address needs its interface, as in "
		       "coap://[fe80::1%25eth0]/path";
	return NULL;
}

int client_open(struct client *client)
{
	const struct tool *tool = client->tool;
	struct coax_context_options options = {
		.logger = {.write = log_line,
			   .arg = (void *)tool,
			   .from = tool->verbose ? COAX_LOG_DEBUG : COAX_LOG_WARNING},
	};
	const char *problem = "not found";
	int error;

	if (coax_resolve(&client->uri, &client->remote, &problem))
		return tool_fail(tool, "host \"%s\": %s", client->uri.host, problem);
	problem = unusable(&client->remote);
	if (problem)
		return tool_fail(tool, "host \"%s\": %s", client->uri.host, problem);
	coax_address_format(&client->remote, client->remote_text);
	error = coax_context_create(&client->context, &options);
	if (error)
		return tool_fail(tool, "cannot open a socket: %s", strerror(-error));
	return TOOL_OK;
}

static int no_answer(const struct client *client, int error)
{
	const struct tool *tool = client->tool;
	const char *remote = client->remote_text;

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
		tool_fail(tool,
			  "the answer of %s has a critical option that this version does not "
			  "understand (a body in blocks has one)",
			  remote);
		break;
	case -EMSGSIZE:
		tool_fail(tool, "the answer of %s is longer than %d bytes", remote,
			  CLIENT_ANSWER_MAX);
		break;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENETDOWN:
	case -ENOPROTOOPT:
	case -EACCES:
	case -EPERM:
		tool_fail(tool, "%s cannot be reached: %s", remote, strerror(-error));
		break;
	default:
		return tool_fail(tool, "the request to %s failed: %s", remote, strerror(-error));
	}
	return TOOL_NO_ANSWER;
}

int client_ask(struct client *client, const struct coax_request_options *options)
{
	uint64_t start;
	int error;

	coax_message_set_type(&client->request,
			      options->non_confirmable ? COAX_TYPE_NON : COAX_TYPE_CON);
	start = tool_now();
	error = coax_request_wait(client->context, &client->remote, &client->request, options,
				  client->answer_buffer, sizeof(client->answer_buffer),
				  &client->answer);
	client->time_ms = (double)(tool_now() - start) / 1e6;
	return error ? no_answer(client, error) : TOOL_OK;
}

void client_close(struct client *client)
{
	coax_context_shutdown(client->context);
	client->context = NULL;
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

static const char *class_name(uint8_t code)
{
	switch (COAX_CODE_CLASS(code)) {
	case 2:
		return "success";
	case 4:
		return "client error";
	case 5:
		return "server error";
	default:
		return "unknown";
	}
}

static const char *type_name(enum coax_type type)
{
	static const char *const names[] = {"CON", "NON", "ACK", "RST"};

	return names[type];
}

json_t *client_json(const struct client *client, bool payload)
{
	const struct coax_message *answer = &client->answer;
	uint8_t code = coax_message_code(answer);
	json_t *object = json_object(), *text;
	char number[16], name[8];
	const char *words = strchr(coax_code_name(code, name), ' '); /* "2.05 Content" */
	size_t length;
	const uint8_t *bytes = coax_message_payload(answer, &length);

	snprintf(number, sizeof(number), "%d.%02d", COAX_CODE_CLASS(code), COAX_CODE_DETAIL(code));
	json_object_set_new(object, "code", json_string(number));
	json_object_set_new(object, "name", json_string(words ? words + 1 : ""));
	json_object_set_new(object, "class", json_string(class_name(code)));
	json_object_set_new(object, "type", json_string(type_name(coax_message_type(answer))));
	json_object_set_new(object, "options", output_json_options(answer));
	if (payload) {
		text = output_json_text(bytes, length);
		if (text)
			json_object_set_new(object, "payload", text);
		else
			json_object_set_new(object, "payload_hex", output_json_hex(bytes, length));
	}
	json_object_set_new(object, "remote", json_string(client->remote_text));
	json_object_set_new(object, "time_ms", json_real(client->time_ms));
	return object;
}

void client_print_failure(const struct client *client)
{
	uint32_t format = COAX_FORMAT_TEXT_PLAIN;
	char name[8];
	size_t length;
	const uint8_t *payload = coax_message_payload(&client->answer, &length);

	coax_message_find_uint(&client->answer, COAX_CONTENT_FORMAT, &format);
	fprintf(stderr, "coax %s: %s", client->tool->command,
		coax_code_name(coax_message_code(&client->answer), name));
	if (length && format == COAX_FORMAT_TEXT_PLAIN) {
		fputs(": ", stderr);
		output_safe(stderr, (const char *)payload, length);
	} else if (length) {
		fprintf(stderr, " (%zu bytes of content format %u; -j shows them)", length, format);
	}
	fputc('\n', stderr);
}
