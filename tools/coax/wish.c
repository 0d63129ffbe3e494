// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <coax/block.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "client.h"
#include "wish.h"

#define COUNT_MAX	1000000
#define NO_RESPONSE_MAX 127
#define NO_RESPONSE_2XX 2 /* RFC 7967 section 2.1 */
#define NO_RESPONSE_4XX 8
#define NO_RESPONSE_5XX 16
#define NO_RESPONSE_ANY (NO_RESPONSE_2XX | NO_RESPONSE_4XX | NO_RESPONSE_5XX)
/* How long a response that is not wanted is waited for unless --timeout says. */
#define SILENCE_MS 5000

static int parse_format(const struct tool *tool, const char *option, const char *text, int *format)
{
	*format = coax_content_format_by_name(text);
	if (*format < 0)
		return tool_fail(tool,
				 "%s \"%s\": give a media type such as application/json, or its "
				 "number from 0 to 65535",
				 option, text);
	return 0;
}

static int parse_etag(const struct tool *tool, const char *option, const char *text, size_t min,
		      struct etag *etags, size_t *count)
{
	struct etag *etag = &etags[*count];

	if (*count == ETAGS_MAX)
		return tool_fail(tool, "%s is given more than %d times", option, ETAGS_MAX);
	if (tool_parse_hex(tool, option, text, etag->bytes, ETAG_MAX, &etag->length))
		return TOOL_LOCAL_ERROR;
	if (etag->length < min)
		return tool_fail(tool, "%s \"\": an ETag has 1 to %d bytes", option, ETAG_MAX);
	(*count)++;
	return 0;
}

static int parse_block_size(const struct tool *tool, const char *text, uint32_t *size)
{
	static const char *const sizes[] = {"16", "32", "64", "128", "256", "512", "1024"};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(text, sizes[i]) == 0) {
			*size = 16u << i;
			return 0;
		}
	}
	return tool_fail(tool, "--block-size \"%s\": give 16, 32, 64, 128, 256, 512 or 1024", text);
}

/* One of "2.xx", "4.xx" and "5.xx". Returns its bit, or 0. */
static int class_bit(const char *text, size_t length)
{
	static const struct {
		const char *name;
		int bit;
	} classes[] = {
		{"2.xx", NO_RESPONSE_2XX}, {"4.xx", NO_RESPONSE_4XX}, {"5.xx", NO_RESPONSE_5XX}};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (length == strlen(classes[i].name) &&
		    strncmp(text, classes[i].name, length) == 0)
			return classes[i].bit;
	}
	return 0;
}

/* "all", "none", a number, or classes with commas between them; -1: nothing of these. */
static int no_response_value(const char *text)
{
	int value = 0, bit;
	char *end;

	if (strcmp(text, "all") == 0)
		return NO_RESPONSE_ANY;
	if (strcmp(text, "none") == 0)
		return 0;
	if (*text >= '0' && *text <= '9' && !strchr(text, '.')) {
		unsigned long number = strtoul(text, &end, 10);

		return *end || number > NO_RESPONSE_MAX ? -1 : (int)number;
	}
	for (;;) {
		size_t length = strcspn(text, ",");

		bit = class_bit(text, length);
		if (!bit)
			return -1;
		value |= bit;
		if (!text[length])
			return value;
		text += length + 1;
	}
}

static int parse_no_response(const struct tool *tool, const char *text, int *value)
{
	*value = no_response_value(text);
	if (*value < 0)
		return tool_fail(tool,
				 "--no-response \"%s\": give all, none, classes such as 2.xx,5.xx, "
				 "or a number from 0 to %d",
				 text, NO_RESPONSE_MAX);
	return 0;
}

static bool parse_option(struct tool *tool, const struct command *command, struct wish *wish,
			 int option, char **argv, int *status)
{
	switch (option) {
	case 'o':
		wish->output_file = strcmp(optarg, "-") ? optarg : NULL;
		return true;
	case 'p':
		wish->payload_text = optarg;
		return true;
	case 'f':
		wish->payload_file = optarg;
		return true;
	case OPTION_IF_NONE_MATCH:
		wish->if_none_match = true;
		return true;
	case OPTION_NON:
		wish->how.non_confirmable = true;
		return true;
	case OPTION_CONTENT_FORMAT:
		*status = parse_format(tool, "--content-format", optarg, &wish->content_format);
		break;
	case OPTION_ACCEPT:
		*status = parse_format(tool, "--accept", optarg, &wish->accept);
		break;
	case OPTION_ETAG:
		*status = parse_etag(tool, "--etag", optarg, 1, wish->etags, &wish->etag_count);
		break;
	case OPTION_IF_MATCH:
		*status = parse_etag(tool, "--if-match", optarg, 0, wish->matches,
				     &wish->match_count);
		break;
	case OPTION_BLOCK_SIZE:
		*status = parse_block_size(tool, optarg, &wish->how.block_size);
		break;
	case OPTION_NO_RESPONSE:
		*status = parse_no_response(tool, optarg, &wish->no_response);
		break;
	case OPTION_OPTION:
		*status = wish_parse_option(tool, optarg, &wish->options);
		break;
	case OPTION_FOR:
		*status = tool_parse_seconds(tool, "--for", optarg, false, &wish->for_ms);
		break;
	case 'c':
		*status = tool_parse_count(tool, "--count", optarg, COUNT_MAX, &wish->count);
		break;
	case 't':
		*status =
			tool_parse_seconds(tool, "--timeout", optarg, false, &wish->how.timeout_ms);
		break;
	default:
		if (security_option(&tool->security, option))
			return true;
		return tool_option(tool, command, option, argv, status);
	}
	return *status == 0;
}

/* Who asks for one block by itself gets that one. */
static bool asks_for_block(const struct wish *wish)
{
	struct coax_option option;

	return coax_message_find(&wish->options, COAX_BLOCK1, &option) ||
	       coax_message_find(&wish->options, COAX_BLOCK2, &option);
}

bool wish_parse_options(struct wish *wish, struct tool *tool, const struct command *command,
			const char *letters, const struct option *options, int argc, char **argv,
			int *status)
{
	int option;

	*wish = (struct wish){.content_format = -1, .accept = -1, .no_response = -1};
	coax_message_start(&wish->options, wish->options_buffer, sizeof(wish->options_buffer),
			   COAX_TYPE_CON, COAX_EMPTY, 0, NULL, 0);
	*status = TOOL_OK;
	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (!parse_option(tool, command, wish, option, argv, status))
			return false;
	}
	wish->how.single = asks_for_block(wish);
	if (wish->no_response > 0 && !wish->how.timeout_ms)
		wish->how.timeout_ms = SILENCE_MS;
	return true;
}

bool wish_parse(struct wish *wish, struct tool *tool, const struct command *command,
		const char *letters, const struct option *options, int argc, char **argv,
		int *status)
{
	if (!wish_parse_options(wish, tool, command, letters, options, argc, argv, status))
		return false;
	*status = TOOL_LOCAL_ERROR;
	if (argc - optind != 1) {
		tool_fail(tool, "give one URI, such as coap://host/path (see coax %s --help)",
			  tool->command);
		return false;
	}
	if (wish->payload_text && wish->payload_file) {
		tool_fail(tool, "give --payload or --file, not both");
		return false;
	}
	wish->uri = argv[optind];
	*status = TOOL_OK;
	return true;
}

static int copy_options(struct coax_message *to, const struct coax_message *from)
{
	struct coax_option_iterator it = coax_options_begin(from);
	struct coax_option option;
	int result = 0;

	while (!result && coax_options_next(&it, &option))
		result = coax_message_add(to, option.number, option.value, option.length);
	return result;
}

static int add_etags(struct coax_message *to, uint16_t number, const struct etag *etags,
		     size_t count)
{
	int result = 0;

	for (size_t i = 0; !result && i < count; i++)
		result = coax_message_add(to, number, etags[i].bytes, etags[i].length);
	return result;
}

static int add_if_given(struct coax_message *to, uint16_t number, int value)
{
	return value < 0 ? 0 : coax_message_add_uint(to, number, (uint32_t)value);
}

int wish_add_options(const struct wish *wish, struct client *client)
{
	struct coax_message *request = &client->request;
	int result = coax_uri_add_options(&client->uri, request, client->uri.port);

	if (!result)
		result = add_etags(request, COAX_IF_MATCH, wish->matches, wish->match_count);
	if (!result)
		result = add_etags(request, COAX_ETAG, wish->etags, wish->etag_count);
	if (!result && wish->if_none_match)
		result = coax_message_add(request, COAX_IF_NONE_MATCH, NULL, 0);
	if (!result)
		result = add_if_given(request, COAX_CONTENT_FORMAT, wish->content_format);
	if (!result)
		result = add_if_given(request, COAX_ACCEPT, wish->accept);
	if (!result)
		result = add_if_given(request, COAX_NO_RESPONSE, wish->no_response);
	if (!result)
		result = copy_options(request, &wish->options);
	return client_built(client, result);
}
