// SPDX-License-Identifier: BSD-2-Clause
/* coax discover: the links of /.well-known/core (RFC 6690). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/link.h>
#include <coax/option.h>
#include "client.h"
#include "help.h"
#include "intake.h"
#include "links.h"
#include "output.h"
#include "report.h"
#include "signals.h"
#include "wish.h"

#define CORE_PATH "/.well-known/core"

/* A quoted value without its backslashes. */
static json_t *attribute_value(const struct coax_link_attribute *attribute)
{
	size_t length = 0;
	json_t *json;
	char *text;

	if (!attribute->value.at)
		return json_true();
	text = malloc(attribute->value.length + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < attribute->value.length; i++) {
		if (attribute->quoted && attribute->value.at[i] == '\\' &&
		    i + 1 < attribute->value.length)
			i++;
		text[length++] = attribute->value.at[i];
	}
	json = output_json_text(text, length);
	if (!json)
		json = output_json_hex(text, length);
	free(text);
	return json;
}

/* An attribute that is repeated becomes an array. */
static void add_attribute(json_t *object, const char *name, json_t *value)
{
	json_t *before = json_object_get(object, name), *array;

	if (!before) {
		json_object_set_new(object, name, value);
		return;
	}
	if (json_is_array(before)) {
		json_array_append_new(before, value);
		return;
	}
	array = json_array();
	json_array_append(array, before);
	json_array_append_new(array, value);
	json_object_set_new(object, name, array);
}

/* NULL: its attributes break the grammar. */
static json_t *link_json(const struct coax_link *link)
{
	struct coax_text attributes = link->attributes;
	struct coax_link_attribute attribute;
	json_t *object = json_object(), *href;
	int more;

	href = output_json_text(link->target.at, link->target.length);
	if (!href)
		href = output_json_hex(link->target.at, link->target.length);
	json_object_set_new(object, "href", href);
	while ((more = coax_link_attribute_next(&attributes, &attribute)) > 0) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)attribute.name.length, attribute.name.at);
		if (strcmp(name, "href") != 0)
			add_attribute(object, name, attribute_value(&attribute));
	}
	if (!more)
		return object;
	json_decref(object);
	return NULL;
}

/* All of a document; NULL: it is none. */
static json_t *links_json(struct coax_text document, const struct link_filters *filters)
{
	json_t *array = json_array(), *object;
	struct coax_link link;
	int more;

	while ((more = links_next(&document, filters, &link)) > 0) {
		object = link_json(&link);
		if (!object) {
			more = -EBADMSG;
			break;
		}
		json_array_append_new(array, object);
	}
	if (!more)
		return array;
	json_decref(array);
	return NULL;
}

static int is_no_document(const struct client *client)
{
	tool_fail(client->tool, "what %s answered is no link-format (RFC 6690 section 2)",
		  client->remote_text);
	return TOOL_NO_ANSWER;
}

/* The document that client->answer is. Returns TOOL_OK or, having said why, another status. */
static int find_document(const struct client *client, struct coax_text *document)
{
	int format = client_format(client), status = client_status(client);

	if (status != TOOL_OK) {
		report_failure(client);
		return status;
	}
	if (format >= 0 && format != COAX_FORMAT_LINK) {
		tool_fail(client->tool,
			  "%s answered with content format %d instead of %d "
			  "(application/link-format)",
			  client->remote_text, format, COAX_FORMAT_LINK);
		return TOOL_NO_ANSWER;
	}
	document->at = (const char *)coax_message_payload(&client->answer, &document->length);
	return TOOL_OK;
}

static int show(const struct client *client, const struct link_filters *filters)
{
	struct coax_text document;
	json_t *json;
	int status = find_document(client, &document);

	if (status != TOOL_OK)
		return status;
	if (!client->tool->json)
		return links_print(stdout, &document, filters, "") < 0 ? is_no_document(client)
								       : TOOL_OK;
	json = links_json(document, filters);
	return json ? output_json(client->tool, json, TOOL_OK) : is_no_document(client);
}

/* A group being asked. */
struct search {
	struct client *client;
	const struct link_filters *filters;
	json_t *found; /* NULL: printed as they come */
	uint32_t count;
};

static json_t *responder_json(const struct client *client, json_t *links)
{
	json_t *object = json_object();

	json_object_set_new(object, "remote", json_string(client->remote_text));
	json_object_set_new(object, "time_ms", json_real(client->time_ms));
	json_object_set_new(object, "links", links);
	return object;
}

static bool print_responder(const struct client *client, const struct coax_text *document,
			    const struct link_filters *filters)
{
	struct coax_text rest = *document;
	struct coax_link link;

	if (links_next(&rest, filters, &link) < 0)
		return false;
	printf("coap://%s\n", client->remote_text);
	return links_print(stdout, document, filters, "  ") >= 0;
}

static void show_responder(struct search *search)
{
	const struct client *client = search->client;
	struct coax_text document;
	json_t *links = NULL;
	bool good;

	if (find_document(client, &document) != TOOL_OK)
		return;
	if (search->found)
		links = links_json(document, search->filters);
	good = search->found ? links != NULL : print_responder(client, &document, search->filters);
	if (links)
		json_array_append_new(search->found, responder_json(client, links));
	if (good)
		search->count++;
	else
		is_no_document(client);
	fflush(stdout);
}

static void responded(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	struct search *search = arg;
	struct client *client = search->client;

	if (!response) {
		client->result = result;
		client->done = true;
		return;
	}
	coax_address_format(remote, client->remote_text);
	if (!result && !client_take(client, response))
		show_responder(search);
}

/* Until the time is up, or until somebody has had enough: what came counts all the same. */
static int search_group(struct search *search, const struct coax_request_options *how)
{
	struct client *client = search->client;
	struct coax_request *request;
	int error;

	client->done = false;
	client->asked = tool_now();
	error = coax_request_multicast(client->context, &client->remote, &client->request, how,
				       responded, search, &request);
	if (error)
		return client_no_answer(client, error);
	client_wait(client, UINT64_MAX);
	if (!client->done)
		coax_request_cancel(request);
	while (!client->done)
		coax_context_process(client->context);
	if (client->result == -ETIMEDOUT || signals_caught())
		return TOOL_OK;
	return client_no_answer(client, client->result);
}

static int discover_group(struct client *client, const struct link_filters *filters,
			  const struct coax_request_options *how)
{
	struct search search = {
		.client = client,
		.filters = filters,
		.found = client->tool->json ? json_array() : NULL,
	};
	char group[COAX_ADDRESS_TEXT_MAX];
	int status;

	snprintf(group, sizeof(group), "%s", client->remote_text);
	status = search_group(&search, how);
	if (!status && !search.count && !signals_caught()) {
		tool_fail(client->tool, "nobody in %s has answered", group);
		status = TOOL_NO_ANSWER;
	}
	if (search.found)
		status = output_json(client->tool, search.found, status);
	return status;
}

static int discover_server(struct client *client, const struct link_filters *filters,
			   const struct coax_request_options *how)
{
	struct coax_request_options whole = *how;
	int error;

	whole.body_max = INTAKE_MEMORY_MAX;
	error = client_ask(client, &whole);
	return error ? client_no_answer(client, error) : show(client, filters);
}

/* Only the server counts; a path or query of its own would be lost silently. */
static int check_path(const struct client *client, const char *text)
{
	const struct coax_uri *uri = &client->uri;
	bool core = uri->path_length == strlen(CORE_PATH) &&
		    memcmp(uri->path, CORE_PATH, uri->path_length) == 0;

	if ((uri->path_length > 1 && !core) || uri->query)
		return tool_fail(client->tool,
				 "\"%s\": discover asks for " CORE_PATH
				 "; give coap://host[:port] and the filters behind it",
				 text);
	return TOOL_OK;
}

static int check_filters(const struct client *client, const struct link_filters *filters)
{
	for (int i = 0; i < filters->count; i++) {
		size_t length = strlen(filters->text[i]);

		if (length < 1 || length > 255)
			return tool_fail(client->tool, "filter \"%s\": give 1 to 255 bytes",
					 filters->text[i]);
	}
	return TOOL_OK;
}

/* RFC 6690 section 4.1 defines a query with a single name and value; NULL: there is none. */
static const char *query_of(const struct link_filters *filters)
{
	for (int i = 0; i < filters->count; i++) {
		if (strchr(filters->text[i], '='))
			return filters->text[i];
	}
	return NULL;
}

static int build(struct client *client, const struct link_filters *filters)
{
	const char *query = query_of(filters);
	int result;

	if (check_filters(client, filters))
		return TOOL_LOCAL_ERROR;
	client->uri.path = CORE_PATH;
	client->uri.path_length = strlen(CORE_PATH);
	result = coax_uri_add_options(&client->uri, &client->request, client->uri.port);
	if (!result && query)
		result = coax_message_add_string(&client->request, COAX_URI_QUERY, query);
	return client_built(client, result);
}

static int discover(const struct tool *tool, const char *uri, const struct link_filters *filters,
		    const struct coax_request_options *how)
{
	struct client client;
	int status = client_begin(&client, tool, uri, COAX_GET);

	if (!status)
		status = check_path(&client, uri);
	if (!status)
		status = build(&client, filters);
	if (!status)
		status = client_open(&client, true);
	if (!status && client.uri.secure && coax_address_is_multicast(&client.remote))
		status =
			tool_fail(tool, "\"%s\": groups are not asked by coaps (use coap://)", uri);
	if (!status)
		status = coax_address_is_multicast(&client.remote)
				 ? discover_group(&client, filters, how)
				 : discover_server(&client, filters, how);
	client_close(&client);
	return status;
}

static const struct option options[] = {
	TOOL_LONG,
	SECURITY_LONG,
	{"non", no_argument, NULL, OPTION_NON},
	{"block-size", required_argument, NULL, OPTION_BLOCK_SIZE},
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static int run_discover(struct tool *tool, int argc, char **argv)
{
	struct link_filters filters;
	struct wish wish;
	int status;

	if (!wish_parse_options(&wish, tool, &discover_command,
				TOOL_SHORT SECURITY_SHORT "t:", options, argc, argv, &status))
		return status;
	if (optind >= argc)
		return tool_fail(tool,
				 "give a URI, such as coap://host (see coax discover --help)");
	filters = (struct link_filters){.text = argv + optind + 1, .count = argc - optind - 1};
	return discover(tool, argv[optind], &filters, &wish.how);
}

const struct command discover_command = {
	.name = "discover",
	.summary = "list the resources of a server",
	.run = run_discover,
	.help = "Usage: coax discover [OPTIONS] URI [FILTER...]\n"
		"\n"
		"GET " CORE_PATH " (RFC 6690) and print one link a line with its attributes.\n"
		"\n"
		"A FILTER is name=value: links with that attribute value, rt, if and the like word\n"
		"by word; href is the link itself. A value that ends in * is a prefix. A name alone\n"
		"is for links that have the attribute. Several filters must all fit. The server gets\n"
		"the first name=value as a query (RFC 6690 section 4.1); coax applies them all.\n"
		"\n"
		"When the URI's host is a group, as in coap://224.0.1.187 (All CoAP Nodes) or\n"
		"coap://[ff02::fd%25eth0], all of its members are asked, and each that answers is\n"
		"listed with its links (RFC 7252 section 8).\n"
		"\n"
		"Options:\n"
		"      --non              send the request as non-confirmable, as to groups always\n"
		"      --block-size SIZE  have links sent in blocks of at most SIZE bytes (see coax get)\n"
		"  -t, --timeout SECONDS  give up after so long, fractions allowed; without it after\n"
		"                         93 s without a sign of life (RFC 7252 section 4.8.2). To\n"
		"                         groups: wait so long for responses; without it 10 s\n" HELP_SECURITY
		"  -j, --json             print an array of objects: href, then the attributes as\n"
		"                         texts (true: without a value; an array: given repeatedly).\n"
		"                         Of groups: remote, time_ms, and links as that array\n" HELP_VERBOSE
			HELP_END TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax discover coap://192.0.2.1\n"
		"  coax discover coap://localhost rt=temperature* href=/sensors/*\n"
		"  coax discover 'coap://[ff02::fd%25eth0]' --timeout 3\n",
};
