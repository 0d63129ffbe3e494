// SPDX-License-Identifier: BSD-2-Clause
/* coax discover: the links of /.well-known/core (RFC 6690). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/link.h>
#include <coax/option.h>
#include "client.h"
#include "output.h"

#define CORE_PATH "/.well-known/core"

/* Filters as the command line gives them. */
struct filters {
	char *const *text;
	int count;
};

/* Servers may ignore the query (RFC 6690 section 4.1), and get only one filter. */
static bool is_wanted(const struct coax_link *link, const struct filters *filters)
{
	for (int i = 0; i < filters->count; i++) {
		if (!coax_link_matches(link, filters->text[i], strlen(filters->text[i])))
			return false;
	}
	return true;
}

/* The next link that passes the filters. Returns 1, 0 at the end, or -EBADMSG. */
static int next_link(struct coax_text *document, const struct filters *filters,
		     struct coax_link *link)
{
	int more;

	do {
		more = coax_link_next(document, link);
	} while (more > 0 && !is_wanted(link, filters));
	return more;
}

static int document_is_broken(const struct client *client)
{
	tool_fail(client->tool, "what %s answered is no link-format (RFC 6690 section 2)",
		  client->remote_text);
	return TOOL_NO_ANSWER;
}

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

static int show_json(const struct client *client, struct coax_text document,
		     const struct filters *filters)
{
	json_t *array = json_array(), *object;
	struct coax_link link;
	int more;

	while ((more = next_link(&document, filters, &link)) > 0) {
		object = link_json(&link);
		if (!object)
			more = -EBADMSG;
		if (more < 0)
			break;
		json_array_append_new(array, object);
	}
	if (more < 0) {
		json_decref(array);
		return document_is_broken(client);
	}
	return output_json(client->tool, array, TOOL_OK);
}

static int print_attributes(const struct coax_link *link)
{
	struct coax_text attributes = link->attributes;
	struct coax_link_attribute attribute;
	int more;

	while ((more = coax_link_attribute_next(&attributes, &attribute)) > 0) {
		const char *quote = attribute.quoted ? "\"" : "";

		putchar(' ');
		output_safe(stdout, attribute.name.at, attribute.name.length);
		if (!attribute.value.at)
			continue;
		printf("=%s", quote);
		output_safe(stdout, attribute.value.at, attribute.value.length);
		fputs(quote, stdout);
	}
	return more;
}

/* Targets longer than this do not push the attributes of all others to the right. */
#define TARGET_COLUMNS_MAX 40

static int show_text(const struct client *client, const struct coax_text document,
		     const struct filters *filters)
{
	struct coax_text rest = document;
	struct coax_link link;
	int more, columns, width = 0;

	while ((more = next_link(&rest, filters, &link)) > 0) {
		if (link.target.length <= TARGET_COLUMNS_MAX && (int)link.target.length > width)
			width = (int)link.target.length;
	}
	if (more < 0)
		return document_is_broken(client);
	rest = document;
	while (next_link(&rest, filters, &link) > 0) {
		columns = output_safe(stdout, link.target.at, link.target.length);
		if (link.attributes.length)
			printf("%*s", columns < width ? width - columns + 1 : 1, "");
		more = print_attributes(&link);
		putchar('\n');
		if (more < 0)
			return document_is_broken(client);
	}
	return TOOL_OK;
}

static int show(const struct client *client, const struct filters *filters)
{
	uint32_t format = COAX_FORMAT_LINK, block;
	struct coax_text document;
	int status = client_status(client);

	if (status != TOOL_OK) {
		client_print_failure(client);
		return status;
	}
	if (coax_message_find_uint(&client->answer, COAX_BLOCK2, &block) && (block & 8)) {
		tool_fail(client->tool,
			  "%s has more links than one message holds, and block-wise "
			  "transfer is not in this version (try a filter)",
			  client->remote_text);
		return TOOL_NO_ANSWER;
	}
	coax_message_find_uint(&client->answer, COAX_CONTENT_FORMAT, &format);
	if (format != COAX_FORMAT_LINK) {
		tool_fail(client->tool,
			  "%s answered with content format %u instead of %d "
			  "(application/link-format)",
			  client->remote_text, format, COAX_FORMAT_LINK);
		return TOOL_NO_ANSWER;
	}
	document.at = (const char *)coax_message_payload(&client->answer, &document.length);
	if (client->tool->json)
		return show_json(client, document, filters);
	return show_text(client, document, filters);
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

static int check_filters(const struct client *client, const struct filters *filters)
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
static const char *query_of(const struct filters *filters)
{
	for (int i = 0; i < filters->count; i++) {
		if (strchr(filters->text[i], '='))
			return filters->text[i];
	}
	return NULL;
}

static int build(struct client *client, const struct filters *filters)
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

static int discover(const struct tool *tool, const char *uri, const struct filters *filters,
		    const struct coax_request_options *how)
{
	struct client client;
	int status = client_begin(&client, tool, uri, COAX_GET);

	if (!status)
		status = check_path(&client, uri);
	if (!status)
		status = build(&client, filters);
	if (!status)
		status = client_open(&client);
	if (!status)
		status = client_ask(&client, how);
	if (!status)
		status = show(&client, filters);
	client_close(&client);
	return status;
}

static const struct option options[] = {
	TOOL_LONG,
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static int run_discover(struct tool *tool, int argc, char **argv)
{
	struct coax_request_options how = {0};
	struct filters filters;
	int option, status = TOOL_OK;

	while ((option = getopt_long(argc, argv, TOOL_SHORT "t:", options, NULL)) != -1) {
		if (option == 't') {
			if (tool_parse_seconds(tool, "--timeout", optarg, false, &how.timeout_ms))
				return TOOL_LOCAL_ERROR;
		} else if (!tool_option(tool, &discover_command, option, argv, &status)) {
			return status;
		}
	}
	if (optind >= argc)
		return tool_fail(tool,
				 "give a URI, such as coap://host (see coax discover --help)");
	filters = (struct filters){.text = argv + optind + 1, .count = argc - optind - 1};
	return discover(tool, argv[optind], &filters, &how);
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
		"Options:\n"
		"  -t, --timeout SECONDS  give up after so long, fractions allowed; without it after\n"
		"                         93 s without a sign of life (RFC 7252 section 4.8.2)\n"
		"  -j, --json             print an array of objects: href, then the attributes as\n"
		"                         texts (true: without a value; an array: given repeatedly)\n"
		"  -v, --verbose          show the messages on stderr\n"
		"  -h, --help             this text\n"
		"\n" TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax discover coap://192.0.2.1\n"
		"  coax discover coap://localhost rt=temperature* href=/sensors/*\n",
};
